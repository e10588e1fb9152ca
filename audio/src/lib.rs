//! Speech as samples: decodes what was uploaded, resamples it, and encodes what is spoken.
//!
//! Sans I/O: synchronous, with no runtime, no files, no clock and no globals. Bytes and limits come in as arguments;
//! whoever waits for a long decode runs it on a thread of its own and stops it by `should_stop`.

mod decode;
pub mod ear;
pub mod mouth;
pub mod ogg_opus;
mod ogg_pages;
mod opus_voice;
pub mod pcm;
pub mod recording;
mod resample;
mod upload;
pub mod wav;

pub use decode::{Codec, Container, DecodeError, DecodeLimits, Decoded, decode};
pub use pcm::SPEECH_RATE_HZ;
pub use resample::{MonoResampler, RATE_HZ_MAX, RATE_HZ_MIN, RateOutOfRange};
pub use upload::{UPLOAD_BYTES_MAX, Upload, UploadTooLarge};
