//! How long speech plays, counted while its bytes come, since some models are paid for by the minute.

use greenroom_session::ports::SpeechFormat;

/// What a second of [`SpeechFormat::Pcm`] has.
const PCM_BYTES_PER_SECOND: u64 = 24_000 * 2;

/// Bytes of a WAV file in which its samples begin: besides its format there may be the name of whoever wrote it.
const WAV_HEAD_BYTES_MAX: usize = 512;
/// Where the first chunk of a WAV file is.
const WAV_CHUNKS_AT: usize = 12;
/// Bytes of a chunk's name and length.
const CHUNK_HEADER_BYTES: usize = 8;
/// Where a format chunk says how many bytes a second has.
const BYTES_PER_SECOND_AT: usize = CHUNK_HEADER_BYTES + 8;

/// Bytes of an MP3 frame's header.
const FRAME_HEADER_BYTES: usize = 4;
/// Bytes of the header of an `ID3v2` tag.
const ID3_HEADER_BYTES: usize = 10;
/// Thousands of bits a second of an MPEG-1 layer III frame, by the index in its header.
const KBITS_MPEG1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
/// The same for MPEG-2 and 2.5.
const KBITS_MPEG2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/// Samples a second of an MPEG-1 frame, by the index in its header; half of that in MPEG-2, a quarter in 2.5.
const RATES_MPEG1_HZ: [usize; 3] = [44_100, 48_000, 32_000];

/// Counts along.
#[derive(Debug)]
pub(super) enum Playtime {
    Pcm { bytes: u64 },
    Wav { head: Vec<u8>, bytes: u64 },
    Mp3(FrameWalk),
}

/// Goes from frame to frame. One that encoders put first, for their own notes, counts like any other.
#[derive(Debug, Default)]
pub(super) struct FrameWalk {
    /// Bytes until the next frame or tag.
    skip: usize,
    /// As much as has come of the next header.
    header: Vec<u8>,
    micros: u64,
    /// What came is no frame; from there on nothing is known.
    is_lost: bool,
}

/// One MP3 frame, by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    bytes: usize,
    micros: u64,
}

/// What the chunks before a WAV file's samples say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WavHead {
    bytes_per_second: u64,
    samples_at: usize,
}

impl Playtime {
    pub(super) fn new(format: SpeechFormat) -> Self {
        match format {
            SpeechFormat::Pcm => Self::Pcm { bytes: 0 },
            SpeechFormat::Wav => Self::Wav {
                head: Vec::new(),
                bytes: 0,
            },
            SpeechFormat::Mp3 => Self::Mp3(FrameWalk::default()),
        }
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Pcm { bytes: counted } => *counted += bytes.len() as u64,
            Self::Wav { head, bytes: counted } => {
                let missing = (WAV_HEAD_BYTES_MAX - head.len()).min(bytes.len());
                head.extend_from_slice(&bytes[..missing]);
                *counted += bytes.len() as u64;
            }
            Self::Mp3(walk) => walk.take(bytes),
        }
    }

    /// How long it plays, in milliseconds; none if that cannot be told.
    pub(super) fn ms(&self) -> Option<u64> {
        match self {
            Self::Pcm { bytes } => Some(bytes * 1_000 / PCM_BYTES_PER_SECOND),
            Self::Wav { head, bytes } => {
                let wav = WavHead::read(head)?;
                let sample_bytes = bytes.saturating_sub(wav.samples_at as u64);
                (sample_bytes * 1_000).checked_div(wav.bytes_per_second)
            }
            Self::Mp3(walk) => (!walk.is_lost).then_some(walk.micros / 1_000),
        }
    }
}

impl WavHead {
    fn read(head: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
        let (mut at, mut bytes_per_second) = (WAV_CHUNKS_AT, 0);
        loop {
            match head.get(at..at + 4)? {
                b"data" => {
                    return Some(Self {
                        bytes_per_second,
                        samples_at: at + CHUNK_HEADER_BYTES,
                    });
                }
                b"fmt " => bytes_per_second = number(at + BYTES_PER_SECOND_AT)?.into(),
                _ => {}
            }
            let length = usize::try_from(number(at + 4)?).ok()?;
            // A chunk of an odd length is followed by a byte of padding.
            at = at
                .checked_add(CHUNK_HEADER_BYTES)?
                .checked_add(length.checked_next_multiple_of(2)?)?;
        }
    }
}

impl FrameWalk {
    fn take(&mut self, mut bytes: &[u8]) {
        while !self.is_lost {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            let Some((next, rest)) = bytes[skipped..].split_first() else {
                return;
            };
            self.header.push(*next);
            bytes = rest;
            self.step();
        }
    }

    fn step(&mut self) {
        let (skip, micros) = match after(&self.header) {
            Next::Header => return,
            Next::Tag { bytes } => (bytes, 0),
            Next::Frame(frame) => (frame.bytes - FRAME_HEADER_BYTES, frame.micros),
            Next::Neither => {
                self.is_lost = true;
                return;
            }
        };
        self.header.clear();
        self.skip = skip;
        self.micros += micros;
    }
}

/// What a header, as far as it has come, is the beginning of.
enum Next {
    /// Too little has come.
    Header,
    /// A tag that goes on for this long, and does not play.
    Tag {
        bytes: usize,
    },
    Frame(Frame),
    Neither,
}

fn after(header: &[u8]) -> Next {
    match header {
        [b'I', b'D', b'3', rest @ ..] if rest.len() + 3 == ID3_HEADER_BYTES => Next::Tag {
            // Seven bits a byte.
            bytes: rest[3..]
                .iter()
                .fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F)),
        },
        [b'I', b'D', b'3', ..] => Next::Header,
        [first, second, third, _] => Frame::of(*first, *second, *third).map_or(Next::Neither, Next::Frame),
        _ => Next::Header,
    }
}

impl Frame {
    /// A layer III frame with a bit rate of its own.
    fn of(first: u8, second: u8, third: u8) -> Option<Self> {
        if first != 0xFF || second & 0xE6 != 0xE2 {
            return None;
        }
        let field = |byte: u8, shift: u8, mask: u8| usize::from(byte >> shift & mask);
        let rate_hz = RATES_MPEG1_HZ.get(field(third, 2, 0b11))?;
        let (kbits, rate_hz, samples) = match field(second, 3, 0b11) {
            0b11 => (KBITS_MPEG1, *rate_hz, 1_152),
            0b10 => (KBITS_MPEG2, rate_hz / 2, 576),
            0b00 => (KBITS_MPEG2, rate_hz / 4, 576),
            _ => return None,
        };
        let kbits = kbits.get(field(third, 4, 0b1111)).filter(|kbits| **kbits > 0)?;
        Some(Self {
            bytes: samples / 8 * kbits * 1_000 / rate_hz + field(third, 1, 1),
            micros: (samples * 1_000_000 / rate_hz) as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn played(format: SpeechFormat, pieces: &[&[u8]]) -> Option<u64> {
        let mut playtime = Playtime::new(format);
        for piece in pieces {
            playtime.take(piece);
        }
        playtime.ms()
    }

    #[test]
    fn a_frame_is_read_as_the_standard_says() {
        let check = |header: [u8; 3], expected: Option<(usize, u64)>| {
            let frame = Frame::of(header[0], header[1], header[2]).map(|frame| (frame.bytes, frame.micros));
            assert_eq!(frame, expected, "{header:02x?}");
        };
        // 128 kbit/s at 44.1 kHz, without and with padding; 160 and 64 kbit/s at 24 kHz; 32 kbit/s at 8 kHz.
        check([0xFF, 0xFB, 0x90], Some((417, 26_122)));
        check([0xFF, 0xFB, 0x92], Some((418, 26_122)));
        check([0xFF, 0xF3, 0xE4], Some((480, 24_000)));
        check([0xFF, 0xF3, 0x84], Some((192, 24_000)));
        check([0xFF, 0xE3, 0x48], Some((288, 72_000)));
        for none in [
            [0xFE, 0xFB, 0x90],
            [0xFF, 0xFD, 0x90],
            [0xFF, 0xEB, 0x90],
            [0xFF, 0xFB, 0x00],
            [0xFF, 0xFB, 0xF0],
            [0xFF, 0xFB, 0x9C],
        ] {
            check(none, None);
        }
    }

    #[test]
    fn the_samples_of_a_wav_file_are_where_its_chunks_end() {
        let format = b"fmt \x10\0\0\0\x01\0\x01\0\xc0\x5d\0\0\x80\xbb\0\0\x02\0\x10\0";
        let file = |chunks: &[&[u8]]| [b"RIFF\xff\xff\xff\xffWAVE", &chunks.concat()[..]].concat();
        let check = |chunks: &[&[u8]], expected: Option<u64>| {
            let file = file(chunks);
            assert_eq!(
                played(SpeechFormat::Wav, &[&file]),
                expected,
                "{}",
                file.escape_ascii()
            );
        };
        let (data, second) = (b"data\xff\xff\xff\xff", [0; 4_800]);
        check(&[format, data, &second], Some(100));
        check(&[format, b"LIST\x05\0\0\0INFOx\0", data, &second], Some(100));
        check(&[format, data], Some(0));
        check(&[format], None);
        check(&[data, &second], None);
        check(&[format, b"LIST\xff\xff\xff\xff", &second], None);
        check(&[], None);
    }

    #[test]
    fn the_smallest_frame_is_longer_than_its_header() {
        for (second, third) in
            (0..=u8::MAX).flat_map(|second| (0..=u8::MAX).map(move |third| (second, third)))
        {
            if let Some(frame) = Frame::of(0xFF, second, third) {
                assert!(frame.bytes > FRAME_HEADER_BYTES, "{second:02x} {third:02x}");
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            frames in prop::collection::vec((prop::sample::select(vec![0xFB_u8, 0xF3, 0xE3]), 1_u8..15, 0_u8..2), 0..8),
            tag in prop::option::of(0_u8..100),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut bytes = Vec::new();
            if let Some(length) = tag {
                bytes.extend_from_slice(b"ID3\x04\0\0\0\0\0");
                bytes.push(length);
                bytes.extend(std::iter::repeat_n(0xFF, length.into()));
            }
            let mut micros = 0;
            for (second, rate, padding) in frames {
                let third = rate << 4 | padding << 1;
                let frame = Frame::of(0xFF, second, third).unwrap();
                bytes.extend_from_slice(&[0xFF, second, third]);
                bytes.extend(std::iter::repeat_n(0x55, frame.bytes - 3));
                micros += frame.micros;
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(played(SpeechFormat::Mp3, &pieces), Some(micros / 1_000));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in any::<prop::sample::Index>()) {
            let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
            for format in [SpeechFormat::Mp3, SpeechFormat::Wav, SpeechFormat::Pcm] {
                prop_assert_eq!(played(format, &[first, second]), played(format, &[&bytes]));
            }
        }
    }
}
