//! How long words take to say.

use greenroom_protocol::Millis;

use super::ending::is_terminator;
use super::speakable::spoken_chars;
use crate::extractor::lexis::{is_alphanumeric, is_hangul};

/// A Korean syllable at six to the second.
const SYLLABLE_MS: u64 = 165;
/// A Latin letter at 16 to the second, the blanks between words included.
const LETTER_MS: u64 = 66;
/// A digit: `39,000` is five syllables in English and four in Korean.
const DIGIT_MS: u64 = 220;
/// A sign that is read as a word: `%`, `$`, `&`.
const SIGN_MS: u64 = 300;
/// The pause of a comma.
const COMMA_MS: u64 = 180;
/// The pause after a sentence.
const SENTENCE_END_MS: u64 = 300;

/// What a voice is taken to have said at the natural pace before anything was heard of it, so that one odd sentence
/// does not mislead.
const PRIOR_MS: u64 = 3_000;
/// What has been observed counts half from here on: voices change with the language, and mid-session.
const REMEMBERED_MS_MAX: u64 = 60_000;
/// No voice is so much slower or faster than natural; what is observed beyond is a fault of the sound.
const PACE_FACTOR_MAX: u64 = 4;

/// How fast a voice speaks, learnt from what it has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeakingPace {
    natural_ms: u64,
    spoken_ms: u64,
}

impl Default for SpeakingPace {
    fn default() -> Self {
        Self {
            natural_ms: PRIOR_MS,
            spoken_ms: PRIOR_MS,
        }
    }
}

impl SpeakingPace {
    /// Learns from a text whose whole sound took so long.
    pub fn observe(&mut self, text: &str, duration: Millis) {
        let natural = natural_length(text).0;
        if natural == 0 || duration.0 == 0 {
            return;
        }
        self.natural_ms = self.natural_ms.saturating_add(natural);
        let believable = duration
            .0
            .clamp(natural / PACE_FACTOR_MAX, natural.saturating_mul(PACE_FACTOR_MAX));
        self.spoken_ms = self.spoken_ms.saturating_add(believable);
        while self.natural_ms > REMEMBERED_MS_MAX {
            self.natural_ms /= 2;
            self.spoken_ms /= 2;
        }
    }

    /// How long a text probably takes; zero for one that has nothing to say.
    pub fn estimate(&self, text: &str) -> Millis {
        let natural = natural_length(text).0;
        Millis(natural.saturating_mul(self.spoken_ms) / self.natural_ms.max(1))
    }
}

/// How long a text takes at the natural pace.
fn natural_length(text: &str) -> Millis {
    Millis(
        spoken_chars(text, true)
            .into_iter()
            .map(|(_, char)| char_ms(char))
            .sum(),
    )
}

/// What a character adds to the time.
pub(super) fn char_ms(char: char) -> u64 {
    match char {
        '0'..='9' => DIGIT_MS,
        '%' | '&' | '+' | '@' | '=' | '°' | '$' | '€' | '£' | '¥' | '₩' => SIGN_MS,
        char if is_hangul(char) => SYLLABLE_MS,
        char if is_comma(char) => COMMA_MS,
        char if is_terminator(char) => SENTENCE_END_MS,
        char if char.is_ascii_alphabetic() => LETTER_MS,
        // Ideographs and kana are syllables; other alphabets are rare enough to be taken for them.
        char if is_alphanumeric(char) => SYLLABLE_MS,
        _ => 0,
    }
}

fn is_comma(char: char) -> bool {
    matches!(char, ',' | ';' | ':' | '、' | '，' | '；' | '：' | '—' | '–')
}

/// Whether a mark is heard as a pause only.
pub(super) fn is_pause(char: char) -> bool {
    is_comma(char) || is_terminator(char)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_natural_pace_is_that_of_a_calm_voice() {
        let pace = SpeakingPace::default();
        for (text, least_ms, most_ms) in [
            ("", 0, 0),
            ("🎉 ---", 0, 0),
            ("Nice.", 400, 800),
            (
                "What's the name of the product you'd like to launch?",
                2_500,
                3_600,
            ),
            (
                "이번 주에 가장 바라는 것은 도달, 문의, 구매 중 무엇인가요?",
                3_800,
                5_500,
            ),
            ("가격은 39,000원이에요.", 2_000, 3_200),
        ] {
            let estimated_ms = pace.estimate(text).0;
            assert!(
                (least_ms..=most_ms).contains(&estimated_ms),
                "{text}: {estimated_ms} ms"
            );
        }
    }

    #[test]
    fn a_voice_that_speaks_half_as_fast_is_learnt_from_a_few_sentences() {
        let mut pace = SpeakingPace::default();
        let text = "이번 주에 가장 바라는 것은 도달, 문의, 구매 중 무엇인가요?";
        let natural_ms = pace.estimate(text).0;
        for _ in 0..20 {
            pace.observe(text, Millis(natural_ms * 2));
        }
        let learnt_ms = pace.estimate(text).0;
        assert!(
            (natural_ms * 19 / 10..=natural_ms * 2).contains(&learnt_ms),
            "{learnt_ms} of {natural_ms}"
        );
        for _ in 0..40 {
            pace.observe(text, Millis(natural_ms));
        }
        assert!(
            pace.estimate(text).0 < natural_ms * 11 / 10,
            "and forgotten again"
        );
    }

    #[test]
    fn what_has_no_sound_or_no_words_teaches_nothing() {
        let mut pace = SpeakingPace::default();
        pace.observe("좋아요.", Millis(0));
        pace.observe("---", Millis(5_000));
        assert_eq!(pace, SpeakingPace::default());
    }

    proptest! {
        #[test]
        fn no_observation_leads_far_astray(
            said in prop::collection::vec((".{0,40}", any::<u64>()), 0..20),
            text in ".{0,100}",
        ) {
            let natural_ms = SpeakingPace::default().estimate(&text).0;
            let mut pace = SpeakingPace::default();
            for (text, duration_ms) in said {
                pace.observe(&text, Millis(duration_ms));
            }
            prop_assert!(pace.estimate(&text).0 <= natural_ms * PACE_FACTOR_MAX);
            prop_assert!(pace.estimate(&text).0 + 1 >= natural_ms / PACE_FACTOR_MAX / 2);
        }
    }
}
