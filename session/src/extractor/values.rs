//! What a range of a text says for a slot.

use serde_json::{Number, Value};

use super::english;
use super::korean::{self, joined_noun_end};
use super::mood::{Mood, Token, is_correction, mood_of, within};
use super::number::{Numeral, Style, numeral_at, numerals};
use super::price::{Amount, amounts, common_band};
use super::text::{
    Span, Text, ends_with_any, equals, is_alphanumeric, is_hangul, is_one_of, phrase_at, starts_with_any,
};
use super::word_set::WordSet;
use crate::playbook::{ChoiceOption, PriceTable, SlotKind};

/// A value as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// The value in the slot's form.
    pub value: Value,
    /// The words that say it.
    pub span: Span,
}

/// Reads a band, a choice or a number; none for a kind of slot that takes texts.
pub(crate) fn read_typed(
    text: &Text<'_>,
    span: Span,
    tokens: &[Token],
    kind: &SlotKind,
    price_table: Option<&PriceTable>,
) -> Option<Reading> {
    match kind {
        SlotKind::PriceBand { options } => price_table
            .and_then(|table| read_price(text, span, tokens, table))
            .or_else(|| read_choice(text, span, tokens, options)),
        SlotKind::Choice { options } => read_choice(text, span, tokens, options),
        SlotKind::Number { options, units } => read_number(text, span, tokens, options, units),
        SlotKind::Text | SlotKind::TextList { .. } => None,
    }
}

fn read_price(text: &Text<'_>, span: Span, tokens: &[Token], table: &PriceTable) -> Option<Reading> {
    let said = asserted_amounts(text, span, tokens, table);
    let band = common_band(table, &said)?;
    let (first, last) = (said.first()?, said.last()?);
    Some(Reading {
        value: Value::String(band.to_owned()),
        span: Span::new(first.span.start, last.span.end),
    })
}

/// The amounts that the user stands by: neither denied nor asked about, and after the last correction.
pub(crate) fn asserted_amounts(
    text: &Text<'_>,
    span: Span,
    tokens: &[Token],
    table: &PriceTable,
) -> Vec<Amount> {
    let mut said = amounts(text, span, table);
    said.retain(|amount| mood_of(tokens, amount.span) == Mood::Asserted);
    let correction = last_correction(text, tokens, span);
    if said.iter().any(|amount| amount.span.start >= correction) {
        said.retain(|amount| amount.span.start >= correction);
    }
    said
}

fn last_correction(text: &Text<'_>, tokens: &[Token], span: Span) -> usize {
    let corrects = |token: &&Token| is_correction(text.at(token.span));
    within(tokens, span)
        .iter()
        .rfind(corrects)
        .map_or(span.start, |token| token.span.end)
}

/// The option that the words of a range mean; none if they mean several, or none.
fn read_choice(text: &Text<'_>, span: Span, tokens: &[Token], options: &[ChoiceOption]) -> Option<Reading> {
    let said = options_said(text, span, tokens, options);
    let (first, words) = *said.first()?;
    said.iter().all(|(option, _)| *option == first).then(|| Reading {
        value: Value::String(options[first].value.clone()),
        span: words,
    })
}

/// The options that the user stands by, each with the words for it.
pub(crate) fn options_said(
    text: &Text<'_>,
    span: Span,
    tokens: &[Token],
    options: &[ChoiceOption],
) -> Vec<(usize, Span)> {
    let mut said = Vec::new();
    let mut at = span.start;
    while at < span.end {
        let longest = if text.is_word_start(at) {
            longest_option(text, at, span.end, options)
        } else {
            None
        };
        let Some((option, words)) = longest else {
            at += 1;
            continue;
        };
        if mood_of(tokens, words) == Mood::Asserted {
            said.push((option, words));
        }
        at = words.end;
    }
    said
}

fn longest_option(text: &Text<'_>, at: usize, end: usize, options: &[ChoiceOption]) -> Option<(usize, Span)> {
    let matches = options.iter().enumerate().flat_map(|(index, option)| {
        let ends = option
            .words
            .iter()
            .filter_map(move |word| option_end(text, at, word));
        ends.map(move |end| (index, Span::new(at, end)))
    });
    matches
        .filter(|(_, span)| span.end <= end)
        .max_by_key(|(_, span)| span.end)
}

/// Where an option's word ends; an English one may stand in the plural.
fn option_end(text: &Text<'_>, at: usize, word: &str) -> Option<usize> {
    phrase_at(text.chars(), at, word).or_else(|| {
        let end = at + word.chars().count();
        let plural = text.get(end) == Some('s') && !text.get(end + 1).is_some_and(is_alphanumeric);
        let same = plural && end <= text.span().end && equals(text.at(Span::new(at, end)), word);
        same.then_some(end + 1)
    })
}

fn read_number(
    text: &Text<'_>,
    span: Span,
    tokens: &[Token],
    options: &[i64],
    units: &[String],
) -> Option<Reading> {
    let said = asserted_numbers(text, span, tokens, units);
    let (first, words) = *said.first()?;
    let option = options.iter().find(|option| is_number(first, **option))?;
    said.iter()
        .all(|(value, _)| is_number(*value, *option))
        .then(|| Reading {
            value: Value::Number(Number::from(*option)),
            span: words,
        })
}

/// Whether a number that was said is exactly an option.
pub(crate) fn is_number(said: f64, option: i64) -> bool {
    i32::try_from(option).is_ok_and(|option| (said - f64::from(option)).abs() < f64::EPSILON)
}

/// The numbers that the user stands by: those with a unit, or else a single one that counts nothing else.
pub(crate) fn asserted_numbers(
    text: &Text<'_>,
    span: Span,
    tokens: &[Token],
    units: &[String],
) -> Vec<(f64, Span)> {
    let all: Vec<Numeral> = numerals(text, span)
        .into_iter()
        .filter(|numeral| mood_of(tokens, numeral.span) == Mood::Asserted)
        .collect();
    let correction = last_correction(text, tokens, span);
    let mut said: Vec<(f64, Span)> = all
        .iter()
        .filter_map(|numeral| {
            let end = unit_end(text, numeral.span.end, units).filter(|end| *end <= span.end)?;
            Some((numeral.value, Span::new(numeral.span.start, end)))
        })
        .collect();
    if said.iter().any(|(_, words)| words.start >= correction) {
        said.retain(|(_, words)| words.start >= correction);
    }
    if said.is_empty()
        && let [numeral] = all.as_slice()
        && counts_nothing(text, span, numeral)
    {
        said.push((numeral.value, numeral.span));
    }
    said
}

/// Where the unit after a number ends.
pub(crate) fn unit_end(text: &Text<'_>, number_end: usize, units: &[String]) -> Option<usize> {
    let gap = usize::from(matches!(text.get(number_end), Some(' ' | '-')));
    units
        .iter()
        .filter_map(|unit| phrase_at(text.chars(), number_end + gap, unit))
        .max()
}

/// Whether a number stands for itself: `10`, `10이요`, and not `20대`, `10만원`, `three reasons`.
fn counts_nothing(text: &Text<'_>, span: Span, numeral: &Numeral) -> bool {
    let rest = text.at(Span::new(numeral.span.end, span.end));
    let ends = rest
        .iter()
        .all(|char| !is_alphanumeric(*char) && !matches!(char, '%' | '$'));
    let polite = starts_with_any(rest, &["이요", "이에요", "입니다", "으로", "로"]);
    let before = text.at(Span::new(span.start, numeral.span.start));
    let marked = before.last().is_some_and(|char| matches!(char, '$' | '₩' | '€'));
    (ends || polite) && !marked && (numeral.style == Style::Digits || before.is_empty())
}

/// Reads one text from the words after a label or from a bare answer; the caller judges whether it is one.
pub(crate) fn read_text(text: &Text<'_>, span: Span, tokens: &[Token], runs_on: bool) -> Option<Reading> {
    let span = strip_openings(text, span);
    let span = strip_openings(text, chosen_part(text, span, tokens)?);
    let open = within(tokens, span).iter().find(|token| token.mood == Mood::Open);
    let (span, runs_on) = match open {
        // What comes before the question may still be an answer: `20대 여성인데 어떤 채널이 좋을까요?`
        Some(open) => (text.trim(Span::new(span.start, open.span.start)), true),
        None => (span, runs_on),
    };
    let denied = starts_with_any(text.at(text.last_word(span)?), &["아니", "아닙", "아님", "아닌"]);
    let span = korean::trim_ending(text, span, runs_on);
    let span = english::without_closing(text, span);
    let says_something = !denied && text.at(span).iter().any(|char| char.is_alphabetic());
    says_something.then(|| Reading {
        value: Value::String(text.value(span)),
        span,
    })
}

/// The first comma that stands in no number.
pub(crate) fn first_comma(text: &Text<'_>, span: Span) -> Option<usize> {
    (span.start..span.end).find(|at| text.get(*at) == Some(',') && is_comma(text, *at))
}

/// `Lumi Serum and it's for everybody`: the value ends where the next statement begins.
pub(crate) fn without_further_clause(text: &Text<'_>, span: Span) -> Span {
    let mut before: Option<Span> = None;
    for word in text.words(span) {
        let opens = english::is_pronoun(text.at(word)) || is_one_of(text.at(word), &["the", "our", "my"]);
        match before {
            Some(before) if opens && equals(text.at(before), "and") && before.start > span.start => {
                return text.trim(Span::new(span.start, before.start));
            }
            Some(_) | None => before = Some(word),
        }
    }
    span
}

/// `스킨케어가 아니라 메이크업`, `not A but B`: what is left when something is turned down first.
fn chosen_part(text: &Text<'_>, span: Span, tokens: &[Token]) -> Option<Span> {
    let mut start = span.start;
    for token in within(tokens, span) {
        let word = text.at(token.span);
        let turns = starts_with_any(word, &["아니라", "아니고", "말고", "말구"])
            || (word.len() > 2 && ends_with_any(word, &["말고", "말구"]))
            || (equals(word, "but") && starts_with_any(text.at(Span::new(start, span.end)), &["not "]));
        if turns {
            start = token.span.end;
        }
    }
    let rest = text.trim(Span::new(start, span.end));
    (!rest.is_empty() && !starts_with_any(text.at(rest), &["not "])).then_some(rest)
}

/// A range without what people say before the value itself: `음`, `it's called`, `아마`.
pub(crate) fn strip_openings(text: &Text<'_>, span: Span) -> Span {
    #[rustfmt::skip]
    static OPENINGS: WordSet<37> = WordSet::new(["그러니까", "그니까", "그러니깐", "첫째", "둘째", "셋째", "넷째", "첫번째", "두번째", "세번째", 
        "음", "흠", "어", "아", "네", "넵", "예", "응", "그냥", "일단", "우선", "그럼", "저희는", "우리는", "저는", "그건", "그거는",
        "이건", "왜냐하면", "왜냐면", "역시", "당연히", "바로", "아마", "아마도", "대략", "대충",
    ]);
    let mut span = without_topic(text, english::without_opening(text, span));
    while let Some(word) = text.first_word(span) {
        if !OPENINGS.contains(text.at(word)) || word.end >= span.end {
            break;
        }
        span = text.trim(Span::new(word.end, span.end));
    }
    span
}

/// `우리 제품은 루미야`: what is spoken of is no part of its name.
fn without_topic(text: &Text<'_>, span: Span) -> Span {
    static TOPICS: WordSet<6> = WordSet::new(["제품은", "상품은", "브랜드는", "서비스는", "앱은", "제품이"]);
    let mut words = text.words(span);
    let first = words
        .next()
        .filter(|word| is_one_of(text.at(*word), &["우리", "저희", "제", "내", "이"]));
    let topic = if first.is_some() {
        words.next()
    } else {
        text.first_word(span)
    };
    match topic {
        Some(topic) if TOPICS.contains(text.at(topic)) && topic.end < span.end => {
            text.trim(Span::new(topic.end, span.end))
        }
        Some(_) | None => span,
    }
}

/// The items of a list; none when they are clauses run together rather than items.
pub(crate) fn read_items(text: &Text<'_>, span: Span, tokens: &[Token], runs_on: bool) -> Vec<Reading> {
    // `순하고 촉촉한 사용감, 비건` is a list; `가볍고 튼튼하고 예뻐요` is a sentence.
    let clauses_max = usize::from(first_comma(text, span).is_some());
    let parts = split_items(text, span);
    let last = parts.len().saturating_sub(1);
    let mut items = Vec::new();
    for (at, part) in parts.into_iter().enumerate() {
        let part = without_pronoun(text, text.trim(part));
        let Some(mut reading) = read_text(text, part, tokens, at == last && runs_on) else {
            continue;
        };
        let words = text
            .words(reading.span)
            .filter(|word| word.end < reading.span.end);
        if words.filter(|word| korean::ends_clause(text.at(*word))).count() > clauses_max {
            return Vec::new();
        }
        let denied = within(tokens, reading.span)
            .iter()
            .any(|token| token.mood == Mood::Negated && !token.link);
        let keeps_denial = text.words(reading.span).any(|word| is_denial(text.at(word)));
        if !denied || keeps_denial {
            reading.span = korean::without_item_particle(text, reading.span);
            reading.value = Value::String(text.value(reading.span));
            items.push(reading);
        }
    }
    items
}

/// `it absorbs quickly, smells great, and then it dries`: every item speaks of the product.
fn without_pronoun(text: &Text<'_>, span: Span) -> Span {
    match text.first_word(span) {
        Some(word) if is_one_of(text.at(word), &["it", "they", "then", "also"]) && word.end < span.end => {
            text.trim(Span::new(word.end, span.end))
        }
        Some(_) | None => span,
    }
}

/// `파라벤 없음`, `no parabens`, `cruelty-free` is a value of its own.
fn is_denial(word: &[char]) -> bool {
    starts_with_any(word, &["없", "않"])
        || ends_with_any(word, &["-free"])
        || is_one_of(word, &["no", "non", "free", "without"])
}

/// Splits at commas and the like, at `and`, and after nouns that Korean joins to the next.
fn split_items(text: &Text<'_>, span: Span) -> Vec<Span> {
    let mut parts = Vec::new();
    let mut start = span.start;
    let lists = |at: &usize| is_comma(text, *at) && !adds_doubtfully(text, Span::new(*at + 1, span.end));
    let last_comma = (span.start..span.end).rfind(lists);
    let enumerators = text.enumerators();
    let mut at = span.start;
    while at < span.end {
        let enumerator = enumerators.iter().find(|enumerator| enumerator.start == at);
        if is_comma(text, at) || enumerator.is_some() {
            parts.push(Span::new(start, at));
            at = enumerator.map_or(at + 1, |enumerator| enumerator.end);
            start = at;
            continue;
        }
        let end = word_end(text, at, span.end);
        if end == at {
            at += 1;
            continue;
        }
        let word = text.at(Span::new(at, end));
        let later_comma = last_comma.is_some_and(|comma| comma >= end);
        let alone = is_one_of(word, &["및", "그리고", "plus", "하고", "랑", "또"])
            // "black and white, light, cheap": only the last member is joined by "and".
            || (equals(word, "and") && (!later_comma || text.trim(Span::new(start, at)).is_empty()));
        if alone {
            parts.push(Span::new(start, at));
            start = end;
        } else if let Some(noun) = joined_noun_end(word).filter(|_| word.iter().copied().any(is_hangul))
            && !text.trim(Span::new(end, span.end)).is_empty()
        {
            parts.push(Span::new(start, at + noun));
            start = end;
        }
        at = end;
    }
    parts.push(Span::new(start, span.end));
    parts.retain(|part| !text.trim(*part).is_empty());
    parts
}

/// `Instagram and TikTok, not YouTube`: what is added is no further member that an `and` would have joined.
fn adds_doubtfully(text: &Text<'_>, span: Span) -> bool {
    text.first_word(span).is_some_and(|word| {
        is_one_of(
            text.at(word),
            &["not", "but", "maybe", "perhaps", "possibly", "probably"],
        )
    })
}

fn is_comma(text: &Text<'_>, at: usize) -> bool {
    match text.get(at) {
        Some(',') => !(at > 0 && numeral_at_comma(text, at)),
        Some('.') => text.ends_sentence(at),
        Some(';' | '/' | '·' | '&' | '\n' | '|' | '•') => true,
        Some(_) | None => false,
    }
}

/// `10,000`: a comma within a number.
fn numeral_at_comma(text: &Text<'_>, at: usize) -> bool {
    let start = text.chars()[..at]
        .iter()
        .rposition(|char| !char.is_ascii_digit())
        .map_or(0, |before| before + 1);
    start < at && numeral_at(text, start, text.span().end).is_some_and(|numeral| numeral.span.end > at)
}

fn word_end(text: &Text<'_>, at: usize, end: usize) -> usize {
    let ends = |at: &usize| is_comma(text, *at) || text.get(*at).is_none_or(char::is_whitespace);
    (at..end).find(ends).unwrap_or(end)
}
