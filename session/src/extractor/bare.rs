//! A bare answer: the whole text, or what stands before the first label, answers the question just asked.

use serde_json::Value;

use super::english;
use super::korean;
use super::labels::{asks_name, asks_reason};
use super::mood::{is_filler, tokens};
use super::speech_act::{SpeechAct, classify};
use super::text::{Sentence, Span, Text, ends_with_any, equals, is_hangul, is_one_of};
use super::values::{
    Reading, first_comma, read_items, read_text, read_typed, strip_openings, without_further_clause,
};
use super::word_set::WordSet;
use crate::playbook::{PriceTable, SlotKind, SlotSpec};

/// Words that a bare answer to a question for a thing may have; more is talk.
const WORDS_MAX: usize = 12;
/// Words that a bare reason may have.
const REASON_WORDS_MAX: usize = 40;
/// Words that one item of a bare list may have.
const ITEM_WORDS_MAX: usize = 5;
/// Words that a sentence may have to be looked at.
const STATEMENT_WORDS_MAX: usize = 100;
/// Sentences, or lines of a list, that a bare answer may have.
const SENTENCES_MAX: usize = 20;
/// Words of an item that ends with a full stop.
const SPOKEN_ITEM_WORDS_MAX: usize = 3;
/// Words of a sentence in which a choice or a price is looked for.
const TYPED_WORDS_MAX: usize = 20;

/// What a bare answer says for the slot that was asked for.
pub(super) fn read(
    text: &Text<'_>,
    sentences: &[Sentence],
    slot: &SlotSpec,
    price_table: Option<&PriceTable>,
    runs_on: bool,
) -> Option<Reading> {
    // Talk at length is the planner's to understand.
    let is_long = |sentence: &Sentence| text.words(sentence.span).nth(STATEMENT_WORDS_MAX).is_some();
    if sentences.len() > SENTENCES_MAX || sentences.iter().any(is_long) {
        return None;
    }
    match &slot.kind {
        SlotKind::Choice { .. } | SlotKind::PriceBand { .. } | SlotKind::Number { .. } => {
            typed(text, sentences, &slot.kind, price_table)
        }
        SlotKind::TextList { .. } => {
            let sentence = lines(text, sentences).or_else(|| the_statement(text, sentences))?;
            let sentence_tokens = tokens(text, sentence);
            items(
                text,
                sentence.span,
                &read_items(text, answer_span(text, sentence.span), &sentence_tokens, runs_on),
            )
        }
        SlotKind::Text if asks_reason(slot) => reason(text, sentences, runs_on),
        SlotKind::Text => {
            let statement = the_statement(text, sentences)?;
            if english::described(text, statement.span).is_some_and(|what| {
                english::evaluates(text, what) || (asks_name(slot) && is_lowercase(text, what))
            }) {
                return None;
            }
            thing(text, statement, runs_on)
        }
    }
}

/// The one value that all sentences that say something agree on.
fn typed(
    text: &Text<'_>,
    sentences: &[Sentence],
    kind: &SlotKind,
    price_table: Option<&PriceTable>,
) -> Option<Reading> {
    let mut found: Option<Reading> = None;
    for sentence in sentences {
        let is_long = text.words(sentence.span).nth(TYPED_WORDS_MAX).is_some();
        if is_long || classify(text, sentence.span, sentence.question_mark) == SpeechAct::Question {
            continue;
        }
        let Some(reading) = read_typed(text, sentence.span, &tokens(text, *sentence), kind, price_table)
        else {
            continue;
        };
        if found
            .as_ref()
            .is_some_and(|earlier| earlier.value != reading.value)
        {
            return None;
        }
        found = Some(reading);
    }
    found
}

/// The only sentence that says something; none when others ask, refuse, command or say something too.
fn the_statement(text: &Text<'_>, sentences: &[Sentence]) -> Option<Sentence> {
    let mut statement = None;
    for sentence in sentences {
        match act(text, *sentence) {
            SpeechAct::Social => {}
            SpeechAct::Statement if statement.is_none() => statement = Some(*sentence),
            SpeechAct::Statement | SpeechAct::Question | SpeechAct::Refusal | SpeechAct::Command => {
                return None;
            }
        }
    }
    statement
}

/// Several lines, each a short statement, are one list; so are words with a full stop after each, as speech
/// recognition writes them.
fn lines(text: &Text<'_>, sentences: &[Sentence]) -> Option<Sentence> {
    let [first, .., last] = sentences else { return None };
    let breaks = |pair: &[Sentence]| {
        text.at(Span::new(pair[0].span.end, pair[1].span.start))
            .contains(&'\n')
    };
    let apart = sentences.windows(2).all(breaks);
    let words_max = if apart {
        ITEM_WORDS_MAX + 1
    } else {
        SPOKEN_ITEM_WORDS_MAX
    };
    let short = |sentence: &Sentence| {
        act(text, *sentence) == SpeechAct::Statement
            && text.words(sentence.span).count() <= words_max
            && (apart || is_thing(text, sentence.span, words_max))
    };
    let apart = apart || sentences.len() > 2;
    (apart && sentences.iter().all(short)).then(|| Sentence {
        span: Span::new(first.span.start, last.span.end),
        question_mark: false,
    })
}

/// What a sentence does; a request that carries the value (`루미로 해줘`, `call it Lumi`) says something.
fn act(text: &Text<'_>, sentence: Sentence) -> SpeechAct {
    let whole = classify(text, sentence.span, sentence.question_mark);
    let inner = answer_span(text, sentence.span);
    if matches!(whole, SpeechAct::Statement | SpeechAct::Command)
        && !inner.is_empty()
        && inner != sentence.span
    {
        classify(text, inner, false)
    } else {
        whole
    }
}

/// A sentence without what is said around the value.
fn answer_span(text: &Text<'_>, span: Span) -> Span {
    let inner = strip_openings(text, span);
    let requested = korean::without_request(text, inner).unwrap_or(inner);
    english::without_closing(text, requested)
}

/// `피부가 예민해서요`: a reason may be a clause, and may take two sentences.
fn reason(text: &Text<'_>, sentences: &[Sentence], runs_on: bool) -> Option<Reading> {
    let mut said = Vec::new();
    for sentence in sentences {
        match act(text, *sentence) {
            SpeechAct::Social => {}
            SpeechAct::Statement => said.push(*sentence),
            SpeechAct::Question | SpeechAct::Refusal | SpeechAct::Command => return None,
        }
    }
    let (first, last) = (said.first()?, said.last()?);
    let span = Span::new(first.span.start, last.span.end);
    if said.len() > 2 || text.words(span).count() > REASON_WORDS_MAX {
        return None;
    }
    read_text(
        text,
        span,
        &tokens(
            text,
            Sentence {
                span,
                question_mark: false,
            },
        ),
        runs_on,
    )
}

/// A name, a category, a group of people: no clause, no talk.
fn thing(text: &Text<'_>, sentence: Sentence, runs_on: bool) -> Option<Reading> {
    let inner = answer_span(text, sentence.span);
    let requested = inner.end < sentence.span.end;
    let reading = read_text(text, first_member(text, inner), &tokens(text, sentence), runs_on)?;
    let last = text.last_word(inner)?;
    // A tail such as `… 같아요` is cut off whole, and told nothing.
    let talks = !requested && last.start < reading.span.end && korean::is_predicate(text.at(last));
    (!talks && is_thing(text, reading.span, WORDS_MAX)).then_some(reading)
}

/// `it is gentle and vegan`, said of a thing whose name was asked for, is no name: English writes names with capitals.
fn is_lowercase(text: &Text<'_>, span: Span) -> bool {
    let opening = english::without_opening(text, span);
    let is_named = opening.start > span.start;
    !is_named
        && text
            .raw(span)
            .chars()
            .all(|char| !char.is_alphabetic() || char.is_ascii_lowercase())
}

/// `네, 루미세럼, 스킨케어 브랜드예요` names the thing first.
fn first_member(text: &Text<'_>, span: Span) -> Span {
    let is_social = |part: Span| classify(text, part, false) == SpeechAct::Social;
    let Some(comma) = first_comma(text, span) else {
        return without_further_clause(text, span);
    };
    let first = text.trim(Span::new(span.start, comma));
    let rest = text.trim(Span::new(comma, span.end));
    if is_social(first) || text.words(first).all(|word| is_filler(text.at(word))) {
        first_member(text, rest)
    } else if is_social(rest) || text.words(first).count() <= 2 {
        first
    } else {
        without_further_clause(text, span)
    }
}

/// Whether words name a thing rather than tell a story.
pub(super) fn is_thing(text: &Text<'_>, span: Span, words_max: usize) -> bool {
    #[rustfmt::skip]
    static SELF: WordSet<9> = WordSet::new(["제가", "저는", "내가", "나는", "우리가", "저희가", "우린", "전", "난"]);
    #[rustfmt::skip]
    static VAGUE: WordSet<14> = WordSet::new([
        "그거", "그걸", "이거", "이걸", "저거", "그것", "이것", "그게", "이게", "위에", "방금", "it", "that", "this",
    ]);
    let words: Vec<&[char]> = text.words(span).map(|word| text.at(word)).collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else {
        return false;
    };
    let unfinished = ends_with_any(
        last,
        &[
            "해서", "어서", "아서", "니까", "지만", "는데", "면서", "다가", "려고",
        ],
    ) && last.len() > 2;
    let tells = words
        .iter()
        .any(|word| SELF.contains(word) || is_one_of(word, &["i", "i'm", "we", "we're"]));
    let starts_badly = english::is_pronoun(first)
        || is_one_of(
            first,
            &["of", "to", "in", "on", "at", "with", "about", "and", "or", "not"],
        );
    let predicate = korean::is_predicate(last) || equals(last, "하고");
    let links = words
        .iter()
        .filter(|word| word.iter().copied().any(is_hangul) && korean::ends_clause(word))
        .count();
    words.len() <= words_max
        && !(unfinished || tells || starts_badly || predicate || links > 1)
        && !(words.len() == 1 && VAGUE.begins(first) && first.len() <= 4)
        // `오 좋다 그걸로 할게요` takes up what somebody else said.
        && !is_one_of(last, &["그거", "그걸", "이거", "이걸", "그것", "이것"])
        && text.at(span).iter().any(|char| char.is_alphabetic())
}

/// The items of a bare list; one alone must be short, and only several may be clauses: `촉촉해요, 순해요`.
fn items(text: &Text<'_>, sentence: Span, readings: &[Reading]) -> Option<Reading> {
    let several = readings.len() > 1;
    let short = |reading: &Reading| text.words(reading.span).count() <= ITEM_WORDS_MAX;
    let fits = readings
        .iter()
        .all(|reading| short(reading) && (several || is_thing(text, reading.span, ITEM_WORDS_MAX)));
    let told = text
        .words(sentence)
        .any(|word| is_one_of(text.at(word), &["i", "we", "제가", "저는", "because"]));
    let (first, last) = (readings.first()?, readings.last()?);
    (fits && !told).then(|| Reading {
        span: Span::new(first.span.start, last.span.end),
        value: Value::Array(readings.iter().map(|reading| reading.value.clone()).collect()),
    })
}
