//! Tells what an upload is by its first bytes.

use std::io::{Read, Seek, SeekFrom};

use super::{Container, DecodeError};
use crate::upload::UploadReader;

/// How many bytes tell one format from another.
const MAGIC_BYTES: usize = 12;
const ID3_HEADER_BYTES: u64 = 10;

/// What an upload is, and where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sniffed {
    pub(super) container: Container,
    /// Where the container starts: behind ID3 tags, which some programs put before anything.
    pub(super) start: u64,
}

/// Looks at the start of the upload, and leaves the reader there.
pub(super) fn sniff(reader: &mut UploadReader) -> Result<Sniffed, DecodeError> {
    let mut start = 0;
    let mut magic = read_magic(reader, start);
    while let Some(tag_bytes) = id3_bytes(&magic) {
        start += tag_bytes;
        magic = read_magic(reader, start);
    }
    let sniffed = container(&magic).map(|container| Sniffed { container, start });
    let _ = reader.seek(SeekFrom::Start(0));
    sniffed
}

fn container(magic: &[u8]) -> Result<Container, DecodeError> {
    let unsupported = |what: &str| {
        Err(DecodeError::Unsupported {
            what: what.to_owned(),
        })
    };
    match magic {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Ok(Container::Wav),
        [b'O', b'g', b'g', b'S', ..] => Ok(Container::Ogg),
        [b'f', b'L', b'a', b'C', ..] => Ok(Container::Flac),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Ok(Container::WebM),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Ok(Container::Mp4),
        [b'R', b'I', b'F', b'F', ..] => unsupported("a RIFF file other than WAVE"),
        [b'R', b'F', b'6', b'4', ..] | [b'R', b'I', b'F', b'X', ..] => unsupported("WAVE beyond 4 GiB"),
        [b'F', b'O', b'R', b'M', ..] => unsupported("AIFF"),
        [b'c', b'a', b'f', b'f', ..] => unsupported("Core Audio"),
        [b'#', b'!', b'A', b'M', b'R', ..] => unsupported("AMR"),
        [0x30, 0x26, 0xb2, 0x75, ..] => unsupported("Windows Media"),
        [0xff, second, third, ..] if second & 0xe0 == 0xe0 => match (second >> 1) & 0b11 {
            0b00 if second & 0xf0 == 0xf0 => unsupported("AAC outside of MP4 (ADTS)"),
            0b01 if is_mpeg_header(*second, *third) => Ok(Container::Mp3),
            0b10 | 0b11 if is_mpeg_header(*second, *third) => unsupported("MPEG audio, layer I or II"),
            _ => unsupported("unknown"),
        },
        _ => unsupported("unknown"),
    }
}

/// Whether the version, the bitrate and the rate are ones that exist.
fn is_mpeg_header(second: u8, third: u8) -> bool {
    let (version, bitrate, rate) = ((second >> 3) & 0b11, third >> 4, (third >> 2) & 0b11);
    version != 0b01 && bitrate != 0b1111 && rate != 0b11
}

/// The length of the ID3 tag (version 2) that starts here, if one does.
fn id3_bytes(magic: &[u8]) -> Option<u64> {
    let [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] = magic else {
        return None;
    };
    // Four times seven bits; a footer repeats the header.
    let length = [a, b, c, d]
        .iter()
        .fold(0, |length, byte| length << 7 | u64::from(**byte & 0x7f));
    let footer = if flags & 0x10 == 0 { 0 } else { ID3_HEADER_BYTES };
    Some(ID3_HEADER_BYTES + length + footer)
}

fn read_magic(reader: &mut UploadReader, start: u64) -> Vec<u8> {
    let mut magic = vec![0; MAGIC_BYTES];
    let read = reader
        .seek(SeekFrom::Start(start))
        .and_then(|_| reader.read(&mut magic));
    magic.truncate(read.unwrap_or(0));
    magic
}
