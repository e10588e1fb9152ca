//! Decodes the packets of a track, with the codec that it needs.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::{Error as SymphoniaError, Result as SymphoniaResult};
use symphonia::core::packet::Packet;
use symphonia::default::codecs::{AacDecoder, FlacDecoder, MpaDecoder, PcmDecoder, VorbisDecoder};

use super::opus::{OPUS_RATE_HZ, OpusPackets};
use super::speech::Speech;
use super::tracks::{AudioTrack, check_channels, check_rate};
use super::{Codec, DecodeError, DecodeLimits, reason_of, vorbis_check};

/// The decoder of one track, and what it has met.
pub(super) struct PacketDecoder {
    kind: Kind,
    limits: DecodeLimits,
    /// Interleaved samples of the packet at hand.
    interleaved: Vec<f32>,
    /// The rate and channels of what was decoded first.
    source: Option<(u32, usize)>,
    frames: u64,
    packets_decoded: u32,
    packets_lost: u32,
}

enum Kind {
    Opus(Box<OpusPackets>),
    Symphonia(Box<dyn AudioDecoder>),
}

impl PacketDecoder {
    pub(super) fn new(track: &AudioTrack<'_>, limits: &DecodeLimits) -> Result<Self, DecodeError> {
        let header = track.params.extra_data.as_deref();
        let kind = if track.codec == Codec::Opus {
            let channels = track.params.channels.as_ref().map_or(1, Channels::count);
            Kind::Opus(Box::new(OpusPackets::new(header, track.container, channels)?))
        } else {
            if track.codec == Codec::Vorbis {
                vorbis_check::check(header.unwrap_or_default())?;
            }
            let decoder = symphonia_decoder(track).map_err(|error| match error {
                SymphoniaError::Unsupported(what) => DecodeError::Unsupported {
                    what: what.to_owned(),
                },
                other => DecodeError::Damaged {
                    reason: reason_of(&other),
                },
            })?;
            Kind::Symphonia(decoder)
        };
        Ok(Self {
            kind,
            limits: *limits,
            interleaved: Vec::new(),
            source: None,
            frames: 0,
            packets_decoded: 0,
            packets_lost: 0,
        })
    }

    /// Appends what the packet says to `speech`. A broken packet is counted and left out.
    pub(super) fn decode(&mut self, packet: &Packet, speech: &mut Speech) -> Result<(), DecodeError> {
        if packet.data.is_empty() {
            return Ok(());
        }
        match &mut self.kind {
            Kind::Opus(opus) => {
                self.source = Some((OPUS_RATE_HZ, opus.channels()));
                if let Some(samples) = opus.decode(&packet.data, packet.trim_end.get()) {
                    self.packets_decoded += 1;
                    speech.push_speech(samples)
                } else {
                    self.packets_lost += 1;
                    Ok(())
                }
            }
            Kind::Symphonia(decoder) => match decoder.decode(packet) {
                Ok(buffer) => {
                    let (rate_hz, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
                    check_rate(rate_hz)?;
                    check_channels(channels, &self.limits)?;
                    self.source.get_or_insert((rate_hz, channels));
                    self.frames += buffer.frames() as u64;
                    self.packets_decoded += 1;
                    buffer.copy_to_vec_interleaved(&mut self.interleaved);
                    speech.push_interleaved(&self.interleaved, channels, rate_hz)
                }
                Err(SymphoniaError::Unsupported(what)) => Err(DecodeError::Unsupported {
                    what: what.to_owned(),
                }),
                Err(error) => {
                    if matches!(error, SymphoniaError::ResetRequired) {
                        decoder.reset();
                    }
                    self.packets_lost += 1;
                    Ok(())
                }
            },
        }
    }

    /// How many packets were decoded, and how many could not be.
    pub(super) fn counts(&self) -> (u32, u32) {
        (self.packets_decoded, self.packets_lost)
    }

    /// How many frames were decoded, at the rate of the source; Opus does not count.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// The rate and the channels that the audio had.
    pub(super) fn source(&self) -> (u32, usize) {
        self.source.unwrap_or_default()
    }
}

fn symphonia_decoder(track: &AudioTrack<'_>) -> SymphoniaResult<Box<dyn AudioDecoder>> {
    let (params, options) = (&track.params, &AudioDecoderOptions::default());
    Ok(match track.codec {
        Codec::Pcm => Box::new(PcmDecoder::try_new(params, options)?),
        Codec::Vorbis => Box::new(VorbisDecoder::try_new(params, options)?),
        Codec::Aac => Box::new(AacDecoder::try_new(params, options)?),
        Codec::Mp3 => Box::new(MpaDecoder::try_new(params, options)?),
        Codec::Flac => Box::new(FlacDecoder::try_new(params, options)?),
        Codec::Opus => return Err(SymphoniaError::Unsupported("opus")),
    })
}
