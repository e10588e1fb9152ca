//! Whether the words of a value are the user's words: each of them said, said in the same sense, and together.

use super::roots::Form;
use crate::extractor::lexis::{
    Mood, Sentence, Span, Text, Token, WordSet, is_alphanumeric, is_hangul, is_one_of, numeral_at,
    starts_with, tokens,
};

/// Words that a value may add or lose without saying more: grammar, and the plainest words for people.
#[rustfmt::skip]
static PLAIN_WORDS: WordSet<108> = WordSet::new([
    "a", "an", "the", "of", "for", "in", "on", "at", "to", "with", "and", "or", "who", "that", "which",
    "whose", "their", "our", "my", "its", "is", "are", "am", "was", "were", "be", "been", "being", "it",
    "it's", "they", "they're", "them", "very", "really", "so", "some", "as", "by", "from", "this", "these",
    "those", "his", "her", "i", "i'm", "we", "you", "your", "have", "has", "do", "does", "person", "people",
    "folks", "users", "user", "customers", "customer", "consumers", "audience", "ones", "those", "group",
    "aged", "age", "product", "products", "mostly", "mainly", "quite", "too", "also", "a lot", "lot", "및",
    "그리고", "등", "위한", "위해", "있는", "하는", "사람", "사람들", "분", "분들", "고객", "고객층", "고객들", "소비자", "소비자들", "사용자",
    "유저", "층", "대상", "쪽", "중", "것", "거", "인한", "통한", "통해", "대한", "관한", "대해", "특히",
]);

/// Korean prefixes that turn the rest of a word around: `저자극` is not `자극`.
const TURNING_PREFIXES: [char; 10] = ['저', '무', '비', '논', '불', '미', '반', '탈', '노', '안'];

/// What may follow the last part of a Korean compound.
#[rustfmt::skip]
static COMPOUND_TAILS: WordSet<16> = WordSet::new([
    "성", "용", "형", "감", "적", "들", "층", "님", "분", "제", "력", "함", "됨", "하기", "있음", "분들",
]);

/// A word of a sentence as it is compared.
#[derive(Debug)]
pub(super) struct Word {
    /// The token.
    pub token: Token,
    /// The sentence that it stands in.
    pub sentence: usize,
    form: Form,
    number: Option<(f64, Vec<char>)>,
}

/// What was found of a value in the user's words.
pub(super) struct Evidence {
    /// The indices of the user's words that say it.
    pub words: Vec<usize>,
}

/// A word of the value that the user did not say, or not in this sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nobody said it.
    Word,
    /// The number is another one.
    Number,
    /// It was said, and denied, asked or supposed.
    Sense,
}

/// The words of some sentences.
pub(super) fn words(text: &Text<'_>, sentences: &[Sentence]) -> Vec<Word> {
    let mut words = Vec::new();
    for (sentence, span) in sentences.iter().enumerate() {
        for token in tokens(text, *span) {
            let form = Form::new(text.at(token.span));
            words.push(Word {
                form,
                token,
                sentence,
                number: number(text, token.span),
            });
        }
    }
    words
}

/// `20대` is 20 and its counter; `twenties` is as good as `20s`.
fn number(text: &Text<'_>, span: Span) -> Option<(f64, Vec<char>)> {
    #[rustfmt::skip]
    const DECADES: [(&str, f64); 8] = [
        ("teens", 10.0), ("twenties", 20.0), ("thirties", 30.0), ("forties", 40.0), ("fifties", 50.0),
        ("sixties", 60.0), ("seventies", 70.0), ("eighties", 80.0),
    ];
    if let Some((_, decade)) = DECADES.iter().find(|(word, _)| is_one_of(text.at(span), &[word])) {
        return Some((*decade, vec!['s']));
    }
    let start = text
        .at(span)
        .iter()
        .position(|char| is_alphanumeric(*char))
        .map_or(span.start, |at| span.start + at);
    let numeral = numeral_at(text, start, span.end)?;
    let counter: Vec<char> = text
        .at(Span::new(numeral.span.end, span.end))
        .iter()
        .copied()
        .filter(|char| *char != '\'')
        .collect();
    // A syllable such as 이 or 일 is a number only before a counter that is known, joined or apart.
    let first = text.get(start)?;
    let apart: Vec<char> = text.chars()[span.end..]
        .iter()
        .copied()
        .skip_while(|char| char.is_whitespace())
        .take(2)
        .collect();
    let follows = if counter.is_empty() { &apart } else { &counter };
    let is_known = ["대", "시간", "초", "인"]
        .iter()
        .any(|known| starts_with(follows, known));
    let is_latin = first.is_ascii() && counter.is_empty();
    (first.is_ascii_digit() || is_known || is_latin).then_some((numeral.value, counter))
}

impl Word {
    /// Whether it says something that must have been said.
    pub(super) fn is_content(&self) -> bool {
        !self.token.link && !PLAIN_WORDS.contains(self.form.chars())
    }
}

/// Finds each content word of a value among the user's words, within the quote where it can.
pub(super) fn evidence(value: &[Word], said: &[Word], quote: Option<Span>) -> Result<Evidence, Missing> {
    let all_plain = !value.iter().any(Word::is_content);
    let mut found = Evidence { words: Vec::new() };
    for (at, word) in value.iter().enumerate() {
        if word.token.link || (!all_plain && !word.is_content()) {
            continue;
        }
        let places = places(value, at, said);
        let in_quote = |place: &&Vec<usize>| {
            place
                .iter()
                .any(|at| quote.is_some_and(|quote| said[*at].token.span.overlaps(quote)))
        };
        let in_sense = || {
            places
                .iter()
                .filter(|place| place.iter().all(|at| agrees(word, &said[*at])))
        };
        match in_sense().find(in_quote).or_else(|| in_sense().next()) {
            Some(place) => found.words.extend(place),
            None if !places.is_empty() => return Err(Missing::Sense),
            None if word.number.is_some() => return Err(Missing::Number),
            None => return Err(Missing::Word),
        }
        if word.number.is_some() && !qualifies_same(value, at, said, &found) {
            return Err(Missing::Number);
        }
    }
    if found.words.is_empty() {
        Err(Missing::Word)
    } else {
        Ok(found)
    }
}

fn agrees(word: &Word, said: &Word) -> bool {
    match said.token.mood {
        Mood::Asserted => word.token.mood != Mood::Negated,
        Mood::Negated => word.token.mood == Mood::Negated,
        Mood::Open => false,
    }
}

/// Every place among the user's words that says a word of the value, each as the words that say it together.
fn places(value: &[Word], at: usize, said: &[Word]) -> Vec<Vec<usize>> {
    let word = &value[at];
    let mut places = Vec::new();
    for start in 0..said.len() {
        if let Some(number) = &word.number {
            if same_number(number, value.get(at + 1), &said[start], said.get(start + 1)) {
                places.push(vec![start]);
            }
            continue;
        }
        if said[start].number.is_none() && word.form.shares_root(&said[start].form)
            || is_part(value, at, &said[start])
        {
            places.push(vec![start]);
        } else if let Some(end) = compound_end(word.form.chars(), said, start) {
            places.push((start..end).collect());
        }
    }
    places
}

/// The same number of the same things: `20대` in `20대 여성`, `이십대`, `twenties`; not in `20명`.
fn same_number(
    number: &(f64, Vec<char>),
    next: Option<&Word>,
    said: &Word,
    said_next: Option<&Word>,
) -> bool {
    let Some((value, counter)) = &said.number else {
        return false;
    };
    if (value - number.0).abs() > f64::EPSILON {
        return false;
    }
    let begins = |long: &[char], short: &[char]| !short.is_empty() && long.starts_with(short);
    let decade = |counter: &[char]| counter.first().is_some_and(|first| matches!(first, '대' | 's'));
    match (number.1.as_slice(), counter.as_slice()) {
        ([], []) => true,
        ([], said) => next.is_some_and(|next| begins(said, next.form.chars())) || is_particle(said),
        (counter, []) => {
            said_next.is_some_and(|next| begins(next.form.chars(), counter)) || is_particle(counter)
        }
        (counter, said) => {
            begins(said, counter) || begins(counter, said) || (decade(counter) && decade(said))
        }
    }
}

fn is_particle(counter: &[char]) -> bool {
    is_one_of(
        counter,
        &[
            "은",
            "는",
            "이",
            "가",
            "을",
            "를",
            "로",
            "으로",
            "요",
            "이요",
            "이에요",
            "입니다",
        ],
    )
}

/// Whether a word of the value is a part of a compound that the user said, or makes it up with its neighbour.
fn is_part(value: &[Word], at: usize, said: &Word) -> bool {
    let chars = value[at].form.chars();
    if chars.iter().copied().any(is_hangul) {
        let compound = said.form.chars();
        let before = at.checked_sub(1).map(|before| value[before].form.chars());
        // 미 in 루미세럼 turns nothing around: the value has it too.
        let turned = |start: usize| {
            let goes_on = before.is_some_and(|before| compound[..start].ends_with(before));
            start > 0 && !goes_on && TURNING_PREFIXES.contains(&compound[start - 1])
        };
        let mut starts = 0..compound.len().saturating_sub(chars.len() - 1);
        return chars.len() >= 2
            && starts.any(|start| compound[start..].starts_with(chars) && !turned(start));
    }
    let joined = |first: Option<&Word>, second: Option<&Word>| {
        let (Some(first), Some(second)) = (first, second) else {
            return false;
        };
        Form::new(&[first.form.chars(), second.form.chars()].concat()).shares_root(&said.form)
    };
    joined(
        at.checked_sub(1).and_then(|before| value.get(before)),
        value.get(at),
    ) || joined(value.get(at), value.get(at + 1))
}

/// `빠른흡수` said as `빠른 흡수`: where the user's words that make it up end.
fn compound_end(chars: &[char], said: &[Word], start: usize) -> Option<usize> {
    let hangul = chars.iter().copied().any(is_hangul);
    let mut rest = chars;
    for (at, word) in said.iter().enumerate().skip(start) {
        let common = rest
            .iter()
            .zip(word.form.chars())
            .take_while(|(one, other)| one == other)
            .count();
        // A Latin word must be whole, but for a Korean particle: `Serum이에요`.
        let particle_only = word.form.chars()[common..].iter().copied().all(is_hangul);
        let enough = if hangul {
            common >= 2
        } else {
            common >= 3 && particle_only
        };
        if !enough {
            return None;
        }
        rest = &rest[common..];
        if rest.is_empty() || (hangul && COMPOUND_TAILS.contains(rest)) {
            return Some(at + 1);
        }
    }
    None
}

/// A number stays with what it counts: `20대 남성, 30대 여성` says nothing of `20대 여성`.
fn qualifies_same(value: &[Word], at: usize, said: &[Word], found: &Evidence) -> bool {
    let Some(place) = found.words.last().map(|last| &said[*last]) else {
        return false;
    };
    let content = |word: &&Word| word.is_content() && word.number.is_none();
    let neighbour = value[at + 1..]
        .iter()
        .find(content)
        .or_else(|| value[..at].iter().rev().find(content));
    let Some(neighbour) = neighbour else { return true };
    let same_member =
        |word: &&Word| word.sentence == place.sentence && word.token.member == place.token.member;
    let mut members = said
        .iter()
        .filter(same_member)
        .filter(|word| word.is_content() && word.number.is_none())
        .peekable();
    if members.peek().is_none() {
        return true;
    }
    members.any(|word| {
        neighbour.form.shares_root(&word.form)
            || word.form.chars().starts_with(neighbour.form.chars())
            || neighbour.form.chars().starts_with(word.form.chars())
    }) || place.form.chars().len() > neighbour.form.chars().len()
        && place.form.chars().ends_with(neighbour.form.chars())
}

/// Whether later words take the value back: a denial of nothing but its own words.
pub(super) fn is_denied(value: &[Word], later: &[Word]) -> bool {
    let denied = |word: &&Word| word.token.mood == Mood::Negated && word.is_content();
    let clauses = later
        .iter()
        .filter(denied)
        .map(|word| (word.sentence, word.token.clause));
    let mut clauses: Vec<_> = clauses.collect();
    clauses.dedup();
    clauses.into_iter().any(|clause| {
        let mut words = later
            .iter()
            .filter(denied)
            .filter(|word| (word.sentence, word.token.clause) == clause);
        words.all(|word| {
            value.iter().any(|own| {
                own.token.mood == Mood::Asserted && own.is_content() && own.form.shares_root(&word.form)
            })
        })
    })
}
