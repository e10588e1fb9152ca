//! Server-sent events out of bytes that arrive in any pieces.

use std::collections::VecDeque;

/// Bytes that one event may have. A whole response is repeated in its last event, and its text may be escaped
/// (`\uXXXX`), so this is several times what a reply may have.
pub(crate) const EVENT_BYTES_MAX: usize = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why a stream of events cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SseError {
    /// One event has more than [`EVENT_BYTES_MAX`].
    #[error("an event of the stream is larger than {EVENT_BYTES_MAX} bytes")]
    TooLarge,
    /// An event is not UTF-8. Replacing what cannot be read would put characters into the model's mouth.
    #[error("the stream is not UTF-8")]
    NotUtf8,
}

/// Reads a stream of events as WHATWG defines it. Only `data` is kept: both protocols repeat in it whatever the
/// other fields say.
#[derive(Debug, Default)]
pub(crate) struct SseDecoder {
    /// The line under way, without its end.
    line: Vec<u8>,
    /// The data of the event under way, each line with a line feed after it.
    data: Vec<u8>,
    /// The last byte was a carriage return, so a line feed that follows belongs to it.
    after_return: bool,
    /// The first line, which may begin with a byte order mark, is over.
    past_first_line: bool,
}

impl SseDecoder {
    /// Takes the next bytes and appends the data of each event that they complete.
    pub(crate) fn push(&mut self, mut bytes: &[u8], events: &mut VecDeque<String>) -> Result<(), SseError> {
        if self.after_return && !bytes.is_empty() {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            self.after_return = false;
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.extend_line(&bytes[..end])?;
            self.end_line(events)?;
            let terminator = bytes[end];
            bytes = &bytes[end + 1..];
            if terminator == b'\r' {
                self.after_return = bytes.is_empty();
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
        }
        self.extend_line(bytes)
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), SseError> {
        if self.line.len() + self.data.len() + bytes.len() > EVENT_BYTES_MAX {
            return Err(SseError::TooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, events: &mut VecDeque<String>) -> Result<(), SseError> {
        let mut line = self.line.as_slice();
        if !self.past_first_line {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
            self.past_first_line = true;
        }
        if line.is_empty() {
            self.dispatch(events)?;
        } else if let Some(data) = data_of(line) {
            self.data.extend_from_slice(data);
            self.data.push(b'\n');
        }
        self.line.clear();
        Ok(())
    }

    fn dispatch(&mut self, events: &mut VecDeque<String>) -> Result<(), SseError> {
        let mut data = std::mem::take(&mut self.data);
        data.pop();
        if !data.is_empty() {
            events.push_back(String::from_utf8(data).map_err(|_| SseError::NotUtf8)?);
        }
        Ok(())
    }
}

/// The value of a `data` line; none for any other field and for comments.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data")?;
    if value.is_empty() {
        return Some(value);
    }
    let value = value.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> Result<Vec<String>, SseError> {
        let mut decoder = SseDecoder::default();
        let mut events = VecDeque::new();
        for piece in pieces {
            decoder.push(piece, &mut events)?;
        }
        Ok(events.into())
    }

    #[test]
    fn reads_what_the_standard_allows() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(decode(&[text.as_bytes()]).unwrap(), expected, "{text:?}");
        };
        check("data: a\n\n", &["a"]);
        check("data:a\n\ndata:  b\n\n", &["a", " b"]);
        check("event: x\nid: 1\nretry: 5\ndata: a\n\n", &["a"]);
        check("data: a\ndata: b\n\n", &["a\nb"]);
        check("data: a\r\n\r\ndata: b\r\rdata: c\n\n", &["a", "b", "c"]);
        check("\u{FEFF}data: a\n\n", &["a"]);
        check(": a comment\n\n\n\ndata\n\ndatabase: no\n\ndata: a\n\n", &["a"]);
        check("data: unfinished\n", &[]);
    }

    #[test]
    fn a_return_and_its_line_feed_in_two_pieces_end_one_line() {
        assert_eq!(
            decode(&[b"data: a\r", b"\ndata: b\r", b"", b"\n\r", b"\n"]).unwrap(),
            ["a\nb"]
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_an_error() {
        assert_eq!(decode(&[b"data: \xFF\n\n"]), Err(SseError::NotUtf8));
    }

    #[test]
    fn the_size_of_an_event_is_limited_over_its_lines_and_pieces() {
        let half = vec![b'x'; EVENT_BYTES_MAX / 2];
        assert_eq!(decode(&[b"data:", &half, &half]), Err(SseError::TooLarge));
        assert_eq!(
            decode(&[b"data:", &half, b"\ndata:", &half]),
            Err(SseError::TooLarge)
        );
        assert_eq!(
            decode(&[b":", &half, b"\n:", &half, b"\n\n"]).unwrap(),
            Vec::<String>::new()
        );
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            lines in prop::collection::vec("(data: ?|: |event: )?[가-힣a-z😀]{0,6}(\n|\r\n|\r|\n\n)", 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let bytes = lines.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decode(&pieces), decode(&[&bytes]));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&[&bytes]);
        }
    }
}
