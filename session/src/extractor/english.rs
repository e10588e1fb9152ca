//! English as the rules need it: what people say around a value.

use super::mood::is_filler;
use super::text::{Span, Text, is_alphanumeric, is_one_of, phrase_at};
use super::word_set::WordSet;

/// What stands before a value. Longer ones first.
#[rustfmt::skip]
const OPENINGS: [&str; 79] = ["our product is", "my product is", "the product is", "this product is", "our brand is", "my brand is", "our app is", "my app is", "our service is", 
    "i would like to call it", "i'd like to call it", "we would like to call it", "we are calling it",
    "we're calling it", "i'm calling it", "let's go with", "let's call it", "it is going to be",
    "it's going to be", "the answer is", "we'll call it", "we call it", "i call it", "let's use",
    "i'd go with", "i would go with", "it is called", "it's called", "its called", "it is named",
    "it's named", "they are called", "that would be", "it would be", "it will be", "it'll be",
    "i would say", "i'd say", "should be", "going to be", "changed to", "i'm thinking", "i think",
    "i guess", "i believe", "go with", "call it", "make it", "set it to", "change it to", "they're",
    "they are", "that's", "that is", "this is", "it is for", "it's for", "it is", "it's", "we want",
    "i want", "i'd like", "we'd like", "we use", "called", "named", "mainly", "mostly", "just", "only",
    "about", "around", "probably", "perhaps", "maybe", "because", "for", "is", "no",
];

/// What stands after a value, with no meaning for it.
#[rustfmt::skip]
const CLOSINGS: [&str; 17] = [
    "would be fine", "would be good", "would be great", "sounds good", "sounds right", "is fine", "for now",
    "i think", "i guess", "thank you", "thanks", "please", "instead", "or so", "now", "too", "actually",
];

/// A range without what people say before a value.
pub(crate) fn without_opening(text: &Text<'_>, span: Span) -> Span {
    let mut span = text.trim(span);
    while text
        .get(span.start)
        .is_some_and(|first| first.is_ascii_lowercase())
    {
        let opening = OPENINGS.iter().find_map(|opening| {
            let end = phrase_at(text.chars(), span.start, opening)?;
            // `no parabens` is a value.
            let answer = *opening != "no" || text.get(end).is_some_and(|next| !next.is_whitespace());
            (answer && end < span.end && !text.get(end).is_some_and(is_alphanumeric)).then_some(end)
        });
        let filler = || {
            text.first_word(span)
                .filter(|word| is_opening_filler(text.at(*word)) && word.end < span.end)
        };
        let Some(end) = opening.or_else(|| Some(filler()?.end)) else {
            return span;
        };
        span = text.trim(Span::new(end, span.end));
    }
    span
}

/// A range without what people say after a value.
pub(crate) fn without_closing(text: &Text<'_>, span: Span) -> Span {
    let mut span = span;
    while let Some(start) = CLOSINGS.iter().find_map(|closing| {
        let start = span.end.checked_sub(closing.chars().count())?;
        let fits = start > span.start
            && text.is_word_start(start)
            && phrase_at(text.chars(), start, closing) == Some(span.end);
        fits.then_some(start)
    }) {
        span = text.trim(Span::new(span.start, start));
    }
    span
}

/// What is said of a thing that was spoken of: `it's really easy to use`, `this is vegan`.
pub(crate) fn described(text: &Text<'_>, span: Span) -> Option<Span> {
    const DESCRIBING: [&str; 7] = ["it is", "it's", "its", "this is", "that is", "that's", "they're"];
    let first = text.words(span).find(|word| !is_filler(text.at(*word)))?;
    let end = DESCRIBING
        .iter()
        .find_map(|opening| phrase_at(text.chars(), first.start, opening))?;
    (end < span.end).then(|| text.trim(Span::new(end, span.end)))
}

/// Whether words say how something is and not what it is: `always right`, `really easy to use`.
pub(crate) fn evaluates(text: &Text<'_>, value: Span) -> bool {
    #[rustfmt::skip]
    static EVALUATIONS: WordSet<26> = WordSet::new([
        "always", "never", "usually", "often", "very", "too", "really", "quite", "so", "important", "great", "good",
        "bad", "hard", "difficult", "easy", "clear", "unclear", "fine", "ready", "done", "missing", "wrong", "right",
        "high", "low",
    ]);
    text.first_word(value)
        .is_some_and(|word| EVALUATIONS.contains(text.at(word)))
}

/// Whether a word opens a sentence about somebody, which is then no name of anything.
pub(crate) fn is_pronoun(word: &[char]) -> bool {
    #[rustfmt::skip]
    static PRONOUNS: WordSet<30> = WordSet::new([
        "i", "i'm", "i've", "i'd", "i'll", "we", "we're", "we've", "we'd", "we'll", "you", "you're", "he",
        "she", "they", "they're", "they've", "it", "it's", "there", "there's", "this", "that", "these",
        "those", "them", "me", "us", "him", "someone",
    ]);
    PRONOUNS.contains(word)
}

fn is_opening_filler(word: &[char]) -> bool {
    #[rustfmt::skip]
    static SMALL: WordSet<12> = WordSet::new([
        "um", "uh", "er", "hmm", "well", "oh", "so", "ok", "okay", "yes", "yeah", "actually",
    ]);
    is_filler(word) && SMALL.contains(word) || is_one_of(word, &["actually", "sure"])
}
