//! An upload as it came in: a list of chunks that are never copied into one buffer.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;
use thiserror::Error;

/// How many bytes an upload may have, unless the caller is stricter.
pub const UPLOAD_BYTES_MAX: usize = 25 * 1024 * 1024;

/// Chunks below this are copied together, so that an upload in drops costs no more than one in gulps: a chunk costs a
/// handle of its own and keeps the whole buffer alive that it was read into.
const SMALL_CHUNK_BYTES: usize = 4 * 1024;
/// How much small chunks are copied together into.
const GATHERED_CHUNK_BYTES: usize = 64 * 1024;

/// The upload has more bytes than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the upload is larger than {bytes_max} bytes")]
pub struct UploadTooLarge {
    /// How many bytes it may have.
    pub bytes_max: usize,
}

/// The bytes of an upload, in the chunks they came in. Nothing of it is held twice.
#[derive(Clone)]
pub struct Upload {
    chunks: Vec<Bytes>,
    /// Small chunks at the end, still being gathered.
    gathering: Vec<u8>,
    len_bytes: usize,
    bytes_max: usize,
}

impl Upload {
    /// An empty upload that takes up to `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            chunks: Vec::new(),
            gathering: Vec::new(),
            len_bytes: 0,
            bytes_max,
        }
    }

    /// Takes the next chunk, or refuses it and leaves the upload as it was.
    pub fn push(&mut self, chunk: Bytes) -> Result<(), UploadTooLarge> {
        if chunk.len() > self.bytes_max - self.len_bytes {
            return Err(UploadTooLarge {
                bytes_max: self.bytes_max,
            });
        }
        self.len_bytes += chunk.len();
        if chunk.len() < SMALL_CHUNK_BYTES {
            self.gathering.extend_from_slice(&chunk);
            if self.gathering.len() >= GATHERED_CHUNK_BYTES {
                self.close_gathered();
            }
        } else {
            self.close_gathered();
            self.chunks.push(chunk);
        }
        Ok(())
    }

    /// How many bytes have come in.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Whether nothing has come in.
    pub fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    /// The chunks in their order, for whoever passes the upload on or stores it.
    pub fn into_chunks(mut self) -> Vec<Bytes> {
        self.close_gathered();
        self.chunks
    }

    /// A reader over the bytes, from the first.
    pub(crate) fn into_reader(self) -> UploadReader {
        let chunks = self.into_chunks();
        let mut end = 0;
        let ends = chunks
            .iter()
            .map(|chunk| {
                end += chunk.len() as u64;
                end
            })
            .collect();
        UploadReader {
            chunks,
            ends,
            position: 0,
            len: end,
        }
    }

    fn close_gathered(&mut self) {
        if !self.gathering.is_empty() {
            let mut gathered = std::mem::take(&mut self.gathering);
            gathered.shrink_to_fit();
            self.chunks.push(Bytes::from(gathered));
        }
    }
}

impl From<Bytes> for Upload {
    /// An upload that is already whole.
    fn from(bytes: Bytes) -> Self {
        let len_bytes = bytes.len();
        Self {
            chunks: vec![bytes],
            gathering: Vec::new(),
            len_bytes,
            bytes_max: len_bytes,
        }
    }
}

impl fmt::Debug for Upload {
    /// Its size only: what people said is never logged.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Upload({} bytes)", self.len_bytes)
    }
}

/// Reads and seeks over the chunks of an upload.
pub(crate) struct UploadReader {
    chunks: Vec<Bytes>,
    /// Where each chunk ends, counted from the start of the upload.
    ends: Vec<u64>,
    position: u64,
    len: u64,
}

impl UploadReader {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The rest of the chunk at the position; empty at the end.
    fn rest_of_chunk(&self) -> &[u8] {
        let index = self.ends.partition_point(|end| *end <= self.position);
        let Some(chunk) = self.chunks.get(index) else {
            return &[];
        };
        let left = usize::try_from(self.ends[index] - self.position).unwrap_or(usize::MAX);
        &chunk[chunk.len().saturating_sub(left)..]
    }
}

impl Read for UploadReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = self.rest_of_chunk();
            let step = rest.len().min(buffer.len() - filled);
            if step == 0 {
                break;
            }
            buffer[filled..filled + step].copy_from_slice(&rest[..step]);
            filled += step;
            self.position += step as u64;
        }
        Ok(filled)
    }
}

impl Seek for UploadReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(bytes: &[u8], chunk_bytes: usize) -> Upload {
        let mut upload = Upload::new(bytes.len());
        for chunk in bytes.chunks(chunk_bytes) {
            upload.push(Bytes::copy_from_slice(chunk)).unwrap();
        }
        upload
    }

    #[test]
    fn the_byte_beyond_the_limit_is_refused_and_what_came_before_stays() {
        let mut upload = Upload::new(10);
        upload.push(Bytes::from_static(b"0123456789")).unwrap();
        assert_eq!(
            upload.push(Bytes::from_static(b"!")),
            Err(UploadTooLarge { bytes_max: 10 })
        );
        assert_eq!(upload.into_chunks().concat(), b"0123456789");
    }

    #[test]
    fn an_upload_in_drops_is_held_in_few_chunks() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|index| index.to_le_bytes()[0]).collect();
        let upload = pushed(&bytes, 1);
        assert_eq!(upload.len_bytes(), bytes.len());
        let chunks = upload.into_chunks();
        assert_eq!(chunks.len(), 4);
        assert_eq!(chunks.concat(), bytes);
    }

    #[test]
    fn reading_and_seeking_see_one_row_of_bytes_however_they_came() {
        let bytes: Vec<u8> = (0..30_000_u32)
            .map(|index| (index * 7 % 251).to_le_bytes()[0])
            .collect();
        for chunk_bytes in [1, 1_000, 4_096, 7_001, 30_000] {
            let mut reader = pushed(&bytes, chunk_bytes).into_reader();
            for (start, length) in [
                (0, 30_000),
                (29_999, 10),
                (4_095, 2),
                (12_345, 9_000),
                (30_000, 1),
                (99_999, 5),
            ] {
                reader.seek(SeekFrom::Start(start as u64)).unwrap();
                let mut buffer = vec![0; length];
                let read = reader.read(&mut buffer).unwrap();
                let expected = bytes
                    .iter()
                    .skip(start)
                    .take(length)
                    .copied()
                    .collect::<Vec<u8>>();
                assert_eq!(buffer[..read], expected, "{length} from {start} in {chunk_bytes}");
            }
        }
    }

    #[test]
    fn seeking_counts_from_the_start_the_end_and_the_position() {
        let mut reader = pushed(b"abcdef", 2).into_reader();
        assert_eq!(reader.seek(SeekFrom::End(-2)).unwrap(), 4);
        assert_eq!(reader.seek(SeekFrom::Current(-3)).unwrap(), 1);
        reader.seek(SeekFrom::Current(-2)).unwrap_err();
        assert_eq!(reader.seek(SeekFrom::Start(6)).unwrap(), 6);
    }
}
