//! How speech is sent: what `audio.start` may ask for.

use thiserror::Error;

use crate::ear::{OPUS_RATES_HZ, PCM_RATES_HZ};

/// How frames that are sent are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputCodec {
    /// 16-bit little-endian samples, one channel.
    PcmS16le,
    /// One Opus packet a frame, one channel.
    Opus,
}

/// A codec and a rate that go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutputFormat {
    codec: OutputCodec,
    rate_hz: u32,
}

/// Nobody is sent speech at this rate. Ask for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("speech is not sent at {rate_hz} Hz, only at one of {sent_hz:?} Hz")]
pub struct OutputRateError {
    /// The rate that was asked for, in samples per second.
    pub rate_hz: u32,
    /// The rates that this codec is sent at.
    pub sent_hz: [u32; 5],
}

impl OutputFormat {
    /// A codec at one of its rates: [`PCM_RATES_HZ`] or [`OPUS_RATES_HZ`].
    pub fn new(codec: OutputCodec, rate_hz: u32) -> Result<Self, OutputRateError> {
        let sent_hz = match codec {
            OutputCodec::PcmS16le => PCM_RATES_HZ,
            OutputCodec::Opus => OPUS_RATES_HZ,
        };
        if sent_hz.contains(&rate_hz) {
            Ok(Self { codec, rate_hz })
        } else {
            Err(OutputRateError { rate_hz, sent_hz })
        }
    }

    /// How frames are coded.
    pub fn codec(self) -> OutputCodec {
        self.codec
    }

    /// How many samples a second has, once decoded.
    pub fn rate_hz(self) -> u32 {
        self.rate_hz
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_codec_has_its_rates() {
        for (codec, sent_hz) in [
            (OutputCodec::PcmS16le, [8_000, 16_000, 24_000, 44_100, 48_000]),
            (OutputCodec::Opus, [8_000, 12_000, 16_000, 24_000, 48_000]),
        ] {
            for rate_hz in sent_hz {
                let format = OutputFormat::new(codec, rate_hz).unwrap();
                assert_eq!((format.codec(), format.rate_hz()), (codec, rate_hz));
            }
            for rate_hz in [0, 11_025, 22_050, 96_000, u32::MAX] {
                assert_eq!(
                    OutputFormat::new(codec, rate_hz),
                    Err(OutputRateError { rate_hz, sent_hz })
                );
            }
        }
        assert!(OutputFormat::new(OutputCodec::PcmS16le, 12_000).is_err());
        assert!(OutputFormat::new(OutputCodec::Opus, 44_100).is_err());
    }
}
