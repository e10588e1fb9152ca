//! What a client hears of a voice, whatever it asked for.

mod speech;

use std::f32::consts::TAU;
use std::sync::LazyLock;

use greenroom_audio::mouth::{
    FRAME_DURATION, OutputCodec, OutputFormat, SpeechFrame, SpeechFramer, VOICE_RATE_HZ,
};
use greenroom_audio::{MonoResampler, SPEECH_RATE_HZ, pcm};
use proptest::prelude::*;
use ropus::{Channels, DecodeMode, Decoder};
use speech::{likeness, reference};

/// How much later Opus gives a sound back: 2.5 ms.
const OPUS_DELAYS_PER_SECOND: usize = 400;

static VOICE: LazyLock<Vec<i16>> = LazyLock::new(|| resampled(&reference(), SPEECH_RATE_HZ, VOICE_RATE_HZ));

fn formats() -> Vec<OutputFormat> {
    let pcm = [8_000, 16_000, 24_000, 44_100, 48_000].map(|rate_hz| (OutputCodec::PcmS16le, rate_hz));
    let opus = [8_000, 12_000, 16_000, 24_000, 48_000].map(|rate_hz| (OutputCodec::Opus, rate_hz));
    pcm.into_iter()
        .chain(opus)
        .map(|(codec, rate_hz)| OutputFormat::new(codec, rate_hz).expect("a rate of the codec"))
        .collect()
}

fn resampled(samples: &[i16], from_hz: u32, to_hz: u32) -> Vec<i16> {
    let mut resampler = MonoResampler::new(from_hz, to_hz).expect("rates in range");
    let (mut floats, mut out, mut integers) = (Vec::new(), Vec::new(), Vec::new());
    pcm::extend_f32(&mut floats, samples);
    resampler.push(&floats, &mut out);
    resampler.finish(&mut out);
    pcm::extend_i16(&mut integers, &out);
    integers
}

/// A second of a tone that rises from 200 to 800 Hz, so that it is like itself at one place only.
fn rising_tone(rate_hz: u32) -> Vec<i16> {
    let samples = u16::try_from(rate_hz).expect("48 kHz at most");
    (0..samples)
        .map(|index| {
            let time_s = f32::from(index) / f32::from(samples);
            pcm::sample_to_i16((TAU * (200.0 + 300.0 * time_s) * time_s).sin() * 0.4)
        })
        .collect()
}

fn framed(framer: &mut SpeechFramer, voice: &[i16], piece: usize) -> Vec<SpeechFrame> {
    let mut all = Vec::new();
    for piece in voice.chunks(piece) {
        framer.push(piece, &mut all);
    }
    framer.finish(&mut all);
    all
}

fn frames_of(format: OutputFormat, voice: &[i16]) -> Vec<SpeechFrame> {
    framed(&mut SpeechFramer::new(format), voice, voice.len().max(1))
}

/// What a client plays of the frames.
fn played(format: OutputFormat, frames: &[SpeechFrame]) -> Vec<i16> {
    if format.codec() == OutputCodec::PcmS16le {
        return frames
            .iter()
            .flat_map(|frame| pcm::from_le_bytes(&frame.bytes))
            .collect();
    }
    let mut decoder = Decoder::new(format.rate_hz(), Channels::Mono).expect("a rate of Opus");
    let mut buffer = vec![0; format.rate_hz() as usize * 120 / 1_000];
    let mut samples = Vec::new();
    for frame in frames {
        let length = decoder.decode(&frame.bytes, &mut buffer, DecodeMode::Normal);
        samples.extend_from_slice(&buffer[..length.expect("a whole packet")]);
    }
    samples
}

fn delay_samples(format: OutputFormat) -> usize {
    match format.codec() {
        OutputCodec::PcmS16le => 0,
        OutputCodec::Opus => format.rate_hz() as usize / OPUS_DELAYS_PER_SECOND,
    }
}

#[test]
fn every_frame_is_20_ms_and_all_of_them_are_as_long_as_the_voice() {
    for format in formats() {
        let per_frame = format.rate_hz() as usize / 50;
        for samples in [0, 1, 479, 480, 481, 24_000, 24_001] {
            let frames = frames_of(format, &VOICE[..samples]);
            assert!(frames.iter().all(|frame| frame.duration == FRAME_DURATION));
            let lookahead = match format.codec() {
                OutputCodec::Opus if samples > 0 => 60,
                OutputCodec::Opus | OutputCodec::PcmS16le => 0,
            };
            let expected = (samples + lookahead).div_ceil(480);
            assert_eq!(frames.len(), expected, "{format:?}, {samples} samples");
            assert_eq!(played(format, &frames).len(), expected * per_frame);
            if format.codec() == OutputCodec::PcmS16le {
                assert!(frames.iter().all(|frame| frame.bytes.len() == per_frame * 2));
            }
        }
    }
}

#[test]
fn pcm_at_the_rate_of_voices_is_passed_as_it_is() {
    let format = OutputFormat::new(OutputCodec::PcmS16le, VOICE_RATE_HZ).unwrap();
    let voice = &VOICE[..10_001];
    let played = played(format, &frames_of(format, voice));
    assert_eq!(played[..voice.len()], *voice);
    assert!(played[voice.len()..].iter().all(|sample| *sample == 0));
}

#[test]
fn a_tone_and_a_voice_sound_at_any_rate_as_they_did() {
    for format in formats() {
        let rate_hz = format.rate_hz();
        for (sound, original, correlation_min) in [
            (rising_tone(VOICE_RATE_HZ), rising_tone(rate_hz), 0.999),
            (VOICE.clone(), resampled(&VOICE, VOICE_RATE_HZ, rate_hz), 0.99),
        ] {
            let played = played(format, &frames_of(format, &sound));
            let delay = delay_samples(format);
            let likeness = likeness(&original, &played, 1_000);
            assert!(
                likeness.correlation > correlation_min
                    && likeness.lag.abs_diff(delay) <= 2
                    && (0.95..1.05).contains(&likeness.gain),
                "{format:?}: {likeness:?}"
            );
        }
    }
}

#[test]
fn after_an_end_it_is_as_new_for_a_new_client_and_goes_on_for_an_old_one() {
    for format in formats() {
        let mut framer = SpeechFramer::new(format);
        let first = framed(&mut framer, &VOICE, 1_000);
        let mut nothing = Vec::new();
        framer.finish(&mut nothing);
        assert_eq!(nothing, [], "{format:?}");
        let second = framed(&mut framer, &VOICE, 1_000);
        assert!(first == second, "{format:?}");

        let length = played(format, &first).len();
        let both = played(format, &[first, second].concat());
        let likeness = likeness(&both[..length], &both[length..], 0);
        assert!(
            likeness.correlation > 0.999 && likeness.lag == 0,
            "{format:?}: {likeness:?}"
        );
        // Nothing is heard where they meet: the recording begins and ends softly.
        let seam = &both[length - 100..length + 100];
        assert!(
            seam.iter().all(|sample| sample.abs() < 100),
            "{format:?}: {seam:?}"
        );
    }
}

#[test]
fn what_is_silent_costs_next_to_nothing_to_send() {
    let format = OutputFormat::new(OutputCodec::Opus, VOICE_RATE_HZ).unwrap();
    let bytes = |voice: &[i16]| {
        let frames = frames_of(format, voice);
        frames.iter().map(|frame| frame.bytes.len()).sum::<usize>() / frames.len()
    };
    let (speech, silence) = (bytes(&VOICE), bytes(&vec![0; 24_000]));
    assert!((60..130).contains(&speech), "{speech} bytes a frame of speech");
    assert!(silence <= 4, "{silence} bytes a frame of silence");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_pieces_that_a_voice_comes_in_do_not_matter(
        loud in prop::collection::vec(any::<i16>(), 0..3_000),
        soft in prop::collection::vec(-300_i16..300, 0..3_000),
        piece in 1_usize..1_500,
        format in prop::sample::select(formats()),
    ) {
        let voice = [loud, soft].concat();
        let in_pieces = framed(&mut SpeechFramer::new(format), &voice, piece);
        prop_assert!(in_pieces == frames_of(format, &voice));
    }
}
