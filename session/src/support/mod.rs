//! The support rule: a value fills a slot only if the user's own words say it, whoever proposed it.
//!
//! A proposal names the words that it comes from. They must really occur in what the user said; each word of the value
//! must be among the sentences that they belong to, in some form, and in the same sense (`비건은 아니에요` does not say
//! `비건`); numbers must be the same numbers of the same things; a choice must be named by its own words; a price band
//! must follow from the amounts. Items of a list stand on their own, and those without support are dropped.

mod quote;
mod roots;
mod typed;
mod wish;
mod wording;

use greenroom_protocol::limits;
use serde_json::Value;

use crate::extractor::lexis::{
    Link, Segment, Sentence, Span, SpeechAct, Text, amounts, asks_reason, classify, equals, is_doubt,
    is_measure_without_letters, options_said, posed, segments, tokens,
};
use crate::playbook::{ChoiceOption, PriceTable, SlotKind, SlotSpec};
use wording::{Evidence, Missing, Word, evidence, is_denied, words};

pub(crate) use wish::wishes;

/// The highest confidence of a value that repeats the user's words.
const SAME_WORDS: f64 = 1.0;
/// The highest confidence of a value in other forms of the user's words.
const REWORDED: f64 = 0.9;
/// The highest confidence of a list from which items were dropped, or that is too short.
const PARTIAL: f64 = 0.65;
/// The highest confidence of a value that the user was unsure of.
const UNSURE: f64 = 0.65;

/// What supports a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Support {
    /// The words that were quoted: a slice of an utterance.
    pub words: String,
    /// The index of that utterance.
    pub utterance: usize,
    /// The value in the slot's form, without what has no support.
    pub value: Value,
    /// The confidence that the value may have at most.
    pub confidence_cap: f64,
}

/// Why a value has no support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// The quoted words were not said.
    #[error("the quoted words were not said")]
    QuoteMissing,
    /// The value is not of the slot's form.
    #[error("the value is not of the slot's form")]
    Shape,
    /// Some of the value was not said.
    #[error("some of the value was not said")]
    NotSaid,
    /// Another number was said.
    #[error("another number was said")]
    NumberDiffers,
    /// It was said, and denied, asked or supposed.
    #[error("it was denied, asked or supposed")]
    NotAsserted,
    /// The words ask, refuse, greet or command.
    #[error("the words are no answer")]
    NoAnswer,
    /// The words answer for another slot.
    #[error("the words answer for another slot")]
    OtherSlot,
}

impl From<Missing> for Unsupported {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Word => Self::NotSaid,
            Missing::Number => Self::NumberDiffers,
            Missing::Sense => Self::NotAsserted,
        }
    }
}

/// Judges a value for one of the `slots` by the utterances, **newest first**.
///
/// `quoted` are the words that the value is said to come from. Words that explicitly answer for another of the slots
/// do not support it.
pub fn support(
    slots: &[SlotSpec],
    slot: &SlotSpec,
    price_table: Option<&PriceTable>,
    value: &Value,
    quoted: &str,
    utterances: &[&str],
) -> Result<Support, Unsupported> {
    let found = quote::find(quoted, utterances).ok_or(Unsupported::QuoteMissing)?;
    let text = Text::new(utterances[found.utterance]);
    if posed(&text, &text.sentences())
        .iter()
        .any(|posed| posed.overlaps(found.span))
    {
        return Err(Unsupported::NoAnswer);
    }
    let judge = Judge::new(
        slots,
        slot,
        price_table,
        &text,
        found.span,
        &utterances[..found.utterance],
    );
    let (value, confidence_cap) = match &slot.kind {
        SlotKind::Text => {
            let text = one_text(value)?;
            let cap = judge.text(text)?;
            (Value::String(tidy(text)), cap)
        }
        SlotKind::TextList { items_min, items_max } => {
            judge.list(value, *items_min, *items_max, &utterances[found.utterance + 1..])?
        }
        SlotKind::Choice { options } => judge.choice(value, options)?,
        SlotKind::PriceBand { options } => judge.price(value, options)?,
        SlotKind::Number { options, units } => judge.number(value, options, units)?,
    };
    let confidence_cap = if judge.is_unsure() {
        confidence_cap.min(UNSURE)
    } else {
        confidence_cap
    };
    Ok(Support {
        words: text.raw(found.span).to_owned(),
        utterance: found.utterance,
        value,
        confidence_cap,
    })
}

/// One quote in its sentences.
struct Judge<'t, 'a> {
    slots: &'t [SlotSpec],
    slot: &'t SlotSpec,
    price_table: Option<&'t PriceTable>,
    text: &'t Text<'a>,
    quote: Span,
    /// The sentences that the quote touches.
    sentences: Vec<Sentence>,
    /// Their words.
    said: Vec<Word>,
    /// What was said after them: the rest of the utterance, and newer ones.
    later: Vec<Word>,
}

impl<'t, 'a> Judge<'t, 'a> {
    fn new(
        slots: &'t [SlotSpec],
        slot: &'t SlotSpec,
        price_table: Option<&'t PriceTable>,
        text: &'t Text<'a>,
        quote: Span,
        newer: &[&str],
    ) -> Self {
        let all = text.sentences();
        let sentences: Vec<Sentence> = all
            .iter()
            .copied()
            .filter(|sentence| sentence.span.overlaps(quote))
            .collect();
        let said = words(text, &sentences);
        let after: Vec<Sentence> = all
            .into_iter()
            .filter(|sentence| sentence.span.start >= quote.end)
            .collect();
        let mut later = words(text, &after);
        for newer in newer {
            let text = Text::new(newer);
            later.extend(words(&text, &text.sentences()));
        }
        Self {
            slots,
            slot,
            price_table,
            text,
            quote,
            sentences,
            said,
            later,
        }
    }

    /// Judges one text; returns the highest confidence that it may have.
    fn text(&self, value: &str) -> Result<f64, Unsupported> {
        let value_text = Text::new(value);
        if is_measure_without_letters(&value_text, self.price_table) {
            return Err(Unsupported::OtherSlot);
        }
        let value_words = value_words(&value_text);
        let evidence = evidence(&value_words, &self.said, Some(self.quote))?;
        self.check_act(&value_text)?;
        self.check_slot(&evidence)?;
        if is_denied(&value_words, &self.later) {
            return Err(Unsupported::NotAsserted);
        }
        let quoted = evidence
            .words
            .iter()
            .filter(|at| self.said[**at].token.span.overlaps(self.quote))
            .count();
        if quoted * 2 < evidence.words.len() {
            return Err(Unsupported::NotSaid);
        }
        Ok(if quote::occurs(value, self.text.raw(self.quote)) {
            SAME_WORDS
        } else {
            REWORDED
        })
    }

    /// A question, a refusal, a greeting or a command that is itself the value is no answer.
    fn check_act(&self, value: &Text<'_>) -> Result<(), Unsupported> {
        let act = classify(value, value.span(), false);
        let same = |sentence: &Sentence| classify(self.text, sentence.span, sentence.question_mark) == act;
        if act != SpeechAct::Statement && self.sentences.iter().any(same) {
            Err(Unsupported::NoAnswer)
        } else {
            Ok(())
        }
    }

    /// Words that stand behind another slot's label, or tell a reason, answer for that.
    fn check_slot(&self, evidence: &Evidence) -> Result<(), Unsupported> {
        let all = self.text.sentences();
        let own = self.slots.iter().position(|slot| slot.path == self.slot.path);
        let segments = segments(self.text, &all, self.slots, own);
        // `가격이 저렴하고` may tell a reason or a feature as well as a price.
        let loosely = asks_reason(self.slot) || matches!(self.slot.kind, SlotKind::TextList { .. });
        let elsewhere = |at: &usize| {
            let span = self.said[*at].token.span;
            let holds = |segment: &&Segment| Span::new(segment.label.start, segment.value.end).contains(span);
            segments.iter().find(holds).is_some_and(|segment| {
                Some(segment.slot) != own
                    && !(loosely && matches!(segment.link, Link::Particle | Link::Adjacent))
                    && self.answers(segment)
            })
        };
        let in_reason = |at: &usize| {
            let token = &self.said[*at];
            let same_clause =
                |word: &&Word| word.sentence == token.sentence && word.token.clause == token.token.clause;
            let first = self
                .said
                .iter()
                .find(same_clause)
                .map(|word| self.text.at(word.token.span));
            first.is_some_and(|first| equals(first, "because") || equals(first, "왜냐하면"))
        };
        let reason = !asks_reason(self.slot) && evidence.words.iter().all(in_reason);
        if reason || evidence.words.iter().all(elsewhere) {
            Err(Unsupported::OtherSlot)
        } else {
            Ok(())
        }
    }

    /// Whether what merely stands beside a label can be an answer: a `price comparison app` has no price.
    fn answers(&self, segment: &Segment) -> bool {
        let said = |options: &[ChoiceOption]| {
            self.sentences.iter().any(|sentence| {
                !options_said(self.text, segment.value, &tokens(self.text, *sentence), options).is_empty()
            })
        };
        let is_beside = segment.link == Link::Adjacent;
        match &self.slots[segment.slot].kind {
            SlotKind::Choice { options } => !is_beside || said(options),
            SlotKind::PriceBand { options } => {
                let priced = self
                    .price_table
                    .is_some_and(|table| !amounts(self.text, segment.value, table).is_empty());
                !is_beside || priced || said(options)
            }
            SlotKind::Text | SlotKind::TextList { .. } | SlotKind::Number { .. } => true,
        }
    }

    /// Judges each item; those without support are dropped. Items may come from earlier utterances too, for a list
    /// grows over several turns, but one must come from the quote.
    fn list(
        &self,
        value: &Value,
        items_min: usize,
        items_max: usize,
        older: &[&str],
    ) -> Result<(Value, f64), Unsupported> {
        let proposed: Vec<&str> = match value {
            Value::Array(items) if !items.is_empty() && items.len() <= limits::SLOT_ITEMS_MAX => {
                items.iter().filter_map(Value::as_str).collect()
            }
            Value::String(item) => vec![item],
            _ => return Err(Unsupported::Shape),
        };
        let mut kept: Vec<Value> = Vec::new();
        let mut cap = SAME_WORDS;
        let mut quoted = false;
        let mut reason = Unsupported::Shape;
        for item in &proposed {
            let item = match one_text(&Value::String((*item).to_owned())) {
                Ok(_) => tidy(item),
                Err(_) => continue,
            };
            let item_cap = match self.text(&item) {
                Ok(item_cap) => {
                    quoted = true;
                    item_cap
                }
                Err(unsupported) => {
                    reason = unsupported;
                    match self.elsewhere(&item, older) {
                        Some(item_cap) => item_cap,
                        None => continue,
                    }
                }
            };
            let item = Value::String(item);
            if !kept.contains(&item) {
                kept.push(item);
                cap = cap.min(item_cap);
            }
        }
        if !quoted {
            return Err(reason);
        }
        let complete = kept.len() == proposed.len() && (items_min..=items_max).contains(&kept.len());
        kept.truncate(items_max);
        Ok((Value::Array(kept), if complete { cap } else { cap.min(PARTIAL) }))
    }

    /// An item that another sentence of the user says; what was said since must not take it back.
    fn elsewhere(&self, item: &str, older: &[&str]) -> Option<f64> {
        let value = Text::new(item);
        let own = value_words(&value);
        let says = |text: &Text<'_>| {
            text.sentences()
                .iter()
                .any(|sentence| evidence(&own, &words(text, &[*sentence]), None).is_ok())
        };
        let taken_back = is_denied(&own, &self.said) || is_denied(&own, &self.later);
        let said = says(self.text) || older.iter().any(|older| says(&Text::new(older)));
        (said && !taken_back).then_some(REWORDED)
    }

    /// Whether the user spoke with doubt.
    fn is_unsure(&self) -> bool {
        self.said
            .iter()
            .any(|word| is_doubt(self.text.at(word.token.span)))
            || self
                .sentences
                .iter()
                .any(|sentence| self.text.doubts_after(sentence.span))
    }
}

fn value_words(value: &Text<'_>) -> Vec<Word> {
    words(
        value,
        &[Sentence {
            span: value.trim(value.span()),
            question_mark: false,
        }],
    )
}

/// The one text of a value.
fn one_text(value: &Value) -> Result<&str, Unsupported> {
    let text = value.as_str().map(str::trim).ok_or(Unsupported::Shape)?;
    let fits = !text.is_empty() && text.chars().count() <= limits::SLOT_VALUE_CHARS_MAX;
    if fits && !text.chars().any(char::is_control) {
        Ok(text)
    } else {
        Err(Unsupported::Shape)
    }
}

/// A text composed and with single spaces.
fn tidy(text: &str) -> String {
    let text = Text::new(text);
    text.value(text.span())
}
