//! Tells whether a WebM file ends between two elements or was cut within one.
//!
//! A live recording does not say how long it is: its segment and its clusters have no size and end where the file does.
//! To a demuxer that looks like a cut.

use std::io::{Read, Seek, SeekFrom};

use super::DecodeError;
use super::guard::Guard;
use crate::upload::UploadReader;

const SEGMENT_ID: u32 = 0x1853_8067;
const CLUSTER_ID: u32 = 0x1f43_b675;
/// An identifier has at most four bytes, a size at most eight.
const HEADER_BYTES_MAX: usize = 12;

/// Walks the elements of the file and leaves the reader at its start.
pub(super) fn is_whole(reader: &mut UploadReader, guard: &Guard<'_>) -> Result<bool, DecodeError> {
    let len = reader.len();
    let mut position = 0;
    while position < len {
        guard.check()?;
        position = match read_header(reader, position) {
            // What is inside follows as if it stood beside: the elements of both levels have different names.
            Some(Header {
                id: SEGMENT_ID | CLUSTER_ID,
                body,
                size: None,
            }) => body,
            Some(Header {
                body,
                size: Some(size),
                ..
            }) => body.saturating_add(size),
            // Neither a header nor the end.
            _ => u64::MAX,
        };
    }
    let _ = reader.seek(SeekFrom::Start(0));
    Ok(position == len)
}

struct Header {
    id: u32,
    body: u64,
    /// `None` if the element says that it does not know.
    size: Option<u64>,
}

fn read_header(reader: &mut UploadReader, position: u64) -> Option<Header> {
    let mut bytes = [0; HEADER_BYTES_MAX];
    reader.seek(SeekFrom::Start(position)).ok()?;
    let read = reader.read(&mut bytes).ok()?;
    let bytes = &bytes[..read];
    let id_len = number_len(*bytes.first()?);
    let size_len = number_len(*bytes.get(id_len)?);
    if id_len > 4 || size_len > 8 {
        return None;
    }
    let id = big_endian(bytes.get(..id_len)?);
    let value_mask = (1_u64 << (7 * size_len)) - 1;
    let size = big_endian(bytes.get(id_len..id_len + size_len)?) & value_mask;
    Some(Header {
        id: u32::try_from(id).ok()?,
        body: position + (id_len + size_len) as u64,
        size: (size != value_mask).then_some(size),
    })
}

/// How many bytes a number has that starts with this one: its leading zeros tell.
fn number_len(first: u8) -> usize {
    first.leading_zeros() as usize + 1
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Upload;

    #[test]
    fn an_end_between_elements_is_one_and_an_end_within_is_a_cut() {
        let live = b"\x1a\x45\xdf\xa3\x81\x00\x18\x53\x80\x67\xff\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff\xa3\x82\x01\x02";
        let sized = b"\x1a\x45\xdf\xa3\x81\x00\x18\x53\x80\x67\x84\xec\x82\x00\x00";
        for (bytes, whole) in [
            (&live[..], true),
            (&live[..live.len() - 1], false),
            (&live[..live.len() - 3], false),
            (&live[..live.len() - 4], true),
            (&sized[..], true),
            (&sized[..sized.len() - 1], false),
        ] {
            let upload = Upload::from(Bytes::copy_from_slice(bytes));
            let never = || false;
            let guard = Guard::new(bytes.len(), &never);
            assert_eq!(
                is_whole(&mut upload.into_reader(), &guard),
                Ok(whole),
                "{} bytes",
                bytes.len()
            );
        }
    }
}
