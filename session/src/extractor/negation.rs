//! How far a negation reaches in a sentence: backwards in Korean, forwards in English.

use super::mood::{Mood, Token, is_correction, is_filler, is_replaced};
use super::text::{Text, ends_with, equals, is_hangul, is_one_of, starts_with};
use super::word_set::WordSet;

/// Words that an English negation reaches at most.
const NEGATED_WORDS_MAX: usize = 4;

static DENYING: WordSet<9> = WordSet::new(["아니", "아닌", "아닙", "없", "않", "못하", "못해", "싫", "말아"]);
static LEAVING_OUT: WordSet<7> =
    WordSet::new(["말고", "말구", "빼고", "대신", "제외", "제외하고", "제외하면"]);
static NEGATIONS: WordSet<7> =
    WordSet::new(["not", "never", "without", "nor", "neither", "except", "excluding"]);
static CONTRACTIONS: WordSet<7> = WordSet::new(["cannot", "cant", "dont", "doesnt", "isnt", "arent", "wont"]);
#[rustfmt::skip]
static PARTICLES: WordSet<34> = WordSet::new([
    "a", "an", "the", "of", "for", "in", "on", "at", "to", "is", "are", "be", "been", "it", "it's",
    "its", "i", "i'm", "we", "they", "that", "this", "my", "our", "their", "your", "any", "as", "by",
    "with", "have", "has", "was", "were",
]);

/// Marks the words that are denied, and the negations themselves.
pub(super) fn mark(text: &Text<'_>, tokens: &mut [Token]) {
    for at in 0..tokens.len() {
        let word = text.at(tokens[at].span);
        if word.first().copied().is_some_and(is_hangul) {
            mark_korean(text, tokens, at);
        } else if let Some(reach) = english_reach(text, tokens, at) {
            mark_english(text, tokens, at, reach);
        }
    }
}

/// `비건은 아니에요`, `트러블이 안 나요`: what stands before in the clause is denied.
fn mark_korean(text: &Text<'_>, tokens: &mut [Token], at: usize) {
    let word = text.at(tokens[at].span);
    let short = matches!(word, ['안' | '못']);
    let denies = DENYING.begins(word) || LEAVING_OUT.contains(word);
    let gives_way = !denies && is_replaced(word);
    if !(short || denies || gives_way) {
        return;
    }
    let clause = tokens[at].clause;
    let first = tokens[..at]
        .iter()
        .rposition(|token| token.clause != clause)
        .map_or(0, |before| before + 1);
    tokens[at].link = !gives_way;
    let says_nothing =
        |token: &Token| is_filler(text.at(token.span)) || starts_with(text.at(token.span), "아직");
    let alone = starts_with(word, "아니") && tokens[first..at].iter().all(says_nothing);
    // `아니 5만원이야` corrects; it denies nothing that stands before it.
    if alone && is_correction(word) {
        return;
    }
    // `비건이면 좋겠는데 아직은 아니에요` denies the clause before.
    let first = if alone {
        clause_before(tokens, first)
    } else {
        first
    };
    let last = if gives_way { at + 1 } else { at };
    tokens[first..last]
        .iter_mut()
        .for_each(|token| token.mood = Mood::Negated);
    if short && let Some(next) = tokens.get_mut(at + 1) {
        next.mood = Mood::Negated;
    }
}

/// Where the clause before begins.
fn clause_before(tokens: &[Token], first: usize) -> usize {
    let Some(last) = tokens[..first].last() else {
        return first;
    };
    tokens.partition_point(|token| token.clause < last.clause)
}

#[derive(Clone, Copy)]
enum Reach {
    /// The word before: `paraben-free`.
    Previous,
    /// The word after: `non-greasy`.
    Next,
    /// The clause from a word on: `not …`, `instead of …`.
    Clause {
        /// The first word.
        from: usize,
        /// Whether `and` ends it: `doesn't sting and absorbs fast`.
        stops_at_and: bool,
    },
}

fn mark_english(text: &Text<'_>, tokens: &mut [Token], at: usize, reach: Reach) {
    tokens[at].link = true;
    match reach {
        Reach::Previous => tokens[at - 1].mood = Mood::Negated,
        Reach::Next => tokens[at + 1].mood = Mood::Negated,
        Reach::Clause { from, stops_at_and } => {
            if from > at + 1 {
                tokens[at + 1].link = true;
            }
            let clause = tokens[at].clause;
            let mut words = 0;
            for token in tokens
                .iter_mut()
                .skip(from)
                .take_while(|token| token.clause == clause)
            {
                if words == NEGATED_WORDS_MAX || (stops_at_and && token.link) {
                    break;
                }
                token.mood = Mood::Negated;
                words += usize::from(!PARTICLES.contains(text.at(token.span)));
            }
        }
    }
}

/// How far a negation reaches; none if the word is no negation.
fn english_reach(text: &Text<'_>, tokens: &[Token], at: usize) -> Option<Reach> {
    let word = text.at(tokens[at].span);
    let next = tokens.get(at + 1).map(|token| text.at(token.span));
    let after = |words: &[&str]| next.is_some_and(|next| is_one_of(next, words));
    let from_next = Reach::Clause {
        from: at + 1,
        stops_at_and: false,
    };
    if NEGATIONS.contains(word) {
        // "not only gentle" denies nothing.
        return (!after(&["only", "just", "sure"])).then_some(from_next);
    }
    if ends_with(word, "n't") || CONTRACTIONS.contains(word) {
        return Some(Reach::Clause {
            from: at + 1,
            stops_at_and: true,
        });
    }
    if equals(word, "no") {
        let answers =
            next.is_none_or(|next| is_correction(next) || PARTICLES.contains(next) || is_filler(next));
        let breaks = tokens
            .get(at + 1)
            .is_some_and(|next| next.clause != tokens[at].clause);
        return (!answers && !breaks).then_some(from_next);
    }
    let replaced = (equals(word, "instead") && after(&["of"]))
        || (is_one_of(word, &["rather", "other"]) && after(&["than"]))
        || (equals(word, "free") && after(&["of", "from"]));
    if replaced {
        return Some(Reach::Clause {
            from: at + 2,
            stops_at_and: false,
        });
    }
    if equals(word, "free") && at > 0 {
        let previous = tokens[at - 1];
        let hyphen = text.get(tokens[at].span.start - 1) == Some('-');
        let ends = tokens
            .get(at + 1)
            .is_none_or(|next| next.member != tokens[at].member);
        let noun = !previous.link && !PARTICLES.contains(text.at(previous.span));
        return ((hyphen || ends) && noun).then_some(Reach::Previous);
    }
    (equals(word, "non") && next.is_some()).then_some(Reach::Next)
}
