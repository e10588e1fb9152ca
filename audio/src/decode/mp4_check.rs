//! Refuses MP4 files whose tables promise work out of proportion, before a demuxer believes them.
//!
//! A table of sixteen bytes may claim four thousand million samples, and Symphonia walks some tables once per sample.
//! On the way it is seen whether the file was cut: the fragments of a recording end where the file does.

use std::io::{Read, Seek, SeekFrom};

use super::DecodeError;
use super::guard::Guard;
use crate::upload::UploadReader;

/// How many entries a table that is walked once per sample may have. Audio has a few; a fragment of it, hundreds.
const WALKED_ENTRIES_MAX: u32 = 20_000;
/// How many fragments there may be: five minutes of them at 20 ms each, and some.
const FRAGMENTS_MAX: u32 = 20_000;
/// How many tracks there may be: sound, pictures, subtitles in some languages.
const TRACKS_MAX: u32 = 16;
/// How many boxes are looked at.
const BOXES_MAX: u32 = 400_000;
/// How deep the boxes that matter lie: moov, trak, mdia, minf, stbl.
const DEPTH_MAX: usize = 8;

/// Where an open box ends.
type BoxEnd = u64;

/// Walks the boxes of the file and leaves the reader at its start. Says whether the last box is whole.
pub(super) fn check(reader: &mut UploadReader, guard: &Guard<'_>) -> Result<bool, DecodeError> {
    let len = reader.len();
    let mut walk = Walk {
        reader,
        guard,
        boxes: 0,
        fragments: 0,
        tracks: 0,
        is_cut: false,
    };
    walk.run(len)?;
    let is_whole = !walk.is_cut;
    let _ = reader.seek(SeekFrom::Start(0));
    Ok(is_whole)
}

struct Walk<'a> {
    reader: &'a mut UploadReader,
    guard: &'a Guard<'a>,
    boxes: u32,
    fragments: u32,
    tracks: u32,
    is_cut: bool,
}

/// The header of a box.
struct Header {
    kind: [u8; 4],
    body: u64,
    end: BoxEnd,
    /// Whether it would end behind the end of the file.
    exceeds_file: bool,
}

impl Walk<'_> {
    fn run(&mut self, len: u64) -> Result<(), DecodeError> {
        let mut position = 0;
        let mut open: Vec<BoxEnd> = vec![len];
        while let Some(end) = open.last().copied() {
            self.guard.check()?;
            if position >= end {
                open.pop();
                continue;
            }
            let Some(header) = self.header(position, end) else {
                // What is no box is the demuxer's to complain about, or the place where the file was cut.
                self.is_cut |= open.len() == 1;
                position = end;
                continue;
            };
            limit(&mut self.boxes, BOXES_MAX, "boxes")?;
            self.is_cut |= header.exceeds_file;
            if self.is_container(&header)? && open.len() < DEPTH_MAX {
                position = header.body;
                open.push(header.end);
            } else {
                position = header.end;
            }
        }
        Ok(())
    }

    /// Whether the box holds boxes that matter; tables are checked here.
    fn is_container(&mut self, header: &Header) -> Result<bool, DecodeError> {
        match &header.kind {
            b"moov" | b"mdia" | b"minf" | b"stbl" | b"mvex" | b"traf" => Ok(true),
            b"trak" => limit(&mut self.tracks, TRACKS_MAX, "tracks").map(|()| true),
            b"moof" => limit(&mut self.fragments, FRAGMENTS_MAX, "fragments").map(|()| true),
            // After version and flags comes the number of entries.
            b"stts" | b"ctts" | b"trun" | b"elst" => {
                let entries = self.u32_at(header.body + 4).unwrap_or(0);
                if entries > WALKED_ENTRIES_MAX {
                    return Err(out_of_proportion("entries in a table"));
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    fn header(&mut self, position: u64, parent_end: BoxEnd) -> Option<Header> {
        let short = self.u32_at(position)?;
        let kind = self.u32_at(position + 4)?.to_be_bytes();
        let (header_bytes, size) = match short {
            0 => (8, parent_end - position),
            1 => {
                let high = u64::from(self.u32_at(position + 8)?);
                (16, high << 32 | u64::from(self.u32_at(position + 12)?))
            }
            size => (8, u64::from(size)),
        };
        let claimed_end = position.saturating_add(size);
        (size >= header_bytes).then(|| Header {
            kind,
            body: position + header_bytes,
            end: claimed_end.min(parent_end),
            exceeds_file: claimed_end > self.reader.len(),
        })
    }

    fn u32_at(&mut self, position: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.reader.seek(SeekFrom::Start(position)).ok()?;
        self.reader.read_exact(&mut bytes).ok()?;
        Some(u32::from_be_bytes(bytes))
    }
}

/// Counts one more, unless that is too many.
fn limit(count: &mut u32, max: u32, what: &str) -> Result<(), DecodeError> {
    *count += 1;
    if *count > max {
        return Err(out_of_proportion(what));
    }
    Ok(())
}

fn out_of_proportion(what: &str) -> DecodeError {
    DecodeError::Damaged {
        reason: format!("it claims more {what} than any recording has"),
    }
}
