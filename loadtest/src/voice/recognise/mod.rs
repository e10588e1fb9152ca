//! Finds out which known recording is heard, by its sound.
//!
//! A recording is cut into 10 ms frames and 20 mel bands between 120 and 3,600 Hz, which telephones, sound cards and
//! codecs all keep. Each frame becomes 12 cepstral coefficients with their slopes; each of these has mean 0 and variance
//! 1 over the utterance, so that neither loudness nor microphone matter. Two utterances are aligned by dynamic time
//! warping within a narrow band, and their distance is that of the 250 ms in which they differ most: the mean of the
//! whole cannot tell `sales this week` from `sales this month`.
//!
//! While it is being heard, an utterance is followed: what begins like one of the recordings is taken for it, and its words
//! are told once they have been said. In all that the first table lists, 23 of the 26 are followed, and none is taken for
//! another; the other three are over before they can be told apart.
//!
//! What is said together is found by its pauses: the longest run of sounds that is a known utterance counts as it, and
//! sounds that are none leave no word.
//!
//! Measured on the 26 recordings that ship (`cargo nextest run -p greenroom-loadtest voice_recognition --no-capture`
//! prints it anew); the threshold of [`DISTANCE_MAX`] lies where a true match has as much room as the nearest sentence
//! of the same voice that is not shipped:
//!
//! | what was heard | worst true match |
//! |---|---|
//! | as it ships; at 8, 44.1 and 48 kHz; 20 dB softer | 0.00 to 0.09 |
//! | MP3 at 32 kbit/s | 0.14 |
//! | in white noise at 20 dB | 0.14 |
//! | with silence around it | 0.23 |
//! | Opus at 32 kbit/s, 48 kHz | 0.43 |
//! | 6 dB louder, clipped | 0.58 |
//! | Opus at 16 kbit/s, 16 kHz | 0.60 |
//! | 8 kHz, noise at 25 dB, 12 dB softer, then Opus at 16 kbit/s | 0.63 |
//! | **threshold** | **0.70** |
//!
//! | what was heard | best false match |
//! |---|---|
//! | *guess* for *yes*, the same voice | 0.73 |
//! | *yet* for *yes*, the same voice | 0.86 |
//! | speech backwards | 0.90 |
//! | noise, tones, music | 0.95 |
//! | a sentence that differs in one word, the same voice | 0.98 |
//! | the sentence itself by another voice | 1.01 |
//! | each recording when it is not known itself | 1.14 |

mod alignment;
mod fingerprint;
mod following;
mod spectrum;

use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::utterances::{Utterance, shipped};
use fingerprint::Fingerprint;
use following::{Beginnings, Follower};
pub use spectrum::HeardRate;
use spectrum::{FRAME_MS, Listener, Spectrum};

/// The largest distance at which a recording is recognised; see the tables of this module.
pub const DISTANCE_MAX: f32 = 0.7;

/// A known utterance that was heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The id of the utterance.
    pub id: String,
    /// What it says.
    pub text: String,
    /// How far what was heard is from the recording that ships: 0 is the same.
    pub distance: f32,
    /// Where it begins in what was heard.
    pub from: Duration,
    /// Where it ends.
    pub until: Duration,
}

/// What was recognised, in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transcript {
    /// The utterances; empty when nothing that was heard is known.
    pub heard: Vec<Heard>,
}

impl Transcript {
    /// The texts of all utterances, joined by spaces.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.heard.iter().map(|heard| heard.text.as_str()).collect();
        texts.join(" ")
    }
}

/// Knows utterances by their sound. Making one takes the time to listen to all of them; cloning costs nothing.
#[derive(Debug, Clone)]
pub struct Recogniser {
    known: Vec<Arc<Known>>,
}

#[derive(Debug)]
struct Known {
    id: String,
    text: String,
    fingerprint: Fingerprint,
    beginnings: Beginnings,
}

/// An utterance, or several, while it is being said.
pub struct Listening {
    recogniser: Recogniser,
    listener: Listener,
    follower: Follower,
    samples: u64,
    rate: HeardRate,
}

impl Recogniser {
    /// Knows the recordings that ship with the project. They are listened to once per process.
    pub fn of_shipped() -> Self {
        static SHIPPED: LazyLock<Recogniser> = LazyLock::new(|| Recogniser::of(shipped()));
        SHIPPED.clone()
    }

    /// Knows these utterances.
    pub fn of(utterances: &[Utterance]) -> Self {
        let known = utterances.iter().filter_map(|utterance| {
            let spectrum = Spectrum::of(&utterance.pcm());
            Some(Arc::new(Known {
                id: utterance.id.clone(),
                text: utterance.text.clone(),
                fingerprint: Fingerprint::of(&spectrum, 0..spectrum.frames.len())?,
                beginnings: Beginnings::of(&spectrum, &utterance.text),
            }))
        });
        Self {
            known: known.collect(),
        }
    }

    /// The same without one utterance.
    #[must_use]
    pub fn without(mut self, id: &str) -> Self {
        self.known.retain(|known| known.id != id);
        self
    }

    /// What a recording says, 16 kHz mono.
    pub fn recognise(&self, pcm: &[i16]) -> Transcript {
        self.recognise_spectrum(&Spectrum::of(pcm))
    }

    /// Begins to listen to somebody who has yet to speak.
    pub fn listen(&self, rate: HeardRate) -> Listening {
        Listening {
            recogniser: self.clone(),
            listener: Listener::new(rate),
            follower: Follower::new(&self.known),
            samples: 0,
            rate,
        }
    }

    fn recognise_spectrum(&self, spectrum: &Spectrum) -> Transcript {
        let sounds = spectrum.sounds_in(0..spectrum.frames.len());
        let longest = self
            .known
            .iter()
            .map(|known| known.fingerprint.frames.len())
            .max();
        let may_be_known = |range: &Range<usize>| {
            longest
                .is_some_and(|longest| range.len() <= longest || alignment::may_be_same(range.len(), longest))
        };
        let mut heard = Vec::new();
        let mut first = 0;
        while first < sounds.len() {
            // An utterance may have pauses in it, so the longest run of sounds that is one is taken for it.
            let matched = (first..sounds.len()).rev().find_map(|last| {
                let range = Some(sounds[first].start..sounds[last].end).filter(may_be_known)?;
                let (known, distance) = self.nearest_in(spectrum, range.clone())?;
                (distance <= DISTANCE_MAX).then(|| (last, known.heard(distance, range)))
            });
            first = match matched {
                Some((last, utterance)) => {
                    heard.push(utterance);
                    last + 1
                }
                None => first + 1,
            };
        }
        Transcript { heard }
    }

    /// The utterance that a recording as a whole comes nearest to, however far it is; none when no utterance lasts as
    /// long, or nothing is heard.
    pub fn nearest(&self, pcm: &[i16]) -> Option<(&str, f32)> {
        let spectrum = Spectrum::of(pcm);
        let (known, distance) = self.nearest_in(&spectrum, 0..spectrum.frames.len())?;
        Some((&known.id, distance))
    }

    fn nearest_in(&self, spectrum: &Spectrum, range: Range<usize>) -> Option<(&Known, f32)> {
        let frames = spectrum.trimmed(range.clone()).len();
        let candidates = |known: &&Arc<Known>| alignment::may_be_same(frames, known.fingerprint.frames.len());
        let mut candidates = self.known.iter().filter(candidates).peekable();
        candidates.peek()?;
        let fingerprint = Fingerprint::of(spectrum, range)?;
        candidates
            .filter_map(|known| {
                let distance = alignment::distance(&fingerprint, &known.fingerprint)?;
                Some((known.as_ref(), distance))
            })
            .min_by(|(_, left), (_, right)| left.total_cmp(right))
    }
}

impl Listening {
    /// Hears the next samples.
    pub fn hear(&mut self, pcm: &[i16]) {
        self.samples += pcm.len() as u64;
        self.listener.hear(pcm);
    }

    /// What has been said for at least `lag`, as far as it is known. What this returned before it only ever goes on from,
    /// and it is nearly always how [`Self::finish`] begins.
    pub fn said(&mut self, lag: Duration) -> &str {
        self.follower.follow(self.listener.so_far(), lag)
    }

    /// How much was heard.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.samples * 1_000_000 / u64::from(self.rate.hz()))
    }

    /// What was said.
    pub fn finish(self) -> Transcript {
        self.recogniser.recognise_spectrum(&self.listener.finish())
    }
}

impl Known {
    fn heard(&self, distance: f32, frames: Range<usize>) -> Heard {
        let at = |frame: usize| Duration::from_millis(frame as u64 * u64::from(FRAME_MS));
        Heard {
            id: self.id.clone(),
            text: self.text.clone(),
            distance,
            from: at(frames.start),
            until: at(frames.end),
        }
    }
}
