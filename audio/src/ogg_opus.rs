//! Writes speech as Ogg/Opus (RFC 7845), page by page.

use ropus::{Application, Bitrate, Channels, Encoder};
use thiserror::Error;

use crate::ogg_pages::{ChannelLayout, GRANULES_PER_PACKET, GRANULES_PER_SECOND, OpusHead, OpusPages};

const PACKETS_PER_SECOND: u32 = 50;
/// Speech of one voice is transparent from about here on.
const BITRATE_BPS: u32 = 32_000;
/// Half of the pains that the encoder can take, for three quarters of the time.
const COMPLEXITY: u8 = 5;
/// The largest packet of one frame (RFC 6716, 3.2.1).
const PACKET_BYTES_MAX: usize = 1_275;

/// Why speech was not encoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// Opus has no such rate.
    #[error("Opus takes no speech at {rate_hz} Hz, only at 8, 12, 16, 24 or 48 kHz")]
    Rate {
        /// The rate, in samples per second.
        rate_hz: u32,
    },
    /// The encoder failed; there is nothing that a caller could do.
    #[error("the Opus encoder failed: {0}")]
    Encoder(String),
}

/// Encodes one voice, as it is spoken: push samples, take bytes.
pub struct OggOpusWriter {
    encoder: Encoder,
    pages: OpusPages,
    samples_per_packet: usize,
    /// Samples that do not fill a packet yet.
    pending: Vec<i16>,
    packet: Vec<u8>,
    /// What a decoder drops at the start, in 48 kHz samples: the encoder's look-ahead.
    pre_skip: u64,
    samples_in: u64,
    rate_hz: u32,
}

impl OggOpusWriter {
    /// A writer for mono samples at `rate_hz` (8, 12, 16, 24 or 48 kHz). `serial` names the stream; any number will do
    /// as long as two streams that may be joined do not share it.
    pub fn new(rate_hz: u32, serial: u32) -> Result<Self, EncodeError> {
        // The application for speech cuts its lowest tones off, which a synthetic voice need not lose.
        let encoder = Encoder::builder(rate_hz, Channels::Mono, Application::Audio)
            .bitrate(Bitrate::Bits(BITRATE_BPS))
            .complexity(COMPLEXITY)
            .build()
            .map_err(|_| EncodeError::Rate { rate_hz })?;
        // Told in samples of the encoder's rate.
        let pre_skip = u64::from(encoder.lookahead()) * u64::from(GRANULES_PER_SECOND / rate_hz);
        let head = OpusHead {
            pre_skip_granules: pre_skip,
            rate_hz,
            layout: ChannelLayout::Mono,
        };
        Ok(Self {
            encoder,
            pages: OpusPages::new(serial, &head),
            samples_per_packet: (rate_hz / PACKETS_PER_SECOND) as usize,
            pending: Vec::new(),
            packet: vec![0; PACKET_BYTES_MAX],
            pre_skip,
            samples_in: 0,
            rate_hz,
        })
    }

    /// Encodes samples; what does not fill a packet waits for more.
    pub fn push(&mut self, samples: &[i16]) -> Result<(), EncodeError> {
        self.samples_in += samples.len() as u64;
        self.pending.extend_from_slice(samples);
        let mut pending = std::mem::take(&mut self.pending);
        let packets = pending.chunks_exact(self.samples_per_packet);
        let rest = packets.remainder().len();
        for samples in packets {
            // The last packet is written by `finish`, which marks the end of the stream.
            let packet = self.encode(samples)?;
            self.pages.push(packet);
        }
        pending.drain(..pending.len() - rest);
        self.pending = pending;
        Ok(())
    }

    /// The whole pages that are ready, and were not taken before.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.pages.take_bytes()
    }

    /// Ends the stream; the bytes are what was not taken before.
    pub fn finish(mut self) -> Result<Vec<u8>, EncodeError> {
        // The look-ahead is still inside: as much silence brings it out.
        let wanted = self.pre_skip + self.granules(self.samples_in);
        let mut tail = std::mem::take(&mut self.pending);
        loop {
            tail.resize(self.samples_per_packet, 0);
            let packet = self.encode(&tail)?;
            if (self.pages.packets() + 1) * GRANULES_PER_PACKET >= wanted {
                return Ok(self.pages.finish(packet, wanted));
            }
            self.pages.push(packet);
            tail.clear();
        }
    }

    fn granules(&self, samples: u64) -> u64 {
        samples * u64::from(GRANULES_PER_SECOND / self.rate_hz)
    }

    fn encode(&mut self, samples: &[i16]) -> Result<Vec<u8>, EncodeError> {
        let length = self
            .encoder
            .encode(samples, &mut self.packet)
            .map_err(|error| EncodeError::Encoder(error.to_string()))?;
        Ok(self.packet[..length].to_vec())
    }
}

/// A whole recording as Ogg/Opus; see [`OggOpusWriter::new`].
pub fn encode_ogg_opus(samples: &[i16], rate_hz: u32, serial: u32) -> Result<Vec<u8>, EncodeError> {
    let mut writer = OggOpusWriter::new(rate_hz, serial)?;
    writer.push(samples)?;
    writer.finish()
}
