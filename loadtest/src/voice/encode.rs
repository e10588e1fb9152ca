//! Speech in the formats that a client may ask for, as it is spoken.

use std::str::FromStr;

use flacenc::bitsink::ByteSink;
use flacenc::component::BitRepr;
use flacenc::error::Verify;
use flacenc::source::MemSource;
use greenroom_audio::ogg_opus::OggOpusWriter;
use greenroom_audio::pcm::{extend_f32, to_le_bytes};
use greenroom_audio::wav::wav_header;
use rusty_mp3::{Mp3Encoder, Mp3EncoderConfig};
use thiserror::Error;

/// Samples a second of all speech, in every format.
pub const SPEECH_OUT_RATE_HZ: u32 = 24_000;

/// Speech of one voice is transparent from about here on, in either codec.
const MP3_KBIT_PER_SECOND: u32 = 64;
const AAC_BIT_PER_SECOND: u32 = 64_000;
/// The number of the Ogg stream; there is only ever one in a reply.
const OGG_SERIAL: u32 = 1;
const FLAC_BITS_PER_SAMPLE: usize = 16;

/// A format that speech can have, by the names of OpenAI's `response_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpeechFormat {
    /// MPEG audio, layer III.
    Mp3,
    /// Opus in Ogg.
    Opus,
    /// AAC, low complexity, in ADTS frames.
    Aac,
    /// FLAC.
    Flac,
    /// WAV of unknown length.
    Wav,
    /// Samples alone: 24 kHz mono, 16 bits, little-endian.
    Pcm,
}

/// A format that nobody speaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no speech in `{0}`, only in mp3, opus, aac, flac, wav and pcm")]
pub struct UnknownFormat(pub String);

/// Speech could not be encoded; there is nothing that a caller could do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the {format:?} encoder failed: {reason}")]
pub struct EncodeError {
    /// What it was to be encoded as.
    pub format: SpeechFormat,
    /// What the encoder says.
    pub reason: String,
}

/// Encodes one reply: push samples as they are spoken, send the bytes, finish.
pub struct SpeechEncoder {
    format: SpeechFormat,
    state: State,
}

enum State {
    Mp3(Mp3Stream),
    Opus(Box<OggOpusWriter>),
    Aac(Box<syom::Encoder>),
    /// Its header counts the samples, so that all must be there before the first byte.
    Flac(Vec<i32>),
    Wav {
        header_is_due: bool,
    },
    Pcm,
}

/// MP3 as a stream. The encoder's first frame is a table of contents, which it could only fill at the end, and which
/// would say until then that there is no audio; it is left out.
struct Mp3Stream {
    encoder: Box<Mp3Encoder>,
    contents_are_due: bool,
}

impl SpeechFormat {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Mp3, Self::Opus, Self::Aac, Self::Flac, Self::Wav, Self::Pcm];

    /// The name that a request uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
            Self::Aac => "aac",
            Self::Flac => "flac",
            Self::Wav => "wav",
            Self::Pcm => "pcm",
        }
    }

    /// The media type of a reply, as OpenAI sends it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Mp3 => "audio/mpeg",
            Self::Opus => "audio/opus",
            Self::Aac => "audio/aac",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
            Self::Pcm => "audio/pcm",
        }
    }
}

impl FromStr for SpeechFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let named = Self::ALL.into_iter().find(|format| format.name() == name);
        named.ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

impl SpeechEncoder {
    /// An encoder for mono samples at [`SPEECH_OUT_RATE_HZ`].
    pub fn new(format: SpeechFormat) -> Result<Self, EncodeError> {
        let failed = |reason: String| EncodeError { format, reason };
        let state = match format {
            SpeechFormat::Mp3 => State::Mp3(Mp3Stream {
                encoder: Box::new(Mp3Encoder::new(Mp3EncoderConfig {
                    bitrate_kbps: MP3_KBIT_PER_SECOND,
                    vbr_quality: None,
                })),
                contents_are_due: true,
            }),
            SpeechFormat::Opus => {
                let writer = OggOpusWriter::new(SPEECH_OUT_RATE_HZ, OGG_SERIAL);
                State::Opus(Box::new(writer.map_err(|error| failed(error.to_string()))?))
            }
            SpeechFormat::Aac => {
                let options = syom::EncodeOptions::adts().with_bitrate_bps(AAC_BIT_PER_SECOND);
                let encoder = syom::Encoder::new(SPEECH_OUT_RATE_HZ, 1, &options);
                State::Aac(Box::new(encoder.map_err(|error| failed(error.to_string()))?))
            }
            SpeechFormat::Flac => State::Flac(Vec::new()),
            SpeechFormat::Wav => State::Wav { header_is_due: true },
            SpeechFormat::Pcm => State::Pcm,
        };
        Ok(Self { format, state })
    }

    /// Takes samples; the answer is what can be sent of them yet, which may be nothing.
    pub fn push(&mut self, samples: &[i16]) -> Result<Vec<u8>, EncodeError> {
        let format = self.format;
        let failed = |reason: String| EncodeError { format, reason };
        match &mut self.state {
            State::Mp3(stream) => {
                stream
                    .encoder
                    .push_pcm_s16(samples, 1, SPEECH_OUT_RATE_HZ)
                    .map_err(|error| failed(error.to_string()))?;
                Ok(stream.take_bytes())
            }
            State::Opus(writer) => {
                writer.push(samples).map_err(|error| failed(error.to_string()))?;
                Ok(writer.take_bytes())
            }
            State::Aac(encoder) => {
                let mut floats = Vec::with_capacity(samples.len());
                extend_f32(&mut floats, samples);
                let mut bytes = Vec::new();
                encoder
                    .feed(&[&floats], |frame| {
                        bytes.extend_from_slice(frame.au);
                        Ok(())
                    })
                    .map_err(|error| failed(error.to_string()))?;
                Ok(bytes)
            }
            State::Flac(pending) => {
                pending.extend(samples.iter().copied().map(i32::from));
                Ok(Vec::new())
            }
            State::Wav { header_is_due } => {
                let mut bytes = Vec::new();
                if std::mem::take(header_is_due) {
                    bytes.extend_from_slice(&wav_header(usize::MAX, SPEECH_OUT_RATE_HZ));
                }
                bytes.extend(to_le_bytes(samples));
                Ok(bytes)
            }
            State::Pcm => Ok(to_le_bytes(samples)),
        }
    }

    /// Ends the reply; the answer is what was not sent before. A reply without a sample is an error in FLAC and AAC,
    /// which cannot say nothing.
    pub fn finish(self) -> Result<Vec<u8>, EncodeError> {
        let format = self.format;
        let failed = |reason: String| EncodeError { format, reason };
        match self.state {
            State::Mp3(mut stream) => {
                stream.encoder.finish();
                Ok(stream.take_bytes())
            }
            State::Opus(writer) => writer.finish().map_err(|error| failed(error.to_string())),
            State::Aac(mut encoder) => {
                let mut bytes = Vec::new();
                let finished = encoder.finish(|frame| {
                    bytes.extend_from_slice(frame.au);
                    Ok(())
                });
                finished.map_err(|error| failed(error.to_string()))?;
                Ok(bytes)
            }
            State::Flac(samples) => flac(&samples).map_err(failed),
            State::Wav { header_is_due: true } => Ok(wav_header(0, SPEECH_OUT_RATE_HZ).to_vec()),
            State::Wav { header_is_due: false } | State::Pcm => Ok(Vec::new()),
        }
    }
}

impl Mp3Stream {
    /// The whole frames that are ready, and were not taken before.
    fn take_bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Both errors of this call say that there is no packet: not yet, or not any more.
        while let Ok(packet) = self.encoder.next_packet() {
            if !std::mem::take(&mut self.contents_are_due) {
                bytes.extend(packet);
            }
        }
        bytes
    }
}

/// All of a recording at once.
pub fn encode(samples: &[i16], format: SpeechFormat) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = SpeechEncoder::new(format)?;
    let mut bytes = encoder.push(samples)?;
    bytes.extend(encoder.finish()?);
    Ok(bytes)
}

fn flac(samples: &[i32]) -> Result<Vec<u8>, String> {
    let config = flacenc::config::Encoder::default()
        .into_verified()
        .map_err(|(_, error)| error.to_string())?;
    let rate_hz = SPEECH_OUT_RATE_HZ as usize;
    let source = MemSource::from_samples(samples, 1, FLAC_BITS_PER_SAMPLE, rate_hz);
    let mut stream = flacenc::encode_with_fixed_block_size(&config, source, config.block_size)
        .map_err(|error| error.to_string())?;
    // The shorter last block does not count (RFC 9639, 8.2); with it readers look for frames of another kind.
    stream
        .stream_info_mut()
        .set_block_sizes(config.block_size, config.block_size)
        .map_err(|error| error.to_string())?;
    let mut sink = ByteSink::new();
    stream.write(&mut sink).map_err(|error| error.to_string())?;
    Ok(sink.into_inner())
}

#[cfg(test)]
mod tests {
    use std::f32::consts::PI;
    use std::process::{Command, Stdio};

    use bytes::Bytes;
    use greenroom_audio::{Codec, DecodeLimits, Decoded, UPLOAD_BYTES_MAX, Upload, decode};

    use super::*;

    const SECONDS: f32 = 2.5;
    /// What the encoders may add: the padding of the last frame and, in streams, their own delay.
    const LONGER_SECONDS_MAX: f32 = 0.13;

    /// A tone that swells, so that no codec can make it up.
    fn tone() -> Vec<i16> {
        let rate = SPEECH_OUT_RATE_HZ as f32;
        let sample = |index: u32| {
            let time = index as f32 / rate;
            ((2.0 * PI * 330.0 * time).sin() * 8_000.0 * (0.2 + time / SECONDS * 0.8)) as i16
        };
        (0..(rate * SECONDS) as u32).map(sample).collect()
    }

    /// As a server sends it: in chunks that fit no frame of any codec.
    fn streamed(samples: &[i16], format: SpeechFormat) -> (Vec<u8>, usize) {
        let mut encoder = SpeechEncoder::new(format).expect("the encoder takes its settings");
        let mut bytes = Vec::new();
        let mut sent_before_the_end = 0;
        for chunk in samples.chunks(1_777) {
            bytes.extend(encoder.push(chunk).expect("samples can be encoded"));
            sent_before_the_end = bytes.len();
        }
        bytes.extend(encoder.finish().expect("the end can be encoded"));
        (bytes, sent_before_the_end)
    }

    fn decoded(format: SpeechFormat, bytes: Vec<u8>) -> Decoded {
        let mut upload = Upload::new(UPLOAD_BYTES_MAX);
        upload.push(Bytes::from(bytes)).expect("it is small");
        decode(upload, &DecodeLimits::default(), &|| false)
            .unwrap_or_else(|error| panic!("{format:?} can be decoded: {error}"))
    }

    fn loudness(samples: &[i16]) -> f32 {
        let squares: f32 = samples.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        (squares / samples.len() as f32).sqrt()
    }

    fn assert_same_speech(format: SpeechFormat, pcm: &[i16], rate_hz: f32) {
        let seconds = pcm.len() as f32 / rate_hz;
        assert!(
            (SECONDS - 0.001..=SECONDS + LONGER_SECONDS_MAX).contains(&seconds),
            "{format:?}: {seconds} s"
        );
        let quarter = pcm.len() / 4;
        let swell = loudness(&pcm[pcm.len() - 2 * quarter..pcm.len() - quarter]) / loudness(&pcm[..quarter]);
        assert!((1.8..2.6).contains(&swell), "{format:?}: swells by {swell}");
    }

    #[test]
    fn what_is_encoded_can_be_decoded_and_lasts_as_long() {
        for (format, codec) in [
            (SpeechFormat::Mp3, Codec::Mp3),
            (SpeechFormat::Opus, Codec::Opus),
            (SpeechFormat::Flac, Codec::Flac),
            (SpeechFormat::Wav, Codec::Pcm),
        ] {
            let (bytes, _) = streamed(&tone(), format);
            let decoded = decoded(format, bytes);
            assert_eq!(decoded.codec, codec);
            assert_eq!(decoded.source_channels, 1);
            assert_same_speech(format, &decoded.pcm, 16_000.0);
        }
    }

    #[test]
    fn flac_wav_and_pcm_lose_nothing() {
        let (bytes, _) = streamed(&tone(), SpeechFormat::Pcm);
        assert_eq!(bytes, to_le_bytes(&tone()));
        let (wav, _) = streamed(&tone(), SpeechFormat::Wav);
        assert_eq!(wav[44..], bytes);
        assert_eq!(wav[40..44], [0xff; 4], "the length is unknown");
    }

    #[test]
    fn adts_frames_follow_one_another_to_the_end() {
        let (bytes, _) = streamed(&tone(), SpeechFormat::Aac);
        let mut rest = bytes.as_slice();
        let mut frames = 0;
        while !rest.is_empty() {
            assert_eq!(
                (rest[0], rest[1] & 0xf0),
                (0xff, 0xf0),
                "a frame begins with its mark"
            );
            assert_eq!(rest[2] >> 2 & 0x0f, 6, "24 kHz");
            let length =
                usize::from(rest[3] & 3) << 11 | usize::from(rest[4]) << 3 | usize::from(rest[5]) >> 5;
            rest = &rest[length..];
            frames += 1;
        }
        let seconds = frames as f32 * 1_024.0 / SPEECH_OUT_RATE_HZ as f32;
        assert!(
            (SECONDS..SECONDS + LONGER_SECONDS_MAX).contains(&seconds),
            "{seconds} s"
        );
    }

    #[test]
    fn speech_is_sent_while_it_is_spoken_except_as_flac() {
        for format in SpeechFormat::ALL {
            let (bytes, sent_before_the_end) = streamed(&tone(), format);
            let streams = format != SpeechFormat::Flac;
            // A page of Ogg holds a second.
            assert_eq!(sent_before_the_end * 2 > bytes.len(), streams, "{format:?}");
            assert_eq!(
                bytes,
                encode(&tone(), format).expect("it can be encoded"),
                "{format:?}"
            );
        }
    }

    #[test]
    fn formats_have_the_names_of_requests() {
        for format in SpeechFormat::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert_eq!(
            "ogg".parse::<SpeechFormat>(),
            Err(UnknownFormat("ogg".to_owned()))
        );
    }

    #[test]
    #[ignore = "needs ffmpeg"]
    fn others_can_decode_every_format() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        for format in SpeechFormat::ALL
            .into_iter()
            .filter(|format| *format != SpeechFormat::Pcm)
        {
            let path = folder.path().join(format.name());
            std::fs::write(&path, streamed(&tone(), format).0).expect("a file can be written");
            let output = Command::new("ffmpeg")
                .args(["-nostdin", "-loglevel", "warning", "-i"])
                .arg(&path)
                .args(["-f", "s16le", "-ar", "24000", "-ac", "1", "-"])
                .stdin(Stdio::null())
                .output()
                .expect("ffmpeg can be started");
            let warnings = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{format:?}: {warnings}");
            let samples = greenroom_audio::pcm::from_le_bytes(&output.stdout);
            assert_same_speech(format, &samples, SPEECH_OUT_RATE_HZ as f32);
        }
    }
}
