//! Whether a sentence ends where a text does, as far as the text itself and the next character tell.
//!
//! Where it cannot be told, it goes on: two sentences said in one go do no harm, half a sentence does.

use super::cutter::weight;
use crate::extractor::lexis::is_hangul;

/// Words whose full stop never ends a sentence: something always follows them.
#[rustfmt::skip]
const GOING_ON: [&str; 62] = [
    "mr", "mrs", "ms", "mx", "dr", "prof", "st", "mt", "ft", "vs", "cf", "ca", "approx", "est", "max", "min",
    "avg", "incl", "excl", "gen", "rep", "sen", "gov", "rev", "hon", "capt", "col", "lt", "sgt", "messrs",
    "inc", "ltd", "co", "corp", "llc", "bros", "jr", "sr", "dept", "tel", "ext", "ave", "blvd", "jan", "feb",
    "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "e.g", "i.e", "viz", "resp", "op",
    "ph.d", "al",
];
/// Words whose full stop ends no sentence if a number follows: `No. 5`.
const BEFORE_NUMBERS: [&str; 14] = [
    "no", "nos", "fig", "vol", "p", "pp", "ch", "ver", "v", "sec", "art", "eq", "ed", "pt",
];
/// Dotted letters after which a sentence may well end, if no small letter follows.
const DOTTED_LAST: [&str; 4] = ["a.m", "p.m", "b.c", "a.d"];
/// Letters that only follow a full stop at once if somebody forgot the blank, or if they go on after a quotation:
/// `좋아요!라고 했어요`.
const PARTICLES: [char; 8] = ['라', '는', '이', '고', '하', '란', '며', '면'];

/// What a text's last characters say of the end of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// No sentence ends here.
    None,
    /// A sentence ends, if a blank follows.
    Certain,
    /// It ends unless a small letter comes after the blank.
    UnlessSmall,
    /// It ends unless a small letter or a number comes after the blank.
    UnlessNumber,
    /// It only ends if a capital comes after the blank.
    BeforeCapital,
    /// It only ends if a Korean syllable comes after the blank.
    BeforeHangul,
}

impl Ending {
    /// Reads the end of a text, which has no blank there.
    pub(super) fn of(text: &str) -> Self {
        let quoted = text.trim_end_matches(is_closer);
        let words = quoted.trim_end_matches(is_terminator);
        let marks = &quoted[words.len()..];
        if marks.is_empty() || words.is_empty() {
            return Self::None;
        }
        let closers = &text[quoted.len()..];
        let quotation = closers.chars().rfind(|closer| !is_markup(*closer));
        match quotation {
            Some(closer) if opens_amid(&text[..text.len() - closers.len()], closer) => Self::BeforeCapital,
            Some(_) => Self::of_marks(words, marks).weaker_than(Self::UnlessSmall),
            None => Self::of_marks(words, marks),
        }
    }

    /// Whether a sentence ends: before any blank, or before a blank with this behind it. None if that cannot be told yet.
    pub(super) fn decide(self, next: Option<char>) -> Option<bool> {
        match (self, next) {
            (Self::None, _) => Some(false),
            (Self::Certain, _) => Some(true),
            (Self::UnlessSmall | Self::UnlessNumber | Self::BeforeCapital | Self::BeforeHangul, None) => None,
            (Self::UnlessSmall, Some(next)) => Some(!next.is_lowercase()),
            (Self::UnlessNumber, Some(next)) => Some(!next.is_lowercase() && !next.is_ascii_digit()),
            (Self::BeforeCapital, Some(next)) => Some(next.is_uppercase()),
            (Self::BeforeHangul, Some(next)) => Some(is_hangul(next)),
        }
    }

    /// Whether this most likely is a sentence's end, whatever may come.
    pub(super) fn looks_complete(self) -> bool {
        match self {
            Self::Certain | Self::UnlessSmall => true,
            Self::None | Self::UnlessNumber | Self::BeforeCapital | Self::BeforeHangul => false,
        }
    }

    fn of_marks(words: &str, marks: &str) -> Self {
        if marks.contains(['?', '!', '。', '？', '！', '‼', '⁉']) {
            Self::Certain
        } else if marks == "." {
            Self::of_full_stop(words)
        } else if ends_korean_sentence(words) {
            Self::Certain
        } else {
            // `음... 그건`, `Well… maybe`: a pause, not an end.
            Self::BeforeCapital
        }
    }

    fn of_full_stop(words: &str) -> Self {
        let mut reversed = words.rsplit(char::is_whitespace);
        let word = reversed.next().unwrap_or_default();
        let word = word.trim_start_matches(|char: char| is_closer(char) || is_opener(char));
        let before = reversed.find(|word| !word.is_empty()).unwrap_or_default();
        let Some(last) = word.chars().next_back() else {
            return Self::UnlessSmall;
        };
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        if is_hangul(last) {
            Self::Certain
        } else if is_number && is_number_with_stop(before) {
            // `2026. 11. 20. 출시`
            Self::None
        } else if is_number {
            Self::UnlessNumber
        } else {
            Self::of_latin_word(before, word)
        }
    }

    fn of_latin_word(before: &str, word: &str) -> Self {
        let lower = word.to_lowercase();
        let is_one_of = |words: &[&str]| words.contains(&lower.as_str());
        let is_initial = word.chars().count() == 1 && word.starts_with(char::is_uppercase);
        let is_dotted = word.contains('.') && word.split('.').all(|part| part.chars().count() == 1);
        // `J. K. Rowling`, `Michael J. Fox`, but `plan B. It`, `so do I. It`.
        let in_name = before.is_empty() || before.starts_with(char::is_uppercase);
        if is_one_of(&GOING_ON) {
            Self::None
        } else if is_initial && in_name && word != "I" {
            Self::BeforeHangul
        } else if is_one_of(&BEFORE_NUMBERS) {
            Self::UnlessNumber
        } else if is_dotted && !is_one_of(&DOTTED_LAST) {
            Self::None
        } else {
            Self::UnlessSmall
        }
    }

    fn weaker_than(self, other: Self) -> Self {
        if self == Self::Certain { other } else { self }
    }
}

/// Whether a sentence ends between a text and a character that follows it without a blank.
pub(super) fn ends_glued(text: &str, next: char) -> bool {
    let Some(last) = text.chars().next_back() else {
        return false;
    };
    if is_terminator(next) || is_closer(next) || !(is_terminator(last) || is_closer(last)) {
        return false;
    }
    let quoted = text.trim_end_matches(is_closer);
    let words = quoted.trim_end_matches(is_terminator);
    let Some(mark) = quoted[words.len()..].chars().next_back() else {
        return false;
    };
    let Some(before) = words.chars().next_back() else {
        return false;
    };
    let is_quoted = text.len() > quoted.len();
    match mark {
        '。' | '！' | '？' => !is_quoted,
        '?' | '!' | '.' => {
            let word = words.rsplit(char::is_whitespace).next().unwrap_or_default();
            let is_address = word.contains("://") || word.contains('@') || word.starts_with("www.");
            let ends = is_hangul(before) && (mark != '.' || ends_korean_sentence(words));
            ends && !is_quoted && !is_address && is_hangul(next) && !PARTICLES.contains(&next)
        }
        _ => false,
    }
}

pub(super) fn is_terminator(char: char) -> bool {
    matches!(char, '.' | '!' | '?' | '…' | '‥' | '。' | '！' | '？' | '‼' | '⁉')
}

/// What closes a quotation, a bracket or an emphasis.
fn is_closer(char: char) -> bool {
    matches!(
        char,
        '"' | '\'' | '”' | '’' | ')' | ']' | '}' | '»' | '」' | '』' | '】' | '〉' | '》' | '）'
    ) || is_markup(char)
}

fn is_markup(char: char) -> bool {
    matches!(char, '*' | '_' | '`' | '~')
}

fn is_opener(char: char) -> bool {
    matches!(
        char,
        '“' | '‘' | '(' | '[' | '{' | '«' | '「' | '『' | '【' | '〈' | '《' | '（'
    )
}

/// Whether what a closer closes was opened after something of the same text had been said.
fn opens_amid(text: &str, closer: char) -> bool {
    let opener = match closer {
        '”' => '“',
        '’' => '‘',
        ')' => '(',
        ']' => '[',
        '}' => '{',
        '»' => '«',
        '」' => '「',
        '』' => '『',
        '】' => '【',
        '〉' => '〈',
        '》' => '《',
        '）' => '（',
        same => same,
    };
    text.rfind(opener)
        .is_some_and(|opened| text[..opened].chars().any(|char| weight(char) > 0))
}

/// Whether a text ends as Korean sentences do.
fn ends_korean_sentence(text: &str) -> bool {
    text.ends_with(['다', '요', '죠', '까'])
}

/// `2026.` as a part of a date.
fn is_number_with_stop(word: &str) -> bool {
    let digits = word.strip_suffix('.');
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told_by_what_stands_before_the_mark() {
        for (text, ending) in [
            ("", Ending::None),
            ("네", Ending::None),
            ("...", Ending::None),
            ("네.", Ending::Certain),
            ("Really?", Ending::Certain),
            ("Really?!", Ending::Certain),
            ("**정말요?**", Ending::Certain),
            ("Nice.", Ending::UnlessSmall),
            ("It costs 25.", Ending::UnlessNumber),
            ("2026. 11.", Ending::None),
            ("Mr.", Ending::None),
            ("see e.g.", Ending::None),
            ("from the U.S.", Ending::None),
            ("at 9 a.m.", Ending::UnlessSmall),
            ("cream, serum, etc.", Ending::UnlessSmall),
            ("No.", Ending::UnlessNumber),
            ("J.", Ending::BeforeHangul),
            ("Michael J.", Ending::BeforeHangul),
            ("plan B.", Ending::UnlessSmall),
            ("so do I.", Ending::UnlessSmall),
            ("음...", Ending::BeforeCapital),
            ("그렇군요…", Ending::Certain),
            ("\"Nice.\"", Ending::UnlessSmall),
            ("“좋아요!”", Ending::UnlessSmall),
            ("He said \"nice.\"", Ending::BeforeCapital),
            ("제목은 ‘왜 지금일까?’", Ending::BeforeCapital),
        ] {
            assert_eq!(Ending::of(text), ending, "{text}");
        }
    }

    #[test]
    fn a_forgotten_blank_ends_a_sentence_too() {
        for (text, next, ends) in [
            ("좋아요.", '그', true),
            ("좋아요!", '그', true),
            ("좋아요!", '라', false),
            ("'좋아요!'", '라', false),
            ("보고서.", '한', false),
            ("https://x.kr/좋아요?", '가', false),
            ("はい。", '次', true),
            ("Yahoo!", 'J', false),
            ("좋아요.", '.', false),
        ] {
            assert_eq!(ends_glued(text, next), ends, "{text}{next}");
        }
    }
}
