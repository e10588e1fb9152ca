//! Decodes an upload, whatever it is, to mono speech at [`SPEECH_RATE_HZ`].
//!
//! What an upload is, its bytes say: a declared type or a file name is never asked. Demuxers and most codecs are
//! Symphonia's, Opus is ropus'. Both are written for friendly files, so this module bounds what they read, how much
//! they may do and what they may allocate ([`guard`], [`mp4_check`], [`vorbis_check`]), and turns a panic in them into
//! an error.

mod guard;
mod mp4_check;
mod opus;
mod packets;
mod sniff;
mod speech;
mod tracks;
mod vorbis_check;
mod webm_end;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use symphonia::core::errors::Error as SymphoniaError;
use thiserror::Error;

use crate::pcm::duration_of;
use crate::{RATE_HZ_MAX, RATE_HZ_MIN, RateOutOfRange, SPEECH_RATE_HZ, Upload};
use guard::Guard;
use packets::PacketDecoder;
use speech::Speech;
use tracks::AudioTrack;

/// What a decode may take. The defaults are those of the product; a test may be stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// How long the audio may be.
    pub duration_max: Duration,
    /// How many channels it may have.
    pub channels_max: usize,
    /// How many packets are read, of all tracks: the smallest packets of Opus (2.5 ms) fill five minutes with 120,000.
    pub packets_max: u32,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            duration_max: Duration::from_mins(5),
            channels_max: 8,
            packets_max: 300_000,
        }
    }
}

/// What wraps the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Container {
    /// RIFF/WAVE.
    Wav,
    /// WebM, and Matroska in general.
    WebM,
    /// Ogg.
    Ogg,
    /// MP4, M4A and other ISO base media files.
    Mp4,
    /// MPEG audio frames, with or without ID3 tags.
    Mp3,
    /// FLAC's own.
    Flac,
}

/// How the audio is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Uncompressed samples: integers, floats, A-law or µ-law.
    Pcm,
    /// Opus.
    Opus,
    /// Vorbis.
    Vorbis,
    /// AAC, low complexity.
    Aac,
    /// MPEG audio, layer III.
    Mp3,
    /// FLAC.
    Flac,
}

/// What an upload said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Mono samples at [`SPEECH_RATE_HZ`]; never empty.
    pub pcm: Vec<i16>,
    /// What wrapped the audio.
    pub container: Container,
    /// How it was coded.
    pub codec: Codec,
    /// The rate it was recorded at, in samples per second; 48,000 for all Opus.
    pub source_rate_hz: u32,
    /// How many channels it had, before they were mixed to one.
    pub source_channels: usize,
    /// Whether the file ends before its audio does. What came before the cut is in `pcm`.
    pub truncated: bool,
    /// How many packets could not be decoded and are missing in `pcm`.
    pub packets_lost: u32,
}

impl Decoded {
    /// How long the samples last.
    pub fn duration(&self) -> Duration {
        duration_of(self.pcm.len(), SPEECH_RATE_HZ)
    }
}

/// Why an upload was not decoded, by what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Send it in another format. What it is, if that is known.
    #[error("audio of this kind is not supported: {what}")]
    Unsupported {
        /// The container or codec.
        what: String,
    },
    /// Send it again: it is broken from the start on, or was cut before its first audio.
    #[error("the audio is damaged: {reason}")]
    Damaged {
        /// What was found.
        reason: String,
    },
    /// Send less of it.
    #[error("the audio is longer than {} s", duration_max.as_secs())]
    TooLong {
        /// How long it may be.
        duration_max: Duration,
    },
    /// Record it at another rate.
    #[error("the sample rate {rate_hz} Hz is not within {RATE_HZ_MIN} to {RATE_HZ_MAX} Hz")]
    RateOutOfRange {
        /// The rate, in samples per second.
        rate_hz: u32,
    },
    /// Record it with fewer channels.
    #[error("{channels} channels are not within 1 to {channels_max}")]
    ChannelsOutOfRange {
        /// How many it has.
        channels: usize,
        /// How many it may have.
        channels_max: usize,
    },
    /// Record something: there are no bytes, or no audio in them.
    #[error("there is no audio in it")]
    Empty,
    /// The caller wanted it stopped.
    #[error("decoding was stopped")]
    Stopped,
}

impl From<RateOutOfRange> for DecodeError {
    fn from(error: RateOutOfRange) -> Self {
        Self::RateOutOfRange {
            rate_hz: error.rate_hz,
        }
    }
}

/// How reading a file ended.
enum End {
    /// Where it says that it ends.
    Whole,
    /// Before that, for this reason.
    Cut(String),
}

/// Decodes the whole upload, on the thread of the caller; a second of audio takes about a millisecond, five minutes a
/// third of a second (as measured by `benches/decode.rs`).
///
/// `should_stop` is asked at every packet and at every read; when it says yes, decoding ends within milliseconds.
pub fn decode(
    upload: Upload,
    limits: &DecodeLimits,
    should_stop: &(dyn Fn() -> bool + Sync),
) -> Result<Decoded, DecodeError> {
    if upload.is_empty() {
        return Err(DecodeError::Empty);
    }
    // The one place where a panic is caught: demuxers and codecs by others read what anybody may send, and a wrong
    // assumption in them must cost this upload only. Nothing of theirs outlives the closure.
    catch_unwind(AssertUnwindSafe(|| decode_guarded(upload, limits, should_stop))).unwrap_or_else(|_| {
        Err(DecodeError::Damaged {
            reason: "a decoder failed on it".to_owned(),
        })
    })
}

fn decode_guarded(
    upload: Upload,
    limits: &DecodeLimits,
    should_stop: &(dyn Fn() -> bool + Sync),
) -> Result<Decoded, DecodeError> {
    let guard = Guard::new(upload.len_bytes(), should_stop);
    let mut reader = upload.into_reader();
    let sniffed = sniff::sniff(&mut reader)?;
    let boxes_are_whole = sniffed.container != Container::Mp4 || mp4_check::check(&mut reader, &guard)?;
    let mut track = AudioTrack::open(sniffed, reader, &guard, limits)?;
    let mut decoder = PacketDecoder::new(&track, limits)?;
    let mut speech = Speech::new(limits);
    let end = decode_packets(&mut track, &mut decoder, &mut speech, &guard, limits)?;

    let (packets_decoded, packets_lost) = decoder.counts();
    let (source_rate_hz, source_channels) = decoder.source();
    let pcm = speech.finish()?;
    if packets_lost > packets_decoded {
        return Err(DecodeError::Damaged {
            reason: format!(
                "{packets_lost} packets of {codec:?} are broken",
                codec = track.codec
            ),
        });
    }
    let truncated = match end {
        End::Whole if pcm.is_empty() => return Err(DecodeError::Empty),
        End::Cut(reason) if pcm.is_empty() => return Err(DecodeError::Damaged { reason }),
        End::Whole => !boxes_are_whole || lacks_frames(&track, decoder.frames()),
        End::Cut(_) => true,
    };
    Ok(Decoded {
        pcm,
        container: track.container,
        codec: track.codec,
        source_rate_hz,
        source_channels,
        truncated,
        packets_lost,
    })
}

/// Whether a header promised more than was there: to the reader of FLAC, a cut between two frames is the end.
fn lacks_frames(track: &AudioTrack<'_>, decoded: u64) -> bool {
    track.container == Container::Flac && track.frames.is_some_and(|promised| decoded < promised)
}

fn decode_packets(
    track: &mut AudioTrack<'_>,
    decoder: &mut PacketDecoder,
    speech: &mut Speech,
    guard: &Guard<'_>,
    limits: &DecodeLimits,
) -> Result<End, DecodeError> {
    for _ in 0..limits.packets_max {
        guard.check()?;
        match track.next_packet() {
            Ok(Some(packet)) if track.owns(&packet) => decoder.decode(&packet, speech)?,
            Ok(Some(_)) => {}
            Ok(None) => return Ok(End::Whole),
            Err(error) => {
                guard.check()?;
                return Ok(End::Cut(reason_of(&error)));
            }
        }
    }
    Err(DecodeError::Damaged {
        reason: format!("it has more than {} packets", limits.packets_max),
    })
}

/// What Symphonia found wrong, in words for whoever sent the file.
fn reason_of(error: &SymphoniaError) -> String {
    match error {
        SymphoniaError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it ends too early".to_owned()
        }
        SymphoniaError::ResetRequired => "another recording is joined to it".to_owned(),
        other => other.to_string(),
    }
}
