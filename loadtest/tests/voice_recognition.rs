//! What a microphone, a browser or a telephone does to the shipped recordings, and whether they are still recognised;
//! and whether nothing else is.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts of samples and frames, times and levels go back and forth between integers and floats, far below the limits of both"
)]

use std::f32::consts::PI;
use std::time::Duration;

use bytes::Bytes;
use greenroom_audio::pcm::{extend_f32, extend_i16};
use greenroom_audio::{DecodeLimits, MonoResampler, UPLOAD_BYTES_MAX, Upload, decode};
use loadtest::voice::recognise::{DISTANCE_MAX, HeardRate, Listening, Recogniser};
use loadtest::voice::utterances::{Utterance, shipped};
use ropus::{Application, Bitrate, Channels, DecodeMode, Decoder, Encoder};
use rusty_mp3::{Mp3Encoder, Mp3EncoderConfig};

const RATE_HZ: u32 = 16_000;
/// Every true match must stay this far below the threshold, and every false one this far above it.
const MARGIN: f32 = 0.05;
/// Of the 26 recordings, all but the three that last less than a second are to be followed while they are said.
const FOLLOWED_MIN: usize = 20;

/// Numbers that look random and are the same in every run (a linear congruential generator).
struct Noise(u64);

impl Noise {
    /// Between -1 and 1.
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    }
}

fn resampled(pcm: &[i16], from_hz: u32, to_hz: u32) -> Vec<i16> {
    let mut floats = Vec::new();
    extend_f32(&mut floats, pcm);
    let mut resampler = MonoResampler::new(from_hz, to_hz).expect("the rate is within range");
    let mut out = Vec::new();
    resampler.push(&floats, &mut out);
    resampler.finish(&mut out);
    let mut integers = Vec::new();
    extend_i16(&mut integers, &out);
    integers
}

fn through(pcm: &[i16], rate_hz: u32) -> Vec<i16> {
    resampled(&resampled(pcm, RATE_HZ, rate_hz), rate_hz, RATE_HZ)
}

fn through_opus(pcm: &[i16], rate_hz: u32, bitrate_bps: u32) -> Vec<i16> {
    let mut encoder = Encoder::builder(rate_hz, Channels::Mono, Application::Voip)
        .bitrate(Bitrate::Bits(bitrate_bps))
        .complexity(1)
        .build()
        .expect("the encoder takes these settings");
    let mut listener = Decoder::new(rate_hz, Channels::Mono).expect("the decoder takes this rate");
    let frame = rate_hz as usize / 50;
    let mut packet = [0; 1_275];
    let mut out = Vec::new();
    let mut speech = resampled(pcm, RATE_HZ, rate_hz);
    speech.resize(speech.len().next_multiple_of(frame), 0);
    for samples in speech.chunks(frame) {
        let length = encoder.encode(samples, &mut packet).expect("a frame is encoded");
        let mut decoded = vec![0; frame];
        listener
            .decode(&packet[..length], &mut decoded, DecodeMode::Normal)
            .expect("the encoder's packets can be decoded");
        out.extend(decoded);
    }
    resampled(&out, rate_hz, RATE_HZ)
}

fn through_mp3(pcm: &[i16]) -> Vec<i16> {
    let mut encoder = Mp3Encoder::new(Mp3EncoderConfig {
        bitrate_kbps: 32,
        ..Mp3EncoderConfig::default()
    });
    encoder.push_pcm_s16(pcm, 1, RATE_HZ).expect("MP3 has this rate");
    encoder.finish();
    let mut upload = Upload::new(UPLOAD_BYTES_MAX);
    while let Ok(packet) = encoder.next_packet() {
        upload.push(Bytes::from(packet)).expect("it is small");
    }
    decode(upload, &DecodeLimits::default(), &|| false)
        .expect("an MP3 can be decoded")
        .pcm
}

fn louder(pcm: &[i16], decibels: f32) -> Vec<i16> {
    let gain = 10_f32.powf(decibels / 20.0);
    pcm.iter()
        .map(|sample| (f32::from(*sample) * gain) as i16)
        .collect()
}

fn with_silence(pcm: &[i16], before_ms: usize, after_ms: usize) -> Vec<i16> {
    [vec![0; before_ms * 16], pcm.to_vec(), vec![0; after_ms * 16]].concat()
}

/// White noise, so many decibels below the mean power of the recording.
fn with_noise(pcm: &[i16], decibels: f32) -> Vec<i16> {
    let power = pcm.iter().map(|sample| f32::from(*sample).powi(2)).sum::<f32>() / pcm.len() as f32;
    // Uniform noise between -1 and 1 has a power of a third.
    let amplitude = (3.0 * power).sqrt() * 10_f32.powf(-decibels / 20.0);
    let mut noise = Noise(1);
    pcm.iter()
        .map(|sample| (f32::from(*sample) + amplitude * noise.next()) as i16)
        .collect()
}

/// Hears a recording, 100 ms after 100 ms; returns what was said of it meanwhile.
fn followed(recogniser: &Recogniser, rate: HeardRate, pcm: &[i16]) -> (String, Listening) {
    let mut listening = recogniser.listen(rate);
    let mut said = String::new();
    for piece in pcm.chunks(1_600) {
        listening.hear(piece);
        let now = listening.said(Duration::ZERO);
        assert!(now.starts_with(&said), "{said:?} was taken back: {now:?}");
        now.clone_into(&mut said);
    }
    (said, listening)
}

/// Asserts that every recording is still recognised, alone, after it was changed; prints the worst distance.
fn check_recognised(name: &str, change: impl Fn(&[i16]) -> Vec<i16>) {
    let recogniser = Recogniser::of_shipped();
    let mut worst = (0.0, "");
    let mut followed_count = 0;
    for utterance in shipped() {
        let changed = change(&utterance.pcm());
        let (nearest, distance) = recogniser
            .nearest(&changed)
            .expect("it is as long as one of them");
        assert_eq!(nearest, utterance.id, "{name}: {distance}");
        if distance > worst.0 {
            worst = (distance, &utterance.id);
        }
        assert_eq!(recogniser.recognise(&changed).text(), utterance.text, "{name}");
        let (said, _) = followed(&recogniser, HeardRate::Hz16000, &changed);
        assert!(utterance.text.starts_with(&said), "{name}: {said:?}");
        followed_count += usize::from(!said.is_empty());
    }
    println!("followed, {name}: {followed_count} of {}", shipped().len());
    assert!(
        followed_count >= FOLLOWED_MIN,
        "{name}: {followed_count} were followed"
    );
    println!("true match, {name}: worst {:.3} ({})", worst.0, worst.1);
    assert!(worst.0 <= DISTANCE_MAX - MARGIN, "{name}: {worst:?}");
}

/// Asserts that none of the recordings is taken for anything; prints the best distance.
fn check_unknown<'a>(name: &str, recordings: impl IntoIterator<Item = (&'a str, Recogniser, Vec<i16>)>) {
    let mut best = (f32::INFINITY, String::new());
    let mut guessed = Vec::new();
    for (what, recogniser, pcm) in recordings {
        if let Some((nearest, distance)) = recogniser.nearest(&pcm)
            && distance < best.0
        {
            best = (distance, format!("{what} for {nearest}"));
        }
        assert_eq!(recogniser.recognise(&pcm).text(), "", "{name}: {what}");
        let (said, _) = followed(&recogniser, HeardRate::Hz16000, &pcm);
        guessed.extend((!said.is_empty()).then(|| format!("{what}: {said}")));
    }
    println!("false match, {name}: best {:.3} ({})", best.0, best.1);
    assert!(best.0 >= DISTANCE_MAX + MARGIN, "{name}: {best:?}");
    assert!(
        guessed.is_empty(),
        "{name}: taken for the beginning of another: {guessed:?}"
    );
}

#[test]
fn recordings_are_recognised_as_they_ship() {
    check_recognised("as it ships", <[i16]>::to_vec);
}

#[test]
fn recordings_are_recognised_at_the_rates_of_telephones_and_sound_cards() {
    check_recognised("8 kHz", |pcm| through(pcm, 8_000));
    check_recognised("44.1 kHz", |pcm| through(pcm, 44_100));
    check_recognised("48 kHz", |pcm| through(pcm, 48_000));
}

#[test]
fn recordings_are_recognised_at_the_rate_at_which_they_are_streamed() {
    let recogniser = Recogniser::of_shipped();
    for utterance in shipped() {
        let pcm = resampled(&utterance.pcm(), RATE_HZ, 24_000);
        let (said, listening) = followed(&recogniser, HeardRate::Hz24000, &pcm);
        assert_eq!(listening.finish().text(), utterance.text);
        assert!(utterance.text.starts_with(&said), "{said:?}");
    }
}

#[test]
fn utterances_one_after_the_other_are_followed() {
    let recogniser = Recogniser::of_shipped();
    let by_id = |id: &str| {
        let found = shipped().iter().find(|utterance| utterance.id == id);
        found.expect("it ships").pcm()
    };
    let pcm = [
        with_silence(&by_id("brief-05-price"), 300, 700),
        with_silence(&by_id("two-sentences"), 0, 700),
        with_silence(&by_id("brief-13-start"), 0, 400),
    ];
    let noisy = with_noise(&pcm.concat(), 25.0);
    let (said, listening) = followed(&recogniser, HeardRate::Hz16000, &noisy);
    assert_eq!(said, listening.finish().text());
    assert!(said.starts_with("It costs $25. Good morning."), "{said}");
}

#[test]
fn words_are_said_only_after_the_time_that_they_are_waited_for() {
    let recogniser = Recogniser::of_shipped();
    let pcm = shipped()[0].pcm();
    let words_with = |lag_ms: u64| {
        let mut listening = recogniser.listen(HeardRate::Hz16000);
        listening.hear(&pcm[..3 * RATE_HZ as usize]);
        let said = listening.said(Duration::from_millis(lag_ms));
        said.split_whitespace().count()
    };
    let [at_once, later, never] = [0, 1_000, 5_000].map(words_with);
    assert!(
        at_once > later && later > never && never == 0,
        "{at_once}, {later}, {never}"
    );
}

#[test]
fn recordings_are_recognised_through_opus_at_16_kbit() {
    check_recognised("Opus, 16 kbit/s, 16 kHz", |pcm| through_opus(pcm, 16_000, 16_000));
}

#[test]
fn recordings_are_recognised_through_opus_at_32_kbit() {
    check_recognised("Opus, 32 kbit/s, 48 kHz", |pcm| through_opus(pcm, 48_000, 32_000));
}

#[test]
fn recordings_are_recognised_through_mp3() {
    check_recognised("MP3, 32 kbit/s", through_mp3);
}

#[test]
fn recordings_are_recognised_softer_and_louder() {
    check_recognised("20 dB softer", |pcm| louder(pcm, -20.0));
    check_recognised("6 dB louder, clipped", |pcm| louder(pcm, 6.0));
}

#[test]
fn recordings_are_recognised_between_silence() {
    check_recognised("silence around it", |pcm| with_silence(pcm, 1_307, 2_101));
}

#[test]
fn recordings_are_recognised_in_mild_noise() {
    check_recognised("noise at 20 dB", |pcm| {
        with_noise(&with_silence(pcm, 300, 500), 20.0)
    });
}

#[test]
fn recordings_are_recognised_through_everything_at_once() {
    check_recognised("8 kHz, noise at 25 dB, 12 dB softer, Opus at 16 kbit/s", |pcm| {
        let noisy = with_noise(&with_silence(&through(pcm, 8_000), 200, 400), 25.0);
        through_opus(&louder(&noisy, -12.0), 16_000, 16_000)
    });
}

#[test]
fn utterances_one_after_the_other_are_all_recognised() {
    let recogniser = Recogniser::of_shipped();
    let by_id = |id: &str| {
        let found = shipped().iter().find(|utterance| utterance.id == id);
        found.expect("it ships")
    };
    for pause_ms in [400, 700, 1_500] {
        // One of them has a pause of its own, which is not where it ends.
        let said = ["okay", "two-sentences", "brief-05-price"].map(by_id);
        let pcm: Vec<i16> = said
            .iter()
            .flat_map(|utterance| with_silence(&utterance.pcm(), 0, pause_ms))
            .collect();
        let transcript = recogniser.recognise(&with_noise(&pcm, 25.0));
        let texts = said.map(|utterance| utterance.text.as_str());
        assert_eq!(transcript.text(), texts.join(" "), "{pause_ms} ms");
        assert!(
            transcript
                .heard
                .windows(2)
                .all(|pair| pair[0].until < pair[1].from)
        );
    }
}

#[test]
fn what_is_not_known_leaves_no_word_beside_what_is() {
    let price = shipped()
        .iter()
        .find(|utterance| utterance.id == "brief-05-price")
        .expect("it ships");
    let backwards: Vec<i16> = price.pcm().into_iter().rev().collect();
    let pcm = [with_silence(&backwards, 0, 800), price.pcm()].concat();
    let transcript = Recogniser::of_shipped().recognise(&pcm);
    assert_eq!(transcript.text(), "It costs $25.");
    let begins_ms = transcript.heard[0].from.as_millis() as usize;
    assert!(
        begins_ms.abs_diff(backwards.len() / 16 + 800 + 150) < 100,
        "{begins_ms}"
    );
}

#[test]
fn an_utterance_is_not_taken_for_another() {
    let recogniser = Recogniser::of_shipped();
    check_unknown(
        "the utterance itself unknown",
        shipped().iter().map(|utterance| {
            (
                utterance.id.as_str(),
                recogniser.clone().without(&utterance.id),
                utterance.pcm(),
            )
        }),
    );
}

#[test]
fn an_utterance_is_not_taken_for_another_in_noise() {
    let recogniser = Recogniser::of_shipped();
    check_unknown(
        "the utterance itself unknown, noise at 20 dB",
        shipped().iter().map(|utterance| {
            let noisy = with_noise(&utterance.pcm(), 20.0);
            (
                utterance.id.as_str(),
                recogniser.clone().without(&utterance.id),
                noisy,
            )
        }),
    );
}

#[test]
fn speech_played_backwards_is_not_recognised() {
    let backwards = |utterance: &'static Utterance| {
        let pcm = utterance.pcm().into_iter().rev().collect();
        (utterance.id.as_str(), Recogniser::of_shipped(), pcm)
    };
    check_unknown("backwards", shipped().iter().map(backwards));
}

fn seconds_of(seconds: f32, mut sound: impl FnMut(f32) -> f32) -> Vec<i16> {
    let samples = (seconds * RATE_HZ as f32) as u32;
    (0..samples)
        .map(|index| (sound(index as f32 / RATE_HZ as f32).clamp(-1.0, 1.0) * 16_000.0) as i16)
        .collect()
}

fn tone(time: f32, hz: f32) -> f32 {
    (2.0 * PI * hz * time).sin()
}

fn dialling(time: f32) -> f32 {
    let digit = (time * 6.0) as u32;
    let pressed = digit.is_multiple_of(2);
    f32::from(pressed) * 0.4 * (tone(time, 697.0 + 80.0 * digit as f32) + tone(time, 1_336.0))
}

fn music(time: f32) -> f32 {
    let note_hz = [261.6, 329.6, 392.0, 523.3, 440.0, 349.2][(time * 5.0) as usize % 6];
    let decay = (-6.0 * (time * 5.0).fract()).exp();
    let overtones = 0.5 * tone(time, 2.0 * note_hz) + 0.3 * tone(time, 3.0 * note_hz);
    decay * 0.5 * (tone(time, note_hz) + overtones)
}

#[test]
fn silence_noise_tones_and_music_are_not_recognised() {
    let mut noise = Noise(7);
    let mut low = 0.0;
    let mut sounds = vec![
        ("nothing", Vec::new()),
        ("silence", seconds_of(3.0, |_| 0.0)),
        (
            "the hiss of a microphone",
            seconds_of(3.0, |_| noise.next() * 0.0003),
        ),
        (
            "a click",
            seconds_of(1.0, |time| f32::from((0.5..0.505).contains(&time))),
        ),
    ];
    for length in [0.4, 0.9, 1.6, 2.4, 3.6] {
        let rumble = seconds_of(length, |_| {
            low = low * 0.98 + noise.next() * 0.2;
            low
        });
        sounds.extend([
            ("a rumble", rumble),
            ("white noise", seconds_of(length, |_| noise.next())),
            ("a tone", seconds_of(length, |time| tone(time, 440.0))),
            (
                "a sweep",
                seconds_of(length, |time| tone(time, 200.0 + 300.0 * time)),
            ),
            (
                "a siren",
                seconds_of(length, |time| tone(time, 700.0 + 20.0 * (8.0 * time).sin())),
            ),
            ("dialling", seconds_of(length, dialling)),
            ("music", seconds_of(length, music)),
            (
                "breath in bursts",
                seconds_of(length, |time| noise.next() * (1.0 + tone(time, 3.0)) * 0.5),
            ),
        ]);
    }
    assert!(sounds.len() >= 30, "{}", sounds.len());
    check_unknown(
        "sounds",
        sounds
            .into_iter()
            .map(|(what, pcm)| (what, Recogniser::of_shipped(), pcm)),
    );
}
