//! How long speech plays, counted while its bytes come, since some models are paid for by the minute.

use greenroom_session::ports::SpeechFormat;

/// What a second of [`SpeechFormat::Pcm`] has.
const PCM_BYTES_PER_SECOND: u64 = 24_000 * 2;

/// Bytes before a WAV file's samples, as it is usually written.
const WAV_HEADER_BYTES: usize = 44;
/// Where a WAV file says how many bytes a second has.
const WAV_BYTES_PER_SECOND_AT: usize = 28;

/// Bytes of an MP3 frame's header.
const FRAME_HEADER_BYTES: usize = 4;
/// Bytes of the header of an ID3v2 tag.
const ID3_HEADER_BYTES: usize = 10;
/// Thousands of bits a second of an MPEG-1 layer III frame, by the index in its header.
const KBITS_MPEG1: [u64; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
/// The same for MPEG-2 and 2.5.
const KBITS_MPEG2: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/// Samples a second of an MPEG-1 frame, by the index in its header; half of that in MPEG-2, a quarter in 2.5.
const RATES_MPEG1_HZ: [u64; 3] = [44_100, 48_000, 32_000];

/// Counts along.
#[derive(Debug)]
pub(super) enum Playtime {
    Pcm {
        bytes: u64,
    },
    Wav {
        header: Vec<u8>,
        sample_bytes: u64,
    },
    Mp3 {
        /// Bytes until the next frame or tag.
        skip: u64,
        /// As much as has come of the next header.
        header: Vec<u8>,
        micros: u64,
        /// What came is no frame; from there on nothing is known.
        lost: bool,
    },
}

/// One MP3 frame, by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    bytes: u64,
    micros: u64,
}

impl Playtime {
    pub(super) fn new(format: SpeechFormat) -> Self {
        match format {
            SpeechFormat::Pcm => Self::Pcm { bytes: 0 },
            SpeechFormat::Wav => Self::Wav {
                header: Vec::new(),
                sample_bytes: 0,
            },
            SpeechFormat::Mp3 => Self::Mp3 {
                skip: 0,
                header: Vec::new(),
                micros: 0,
                lost: false,
            },
        }
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Pcm { bytes: counted } => *counted += bytes.len() as u64,
            Self::Wav { header, sample_bytes } => {
                let missing = (WAV_HEADER_BYTES - header.len()).min(bytes.len());
                header.extend_from_slice(&bytes[..missing]);
                *sample_bytes += (bytes.len() - missing) as u64;
            }
            Self::Mp3 {
                skip,
                header,
                micros,
                lost,
            } => {
                for byte in bytes {
                    if *lost {
                        return;
                    }
                    if *skip > 0 {
                        *skip -= 1;
                        continue;
                    }
                    header.push(*byte);
                    match after(header) {
                        Next::Header => {}
                        Next::Skip(rest) => {
                            *skip = rest;
                            header.clear();
                        }
                        Next::Frame(frame) => {
                            *skip = frame.bytes - FRAME_HEADER_BYTES as u64;
                            *micros += frame.micros;
                            header.clear();
                        }
                        Next::Lost => *lost = true,
                    }
                }
            }
        }
    }

    /// How long it plays, in milliseconds; none if that cannot be told.
    pub(super) fn ms(&self) -> Option<u64> {
        match self {
            Self::Pcm { bytes } => Some(bytes * 1_000 / PCM_BYTES_PER_SECOND),
            Self::Wav { header, sample_bytes } => {
                let is_usual = header.len() == WAV_HEADER_BYTES
                    && header[12..16] == *b"fmt "
                    && header[36..40] == *b"data";
                let rate = header
                    .get(WAV_BYTES_PER_SECOND_AT..)?
                    .first_chunk::<4>()
                    .filter(|_| is_usual)?;
                (sample_bytes * 1_000).checked_div(u64::from(u32::from_le_bytes(*rate)))
            }
            Self::Mp3 { micros, lost, .. } => (!lost).then_some(micros / 1_000),
        }
    }
}

/// What follows a header, as far as it has come.
enum Next {
    /// More of it.
    Header,
    /// These bytes, which do not play.
    Skip(u64),
    Frame(Frame),
    Lost,
}

fn after(header: &[u8]) -> Next {
    match header {
        [b'I', b'D', b'3', rest @ ..] if rest.len() + 3 == ID3_HEADER_BYTES => {
            // Seven bits a byte.
            Next::Skip(
                rest[3..]
                    .iter()
                    .fold(0, |size, byte| size << 7 | u64::from(byte & 0x7F)),
            )
        }
        [b'I', b'D', b'3', ..] => Next::Header,
        [first, second, third, _] => Frame::of(*first, *second, *third).map_or(Next::Lost, Next::Frame),
        _ => Next::Header,
    }
}

impl Frame {
    /// A layer III frame with a bit rate of its own.
    fn of(first: u8, second: u8, third: u8) -> Option<Self> {
        let is_layer_3 = first == 0xFF && second & 0xE6 == 0xE2;
        let rate_hz = RATES_MPEG1_HZ
            .get(usize::from(third >> 2 & 0b11))
            .filter(|_| is_layer_3)?;
        let (kbits, rate_hz, samples) = match second >> 3 & 0b11 {
            0b11 => (KBITS_MPEG1, *rate_hz, 1_152),
            0b10 => (KBITS_MPEG2, rate_hz / 2, 576),
            0b00 => (KBITS_MPEG2, rate_hz / 4, 576),
            _ => return None,
        };
        let bits_per_second = kbits.get(usize::from(third >> 4)).filter(|kbits| **kbits > 0)? * 1_000;
        let padding = u64::from(third >> 1 & 1);
        Some(Self {
            bytes: samples / 8 * bits_per_second / rate_hz + padding,
            micros: samples * 1_000_000 / rate_hz,
        })
    }
}
