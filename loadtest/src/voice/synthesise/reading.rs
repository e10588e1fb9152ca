//! A sentence as it is read aloud: numbers, prices and signs become words, words become sounds.

use super::english;
use super::korean;

/// Signs that are read as words, in English and in Korean.
const SIGNS: [(char, &str, &str); 6] = [
    ('%', "percent", "퍼센트"),
    ('&', "and", "앤드"),
    ('+', "plus", "플러스"),
    ('@', "at", "골뱅이"),
    ('=', "equals", "는"),
    ('°', "degrees", "도"),
];
/// Marks that stand before an amount and are read after it.
const CURRENCIES: [(char, &str, &str); 4] = [
    ('$', "dollars", "달러"),
    ('€', "euros", "유로"),
    ('₩', "won", "원"),
    ('£', "pounds", "파운드"),
];

/// A part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A word, sound by sound.
    Word(Vec<&'static str>),
    /// A comma.
    Pause,
}

/// The parts of a sentence.
pub(super) fn parts(sentence: &str) -> Vec<Part> {
    let in_korean = sentence.chars().any(korean::is_syllable);
    let chars: Vec<char> = sentence.to_lowercase().chars().collect();
    let mut parts = Vec::new();
    let mut currency = None;
    let mut at = 0;
    while at < chars.len() {
        let char = chars[at];
        let run = |belongs: fn(char) -> bool| chars[at..].iter().take_while(|char| belongs(**char)).count();
        let taken = if char.is_ascii_digit() {
            let length = number_length(&chars[at..]);
            say(&amount(&chars[at..at + length], in_korean), &mut parts);
            if let Some(unit) = currency.take() {
                say(unit, &mut parts);
            }
            length
        } else if korean::is_syllable(char) {
            let length = run(korean::is_syllable);
            parts.push(Part::Word(korean::sounds(
                &chars[at..at + length].iter().collect::<String>(),
            )));
            length
        } else if char.is_alphabetic() {
            // An apostrophe is silent: don't, it's.
            let length = run(|char| {
                (char.is_alphabetic() && !korean::is_syllable(char)) || matches!(char, '\'' | '’')
            });
            let word: String = chars[at..at + length]
                .iter()
                .filter(|char| char.is_alphabetic())
                .collect();
            parts.push(Part::Word(english::sounds(&word)));
            length
        } else {
            let choose = |english, korean| if in_korean { korean } else { english };
            if let Some((_, english, korean)) = CURRENCIES.iter().find(|(mark, _, _)| *mark == char) {
                currency = Some(choose(*english, *korean));
            } else if let Some((_, english, korean)) = SIGNS.iter().find(|(sign, _, _)| *sign == char) {
                say(choose(english, korean), &mut parts);
            } else if matches!(char, ',' | ';' | ':' | '—' | '–' | '(' | ')' | '、') {
                parts.push(Part::Pause);
            }
            1
        };
        at += taken;
    }
    parts.retain(|part| *part != Part::Word(Vec::new()));
    parts
}

fn say(words: &str, parts: &mut Vec<Part>) {
    parts.extend(words.split_whitespace().map(|word| {
        Part::Word(if word.chars().any(korean::is_syllable) {
            korean::sounds(word)
        } else {
            english::sounds(word)
        })
    }));
}

/// Digits with commas for thousands, and at most one decimal point.
fn number_length(chars: &[char]) -> usize {
    let mut has_point = false;
    let mut length = 0;
    while let Some(char) = chars.get(length) {
        let digit_follows = chars.get(length + 1).is_some_and(char::is_ascii_digit);
        match char {
            '0'..='9' => {}
            ',' if digit_follows => {}
            '.' if digit_follows && !has_point => has_point = true,
            _ => break,
        }
        length += 1;
    }
    length
}

fn amount(chars: &[char], in_korean: bool) -> String {
    let plain: String = chars.iter().filter(|char| **char != ',').collect();
    let (whole, decimals) = plain.split_once('.').unwrap_or((&plain, ""));
    let read = |digits: &str| {
        let value: Option<u64> = digits.parse().ok();
        match value {
            Some(value) if in_korean => korean::number(value),
            Some(value) => english::number(value),
            // No number of so many digits is read as one.
            None => digits
                .chars()
                .map(|digit| digit_word(digit, in_korean))
                .collect::<Vec<_>>()
                .join(" "),
        }
    };
    let mut words = read(whole);
    if !decimals.is_empty() {
        words.push_str(if in_korean { " 점" } else { " point" });
        for digit in decimals.chars() {
            words.push(' ');
            words.push_str(&digit_word(digit, in_korean));
        }
    }
    words
}

fn digit_word(digit: char, in_korean: bool) -> String {
    let value = u64::from(digit.to_digit(10).unwrap_or(0));
    if in_korean {
        korean::number(value)
    } else {
        english::number(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sentence: &str) -> String {
        let words = parts(sentence).into_iter().map(|part| match part {
            Part::Word(sounds) => sounds.join(""),
            Part::Pause => ",".to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_written_as_signs_is_read_as_words() {
        for (written, read) in [
            ("$25", "twenty five dollars"),
            ("100% & more", "one hundred percent and more"),
            (
                "1,250 is 2.5 x 500",
                "one thousand two hundred fifty is two point five x five hundred",
            ),
            ("가격은 ₩39,000", "가격은 삼만구천 원"),
            ("39000원", "삼만구천 원"),
        ] {
            assert_eq!(said(written), said(read), "{written}");
        }
        assert_eq!(said("🎉 日本"), "");
        assert_eq!(said(&"9".repeat(40)).split(' ').count(), 40);
    }
}
