//! Opus packets of 20 ms on the pages of an Ogg stream (RFC 7845).

use ogg::writing::{PacketWriteEndInfo, PacketWriter};

/// The clock of Ogg/Opus, whatever the rate of the samples: its positions are counted in 48ths of a millisecond.
pub(crate) const GRANULES_PER_SECOND: u32 = 48_000;
/// One packet in samples of that clock: 20 ms, the size that Opus is tuned for.
pub(crate) const GRANULES_PER_PACKET: u64 = 960;

/// A page holds a second, so that a listener waits for no more than that.
const PACKETS_PER_PAGE: u64 = 50;
const VENDOR: &[u8] = b"greenroom";

/// What the header of a stream says.
pub(crate) struct OpusHead {
    /// What a decoder drops at the start: the encoder's look-ahead.
    pub(crate) pre_skip_granules: u64,
    /// The rate of what was encoded, in samples per second; a decoder need not know.
    pub(crate) rate_hz: u32,
    pub(crate) layout: ChannelLayout,
}

/// How channels lie in packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelLayout {
    /// One channel.
    Mono,
    /// Left and right, each coded on its own: a packet of the one and a packet of the other in each packet of the stream
    /// (channel mapping family 1).
    TwoMono,
}

/// The stream up to some packet.
pub(crate) struct OpusPages {
    writer: PacketWriter<'static, Vec<u8>>,
    serial: u32,
    packets: u64,
}

impl OpusHead {
    fn to_bytes(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(23);
        head.extend_from_slice(b"OpusHead");
        head.push(1); // version
        head.push(match self.layout {
            ChannelLayout::Mono => 1,
            ChannelLayout::TwoMono => 2,
        });
        let pre_skip = u16::try_from(self.pre_skip_granules).unwrap_or(u16::MAX);
        head.extend_from_slice(&pre_skip.to_le_bytes());
        head.extend_from_slice(&self.rate_hz.to_le_bytes());
        head.extend_from_slice(&0_i16.to_le_bytes()); // output gain
        match self.layout {
            ChannelLayout::Mono => head.push(0),
            // Family 1: two streams, no pair among them, left is the first and right the second.
            ChannelLayout::TwoMono => head.extend_from_slice(&[1, 2, 0, 0, 1]),
        }
        head
    }
}

impl OpusPages {
    /// A stream with its headers. `serial` is its name among streams that may be joined.
    pub(crate) fn new(serial: u32, head: &OpusHead) -> Self {
        let mut pages = Self {
            writer: PacketWriter::new(Vec::new()),
            serial,
            packets: 0,
        };
        pages.write(head.to_bytes(), PacketWriteEndInfo::EndPage, 0);
        let mut tags = Vec::with_capacity(16 + VENDOR.len());
        tags.extend_from_slice(b"OpusTags");
        tags.extend_from_slice(&u32::try_from(VENDOR.len()).unwrap_or_default().to_le_bytes());
        tags.extend_from_slice(VENDOR);
        tags.extend_from_slice(&0_u32.to_le_bytes()); // comments
        pages.write(tags, PacketWriteEndInfo::EndPage, 0);
        pages
    }

    /// How many packets of audio were written.
    pub(crate) fn packets(&self) -> u64 {
        self.packets
    }

    /// Writes a packet that is not the last one.
    pub(crate) fn push(&mut self, packet: Vec<u8>) {
        self.packets += 1;
        let end = if self.packets.is_multiple_of(PACKETS_PER_PAGE) {
            PacketWriteEndInfo::EndPage
        } else {
            PacketWriteEndInfo::NormalPacket
        };
        self.write(packet, end, self.packets * GRANULES_PER_PACKET);
    }

    /// The whole pages that were not taken before.
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.inner_mut())
    }

    /// Writes the last packet; the bytes are what was not taken before. The stream is `granules` long, the look-ahead
    /// included: less than a whole packet further than before, which tells how much of the last one is padding.
    pub(crate) fn finish(mut self, packet: Vec<u8>, granules: u64) -> Vec<u8> {
        self.write(packet, PacketWriteEndInfo::EndStream, granules);
        self.writer.into_inner()
    }

    fn write(&mut self, packet: Vec<u8>, end: PacketWriteEndInfo, granules: u64) {
        self.writer
            .write_packet(packet, self.serial, end, granules)
            .expect("writing into memory does not fail");
    }
}
