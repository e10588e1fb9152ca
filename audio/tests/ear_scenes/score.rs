//! How well an ear did in a scene.

use greenroom_audio::SPEECH_RATE_HZ;
use greenroom_audio::ear::{EarEvent, EndReason, Utterance};

use super::{Scene, Spoken, ms};

/// Sounds so near to a recording belong to it.
const NEAR: usize = ms(300);

/// What was found, missed, and made up.
#[derive(Debug, Default, PartialEq)]
pub struct Score {
    pub spoken: usize,
    /// Recordings at which speech was noticed.
    pub onsets: usize,
    /// Times that speech was noticed where there was none.
    pub false_onsets: usize,
    /// Recordings of which the last utterance ended after them, and before the next.
    pub endpoints: usize,
    /// Utterances where nobody spoke.
    pub false_utterances: usize,
    /// Times that an end was decided before the recording was over.
    pub cut_offs: usize,
    /// Utterances that are more than one recording.
    pub merged: usize,
    /// From the first sound to the notice of it, sorted.
    pub onset_delays_ms: Vec<i64>,
    /// From the last sound to the decision, sorted.
    pub endpoint_delays_ms: Vec<i64>,
    /// How much later than the last sound the ear thinks that the speech ended, sorted.
    pub end_errors_ms: Vec<i64>,
    /// How much of each recording is in no utterance, at its beginning and at its end, the worst of all.
    pub lost_head_ms: i64,
    pub lost_tail_ms: i64,
}

/// Where an utterance lies, in samples.
struct Heard<'a> {
    utterance: &'a Utterance,
    began: usize,
    ended: usize,
}

impl Score {
    pub fn of(scene: &Scene, events: &[EarEvent]) -> Self {
        let mut score = Self {
            spoken: scene.spoken.len(),
            ..Self::default()
        };
        score.rate_onsets(scene, events);
        score.rate_utterances(scene, events);
        score.onset_delays_ms.sort_unstable();
        score.endpoint_delays_ms.sort_unstable();
        score.end_errors_ms.sort_unstable();
        score
    }

    fn rate_onsets(&mut self, scene: &Scene, events: &[EarEvent]) {
        let mut noticed = vec![None; scene.spoken.len()];
        for event in events {
            let EarEvent::SpeechStarted { at, began_at } = event else {
                continue;
            };
            let (at, began) = (place(at.samples()), place(began_at.samples()));
            match scene.spoken.iter().position(|spoken| is_near(spoken, began, at)) {
                Some(index) => {
                    noticed[index].get_or_insert(at);
                }
                None => self.false_onsets += 1,
            }
        }
        for (spoken, at) in scene.spoken.iter().zip(&noticed) {
            if let Some(at) = at {
                self.onsets += 1;
                self.onset_delays_ms.push(to_ms(spoken.samples.start, *at));
            }
        }
    }

    fn rate_utterances(&mut self, scene: &Scene, events: &[EarEvent]) {
        let heard: Vec<Heard<'_>> = events
            .iter()
            .filter_map(|event| match event {
                EarEvent::Utterance(utterance) => Some(Heard {
                    utterance,
                    began: place(utterance.began_at.samples()),
                    ended: place(utterance.ended_at.samples()),
                }),
                EarEvent::SpeechStarted { .. }
                | EarEvent::SpeechPaused { .. }
                | EarEvent::SpeechResumed { .. }
                | EarEvent::Dropped { .. } => None,
            })
            .collect();
        for utterance in &heard {
            let spoken = scene.spoken.iter();
            match spoken
                .filter(|spoken| is_near(spoken, utterance.began, utterance.ended))
                .count()
            {
                0 => self.false_utterances += 1,
                1 => {}
                _ => self.merged += 1,
            }
        }
        for (index, spoken) in scene.spoken.iter().enumerate() {
            let of_it: Vec<&Heard<'_>> = heard
                .iter()
                .filter(|heard| is_near(spoken, heard.began, heard.ended))
                .collect();
            let next = scene
                .spoken
                .get(index + 1)
                .map_or(scene.pcm.len(), |next| next.samples.start);
            self.rate_recording(spoken, next, &of_it);
        }
    }

    fn rate_recording(&mut self, spoken: &Spoken, next: usize, of_it: &[&Heard<'_>]) {
        let (Some(first), Some(last)) = (of_it.first(), of_it.last()) else {
            return;
        };
        self.cut_offs += of_it
            .iter()
            .filter(|heard| {
                heard.utterance.reason == EndReason::Silence
                    && place(heard.utterance.at.samples()) < spoken.samples.end
            })
            .count();
        let decided = place(last.utterance.at.samples());
        if (spoken.samples.end..next).contains(&decided) {
            self.endpoints += 1;
            self.endpoint_delays_ms.push(to_ms(spoken.samples.end, decided));
            self.end_errors_ms.push(to_ms(spoken.samples.end, last.ended));
        }
        let pcm_from = place(first.utterance.pcm_from.samples());
        let pcm_to = place(last.utterance.pcm_from.samples()) + last.utterance.pcm.len();
        self.lost_head_ms = self.lost_head_ms.max(to_ms(spoken.samples.start, pcm_from));
        self.lost_tail_ms = self.lost_tail_ms.max(to_ms(pcm_to, spoken.samples.end));
    }

    /// One line of a table.
    pub fn row(&self) -> String {
        format!(
            "{:>3}/{:<3} {:>5} {:>5}/{:<3} {:>5} {:>6} {:>6} {:>5}/{:<5} {:>5}/{:<5} {:>5}/{:<5} {:>4}/{:<4}",
            self.onsets,
            self.spoken,
            self.false_onsets,
            self.endpoints,
            self.spoken,
            self.false_utterances,
            self.cut_offs,
            self.merged,
            quantile(&self.onset_delays_ms, 50),
            quantile(&self.onset_delays_ms, 95),
            quantile(&self.endpoint_delays_ms, 50),
            quantile(&self.endpoint_delays_ms, 95),
            quantile(&self.end_errors_ms, 5),
            quantile(&self.end_errors_ms, 95),
            self.lost_head_ms,
            self.lost_tail_ms,
        )
    }

    pub const HEADER: &str =
        "onsets  false ends found false   cuts merged onset p50/95 delay p50/95 end err 5/95 lost h/t";
}

/// The nearest rank of a sorted list; 0 of an empty one.
pub fn quantile(sorted: &[i64], percent: usize) -> i64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

fn is_near(spoken: &Spoken, from: usize, to: usize) -> bool {
    from < spoken.samples.end + NEAR && to + NEAR > spoken.samples.start
}

fn place(samples: u64) -> usize {
    usize::try_from(samples).expect("a scene fits in memory")
}

/// How many milliseconds one place is after another; below zero if it is before.
fn to_ms(from: usize, to: usize) -> i64 {
    let samples = i64::try_from(to).expect("a place") - i64::try_from(from).expect("a place");
    samples * 1_000 / i64::from(SPEECH_RATE_HZ)
}
