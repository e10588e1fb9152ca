//! The deterministic extractor: explicit answers in Korean and English, read without a model.
//!
//! It reads what a user *says about a slot* (`가격은 29000원`, `our goal is sales`) and a bare answer to the question
//! just asked. What it is not sure to understand it leaves to the planner: a slot left empty is asked for again, a
//! slot filled with nonsense is not.

mod bare;
mod english;
mod korean;
mod labels;
mod language;
mod mood;
mod negation;
mod number;
mod posed;
mod price;
mod speech_act;
mod text;
mod values;
mod word_set;

/// What the support rule reads a text with.
pub(crate) mod lexis {
    pub(crate) use super::korean::{ends_clause, has_final, is_interrogative};
    pub(crate) use super::labels::{Link, Segment, asks_reason, segments};
    pub(crate) use super::mood::{Mood, Token, is_doubt, tokens};
    pub(crate) use super::number::{numeral_at, numerals};
    pub(crate) use super::posed::posed;
    pub(crate) use super::price::{Amount, amounts, common_band, is_measure_without_letters};
    pub(crate) use super::speech_act::{SpeechAct, classify};
    pub(crate) use super::text::{
        Sentence, Span, Text, before_ending, equals, is_alphanumeric, is_hangul, is_one_of, starts_with,
    };
    pub(crate) use super::values::{asserted_amounts, asserted_numbers, is_number, options_said};
    pub(crate) use super::word_set::WordSet;
}

use std::cell::OnceCell;

use greenroom_protocol::SlotPath;
use serde_json::Value;

pub use language::language_of;

use crate::playbook::{PriceTable, SlotKind, SlotSpec};
use labels::{Link, Segment, asks_reason, is_lead, segments};
use mood::{Token, is_correction, is_doubt, is_filler, tokens, within};
use number::numerals;
use posed::own_sentences;
use speech_act::{SpeechAct, classify};
use text::{Sentence, Span, Text};
use values::{Reading, first_comma, read_items, read_text, read_typed, unit_end, without_further_clause};

/// The confidence of a value that the user named the slot for.
const EXPLICIT: f64 = 0.95;
/// The confidence of a value that only stands beside the slot's label.
const ADJACENT: f64 = 0.85;
/// The confidence of a bare answer to the question just asked.
const BARE: f64 = 0.9;
/// The confidence of an amount or a length that nobody asked for and that has no label.
const UNASKED: f64 = 0.8;
/// The highest confidence of a value that the user was unsure of, or of which more was said than the slot takes.
const UNSURE: f64 = 0.65;
/// Characters of an item or of a text that is taken from an explicit answer; more is talk.
const VALUE_CHARS_MAX: usize = 200;
/// Words of a text that merely stands beside a label.
const ADJACENT_WORDS_MAX: usize = 5;
/// Words of an explicit answer for a thing.
const EXPLICIT_WORDS_MAX: usize = 16;

/// A value that the user's words give a slot.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The slot.
    pub path: SlotPath,
    /// The value in the slot's form; a list may still be shorter than the slot needs.
    pub value: Value,
    /// How sure it is, 0 to 1.
    pub confidence: f64,
    /// The words that say it: a slice of the text.
    pub words: String,
}

/// Reads the slots that a text fills, in the order of the playbook, each at most once.
///
/// `asked` is the slot that the assistant asked for last; a bare answer fills it.
pub fn extract(
    text: &str,
    slots: &[SlotSpec],
    price_table: Option<&PriceTable>,
    asked: Option<&SlotPath>,
) -> Vec<Proposal> {
    let text = Text::new(text);
    let sentences = own_sentences(&text);
    let asked = asked.and_then(|asked| slots.iter().position(|slot| slot.path == *asked));
    let reader = Reader {
        tokens: sentences.iter().map(|_| OnceCell::new()).collect(),
        has_number: !numerals(&text, text.span()).is_empty(),
        text: &text,
        sentences: &sentences,
        slots,
        price_table,
    };
    let mut found: Vec<Option<Found>> = slots.iter().map(|_| None).collect();

    let segments = segments(&text, &sentences, slots, asked);
    for segment in &segments {
        // The last word on a slot counts: `3만원, 아니 가격은 5만원`.
        if let Some(reading) = reader.explicit(segment, &segments, asked) {
            found[segment.slot] = Some(reading);
        }
    }
    // `수제 쿠키예요. 이름은 추천해줘요` speaks of the name, and leaves it open.
    let speaks_of = |slot: &usize| {
        let mut named = segments.iter();
        named.any(|segment| segment.slot == *slot && segment.link != Link::Adjacent)
    };
    if let Some(asked) = asked.filter(|asked| found[*asked].is_none() && !speaks_of(asked)) {
        found[asked] = reader.bare(asked, segments.first());
    }
    for (index, found) in found.iter_mut().enumerate().filter(|(_, found)| found.is_none()) {
        *found = reader.unasked(index, &segments);
    }
    let proposals = slots.iter().zip(found);
    proposals
        .filter_map(|(slot, found)| Some(reader.proposal(slot, found?)))
        .collect()
}

/// A value with the words for it and how it was said.
struct Found {
    reading: Reading,
    words: Span,
    /// All that was said for the slot, doubts included.
    said: Span,
    confidence: f64,
}

struct Reader<'t, 'a> {
    text: &'t Text<'a>,
    sentences: &'t [Sentence],
    slots: &'t [SlotSpec],
    price_table: Option<&'t PriceTable>,
    /// The words of each sentence, taken apart when they are first needed.
    tokens: Vec<OnceCell<Vec<Token>>>,
    /// Whether the text has a number at all.
    has_number: bool,
}

impl Reader<'_, '_> {
    fn tokens_of(&self, sentence: usize) -> &[Token] {
        self.tokens[sentence].get_or_init(|| tokens(self.text, self.sentences[sentence]))
    }

    /// What stands after a label.
    fn explicit(&self, segment: &Segment, all: &[Segment], asked: Option<usize>) -> Option<Found> {
        let slot = &self.slots[segment.slot];
        if segment.value.is_empty() {
            return None;
        }
        let sentence = self.sentences[segment.sentence];
        let below;
        let tokens = if segment.value.end > sentence.span.end {
            // Lines below a label are no part of its sentence.
            below = tokens(
                self.text,
                Sentence {
                    span: segment.value,
                    question_mark: false,
                },
            );
            below.as_slice()
        } else {
            within(self.tokens_of(segment.sentence), segment.value)
        };
        let reading = match &slot.kind {
            SlotKind::Text => self.explicit_text(segment, slot, tokens)?,
            SlotKind::TextList { .. } => self.explicit_list(segment, tokens)?,
            SlotKind::Choice { .. } | SlotKind::PriceBand { .. } | SlotKind::Number { .. } => {
                read_typed(self.text, segment.value, tokens, &slot.kind, self.price_table)?
            }
        };
        let is_text = matches!(slot.kind, SlotKind::Text | SlotKind::TextList { .. });
        if segment.link == Link::Adjacent && is_text {
            let beside = all.len() > 1 || asked == Some(segment.slot) || self.is_whole(segment, &reading);
            let short = self.text.words(reading.span).count() <= ADJACENT_WORDS_MAX;
            if !beside || (!short && matches!(slot.kind, SlotKind::Text)) {
                return None;
            }
        }
        let words = Span::new(segment.label.start, reading.span.end);
        let confidence = if segment.link == Link::Adjacent {
            ADJACENT
        } else {
            EXPLICIT
        };
        let said = Span::new(segment.label.start, segment.value.end);
        Some(Found {
            reading,
            words,
            said,
            confidence,
        })
    }

    /// `카테고리 스킨케어`, and nothing else.
    fn is_whole(&self, segment: &Segment, reading: &Reading) -> bool {
        let words: Vec<Span> = self.text.words(reading.span).collect();
        let korean = self.text.at(segment.label).iter().copied().any(text::is_hangul);
        self.sentences.len() == 1
            && korean
            && words.len() <= 2
            && bare::is_thing(self.text, reading.span, ADJACENT_WORDS_MAX)
    }

    fn explicit_text(&self, segment: &Segment, slot: &SlotSpec, tokens: &[Token]) -> Option<Reading> {
        let reason = asks_reason(slot);
        let value = self.first_members(segment.value);
        let value = if reason {
            value
        } else {
            without_further_clause(self.text, value)
        };
        let runs_on = segment.runs_on || value.end < segment.value.end;
        let question_mark = self.sentences[segment.sentence].question_mark && !runs_on;
        let act = classify(self.text, value, question_mark);
        let reading = read_text(self.text, value, tokens, runs_on)?;
        // Only what was cut off was the question.
        let asks = act == SpeechAct::Question && reading.span.end + 1 >= value.end;
        let says = !asks && !matches!(act, SpeechAct::Refusal | SpeechAct::Social);
        let inner = classify(self.text, reading.span, false);
        let fits = reason
            || (bare::is_thing(self.text, reading.span, EXPLICIT_WORDS_MAX) && self.names(value, &reading));
        let short = reading.span.len() <= VALUE_CHARS_MAX;
        let commands = inner == SpeechAct::Command && segment.link != Link::Colon;
        let answers = !commands && !matches!(inner, SpeechAct::Question | SpeechAct::Refusal);
        // `the customer is always right` says something about the customer, and not who it is.
        let names = reason || !english::evaluates(self.text, reading.span);
        (says && fits && short && answers && names).then_some(reading)
    }

    /// `제품명은 중요해요` says something about the name, and names nothing.
    fn names(&self, value: Span, reading: &Reading) -> bool {
        let Some(last) = self.text.last_word(value) else {
            return false;
        };
        let requested = korean::without_request(self.text, value).is_some();
        let cut_off = last.start > reading.span.end;
        requested || cut_off || !korean::is_predicate(self.text.at(last))
    }

    /// A text up to the first comma; a clause with its further parts.
    fn first_members(&self, span: Span) -> Span {
        const CLAUSE_WORDS_MIN: usize = 4;
        let Some(comma) = first_comma(self.text, span) else {
            return span;
        };
        let first = self.text.trim(Span::new(span.start, comma));
        let rest = self.text.trim(Span::new(comma, span.end));
        let restarts = self.text.first_word(rest).is_some_and(|word| {
            let word = self.text.at(word);
            is_correction(word)
                || is_filler(word)
                || text::is_one_of(word, &["not", "but", "i", "we", "what", "is"])
        });
        let clause = self.text.words(first).count() >= CLAUSE_WORDS_MIN && !restarts;
        if clause { span } else { first }
    }

    fn explicit_list(&self, segment: &Segment, tokens: &[Token]) -> Option<Reading> {
        let value = segment.value;
        let question_mark = self.sentences[segment.sentence].question_mark && !segment.runs_on;
        if matches!(
            classify(self.text, value, false),
            SpeechAct::Refusal | SpeechAct::Social
        ) {
            return None;
        }
        let mut items = read_items(self.text, value, tokens, segment.runs_on);
        items.retain(|item| {
            let act = classify(self.text, item.span, false);
            let asked = question_mark && item.span.end == value.end;
            act == SpeechAct::Statement && !asked && item.span.len() <= VALUE_CHARS_MAX
        });
        let (first, last) = (items.first()?, items.last()?);
        // `채널은 구독자가 많아요` says something about the channel; several such items are features.
        if items.len() == 1
            && self
                .text
                .last_word(first.span)
                .is_some_and(|word| korean::is_predicate(self.text.at(word)))
        {
            return None;
        }
        Some(Reading {
            span: Span::new(first.span.start, last.span.end),
            value: Value::Array(items.iter().map(|item| item.value.clone()).collect()),
        })
    }

    /// A bare answer: the whole text, or what stands before the first label.
    fn bare(&self, asked: usize, first: Option<&Segment>) -> Option<Found> {
        let slot = &self.slots[asked];
        let end = first.map_or(self.text.span().end, |first| first.label.start);
        let before: Vec<Sentence> = self
            .sentences
            .iter()
            .filter(|sentence| sentence.span.start < end)
            .map(|sentence| Sentence {
                span: self
                    .text
                    .trim(Span::new(sentence.span.start, sentence.span.end.min(end))),
                question_mark: sentence.question_mark && sentence.span.end <= end,
            })
            .filter(|sentence| {
                self.text
                    .words(sentence.span)
                    .any(|word| !is_lead(self.text.at(word)))
            })
            .collect();
        let reading = bare::read(self.text, &before, slot, self.price_table, first.is_some())?;
        let is_text = matches!(slot.kind, SlotKind::Text | SlotKind::TextList { .. });
        let elsewhere =
            is_text && (0..self.slots.len()).any(|index| self.measure(index, reading.span).is_some());
        let words = reading.span;
        let said = Span::new(before.first()?.span.start, before.last()?.span.end);
        (!elsewhere && words.len() <= VALUE_CHARS_MAX * 2).then_some(Found {
            reading,
            words,
            said,
            confidence: BARE,
        })
    }

    /// A price or a length that says itself what it is: `아니 5만원이야`, `10초 영상`.
    fn unasked(&self, index: usize, segments: &[Segment]) -> Option<Found> {
        let slot = &self.slots[index];
        let measured = match self.sentences {
            [sentence] if segments.is_empty() && !sentence.question_mark => {
                self.measure(index, sentence.span)
            }
            _ => None,
        };
        let reading = measured.or_else(|| self.number_before_label(slot))?;
        let words = reading.span;
        Some(Found {
            reading,
            words,
            said: words,
            confidence: UNASKED,
        })
    }

    /// A range that is nothing but an amount with its mark, or a number with its unit.
    fn measure(&self, index: usize, span: Span) -> Option<Reading> {
        let slot = &self.slots[index];
        if !self.has_number || !matches!(slot.kind, SlotKind::PriceBand { .. } | SlotKind::Number { .. }) {
            return None;
        }
        let tokens = tokens(
            self.text,
            Sentence {
                span,
                question_mark: false,
            },
        );
        let opening = tokens.iter().take_while(|token| {
            let word = self.text.at(token.span);
            is_correction(word) || is_filler(word)
        });
        let start = opening.last().map_or(span.start, |token| token.span.end);
        let inner = values::strip_openings(self.text, self.text.trim(Span::new(start, span.end)));
        let inner = english::without_closing(self.text, korean::trim_ending(self.text, inner, false));
        let has_sign = match &slot.kind {
            SlotKind::PriceBand { .. } => {
                let amounts = price::amounts(self.text, inner, self.price_table?);
                matches!(amounts.as_slice(), [amount] if amount.marked && price::is_whole(self.text, amount.span, inner))
            }
            SlotKind::Number { units, .. } => number::numeral_at(self.text, inner.start, inner.end)
                .is_some_and(|numeral| unit_end(self.text, numeral.span.end, units) == Some(inner.end)),
            SlotKind::Text | SlotKind::TextList { .. } | SlotKind::Choice { .. } => false,
        };
        if !has_sign {
            return None;
        }
        read_typed(self.text, inner, &tokens, &slot.kind, self.price_table)
    }

    /// `10초 영상`, `a 15-second video`: the label stands after the number.
    fn number_before_label(&self, slot: &SlotSpec) -> Option<Reading> {
        let SlotKind::Number { units, .. } = &slot.kind else {
            return None;
        };
        let chars = self.text.chars();
        if !self.has_number {
            return None;
        }
        for (index, sentence) in self
            .sentences
            .iter()
            .enumerate()
            .filter(|(_, sentence)| !sentence.question_mark)
        {
            for numeral in numerals(self.text, sentence.span) {
                let Some(end) = unit_end(self.text, numeral.span.end, units) else {
                    continue;
                };
                let rest = if text::starts_with(&chars[end..], "짜리") {
                    end + 2
                } else {
                    end
                };
                let label = rest
                    + chars[rest..]
                        .iter()
                        .take_while(|char| char.is_whitespace())
                        .count();
                let labelled = slot
                    .labels
                    .values()
                    .flatten()
                    .any(|word| text::phrase_at(chars, label, word).is_some());
                if labelled {
                    let span = Span::new(numeral.span.start, end);
                    return read_typed(
                        self.text,
                        span,
                        self.tokens_of(index),
                        &slot.kind,
                        self.price_table,
                    );
                }
            }
        }
        None
    }

    fn proposal(&self, slot: &SlotSpec, found: Found) -> Proposal {
        let Found {
            mut reading,
            words,
            said,
            mut confidence,
        } = found;
        let unsure =
            self.text.doubts_after(said) || self.text.words(said).any(|word| is_doubt(self.text.at(word)));
        let mut complete = true;
        if let (SlotKind::TextList { items_min, items_max }, Value::Array(items)) =
            (&slot.kind, &mut reading.value)
        {
            let mut seen: Vec<Value> = Vec::new();
            items.retain(|item| {
                let fresh = !seen.contains(item);
                seen.push(item.clone());
                fresh
            });
            complete = (*items_min..=*items_max).contains(&items.len());
            items.truncate(*items_max);
        }
        if unsure || !complete {
            confidence = confidence.min(UNSURE);
        }
        Proposal {
            path: slot.path.clone(),
            value: reading.value,
            confidence,
            words: self.text.raw(words).to_owned(),
        }
    }
}
