//! Writes speech as Ogg/Opus (RFC 7845), page by page.

use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use ropus::{Application, Bitrate, Channels, Encoder};
use thiserror::Error;

/// The clock of Ogg/Opus, whatever the rate of the samples: its positions are counted in 48ths of a millisecond.
const GRANULES_PER_SECOND: u32 = 48_000;
/// One packet in samples of that clock: 20 ms, the size that Opus is tuned for.
const GRANULES_PER_PACKET: u64 = 960;
const PACKETS_PER_SECOND: u32 = 50;
/// A page holds a second, so that a listener waits for no more than that.
const PACKETS_PER_PAGE: u64 = PACKETS_PER_SECOND as u64;
/// Speech of one voice is transparent from about here on.
const BITRATE_BPS: u32 = 32_000;
/// Half of the pains that the encoder can take, for three quarters of the time.
const COMPLEXITY: u8 = 5;
/// The largest packet of one frame (RFC 6716, 3.2.1).
const PACKET_BYTES_MAX: usize = 1_275;
const VENDOR: &[u8] = b"greenroom";

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
    pages: PacketWriter<'static, Vec<u8>>,
    serial: u32,
    samples_per_packet: usize,
    /// Samples that do not fill a packet yet.
    pending: Vec<i16>,
    packet: Vec<u8>,
    /// What a decoder drops at the start, in 48 kHz samples: the encoder's look-ahead.
    pre_skip: u64,
    samples_in: u64,
    packets: u64,
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
        let mut writer = Self {
            encoder,
            pages: PacketWriter::new(Vec::new()),
            serial,
            samples_per_packet: (rate_hz / PACKETS_PER_SECOND) as usize,
            pending: Vec::new(),
            packet: vec![0; PACKET_BYTES_MAX],
            pre_skip,
            samples_in: 0,
            packets: 0,
            rate_hz,
        };
        writer.write_headers();
        Ok(writer)
    }

    /// Encodes samples; what does not fill a packet waits for more.
    pub fn push(&mut self, samples: &[i16]) -> Result<(), EncodeError> {
        self.samples_in += samples.len() as u64;
        self.pending.extend_from_slice(samples);
        let mut pending = std::mem::take(&mut self.pending);
        let packets = pending.chunks_exact(self.samples_per_packet);
        let rest = packets.remainder().len();
        for packet in packets {
            // The last packet is written by `finish`, which marks the end of the stream.
            let end = if (self.packets + 1).is_multiple_of(PACKETS_PER_PAGE) {
                PacketWriteEndInfo::EndPage
            } else {
                PacketWriteEndInfo::NormalPacket
            };
            self.encode(packet, end)?;
        }
        pending.drain(..pending.len() - rest);
        self.pending = pending;
        Ok(())
    }

    /// The whole pages that are ready, and were not taken before.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(self.pages.inner_mut())
    }

    /// Ends the stream; the bytes are what was not taken before.
    pub fn finish(mut self) -> Result<Vec<u8>, EncodeError> {
        // The look-ahead is still inside: as much silence brings it out.
        let wanted = self.pre_skip + self.granules(self.samples_in);
        let mut tail = std::mem::take(&mut self.pending);
        loop {
            tail.resize(self.samples_per_packet, 0);
            if (self.packets + 1) * GRANULES_PER_PACKET >= wanted {
                self.encode_last(&tail, wanted)?;
                return Ok(self.pages.into_inner());
            }
            self.encode(&tail, PacketWriteEndInfo::NormalPacket)?;
            tail.clear();
        }
    }

    fn granules(&self, samples: u64) -> u64 {
        samples * u64::from(GRANULES_PER_SECOND / self.rate_hz)
    }

    fn encode(&mut self, samples: &[i16], end: PacketWriteEndInfo) -> Result<(), EncodeError> {
        let position = (self.packets + 1) * GRANULES_PER_PACKET;
        self.encode_at(samples, end, position)
    }

    /// The last position is less than a whole packet further, and so tells how much of it is padding.
    fn encode_last(&mut self, samples: &[i16], position: u64) -> Result<(), EncodeError> {
        self.encode_at(samples, PacketWriteEndInfo::EndStream, position)
    }

    fn encode_at(
        &mut self,
        samples: &[i16],
        end: PacketWriteEndInfo,
        position: u64,
    ) -> Result<(), EncodeError> {
        let length = self
            .encoder
            .encode(samples, &mut self.packet)
            .map_err(|error| EncodeError::Encoder(error.to_string()))?;
        self.packets += 1;
        self.write(self.packet[..length].to_vec(), end, position);
        Ok(())
    }

    fn write_headers(&mut self) {
        let mut head = Vec::with_capacity(19);
        head.extend_from_slice(b"OpusHead");
        head.push(1); // version
        head.push(1); // channels
        head.extend_from_slice(&u16::try_from(self.pre_skip).unwrap_or(u16::MAX).to_le_bytes());
        head.extend_from_slice(&self.rate_hz.to_le_bytes());
        head.extend_from_slice(&0_i16.to_le_bytes()); // output gain
        head.push(0); // one stream
        self.write(head, PacketWriteEndInfo::EndPage, 0);

        let mut tags = Vec::with_capacity(16 + VENDOR.len());
        tags.extend_from_slice(b"OpusTags");
        tags.extend_from_slice(&u32::try_from(VENDOR.len()).unwrap_or_default().to_le_bytes());
        tags.extend_from_slice(VENDOR);
        tags.extend_from_slice(&0_u32.to_le_bytes()); // comments
        self.write(tags, PacketWriteEndInfo::EndPage, 0);
    }

    fn write(&mut self, packet: Vec<u8>, end: PacketWriteEndInfo, position: u64) {
        self.pages
            .write_packet(packet, self.serial, end, position)
            .expect("writing into memory does not fail");
    }
}

/// A whole recording as Ogg/Opus; see [`OggOpusWriter::new`].
pub fn encode_ogg_opus(samples: &[i16], rate_hz: u32, serial: u32) -> Result<Vec<u8>, EncodeError> {
    let mut writer = OggOpusWriter::new(rate_hz, serial)?;
    writer.push(samples)?;
    writer.finish()
}
