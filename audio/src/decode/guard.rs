//! What keeps a demuxer within bounds: how much it may read in all, and whether it is still wanted.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

use super::DecodeError;
use crate::upload::UploadReader;

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
}

impl<'a> Guard<'a> {
    pub(super) fn new(upload_bytes: usize, should_stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        let read_bytes = (upload_bytes as u64).saturating_mul(READS_PER_BYTE) + EXTRA_READ_BYTES;
        Self {
            should_stop,
            stopped: AtomicBool::new(false),
            read_bytes_left: AtomicU64::new(read_bytes),
        }
    }

    /// An error when the decode is to stop, or has read too much.
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        if self.stopped.load(Ordering::Relaxed) || (self.should_stop)() {
            self.stopped.store(true, Ordering::Relaxed);
            return Err(DecodeError::Stopped);
        }
        if self.read_bytes_left.load(Ordering::Relaxed) == 0 {
            return Err(DecodeError::Damaged {
                reason: "it refers to the same bytes over and over".to_owned(),
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
