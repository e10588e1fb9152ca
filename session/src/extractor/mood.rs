//! The words of a sentence with what the user does with each: says it, denies it, or leaves it open.

use super::korean::{self, joined_noun_end};
use super::text::{
    Sentence, Span, Text, ends_with, ends_with_any, equals, is_hangul, is_one_of, starts_with,
    starts_with_any,
};

/// Words that an English negation reaches at most.
const NEGATED_WORDS_MAX: usize = 4;

/// What the user does with a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Says it.
    Asserted,
    /// Denies it.
    Negated,
    /// Asks, supposes, or speaks of somebody else.
    Open,
}

/// One word of a sentence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    /// Where it stands.
    pub span: Span,
    /// What the user does with it.
    pub mood: Mood,
    /// The clause that it belongs to, counted through the sentence.
    pub clause: usize,
    /// The member of a list that it belongs to: `20대 남성, 30대 여성` has two.
    pub member: usize,
    /// Whether it is the negation or the link itself, and says nothing of its own.
    pub link: bool,
}

/// The words of a sentence.
pub(crate) fn tokens(text: &Text<'_>, sentence: Sentence) -> Vec<Token> {
    let mut tokens = split(text, sentence.span);
    mark_korean_negations(text, &mut tokens);
    mark_english_negations(text, &mut tokens);
    mark_open(text, sentence, &mut tokens);
    tokens
}

/// What the user does with the words of a range: denied or left open as soon as one word is.
pub(crate) fn mood_of(tokens: &[Token], span: Span) -> Mood {
    let inside = || {
        tokens
            .iter()
            .filter(|token| token.span.overlaps(span) && !token.link)
    };
    if inside().any(|token| token.mood == Mood::Negated) {
        Mood::Negated
    } else if inside().any(|token| token.mood == Mood::Open) {
        Mood::Open
    } else {
        Mood::Asserted
    }
}

/// Whether a word only opens a sentence: `음`, `well`.
pub(crate) fn is_filler(word: &[char]) -> bool {
    #[rustfmt::skip]
    const FILLERS: [&str; 38] = [
        "음", "흠", "어", "아", "엄", "그", "저", "저기", "네", "넵", "예", "응", "그냥", "그럼", "그러면", "그게", "일단", "우선",
        "근데", "그런데", "그리고", "ㅎㅎ", "ㅋㅋ", "um", "uh", "er", "hmm", "well", "oh", "so", "ok", "okay", "yes",
        "yeah", "sure", "like", "basically", "alright",
    ];
    is_one_of(word, &FILLERS)
}

/// Whether a word takes back what was said before it: `아니 5만원이야`, `actually …`.
pub(crate) fn is_correction(word: &[char]) -> bool {
    #[rustfmt::skip]
    const CORRECTIONS: [&str; 13] = [
        "아니", "아니요", "아뇨", "아니다", "아니아니", "잠깐", "정정", "no", "nope", "wait", "actually", "sorry",
        "correction",
    ];
    is_one_of(word, &CORRECTIONS)
}

/// Whether a word tells doubt about what is said.
pub(crate) fn is_doubt(word: &[char]) -> bool {
    #[rustfmt::skip]
    const DOUBT: [&str; 10] = [
        "아마", "아마도", "같아", "같아요", "같습니다", "maybe", "perhaps", "probably", "possibly", "guess",
    ];
    is_one_of(word, &DOUBT)
}

fn split(text: &Text<'_>, span: Span) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let (mut clause, mut member) = (0, 0);
    let mut at = span.start;
    while at < span.end {
        let start = at;
        while at < span.end && is_inside_word(text, at) {
            at += 1;
        }
        if at == start {
            if matches!(text.get(at), Some(',' | ';' | ':' | '(' | ')' | '/' | '·' | '&')) {
                member += 1;
                clause += usize::from(!matches!(text.get(at), Some('/' | '·' | '&')));
            }
            at += 1;
            continue;
        }
        let word = text.at(Span::new(start, at));
        let opens = is_one_of(
            word,
            &[
                "but", "however", "though", "although", "because", "so", "whereas", "yet", "while",
            ],
        );
        let joins = is_one_of(word, &["and", "or", "plus", "및", "그리고", "또는", "혹은"]);
        clause += usize::from(opens);
        member += usize::from(opens || joins);
        tokens.push(Token {
            span: Span::new(start, at),
            mood: Mood::Asserted,
            clause,
            member,
            link: opens || joins,
        });
        if word.iter().copied().any(is_hangul) {
            let ends = korean::ends_clause(word) || is_replaced(word);
            clause += usize::from(ends);
            member += usize::from(ends || joined_noun_end(word).is_some());
        }
    }
    tokens
}

/// Letters and digits, and signs that hold a word together: `it's`, `29.99`, `39,000`, `$25`.
fn is_inside_word(text: &Text<'_>, at: usize) -> bool {
    let Some(char) = text.get(at) else { return false };
    let around = |test: fn(char) -> bool| {
        at > 0 && text.get(at - 1).is_some_and(test) && text.get(at + 1).is_some_and(test)
    };
    char.is_alphanumeric()
        || matches!(char, '$' | '₩' | '€' | '¥' | '£' | '%')
        || (char == '\'' && around(char::is_alphanumeric))
        || (matches!(char, '.' | ',') && around(|near| near.is_ascii_digit()))
}

/// `틱톡 말고 인스타`, `문의보다 구매`: what stands before gives way to what follows.
fn is_replaced(word: &[char]) -> bool {
    starts_with_any(word, &["말고", "말구", "빼고", "제외", "대신", "없이"])
        || (word.len() > 2 && ends_with_any(word, &["말고", "말구", "빼고", "대신"]))
        || (word.len() > 2 && ends_with_any(word, &["보다", "보다는"]) && !equals(word, "무엇보다"))
}

fn mark_korean_negations(text: &Text<'_>, tokens: &mut [Token]) {
    for at in 0..tokens.len() {
        let word = text.at(tokens[at].span);
        let clause = tokens[at].clause;
        let first = tokens[..at]
            .iter()
            .rposition(|token| token.clause != clause)
            .map_or(0, |before| before + 1);
        let opening = tokens[first..at]
            .iter()
            .all(|token| is_filler(text.at(token.span)));
        if starts_with(word, "아니") && opening {
            tokens[at].link = true;
            continue;
        }
        let denies = starts_with_any(
            word,
            &["아니", "아닌", "아닙", "없", "않", "못하", "못해", "싫", "말아"],
        ) || is_one_of(
            word,
            &["말고", "말구", "빼고", "대신", "제외", "제외하고", "제외하면"],
        );
        let short = is_one_of(word, &["안", "못"]);
        let ends_denied = is_replaced(word) && !denies;
        if denies || short {
            tokens[at].link = true;
        }
        if denies || short || ends_denied {
            let last = if ends_denied { at + 1 } else { at };
            tokens[first..last]
                .iter_mut()
                .for_each(|token| token.mood = Mood::Negated);
        }
        if short && let Some(next) = tokens.get_mut(at + 1) {
            next.mood = Mood::Negated;
        }
    }
}

fn mark_english_negations(text: &Text<'_>, tokens: &mut [Token]) {
    for at in 0..tokens.len() {
        let word = text.at(tokens[at].span);
        let next = tokens.get(at + 1).map(|token| text.at(token.span));
        let Some(reach) = english_reach(text, tokens, at, word, next) else {
            continue;
        };
        tokens[at].link = true;
        match reach {
            Reach::Previous => {
                if let Some(before) = at.checked_sub(1).and_then(|before| tokens.get_mut(before)) {
                    before.mood = Mood::Negated;
                }
            }
            Reach::Next => {
                if let Some(next) = tokens.get_mut(at + 1) {
                    next.mood = Mood::Negated;
                }
            }
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
                    words += usize::from(!is_english_particle(text.at(token.span)));
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Reach {
    Previous,
    Next,
    Clause { from: usize, stops_at_and: bool },
}

/// How far a negation reaches; none if the word is no negation.
fn english_reach(
    text: &Text<'_>,
    tokens: &[Token],
    at: usize,
    word: &[char],
    next: Option<&[char]>,
) -> Option<Reach> {
    let after = |words: &[&str]| next.is_some_and(|next| is_one_of(next, words));
    let noun = Reach::Clause {
        from: at + 1,
        stops_at_and: false,
    };
    if is_one_of(
        word,
        &["not", "never", "without", "nor", "neither", "except", "excluding"],
    ) {
        return (!after(&["only", "just", "sure"])).then_some(noun);
    }
    if ends_with(word, "n't")
        || is_one_of(
            word,
            &["cannot", "cant", "dont", "doesnt", "isnt", "arent", "wont"],
        )
    {
        return Some(Reach::Clause {
            from: at + 1,
            stops_at_and: true,
        });
    }
    if equals(word, "no") {
        let answers =
            next.is_none_or(|next| is_correction(next) || is_english_particle(next) || is_filler(next));
        let breaks = tokens
            .get(at + 1)
            .is_some_and(|next| next.clause != tokens[at].clause);
        return (!answers && !breaks).then_some(noun);
    }
    if (equals(word, "instead") && after(&["of"]))
        || (is_one_of(word, &["rather", "other"]) && after(&["than"]))
    {
        return Some(Reach::Clause {
            from: at + 2,
            stops_at_and: false,
        });
    }
    if equals(word, "free") && after(&["of", "from"]) {
        return Some(Reach::Clause {
            from: at + 2,
            stops_at_and: false,
        });
    }
    let hyphen_before = text.get(tokens[at].span.start.wrapping_sub(1)) == Some('-');
    if equals(word, "free")
        && at > 0
        && (hyphen_before
            || tokens
                .get(at + 1)
                .is_none_or(|next| next.member != tokens[at].member))
    {
        let previous = text.at(tokens[at - 1].span);
        return (!is_english_particle(previous) && !tokens[at - 1].link).then_some(Reach::Previous);
    }
    let hyphen_after = text.get(tokens[at].span.end) == Some('-');
    (equals(word, "non") && (hyphen_after || next.is_some())).then_some(Reach::Next)
}

fn is_english_particle(word: &[char]) -> bool {
    #[rustfmt::skip]
    const PARTICLES: [&str; 34] = [
        "a", "an", "the", "of", "for", "in", "on", "at", "to", "is", "are", "be", "been", "it", "it's",
        "its", "i", "i'm", "we", "they", "that", "this", "my", "our", "their", "your", "any", "as", "by",
        "with", "have", "has", "was", "were",
    ];
    is_one_of(word, &PARTICLES)
}

fn mark_open(text: &Text<'_>, sentence: Sentence, tokens: &mut [Token]) {
    let question = sentence.question_mark || asks(text, tokens);
    let last_clause = tokens.last().map(|token| token.clause);
    let mut supposing = None;
    let mut others = None;
    let mut opened: Vec<usize> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let word = text.at(token.span);
        if is_one_of(word, &["if", "suppose", "만약", "만일", "혹시"]) {
            supposing = Some(token.clause);
        }
        if starts_with_any(
            word,
            &[
                "경쟁사",
                "경쟁업체",
                "경쟁제품",
                "타사",
                "타브랜드",
                "competitor",
                "rival",
            ],
        ) {
            others = Some(token.clause);
        }
        let in_question = question && Some(token.clause) == last_clause;
        let in_condition = question && clause_ends_with(text, tokens, token.clause, "면");
        let open = in_question || in_condition || [supposing, others].contains(&Some(token.clause));
        if open {
            opened.push(at);
        }
    }
    for at in opened {
        tokens[at].mood = Mood::Open;
    }
}

fn clause_ends_with(text: &Text<'_>, tokens: &[Token], clause: usize, ending: &str) -> bool {
    tokens
        .iter()
        .rev()
        .find(|token| token.clause == clause)
        .is_some_and(|last| ends_with(text.at(last.span), ending))
}

/// Whether a sentence asks although no question mark says so; speech has none.
fn asks(text: &Text<'_>, tokens: &[Token]) -> bool {
    #[rustfmt::skip]
    const OPENERS: [&str; 22] = [
        "what", "what's", "why", "how", "how's", "which", "where", "when", "who's", "whose", "should",
        "could", "can", "does", "do", "did", "is", "are", "would", "will", "may", "shall",
    ];
    let Some(last) = tokens.last() else { return false };
    if korean::ends_question(text.at(last.span)) {
        return true;
    }
    let first = tokens.iter().find(|token| !is_filler(text.at(token.span)));
    first.is_some_and(|first| {
        let command = tokens.iter().any(|token| equals(text.at(token.span), "not"))
            && equals(text.at(first.span), "do");
        is_one_of(text.at(first.span), &OPENERS) && !command
    })
}
