//! What an ear makes of recorded speech, in quiet and in noise.

mod ear_scenes;

use ear_scenes::score::{Score, quantile};
use ear_scenes::sounds::{Noise, cough};
use ear_scenes::{BACKCHANNELS, NO_ECHO_DB, SENTENCES, Scene, ear, ms, order};
use greenroom_audio::SPEECH_RATE_HZ;
use greenroom_audio::ear::{
    DropReason, Ear, EarEvent, EarSettings, EndReason, Endpointing, FrameFormat, SettingsError,
    TurnDetection, Utterance,
};
use greenroom_audio::{MonoResampler, pcm};
use ropus::{Application, Channels, Encoder};

fn utterances(events: &[EarEvent]) -> Vec<&Utterance> {
    events.iter().filter_map(utterance).collect()
}

fn utterance(event: &EarEvent) -> Option<&Utterance> {
    match event {
        EarEvent::Utterance(utterance) => Some(utterance),
        _ => None,
    }
}

fn reasons(events: &[EarEvent]) -> Vec<EndReason> {
    utterances(events)
        .iter()
        .map(|utterance| utterance.reason)
        .collect()
}

/// Everything was found, nothing made up, nothing cut, and of what was said nothing is missing.
fn assert_all_found(scene: &Scene, events: &[EarEvent], what: &str) -> Score {
    order::check(&scene.pcm, events).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    assert_found(scene, events, what)
}

fn assert_found(scene: &Scene, events: &[EarEvent], what: &str) -> Score {
    let score = Score::of(scene, events);
    let all = scene.spoken.len();
    let found = (score.onsets, score.endpoints);
    let wrong = (
        score.false_onsets,
        score.false_utterances,
        score.cut_offs,
        score.merged,
    );
    assert_eq!((found, wrong), ((all, all), (0, 0, 0, 0)), "{what}: {score:?}");
    assert!(
        score.lost_head_ms <= 0 && score.lost_tail_ms <= 0,
        "{what}: {score:?}"
    );
    score
}

fn fixed_delay(delay_ms: u32) -> EarSettings {
    EarSettings {
        endpointing: Endpointing {
            delay_floor_ms: delay_ms,
            delay_initial_ms: delay_ms,
            delay_ceiling_ms: delay_ms,
            ..Endpointing::default()
        },
        ..EarSettings::default()
    }
}

fn manual() -> EarSettings {
    EarSettings {
        turn_detection: TurnDetection::Manual,
        ..EarSettings::default()
    }
}

#[test]
fn every_sentence_is_found_whole_in_quiet_and_in_noise() {
    for (noise, snr_db) in [
        (Noise::White, 40.0),
        (Noise::White, 20.0),
        (Noise::White, 10.0),
        (Noise::White, 5.0),
        (Noise::Pink, 20.0),
        (Noise::Pink, 10.0),
        (Noise::Pink, 5.0),
        (Noise::Hum, 10.0),
        (Noise::Clicks, 10.0),
    ] {
        let scene = Scene::sentences().with_snr(noise, snr_db);
        let what = format!("{noise:?} at {snr_db} dB");
        assert_all_found(&scene, &scene.heard_with(EarSettings::default()), &what);
    }
    let scene = Scene::sentences();
    let score = assert_all_found(&scene, &scene.heard_with(EarSettings::default()), "silence");
    assert!(quantile(&score.onset_delays_ms, 95) <= 150, "{score:?}");
    assert!(quantile(&score.end_errors_ms, 95) <= 120, "{score:?}");
}

#[test]
fn noise_alone_is_never_taken_for_speech() {
    let half_a_minute = || Scene::silent(30_000);
    for noise in [Noise::White, Noise::Pink, Noise::Hum, Noise::Clicks] {
        for level_db in [-20.0, -30.0, -45.0, -60.0] {
            let events = half_a_minute()
                .with(noise, level_db)
                .heard_with(EarSettings::default());
            assert_eq!(events, [], "{noise:?} at {level_db} dB");
        }
    }
    assert_eq!(half_a_minute().heard_with(EarSettings::default()), []);
    let coughs = half_a_minute()
        .with(Noise::Pink, -60.0)
        .with_sounds(&cough(), &[0, 3_000, 8_000, 13_000, 13_500]);
    assert_eq!(
        utterances(&coughs.heard_with(EarSettings::default())),
        Vec::<&Utterance>::new()
    );
}

#[test]
fn who_speaks_while_a_reply_plays_is_found_whatever_echo_of_it_comes_back() {
    for below_db in [NO_ECHO_DB, 40.0, 30.0, 20.0] {
        for (when, scene) in [
            ("all through", Scene::sentences().in_reply(below_db)),
            ("until interrupted", Scene::sentences().interrupting(below_db)),
        ] {
            let what = format!("{when}, echo {below_db} dB below");
            let score = assert_all_found(&scene, &scene.heard_with(EarSettings::default()), &what);
            assert!(quantile(&score.onset_delays_ms, 50) <= 150, "{what}: {score:?}");
        }
    }
    let noisy = Scene::sentences().with_snr(Noise::White, 10.0).in_reply(20.0);
    assert_all_found(&noisy, &noisy.heard_with(EarSettings::default()), "in noise");
}

#[test]
fn the_echo_of_a_reply_is_nobody_if_the_ear_is_told_that_it_plays() {
    for below_db in [40.0, 30.0, 20.0, 15.0] {
        let in_silence = Scene::silent(30_000).in_reply(below_db);
        let in_a_room = Scene::silent(30_000).with(Noise::Pink, -60.0).in_reply(below_db);
        for scene in [in_silence, in_a_room] {
            assert_eq!(scene.heard_with(EarSettings::default()), [], "{below_db} dB");
        }
    }
    let untold = Scene::silent(30_000).with_echo(30.0);
    assert_ne!(untold.heard_with(EarSettings::default()), []);
}

#[test]
fn a_person_far_from_the_microphone_is_known_by_what_they_said_before() {
    let far = Scene::sentences().quieter(15.0).with(Noise::Pink, -65.0);
    let scene = far.interrupting(35.0);
    assert_all_found(&scene, &scene.heard_with(EarSettings::default()), "far away");
}

#[test]
fn backchannels_are_utterances_of_their_own() {
    let scene = Scene::of(&BACKCHANNELS, 2_000).with(Noise::Pink, -60.0);
    assert_all_found(&scene, &scene.heard_with(EarSettings::default()), "backchannels");
}

#[test]
fn speech_from_the_first_sample_on_is_heard() {
    let mut scene = Scene::of(&["no-thank-you", "yes"], 2_000).with(Noise::Pink, -60.0);
    let early = scene.spoken[0].samples.start;
    scene.pcm.drain(..early);
    for spoken in &mut scene.spoken {
        spoken.samples = spoken.samples.start - early..spoken.samples.end - early;
    }
    assert_all_found(
        &scene,
        &scene.heard_with(EarSettings::default()),
        "no silence before",
    );
}

#[test]
fn a_pause_between_two_sentences_cuts_only_who_does_not_wait() {
    let scene = Scene::of(&["two-sentences"], 2_000);
    let patient = scene.heard_with(EarSettings::default());
    assert_all_found(&scene, &patient, "two sentences");
    let pauses = patient
        .iter()
        .filter(|event| matches!(event, EarEvent::SpeechResumed { .. }));
    assert!(pauses.count() >= 1, "{patient:?}");

    let hasty = scene.heard_with(fixed_delay(300));
    order::check(&scene.pcm, &hasty).unwrap();
    let score = Score::of(&scene, &hasty);
    assert_eq!((score.cut_offs, utterances(&hasty).len()), (1, 2), "{score:?}");
}

#[test]
fn one_cut_teaches_it_to_wait() {
    let settings = EarSettings {
        endpointing: Endpointing {
            delay_floor_ms: 300,
            delay_initial_ms: 300,
            ..Endpointing::default()
        },
        ..EarSettings::default()
    };
    let scene = Scene::of(&["two-sentences", "two-sentences"], 3_000);
    let mut first_ear = ear(settings);
    let events = scene.heard_by(&mut first_ear);
    let ended: Vec<u64> = utterances(&events)
        .iter()
        .map(|utterance| utterance.ended_at.samples())
        .collect();
    assert_eq!(ended.len(), 3, "the first is cut, the second is not: {ended:?}");
    assert_eq!(Score::of(&scene, &events).cut_offs, 1);

    // What was learned goes on to the next ear.
    let format = FrameFormat::pcm_s16le(SPEECH_RATE_HZ, 1).unwrap();
    let mut next_ear = Ear::with_pace(format, settings, first_ear.pace().clone()).unwrap();
    assert_eq!(utterances(&scene.heard_by(&mut next_ear)).len(), 2);
}

#[test]
fn the_delay_falls_for_who_speaks_without_pauses() {
    let names = [
        "brief-02-name",
        "brief-03-category",
        "brief-06-who",
        "brief-02-name",
        "brief-06-who",
    ];
    let scene = Scene::of(&names, 2_000);
    let events = scene.heard_with(EarSettings::default());
    let delays_ms: Vec<u128> = utterances(&events)
        .iter()
        .map(|utterance| utterance.endpoint_delay().as_millis())
        .collect();
    assert!(
        delays_ms.is_sorted_by(|earlier, later| earlier >= later),
        "{delays_ms:?}"
    );
    assert_eq!((delays_ms[0], delays_ms[4]), (704, 400), "{delays_ms:?}");
}

#[test]
fn a_long_story_is_one_utterance_and_one_that_is_too_long_is_told_in_pieces_without_a_gap() {
    let scene = Scene::of(&["long-story"], 2_000);
    assert_all_found(&scene, &scene.heard_with(EarSettings::default()), "long story");

    let mut settings = EarSettings::default();
    settings.endpointing.max_utterance_ms = 5_000;
    let events = scene.heard_with(settings);
    order::check(&scene.pcm, &events).unwrap();
    let pieces = utterances(&events);
    let (last, cut) = pieces.split_last().unwrap();
    assert!(cut.len() >= 2, "{}", cut.len());
    assert!(
        cut.iter().all(|piece| piece.reason == EndReason::TooLong),
        "{:?}",
        reasons(&events)
    );
    assert_eq!(last.reason, EndReason::Silence);
    for pair in pieces.windows(2) {
        let end = pair[0].pcm_from.samples() + pair[0].pcm.len() as u64;
        assert!(pair[0].pcm.len() <= ms(5_000));
        assert_eq!(end, pair[1].pcm_from.samples());
    }
}

#[test]
fn what_was_said_so_far_grows_into_the_utterance() {
    let scene = Scene::of(&["wait-stop"], 2_000);
    let mut ear = ear(EarSettings::default());
    let mut events = Vec::new();
    let mut so_far = (0, Vec::new());
    for frame in scene.pcm.chunks_exact(ms(20)) {
        if let Some((from, pcm)) = ear.speech_so_far() {
            assert!(pcm.starts_with(&so_far.1), "what was said does not change");
            so_far = (from.samples(), pcm.to_vec());
        }
        ear.push_frame(&pcm::to_le_bytes(frame), &mut events).unwrap();
    }
    let heard = utterances(&events);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].pcm_from.samples(), so_far.0);
    assert!(
        so_far.1.starts_with(&heard[0].pcm),
        "it has less silence at its end"
    );
    assert_eq!(ear.speech_so_far(), None);
}

#[test]
fn by_hand_nothing_but_a_commit_ends_an_utterance() {
    let scene = Scene::of(&["yes", "okay", "two-sentences"], 2_000);
    let mut ear = ear(manual());
    let mut events = scene.heard_by(&mut ear);
    assert_eq!(utterances(&events), Vec::<&Utterance>::new());
    assert!(matches!(events[0], EarEvent::SpeechStarted { .. }));
    ear.commit(&mut events);
    order::check(&scene.pcm, &events).unwrap();
    let heard = utterances(&events);
    assert_eq!(reasons(&events), [EndReason::Committed]);
    let (from, to) = (
        heard[0].pcm_from.samples(),
        heard[0].pcm_from.samples() + heard[0].pcm.len() as u64,
    );
    assert!(from <= scene.spoken[0].samples.start as u64);
    assert_eq!(
        to,
        (scene.pcm.len() / ms(20) * ms(20)) as u64,
        "up to the last whole frame"
    );
    assert!(
        heard[0]
            .ended_at
            .samples()
            .abs_diff(scene.spoken[2].samples.end as u64)
            < ms(150) as u64
    );

    events.clear();
    ear.commit(&mut events);
    assert!(
        matches!(
            events[..],
            [EarEvent::Dropped {
                reason: DropReason::NothingHeard,
                ..
            }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_commit_ends_what_the_ear_would_still_wait_for_and_a_discard_forgets_it() {
    let mut scene = Scene::of(&["what-do-you-need"], 1_000);
    let middle = scene.spoken[0]
        .samples
        .start
        .midpoint(scene.spoken[0].samples.end);
    scene.pcm.truncate(middle + 100);
    for by_commit in [true, false] {
        let mut ear = ear(EarSettings::default());
        let mut events = scene.heard_by(&mut ear);
        if by_commit {
            ear.commit(&mut events);
        } else {
            ear.discard(&mut events);
        }
        order::check(&scene.pcm, &events).unwrap();
        match events.last() {
            Some(EarEvent::Utterance(utterance)) if by_commit => {
                assert_eq!(utterance.reason, EndReason::Committed);
            }
            Some(EarEvent::Dropped { reason, .. }) if !by_commit => {
                assert_eq!(*reason, DropReason::Discarded);
            }
            other => panic!("commit {by_commit}: {other:?}"),
        }
        assert_eq!(ear.speech_so_far(), None);
        events.clear();
        ear.discard(&mut events);
        assert_eq!(events, []);
    }
}

#[test]
fn every_format_says_the_same() {
    let scene = Scene::of(&SENTENCES[..4], 1_500).with(Noise::Pink, -60.0);
    for rate_hz in [8_000, 16_000, 24_000, 44_100, 48_000] {
        for channels in [1, 2] {
            let format = FrameFormat::pcm_s16le(rate_hz, channels).unwrap();
            let samples_per_frame = rate_hz as usize / 50;
            let frames = resampled(&scene.pcm, rate_hz);
            let frames = frames.chunks_exact(samples_per_frame).map(|frame| {
                let both = frame.iter().flat_map(|sample| vec![*sample; channels as usize]);
                pcm::to_le_bytes(&both.collect::<Vec<i16>>())
            });
            let events = heard_as(format, frames);
            assert_found(&scene, &events, &format!("{rate_hz} Hz, {channels} channels"));
        }
    }
    for frame_ms in [10, 20, 40, 60] {
        let format = FrameFormat::opus(48_000, 1).unwrap();
        let mut encoder = Encoder::builder(16_000, Channels::Mono, Application::Voip)
            .build()
            .unwrap();
        let frames = scene.pcm.chunks_exact(ms(frame_ms)).map(|frame| {
            let mut packet = vec![0; 1_500];
            let length = encoder.encode(frame, &mut packet).unwrap();
            packet.truncate(length);
            packet
        });
        assert_found(&scene, &heard_as(format, frames), &format!("Opus, {frame_ms} ms"));
    }
}

fn heard_as(format: FrameFormat, frames: impl Iterator<Item = Vec<u8>>) -> Vec<EarEvent> {
    let mut ear = Ear::new(format, EarSettings::default()).expect("the usual settings");
    let mut events = Vec::new();
    for frame in frames {
        ear.push_frame(&frame, &mut events).expect("a whole frame");
    }
    events
}

fn resampled(speech: &[i16], rate_hz: u32) -> Vec<i16> {
    let (mut floats, mut out, mut samples) = (Vec::new(), Vec::new(), Vec::new());
    pcm::extend_f32(&mut floats, speech);
    let mut resampler = MonoResampler::new(SPEECH_RATE_HZ, rate_hz).expect("a rate in range");
    resampler.push(&floats, &mut out);
    resampler.finish(&mut out);
    pcm::extend_i16(&mut samples, &out);
    samples
}

#[test]
fn noise_suppression_keeps_the_speech_in_its_place() {
    let scene = Scene::of(&["what-do-you-need", "yes"], 1_500).with_snr(Noise::Pink, 10.0);
    let settings = EarSettings {
        noise_suppression: true,
        ..EarSettings::default()
    };
    let mut ear = ear(settings);
    let mut events = scene.heard_by(&mut ear);
    ear.discard(&mut events);
    assert_found(&scene, &events, "suppressed");
}

#[test]
fn settings_out_of_range_are_refused() {
    let mut settings = EarSettings::default();
    settings.endpointing.max_utterance_ms = 120_001;
    let format = FrameFormat::opus(48_000, 2).unwrap();
    assert!(matches!(
        Ear::new(format, settings).err(),
        Some(SettingsError::OutOfRange {
            setting: "max_utterance_ms",
            value_ms: 120_001,
            ..
        })
    ));
}
