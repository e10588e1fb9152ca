//! What keeps a demuxer within bounds: how much it may read in all, and whether it is still wanted.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

use super::DecodeError;
use crate::upload::UploadReader;

/// What may be read to open a file: its headers, tables and tags. Five minutes of anything need less than 100 KB; the rest
/// is for a picture. A tag of six bytes becomes some two hundred in memory.
const OPENING_READ_BYTES: u64 = 2 * 1024 * 1024;
/// How often the bytes of an upload may be read: once for its structure and once for its audio would do, but a demuxer
/// reads ahead and goes back.
const READS_PER_BYTE: u64 = 4;
/// What may be read besides: a file with pictures is read in jumps, at least a block a packet.
const EXTRA_READ_BYTES: u64 = 64 * 1024 * 1024;

/// Bounds and interrupts one decode.
pub(super) struct Guard<'a> {
    should_stop: &'a (dyn Fn() -> bool + Sync),
    stopped: AtomicBool,
    /// How much may still be read. A file may name the same bytes a million times.
    read_bytes_left: AtomicU64,
    is_open: AtomicBool,
    upload_bytes: u64,
}

impl<'a> Guard<'a> {
    pub(super) fn new(upload_bytes: usize, should_stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self {
            should_stop,
            stopped: AtomicBool::new(false),
            read_bytes_left: AtomicU64::new(OPENING_READ_BYTES),
            is_open: AtomicBool::new(false),
            upload_bytes: upload_bytes as u64,
        }
    }

    /// From here on the audio is read, not headers.
    pub(super) fn opened(&self) {
        let read_bytes = self.upload_bytes.saturating_mul(READS_PER_BYTE) + EXTRA_READ_BYTES;
        self.read_bytes_left.store(read_bytes, Ordering::Relaxed);
        self.is_open.store(true, Ordering::Relaxed);
    }

    /// An error when the decode is to stop, or has read too much.
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        if self.stopped.load(Ordering::Relaxed) || (self.should_stop)() {
            self.stopped.store(true, Ordering::Relaxed);
            return Err(DecodeError::Stopped);
        }
        if self.read_bytes_left.load(Ordering::Relaxed) == 0 {
            let reason = if self.is_open.load(Ordering::Relaxed) {
                "it refers to the same bytes over and over"
            } else {
                "its headers are out of all proportion"
            };
            return Err(DecodeError::Damaged {
                reason: reason.to_owned(),
            });
        }
        Ok(())
    }

    /// Takes `bytes` off what may be read.
    fn spend(&self, bytes: u64) {
        let left = self.read_bytes_left.load(Ordering::Relaxed);
        self.read_bytes_left
            .store(left.saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// An upload as a demuxer reads it.
pub(super) struct GuardedSource<'a> {
    reader: UploadReader,
    guard: &'a Guard<'a>,
    seekable: bool,
}

impl<'a> GuardedSource<'a> {
    /// A source that says it can be sought in, and how long it is.
    pub(super) fn seekable(reader: UploadReader, guard: &'a Guard<'a>) -> Self {
        Self {
            reader,
            guard,
            seekable: true,
        }
    }

    /// A source that looks like a stream, of which nobody knows where it ends.
    pub(super) fn streamed(reader: UploadReader, guard: &'a Guard<'a>) -> Self {
        Self {
            reader,
            guard,
            seekable: false,
        }
    }
}

impl Read for GuardedSource<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.guard.check().map_err(io::Error::other)?;
        let read = self.reader.read(buffer)?;
        self.guard.spend(read as u64);
        Ok(read)
    }
}

impl Seek for GuardedSource<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
    }
}

impl MediaSource for GuardedSource<'_> {
    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn byte_len(&self) -> Option<u64> {
        self.seekable.then(|| self.reader.len())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Upload;

    #[test]
    fn the_same_bytes_can_be_read_some_times_but_not_for_ever() {
        let upload = Upload::from(Bytes::from(vec![0; 1_000_000]));
        let never = || false;
        let guard = Guard::new(upload.len_bytes(), &never);
        guard.opened();
        let mut source = GuardedSource::seekable(upload.into_reader(), &guard);
        let mut buffer = vec![0; 1_000_000];
        let reads = (0..1_000).take_while(|_| {
            source.seek(SeekFrom::Start(0)).unwrap();
            source.read(&mut buffer).is_ok()
        });
        assert_eq!(reads.count(), 4 + 68);
        assert!(matches!(guard.check(), Err(DecodeError::Damaged { .. })));
    }

    #[test]
    fn headers_are_short() {
        let upload = Upload::from(Bytes::from(vec![0; 3_000_000]));
        let never = || false;
        let guard = Guard::new(upload.len_bytes(), &never);
        let mut source = GuardedSource::seekable(upload.into_reader(), &guard);
        source.read_exact(&mut vec![0; 3_000_000]).unwrap();
        assert!(matches!(guard.check(), Err(DecodeError::Damaged { .. })));
        guard.opened();
        assert_eq!(guard.check(), Ok(()));
    }

    #[test]
    fn who_has_stopped_stays_stopped() {
        let asked = AtomicU64::new(0);
        let once = || asked.fetch_add(1, Ordering::Relaxed) == 0;
        let guard = Guard::new(0, &once);
        assert_eq!(guard.check(), Err(DecodeError::Stopped));
        assert_eq!(guard.check(), Err(DecodeError::Stopped));
    }
}
