//! Opens a container and gives the packets of the track that speaks.

use std::io::{ErrorKind, Read, Seek, SeekFrom};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, well_known};
use symphonia::core::errors::{Error as SymphoniaError, Result as SymphoniaResult};
use symphonia::core::formats::{FormatOptions, FormatReader, Track};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions, ReadBytes};
use symphonia::core::packet::Packet;
use symphonia::default::formats::{FlacReader, IsoMp4Reader, MkvReader, MpaReader, OggReader, WavReader};

use super::guard::{Guard, GuardedSource};
use super::sniff::Sniffed;
use super::{Codec, Container, DecodeError, DecodeLimits, reason_of, webm_end};
use crate::upload::UploadReader;
use crate::{RATE_HZ_MAX, RATE_HZ_MIN};

/// What programs write for an unknown length is from here on: some just below 2 GiB, some just below 4 GiB.
const UNKNOWN_WAV_BYTES_MIN: u32 = 0x7fff_0000;

/// The first track of a file whose codec is known.
pub(super) struct AudioTrack<'a> {
    pub(super) container: Container,
    pub(super) codec: Codec,
    pub(super) params: AudioCodecParameters,
    /// How many frames the file says that the track has.
    pub(super) frames: Option<u64>,
    id: u32,
    /// Whether an end of the bytes is the end of the recording.
    ends_with_bytes: bool,
    reader: Box<dyn FormatReader + 'a>,
}

impl<'a> AudioTrack<'a> {
    pub(super) fn open(
        sniffed: Sniffed,
        mut reader: UploadReader,
        guard: &'a Guard<'a>,
        limits: &DecodeLimits,
    ) -> Result<Self, DecodeError> {
        let ends_with_bytes = match sniffed.container {
            Container::WebM => webm_end::is_whole(&mut reader, guard)?,
            Container::Wav => is_streamed_wav(&mut reader, sniffed.start),
            Container::Ogg | Container::Mp4 | Container::Mp3 | Container::Flac => false,
        };
        let reader = open_container(sniffed, reader, guard).map_err(|error| match guard.check() {
            Err(interrupted) => interrupted,
            Ok(()) => DecodeError::Damaged {
                reason: reason_of(&error),
            },
        })?;
        guard.opened();
        let (codec, track, params) = choose(reader.tracks())?;
        check_params(codec, &params, limits)?;
        Ok(Self {
            container: sniffed.container,
            codec,
            id: track.id,
            ends_with_bytes,
            frames: track.num_frames,
            params,
            reader,
        })
    }

    /// The next packet, of any track; see [`AudioTrack::owns`].
    pub(super) fn next_packet(&mut self) -> SymphoniaResult<Option<Packet>> {
        match self.reader.next_packet() {
            // At the end of the bytes the reader of WAV gives empty packets for ever, as long as more was promised.
            Ok(Some(packet)) if self.container == Container::Wav && packet.data.is_empty() => {
                if self.ends_with_bytes {
                    Ok(None)
                } else {
                    Err(SymphoniaError::IoError(ErrorKind::UnexpectedEof.into()))
                }
            }
            Err(SymphoniaError::IoError(error))
                if self.ends_with_bytes && error.kind() == ErrorKind::UnexpectedEof =>
            {
                Ok(None)
            }
            other => other,
        }
    }

    /// Whether the packet is one of this track.
    pub(super) fn owns(&self, packet: &Packet) -> bool {
        packet.track_id == self.id
    }
}

/// Whether the header of a WAV file was written before its length was known: it then says two or four gigabytes, and
/// means "until the end".
fn is_streamed_wav(reader: &mut UploadReader, start: u64) -> bool {
    let mut header = [0; 8];
    let read = reader
        .seek(SeekFrom::Start(start))
        .and_then(|_| reader.read_exact(&mut header));
    let _ = reader.seek(SeekFrom::Start(0));
    let [_, _, _, _, riff_bytes @ ..] = header;
    read.is_ok() && u32::from_le_bytes(riff_bytes) >= UNKNOWN_WAV_BYTES_MIN
}

fn open_container<'a>(
    sniffed: Sniffed,
    reader: UploadReader,
    guard: &'a Guard<'a>,
) -> SymphoniaResult<Box<dyn FormatReader + 'a>> {
    // WebM is read as the stream that it is: when the end of the file is known, a recording that was cut is refused
    // as a whole, because its segment reaches beyond the end.
    let source = match sniffed.container {
        Container::WebM => GuardedSource::streamed(reader, guard),
        Container::Wav | Container::Ogg | Container::Mp4 | Container::Mp3 | Container::Flac => {
            GuardedSource::seekable(reader, guard)
        }
    };
    let mut stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    stream.ignore_bytes(sniffed.start)?;
    let options = FormatOptions::default();
    Ok(match sniffed.container {
        Container::Wav => Box::new(WavReader::try_new(stream, options)?),
        Container::WebM => Box::new(MkvReader::try_new(stream, options)?),
        Container::Ogg => Box::new(OggReader::try_new(stream, options)?),
        Container::Mp4 => {
            // This reader expects that somebody has read the length of the first box.
            stream.ignore_bytes(4)?;
            Box::new(IsoMp4Reader::try_new(stream, options)?)
        }
        Container::Mp3 => Box::new(MpaReader::try_new(stream, options)?),
        Container::Flac => Box::new(FlacReader::try_new(stream, options)?),
    })
}

/// The first track whose codec is known.
fn choose(tracks: &[Track]) -> Result<(Codec, Track, AudioCodecParameters), DecodeError> {
    let mut unknown = None;
    for track in tracks {
        if let Some(CodecParameters::Audio(params)) = &track.codec_params {
            match codec_of(params.codec) {
                Some(codec) => return Ok((codec, track.clone(), params.clone())),
                None => unknown = Some(codec_name(params.codec)),
            }
        }
    }
    Err(match unknown {
        Some(what) => DecodeError::Unsupported {
            what: what.to_owned(),
        },
        None => DecodeError::Empty,
    })
}

fn check_params(
    codec: Codec,
    params: &AudioCodecParameters,
    limits: &DecodeLimits,
) -> Result<(), DecodeError> {
    if let Some(channels) = &params.channels {
        check_channels(channels.count(), limits)?;
    }
    match params.sample_rate {
        Some(rate_hz) if codec != Codec::Opus => check_rate(rate_hz),
        _ => Ok(()),
    }
}

/// Refuses a rate that no device has.
pub(super) fn check_rate(rate_hz: u32) -> Result<(), DecodeError> {
    if (RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
        Ok(())
    } else {
        Err(DecodeError::RateOutOfRange { rate_hz })
    }
}

/// Refuses more channels than are taken, and none.
pub(super) fn check_channels(channels: usize, limits: &DecodeLimits) -> Result<(), DecodeError> {
    if (1..=limits.channels_max).contains(&channels) {
        Ok(())
    } else {
        Err(DecodeError::ChannelsOutOfRange {
            channels,
            channels_max: limits.channels_max,
        })
    }
}

fn codec_of(id: AudioCodecId) -> Option<Codec> {
    use well_known as codecs;
    match id {
        codecs::CODEC_ID_OPUS => Some(Codec::Opus),
        codecs::CODEC_ID_VORBIS => Some(Codec::Vorbis),
        codecs::CODEC_ID_AAC => Some(Codec::Aac),
        codecs::CODEC_ID_MP3 => Some(Codec::Mp3),
        codecs::CODEC_ID_FLAC => Some(Codec::Flac),
        codecs::CODEC_ID_PCM_U8
        | codecs::CODEC_ID_PCM_S16LE
        | codecs::CODEC_ID_PCM_S16BE
        | codecs::CODEC_ID_PCM_S24LE
        | codecs::CODEC_ID_PCM_S24BE
        | codecs::CODEC_ID_PCM_S32LE
        | codecs::CODEC_ID_PCM_S32BE
        | codecs::CODEC_ID_PCM_F32LE
        | codecs::CODEC_ID_PCM_F32BE
        | codecs::CODEC_ID_PCM_F64LE
        | codecs::CODEC_ID_PCM_F64BE
        | codecs::CODEC_ID_PCM_ALAW
        | codecs::CODEC_ID_PCM_MULAW => Some(Codec::Pcm),
        _ => None,
    }
}

/// The names of codecs that people do send.
fn codec_name(id: AudioCodecId) -> &'static str {
    use well_known as codecs;
    match id {
        codecs::CODEC_ID_ALAC => "Apple Lossless",
        codecs::CODEC_ID_AC3 | codecs::CODEC_ID_EAC3 => "AC-3",
        codecs::CODEC_ID_SPEEX => "Speex",
        codecs::CODEC_ID_MP1 | codecs::CODEC_ID_MP2 => "MPEG audio, layer I or II",
        codecs::CODEC_ID_ADPCM_MS | codecs::CODEC_ID_ADPCM_IMA_WAV => "ADPCM",
        _ => "an unknown codec",
    }
}
