//! Follows an utterance while it is being said: which known recording begins like it, and how much of that has been said.
//!
//! At certain lengths the beginning of what is heard is held against the beginnings of all recordings that are still in
//! question. Words are only said that every recording which may still be meant has in common, and words that were said
//! are never taken back.

use std::sync::Arc;
use std::time::Duration;

use super::alignment;
use super::fingerprint::Fingerprint;
use super::spectrum::{FRAME_MS, Spectrum};
use super::{DISTANCE_MAX, Known};

/// The first beginning that is held against others (600 ms); shorter ones are too much alike.
const FIRST_FRAMES: usize = 60;
/// How much longer each following one is (200 ms).
const STEP_FRAMES: usize = 20;
/// Beginnings beyond this (6 s) are not compared: by then there is one recording in question, or none.
const COMPARED_FRAMES_MAX: usize = 600;
/// How much has to be heard before it is looked at again (50 ms).
const LOOK_FRAMES: usize = 5;
/// A recording that is farther than this is out of question. Beginnings differ more than whole utterances do, whose
/// features are brought to the same mean and variance.
const CANDIDATE_DISTANCE_MAX: f32 = 1.0;
/// A recording that is farther than the nearest by more than this is not meant.
const RIVAL_DISTANCE: f32 = 0.3;

/// What is remembered of a known recording so that its beginning is recognised.
#[derive(Debug)]
pub(super) struct Beginnings {
    /// The fingerprints of its beginnings, shortest first.
    fingerprints: Vec<Fingerprint>,
    frames: usize,
    /// Its words, and the frame at which each has been said.
    words: Vec<(String, usize)>,
}

impl Beginnings {
    pub(super) fn of(spectrum: &Spectrum, text: &str) -> Self {
        let whole = spectrum.trimmed(0..spectrum.frames.len());
        let frames = whole.len();
        let beginning = |length: usize| Fingerprint::of(spectrum, whole.start..whole.start + length);
        let lengths = (FIRST_FRAMES..=frames.min(COMPARED_FRAMES_MAX)).step_by(STEP_FRAMES);
        Self {
            fingerprints: lengths.map_while(beginning).collect(),
            frames,
            words: words(text, frames),
        }
    }
}

/// The words of a text, spread over its time by their length.
fn words(text: &str, frames: usize) -> Vec<(String, usize)> {
    let letters: usize = text.split_whitespace().map(|word| word.chars().count()).sum();
    let mut passed = 0;
    text.split_whitespace()
        .map(|word| {
            passed += word.chars().count();
            (word.to_owned(), frames * passed / letters)
        })
        .collect()
}

/// What is known of the utterances in a recording that is still being heard.
#[derive(Debug)]
pub(super) struct Follower {
    known: Vec<Arc<Known>>,
    /// The utterance that is being said, or has yet to begin.
    current: Current,
    /// What has been said, current utterance included.
    said: String,
    /// The frames that have to be there before they are looked at again.
    next_look: usize,
}

#[derive(Debug)]
struct Current {
    /// The frame from which on it is looked for.
    from: usize,
    /// Recordings that may still be meant, as indices.
    candidates: Vec<usize>,
    /// Beginnings that were compared.
    compared: usize,
    belief: Option<Belief>,
    /// How many of its words have been said.
    words_said: usize,
}

/// What is taken to be said.
#[derive(Debug, Clone, Copy)]
struct Belief {
    /// The recording that comes nearest.
    known: usize,
    /// How many of its words begin every recording that may be meant.
    words_certain: usize,
}

impl Current {
    fn from(from: usize, known: &[Arc<Known>]) -> Self {
        Self {
            from,
            candidates: (0..known.len()).collect(),
            compared: 0,
            belief: None,
            words_said: 0,
        }
    }
}

impl Follower {
    pub(super) fn new(known: &[Arc<Known>]) -> Self {
        Self {
            known: known.to_vec(),
            current: Current::from(0, known),
            said: String::new(),
            next_look: FIRST_FRAMES,
        }
    }

    /// What has been said for at least so long, given all that was heard so far. Only ever grows.
    pub(super) fn follow(&mut self, heard: &Spectrum, lag: Duration) -> &str {
        if heard.frames.len() < self.next_look {
            return &self.said;
        }
        self.next_look = heard.frames.len() + LOOK_FRAMES;
        let sounds = heard.sounds_in(self.current.from..heard.frames.len());
        let Some(start) = sounds.first().map(|sound| sound.start) else {
            return &self.said;
        };
        let length = heard.frames.len() - start;
        self.compare(heard, start, length);
        let lag_frames = (lag.as_millis() / u128::from(FRAME_MS)) as usize;
        self.say(length.saturating_sub(lag_frames));
        let ends = match self.current.belief {
            Some(belief) => start + self.known[belief.known].beginnings.frames,
            None if self.current.candidates.is_empty() => sounds.first().map_or(start, |sound| sound.end),
            None => return &self.said,
        };
        // A sound that begins after the end belongs to another utterance.
        if let Some(next) = sounds.iter().find(|sound| sound.start >= ends) {
            self.say(usize::MAX);
            self.current = Current::from(next.start, &self.known);
        }
        &self.said
    }

    /// Holds what was heard against the beginnings of as many frames.
    fn compare(&mut self, heard: &Spectrum, start: usize, length: usize) {
        let current = &mut self.current;
        while !current.candidates.is_empty() {
            let frames = FIRST_FRAMES + current.compared * STEP_FRAMES;
            if frames > length || frames > COMPARED_FRAMES_MAX {
                return;
            }
            let Some(beginning) = Fingerprint::of(heard, start..start + frames) else {
                return;
            };
            let mut near: Vec<(f32, usize)> = Vec::new();
            for &candidate in &current.candidates {
                let Some(distance) = self.known[candidate]
                    .beginnings
                    .distance(current.compared, &beginning)
                else {
                    continue;
                };
                if distance <= CANDIDATE_DISTANCE_MAX {
                    near.push((distance, candidate));
                }
            }
            current.compared += 1;
            // One that has come to its end by now is no longer compared, and stays what was said.
            let has_ended = current
                .belief
                .is_some_and(|belief| self.known[belief.known].beginnings.frames < frames);
            if near.is_empty() && has_ended {
                return;
            }
            current.candidates = near.iter().map(|(_, candidate)| *candidate).collect();
            current.belief = belief(&self.known, &near);
        }
    }

    /// Says the words of what is believed that are over by a frame.
    fn say(&mut self, frame: usize) {
        let Some(belief) = self.current.belief else {
            return;
        };
        let words = &self.known[belief.known].beginnings.words;
        let certain = &words[..belief.words_certain];
        for (word, ends) in certain.iter().skip(self.current.words_said) {
            if *ends > frame {
                return;
            }
            if !self.said.is_empty() {
                self.said.push(' ');
            }
            self.said.push_str(word);
            self.current.words_said += 1;
        }
    }
}

impl Beginnings {
    /// How far a beginning is from this recording's; none once the recording has come to its end.
    fn distance(&self, index: usize, heard: &Fingerprint) -> Option<f32> {
        let beginning = self.fingerprints.get(index)?;
        alignment::distance(heard, beginning)
    }
}

/// The nearest recording, as far as those that are nearly as near begin with the same words.
fn belief(known: &[Arc<Known>], near: &[(f32, usize)]) -> Option<Belief> {
    let (least, nearest) = near
        .iter()
        .min_by(|(left, _), (right, _)| left.total_cmp(right))
        .filter(|(least, _)| *least <= DISTANCE_MAX)?;
    let words = &known[*nearest].beginnings.words;
    let rivals = near
        .iter()
        .filter(|(distance, _)| *distance <= least + RIVAL_DISTANCE);
    let in_common = rivals.map(|(_, rival)| {
        let theirs = known[*rival].beginnings.words.iter();
        let same = words
            .iter()
            .zip(theirs)
            .take_while(|((ours, _), (theirs, _))| ours == theirs);
        same.count()
    });
    Some(Belief {
        known: *nearest,
        words_certain: in_common.min().unwrap_or(0),
    })
}
