//! Codes one voice as Opus packets of 20 ms, in little time and little memory.
//!
//! Of the two coders in Opus only the one for transforms (CELT) is used, never the one for speech (SILK), and at its
//! lowest complexity. For four recorded sentences, by the mean distance of their spectra in 24 bands up to 7.6 kHz:
//!
//! | coder | bits per second | CPU-ms per second | distance | KiB held |
//! |---|---|---|---|---|
//! | CELT, complexity 0 (this one) | 34.7 k | 1.3 | 1.45 dB | 5 |
//! | CELT, complexity 1, 2, 3, 4, 5 | 34.9 k | 1.7, 1.8, 1.8, 1.8, 3.1 | 1.62, 1.56, 1.56, 1.55, 1.53 dB | 5 |
//! | Opus for speech, complexity 0 | 29.1 k | 3.5 | 2.07 dB | 40 |
//! | Opus for speech, complexity 5 | 29.3 k | 7.2 | 1.69 dB | 40 |
//!
//! What a higher complexity buys is of use to music. What SILK buys is speech below 24 kbit/s, which nobody who is sent
//! some seconds of it needs.

use ropus::celt::encoder::{CeltEncoder, CeltEncoderCtl, celt_encode_with_ec};

/// How much later a decoder gives the sound back, as a part of a second (2.5 ms): the overlap of two transforms.
const LOOKAHEADS_PER_SECOND: u32 = 400;
/// A packet holds 20 ms, the size that Opus is tuned for.
const PACKETS_PER_SECOND: u32 = 50;

const COMPLEXITY: i32 = 0;
/// After so many frames of zeros the last sound has left the overlap, the filters and the predictions.
const SETTLED_ZERO_FRAMES: u32 = 10;
const SAMPLE_BITS: i32 = 16;
/// The largest frame in a packet (RFC 6716, 3.2.1); the byte that says what it is comes on top.
const FRAME_BYTES_MAX: i32 = 1_275;
/// In the first byte of a packet (RFC 6716, 3.1): coded by CELT, one channel, and one frame that lasts 20 ms.
const TOC_CELT_20_MS: u8 = 1 << 7 | 3 << 3;
/// Where the bandwidth stands in that byte.
const TOC_BANDWIDTH_SHIFT: u8 = 5;

/// Up to which frequency a voice is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VoiceBandwidth {
    /// 4 kHz, all that a decoder at 8 kHz can give.
    Narrow,
    /// 8 kHz, all that one at 16 kHz can give.
    Wide,
    /// 12 kHz, all that the samples have.
    SuperWide,
}

/// An encoder between two packets of a stream.
pub(crate) struct VoiceEncoder {
    celt: Box<CeltEncoder>,
    rate_hz: u32,
    bandwidth: VoiceBandwidth,
    /// The next packet is to be understood without the ones before it.
    begins: bool,
    /// How many frames of nothing but zeros came last, and the packet of the last one.
    zero_frames: u32,
    zero_packet: Vec<u8>,
}

/// What the first packet of a stretch, or any other, may refer to: the values of `OPUS_SET_PREDICTION`.
#[derive(Clone, Copy)]
enum Prediction {
    Nothing = 0,
    AllBefore = 2,
}

impl VoiceBandwidth {
    /// How many bands of a transform are coded.
    fn bands(self) -> i32 {
        match self {
            Self::Narrow => 13,
            Self::Wide => 17,
            Self::SuperWide => 19,
        }
    }

    /// The mean; what sounds takes more, and what is silent nearly nothing.
    fn bitrate_bps(self) -> i32 {
        match self {
            Self::Narrow => 24_000,
            Self::Wide => 32_000,
            Self::SuperWide => 40_000,
        }
    }

    fn toc(self) -> u8 {
        let bandwidth = match self {
            Self::Narrow => 0,
            Self::Wide => 1,
            Self::SuperWide => 2,
        };
        TOC_CELT_20_MS | bandwidth << TOC_BANDWIDTH_SHIFT
    }
}

impl VoiceEncoder {
    /// An encoder of mono samples at a rate that Opus has.
    pub(crate) fn new(rate_hz: u32, bandwidth: VoiceBandwidth) -> Self {
        let celt = i32::try_from(rate_hz)
            .ok()
            .and_then(|rate_hz| CeltEncoder::new(rate_hz, 1));
        let mut encoder = Self {
            celt: Box::new(celt.expect("the rate is one of Opus, and it has mono")),
            rate_hz,
            bandwidth,
            begins: true,
            zero_frames: 0,
            zero_packet: Vec::new(),
        };
        for setting in [
            CeltEncoderCtl::SetSignalling(0), // The first byte says it all.
            CeltEncoderCtl::SetComplexity(COMPLEXITY),
            CeltEncoderCtl::SetVbr(1),
            CeltEncoderCtl::SetVbrConstraint(1),
            CeltEncoderCtl::SetBitrate(bandwidth.bitrate_bps()),
            CeltEncoderCtl::SetLsbDepth(SAMPLE_BITS),
            CeltEncoderCtl::SetEndBand(bandwidth.bands()),
        ] {
            encoder.celt.ctl(setting);
        }
        encoder
    }

    /// How many samples a packet holds.
    pub(crate) fn frame_samples(&self) -> usize {
        (self.rate_hz / PACKETS_PER_SECOND) as usize
    }

    /// How many samples later a decoder gives the sound back.
    pub(crate) fn lookahead_samples(&self) -> usize {
        (self.rate_hz / LOOKAHEADS_PER_SECOND) as usize
    }

    /// Codes the next [`VoiceEncoder::frame_samples`].
    pub(crate) fn encode(&mut self, frame: &[i16]) -> Vec<u8> {
        debug_assert_eq!(frame.len(), self.frame_samples());
        if frame.iter().any(|sample| *sample != 0) {
            self.zero_frames = 0;
            return self.encode_with_celt(frame);
        }
        // From some frame on, silence changes neither the encoder nor a decoder any more.
        if self.zero_frames < SETTLED_ZERO_FRAMES {
            self.zero_frames += 1;
            self.zero_packet = self.encode_with_celt(frame);
        }
        self.zero_packet.clone()
    }

    fn encode_with_celt(&mut self, frame: &[i16]) -> Vec<u8> {
        if self.begins {
            self.predict_from(Prediction::Nothing);
        }
        let mut packet = vec![0; 1 + FRAME_BYTES_MAX as usize];
        packet[0] = self.bandwidth.toc();
        let samples = i32::try_from(frame.len()).expect("20 ms");
        let coded = celt_encode_with_ec(
            &mut self.celt,
            frame,
            samples,
            &mut packet[1..],
            FRAME_BYTES_MAX,
            None,
        );
        // A packet of nothing but its first byte says that there is nothing to say: no reason to fail in mid-speech.
        packet.truncate(1 + usize::try_from(coded).unwrap_or(0));
        packet.shrink_to_fit();
        if std::mem::take(&mut self.begins) {
            self.predict_from(Prediction::AllBefore);
        }
        packet
    }

    /// Lets the next packet be understood by a decoder that is new and by one that heard all before it, which must have
    /// ended with [`VoiceEncoder::lookahead_samples`] of silence.
    pub(crate) fn begin_anew(&mut self) {
        self.celt.ctl(CeltEncoderCtl::ResetState);
        self.begins = true;
        self.zero_frames = 0;
    }

    fn predict_from(&mut self, prediction: Prediction) {
        self.celt.ctl(CeltEncoderCtl::SetPrediction(prediction as i32));
    }
}
