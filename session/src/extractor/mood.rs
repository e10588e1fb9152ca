//! The words of a sentence with what the user does with each: says it, denies it, or leaves it open.

use super::korean::{self, joined_noun_end};
use super::negation;
use super::text::{Sentence, Span, Text, ends_with, ends_with_any, equals, is_alphanumeric, is_hangul};
use super::word_set::WordSet;

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
    negation::mark(text, &mut tokens);
    mark_open(text, sentence, &mut tokens);
    tokens
}

/// What the user does with the words of a range: denied or left open as soon as one word is.
pub(crate) fn mood_of(tokens: &[Token], span: Span) -> Mood {
    let inside = || within(tokens, span).iter().filter(|token| !token.link);
    if inside().any(|token| token.mood == Mood::Negated) {
        Mood::Negated
    } else if inside().any(|token| token.mood == Mood::Open) {
        Mood::Open
    } else {
        Mood::Asserted
    }
}

/// The words of a range.
pub(crate) fn within(tokens: &[Token], span: Span) -> &[Token] {
    let start = tokens.partition_point(|token| token.span.end <= span.start);
    let end = tokens.partition_point(|token| token.span.start < span.end);
    tokens.get(start..end).unwrap_or_default()
}

/// Whether a word only opens a sentence: `음`, `well`.
pub(crate) fn is_filler(word: &[char]) -> bool {
    #[rustfmt::skip]
    static FILLERS: WordSet<41> = WordSet::new([
        "그러니까", "그니까", "그러니깐", "음", "흠", "어", "아", "엄", "그", "저", "저기", "네", "넵", "예", "응", "그냥", "그럼", "그러면", "그게", "일단", "우선",
        "근데", "그런데", "그리고", "ㅎㅎ", "ㅋㅋ", "um", "uh", "er", "hmm", "well", "oh", "so", "ok", "okay", "yes",
        "yeah", "sure", "like", "basically", "alright",
    ]);
    FILLERS.contains(word)
}

/// Whether a word takes back what was said before it: `아니 5만원이야`, `actually …`.
pub(crate) fn is_correction(word: &[char]) -> bool {
    #[rustfmt::skip]
    static CORRECTIONS: WordSet<19> = WordSet::new([
        "아니", "아니요", "아뇨", "아니다", "아니아니", "잠깐", "정정", "죄송", "죄송해요", "죄송합니다", "미안", "미안해요", "미안합니다", "no", "nope", "wait", "actually", "sorry",
        "correction",
    ]);
    CORRECTIONS.contains(word)
}

/// Whether a word tells doubt about what is said.
pub(crate) fn is_doubt(word: &[char]) -> bool {
    #[rustfmt::skip]
    static DOUBT: WordSet<10> = WordSet::new([
        "아마", "아마도", "같아", "같아요", "같습니다", "maybe", "perhaps", "probably", "possibly", "guess",
    ]);
    DOUBT.contains(word)
}

static OPENING_A_CLAUSE: WordSet<9> = WordSet::new([
    "but", "however", "though", "although", "because", "so", "whereas", "yet", "while",
]);
static JOINING: WordSet<7> = WordSet::new(["and", "or", "plus", "및", "그리고", "또는", "혹은"]);
/// What stands before these gives way to what follows: `틱톡 말고 인스타`.
static GIVING_WAY: WordSet<6> = WordSet::new(["말고", "말구", "빼고", "제외", "대신", "없이"]);
/// The same, at the end of a word: `문의보다 구매`.
static GIVING_WAY_ENDINGS: WordSet<6> = WordSet::new(["말고", "말구", "빼고", "대신", "보다", "보다는"]);
static SUPPOSING: WordSet<6> = WordSet::new(["if", "whether", "suppose", "만약", "만일", "혹시"]);
static OTHERS: WordSet<7> = WordSet::new([
    "경쟁사",
    "경쟁업체",
    "경쟁제품",
    "타사",
    "타브랜드",
    "competitor",
    "rival",
]);

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
        let opens = OPENING_A_CLAUSE.contains(word);
        let joins = JOINING.contains(word);
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
    is_alphanumeric(char)
        || matches!(char, '$' | '₩' | '€' | '¥' | '£' | '%')
        || (char == '\'' && around(is_alphanumeric))
        || (matches!(char, '.' | ',') && around(|near| near.is_ascii_digit()))
}

/// `틱톡 말고 인스타`, `문의보다 구매`: what stands before gives way to what follows.
pub(super) fn is_replaced(word: &[char]) -> bool {
    GIVING_WAY.begins(word) || (word.len() > 2 && GIVING_WAY_ENDINGS.ends(word) && !equals(word, "무엇보다"))
}

fn mark_open(text: &Text<'_>, sentence: Sentence, tokens: &mut [Token]) {
    let question = sentence.question_mark || asks(text, tokens);
    let last_clause = tokens.last().map(|token| token.clause);
    let mut supposing = None;
    let mut others = None;
    let mut opened: Vec<usize> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let word = text.at(token.span);
        // "it used to be vegan" is no longer so.
        let is_past = equals(word, "used") && followed_by(text, tokens, at, &["to", "be"]);
        if is_past || SUPPOSING.contains(word) {
            supposing = Some(token.clause);
        }
        if OTHERS.begins(word) {
            others = Some(token.clause);
        } else if others.is_some_and(|others| others + 1 == token.clause)
            && !has_own_subject(text, tokens, token.clause)
        {
            // `경쟁사는 프리미엄이고 유튜브를 해요` goes on about them.
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

/// Whether a clause speaks of somebody or something of its own: `저희는 저가예요`, `but we are cheap`.
fn has_own_subject(text: &Text<'_>, tokens: &[Token], clause: usize) -> bool {
    #[rustfmt::skip]
    static OWN: WordSet<14> = WordSet::new([
        "우리", "우린", "저희", "저흰", "저는", "제가", "we", "we're", "our", "ours", "i", "i'm", "my", "it",
    ]);
    let mut words = tokens
        .iter()
        .filter(|token| token.clause == clause)
        .map(|token| text.at(token.span));
    words.any(|word| OWN.contains(word) || (word.len() > 1 && ends_with_any(word, &["은", "는"])))
}

fn followed_by(text: &Text<'_>, tokens: &[Token], at: usize, words: &[&str]) -> bool {
    tokens.len() > at + words.len()
        && tokens[at + 1..]
            .iter()
            .zip(words)
            .all(|(token, word)| equals(text.at(token.span), word))
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
    static OPENERS: WordSet<22> = WordSet::new([
        "what", "what's", "why", "how", "how's", "which", "where", "when", "who's", "whose", "should",
        "could", "can", "does", "do", "did", "is", "are", "would", "will", "may", "shall",
    ]);
    let Some(last) = tokens.last() else { return false };
    if korean::ends_question(text.at(last.span)) {
        return true;
    }
    let first = tokens.iter().find(|token| !is_filler(text.at(token.span)));
    first.is_some_and(|first| {
        let command = tokens.iter().any(|token| equals(text.at(token.span), "not"))
            && equals(text.at(first.span), "do");
        OPENERS.contains(text.at(first.span)) && !command
    })
}
