//! A recorded conversation, decoded again: who spoke, when, and on whose track.

mod speech;

use std::io::Cursor;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use greenroom_audio::mouth::VOICE_RATE_HZ;
use greenroom_audio::recording::{LENGTH_MAX, TwoTrackRecorder};
use greenroom_audio::{Codec, Container, MonoResampler, SPEECH_RATE_HZ, pcm};
use ogg::reading::PacketReader;
use proptest::prelude::*;
use ropus::opus::multistream::OpusMSDecoder;
use speech::{decode_bytes, likeness, reference};

/// How far from its place a sound may be, in samples at the rate of speech: 25 ms.
const AWAY_MAX: usize = 400;

/// What the user says, and what the assistant does: the same words, faster.
static USER: LazyLock<Vec<i16>> = LazyLock::new(reference);
static ASSISTANT: LazyLock<Vec<i16>> = LazyLock::new(|| {
    let reference = reference();
    let pairs = reference.chunks_exact(8);
    pairs.flat_map(|samples| samples[..7].to_vec()).collect()
});
static ASSISTANT_24K: LazyLock<Vec<i16>> =
    LazyLock::new(|| resampled(&ASSISTANT, SPEECH_RATE_HZ, VOICE_RATE_HZ));

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn samples_in(milliseconds: usize) -> usize {
    milliseconds * SPEECH_RATE_HZ as usize / 1_000
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

/// Both tracks of a file, at the rate of speech and as long as the file says.
fn tracks(file: &[u8]) -> [Vec<i16>; 2] {
    let mut packets = PacketReader::new(Cursor::new(file));
    let head = packets.read_packet_expected().expect("a header").data;
    assert_eq!(head[..8], *b"OpusHead");
    assert_eq!(
        (head[9], &head[18..]),
        (2, &[1, 2, 0, 0, 1][..]),
        "two mono streams"
    );
    let pre_skip = usize::from(u16::from_le_bytes([head[10], head[11]])) / 3;
    packets.read_packet_expected().expect("tags");
    let rate_hz = SPEECH_RATE_HZ.cast_signed();
    let mut decoder = OpusMSDecoder::new(rate_hz, 2, 2, 0, &[0, 1]).expect("two mono streams");
    let mut pairs = vec![0; 2 * 320];
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut length = 0;
    while let Some(packet) = packets.read_packet().expect("a whole file") {
        let bytes = i32::try_from(packet.data.len()).expect("a packet");
        let outcome = decoder.decode(Some(&packet.data), bytes, &mut pairs, 320, false);
        assert_eq!(outcome, Ok(320));
        left.extend(pairs.iter().step_by(2));
        right.extend(pairs.iter().skip(1).step_by(2));
        length = usize::try_from(packet.absgp_page()).expect("a position") / 3;
    }
    [left, right].map(|track| track[pre_skip..length].to_vec())
}

/// The track that has a sound at a place, and silence elsewhere.
fn silence_and(sound: &[i16], at_ms: usize, length: usize) -> Vec<i16> {
    let mut track = vec![0; samples_in(at_ms)];
    track.extend_from_slice(sound);
    track.resize(length, 0);
    track
}

/// The sound is on the track, at its place, and nowhere else.
fn assert_only(track: &[i16], sound: &[i16], at_ms: usize, what: &str) {
    let likeness = likeness(&silence_and(sound, at_ms, track.len()), track, AWAY_MAX);
    assert!(
        likeness.correlation > 0.98 && likeness.lag <= AWAY_MAX && (0.9..1.1).contains(&likeness.gain),
        "{what}: {likeness:?}"
    );
    let from = samples_in(at_ms) - AWAY_MAX;
    let to = samples_in(at_ms) + sound.len() + AWAY_MAX;
    let outside = track[..from].iter().chain(track.iter().skip(to));
    assert_eq!(outside.map(|sample| sample.abs()).max(), Some(0), "{what}");
}

/// Pushes in pieces of 20 ms as a clock would: each with the time of its first sample.
fn push_user(recorder: &mut TwoTrackRecorder, at_ms: u64, speech: &[i16]) {
    for (index, piece) in (0..).zip(speech.chunks(320)) {
        recorder.user(ms(at_ms + index * 20), piece);
    }
}

fn push_assistant(recorder: &mut TwoTrackRecorder, at_ms: u64, speech: &[i16]) {
    for (index, piece) in (0..).zip(speech.chunks(480)) {
        recorder.assistant(ms(at_ms + index * 20), piece);
    }
}

#[test]
fn each_side_is_on_its_own_track_in_its_place_even_when_both_speak() {
    let mut recorder = TwoTrackRecorder::new(7);
    // By turns, a quarter of a second each, the assistant 400 ms ahead of the user.
    let user = silence_and(&USER, 1_000, samples_in(4_000));
    let assistant = resampled(
        &silence_and(&ASSISTANT, 1_500, samples_in(4_000)),
        SPEECH_RATE_HZ,
        VOICE_RATE_HZ,
    );
    push_assistant(&mut recorder, 0, &assistant[..9_600]);
    let mut file = Vec::new();
    let ahead = assistant[9_600..].chunks(6_000).chain(std::iter::repeat(&[][..]));
    for ((quarter, said), heard) in (0..).zip(user.chunks(4_000)).zip(ahead) {
        push_user(&mut recorder, quarter * 250, said);
        push_assistant(&mut recorder, 400 + quarter * 250, heard);
        file.extend(recorder.take());
    }
    assert!(
        file.len() > 10_000,
        "whole pages were taken on the way: {}",
        file.len()
    );
    file.extend(recorder.finish());
    let [left, right] = tracks(&file);
    assert_eq!((left.len(), right.len()), (64_000, 64_000));
    assert_only(&left, &USER, 1_000, "the user");
    assert_only(&right, &ASSISTANT, 1_500, "the assistant");
}

#[test]
fn gaps_are_silent_and_trembling_clocks_leave_none() {
    let mut recorder = TwoTrackRecorder::new(7);
    for (index, piece) in (0_u64..).zip(USER.chunks(320)) {
        recorder.user(ms(700 + index * 20 + index * 7 % 13), piece);
    }
    push_assistant(&mut recorder, 8_000, &ASSISTANT_24K);
    push_user(&mut recorder, 20_000, &[0; 320]);
    let [left, right] = tracks(&recorder.finish());
    assert_eq!(left.len(), samples_in(20_020));
    assert_only(&left, &USER, 700, "the user");
    assert_only(&right, &ASSISTANT, 8_000, "the assistant");
}

#[test]
fn what_comes_too_late_for_its_place_follows_what_is_there() {
    let mut recorder = TwoTrackRecorder::new(7);
    // Nothing came for three seconds, and then all at once, as if it were said now.
    push_assistant(&mut recorder, 0, &vec![0; 72_000]);
    let stalled = silence_and(&USER, 100, samples_in(2_500));
    for piece in stalled.chunks(320) {
        recorder.user(ms(3_000), piece);
    }
    let [left, _] = tracks(&recorder.finish());
    assert_only(&left, &USER, 3_100, "the user");
}

#[test]
fn a_flood_is_not_recorded_beyond_five_seconds() {
    let mut recorder = TwoTrackRecorder::new(7);
    for _ in 0..1_000 {
        recorder.user(ms(1_000), &[100; 320]);
    }
    recorder.user(LENGTH_MAX, &[100; 320]);
    recorder.assistant(Duration::MAX, &[100; 480]);
    let [left, right] = tracks(&recorder.finish());
    assert_eq!(left.len(), samples_in(6_000 + 20));
    assert_eq!(right.len(), left.len());
}

#[test]
fn what_was_cancelled_before_it_was_heard_is_not_on_the_record() {
    let mut recorder = TwoTrackRecorder::new(7);
    let cut_ms = 1_300;
    push_user(&mut recorder, 0, &vec![0; samples_in(cut_ms)]);
    push_assistant(&mut recorder, 1_000, &ASSISTANT_24K);
    recorder.cut_assistant(ms(cut_ms as u64));
    push_user(&mut recorder, cut_ms as u64, &USER);
    let [left, right] = tracks(&recorder.finish());
    assert_only(&left, &USER, cut_ms, "the user");
    assert_only(&right, &ASSISTANT[..samples_in(300)], 1_000, "the assistant");
}

#[test]
fn a_recording_is_decoded_like_any_upload() {
    let mut recorder = TwoTrackRecorder::new(7);
    push_user(&mut recorder, 500, &USER);
    push_assistant(&mut recorder, 3_000, &ASSISTANT_24K);
    let file = recorder.finish();
    let decoded = decode_bytes(file.clone()).unwrap();
    assert_eq!(
        (decoded.container, decoded.codec, decoded.source_channels),
        (Container::Ogg, Codec::Opus, 2)
    );
    assert!(!decoded.truncated && decoded.packets_lost == 0);
    let [left, right] = tracks(&file);
    let mixed: Vec<i16> = left
        .iter()
        .zip(&right)
        .map(|(left, right)| left.midpoint(*right))
        .collect();
    assert!(decoded.pcm == mixed);
    assert_eq!(tracks(&TwoTrackRecorder::new(7).finish()), [vec![], vec![]]);
}

#[test]
#[ignore = "needs ffmpeg"]
fn another_decoder_hears_both_tracks() {
    let mut recorder = TwoTrackRecorder::new(7);
    push_user(&mut recorder, 500, &USER);
    push_assistant(&mut recorder, 900, &ASSISTANT_24K);
    let folder = std::env::temp_dir().join(format!("greenroom-recording-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (encoded, decoded) = (folder.join("call.ogg"), folder.join("call.raw"));
    std::fs::write(&encoded, recorder.finish()).unwrap();
    let status = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-y", "-i"])
        .arg(&encoded)
        .args(["-f", "s16le", "-ar", "16000"])
        .arg(&decoded)
        .status()
        .unwrap();
    assert!(status.success());
    let pairs = pcm::from_le_bytes(&std::fs::read(&decoded).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    let (left, right): (Vec<i16>, Vec<i16>) = pairs
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[left, right]| (*left, *right))
        .unzip();
    for (track, sound, at_ms) in [(left, &USER, 500), (right, &ASSISTANT, 900)] {
        let likeness = likeness(&silence_and(sound, at_ms, track.len()), &track, AWAY_MAX);
        assert!(likeness.correlation > 0.98 && likeness.lag <= 2, "{likeness:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_the_sides_come_the_file_is_whole_and_as_long_as_the_longer_side(
        pushes in prop::collection::vec((any::<bool>(), 0_u64..9_000, 0_usize..3_000, any::<i16>()), 0..40),
        take_every in 1_usize..10,
    ) {
        let mut recorder = TwoTrackRecorder::new(7);
        let mut file = Vec::new();
        let mut last_ms = 0;
        for (index, (is_user, at_ms, samples, sample)) in pushes.into_iter().enumerate() {
            if is_user {
                recorder.user(ms(at_ms), &vec![sample; samples]);
                last_ms = last_ms.max(at_ms * u64::from(samples > 0));
            } else {
                recorder.assistant(ms(at_ms), &vec![sample; samples]);
            }
            if index % take_every == 0 {
                file.extend(recorder.take());
            }
        }
        file.extend(recorder.finish());
        let [left, right] = tracks(&file);
        prop_assert_eq!(left.len(), right.len());
        prop_assert!(left.len() + AWAY_MAX >= samples_in(usize::try_from(last_ms).unwrap()));
        prop_assert!(left.len() < samples_in(9_000 + 40 * 190));
    }
}
