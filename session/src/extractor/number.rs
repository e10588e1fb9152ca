//! Numbers as people say them: `39,000`, `3만9천`, `삼만구천`, `twenty-five`, `39k`.

use super::text::{Span, Text, is_alphanumeric};

/// More digits than any price or length has.
const DIGITS_MAX: usize = 12;

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// With digits, perhaps with `만` or `thousand` after them.
    Digits,
    /// With Korean words; they are also syllables of other words, so something must confirm them.
    Korean,
    /// With English words.
    English,
}

/// A number in a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numeral {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: f64,
    /// How it is written.
    pub style: Style,
    /// The last multiplier (`만` is 10,000), or 1.
    pub scale: f64,
}

/// The numbers of a range, in their order.
pub(crate) fn numerals(text: &Text<'_>, span: Span) -> Vec<Numeral> {
    let mut found = Vec::new();
    let mut at = span.start;
    while at < span.end {
        if let Some(numeral) = numeral_at(text, at, span.end) {
            at = numeral.span.end;
            found.push(numeral);
        } else {
            at += 1;
        }
    }
    found
}

/// The number that begins at an index.
pub(crate) fn numeral_at(text: &Text<'_>, at: usize, end: usize) -> Option<Numeral> {
    let first = text.get(at)?;
    if first.is_ascii_digit() {
        let inside = at > 0
            && text
                .get(at - 1)
                .is_some_and(|before| before.is_ascii_alphanumeric());
        return if inside {
            None
        } else {
            sino(text, at, end, Style::Digits)
        };
    }
    if !text.is_word_start(at) {
        return None;
    }
    if korean_digit(first).is_some() || korean_multiplier(first).is_some() {
        return sino(text, at, end, Style::Korean);
    }
    if first.is_ascii_lowercase() {
        english(text, at, end)
    } else {
        None
    }
}

/// Digits or Korean digit syllables with `십 백 천 만 억` between them.
fn sino(text: &Text<'_>, start: usize, end: usize, style: Style) -> Option<Numeral> {
    let (mut total, mut section, mut current) = (0.0_f64, 0.0_f64, None::<f64>);
    let (mut at, mut scale) = (start, 1.0);
    while at < end {
        let char = text.get(at)?;
        if char.is_ascii_digit() && current.is_none() {
            let (value, after) = digits(text, at, end)?;
            (current, at) = (Some(value), after);
        } else if let Some(digit) = korean_digit(char).filter(|_| style == Style::Korean || scale > 1.0) {
            current = Some(current.unwrap_or(0.0) * 10.0 + digit);
            at += 1;
        } else if let Some((multiplier, after)) = multiplier_at(text, at, end) {
            if multiplier >= 10_000.0 {
                let part = section + current.unwrap_or(0.0);
                total += if part > 0.0 { part } else { 1.0 } * multiplier;
                section = 0.0;
            } else {
                section += current.unwrap_or(1.0) * multiplier;
            }
            (current, scale, at) = (None, multiplier, after);
        } else if char == ' ' && scale > 1.0 && goes_on_after_blank(text, at + 1, end) {
            at += 1;
        } else {
            break;
        }
    }
    let value = total + section + current.unwrap_or(0.0);
    let (value, scale, at) = english_scale(text, at, end).map_or((value, scale, at), |(factor, after)| {
        (value * factor, factor, after)
    });
    (at > start).then_some(Numeral {
        span: Span::new(start, at),
        value,
        style,
        scale,
    })
}

/// `39,000`, `29.99`, `39000`.
fn digits(text: &Text<'_>, start: usize, end: usize) -> Option<(f64, usize)> {
    let is_digit = |at: usize| at < end && text.get(at).is_some_and(|char| char.is_ascii_digit());
    let mut literal = String::new();
    let mut at = start;
    while is_digit(at) {
        literal.extend(text.get(at));
        at += 1;
    }
    // `29.000` is written for 29,000 in half of Europe; nobody says a price to a tenth of a cent.
    let separator = text
        .get(at)
        .filter(|char| matches!(char, ',' | '.'))
        .filter(|_| literal.len() <= 3 && literal != "0");
    while at < end && separator.is_some() && text.get(at) == separator && literal.len() <= DIGITS_MAX {
        let group = (1..=3).all(|step| is_digit(at + step)) && !is_digit(at + 4);
        if !group {
            break;
        }
        literal.extend((1..=3).filter_map(|step| text.get(at + step)));
        at += 4;
    }
    if literal.len() > DIGITS_MAX {
        return None;
    }
    if at < end && text.get(at) == Some('.') && is_digit(at + 1) {
        literal.push('.');
        at += 1;
        while is_digit(at) {
            literal.extend(text.get(at));
            at += 1;
        }
    }
    Some((literal.parse().ok()?, at))
}

/// `만` after the number, or after one blank: `3 만원`.
fn multiplier_at(text: &Text<'_>, at: usize, end: usize) -> Option<(f64, usize)> {
    let at = if text.get(at) == Some(' ') && text.get(at + 1) == Some('만') {
        at + 1
    } else {
        at
    };
    if at >= end {
        return None;
    }
    Some((korean_multiplier(text.get(at)?)?, at + 1))
}

/// `9천` after `3만 `: a further part of the same number has a multiplier of its own.
fn goes_on_after_blank(text: &Text<'_>, start: usize, end: usize) -> bool {
    let digit = |at: usize| {
        text.get(at)
            .is_some_and(|char| char.is_ascii_digit() || korean_digit(char).is_some())
    };
    let mut at = start;
    while at < end && digit(at) {
        at += 1;
    }
    at < end && at > start && text.get(at).and_then(korean_multiplier).is_some()
}

fn korean_digit(char: char) -> Option<f64> {
    Some(match char {
        '영' | '공' => 0.0,
        '일' => 1.0,
        '이' => 2.0,
        '삼' => 3.0,
        '사' => 4.0,
        '오' => 5.0,
        '육' => 6.0,
        '칠' => 7.0,
        '팔' => 8.0,
        '구' => 9.0,
        _ => return None,
    })
}

fn korean_multiplier(char: char) -> Option<f64> {
    Some(match char {
        '십' => 10.0,
        '백' => 100.0,
        '천' => 1_000.0,
        '만' => 10_000.0,
        '억' => 100_000_000.0,
        _ => return None,
    })
}

/// `k`, ` thousand` after digits.
fn english_scale(text: &Text<'_>, at: usize, end: usize) -> Option<(f64, usize)> {
    if text.get(at) == Some('k') && at < end && !text.get(at + 1).is_some_and(is_alphanumeric) {
        return Some((1_000.0, at + 1));
    }
    if text.get(at) != Some(' ') {
        return None;
    }
    let (word, after) = latin_word(text, at + 1, end)?;
    match word.as_str() {
        "hundred" => Some((100.0, after)),
        "thousand" => Some((1_000.0, after)),
        "million" => Some((1_000_000.0, after)),
        _ => None,
    }
}

/// `twenty-five`, `a hundred and twenty`, `thirty nine thousand`.
fn english(text: &Text<'_>, start: usize, end: usize) -> Option<Numeral> {
    let (mut total, mut current, mut said) = (0.0_f64, 0.0_f64, false);
    let (mut at, mut after_last, mut scale) = (start, start, 1.0);
    while let Some((word, after)) = latin_word(text, at, end) {
        match word.as_str() {
            "hundred" => {
                current = current.max(1.0) * 100.0;
                scale = 100.0;
            }
            "thousand" => {
                total += current.max(1.0) * 1_000.0;
                (current, scale) = (0.0, 1_000.0);
            }
            "million" => {
                total += current.max(1.0) * 1_000_000.0;
                (current, scale) = (0.0, 1_000_000.0);
            }
            "and" if said => {}
            "a" if !said => {}
            word => match english_value(word) {
                // "twenty nine" is one number, "nine twenty" are two.
                Some(value) if current % 10.0 == 0.0 && (current % 100.0 == 0.0 || value < 10.0) => {
                    current += value;
                }
                Some(_) | None => break,
            },
        }
        if !matches!(word.as_str(), "a" | "and") {
            said = true;
            after_last = after;
        }
        at = after;
        match text.get(at) {
            Some(' ' | '-') if next_is_number(text, at + 1, end) => at += 1,
            _ => break,
        }
    }
    said.then_some(Numeral {
        span: Span::new(start, after_last),
        value: total + current,
        style: Style::English,
        scale,
    })
}

fn next_is_number(text: &Text<'_>, at: usize, end: usize) -> bool {
    let is_number =
        |word: &str| english_value(word).is_some() || matches!(word, "hundred" | "thousand" | "million");
    let Some((word, after)) = latin_word(text, at, end) else {
        return false;
    };
    if word == "and" {
        return latin_word(text, after + 1, end).is_some_and(|(word, _)| is_number(&word));
    }
    is_number(&word)
}

fn latin_word(text: &Text<'_>, start: usize, end: usize) -> Option<(String, usize)> {
    let length = text
        .chars()
        .get(start..end)?
        .iter()
        .take_while(|char| char.is_ascii_lowercase())
        .count();
    // The longest number word has nine letters.
    (1..=9).contains(&length).then(|| {
        (
            text.chars()[start..start + length].iter().collect(),
            start + length,
        )
    })
}

fn english_value(word: &str) -> Option<f64> {
    Some(match word {
        "zero" => 0.0,
        "one" => 1.0,
        "two" => 2.0,
        "three" => 3.0,
        "four" => 4.0,
        "five" => 5.0,
        "six" => 6.0,
        "seven" => 7.0,
        "eight" => 8.0,
        "nine" => 9.0,
        "ten" => 10.0,
        "eleven" => 11.0,
        "twelve" => 12.0,
        "thirteen" => 13.0,
        "fourteen" => 14.0,
        "fifteen" => 15.0,
        "sixteen" => 16.0,
        "seventeen" => 17.0,
        "eighteen" => 18.0,
        "nineteen" => 19.0,
        "twenty" => 20.0,
        "thirty" => 30.0,
        "forty" | "fourty" => 40.0,
        "fifty" => 50.0,
        "sixty" => 60.0,
        "seventy" => 70.0,
        "eighty" => 80.0,
        "ninety" => 90.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &[(f64, &str)]) {
        let text = Text::new(raw);
        let found: Vec<_> = numerals(&text, text.span())
            .iter()
            .map(|numeral| (numeral.value, text.raw(numeral.span)))
            .collect();
        assert_eq!(found, expected, "{raw}");
    }

    #[test]
    fn digits_with_separators_and_multipliers() {
        check(
            "39,000원 29.99 39k",
            &[(39_000.0, "39,000"), (29.99, "29.99"), (39_000.0, "39k")],
        );
        check("3만9천원", &[(39_000.0, "3만9천")]);
        check("3만 9천 원", &[(39_000.0, "3만 9천")]);
        check("3만 2명", &[(30_000.0, "3만"), (2.0, "2")]);
        check("1.5만", &[(15_000.0, "1.5만")]);
        check("2만5000", &[(25_000.0, "2만5000")]);
        check("저자극, 10,000", &[(10_000.0, "10,000")]);
        check("123456789012345", &[]);
    }

    #[test]
    fn numbers_in_words() {
        check("삼만구천원", &[(39_000.0, "삼만구천")]);
        check("십이만", &[(120_000.0, "십이만")]);
        check("만오천원", &[(15_000.0, "만오천")]);
        check("십오 초", &[(15.0, "십오")]);
        check("twenty-five dollars", &[(25.0, "twenty-five")]);
        check("a hundred and twenty", &[(120.0, "a hundred and twenty")]);
        check("thirty nine thousand won", &[(39_000.0, "thirty nine thousand")]);
        check("39 thousand won", &[(39_000.0, "39 thousand")]);
        check("a gentle one", &[(1.0, "one")]);
    }
}
