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

/// The rate of the samples, in samples per second: that of most synthetic voices.
pub(crate) const VOICE_RATE_HZ: u32 = 24_000;
/// What a packet holds, in samples: 20 ms, the size that Opus is tuned for.
pub(crate) const FRAME_SAMPLES: usize = 480;
/// How much later a decoder gives the sound back, in samples: half the overlap of two transforms.
pub(crate) const LOOKAHEAD_SAMPLES: usize = 60;

const COMPLEXITY: i32 = 0;
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
    bandwidth: VoiceBandwidth,
    /// The next packet is to be understood without the ones before it.
    begins: bool,
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
    pub(crate) fn new(bandwidth: VoiceBandwidth) -> Self {
        let rate_hz = i32::try_from(VOICE_RATE_HZ).expect("a rate is far below two thousand million");
        let celt = CeltEncoder::new(rate_hz, 1).expect("the rate is one of Opus, and it has mono");
        let mut encoder = Self {
            celt: Box::new(celt),
            bandwidth,
            begins: true,
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

    /// Codes the next [`FRAME_SAMPLES`].
    pub(crate) fn encode(&mut self, frame: &[i16; FRAME_SAMPLES]) -> Vec<u8> {
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
    /// ended with [`LOOKAHEAD_SAMPLES`] of silence.
    pub(crate) fn begin_anew(&mut self) {
        self.celt.ctl(CeltEncoderCtl::ResetState);
        self.begins = true;
    }

    fn predict_from(&mut self, prediction: Prediction) {
        self.celt.ctl(CeltEncoderCtl::SetPrediction(prediction as i32));
    }
}
