//! A fixed set of words, asked often: most words are told apart by their first or last character alone.

use super::text::{before_ending, equals, starts_with};

/// Words, with one bit for each first and each last character among them.
pub(crate) struct WordSet<const N: usize> {
    words: [&'static str; N],
    first: u64,
    last: u64,
}

impl<const N: usize> WordSet<N> {
    pub(crate) const fn new(words: [&'static str; N]) -> Self {
        let (mut first, mut last) = (0, 0);
        let mut at = 0;
        while at < N {
            let bytes = words[at].as_bytes();
            let mut last_start = bytes.len() - 1;
            while is_continuation(bytes[last_start]) {
                last_start -= 1;
            }
            first |= bit(code_point(bytes, 0));
            last |= bit(code_point(bytes, last_start));
            at += 1;
        }
        Self { words, first, last }
    }

    /// Whether characters are exactly one of the words.
    pub(crate) fn contains(&self, chars: &[char]) -> bool {
        self.may_begin(chars) && self.words.iter().any(|word| equals(chars, word))
    }

    /// Whether characters begin with one of the words.
    pub(crate) fn begins(&self, chars: &[char]) -> bool {
        self.may_begin(chars) && self.words.iter().any(|word| starts_with(chars, word))
    }

    /// Whether characters end with one of the words.
    pub(crate) fn ends(&self, chars: &[char]) -> bool {
        let may_end = chars
            .last()
            .is_some_and(|last| self.last & bit(u32::from(*last)) != 0);
        may_end && self.words.iter().any(|word| before_ending(chars, word).is_some())
    }

    fn may_begin(&self, chars: &[char]) -> bool {
        chars
            .first()
            .is_some_and(|first| self.first & bit(u32::from(*first)) != 0)
    }
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The character at a place of UTF-8; only for choosing its bit.
const fn code_point(bytes: &[u8], at: usize) -> u32 {
    let lead = bytes[at] as u32;
    let mut code = match lead {
        0..0x80 => lead,
        0x80..0xe0 => lead & 0x1f,
        0xe0..0xf0 => lead & 0x0f,
        _ => lead & 0x07,
    };
    let mut next = at + 1;
    while next < bytes.len() && is_continuation(bytes[next]) {
        code = code << 6 | (bytes[next] & 0x3f) as u32;
        next += 1;
    }
    code
}

/// Korean syllables that end alike are 28 apart: a prime spreads them.
const fn bit(code: u32) -> u64 {
    1 << (code % 61)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_every_length_in_bytes_are_found_at_both_ends() {
        const WORDS: WordSet<5> = WordSet::new(["a", "don't", "é", "하고", "🎉요"]);
        let chars = |word: &str| word.chars().collect::<Vec<_>>();
        for word in ["a", "don't", "é", "하고", "🎉요"] {
            assert!(WORDS.contains(&chars(word)), "{word}");
            assert!(WORDS.begins(&chars(&format!("{word}x"))), "{word}");
            assert!(WORDS.ends(&chars(&format!("x{word}"))), "{word}");
            assert!(!WORDS.contains(&chars(&format!("{word}x"))), "{word}");
        }
        assert!(!WORDS.contains(&[]));
    }
}
