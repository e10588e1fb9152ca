//! The ZIP file, and the name that it is sent under.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use greenroom_protocol::Timestamp;
use jiff::tz::Offset;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Characters of a file's name.
const NAME_CHARS_MAX: usize = 80;
/// Who may do what with an unpacked file: its owner reads and writes, others read.
const PERMISSIONS: u32 = 0o644;

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
#[error("the archive cannot be written: {0}")]
pub struct ArchiveError(#[from] zip::result::ZipError);

/// A ZIP file in the making.
pub(super) struct Archive {
    writer: ZipWriter<Cursor<Vec<u8>>>,
    options: SimpleFileOptions,
}

impl Archive {
    /// An empty one, whose files all have the same time.
    pub(super) fn new(time: Timestamp) -> Self {
        Self {
            writer: ZipWriter::new(Cursor::new(Vec::new())),
            options: SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .last_modified_time(zip_time(time))
                .unix_permissions(PERMISSIONS),
        }
    }

    /// Adds a file.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.writer.start_file(name, self.options)?;
        self.writer.write_all(bytes).map_err(zip::result::ZipError::Io)?;
        Ok(())
    }

    /// Its bytes.
    pub(super) fn finish(self) -> Result<Vec<u8>, ArchiveError> {
        Ok(self.writer.finish()?.into_inner())
    }
}

/// The value of `Content-Disposition` for a file of this title: a name of ASCII letters for all, and the title itself
/// (RFC 5987) for those who can read it.
pub fn attachment(title: &str, fallback: &str) -> String {
    let name: String = title
        .chars()
        .filter(|letter| !is_awkward(*letter))
        .take(NAME_CHARS_MAX)
        .collect();
    let name = name.trim_matches(|letter: char| letter.is_whitespace() || letter == '.');
    let plain = if !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_graphic() || letter == ' ')
    {
        name
    } else {
        fallback
    };
    let plain = plain.replace('%', "_");
    let name = if name.is_empty() { fallback } else { name };
    format!(
        "attachment; filename=\"{plain}.zip\"; filename*=UTF-8''{}.zip",
        percent_encoded(name)
    )
}

/// What some system does not take in a file's name, or what a header does not take in quotes.
fn is_awkward(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '\u{200e}' | '\u{200f}'
        )
}

/// All but the `attr-char`s of RFC 5987 that are letters, digits and the harmless marks.
fn percent_encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// ZIP knows the years from 1980 to 2107, in steps of two seconds.
fn zip_time(time: Timestamp) -> DateTime {
    let civil = jiff::Timestamp::from_millisecond(time.unix_ms()).map(|time| Offset::UTC.to_datetime(time));
    let fields = civil.ok().and_then(|civil| {
        let small = |number: i8| u8::try_from(number).ok();
        DateTime::from_date_and_time(
            u16::try_from(civil.year()).ok()?,
            small(civil.month())?,
            small(civil.day())?,
            small(civil.hour())?,
            small(civil.minute())?,
            small(civil.second())?,
        )
        .ok()
    });
    fields.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_title_makes_a_safe_header() {
        for (title, header) in [
            (
                "Lumi Serum",
                "filename=\"Lumi Serum.zip\"; filename*=UTF-8''Lumi%20Serum.zip",
            ),
            (
                "루미",
                "filename=\"run_1.zip\"; filename*=UTF-8''%EB%A3%A8%EB%AF%B8.zip",
            ),
            (
                "a\"b\r\nc/d\\e",
                "filename=\"abcde.zip\"; filename*=UTF-8''abcde.zip",
            ),
            ("../..", "filename=\"run_1.zip\"; filename*=UTF-8''run_1.zip"),
            ("", "filename=\"run_1.zip\"; filename*=UTF-8''run_1.zip"),
            ("50%", "filename=\"50_.zip\"; filename*=UTF-8''50%25.zip"),
        ] {
            assert_eq!(
                attachment(title, "run_1"),
                format!("attachment; {header}"),
                "{title}"
            );
        }
        assert!(attachment(&"가".repeat(1_000), "run_1").len() < 1_000);
    }

    #[test]
    fn times_beyond_the_format_are_its_first() {
        assert_eq!(zip_time(Timestamp::from_unix_ms(0)), DateTime::default());
        let time = zip_time(Timestamp::from_unix_ms(1_771_513_204_000));
        assert_eq!(
            (time.year(), time.month(), time.day(), time.hour()),
            (2026, 2, 19, 15)
        );
    }
}
