//! What is true of an ear whatever it is sent, and however.

mod ear_scenes;

use std::sync::LazyLock;

use ear_scenes::sounds::Noise;
use ear_scenes::{Scene, order};
use greenroom_audio::ear::{
    Ear, EarEvent, EarSettings, Endpointing, FrameError, FrameFormat, FrameReader, TurnDetection,
};
use greenroom_audio::pcm;
use proptest::prelude::*;
use proptest::sample::Index;

/// Twelve seconds of talk, with pauses of all kinds in it, in some noise.
static TALK: LazyLock<Scene> =
    LazyLock::new(|| Scene::of(&["yes", "two-sentences", "uh-huh"], 1_200).with(Noise::Pink, -50.0));

/// What a client may do between two frames.
#[derive(Debug, Clone, Copy)]
enum Doing {
    Commit,
    Discard,
    Lose,
    Reply,
    ReplyOver,
}

fn formats() -> impl Strategy<Value = FrameFormat> {
    let rates_hz = prop::sample::select(vec![8_000, 16_000, 24_000, 44_100, 48_000]);
    prop_oneof![
        (rates_hz, 1_u32..=2).prop_map(
            |(rate_hz, channels)| FrameFormat::pcm_s16le(rate_hz, channels).expect("a rate of the list")
        ),
        (1_u32..=2).prop_map(|channels| FrameFormat::opus(48_000, channels).expect("one or two channels")),
    ]
}

fn settings() -> impl Strategy<Value = EarSettings> {
    let turn_detection = prop::sample::select(vec![TurnDetection::ServerVad, TurnDetection::Manual]);
    (turn_detection, 200_u32..=1_200, 0_u32..=1_000, 0_u32..=500).prop_map(
        |(turn_detection, delay_ms, pre_roll_ms, min_speech_ms)| EarSettings {
            turn_detection,
            endpointing: Endpointing {
                delay_floor_ms: delay_ms,
                delay_initial_ms: delay_ms,
                pre_roll_ms,
                min_speech_ms,
                max_utterance_ms: 5_000,
                ..Endpointing::default()
            },
            ..EarSettings::default()
        },
    )
}

fn doings() -> impl Strategy<Value = Vec<(Index, Doing)>> {
    let doing = prop::sample::select(vec![
        Doing::Commit,
        Doing::Discard,
        Doing::Lose,
        Doing::Reply,
        Doing::ReplyOver,
    ]);
    prop::collection::vec((any::<Index>(), doing), 0..8)
}

/// Bytes that may pass for a frame: of any length, or of a sound one, or an Opus packet of a permitted length.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        (1_usize..=3, any::<u64>()).prop_map(|(tens, seed)| {
            let mut dice = ear_scenes::sounds::Dice::new(seed);
            (0..tens * 640).map(|_| dice.number().to_le_bytes()[3]).collect()
        }),
        (prop::collection::vec(any::<u8>(), 1..200), 0_u8..32).prop_map(|(mut packet, configuration)| {
            packet[0] = configuration << 3;
            packet
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn how_a_stream_is_cut_into_frames_does_not_matter(
        frames_ms in prop::collection::vec(10_usize..=60, 1..40),
        rate_hz in prop::sample::select(vec![8_000_u32, 16_000, 48_000]),
        settings in settings(),
    ) {
        let format = FrameFormat::pcm_s16le(rate_hz, 1).unwrap();
        let heard = |frames_ms: &[usize]| {
            let mut ear = Ear::new(format, settings).unwrap();
            let mut events = Vec::new();
            // The samples of the talk, whatever rate they are said to have: half speed, or three times as fast.
            let mut rest = &TALK.pcm[..];
            for frame_ms in frames_ms.iter().cycle() {
                let samples = frame_ms * rate_hz as usize / 1_000;
                let Some((frame, after)) = rest.split_at_checked(samples) else {
                    break;
                };
                ear.push_frame(&pcm::to_le_bytes(frame), &mut events).unwrap();
                rest = after;
            }
            events
        };
        let (one, other) = (heard(&[20]), heard(&frames_ms));
        // What is left over at the end is less than a frame, but not the same: the last moment may differ.
        let end = (TALK.pcm.len() as u64 * 16_000 / u64::from(rate_hz)).saturating_sub(3_000);
        let settled = |events: Vec<EarEvent>| -> Vec<EarEvent> {
            events.into_iter().filter(|event| event.at().samples() < end).collect()
        };
        prop_assert_eq!(settled(one), settled(other));
    }

    #[test]
    fn whatever_is_done_in_mid_talk_no_sample_is_told_twice_or_changed(
        settings in settings(),
        doings in doings(),
        frame_samples in 160_usize..=960,
    ) {
        let format = FrameFormat::pcm_s16le(16_000, 1).unwrap();
        let mut ear = Ear::new(format, settings).unwrap();
        let (mut events, mut stream) = (Vec::new(), Vec::new());
        let frames: Vec<&[i16]> = TALK.pcm.chunks_exact(frame_samples).collect();
        for (index, frame) in frames.iter().enumerate() {
            ear.push_frame(&pcm::to_le_bytes(frame), &mut events).unwrap();
            stream.extend_from_slice(frame);
            for (_, doing) in doings.iter().filter(|(at, _)| at.index(frames.len()) == index) {
                match doing {
                    Doing::Commit => {
                        let told = events.len();
                        ear.commit(&mut events);
                        let ends = events[told..].iter().filter(|event| {
                            matches!(event, EarEvent::Utterance(_) | EarEvent::Dropped { .. })
                        });
                        prop_assert_eq!(ends.count(), 1);
                    }
                    Doing::Discard => ear.discard(&mut events),
                    Doing::Lose => {
                        ear.push_lost_frame(&mut events);
                        stream.resize(stream.len() + frame_samples, 0);
                    }
                    Doing::Reply => ear.set_reply_playing(true),
                    Doing::ReplyOver => ear.set_reply_playing(false),
                }
            }
        }
        prop_assert_eq!(order::check(&stream, &events), Ok(()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_do_harm(
        format in formats(),
        settings in settings(),
        frames in prop::collection::vec(garbage(), 1..60),
        doings in doings(),
    ) {
        let mut ear = Ear::new(format, settings).unwrap();
        let mut reader = FrameReader::new(format);
        let (mut events, mut stream) = (Vec::new(), Vec::new());
        let mut newly_read = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            let before = stream.len();
            let result = ear.push_frame(frame, &mut events);
            newly_read.extend_from_slice(ear.newly_read());
            prop_assert_eq!(reader.push(frame, &mut stream), result);
            match result {
                Ok(()) | Err(FrameError::Damaged { .. }) => {}
                Err(_) => prop_assert_eq!(stream.len(), before),
            }
            for (_, doing) in doings.iter().filter(|(at, _)| at.index(frames.len()) == index) {
                match doing {
                    Doing::Commit => {
                        ear.commit(&mut events);
                        reader.flush(&mut stream);
                    }
                    Doing::Discard => {
                        ear.discard(&mut events);
                        reader.flush(&mut stream);
                    }
                    Doing::Lose => {
                        ear.push_lost_frame(&mut events);
                        reader.push_lost(&mut stream);
                    }
                    // Nothing is read by these.
                    Doing::Reply | Doing::ReplyOver => {
                        ear.set_reply_playing(matches!(doing, Doing::Reply));
                        continue;
                    }
                }
                newly_read.extend_from_slice(ear.newly_read());
            }
        }
        prop_assert_eq!(&newly_read, &stream);
        prop_assert_eq!(order::check(&stream, &events), Ok(()));
    }
}
