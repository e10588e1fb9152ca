//! What a socket sends as audio, frame by frame, to mono samples at [`SPEECH_RATE_HZ`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ropus::{Channels, DecodeMode, Decoder};
use thiserror::Error;

use crate::pcm::{duration_of, extend_i16, sample_to_f32};
use crate::{MonoResampler, SPEECH_RATE_HZ};

/// The rates of PCM that are taken, in samples per second: telephones, speech models, sound cards.
pub const PCM_RATES_HZ: [u32; 5] = [8_000, 16_000, 24_000, 44_100, 48_000];
/// The rates that Opus has, in samples per second. What is said here changes nothing: a packet decodes at any of them.
pub const OPUS_RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];
/// The shortest frame: below it the cost of a frame is that of its header and its wake-up.
pub const FRAME_DURATION_MIN: Duration = Duration::from_millis(10);
/// The longest frame: what browsers send as one Opus packet at most. Longer ones would delay a barge-in.
pub const FRAME_DURATION_MAX: Duration = Duration::from_millis(60);
/// The largest Opus packet. Six frames of 1,275 bytes are 60 ms at the highest bit rate; what is larger is padding.
pub const OPUS_PACKET_BYTES_MAX: usize = 16 * 1024;

const BYTES_PER_SAMPLE: usize = 2;
/// The most samples that one frame can become: what the decoder writes into.
const FRAME_SAMPLES_MAX: usize = SPEECH_RATE_HZ as usize * 60 / 1_000;
/// How long a frame is taken to be before the first one came: what most clients send.
const FIRST_FRAME_SAMPLES: usize = SPEECH_RATE_HZ as usize * 20 / 1_000;

/// How frames are coded: what `audio.start` says, checked. Made by [`FrameFormat::pcm_s16le`] or [`FrameFormat::opus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameFormat {
    coding: Coding,
    channels: u8,
}

/// Why frames of a format are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Record at another rate.
    #[error("frames at {rate_hz} Hz are not taken, only at one of {taken_hz:?} Hz")]
    Rate {
        /// The rate that was asked for, in samples per second.
        rate_hz: u32,
        /// The rates that this codec is taken at.
        taken_hz: [u32; 5],
    },
    /// Send one voice, or two channels that are mixed to one.
    #[error("frames of {channels} channels are not taken, only of 1 or 2")]
    Channels {
        /// How many channels were asked for.
        channels: u32,
    },
}

/// Why a frame was not understood. The stream goes on with the next frame as if this one had not been sent, except
/// where a gap was concealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Its bytes are no whole number of samples of all channels.
    #[error("a frame of {bytes} bytes does not end with a sample: they have {unit_bytes} bytes")]
    Uneven {
        /// How many bytes the frame has.
        bytes: usize,
        /// How many bytes one sample of all channels has.
        unit_bytes: usize,
    },
    /// It lasts less than [`FRAME_DURATION_MIN`] or more than [`FRAME_DURATION_MAX`].
    #[error("a frame lasts 10 to 60 ms, not {} µs", duration.as_micros())]
    DurationOutOfRange {
        /// How long it lasts.
        duration: Duration,
    },
    /// The packet is larger than [`OPUS_PACKET_BYTES_MAX`].
    #[error("an Opus packet has at most {OPUS_PACKET_BYTES_MAX} bytes, not {bytes}")]
    TooLarge {
        /// How many bytes it has.
        bytes: usize,
    },
    /// The packet cannot be decoded. Its place is taken by what the decoder makes of a loss: the sound before, fading.
    #[error("the Opus packet is damaged; {concealed_samples} samples stand in for it")]
    Damaged {
        /// How many samples were made up, at [`SPEECH_RATE_HZ`]; they come out like those of a sound packet.
        concealed_samples: usize,
    },
}

/// Turns the frames of one stream into speech. What comes out is aligned with what went in.
pub struct FrameReader {
    source: Source,
    /// How long the last frame was, in samples at [`SPEECH_RATE_HZ`] (nearly, where the rates have no common step).
    last_frame_samples: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    PcmS16Le { rate_hz: u32 },
    Opus,
}

enum Source {
    /// The rate is that of speech already.
    SpeechPcm {
        channels: usize,
    },
    OtherPcm(ResampledPcm),
    Opus(OpusStream<Decoder>),
}

struct ResampledPcm {
    channels: usize,
    rate_hz: u32,
    /// `None` until samples come, so that an idle or a flushed stream holds no filter.
    resampler: Option<MonoResampler>,
    mono: Vec<f32>,
    resampled: Vec<f32>,
}

struct OpusStream<D> {
    decoder: Box<D>,
    decoded: Vec<i16>,
}

/// What decodes the packets of a stream. There is one; a test has another, to fail as no packet known makes that one fail.
trait PacketDecoder {
    fn at_the_start() -> Self;

    /// How many samples a packet became, or what stands in for a lost one when it is empty. `None` when it is broken.
    fn decode_into(&mut self, packet: &[u8], samples: &mut [i16]) -> Option<usize>;
}

impl FrameFormat {
    /// 16-bit little-endian samples at one of [`PCM_RATES_HZ`], one channel or two interleaved.
    pub fn pcm_s16le(rate_hz: u32, channels: u32) -> Result<Self, FormatError> {
        let coding = Coding::PcmS16Le { rate_hz };
        Self::checked(coding, rate_hz, PCM_RATES_HZ, channels)
    }

    /// One Opus packet a frame, made at one of [`OPUS_RATES_HZ`], of one channel or two.
    pub fn opus(rate_hz: u32, channels: u32) -> Result<Self, FormatError> {
        Self::checked(Coding::Opus, rate_hz, OPUS_RATES_HZ, channels)
    }

    /// How long a frame lasts, from its size or its first bytes alone; `None` for an Opus packet that is damaged and does
    /// not say. What is an error here is refused by a reader too.
    pub fn duration_of(&self, frame: &[u8]) -> Result<Option<Duration>, FrameError> {
        match self.coding {
            Coding::PcmS16Le { rate_hz } => {
                let samples = pcm_samples(frame, usize::from(self.channels), rate_hz)?;
                Ok(Some(duration_of(samples, rate_hz)))
            }
            Coding::Opus => opus_packet_duration(frame),
        }
    }

    fn checked(coding: Coding, rate_hz: u32, taken_hz: [u32; 5], channels: u32) -> Result<Self, FormatError> {
        if !taken_hz.contains(&rate_hz) {
            return Err(FormatError::Rate { rate_hz, taken_hz });
        }
        match channels {
            1 => Ok(Self { coding, channels: 1 }),
            2 => Ok(Self { coding, channels: 2 }),
            _ => Err(FormatError::Channels { channels }),
        }
    }
}

impl FrameReader {
    /// A reader at the start of a stream.
    pub fn new(format: FrameFormat) -> Self {
        let channels = usize::from(format.channels);
        let source = match format.coding {
            Coding::PcmS16Le {
                rate_hz: SPEECH_RATE_HZ,
            } => Source::SpeechPcm { channels },
            Coding::PcmS16Le { rate_hz } => Source::OtherPcm(ResampledPcm {
                channels,
                rate_hz,
                resampler: None,
                mono: Vec::new(),
                resampled: Vec::new(),
            }),
            Coding::Opus => Source::Opus(OpusStream::new()),
        };
        Self {
            source,
            last_frame_samples: FIRST_FRAME_SAMPLES,
        }
    }

    /// Takes a frame and appends to `speech` what can be said of it yet; a filter may hold up to 30 ms back.
    ///
    /// A frame that is refused changes nothing and appends nothing, but for [`FrameError::Damaged`].
    pub fn push(&mut self, frame: &[u8], speech: &mut Vec<i16>) -> Result<(), FrameError> {
        match &mut self.source {
            Source::SpeechPcm { channels } => {
                self.last_frame_samples = pcm_samples(frame, *channels, SPEECH_RATE_HZ)?;
                extend_mono_i16(speech, frame, *channels);
            }
            Source::OtherPcm(pcm) => {
                let samples = pcm_samples(frame, pcm.channels, pcm.rate_hz)?;
                self.last_frame_samples = samples * SPEECH_RATE_HZ as usize / pcm.rate_hz as usize;
                pcm.push(frame, speech);
            }
            Source::Opus(opus) => {
                opus_packet_duration(frame)?;
                let Some(samples) = opus.decode(frame, FRAME_SAMPLES_MAX, speech) else {
                    let concealed_samples = self.push_lost(speech);
                    return Err(FrameError::Damaged { concealed_samples });
                };
                self.last_frame_samples = samples;
            }
        }
        Ok(())
    }

    /// Puts something in the place of a frame that was lost before it came here: silence for PCM, the decoder's own
    /// concealment for Opus, as long as the frame before it. Returns how many samples that is.
    pub fn push_lost(&mut self, speech: &mut Vec<i16>) -> usize {
        let samples = self.last_frame_samples;
        match &mut self.source {
            Source::SpeechPcm { .. } => speech.resize(speech.len() + samples, 0),
            Source::OtherPcm(pcm) => pcm.push_silence(samples, speech),
            Source::Opus(opus) => {
                if opus.decode(&[], samples, speech).is_none() {
                    speech.resize(speech.len() + samples, 0);
                }
            }
        }
        samples
    }

    /// Appends to `speech` what a filter still holds back; the stream may go on afterwards.
    pub fn flush(&mut self, speech: &mut Vec<i16>) {
        if let Source::OtherPcm(pcm) = &mut self.source {
            pcm.flush(speech);
        }
    }
}

impl ResampledPcm {
    fn push(&mut self, frame: &[u8], speech: &mut Vec<i16>) {
        self.mono.clear();
        let (samples, _) = frame.as_chunks::<BYTES_PER_SAMPLE>();
        let floats = samples
            .iter()
            .map(|bytes| sample_to_f32(i16::from_le_bytes(*bytes)));
        if self.channels == 2 {
            let (left, right) = (floats.clone().step_by(2), floats.skip(1).step_by(2));
            self.mono
                .extend(left.zip(right).map(|(left, right)| left.midpoint(right)));
        } else {
            self.mono.extend(floats);
        }
        self.resample(speech);
    }

    fn push_silence(&mut self, speech_samples: usize, speech: &mut Vec<i16>) {
        let samples = speech_samples * self.rate_hz as usize / SPEECH_RATE_HZ as usize;
        self.mono.clear();
        self.mono.resize(samples, 0.0);
        self.resample(speech);
    }

    fn resample(&mut self, speech: &mut Vec<i16>) {
        let rate_hz = self.rate_hz;
        let resampler = self.resampler.get_or_insert_with(|| {
            MonoResampler::new(rate_hz, SPEECH_RATE_HZ).expect("the rates of a format are in range")
        });
        self.resampled.clear();
        resampler.push(&self.mono, &mut self.resampled);
        extend_i16(speech, &self.resampled);
    }

    fn flush(&mut self, speech: &mut Vec<i16>) {
        if let Some(resampler) = self.resampler.take() {
            self.resampled.clear();
            resampler.finish(&mut self.resampled);
            extend_i16(speech, &self.resampled);
        }
    }
}

impl PacketDecoder for Decoder {
    fn at_the_start() -> Self {
        Self::new(SPEECH_RATE_HZ, Channels::Mono).expect("the rate of speech is one of Opus, and it has mono")
    }

    fn decode_into(&mut self, packet: &[u8], samples: &mut [i16]) -> Option<usize> {
        self.decode(packet, samples, DecodeMode::Normal).ok()
    }
}

impl<D: PacketDecoder> OpusStream<D> {
    fn new() -> Self {
        Self {
            decoder: Box::new(D::at_the_start()),
            decoded: vec![0; FRAME_SAMPLES_MAX],
        }
    }

    /// Appends what a packet says, or what stands in for a lost one when it is empty; says how many samples that is, and
    /// `None` when the packet is broken.
    ///
    /// A stranger made the packet, and a decoder is a large thing: if one should panic, the packet is broken, and the
    /// decoder, of which nobody knows what it left undone, is replaced by a new one.
    fn decode(&mut self, packet: &[u8], room: usize, speech: &mut Vec<i16>) -> Option<usize> {
        let Self { decoder, decoded } = self;
        let attempt = AssertUnwindSafe(|| decoder.decode_into(packet, &mut decoded[..room]));
        let Ok(outcome) = catch_unwind(attempt) else {
            **decoder = D::at_the_start();
            return None;
        };
        let samples = outcome?;
        speech.extend_from_slice(&decoded[..samples]);
        Some(samples)
    }
}

/// How many samples of one channel a frame of PCM has, when that is in range.
fn pcm_samples(frame: &[u8], channels: usize, rate_hz: u32) -> Result<usize, FrameError> {
    let unit_bytes = BYTES_PER_SAMPLE * channels;
    if !frame.len().is_multiple_of(unit_bytes) {
        return Err(FrameError::Uneven {
            bytes: frame.len(),
            unit_bytes,
        });
    }
    let samples = frame.len() / unit_bytes;
    check_duration(duration_of(samples, rate_hz))?;
    Ok(samples)
}

fn check_duration(duration: Duration) -> Result<(), FrameError> {
    if (FRAME_DURATION_MIN..=FRAME_DURATION_MAX).contains(&duration) {
        Ok(())
    } else {
        Err(FrameError::DurationOutOfRange { duration })
    }
}

fn extend_mono_i16(speech: &mut Vec<i16>, frame: &[u8], channels: usize) {
    let (samples, _) = frame.as_chunks::<BYTES_PER_SAMPLE>();
    if channels == 2 {
        let (pairs, _) = samples.as_chunks::<2>();
        speech.extend(pairs.iter().map(|[left, right]| {
            let (left, right) = (i16::from_le_bytes(*left), i16::from_le_bytes(*right));
            left.midpoint(right)
        }));
    } else {
        speech.extend(samples.iter().copied().map(i16::from_le_bytes));
    }
}

/// How long a packet lasts by its first bytes. Refuses it for that, or for its size, before it is decoded. One whose
/// first bytes make no sense passes: it is damaged, not too long.
fn opus_packet_duration(packet: &[u8]) -> Result<Option<Duration>, FrameError> {
    if packet.len() > OPUS_PACKET_BYTES_MAX {
        return Err(FrameError::TooLarge { bytes: packet.len() });
    }
    let Some((&toc, rest)) = packet.split_first() else {
        let duration = Duration::ZERO;
        return Err(FrameError::DurationOutOfRange { duration });
    };
    let frames = match (toc & 0b11, rest.first()) {
        (0, _) => 1,
        (1 | 2, _) => 2,
        (_, Some(count)) => u32::from(count & 0b11_1111),
        (_, None) => 0,
    };
    if frames == 0 {
        return Ok(None);
    }
    let duration = Duration::from_micros(opus_frame_us(toc)) * frames;
    check_duration(duration).map(|()| Some(duration))
}

/// How long each frame of a packet lasts, by the configuration in its first byte (RFC 6716, 3.1).
fn opus_frame_us(toc: u8) -> u64 {
    let configuration = toc >> 3;
    match configuration {
        0..=11 => [10_000, 20_000, 40_000, 60_000][usize::from(configuration & 0b11)],
        12..=15 => [10_000, 20_000][usize::from(configuration & 0b1)],
        _ => [2_500, 5_000, 10_000, 20_000][usize::from(configuration & 0b11)],
    }
}

#[cfg(test)]
mod tests {
    use ropus::{Application, Encoder};

    use super::*;

    fn reader(rate_hz: u32, channels: u32) -> FrameReader {
        FrameReader::new(FrameFormat::pcm_s16le(rate_hz, channels).unwrap())
    }

    fn opus_reader() -> FrameReader {
        FrameReader::new(FrameFormat::opus(48_000, 1).unwrap())
    }

    fn read(reader: &mut FrameReader, frame: &[u8]) -> Result<Vec<i16>, FrameError> {
        let mut speech = Vec::new();
        reader.push(frame, &mut speech).map(|()| speech)
    }

    #[test]
    fn a_frame_says_how_long_it_lasts_before_it_is_read() {
        let ms = |ms| Ok(Some(Duration::from_millis(ms)));
        let (pcm, opus) = (FrameFormat::pcm_s16le(24_000, 2), FrameFormat::opus(48_000, 1));
        let (pcm, opus) = (pcm.unwrap(), opus.unwrap());
        assert_eq!(pcm.duration_of(&[0; 24 * 20 * 4]), ms(20));
        assert!(pcm.duration_of(&[0; 24 * 20 * 4 - 2]).is_err());
        assert!(pcm.duration_of(&[0; 24 * 61 * 4]).is_err());
        assert_eq!(opus.duration_of(&opus_packets(Channels::Mono, 1)[0]), ms(20));
        assert_eq!(opus.duration_of(&[0b11]), Ok(None));
        assert!(opus.duration_of(&[]).is_err());
    }

    /// Packets of 20 ms of a tone, of one channel or two.
    fn opus_packets(channels: Channels, packets: usize) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::builder(48_000, channels, Application::Voip)
            .build()
            .unwrap();
        let samples = 960 * channels.count();
        let tone: Vec<i16> = (0..samples)
            .map(|index| if index / 60 % 2 == 0 { 6_000 } else { -6_000 })
            .collect();
        let mut packet = vec![0; 1_500];
        let made = (0..packets).map(|_| {
            let length = encoder.encode(&tone, &mut packet).unwrap();
            packet[..length].to_vec()
        });
        made.collect()
    }

    #[test]
    fn formats_that_nobody_sends_are_refused() {
        for rate_hz in [0, 11_025, 12_000, 22_050, 96_000, u32::MAX] {
            let taken_hz = PCM_RATES_HZ;
            assert_eq!(
                FrameFormat::pcm_s16le(rate_hz, 1),
                Err(FormatError::Rate { rate_hz, taken_hz })
            );
        }
        assert!(matches!(
            FrameFormat::opus(44_100, 1),
            Err(FormatError::Rate { .. })
        ));
        for channels in [0, 3, u32::MAX] {
            assert_eq!(
                FrameFormat::opus(48_000, channels),
                Err(FormatError::Channels { channels })
            );
        }
    }

    #[test]
    fn a_frame_of_pcm_is_10_to_60_ms_of_whole_samples() {
        for rate_hz in PCM_RATES_HZ {
            for channels in [1, 2] {
                let unit_bytes = 2 * channels as usize;
                let (shortest, longest) = (rate_hz as usize / 100, rate_hz as usize * 6 / 100);
                let mut reader = reader(rate_hz, channels);
                for samples in [shortest, longest] {
                    read(&mut reader, &vec![0; samples * unit_bytes]).unwrap();
                }
                for samples in [0, shortest - 1, longest + 1] {
                    assert!(matches!(
                        read(&mut reader, &vec![0; samples * unit_bytes]),
                        Err(FrameError::DurationOutOfRange { .. })
                    ));
                }
                let bytes = shortest * unit_bytes + 1;
                let uneven = FrameError::Uneven { bytes, unit_bytes };
                assert_eq!(read(&mut reader, &vec![0; bytes]), Err(uneven));
            }
        }
    }

    #[test]
    fn two_channels_are_mixed_and_the_rate_of_speech_passes_as_it_is() {
        let samples: Vec<i16> = (0..320).map(|index| index * 100 - 16_000).collect();
        let mono = crate::pcm::to_le_bytes(&samples);
        assert_eq!(read(&mut reader(16_000, 1), &mono), Ok(samples.clone()));
        let opposed: Vec<i16> = samples.iter().flat_map(|sample| [i16::MAX, *sample]).collect();
        let mixed: Vec<i16> = samples.iter().map(|sample| i16::MAX.midpoint(*sample)).collect();
        assert_eq!(
            read(&mut reader(16_000, 2), &crate::pcm::to_le_bytes(&opposed)),
            Ok(mixed)
        );
    }

    #[test]
    fn as_much_comes_out_as_went_in_after_each_flush() {
        for rate_hz in PCM_RATES_HZ {
            let mut reader = reader(rate_hz, 2);
            let mut speech = Vec::new();
            for round in 1..4 {
                for _ in 0..5 {
                    reader
                        .push(&vec![3; rate_hz as usize * 4 / 50], &mut speech)
                        .unwrap();
                }
                reader.flush(&mut speech);
                reader.flush(&mut speech);
                assert_eq!(speech.len(), round * 1_600, "{rate_hz}");
            }
        }
    }

    #[test]
    fn opus_of_one_channel_or_two_becomes_speech() {
        for channels in [Channels::Mono, Channels::Stereo] {
            let mut reader = opus_reader();
            for packet in opus_packets(channels, 5) {
                assert_eq!(read(&mut reader, &packet).unwrap().len(), 320);
            }
        }
    }

    #[test]
    fn the_place_of_a_damaged_packet_is_taken_by_the_sound_before() {
        let loudness = |speech: &[i16]| {
            speech
                .iter()
                .map(|sample| u64::from(sample.unsigned_abs()))
                .sum::<u64>()
        };
        let mut reader = opus_reader();
        let packets = opus_packets(Channels::Mono, 6);
        let mut speech = Vec::new();
        for packet in &packets[..4] {
            speech.clear();
            reader.push(packet, &mut speech).unwrap();
        }
        let mut louder = loudness(&speech);
        // Code 3 with no count, and two frames of one size in an odd number of bytes.
        for damaged in [&[0b0000_0011][..], &[packets[4][0] & !0b11 | 1, 1, 2, 3][..]] {
            speech.clear();
            let result = reader.push(damaged, &mut speech);
            let concealed_samples = 320;
            assert_eq!(result, Err(FrameError::Damaged { concealed_samples }));
            assert_eq!(speech.len(), concealed_samples);
            let concealed = loudness(&speech);
            assert!(
                (louder / 20..louder).contains(&concealed),
                "{concealed} after {louder}"
            );
            louder = concealed;
        }
        assert_eq!(read(&mut reader, &packets[5]).unwrap().len(), 320);
    }

    /// Counts packets, and panics at an odd one.
    struct Fragile {
        packets: usize,
    }

    impl PacketDecoder for Fragile {
        fn at_the_start() -> Self {
            Self { packets: 0 }
        }

        fn decode_into(&mut self, packet: &[u8], samples: &mut [i16]) -> Option<usize> {
            self.packets += 1;
            samples.fill(7);
            assert!(packet[0].is_multiple_of(2), "a packet that breaks the decoder");
            Some(samples.len())
        }
    }

    #[test]
    fn a_decoder_that_panics_is_replaced_and_its_packet_is_damaged() {
        let mut stream = OpusStream::<Fragile>::new();
        let mut speech = Vec::new();
        assert_eq!(stream.decode(&[0], 320, &mut speech), Some(320));
        assert_eq!(stream.decode(&[0], 320, &mut speech), Some(320));
        assert_eq!(stream.decode(&[1], 320, &mut speech), None);
        assert_eq!((speech.len(), stream.decoder.packets), (640, 0));
        assert_eq!(stream.decode(&[2], 320, &mut speech), Some(320));
        assert_eq!((speech.len(), stream.decoder.packets), (960, 1));
    }

    #[test]
    fn opus_packets_of_other_durations_and_sizes_are_refused_before_they_are_decoded() {
        let mut reader = opus_reader();
        for (packet, duration_us) in [
            (&[][..], 0),
            (&[16 << 3, 0][..], 2_500),
            (&[17 << 3 | 1, 0, 0][..], 10_000),
            (&[3 << 3 | 1, 0, 0][..], 120_000),
            (&[19 << 3 | 3, 4, 0, 0, 0, 0][..], 80_000),
        ] {
            let duration = Duration::from_micros(duration_us);
            let result = read(&mut reader, packet);
            if duration == FRAME_DURATION_MIN {
                assert_eq!(result.unwrap().len(), 160);
            } else {
                assert_eq!(result, Err(FrameError::DurationOutOfRange { duration }));
            }
        }
        let bytes = OPUS_PACKET_BYTES_MAX + 1;
        assert_eq!(
            read(&mut reader, &vec![0; bytes]),
            Err(FrameError::TooLarge { bytes })
        );
    }

    #[test]
    fn a_lost_frame_is_as_long_as_the_one_before() {
        let mut speech = Vec::new();
        let mut pcm = reader(16_000, 1);
        assert_eq!(pcm.push_lost(&mut speech), 320);
        pcm.push(&[1; 960 * 2], &mut speech).unwrap();
        assert_eq!(pcm.push_lost(&mut speech), 960);
        assert_eq!(speech.len(), 320 + 960 + 960);
        assert!(speech[320 + 960..].iter().all(|sample| *sample == 0));
        let mut opus = opus_reader();
        assert_eq!(opus.push_lost(&mut speech), 320);
        assert_eq!(speech.len(), 320 + 960 + 960 + 320);
    }
}
