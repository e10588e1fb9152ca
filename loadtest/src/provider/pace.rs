//! How fast the simulator writes, and in which pieces.

use std::sync::Arc;
use std::time::Duration;

use super::author::Chance;

/// Four Latin letters make a token, or two of any other script, so one letter of the latter weighs as two.
const TOKEN_WEIGHT: usize = 4;

/// How long the simulator thinks and writes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    pub(crate) first_token: Duration,
    pub(crate) per_token: Duration,
}

impl Pace {
    /// How long a reply takes that is sent only once it is complete.
    pub(crate) fn whole_reply(self, searches: u64, tokens: u64) -> Duration {
        let times = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let thinking = self.first_token.saturating_mul(times(searches).saturating_add(1));
        thinking.saturating_add(self.per_token.saturating_mul(times(tokens.saturating_sub(1))))
    }
}

/// The tokens of a text, by a rule of thumb that is always the same.
pub(crate) fn tokens(text: &str) -> u64 {
    let weight: usize = text.chars().map(weight).sum();
    u64::try_from(weight.div_ceil(TOKEN_WEIGHT)).unwrap_or(u64::MAX)
}

/// As much of a text as fits into so many tokens.
pub(crate) fn first_tokens(text: &str, tokens_max: u64) -> &str {
    let weight_max = usize::try_from(tokens_max)
        .unwrap_or(usize::MAX)
        .saturating_mul(TOKEN_WEIGHT);
    cut(text, weight_max)
}

fn weight(letter: char) -> usize {
    if letter.is_ascii() { 1 } else { 2 }
}

fn cut(text: &str, weight_max: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, letter)| {
        used += weight(*letter);
        used > weight_max
    });
    end.map_or(text, |(index, _)| &text[..index])
}

/// A text in pieces of about one token, cut wherever it falls, as real streams are.
#[derive(Debug)]
pub(crate) struct Pieces {
    text: Arc<str>,
    at: usize,
    chance: Chance,
}

impl Pieces {
    pub(crate) fn new(text: Arc<str>, chance: Chance) -> Self {
        Self { text, at: 0, chance }
    }
}

impl Iterator for Pieces {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        let first = rest.chars().next()?;
        self.chance = self.chance.at("piece");
        let piece = match cut(rest, TOKEN_WEIGHT - 1 + self.chance.below(3)) {
            "" => &rest[..first.len_utf8()],
            piece => piece,
        };
        self.at += piece.len();
        Some(piece.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_small_and_make_up_the_text() {
        let text = "루미세럼 is simulated, 저자극 and gentle";
        let pieces: Vec<String> = Pieces::new(Arc::from(text), Chance::new(3, "p")).collect();
        assert_eq!(pieces.concat(), text);
        assert!(
            pieces
                .iter()
                .all(|piece| (1..=5).contains(&piece.chars().count())),
            "{pieces:?}"
        );
        assert!(
            pieces
                .iter()
                .any(|piece| piece.ends_with(|letter: char| letter.is_alphabetic())),
            "{pieces:?}"
        );
        let count = u64::try_from(pieces.len()).unwrap();
        assert!(
            count.abs_diff(tokens(text)) <= tokens(text) / 3,
            "{count} pieces, {} tokens",
            tokens(text)
        );
    }

    #[test]
    fn tokens_are_counted_by_script() {
        assert_eq!(
            (
                tokens(""),
                tokens("word"),
                tokens("words"),
                tokens("단어"),
                tokens("단어들")
            ),
            (0, 1, 2, 1, 2)
        );
        assert_eq!(first_tokens("단어들 and words", 2), "단어들 a");
        assert_eq!(first_tokens("short", 9), "short");
    }
}
