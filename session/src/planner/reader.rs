//! Reads the planner's document as it comes. At most one question of it is shown, and nothing that cannot be spoken.

use greenroom_protocol::{DeltaChange, SlotPath};

use super::SLOT_UPDATES;
use super::speakable::Speakable;
use crate::agent::AgentStep;
use crate::evolve::ends_sentence;
use crate::partial_json::Step;

/// Whether a character ends a question.
pub(crate) fn is_question_mark(char: char) -> bool {
    matches!(char, '?' | '？')
}

/// Turns the steps of the planner's document into what the session decides upon.
#[derive(Debug, Default)]
pub(crate) struct PlannerReader {
    answer: Answer,
    question: Question,
    slots_known: bool,
    ask: AskField,
}

/// The field that says what the question asks for.
#[derive(Debug, Default)]
enum AskField {
    #[default]
    Unread,
    Read(Option<SlotPath>),
}

/// The answer. It has no question; where a model writes one all the same, that is the turn's only one.
#[derive(Debug, Default)]
struct Answer {
    speakable: Speakable,
    shown: bool,
    asked: bool,
    /// The sentence that is being written after a question was shown; dropped if it asks too.
    held: String,
}

/// The question, up to its question mark: what a model asks beyond that is dropped.
#[derive(Debug, Default)]
struct Question {
    speakable: Speakable,
    shown: bool,
    asked: bool,
    /// What came before it was known what it asks for and what is filled.
    held: String,
}

impl PlannerReader {
    pub(crate) fn step(&mut self, step: Step) -> Option<AgentStep> {
        match step {
            Step::Delta(delta) => match (delta.path.as_str(), delta.change) {
                ("/answer", DeltaChange::Append(text)) => self.answer.next(&text).map(AgentStep::Answer),
                ("/question", DeltaChange::Append(text)) => {
                    self.question.next(&text);
                    self.question()
                }
                (_, DeltaChange::Append(_) | DeltaChange::Value(_)) => None,
            },
            Step::Element { value, .. } => serde_json::from_value(value).ok().map(AgentStep::Slot),
            Step::Closed { path, value } => {
                match path.as_str() {
                    "/answer" => return self.answer.rest().map(AgentStep::Answer),
                    "/ask" => self.ask = AskField::Read(serde_json::from_value(value).ok()),
                    SLOT_UPDATES => self.slots_known = true,
                    _ => return None,
                }
                self.question()
            }
        }
    }

    /// What there is of the question, once it may be shown.
    fn question(&mut self) -> Option<AgentStep> {
        let AskField::Read(ask) = &self.ask else {
            return None;
        };
        if !self.slots_known || self.question.held.is_empty() || self.answer.asked {
            return None;
        }
        let separator = if self.answer.shown && !self.question.shown {
            " "
        } else {
            ""
        };
        self.question.shown = true;
        let text = format!("{separator}{}", std::mem::take(&mut self.question.held));
        Some(AgentStep::Question {
            ask: ask.clone(),
            text,
        })
    }
}

impl Answer {
    /// What may be shown of the next part.
    fn next(&mut self, part: &str) -> Option<String> {
        let mut shown = String::new();
        for char in self.speakable.next(part).chars() {
            if self.asked {
                self.held.push(char);
                if ends_sentence(char) {
                    self.release(&mut shown);
                }
            } else {
                shown.push(char);
                self.asked = is_question_mark(char);
            }
        }
        self.shown |= !shown.is_empty();
        (!shown.is_empty()).then_some(shown)
    }

    /// What is left when the answer is complete.
    fn rest(&mut self) -> Option<String> {
        let mut shown = String::new();
        self.release(&mut shown);
        (!shown.is_empty()).then_some(shown)
    }

    fn release(&mut self, shown: &mut String) {
        let sentence = std::mem::take(&mut self.held);
        if !sentence.contains(is_question_mark) {
            shown.push_str(&sentence);
        }
    }
}

impl Question {
    /// Keeps of the next part what belongs to the one question.
    fn next(&mut self, part: &str) {
        for char in self.speakable.next(part).chars() {
            if self.asked {
                return;
            }
            self.held.push(char);
            self.asked = is_question_mark(char);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partial_json::{PartialJson, PartialJsonOptions};

    /// What is shown of a document: the answer, and the question with what it asks for.
    fn shown(document: &str, piece_chars: usize) -> (String, Option<String>, String) {
        let mut json = PartialJson::new(PartialJsonOptions {
            held: vec![SLOT_UPDATES.to_owned()],
        });
        let mut reader = PlannerReader::default();
        let (mut answer, mut asked, mut question) = (String::new(), None, String::new());
        let characters: Vec<char> = document.chars().collect();
        for piece in characters.chunks(piece_chars) {
            let steps = json.push(&piece.iter().collect::<String>()).expect("a document");
            for step in steps.into_iter().filter_map(|step| reader.step(step)) {
                match step {
                    AgentStep::Answer(text) => answer.push_str(&text),
                    AgentStep::Question { ask, text } => {
                        asked = ask.map(|path| path.to_string());
                        question.push_str(&text);
                    }
                    AgentStep::Slot(_) | AgentStep::Delta(_) => {}
                }
            }
        }
        (answer, asked, question)
    }

    #[test]
    fn at_most_one_question_is_shown_however_the_reply_is_cut() {
        let cases = [
            ("네, 좋아요.", "가격은요?", ("네, 좋아요.", " 가격은요?")),
            ("네.", "가격은요? 채널은요?", ("네.", " 가격은요?")),
            ("가격은 얼마예요?", "채널은요?", ("가격은 얼마예요?", "")),
            (
                "광고요? 네, 됩니다. 가격은요? 좋아요",
                "채널은요?",
                ("광고요? 네, 됩니다. 좋아요", ""),
            ),
            (
                "Ads? Sure. And the price? Fine.",
                "Where?",
                ("Ads? Sure. Fine.", ""),
            ),
            ("", "**어디에서** 파세요？", ("", "어디에서 파세요？")),
        ];
        for (answer, question, expected) in cases {
            let document = serde_json::json!({
                "answer": answer, "slot_updates": [], "ask": "product.name", "question": question, "intent": "none",
            });
            for piece_chars in [1, 3, 1_000] {
                let (answer, asked, question) = shown(&document.to_string(), piece_chars);
                assert_eq!(
                    (answer.as_str(), question.as_str()),
                    expected,
                    "in pieces of {piece_chars}"
                );
                assert_eq!(asked.is_some(), !question.is_empty());
            }
        }
    }
}
