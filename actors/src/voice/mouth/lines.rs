//! What is being said: the sentences of one reply, the sound that was made of each, and what of it was heard.

use greenroom_protocol::Millis;
use greenroom_session::HeardPart;
use greenroom_session::speaking::{SpeakingPace, SpokenPart, heard_prefix, question_end};

use super::script::Words;

/// So long before a question's last word is over it may be answered: people know how it ends, and acks come late.
const ANSWERS_EARLY: Millis = Millis(150);
const SAMPLES_PER_MS: u64 = greenroom_audio::mouth::VOICE_RATE_HZ as u64 / 1_000;

/// The sentences of a reply, in their order.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
    /// Those before it were made, or are being made.
    next: usize,
}

/// A sentence, and its sound.
#[derive(Debug)]
struct Line {
    words: Words,
    samples: u64,
    state: LineState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineState {
    /// Nothing was made of it.
    Unmade,
    /// Some of its sound was made, or there will be no more.
    Partly,
    /// Its sound is complete.
    Whole,
}

impl Lines {
    /// Adds what is to be said next.
    pub(super) fn push(&mut self, words: Words) {
        self.lines.push(Line {
            words,
            samples: 0,
            state: LineState::Unmade,
        });
    }

    /// The next sentence to be made; those with nothing to say are passed by.
    pub(super) fn begin_next(&mut self) -> Option<&Words> {
        while let Some(line) = self.lines.get_mut(self.next) {
            self.next += 1;
            if line.words.sentence.speakable.is_empty() {
                line.state = LineState::Whole;
            } else {
                line.state = LineState::Partly;
                return Some(&self.lines[self.next - 1].words);
            }
        }
        None
    }

    /// Whether a sentence waits to be made.
    pub(super) fn has_next(&self) -> bool {
        let mut waiting = self.lines[self.next..].iter();
        waiting.any(|line| !line.words.sentence.speakable.is_empty())
    }

    /// Learns that more of the sentence under way was made.
    pub(super) fn add_samples(&mut self, samples: usize) {
        if let Some(line) = self.under_way() {
            line.samples += samples as u64;
        }
    }

    /// The sentence under way is complete; the pace learns from it.
    pub(super) fn complete(&mut self, pace: &mut SpeakingPace) {
        if let Some(line) = self.under_way() {
            line.state = LineState::Whole;
            pace.observe(&line.words.sentence.text, line.sound());
        }
    }

    /// How much of each message was heard when so much of the sound was played. A question that counts as heard was heard
    /// to its end.
    pub(super) fn heard(&self, played: Millis, pace: &SpeakingPace) -> Vec<HeardPart> {
        let question_end = self.heard_question_end(played, pace).unwrap_or(0);
        let mut parts = Vec::new();
        let (mut before_ms, mut before_bytes) = (0, 0);
        let by_message = |a: &Line, b: &Line| a.words.message == b.words.message;
        for message in self.lines.chunk_by(by_message) {
            let said = said(message, pace);
            let sound_ms: u64 = said.iter().map(|part| part.duration.0).sum();
            let heard_ms = Millis(played.0.saturating_sub(before_ms).min(sound_ms));
            let text: String = said.iter().map(|part| part.text).collect();
            let question_end = question_end.saturating_sub(before_bytes).min(text.len());
            let heard = &text[..heard_prefix(&said, heard_ms).max(question_end)];
            let number = message.first().map_or(0, |line| line.words.message);
            parts.resize_with(parts.len().max(number), HeardPart::default);
            parts.push(HeardPart {
                heard_ms,
                text: heard.trim_start().to_owned(),
            });
            before_ms += sound_ms;
            before_bytes += text.len();
        }
        parts
    }

    /// Whether the reply's question counts as heard, when so much of the sound was played.
    pub(super) fn is_question_heard(&self, played: Millis, pace: &SpeakingPace) -> bool {
        self.heard_question_end(played, pace).is_some()
    }

    /// Where the reply's question ends in its text, if it counts as heard.
    fn heard_question_end(&self, played: Millis, pace: &SpeakingPace) -> Option<usize> {
        let said = said(&self.lines, pace);
        let whole: String = self
            .lines
            .iter()
            .map(|line| line.words.sentence.text.as_str())
            .collect();
        let played = Millis(played.0.saturating_add(ANSWERS_EARLY.0));
        question_end(&whole).filter(|end| heard_prefix(&said, played) >= *end)
    }

    fn under_way(&mut self) -> Option<&mut Line> {
        self.lines[..self.next].last_mut()
    }
}

/// The sentences of which there is sound, and how long it is: of the last one as far as it is known, or as it is
/// guessed while it is being made.
fn said<'l>(lines: &'l [Line], pace: &SpeakingPace) -> Vec<SpokenPart<'l>> {
    let made = lines.iter().take_while(|line| line.state != LineState::Unmade);
    made.map(|line| SpokenPart {
        text: &line.words.sentence.text,
        duration: match line.state {
            LineState::Whole => line.sound(),
            LineState::Partly | LineState::Unmade => {
                line.sound().max(pace.estimate(&line.words.sentence.text))
            }
        },
    })
    .collect()
}

impl Line {
    fn sound(&self) -> Millis {
        Millis(self.samples / SAMPLES_PER_MS)
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::Locale;
    use greenroom_session::speaking::Sentence;

    use super::*;

    fn words(message: usize, text: &str) -> Words {
        let speakable = text.trim().trim_matches('🎉').to_owned();
        Words {
            turn_id: None,
            message,
            sentence: Sentence {
                text: text.to_owned(),
                speakable,
            },
            locale: Locale::En,
            is_phrase: false,
        }
    }

    /// A second of sound for each word that was made; of the last, as much as is said.
    fn lines(texts: &[(usize, &str)], whole: usize, partly_ms: u64) -> (Lines, SpeakingPace) {
        let mut pace = SpeakingPace::default();
        let mut lines = Lines::default();
        for (message, text) in texts {
            lines.push(words(*message, text));
        }
        for _ in 0..whole {
            let Some(begun) = lines.begin_next() else { break };
            let seconds = begun.sentence.text.split_whitespace().count();
            lines.add_samples(seconds * 24_000);
            lines.complete(&mut pace);
        }
        if partly_ms > 0 {
            lines.begin_next();
            lines.add_samples(usize::try_from(partly_ms * SAMPLES_PER_MS).unwrap());
        }
        (lines, SpeakingPace::default())
    }

    #[track_caller]
    fn check_heard(lines: &(Lines, SpeakingPace), played_ms: u64, expected: &[(u64, &str)]) {
        let heard = lines.0.heard(Millis(played_ms), &lines.1);
        let heard: Vec<_> = heard
            .iter()
            .map(|part| (part.heard_ms.0, part.text.as_str()))
            .collect();
        assert_eq!(heard, expected);
    }

    #[test]
    fn each_message_is_told_its_own_part() {
        let both = lines(
            &[(0, " Very good. "), (0, "Thank you."), (1, "What is it?")],
            3,
            0,
        );
        check_heard(&both, 0, &[(0, ""), (0, "")]);
        check_heard(&both, 2_000, &[(2_000, "Very good."), (0, "")]);
        check_heard(&both, 4_000, &[(4_000, "Very good. Thank you."), (0, "")]);
        check_heard(
            &both,
            7_000,
            &[(4_000, "Very good. Thank you."), (3_000, "What is it?")],
        );
        check_heard(
            &both,
            99_000,
            &[(4_000, "Very good. Thank you."), (3_000, "What is it?")],
        );
    }

    #[test]
    fn what_was_never_made_was_never_heard_and_what_is_being_made_is_guessed() {
        let some = lines(
            &[
                (0, "Very good. "),
                (0, "This one goes on for quite a while. "),
                (0, "🎉 "),
            ],
            1,
            400,
        );
        check_heard(&some, 2_000, &[(2_000, "Very good.")]);
        check_heard(&some, 2_400, &[(2_400, "Very good. This")]);
        let none = lines(&[(0, "Very good. ")], 0, 0);
        check_heard(&none, 5_000, &[(0, "")]);
        let second = lines(&[(1, "What is it?")], 1, 0);
        check_heard(&second, 3_000, &[(0, ""), (3_000, "What is it?")]);
    }

    #[test]
    fn a_question_is_heard_with_its_last_word() {
        let asks = lines(&[(0, "Very good. "), (1, "What is it?")], 2, 0);
        for (played_ms, heard) in [
            (0, false),
            (2_000, false),
            (3_500, false),
            (3_800, true),
            (5_000, true),
        ] {
            assert_eq!(
                asks.0.is_question_heard(Millis(played_ms), &asks.1),
                heard,
                "{played_ms} ms"
            );
        }
        // Who judges by it and who is told agree.
        for played_ms in (0..5_000).step_by(10) {
            let told = asks.0.heard(Millis(played_ms), &asks.1);
            let is_told = told[1].text == "What is it?";
            assert_eq!(
                asks.0.is_question_heard(Millis(played_ms), &asks.1),
                is_told,
                "{played_ms} ms: {told:?}"
            );
        }
        let unmade = lines(&[(0, "Very good. "), (1, "What is it?")], 1, 0);
        assert!(!unmade.0.is_question_heard(Millis(99_000), &unmade.1));
        let states = lines(&[(0, "Very good. ")], 1, 0);
        assert!(
            !states.0.is_question_heard(Millis(99_000), &states.1),
            "it asks nothing"
        );
    }

    #[test]
    fn what_has_nothing_to_say_is_passed_by() {
        let mut said = lines(&[(0, "🎉 "), (0, "Yes. "), (0, "🎉")], 0, 0).0;
        assert!(said.has_next());
        assert_eq!(
            said.begin_next().map(|words| words.sentence.text.as_str()),
            Some("Yes. ")
        );
        assert!(!said.has_next());
        assert_eq!(said.begin_next(), None);
    }
}
