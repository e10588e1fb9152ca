//! Speech by rules: text, sounds, a voice. The same request always makes the same samples.
//!
//! It sounds like a machine of 1980, and is no recording of anybody. English is read by letter-to-sound rules, Korean
//! by its letters with the commonest assimilations; other scripts are silent. `pocketsphinx` understands
//! 9 of 31 words of five simple sentences (a word error rate of 71 %): enough to be speech, too little to talk to.

mod english;
mod korean;
mod phones;
mod reading;
mod tract;

use std::str::FromStr;

use phones::{Manner, phone};
use reading::{Part, parts};
use thiserror::Error;
use tract::{Note, Timbre, speak};

/// Characters after which a sentence that does not end is cut at the next space, so that no chunk is without bound.
const SENTENCE_CHARS_MAX: usize = 240;
/// How long a sound that carries no stress lasts, relative to one that does.
const UNSTRESSED: f32 = 0.82;
/// How much longer sounds last than their measure, so that English comes to 12 to 16 characters a second and Korean,
/// whose syllables are more alike, to 4 to 6 syllables.
const ENGLISH_TEMPO: f32 = 1.15;
const KOREAN_TEMPO: f32 = 1.05;
/// How much the last vowel before a pause is drawn out.
const FINAL: f32 = 1.35;
/// The pitch falls from the first of these to the second in a statement, relative to the voice's own.
const DECLINATION: (f32, f32) = (1.12, 0.86);
/// How far the pitch rises at stress, and at the end of a question.
const ACCENT: f32 = 1.09;
const QUESTION: f32 = 1.35;

/// A voice, by the names of OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say all that there is to say")]
pub enum Voice {
    Alloy,
    Ash,
    Coral,
    Echo,
    Fable,
    Nova,
    Onyx,
    Sage,
    Shimmer,
    Verse,
}

/// A voice that nobody has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no voice `{0}`, only alloy, ash, coral, echo, fable, nova, onyx, sage, shimmer and verse")]
pub struct UnknownVoice(pub String);

/// How fast speech is, relative to the voice's own rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(f32);

/// A speed that nobody can follow.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("the speed is {0}; it must be between 0.25 and 4.0")]
pub struct SpeedOutOfRange(pub f32);

/// Speech, sentence by sentence: 24 kHz mono samples, made when they are asked for.
#[derive(Debug, Clone)]
pub struct Speech {
    sentences: std::vec::IntoIter<String>,
    voice: Voice,
    speed: Speed,
}

/// Reads a text aloud.
pub fn synthesise(text: &str, voice: Voice, speed: Speed) -> Speech {
    Speech {
        sentences: sentences(text).into_iter(),
        voice,
        speed,
    }
}

impl Voice {
    /// Every voice.
    pub const ALL: [Self; 10] = [
        Self::Alloy,
        Self::Ash,
        Self::Coral,
        Self::Echo,
        Self::Fable,
        Self::Nova,
        Self::Onyx,
        Self::Sage,
        Self::Shimmer,
        Self::Verse,
    ];

    /// The name that a request uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alloy => "alloy",
            Self::Ash => "ash",
            Self::Coral => "coral",
            Self::Echo => "echo",
            Self::Fable => "fable",
            Self::Nova => "nova",
            Self::Onyx => "onyx",
            Self::Sage => "sage",
            Self::Shimmer => "shimmer",
            Self::Verse => "verse",
        }
    }

    fn timbre(self) -> Timbre {
        let (pitch_hz, throat, rate, breath) = match self {
            Self::Alloy => (150.0, 1.06, 1.0, 0.04),
            Self::Ash => (112.0, 1.0, 1.02, 0.05),
            Self::Coral => (205.0, 1.15, 1.04, 0.05),
            Self::Echo => (120.0, 1.0, 0.98, 0.03),
            Self::Fable => (170.0, 1.08, 1.05, 0.06),
            Self::Nova => (215.0, 1.17, 1.06, 0.04),
            Self::Onyx => (88.0, 0.94, 0.95, 0.04),
            Self::Sage => (190.0, 1.13, 0.96, 0.06),
            Self::Shimmer => (230.0, 1.19, 0.99, 0.08),
            Self::Verse => (130.0, 1.02, 1.0, 0.04),
        };
        Timbre {
            pitch_hz,
            throat,
            rate,
            breath,
        }
    }
}

impl FromStr for Voice {
    type Err = UnknownVoice;

    fn from_str(name: &str) -> Result<Self, UnknownVoice> {
        let named = Self::ALL.into_iter().find(|voice| voice.name() == name);
        named.ok_or_else(|| UnknownVoice(name.to_owned()))
    }
}

impl Speed {
    /// The voice's own rate.
    pub const NORMAL: Self = Self(1.0);

    /// A speed between 0.25 and 4.0.
    pub fn new(speed: f32) -> Result<Self, SpeedOutOfRange> {
        if (0.25..=4.0).contains(&speed) {
            Ok(Self(speed))
        } else {
            Err(SpeedOutOfRange(speed))
        }
    }
}

impl Iterator for Speech {
    type Item = Vec<i16>;

    fn next(&mut self) -> Option<Vec<i16>> {
        let sentence = self.sentences.next()?;
        let timbre = self.voice.timbre();
        Some(speak(&notes(&sentence, timbre.rate * self.speed.0), timbre))
    }
}

/// The sentences of a text, each with the mark that ends it.
fn sentences(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut sentence = String::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        sentence.push(char);
        let at_gap = chars.peek().is_none_or(|next| next.is_whitespace());
        let ends = matches!(char, '\n' | '。' | '！' | '？') || (matches!(char, '.' | '!' | '?') && at_gap);
        let is_long = at_gap && sentence.chars().count() >= SENTENCE_CHARS_MAX;
        if ends || is_long {
            sentences.push(std::mem::take(&mut sentence));
        }
    }
    sentences.push(sentence);
    sentences.retain(|sentence| !parts(sentence).is_empty());
    sentences
}

/// The sounds of a sentence with their lengths and pitches.
fn notes(sentence: &str, rate: f32) -> Vec<Note> {
    let parts = parts(sentence);
    let is_question = sentence.trim_end().ends_with(['?', '？']);
    let words = parts.len().max(1) as f32;
    let mut notes: Vec<Note> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let at = index as f32 / words;
        let falling = DECLINATION.0 + (DECLINATION.1 - DECLINATION.0) * at;
        match part {
            Part::Word(sounds) => push_word(&mut notes, sounds, falling),
            Part::Pause => push_pause(&mut notes, ","),
        }
    }
    if is_question && let Some(last) = last_vowel(&mut notes) {
        last.pitch *= QUESTION;
    }
    push_pause(&mut notes, ".");
    let in_korean = sentence.chars().any(korean::is_syllable);
    let tempo = if in_korean { KOREAN_TEMPO } else { ENGLISH_TEMPO };
    for note in &mut notes {
        note.duration_ms *= tempo / rate;
    }
    notes
}

/// A word with its stress on the first vowel that can carry one.
fn push_word(notes: &mut Vec<Note>, sounds: &[&'static str], pitch: f32) {
    let can_carry =
        |sound: &&&str| **sound != "AX" && phone(sound).is_some_and(|phone| phone.manner == Manner::Vowel);
    let is_short = sounds.len() <= 3;
    let mut stressed = sounds.iter().find(can_carry).filter(|_| !is_short);
    for sound in sounds {
        let phone = phone(sound).expect("rules name sounds that exist; a test reads them all");
        let is_stressed = stressed.is_some_and(|stressed| std::ptr::eq(stressed, sound));
        let (longer, higher) = if is_stressed {
            (1.0, ACCENT)
        } else {
            (UNSTRESSED, 1.0)
        };
        if is_stressed {
            stressed = None;
        }
        notes.push(Note {
            phone,
            duration_ms: phone.duration_ms * longer,
            pitch: pitch * higher,
        });
    }
}

fn push_pause(notes: &mut Vec<Note>, mark: &str) {
    if let Some(last) = last_vowel(notes) {
        last.duration_ms *= FINAL;
    }
    let phone = phone(mark).expect("both pauses are among the sounds");
    let pitch = notes.last().map_or(1.0, |note| note.pitch);
    notes.push(Note {
        phone,
        duration_ms: phone.duration_ms,
        pitch,
    });
}

fn last_vowel(notes: &mut [Note]) -> Option<&mut Note> {
    notes
        .iter_mut()
        .rev()
        .find(|note| note.phone.manner == Manner::Vowel)
}
