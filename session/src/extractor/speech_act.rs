//! What a sentence does when it is no answer: it asks, refuses, greets or commands.

use super::korean::{self, is_interrogative};
use super::mood::{is_correction, is_filler};
use super::text::{Span, Text, equals, is_hangul, is_one_of, phrase_at, starts_with, starts_with_any};
use super::word_set::WordSet;

/// What a sentence does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpeechAct {
    /// Says something.
    Statement,
    /// Asks something.
    Question,
    /// Says that there is no answer, or not yet.
    Refusal,
    /// Greets, thanks, agrees.
    Social,
    /// Tells the server to do something.
    Command,
}

/// Classifies one sentence.
pub(crate) fn classify(text: &Text<'_>, span: Span, question_mark: bool) -> SpeechAct {
    let words: Vec<&[char]> = text.words(span).map(|word| text.at(word)).collect();
    let content: Vec<&[char]> = words.iter().copied().filter(|word| !is_filler(word)).collect();
    if text.get(text.trim(span).start.wrapping_sub(1)) == Some('/') {
        return SpeechAct::Command;
    }
    // `wait, no` takes back, and puts nothing in its place.
    let says_nothing = |word: &&[char]| is_filler(word) || is_social(word) || is_correction(word);
    if words.iter().all(says_nothing) {
        return SpeechAct::Social;
    }
    let phrase = Phrase {
        text,
        span: Span::new(start_of(text, span), span.end),
    };
    if question_mark || asks(&phrase, &content) {
        SpeechAct::Question
    } else if refuses(&phrase, &content) {
        SpeechAct::Refusal
    } else if commands(&content, text, span) {
        SpeechAct::Command
    } else {
        SpeechAct::Statement
    }
}

/// A sentence without the fillers before it.
struct Phrase<'t, 'a> {
    text: &'t Text<'a>,
    span: Span,
}

impl Phrase<'_, '_> {
    fn begins_with(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.has_at(self.span.start, phrase))
    }

    fn has(&self, phrases: &[&str]) -> bool {
        (self.span.start..self.span.end)
            .filter(|at| self.text.chars()[*at].is_ascii_lowercase() && self.text.is_word_start(*at))
            .any(|at| phrases.iter().any(|phrase| self.has_at(at, phrase)))
    }

    fn has_at(&self, at: usize, phrase: &str) -> bool {
        phrase_at(self.text.chars(), at, phrase).is_some_and(|end| end <= self.span.end)
    }
}

fn start_of(text: &Text<'_>, span: Span) -> usize {
    text.words(span)
        .find(|word| !is_filler(text.at(*word)))
        .map_or(span.start, |word| word.start)
}

fn is_social(word: &[char]) -> bool {
    #[rustfmt::skip]
    static SOCIAL: WordSet<59> = WordSet::new([
        "안녕", "안녕하세요", "안녕하십니까", "하이", "헬로", "반가워", "반가워요", "반갑습니다", "고마워", "고마워요", "고맙습니다", "감사", "감사해요",
        "감사합니다", "넹", "그래", "그래요", "좋아", "좋아요", "좋습니다", "좋네요", "맞아", "맞아요", "맞습니다", "알겠어요", "알겠습니다", "알았어",
        "알았어요", "아니", "아니요", "아뇨", "오케이", "ㅇㅇ", "ㅇㅋ", "잠깐", "잠깐만", "잠깐만요", "잠시만요", "수고하세요", "hi", "hello",
        "hey", "there", "thanks", "thank", "you", "thx", "yep", "no", "nope", "great", "nice", "cool",
        "fine", "right", "good", "morning", "please", "bye",
    ]);
    SOCIAL.contains(word)
}

fn asks(phrase: &Phrase<'_, '_>, content: &[&[char]]) -> bool {
    #[rustfmt::skip]
    const OPENERS: [&str; 28] = [
        "what", "what's", "whats", "why", "how", "how's", "which", "where", "who is", "who are",
        "who should", "who would", "when is", "when do", "when should", "can you", "can i", "can we",
        "could you", "should i", "should we", "would you", "would it", "do you", "do i", "does it", "is it",
        "is this",
    ];
    let Some(last) = content.last() else { return false };
    let interrogative = content.iter().any(|word| is_interrogative(word));
    korean::ends_question(last) || (interrogative && content.len() <= 8) || phrase.begins_with(&OPENERS)
}

fn refuses(phrase: &Phrase<'_, '_>, content: &[&[char]]) -> bool {
    #[rustfmt::skip]
    static WHOLE: WordSet<10> = WordSet::new([
        "pass", "none", "nothing", "whatever", "anything", "nowhere", "tbd", "n/a", "unsure", "아직",
    ]);
    #[rustfmt::skip]
    const OPENING: [&str; 17] = [
        "hold on", "hang on", "one moment", "one second", "one sec", "just a", "give me a", "let me think", "skip", "no idea", "not yet", "not sure", "later", "dunno", "never mind", "nevermind",
        "no preference",
    ];
    #[rustfmt::skip]
    const ANYWHERE: [&str; 25] = [
        "i don't know", "i dont know", "i do not know", "don't know yet", "no clue", "not sure", "no idea",
        "you decide", "up to you", "undecided", "not decided", "haven't decided", "have not decided",
        "hard to say", "can't say", "don't care", "still thinking", "thinking about it", "tell you later",
        "don't have one", "don't have any", "not set", "to be decided", "move on", "good question",
    ];
    let (Some(first), Some(last)) = (content.first(), content.last()) else {
        return false;
    };
    let alone = content.len() == 1 && WHOLE.contains(first);
    alone || phrase.begins_with(&OPENING) || phrase.has(&ANYWHERE) || refuses_in_korean(content, first, last)
}

fn refuses_in_korean(content: &[&[char]], first: &[char], last: &[char]) -> bool {
    #[rustfmt::skip]
    static ANY: WordSet<12> = WordSet::new(["아무나", "비밀", "패스", "스킵", "건너뛰", "건너뛸", "넘어가", "넘어갈", "상관없", "아무거나", "미정", "알아서"]);
    let undecided = |pair: &[&[char]]| match pair {
        [before, after] => {
            (is_one_of(before, &["안", "못"]) && starts_with_any(after, &["정", "생각", "골랐", "결정"]))
                || (starts_with_any(before, &["정하지", "결정하지", "생각하지"])
                    && starts_with_any(after, &["못", "않", "안"]))
                || (starts_with(before, "상관") && starts_with(after, "없"))
        }
        _ => false,
    };
    let not_yet = starts_with_any(first, &["아직"])
        && content.iter().any(|word| {
            starts_with_any(
                word,
                &["안", "못", "없", "모르", "모릅", "고민", "생각", "몰라", "미정"],
            )
        });
    let all = content.iter().all(|word| {
        is_one_of(
            word,
            &["둘", "다", "둘다", "전부", "모두", "다요", "전부요", "모두요"],
        )
    });
    let nothing = starts_with_any(last, &["없어", "없습", "없음", "없네", "없는데"])
        && (content.len() == 1
            || is_one_of(
                first,
                &["딱히", "특별히", "그런", "그런건", "별로", "아무것도", "따로"],
            ));
    let moves_on = starts_with(first, "다음") && content.len() <= 2;
    let thinking = starts_with(first, "고민") || (starts_with(first, "생각") && content.len() <= 3);
    is_one_of(last, &["몰라", "몰라요", "몰라용", "모르죠", "모르지", "모름"])
        || starts_with_any(last, &["모르겠", "모릅니", "모르는데"])
        || starts_with_any(first, &["글쎄", "나중"])
        || content.iter().any(|word| ANY.begins(word))
        || content.windows(2).any(undecided)
        || not_yet
        || nothing
        || thinking
        || moves_on
        || all
}

fn commands(content: &[&[char]], text: &Text<'_>, span: Span) -> bool {
    #[rustfmt::skip]
    static KOREAN_WHOLE: WordSet<21> = WordSet::new([
        "시작", "생성", "진행", "취소", "중지", "종료", "다음", "계속", "그만", "초기화", "도움말", "시작하자", "시작해", "진행해", "만들어",
        "다시", "처음부터", "멈춰", "가자", "고고", "재시작",
    ]);
    #[rustfmt::skip]
    static KOREAN_ENDINGS: WordSet<20> = WordSet::new([
        "줘", "줘요", "주세요", "주십시오", "주라", "달라", "달라고", "하세요", "하십시오", "해라", "해봐", "해봐요", "부탁해", "부탁해요",
        "부탁드려요", "부탁드립니다", "부탁합니다", "시작해요", "시작할게요", "시작합시다",
    ]);
    #[rustfmt::skip]
    static ENGLISH_WHOLE: WordSet<17> = WordSet::new([
        "start", "stop", "go", "generate", "run", "create", "cancel", "retry", "continue", "help", "next",
        "back", "quit", "exit", "undo", "reset", "launch",
    ]);
    #[rustfmt::skip]
    static ENGLISH_OPENING: WordSet<50> = WordSet::new([
        "ignore", "disregard", "forget", "tell", "show", "give", "write", "generate", "create", "make",
        "start", "stop", "begin", "run", "launch", "please", "help", "explain", "print", "reveal", "repeat",
        "pretend", "act", "say", "output", "recommend", "suggest", "let's", "let", "go", "do", "don't",
        "continue", "cancel", "delete", "remove", "set", "change", "update", "translate", "summarize",
        "answer", "respond", "execute", "restart", "retry", "fill", "read", "move", "finish",
    ]);
    let (Some(first), Some(last)) = (content.first(), content.last()) else {
        return false;
    };
    if content.len() == 1 && (KOREAN_WHOLE.contains(first) || ENGLISH_WHOLE.contains(first)) {
        return true;
    }
    let korean = last.iter().copied().any(is_hangul) && last.len() >= 2 && KOREAN_ENDINGS.ends(last);
    let politely = equals(last, "줘") || equals(last, "please");
    let english = ENGLISH_OPENING.contains(first) && !is_title(text, span);
    korean || english || (politely && content.len() > 1)
}

/// `Make Up For Ever`: two words or more, each with a capital, are a name.
fn is_title(text: &Text<'_>, span: Span) -> bool {
    let mut words = 0;
    let capital = |word: Span| {
        text.raw(word)
            .starts_with(|first: char| first.is_uppercase() || first.is_ascii_digit())
    };
    text.words(span).inspect(|_| words += 1).all(capital) && words >= 2
}
