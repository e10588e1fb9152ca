//! Opus packets straight to speech: the decoder itself gives mono at 16 kHz, so nothing is resampled.

use ropus::opus::multistream::OpusMSDecoder;
use ropus::{Channels, DecodeMode, Decoder};

use super::{Container, DecodeError};
use crate::SPEECH_RATE_HZ;

/// The clock of Opus in every container, whatever was recorded.
pub(super) const OPUS_RATE_HZ: u32 = 48_000;
/// How many ticks of that clock are one sample of speech.
const TICKS_PER_SAMPLE: u64 = (OPUS_RATE_HZ / SPEECH_RATE_HZ) as u64;
/// The longest packet: 120 ms.
const PACKET_SAMPLES_MAX: usize = SPEECH_RATE_HZ as usize * 120 / 1_000;
const HEAD_MAGIC: &[u8] = b"OpusHead";
/// Where the fields after the magic word say how channels are coded.
const HEAD_MAPPING: usize = 10;

/// What the header of the stream says (RFC 7845, 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OpusHead {
    channels: u8,
    pre_skip_ticks: u16,
    /// In 256ths of a decibel.
    gain_q8_db: i16,
    coding: ChannelCoding,
}

/// How the channels lie in a packet (RFC 7845, 5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChannelCoding {
    /// One stream, whose decoder mixes two channels to one.
    Together,
    /// Two streams of one channel each, such as the two sides of a conversation.
    Apart,
    /// Something else.
    Unknown,
}

/// Decodes the packets of one stream.
pub(super) struct OpusPackets {
    streams: Streams,
    channels: usize,
    /// How much is still to be dropped at the start, in samples.
    skip_left: usize,
    samples: Vec<i16>,
}

enum Streams {
    One(Box<Decoder>),
    Two {
        decoder: Box<OpusMSDecoder>,
        /// Scratch: left and right by turns.
        pairs: Vec<i16>,
    },
}

impl OpusPackets {
    /// A decoder for the stream that `header` describes; a stream without one is taken as it comes.
    pub(super) fn new(
        header: Option<&[u8]>,
        container: Container,
        channels: usize,
    ) -> Result<Self, DecodeError> {
        let head = match header {
            Some(header) => OpusHead::parse(header, container)?,
            None => OpusHead {
                channels: u8::try_from(channels).unwrap_or(u8::MAX),
                pre_skip_ticks: 0,
                gain_q8_db: 0,
                coding: ChannelCoding::Together,
            },
        };
        if head.channels > 2 || head.coding == ChannelCoding::Unknown {
            return Err(DecodeError::Unsupported {
                what: format!("Opus with {} channels", head.channels),
            });
        }
        Ok(Self {
            streams: Streams::new(head)?,
            channels: usize::from(head.channels),
            skip_left: ticks_to_samples(u64::from(head.pre_skip_ticks)),
            samples: vec![0; PACKET_SAMPLES_MAX],
        })
    }

    /// How many channels the stream has.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// The samples of a packet, without what the header tells to drop at the start and `trim_end_ticks` at the end.
    /// `None` when the packet is broken.
    pub(super) fn decode(&mut self, packet: &[u8], trim_end_ticks: u64) -> Option<&[i16]> {
        let decoded = self.streams.decode(packet, &mut self.samples)?;
        let end = decoded.saturating_sub(ticks_to_samples(trim_end_ticks));
        let skipped = self.skip_left.min(decoded);
        self.skip_left -= skipped;
        Some(self.samples.get(skipped..end).unwrap_or_default())
    }
}

impl Streams {
    fn new(head: OpusHead) -> Result<Self, DecodeError> {
        let failed = |error: &dyn std::fmt::Display| DecodeError::Damaged {
            reason: error.to_string(),
        };
        let gain_q8_db = i32::from(head.gain_q8_db);
        if head.coding == ChannelCoding::Apart {
            let mut decoder = OpusMSDecoder::new(SPEECH_RATE_HZ.cast_signed(), 2, 2, 0, &[0, 1])
                .map_err(|code| failed(&format!("no decoder of two streams: {code}")))?;
            decoder.set_gain(gain_q8_db);
            let (decoder, pairs) = (Box::new(decoder), vec![0; 2 * PACKET_SAMPLES_MAX]);
            return Ok(Self::Two { decoder, pairs });
        }
        let mut decoder = Decoder::new(SPEECH_RATE_HZ, Channels::Mono).map_err(|error| failed(&error))?;
        decoder.set_gain(gain_q8_db).map_err(|error| failed(&error))?;
        Ok(Self::One(Box::new(decoder)))
    }

    /// How many samples of one channel a packet became; `None` when it is broken.
    fn decode(&mut self, packet: &[u8], samples: &mut [i16]) -> Option<usize> {
        match self {
            Self::One(decoder) => decoder.decode(packet, samples, DecodeMode::Normal).ok(),
            Self::Two { decoder, pairs } => {
                let (bytes, room) = (
                    i32::try_from(packet.len()).ok()?,
                    i32::try_from(samples.len()).ok()?,
                );
                let decoded = decoder.decode(Some(packet), bytes, pairs, room, false).ok()?;
                let decoded = usize::try_from(decoded).ok()?;
                let (pairs, _) = pairs.as_chunks::<2>();
                for (sample, [left, right]) in samples.iter_mut().zip(&pairs[..decoded]) {
                    *sample = left.midpoint(*right);
                }
                Some(decoded)
            }
        }
    }
}

impl OpusHead {
    fn parse(header: &[u8], container: Container) -> Result<Self, DecodeError> {
        let fields = header.strip_prefix(HEAD_MAGIC).unwrap_or(header);
        let &[_version, channels, skip_0, skip_1, _, _, _, _, gain_0, gain_1, ..] = fields else {
            return Err(DecodeError::Damaged {
                reason: "its Opus header is too short".to_owned(),
            });
        };
        // Ogg's header, which WebM copies, is little-endian; MP4 has the same fields big-endian.
        let (pre_skip_ticks, gain_q8_db) = if container == Container::Mp4 {
            (
                u16::from_be_bytes([skip_0, skip_1]),
                i16::from_be_bytes([gain_0, gain_1]),
            )
        } else {
            (
                u16::from_le_bytes([skip_0, skip_1]),
                i16::from_le_bytes([gain_0, gain_1]),
            )
        };
        // A header that is cut short here is of family 0, as far as anybody can tell.
        let coding = match (channels, &fields[HEAD_MAPPING..]) {
            (_, [] | [0, ..] | [_, 1, ..]) => ChannelCoding::Together,
            (2, [1 | 255, 2, 0, 0, 1, ..] | [1 | 255, 2, 0, 1, 0, ..]) => ChannelCoding::Apart,
            _ => ChannelCoding::Unknown,
        };
        Ok(Self {
            channels,
            pre_skip_ticks,
            gain_q8_db,
            coding,
        })
    }
}

fn ticks_to_samples(ticks: u64) -> usize {
    usize::try_from(ticks / TICKS_PER_SAMPLE).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_little_endian_but_in_mp4() {
        let mut header = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\xfd\0".to_vec();
        let expected = OpusHead {
            channels: 2,
            pre_skip_ticks: 312,
            gain_q8_db: -768,
            coding: ChannelCoding::Together,
        };
        assert_eq!(OpusHead::parse(&header, Container::Ogg).unwrap(), expected);
        header[10..12].reverse();
        header[16..18].reverse();
        assert_eq!(OpusHead::parse(&header, Container::Mp4).unwrap(), expected);
    }

    #[test]
    fn a_header_that_is_cut_is_an_error() {
        assert!(matches!(
            OpusHead::parse(b"OpusHead\x01\x02\x38", Container::WebM),
            Err(DecodeError::Damaged { .. })
        ));
    }

    #[test]
    fn more_channels_than_two_and_other_layouts_are_not_taken() {
        for header in [
            &b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0\x01"[..],
            // Two streams of which one is not heard, and two of which one is a pair.
            b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\x01\x02\x00\x00\xff",
            b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\x01\x02\x01\x00\x01",
        ] {
            assert!(matches!(
                OpusPackets::new(Some(header), Container::Ogg, 2),
                Err(DecodeError::Unsupported { .. })
            ));
        }
    }
}
