//! Whether synthesised speech is as long as speech, sounds voiced and unvoiced where it should, and is nobody's
//! recording.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "counts of samples become seconds, and levels become integers, far below the limits of both"
)]

use greenroom_audio::MonoResampler;
use greenroom_audio::pcm::{extend_f32, extend_i16};
use loadtest::voice::encode::SPEECH_OUT_RATE_HZ;
use loadtest::voice::recognise::{DISTANCE_MAX, Recogniser};
use loadtest::voice::synthesise::{Speed, Voice, synthesise};
use loadtest::voice::utterances::shipped;

const ENGLISH: &str = "Here we go: market research first, then the strategy, the creatives and the voice script. \
                       Which one or two channels should we use, say Instagram or YouTube?";
const KOREAN: &str =
    "안녕하세요, 그린룸입니다. 출시하려는 제품의 이름을 알려 주시겠어요? 특징은 세 가지면 충분합니다.";

fn spoken(text: &str, voice: Voice, speed: f32) -> Vec<i16> {
    let speed = Speed::new(speed).expect("the speed is within range");
    synthesise(text, voice, speed).flatten().collect()
}

fn seconds(samples: &[i16]) -> f32 {
    samples.len() as f32 / SPEECH_OUT_RATE_HZ as f32
}

/// How loud a stretch is, and how often it crosses zero in a second.
fn level_and_crossings(samples: &[i16]) -> (f32, f32) {
    let squares: f32 = samples.iter().map(|sample| f32::from(*sample).powi(2)).sum();
    let crossings = samples
        .windows(2)
        .filter(|pair| (pair[0] < 0) != (pair[1] < 0))
        .count();
    (
        (squares / samples.len() as f32).sqrt(),
        crossings as f32 / seconds(samples),
    )
}

#[test]
fn speech_is_as_long_as_speech() {
    for voice in Voice::ALL {
        let chars_per_second = ENGLISH.chars().count() as f32 / seconds(&spoken(ENGLISH, voice, 1.0));
        assert!(
            (12.0..16.0).contains(&chars_per_second),
            "{voice:?}: {chars_per_second}"
        );
        let syllables = KOREAN.chars().filter(|char| ('가'..='힣').contains(char)).count();
        let syllables_per_second = syllables as f32 / seconds(&spoken(KOREAN, voice, 1.0));
        assert!(
            (4.0..6.0).contains(&syllables_per_second),
            "{voice:?}: {syllables_per_second}"
        );
    }
}

#[test]
fn speed_is_honoured() {
    let normal = seconds(&spoken(ENGLISH, Voice::Alloy, 1.0));
    for speed in [0.25, 0.5, 2.0, 4.0] {
        let ratio = normal / seconds(&spoken(ENGLISH, Voice::Alloy, speed));
        assert!((ratio / speed - 1.0).abs() < 0.06, "{speed}: {ratio}");
    }
    for speed in [0.0, 0.24, 4.01, f32::NAN, f32::INFINITY] {
        assert!(Speed::new(speed).is_err(), "{speed}");
    }
}

#[test]
fn vowels_are_voiced_and_loud_and_hisses_are_neither_periodic_nor_silent() {
    // One long vowel, one long hiss.
    let vowel = spoken("aa", Voice::Echo, 0.25);
    let (vowel_level, vowel_crossings) = level_and_crossings(&vowel[vowel.len() / 10..vowel.len() / 4]);
    let hiss = spoken("s s", Voice::Echo, 0.25);
    let (hiss_level, hiss_crossings) = level_and_crossings(&hiss[hiss.len() / 10..hiss.len() / 4]);
    assert!(
        vowel_level > 1_000.0 && hiss_level > 1_000.0,
        "{vowel_level} {hiss_level}"
    );
    assert!(vowel_crossings < 4_000.0, "{vowel_crossings}");
    assert!(hiss_crossings > 6_000.0, "{hiss_crossings}");
}

#[test]
fn speech_rises_and_falls_in_the_rhythm_of_syllables() {
    let speech = spoken("Banana, tomato, potato, banana.", Voice::Nova, 1.0);
    let frame = SPEECH_OUT_RATE_HZ as usize / 50;
    let levels: Vec<f32> = speech
        .chunks(frame)
        .map(|frame| level_and_crossings(frame).0)
        .collect();
    let loudest = levels.iter().copied().fold(0.0, f32::max);
    let rises = levels
        .windows(2)
        .filter(|pair| pair[0] < loudest * 0.3 && pair[1] >= loudest * 0.3)
        .count();
    assert!((6..=16).contains(&rises), "{rises} rises for 12 syllables");
}

#[test]
fn voices_differ_and_each_is_always_the_same() {
    for voice in Voice::ALL {
        assert_eq!(voice.name().parse(), Ok(voice));
        assert_eq!(
            spoken(KOREAN, voice, 1.0),
            spoken(KOREAN, voice, 1.0),
            "{voice:?}"
        );
    }
    for pair in Voice::ALL.windows(2) {
        assert_ne!(
            spoken("Hello.", pair[0], 1.0),
            spoken("Hello.", pair[1], 1.0),
            "{pair:?}"
        );
    }
    assert!("marvin".parse::<Voice>().is_err());
}

#[test]
fn speech_comes_sentence_by_sentence() {
    assert_eq!(
        synthesise("One. Two! Three? Four", Voice::Sage, Speed::NORMAL).count(),
        4
    );
    assert_eq!(
        synthesise("It costs $2.50 at node.js.", Voice::Sage, Speed::NORMAL).count(),
        1
    );
    assert_eq!(synthesise(" … 🎉 \n\n", Voice::Sage, Speed::NORMAL).count(), 0);
    let endless = "and so on ".repeat(400);
    let longest = synthesise(&endless, Voice::Sage, Speed::NORMAL)
        .map(|chunk| chunk.len())
        .max();
    assert!(
        longest.is_some_and(|samples| samples < 30 * SPEECH_OUT_RATE_HZ as usize),
        "{longest:?}"
    );
}

#[test]
fn synthesised_speech_is_not_taken_for_a_recording() {
    let recogniser = Recogniser::of_shipped();
    let mut best = (f32::INFINITY, "");
    for (utterance, voice) in shipped().iter().zip(Voice::ALL.into_iter().cycle()) {
        let mut floats = Vec::new();
        extend_f32(&mut floats, &spoken(&utterance.spoken(), voice, 1.0));
        let mut resampler =
            MonoResampler::new(SPEECH_OUT_RATE_HZ, 16_000).expect("the rates are within range");
        let mut heard = Vec::new();
        resampler.push(&floats, &mut heard);
        resampler.finish(&mut heard);
        let mut pcm = Vec::new();
        extend_i16(&mut pcm, &heard);
        assert_eq!(recogniser.recognise(&pcm).text(), "", "{}", utterance.text);
        if let Some((_, distance)) = recogniser.nearest(&pcm)
            && distance < best.0
        {
            best = (distance, &utterance.id);
        }
    }
    println!("false match, synthesised: best {:.3} ({})", best.0, best.1);
    assert!(best.0 > DISTANCE_MAX + 0.05, "{best:?}");
}
