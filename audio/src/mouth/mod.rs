//! What a client is sent: a synthetic voice, cut into frames of 20 ms in the coding that the client asked for.
//!
//! Voices are made at [`VOICE_RATE_HZ`]. PCM at that rate is copied; at another rate it is resampled, gapless from push to
//! push. Opus is made of the very samples of the voice, at whatever rate the client decodes: a packet has no rate, only a
//! bandwidth, and what a slow decoder cannot give is not coded.
//!
//! # What it costs
//!
//! `cargo bench -p greenroom-audio --bench mouth`: CPU-ms per second of speech, KiB held in the middle of a voice, and
//! kilobits per second of speech.
//!
//! | coding | CPU | held | sent |
//! |---|---|---|---|
//! | PCM at 24 kHz | 0.002 | 0.3 | 384 |
//! | PCM at 8, 16, 44.1, 48 kHz | 0.10, 0.13, 0.29, 0.24 | 31, 38, 63, 66 | 128 to 768 |
//! | Opus at any rate | 1.0 to 1.4 | 5.5 | 20 to 35 |

mod format;
mod framer;

pub use format::{OutputCodec, OutputFormat, OutputRateError};
pub use framer::{FRAME_DURATION, SpeechFrame, SpeechFramer};

/// The rate that voices are made at, in samples per second; always one channel.
pub const VOICE_RATE_HZ: u32 = 24_000;
