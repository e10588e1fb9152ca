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
/// How long it has been speaking when it is interrupted, how soon it stops, and how long after that it may still be heard.
const REPLY_BEFORE_MS: usize = 2_000;
const REPLY_STOPS_MS: usize = 500;
const REPLY_TAIL_MS: usize = 300;

/// So far below speech is an echo that nobody hears: that of headphones.
pub const NO_ECHO_DB: f32 = 200.0;

/// How long nobody speaks between two recordings, in milliseconds: longer than any endpoint delay.
const BETWEEN_MS: usize = 2_500;
/// Frames as most clients send them.
const FRAME_MS: usize = 20;
/// As loud as a person near a good microphone.
const SPEECH_DB: f32 = -23.0;

static REPLY_ONCE: LazyLock<Vec<i16>> = LazyLock::new(|| {
    let breath = vec![0; ms(BREATH_MS)];
    let sentences = REPLY.map(|name| {
        let recording = recording(name);
        [&recording[sounding(&recording)], &breath].concat()
    });
    sentences.concat()
});

/// A stream, and where in it somebody speaks.
#[derive(Clone)]
pub struct Scene {
    pub pcm: Vec<i16>,
    pub spoken: Vec<Spoken>,
    /// Where the ear is told that a reply plays.
    pub replies: Vec<Range<usize>>,
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
        Self {
            pcm,
            spoken,
            replies: Vec::new(),
        }
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
            replies: Vec::new(),
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
    /// canceller leaves, so many decibels below speech. The ear is not told.
    pub fn with_echo(mut self, below_db: f32) -> Self {
        let all = 0..self.pcm.len();
        self.add_echo(all, |_| below_db);
        self
    }

    /// The same, and the ear is told.
    pub fn in_reply(self, below_db: f32) -> Self {
        self.in_reply_from(0, |_| below_db)
    }

    /// The same from a place on, with an echo whose loudness changes with the time since then, in seconds.
    pub fn in_reply_from(mut self, place: usize, below_db: impl Fn(f32) -> f32) -> Self {
        let reply = place..self.pcm.len();
        self.add_echo(reply.clone(), below_db);
        self.replies.push(reply);
        self
    }

    /// With a reply before every second recording that is interrupted by it, and stops half a second later.
    pub fn interrupting(mut self, below_db: f32) -> Self {
        for index in (1..self.spoken.len()).step_by(2) {
            let interrupted = self.spoken[index].samples.start;
            let begin = interrupted - ms(REPLY_BEFORE_MS);
            let end = interrupted + ms(REPLY_STOPS_MS);
            self.add_echo(begin..end, |_| below_db);
            self.replies.push(begin..end + ms(REPLY_TAIL_MS));
        }
        self
    }

    /// With every second recording so many decibels softer than the others.
    pub fn every_second_softer(mut self, by_db: f32) -> Self {
        for spoken in self.spoken.iter().skip(1).step_by(2) {
            for sample in &mut self.pcm[spoken.samples.clone()] {
                *sample = pcm::sample_to_i16(pcm::sample_to_f32(*sample) * decibels(-by_db));
            }
        }
        self
    }

    fn add_echo(&mut self, place: Range<usize>, below_db: impl Fn(f32) -> f32) {
        let reply = REPLY_ONCE.iter().cycle().take(place.len());
        for (index, sample) in reply.enumerate() {
            let passed_s = pcm::duration_of(index, SPEECH_RATE_HZ).as_secs_f32();
            let gain = decibels(-below_db(passed_s));
            add_at(&mut self.pcm, place.start + index, &[*sample], gain);
        }
    }

    /// With everything in it so many decibels quieter: a microphone far away.
    pub fn quieter(mut self, by_db: f32) -> Self {
        let gain = decibels(-by_db);
        for sample in &mut self.pcm {
            *sample = pcm::sample_to_i16(pcm::sample_to_f32(*sample) * gain);
        }
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
        for (index, frame) in self.pcm.chunks_exact(ms(FRAME_MS)).enumerate() {
            let place = index * ms(FRAME_MS);
            ear.set_reply_playing(self.replies.iter().any(|reply| reply.contains(&place)));
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
