//! Recorded speech in rooms that are made up, and how well an ear did there.

// Each program uses a part of it.
#![allow(dead_code)]

pub mod order;
pub mod score;
pub mod sounds;

use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use bytes::Bytes;
use greenroom_audio::ear::{Ear, EarEvent, EarSettings, FrameFormat};
use greenroom_audio::{DecodeLimits, SPEECH_RATE_HZ, Upload, decode, pcm};

use sounds::{Noise, add_at, decibels, loudness};

/// All recordings but the two that are scenes of their own.
pub const SENTENCES: [&str; 20] = [
    "brief-01-hello",
    "brief-02-name",
    "brief-03-category",
    "brief-04-features",
    "brief-05-price",
    "brief-06-who",
    "brief-07-side-question",
    "brief-08-why",
    "brief-09-channels",
    "brief-10-correction",
    "brief-11-goal",
    "brief-12-video",
    "change-of-mind",
    "let-me-think",
    "no-thank-you",
    "say-again",
    "sounds-great",
    "wait-stop",
    "what-do-you-need",
    "yes",
];
pub const BACKCHANNELS: [&str; 4] = ["uh-huh", "okay", "right", "yes"];
/// What an assistant says for long, and none of the sentences.
const REPLY: [&str; 3] = ["long-story", "brief-13-start", "two-sentences"];
/// How long it takes breath, in milliseconds.
const BREATH_MS: usize = 300;

/// How long nobody speaks between two recordings, in milliseconds: longer than any endpoint delay.
const BETWEEN_MS: usize = 2_500;
/// Frames as most clients send them.
const FRAME_MS: usize = 20;
/// As loud as a person near a good microphone.
const SPEECH_DB: f32 = -23.0;

/// A stream, and where in it somebody speaks.
#[derive(Clone)]
pub struct Scene {
    pub pcm: Vec<i16>,
    pub spoken: Vec<Spoken>,
}

/// A recording in a scene.
#[derive(Clone)]
pub struct Spoken {
    pub name: &'static str,
    /// From the first to the last sound of it.
    pub samples: Range<usize>,
}

pub const fn ms(milliseconds: usize) -> usize {
    milliseconds * SPEECH_RATE_HZ as usize / 1_000
}

/// A recording, as loud as all others.
pub fn recording(name: &str) -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../loadtest/utterances")
        .join(format!("{name}.flac"));
    let file = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    as_loud_as_all(file)
}

/// The speech in a file of any kind that is decoded, as loud as in all others.
pub fn as_loud_as_all(file: Vec<u8>) -> Vec<i16> {
    let decoded = decode(Upload::from(Bytes::from(file)), &DecodeLimits::default(), &|| {
        false
    });
    let pcm = decoded.expect("it is a recording").pcm;
    let spoken = sounding(&pcm);
    let gain = decibels(SPEECH_DB) / loudness(&pcm[spoken]);
    pcm.iter()
        .map(|sample| pcm::sample_to_i16(pcm::sample_to_f32(*sample) * gain))
        .collect()
}

/// From the first to the last block of 5 ms that is not silence.
fn sounding(pcm: &[i16]) -> Range<usize> {
    let block = ms(5);
    let sounds = |block: &[i16]| loudness(block) > decibels(-50.0);
    let first = pcm.chunks(block).position(sounds).expect("it is not silent");
    let last = pcm.chunks(block).rposition(sounds).expect("it is not silent");
    first * block..((last + 1) * block).min(pcm.len())
}

impl Scene {
    /// Recordings one after another, `between_ms` apart.
    pub fn of(names: &[&'static str], between_ms: usize) -> Self {
        let recordings = names.iter().map(|name| (*name, recording(name)));
        Self::of_recordings(recordings, between_ms)
    }

    /// The same of recordings that do not ship.
    pub fn of_recordings(
        recordings: impl IntoIterator<Item = (&'static str, Vec<i16>)>,
        between_ms: usize,
    ) -> Self {
        let mut pcm = vec![0; ms(between_ms)];
        let mut spoken = Vec::new();
        for (name, recording) in recordings {
            let sounding = sounding(&recording);
            spoken.push(Spoken {
                name,
                samples: pcm.len()..pcm.len() + sounding.len(),
            });
            pcm.extend_from_slice(&recording[sounding]);
            pcm.resize(pcm.len() + ms(between_ms), 0);
        }
        Self { pcm, spoken }
    }

    /// All sentences.
    pub fn sentences() -> Self {
        static SENTENCES_ONCE: LazyLock<Scene> = LazyLock::new(|| Scene::of(&SENTENCES, BETWEEN_MS));
        SENTENCES_ONCE.clone()
    }

    /// A room in which nobody speaks.
    pub fn silent(milliseconds: usize) -> Self {
        Self {
            pcm: vec![0; ms(milliseconds)],
            spoken: Vec::new(),
        }
    }

    /// With a noise all through, at this loudness in decibels of full scale.
    pub fn with(mut self, noise: Noise, level_db: f32) -> Self {
        let noise = noise.samples(self.pcm.len());
        let gain = decibels(level_db) / loudness(&noise);
        add_at(&mut self.pcm, 0, &noise, gain);
        self
    }

    /// With a steady noise that speech is so many decibels above.
    pub fn with_snr(self, noise: Noise, snr_db: f32) -> Self {
        self.with(noise, SPEECH_DB - snr_db)
    }

    /// In the middle of a reply that goes on all through, of which so much comes back into the microphone: what an echo
    /// canceller leaves, so many decibels below speech.
    pub fn with_echo(mut self, below_db: f32) -> Self {
        let breath = vec![0; ms(BREATH_MS)];
        let sentences = REPLY.map(|name| {
            let recording = recording(name);
            [&recording[sounding(&recording)], &breath].concat()
        });
        let reply: Vec<i16> = sentences
            .concat()
            .into_iter()
            .cycle()
            .take(self.pcm.len())
            .collect();
        add_at(&mut self.pcm, 0, &reply, decibels(-below_db));
        self
    }

    /// With a sound of its own at each of some places, as loud as speech.
    pub fn with_sounds(mut self, sound: &[i16], places_ms: &[usize]) -> Self {
        let gain = decibels(SPEECH_DB) / loudness(sound);
        for place_ms in places_ms {
            add_at(&mut self.pcm, ms(*place_ms), sound, gain);
        }
        self
    }

    /// What an ear notices of it, in frames of 20 ms at the rate of speech.
    pub fn heard_by(&self, ear: &mut Ear) -> Vec<EarEvent> {
        let mut events = Vec::new();
        for frame in self.pcm.chunks_exact(ms(FRAME_MS)) {
            ear.push_frame(&pcm::to_le_bytes(frame), &mut events)
                .expect("a frame of 20 ms is taken");
        }
        events
    }

    pub fn heard_with(&self, settings: EarSettings) -> Vec<EarEvent> {
        self.heard_by(&mut ear(settings))
    }
}

/// An ear for PCM at the rate of speech.
pub fn ear(settings: EarSettings) -> Ear {
    let format = FrameFormat::pcm_s16le(SPEECH_RATE_HZ, 1).expect("it is a format");
    Ear::new(format, settings).expect("the settings are in range")
}
