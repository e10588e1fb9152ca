//! A text as the rules read it: composed, lowercase, and with the way back to the user's own bytes.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// Words before a full stop that does not end a sentence.
const ABBREVIATIONS: [&str; 9] = ["dr", "mr", "mrs", "ms", "st", "vs", "no", "jr", "inc"];

/// Words of an answer that a question mark only makes doubtful.
const HESITANT_WORDS_MAX: usize = 3;

/// A range of characters of a [`Text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first character.
    pub start: usize,
    /// After the last character.
    pub end: usize,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self {
            start,
            end: end.max(start),
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }

    pub(crate) fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// A sentence of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sentence {
    /// Where it stands, without the mark that ends it.
    pub span: Span,
    /// Whether a question mark ends it; not when it only tells doubt about a number: `3만원 정도?`
    pub question_mark: bool,
}

/// A text in normal form C, lowercase, half-width; every character knows the bytes that it comes from.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    raw: &'a str,
    chars: Vec<char>,
    bytes: Vec<(usize, usize)>,
    enumerators: Vec<Span>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(raw: &'a str) -> Self {
        let mut text = Self {
            raw,
            chars: Vec::with_capacity(raw.len()),
            bytes: Vec::with_capacity(raw.len()),
            enumerators: Vec::new(),
        };
        let mut rest = raw.char_indices().peekable();
        while let Some((start, first)) = rest.next() {
            let mut end = start + first.len_utf8();
            let mut composed = false;
            while let Some((at, next)) = rest.next_if(|(_, next)| joins_previous(*next)) {
                end = at + next.len_utf8();
                composed = true;
            }
            if composed {
                for part in raw[start..end].nfc() {
                    text.push(part, start, end);
                }
            } else {
                text.push(first, start, end);
            }
        }
        text.enumerators = text.find_enumerators();
        text
    }

    fn push(&mut self, char: char, start: usize, end: usize) {
        if matches!(char, '\u{ac00}'..='\u{d7a3}') {
            self.chars.push(char);
            self.bytes.push((start, end));
            return;
        }
        for lower in plain(char).to_lowercase() {
            self.chars.push(lower);
            self.bytes.push((start, end));
        }
    }

    /// The characters.
    pub(crate) fn chars(&self) -> &[char] {
        &self.chars
    }

    /// The characters of a range.
    pub(crate) fn at(&self, span: Span) -> &[char] {
        &self.chars[span.start..span.end]
    }

    /// The character at an index, if the text is that long.
    pub(crate) fn get(&self, index: usize) -> Option<char> {
        self.chars.get(index).copied()
    }

    /// The whole text.
    pub(crate) fn span(&self) -> Span {
        Span::new(0, self.chars.len())
    }

    /// The user's own bytes of a range.
    pub(crate) fn raw(&self, span: Span) -> &'a str {
        match (
            self.bytes.get(span.start),
            span.end.checked_sub(1).and_then(|last| self.bytes.get(last)),
        ) {
            (Some((start, _)), Some((_, end))) if start < end => &self.raw[*start..*end],
            (Some(_) | None, Some(_) | None) => "",
        }
    }

    /// The words of a range as a value: composed, single spaces.
    pub(crate) fn value(&self, span: Span) -> String {
        let mut value = String::with_capacity(span.len() * 3);
        for word in self.raw(span).split_whitespace() {
            if !value.is_empty() {
                value.push(' ');
            }
            value.extend(word.nfc());
        }
        value
    }

    /// Whether a word begins at an index: what stands before is neither letter nor digit.
    pub(crate) fn is_word_start(&self, index: usize) -> bool {
        index == 0 || !is_alphanumeric(self.chars[index - 1])
    }

    /// A range without blanks and punctuation at both ends. Signs that carry meaning (`$`, `%`, `+`, `#`) stay.
    pub(crate) fn trim(&self, mut span: Span) -> Span {
        while !span.is_empty() && is_edge(self.chars[span.start]) {
            span.start += 1;
        }
        while !span.is_empty() && is_edge(self.chars[span.end - 1]) {
            span.end -= 1;
        }
        span
    }

    /// The words of a range, without punctuation around them.
    pub(crate) fn words(&self, span: Span) -> impl Iterator<Item = Span> + '_ {
        let mut at = span.start;
        std::iter::from_fn(move || {
            loop {
                while at < span.end && self.chars[at].is_whitespace() {
                    at += 1;
                }
                if at >= span.end {
                    return None;
                }
                let start = at;
                while at < span.end && !self.chars[at].is_whitespace() {
                    at += 1;
                }
                let word = self.trim(Span::new(start, at));
                if !word.is_empty() {
                    return Some(word);
                }
            }
        })
    }

    /// The last word of a range.
    pub(crate) fn last_word(&self, span: Span) -> Option<Span> {
        let span = self.trim(span);
        let blank = self.at(span).iter().rposition(|char| char.is_whitespace());
        let word = self.trim(Span::new(
            blank.map_or(span.start, |blank| span.start + blank + 1),
            span.end,
        ));
        (!word.is_empty()).then_some(word)
    }

    /// The first word of a range.
    pub(crate) fn first_word(&self, span: Span) -> Option<Span> {
        self.words(span).next()
    }

    /// The sentences that have words.
    pub(crate) fn sentences(&self) -> Vec<Sentence> {
        let mut sentences = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while at <= self.chars.len() {
            let mark = self.get(at);
            let enumerates =
                mark == Some('.') && self.enumerators.iter().any(|enumerator| enumerator.end == at + 1);
            if at == self.chars.len() || (self.ends_sentence(at) && !enumerates) {
                let span = self.trim(Span::new(start, at));
                if !span.is_empty() {
                    sentences.push(Sentence {
                        span,
                        question_mark: mark == Some('?') && !self.is_hesitant(span),
                    });
                } else if mark == Some('?')
                    && let Some(last) = sentences.last_mut()
                {
                    last.question_mark = true;
                }
                start = at + 1;
            }
            at += 1;
        }
        sentences
    }

    /// A few words with a number: an answer in a doubtful voice.
    fn is_hesitant(&self, span: Span) -> bool {
        self.at(span).iter().any(char::is_ascii_digit) && self.words(span).nth(HESITANT_WORDS_MAX).is_none()
    }

    /// Whether a question mark follows a range that is no question.
    pub(crate) fn doubts_after(&self, span: Span) -> bool {
        self.get(span.end) == Some('?')
    }

    /// The numbers before the items of a list, `1.` and `2)`, when there are at least these two.
    pub(crate) fn enumerators(&self) -> &[Span] {
        &self.enumerators
    }

    fn find_enumerators(&self) -> Vec<Span> {
        let mut found = Vec::new();
        for (at, _) in self
            .chars
            .iter()
            .enumerate()
            .filter(|(_, char)| matches!(char, '.' | ')'))
        {
            let digits = self.chars[..at]
                .iter()
                .rev()
                .take_while(|char| char.is_ascii_digit())
                .count();
            let start = at - digits;
            let apart = start == 0 || self.chars[start - 1].is_whitespace();
            let number = self.chars[start..at]
                .iter()
                .fold(0, |number, digit| number * 10 + digit.to_digit(10).unwrap_or(0));
            let next = u32::try_from(found.len()).is_ok_and(|count| number == count + 1);
            if (1..=2).contains(&digits) && apart && next && self.get(at + 1).is_some_and(char::is_whitespace)
            {
                found.push(Span::new(start, at + 1));
            }
        }
        if found.len() < 2 {
            found.clear();
        }
        found
    }

    /// Whether a mark ends a sentence.
    pub(crate) fn ends_sentence(&self, at: usize) -> bool {
        match self.chars[at] {
            '!' | '?' | '。' | '…' | '\n' | '\r' => true,
            '.' => {
                let next = self.get(at + 1);
                let ends_word =
                    next.is_none_or(|next| next.is_whitespace() || matches!(next, '.' | '"' | '\'' | ')'));
                ends_word && !self.is_abbreviation(at)
            }
            _ => false,
        }
    }

    fn is_abbreviation(&self, stop: usize) -> bool {
        let start = self.chars[..stop]
            .iter()
            .rposition(|char| !is_alphanumeric(*char))
            .map_or(0, |at| at + 1);
        // "Dr. Jart" goes on; "no." at the very end does not.
        let goes_on = self.chars[stop + 1..].iter().any(|char| is_alphanumeric(*char));
        goes_on
            && ABBREVIATIONS
                .iter()
                .any(|word| equals(&self.chars[start..stop], word))
    }
}

/// Whether characters are exactly a word.
pub(crate) fn equals(chars: &[char], word: &str) -> bool {
    let mut rest = chars.iter();
    word.chars().all(|expected| rest.next() == Some(&expected)) && rest.next().is_none()
}

/// Whether characters begin with a word.
pub(crate) fn starts_with(chars: &[char], word: &str) -> bool {
    let mut rest = chars.iter();
    word.chars().all(|expected| rest.next() == Some(&expected))
}

/// Whether characters end with a word.
pub(crate) fn ends_with(chars: &[char], word: &str) -> bool {
    before_ending(chars, word).is_some()
}

/// How many characters stand before an ending; none if the word does not end so.
pub(crate) fn before_ending(chars: &[char], ending: &str) -> Option<usize> {
    let mut rest = chars.len();
    for expected in ending.chars().rev() {
        rest = rest.checked_sub(1)?;
        if chars[rest] != expected {
            return None;
        }
    }
    Some(rest)
}

/// Whether characters are exactly one of these words.
pub(crate) fn is_one_of(chars: &[char], words: &[&str]) -> bool {
    words.iter().any(|word| equals(chars, word))
}

/// Whether characters begin with one of these words.
pub(crate) fn starts_with_any(chars: &[char], words: &[&str]) -> bool {
    words.iter().any(|word| starts_with(chars, word))
}

/// Whether characters end with one of these words.
pub(crate) fn ends_with_any(chars: &[char], words: &[&str]) -> bool {
    words.iter().any(|word| ends_with(chars, word))
}

/// Whether words joined by single spaces stand at an index of a text, blanks counting as one space; returns
/// where they end. A Latin word must end there.
pub(crate) fn phrase_at(chars: &[char], start: usize, phrase: &str) -> Option<usize> {
    let mut at = start;
    let mut last = ' ';
    for expected in phrase.chars() {
        if expected == ' ' {
            let blanks = chars[at..].iter().take_while(|char| char.is_whitespace()).count();
            // Korean compounds are written with and without the space.
            if blanks == 0 && !is_hangul(last) {
                return None;
            }
            at += blanks;
        } else {
            if chars.get(at) != Some(&expected) {
                return None;
            }
            at += 1;
        }
        last = expected;
    }
    let runs_on = last.is_ascii_alphanumeric() && chars.get(at).is_some_and(char::is_ascii_alphanumeric);
    (!runs_on).then_some(at)
}

/// Whether a character is Korean writing.
pub(crate) fn is_hangul(char: char) -> bool {
    matches!(char, '\u{ac00}'..='\u{d7a3}' | '\u{1100}'..='\u{11ff}' | '\u{3131}'..='\u{318e}')
}

/// Whether a character is a letter or a digit. The tables of Unicode are asked for the rest only: Korean syllables
/// lie where looking them up is slow.
pub(crate) fn is_alphanumeric(char: char) -> bool {
    match char {
        '\0'..='\u{7f}' => char.is_ascii_alphanumeric(),
        '\u{ac00}'..='\u{d7a3}' => true,
        _ => char.is_alphanumeric(),
    }
}

fn is_edge(char: char) -> bool {
    !is_alphanumeric(char) && !matches!(char, '$' | '₩' | '€' | '¥' | '£' | '%' | '+' | '#')
}

fn joins_previous(char: char) -> bool {
    // Everything below this is a character of its own; asking the tables is for the rest.
    char >= '\u{300}'
        && (matches!(char, '\u{1160}'..='\u{11ff}')
            || (!is_hangul(char) && is_combining_mark(char) && canonical_combining_class(char) != 0))
}

fn plain(char: char) -> char {
    match char {
        // Full-width forms of ASCII.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(char) - 0xfee0).unwrap_or(char),
        '’' | '‘' => '\'',
        '“' | '”' => '"',
        '〜' => '~',
        '、' => ',',
        '\u{200b}' | '\u{feff}' => ' ',
        _ => char,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decomposed_text_is_read_as_composed_and_sliced_as_it_was() {
        let raw = "이름은 루미요".nfd().collect::<String>();
        let text = Text::new(&raw);
        let word = text.last_word(text.span()).unwrap();
        assert!(equals(text.at(word), "루미요"));
        assert_eq!(text.raw(word), "루미요".nfd().collect::<String>());
        assert_eq!(text.value(word), "루미요");
    }

    #[test]
    fn a_stop_ends_a_sentence_only_after_a_word_that_is_none_of_a_name() {
        let spans = |raw: &str| Text::new(raw).sentences().len();
        assert_eq!(spans("Dr. Jart costs 2.5 dollars at node.js. It sells."), 2);
        assert_eq!(spans("음... 루미요!! 네?"), 3);
        assert_eq!(spans("... !?"), 0);
    }
}
