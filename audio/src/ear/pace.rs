//! How long a speaker pauses within a thought, and so how long a silence must be to be its end.

use std::collections::VecDeque;

/// How many utterances are remembered: speakers change their pace within a conversation.
const UTTERANCES_REMEMBERED: usize = 16;
/// Of ten utterances, nine are not to be cut in a pause.
const QUANTILE_TENTHS: usize = 9;
/// What is added to the pauses that were observed: the next one may be a little longer.
const MARGIN_MS: u32 = 150;
/// How many utterances the delay at first counts for: it falls slowly, by evidence.
const INITIAL_WEIGHT: u32 = 3;

/// The pauses of one speaker, as far as they are known. Hand it on to the next [`super::Ear`] of the same session.
///
/// The rule: of each of the last 16 utterances the *longest pause within it* is remembered, 0 if there was none, since
/// one pause that is taken for the end cuts the utterance. The learned delay is the ninth decile of these (nearest rank)
/// plus 150 ms. A learned delay above the initial one counts at once; one below it is mixed with the initial one, which
/// weighs as much as three utterances. So the delay grows with one cut and falls only by evidence. Within an utterance, a
/// pause that is longer than all before counts already for its next one. The result stays between the floor and the
/// ceiling of the settings.
///
/// An utterance that was cut does not look like one: its pause became its end. But if speech goes on soon after (within
/// 1.2 s of the real end, before an answer could have been heard), the end was wrong, and the whole gap is remembered as
/// that utterance's longest pause.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpeakerPace {
    longest_pauses_ms: VecDeque<u32>,
}

impl SpeakerPace {
    /// Of how many utterances the pauses are known; at most 16.
    pub fn utterances(&self) -> usize {
        self.longest_pauses_ms.len()
    }

    /// An utterance ended whose longest pause was this.
    pub(super) fn observe(&mut self, longest_pause_ms: u32) {
        if self.longest_pauses_ms.len() == UTTERANCES_REMEMBERED {
            self.longest_pauses_ms.pop_front();
        }
        self.longest_pauses_ms.push_back(longest_pause_ms);
    }

    /// The last utterance was none: it went on after this gap.
    pub(super) fn observe_cut(&mut self, gap_ms: u32) {
        if let Some(last) = self.longest_pauses_ms.back_mut() {
            *last = gap_ms.max(*last);
        }
    }

    /// How long a silence must be, in milliseconds, not yet bounded, if `initial_ms` is what holds for an unknown speaker.
    pub(super) fn delay_ms(&self, initial_ms: u32) -> u32 {
        let Some(usual_ms) = self.usual_pause_ms() else {
            return initial_ms;
        };
        let learned_ms = usual_ms + MARGIN_MS;
        if learned_ms >= initial_ms {
            return learned_ms;
        }
        let weight = u32::try_from(self.utterances()).unwrap_or(u32::MAX);
        (INITIAL_WEIGHT * initial_ms + weight * learned_ms) / (INITIAL_WEIGHT + weight)
    }

    /// How long a silence must be after a pause of `pause_ms` in the same utterance.
    pub(super) fn delay_after_ms(pause_ms: u32) -> u32 {
        pause_ms + MARGIN_MS
    }

    fn usual_pause_ms(&self) -> Option<u32> {
        let mut sorted: Vec<u32> = self.longest_pauses_ms.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * QUANTILE_TENTHS).div_ceil(10);
        sorted.get(rank.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_at_once_and_falls_by_evidence() {
        for (pauses_ms, delay_ms) in [
            (vec![], 700),
            // (3 × 700 + 1 × 150) / 4
            (vec![0], 562),
            (vec![0; 16], 236),
            (vec![200; 16], 405),
            (vec![800], 950),
            (vec![0, 0, 0, 800], 950),
            // One of sixteen is beyond the ninth decile, two are not.
            ([vec![0; 15], vec![800]].concat(), 236),
            ([vec![0; 14], vec![800; 2]].concat(), 950),
            // Only the last sixteen are remembered.
            ([vec![900; 20], vec![200; 16]].concat(), 405),
        ] {
            let mut pace = SpeakerPace::default();
            for pause_ms in &pauses_ms {
                pace.observe(*pause_ms);
            }
            assert_eq!(pace.delay_ms(700), delay_ms, "{pauses_ms:?}");
        }
    }

    #[test]
    fn a_cut_is_a_pause_of_the_utterance_that_it_cut() {
        let mut pace = SpeakerPace::default();
        pace.observe_cut(900);
        assert_eq!(pace, SpeakerPace::default());
        pace.observe(100);
        pace.observe_cut(900);
        assert_eq!(pace.utterances(), 1);
        assert_eq!(pace.delay_ms(700), 1_050);
    }
}
