//! Where quoted words occur in what the user said; blanks, punctuation and capitals do not count.

use crate::extractor::lexis::{Span, Text, is_alphanumeric};

/// A quote in an utterance.
pub(super) struct Found {
    /// The index of the utterance.
    pub utterance: usize,
    /// The characters of it.
    pub span: Span,
}

/// The first utterance in which the words occur.
pub(super) fn find(quoted: &str, utterances: &[&str]) -> Option<Found> {
    let quoted = Text::new(quoted);
    let wanted: Vec<char> = letters(&quoted).map(|(_, char)| char).collect();
    utterances.iter().enumerate().find_map(|(utterance, said)| {
        let span = position(&wanted, &Text::new(said))?;
        Some(Found { utterance, span })
    })
}

/// Whether words occur in others.
pub(super) fn occurs(words: &str, within: &str) -> bool {
    let words = Text::new(words);
    let wanted: Vec<char> = letters(&words).map(|(_, char)| char).collect();
    position(&wanted, &Text::new(within)).is_some()
}

/// The last place, for a correction comes after what it corrects.
fn position(wanted: &[char], text: &Text<'_>) -> Option<Span> {
    if wanted.is_empty() {
        return None;
    }
    let said: Vec<(usize, char)> = letters(text).collect();
    let chars: Vec<char> = said.iter().map(|(_, char)| *char).collect();
    let start = chars.windows(wanted.len()).rposition(|window| window == wanted)?;
    Some(Span::new(said[start].0, said[start + wanted.len() - 1].0 + 1))
}

fn letters<'t>(text: &'t Text<'_>) -> impl Iterator<Item = (usize, char)> + 't {
    text.chars()
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, char)| is_alphanumeric(*char) || matches!(char, '$' | '₩' | '€' | '%'))
}
