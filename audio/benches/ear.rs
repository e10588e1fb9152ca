//! How well and how cheaply the ear hears: recorded sentences in quiet and in noise, by each detector, with and without
//! noise suppression, and what a second of audio costs.
//!
//! `cargo bench -p greenroom-audio --bench ear`. Delays and errors are in milliseconds, from the real first and last
//! sounds of the recordings; "lost" is the most of a recording's head and tail that is in no utterance (below zero: kept
//! more than that). The scenes are the same at every run. The thresholds were chosen on these recordings; where `flite` is
//! installed, sentences and a voice that nothing was chosen on are synthesized and heard as well.

#[path = "../tests/ear_scenes/mod.rs"]
mod ear_scenes;

use std::f32::consts::TAU;
use std::process::Command;
use std::time::{Duration, Instant};

use ear_scenes::score::Score;
use ear_scenes::sounds::{Noise, cough};
use ear_scenes::{BACKCHANNELS, NO_ECHO_DB, Scene, ms};
use greenroom_audio::ear::{DetectorKind, Ear, EarEvent, EarSettings, FrameFormat};
use greenroom_audio::{SPEECH_RATE_HZ, pcm};
use peak_alloc::PeakAlloc;
use ropus::{Application, Channels, Encoder};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A measurement takes this long at least; its best round counts.
const MEASURED_MIN: Duration = Duration::from_millis(600);
/// `kal16` is a voice that none of the recordings has; the others are two of their three.
const HELD_OUT_VOICES: [&str; 3] = ["kal16", "rms", "slt"];
const HELD_OUT_SENTENCES: [&str; 8] = [
    "Can you call me back on Tuesday, after four?",
    "We sell bicycles, mostly to people who commute.",
    "No.",
    "I think, if you ask me, that we should wait until the summer.",
    "My order number is seven, three, nine, two.",
    "The shop opens at half past six in the morning.",
    "Please make it shorter, and a little more cheerful.",
    "What would it cost to ship forty boxes to Oslo?",
];
/// How many ears are made to see what one holds.
const EARS: usize = 20;

fn scenes() -> Vec<(&'static str, Scene)> {
    let sentences = Scene::sentences;
    let alone = |noise, level_db| Scene::silent(30_000).with(noise, level_db);
    let coughs = Scene::silent(30_000)
        .with(Noise::Pink, -60.0)
        .with_sounds(&cough(), &[3_000, 8_000, 13_000, 18_000, 23_000]);
    vec![
        ("digital silence", sentences()),
        ("white 40 dB", sentences().with_snr(Noise::White, 40.0)),
        ("white 20 dB", sentences().with_snr(Noise::White, 20.0)),
        ("white 10 dB", sentences().with_snr(Noise::White, 10.0)),
        ("white 5 dB", sentences().with_snr(Noise::White, 5.0)),
        ("pink 20 dB", sentences().with_snr(Noise::Pink, 20.0)),
        ("pink 10 dB", sentences().with_snr(Noise::Pink, 10.0)),
        ("pink 5 dB", sentences().with_snr(Noise::Pink, 5.0)),
        ("hum 10 dB", sentences().with_snr(Noise::Hum, 10.0)),
        ("clicks 10 dB", sentences().with_snr(Noise::Clicks, 10.0)),
        ("music 20 dB", sentences().with_snr(Noise::Music, 20.0)),
        ("music 10 dB", sentences().with_snr(Noise::Music, 10.0)),
        ("white alone", alone(Noise::White, -30.0)),
        ("pink alone", alone(Noise::Pink, -30.0)),
        ("hum alone", alone(Noise::Hum, -30.0)),
        ("clicks alone", alone(Noise::Clicks, -30.0)),
        ("music alone", alone(Noise::Music, -30.0)),
        ("echo at -40 dB", sentences().with_echo(40.0)),
        ("echo at -30 dB", sentences().with_echo(30.0)),
        ("echo at -20 dB", sentences().with_echo(20.0)),
        ("echo at -30 dB alone", Scene::silent(30_000).with_echo(30.0)),
        ("5 coughs", coughs),
        ("backchannels", Scene::of(&BACKCHANNELS, 2_500)),
        ("two sentences", Scene::of(&["two-sentences"], 2_500)),
        ("long story", Scene::of(&["long-story"], 2_500)),
    ]
}

/// The same sentences, said while a reply plays all through; the ear is told that it does. The voice is unknown, but where
/// the reply begins after the first sentence.
fn reply_scenes() -> Vec<(&'static str, Scene)> {
    let sentences = Scene::sentences;
    let known = |below_db: f32| {
        let scene = sentences();
        let place = scene.spoken[0].samples.end + ms(1_500);
        scene.in_reply_from(place, move |_| below_db)
    };
    let wavering = |passed_s: f32| 27.5 - 7.5 * (passed_s * TAU / 4.0).cos();
    let converging = |passed_s: f32| 10.0 + (passed_s * 20.0).min(20.0);
    let far = |below_db| {
        let far_away = sentences().quieter(15.0).with(Noise::Pink, -65.0);
        far_away.in_reply_from(ms(1_000), move |_| below_db)
    };
    let noisy = |noise, snr_db, below_db| sentences().with_snr(noise, snr_db).in_reply(below_db);
    let alone = |below_db| Scene::silent(30_000).in_reply(below_db);
    vec![
        ("no echo", sentences().in_reply(NO_ECHO_DB)),
        ("echo at -40 dB", sentences().in_reply(40.0)),
        ("echo at -30 dB", sentences().in_reply(30.0)),
        ("echo at -20 dB", sentences().in_reply(20.0)),
        ("echo at -15 dB", sentences().in_reply(15.0)),
        ("echo at -10 dB", sentences().in_reply(10.0)),
        ("known, -20 dB", known(20.0)),
        ("known, -15 dB", known(15.0)),
        ("known, -10 dB", known(10.0)),
        ("-20 to -35, in 4 s", sentences().in_reply_from(0, wavering)),
        ("-10 to -30, in 1 s", sentences().in_reply_from(0, converging)),
        ("far, no echo", far(NO_ECHO_DB)),
        ("far, 20 dB below", far(35.0)),
        ("white 10 dB, none", noisy(Noise::White, 10.0, NO_ECHO_DB)),
        ("white 10 dB, -20 dB", noisy(Noise::White, 10.0, 20.0)),
        ("pink 5 dB, none", noisy(Noise::Pink, 5.0, NO_ECHO_DB)),
        ("pink 5 dB, -20 dB", noisy(Noise::Pink, 5.0, 20.0)),
        ("music 20 dB, none", noisy(Noise::Music, 20.0, NO_ECHO_DB)),
        ("-30 dB alone", alone(30.0)),
        ("-20 dB alone", alone(20.0)),
        ("-15 dB alone", alone(15.0)),
        ("-10 dB alone", alone(10.0)),
    ]
}

/// Every second sentence interrupts a reply, which stops; and sounds that are no sentences.
fn interruption_scenes() -> Vec<(&'static str, Scene)> {
    let interrupting = |below_db| Scene::sentences().interrupting(below_db);
    let softer = |by_db, below_db| {
        let softer = Scene::sentences().every_second_softer(by_db);
        softer.interrupting(below_db)
    };
    let coughs = |below_db| {
        let coughs = Scene::silent(30_000).with_sounds(&cough(), &[3_000, 8_000, 13_000, 18_000, 23_000]);
        coughs.in_reply(below_db)
    };
    let backchannels = |below_db| Scene::of(&BACKCHANNELS, 2_500).in_reply(below_db);
    vec![
        ("no echo", interrupting(NO_ECHO_DB)),
        ("echo at -30 dB", interrupting(30.0)),
        ("echo at -20 dB", interrupting(20.0)),
        ("echo at -15 dB", interrupting(15.0)),
        ("echo at -10 dB", interrupting(10.0)),
        ("10 softer, no echo", softer(10.0, NO_ECHO_DB)),
        ("10 softer, -30 dB", softer(10.0, 30.0)),
        ("10 softer, -20 dB", softer(10.0, 20.0)),
        ("5 coughs, no echo", coughs(NO_ECHO_DB)),
        ("5 coughs, -30 dB", coughs(30.0)),
        ("backchannels, none", backchannels(NO_ECHO_DB)),
        ("backchannels, -20 dB", backchannels(20.0)),
    ]
}

/// The rooms that matter, for sentences that no threshold was chosen on.
fn held_out_scenes() -> Option<Vec<(&'static str, Scene)>> {
    let recordings: Vec<(&'static str, Vec<i16>)> = HELD_OUT_VOICES
        .into_iter()
        .flat_map(|voice| HELD_OUT_SENTENCES.map(|sentence| (voice, sentence)))
        .map(|(voice, sentence)| synthesized(voice, sentence).map(|recording| (voice, recording)))
        .collect::<Option<_>>()?;
    let sentences = Scene::of_recordings(recordings, 2_500);
    let with = |noise, snr_db| sentences.clone().with_snr(noise, snr_db);
    Some(vec![
        ("digital silence", sentences.clone()),
        ("white 20 dB", with(Noise::White, 20.0)),
        ("white 10 dB", with(Noise::White, 10.0)),
        ("white 5 dB", with(Noise::White, 5.0)),
        ("pink 20 dB", with(Noise::Pink, 20.0)),
        ("pink 10 dB", with(Noise::Pink, 10.0)),
        ("pink 5 dB", with(Noise::Pink, 5.0)),
        ("hum 10 dB", with(Noise::Hum, 10.0)),
        ("clicks 10 dB", with(Noise::Clicks, 10.0)),
        ("music 10 dB", with(Noise::Music, 10.0)),
        ("reply, no echo", sentences.clone().in_reply(NO_ECHO_DB)),
        ("reply, -30 dB", sentences.clone().in_reply(30.0)),
        ("reply, -20 dB", sentences.clone().in_reply(20.0)),
        ("every 2nd, no echo", sentences.clone().interrupting(NO_ECHO_DB)),
        ("every 2nd, -30 dB", sentences.clone().interrupting(30.0)),
        ("every 2nd, -20 dB", sentences.clone().interrupting(20.0)),
    ])
}

/// A sentence by `flite`; `None` where it is not installed.
fn synthesized(voice: &str, sentence: &str) -> Option<Vec<i16>> {
    let file = std::env::temp_dir().join(format!("greenroom-ear-{}.wav", std::process::id()));
    let status = Command::new("flite")
        .args(["-voice", voice, "-t", sentence, "-o"])
        .arg(&file)
        .status();
    let wav = std::fs::read(&file);
    // It may not be there; nothing else is wanted of it.
    let _ = std::fs::remove_file(&file);
    (status.ok()?.success()).then(|| ear_scenes::as_loud_as_all(wav.ok().unwrap_or_default()))
}

fn report(title: &str, settings: EarSettings, scenes: &[(&str, Scene)]) {
    println!("\n{title}\n{:20} {}", "", Score::HEADER);
    for (name, scene) in scenes {
        let mut ear = ear_scenes::ear(settings);
        let mut events = scene.heard_by(&mut ear);
        // What the suppressor still holds.
        ear.discard(&mut events);
        println!("{name:20} {}", Score::of(scene, &events).row());
    }
}

/// Milliseconds of CPU for a second of audio: the best round.
fn cpu_ms_per_second(format: FrameFormat, settings: EarSettings, frames: &[Vec<u8>], seconds: f64) -> f64 {
    let mut best = Duration::MAX;
    let started = Instant::now();
    while started.elapsed() < MEASURED_MIN || best == Duration::MAX {
        let mut ear = Ear::new(format, settings).expect("the settings are in range");
        let mut events: Vec<EarEvent> = Vec::new();
        let round = Instant::now();
        for frame in frames {
            ear.push_frame(frame, &mut events).expect("a whole frame");
        }
        best = best.min(round.elapsed());
    }
    best.as_secs_f64() * 1_000.0 / seconds
}

fn pcm_frames(scene: &Scene) -> Vec<Vec<u8>> {
    scene.pcm.chunks_exact(ms(20)).map(pcm::to_le_bytes).collect()
}

fn opus_frames(scene: &Scene) -> Vec<Vec<u8>> {
    let encoder = Encoder::builder(SPEECH_RATE_HZ, Channels::Mono, Application::Voip).build();
    let mut encoder = encoder.expect("the rate of speech is one of Opus");
    let encode = |frame: &[i16]| {
        let mut packet = vec![0; 1_500];
        let length = encoder.encode(frame, &mut packet).expect("20 ms");
        packet.truncate(length);
        packet
    };
    scene.pcm.chunks_exact(ms(20)).map(encode).collect()
}

fn measure_cpu() {
    let speech = pcm::duration_of(Scene::sentences().pcm.len(), SPEECH_RATE_HZ).as_secs_f64();
    let talk = Scene::sentences().with_snr(Noise::Pink, 20.0);
    let noisy = Scene::sentences().with_snr(Noise::Pink, 5.0);
    let quiet = Scene::silent(30_000).with(Noise::Pink, -50.0);
    let pcm_format = FrameFormat::pcm_s16le(SPEECH_RATE_HZ, 1).expect("a rate of PCM");
    let opus_format = FrameFormat::opus(48_000, 1).expect("a rate of Opus");
    let with = |detector, noise_suppression| EarSettings {
        detector,
        noise_suppression,
        ..EarSettings::default()
    };
    println!("\nCPU-ms per second of audio, frames of 20 ms");
    println!("{:30} {:>8} {:>8} {:>8}", "", "talk", "noisy", "silence");
    for (name, format, settings, encode) in [
        (
            "energy, PCM",
            pcm_format,
            with(DetectorKind::Energy, false),
            pcm_frames as fn(&Scene) -> _,
        ),
        (
            "earshot, PCM",
            pcm_format,
            with(DetectorKind::Earshot, false),
            pcm_frames,
        ),
        (
            "gated earshot, PCM",
            pcm_format,
            with(DetectorKind::GatedEarshot, false),
            pcm_frames,
        ),
        (
            "gated earshot, Opus",
            opus_format,
            with(DetectorKind::GatedEarshot, false),
            opus_frames,
        ),
        (
            "gated, suppressed, PCM",
            pcm_format,
            with(DetectorKind::GatedEarshot, true),
            pcm_frames,
        ),
    ] {
        let measured = [(&talk, speech), (&noisy, speech), (&quiet, 30.0)]
            .map(|(scene, seconds)| cpu_ms_per_second(format, settings, &encode(scene), seconds));
        println!(
            "{name:30} {:>8.3} {:>8.3} {:>8.3}",
            measured[0], measured[1], measured[2]
        );
    }
    let pcm_48k = FrameFormat::pcm_s16le(48_000, 2).expect("a rate of PCM");
    let frames = vec![vec![1; 48_000 / 50 * 4]; 500];
    let resampling = cpu_ms_per_second(pcm_48k, EarSettings::default(), &frames, 10.0);
    println!("{:30} {resampling:>26.3}", "48 kHz stereo, PCM");
}

/// What an ear holds after five seconds in which nobody spoke.
fn measure_memory() {
    println!("\nKiB an ear holds while nobody speaks");
    let quiet = Scene::silent(5_000).with(Noise::Pink, -50.0);
    let suppressed = EarSettings {
        noise_suppression: true,
        ..EarSettings::default()
    };
    let pcm_at = |rate_hz| FrameFormat::pcm_s16le(rate_hz, 1).expect("a rate of PCM");
    let opus = FrameFormat::opus(48_000, 1).expect("a rate of Opus");
    for (name, format, settings, frames) in [
        (
            "PCM at 16 kHz",
            pcm_at(16_000),
            EarSettings::default(),
            pcm_frames(&quiet),
        ),
        (
            "PCM at 48 kHz",
            pcm_at(48_000),
            EarSettings::default(),
            vec![vec![1; 1_920]; 250],
        ),
        ("Opus", opus, EarSettings::default(), opus_frames(&quiet)),
        (
            "PCM at 16 kHz, suppressed",
            pcm_at(16_000),
            suppressed,
            pcm_frames(&quiet),
        ),
    ] {
        let before = MEMORY.current_usage();
        let ears: Vec<Ear> = (0..EARS)
            .map(|_| {
                let mut ear = Ear::new(format, settings).expect("the settings are in range");
                let mut events = Vec::new();
                for frame in &frames {
                    ear.push_frame(frame, &mut events).expect("a whole frame");
                }
                ear
            })
            .collect();
        let held = (MEMORY.current_usage() - before) / ears.len() / 1_024;
        println!("{name:30} {held:>8}");
    }
}

fn main() {
    let scenes = scenes();
    let with = |detector, noise_suppression| EarSettings {
        detector,
        noise_suppression,
        ..EarSettings::default()
    };
    report("gated earshot", with(DetectorKind::GatedEarshot, false), &scenes);
    let usual = EarSettings::default();
    report("gated earshot, told that a reply plays", usual, &reply_scenes());
    report(
        "gated earshot, told that a reply plays, which is interrupted",
        usual,
        &interruption_scenes(),
    );
    report("earshot", with(DetectorKind::Earshot, false), &scenes);
    report("energy", with(DetectorKind::Energy, false), &scenes);
    report(
        "gated earshot, noise suppressed",
        with(DetectorKind::GatedEarshot, true),
        &scenes,
    );
    match held_out_scenes() {
        Some(held_out) => {
            let settings = with(DetectorKind::GatedEarshot, false);
            report(
                "gated earshot, sentences and a voice held out",
                settings,
                &held_out,
            );
            let settings = with(DetectorKind::GatedEarshot, true);
            report("the same, noise suppressed", settings, &held_out);
        }
        None => println!("\nno held-out sentences: flite is not installed"),
    }
    measure_cpu();
    measure_memory();
}
