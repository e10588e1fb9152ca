//! Whether the user's own words ask for what a model says they ask for: a run costs money, and begins only on a wish.

use crate::extractor::lexis::{Mood, Sentence, Text, Token, is_hangul, is_one_of, tokens};
use crate::planner::Intent;

/// What asks for a run, in any form of the word.
#[rustfmt::skip]
const RUN_STEMS: [&str; 40] = [
    "시작", "만들", "생성", "제작", "진행", "돌려", "돌리", "뽑아", "출발", "가자", "가시죠", "고고", "ㄱㄱ", "작성", "실행", "런칭해", "준비됐", "준비되",
    "해줘", "해주", "해봐", "부탁", "start", "make", "create", "creat", "generat", "build", "produc", "launch",
    "begin", "run", "go", "do", "proceed", "ready", "kick", "write", "fire", "making",
];
/// What asks for a draft, beside the above.
#[rustfmt::skip]
const DRAFT_STEMS: [&str; 12] = [
    "초안", "이대로", "그대로", "있는", "지금까지", "드래프트", "draft", "rough", "anyway", "have", "skip", "enough",
];
#[rustfmt::skip]
const CANCEL_STEMS: [&str; 16] = [
    "취소", "멈춰", "멈추", "멈출", "중단", "중지", "그만", "스톱", "스탑", "cancel", "stop", "abort", "halt", "quit",
    "pause", "kill",
];
/// What an offer of each is known by.
const RUN_OFFERS: [&str; 7] = ["시작", "만들", "진행", "start", "begin", "generat", "go ahead"];
const DRAFT_OFFERS: [&str; 2] = ["초안", "draft"];
const CANCEL_OFFERS: [&str; 6] = ["취소", "멈출", "멈추", "중단", "cancel", "stop"];
/// What agrees to an offer.
#[rustfmt::skip]
const AGREEMENTS: [&str; 24] = [
    "네", "넵", "넹", "예", "응", "어", "ㅇㅇ", "ㅇㅋ", "그래", "그래요", "좋아", "좋아요", "좋습니다", "오케이", "콜", "그러죠",
    "그럽시다", "그렇게", "yes", "yeah", "yep", "sure", "ok", "okay",
];
/// How an English question begins that asks for something to be done.
const REQUESTS: [&str; 6] = ["can", "could", "would", "will", "shall", "please"];
/// How a Korean one ends.
const REQUEST_ENDINGS: [&str; 8] = ["줄래", "실래", "시겠", "줄수", "있나요", "있어요", "까요", "될까"];

/// Whether the user wishes what a model understood.
///
/// `words` are what the user said in this turn and in the ones that were interrupted before it, `offer` is what the
/// assistant said before: an agreement alone is a wish only for what was offered.
pub(crate) fn wishes(intent: Intent, words: &[&str], offer: Option<&str>) -> bool {
    let (stems, offers): (Vec<&str>, &[&str]) = match intent {
        Intent::None => return true,
        Intent::Generate => (RUN_STEMS.to_vec(), &RUN_OFFERS),
        Intent::Draft => (
            RUN_STEMS.iter().chain(&DRAFT_STEMS).copied().collect(),
            &DRAFT_OFFERS,
        ),
        Intent::CancelRun => (CANCEL_STEMS.to_vec(), &CANCEL_OFFERS),
    };
    let offered = offer.is_some_and(|offer| {
        let offer = offer.to_lowercase();
        offers.iter().any(|stem| offer.contains(stem))
    });
    words
        .iter()
        .any(|said| says(said, &stems) || (offered && agrees(said)))
}

/// Whether a text says one of the words, and neither denies it nor merely asks about it.
fn says(said: &str, stems: &[&str]) -> bool {
    let text = Text::new(said);
    text.sentences().into_iter().any(|sentence| {
        let tokens = tokens(&text, sentence);
        let requests = requests(&text, sentence, &tokens);
        let named = |(at, token): (usize, &Token)| {
            let word: String = text.at(token.span).iter().collect();
            let is_said = stems.iter().any(|stem| has_stem(&word, stem));
            let holds = match token.mood {
                Mood::Asserted => true,
                Mood::Open => requests,
                Mood::Negated => false,
            };
            is_said && holds && !is_forbidden(&text, &tokens, at)
        };
        tokens.iter().enumerate().any(named)
    })
}

/// Korean joins words (`바로시작해줘`), English bends long ones (`starting`); short ones stand alone (`go`, `do it`).
fn has_stem(word: &str, stem: &str) -> bool {
    const BENT_CHARS_MIN: usize = 4;
    if stem.chars().any(is_hangul) {
        return word.contains(stem);
    }
    word == stem || (stem.chars().count() >= BENT_CHARS_MIN && word.starts_with(stem))
}

/// `시작하지 마`, `don't start`: what is told not to be done.
fn is_forbidden(text: &Text<'_>, tokens: &[Token], at: usize) -> bool {
    let word_at = |at: usize| tokens.get(at).map(|token| text.at(token.span));
    let forbids_after = word_at(at).is_some_and(|word| word.last() == Some(&'지'))
        && word_at(at + 1).is_some_and(|next| matches!(next.first(), Some('마' | '말' | '않')));
    let joined = word_at(at).is_some_and(|word| {
        word.windows(2)
            .any(|pair| matches!(pair, ['지', '마' | '말' | '않']))
    });
    let forbids_before = (at.saturating_sub(2)..at)
        .filter_map(word_at)
        .any(|word| is_one_of(word, &["don't", "dont", "not", "never"]));
    forbids_after || joined || forbids_before
}

/// Whether a question asks for something to be done: `can you start now?`, `만들어 주실래요?`.
fn requests(text: &Text<'_>, sentence: Sentence, tokens: &[Token]) -> bool {
    let word = |at: usize| tokens.get(at).map(|token| text.at(token.span));
    let is = |at: usize, words: &[&str]| word(at).is_some_and(|word| is_one_of(word, words));
    let opens = is(0, &REQUESTS) || (is(0, &["do"]) && is(1, &["it", "that", "this"]));
    let ending: String = text
        .at(sentence.span)
        .iter()
        .filter(|char| !char.is_whitespace())
        .collect();
    let tail: String = ending
        .chars()
        .skip(ending.chars().count().saturating_sub(6))
        .collect();
    opens || REQUEST_ENDINGS.iter().any(|request| tail.contains(request))
}

/// Whether a text begins with an agreement.
fn agrees(said: &str) -> bool {
    let text = Text::new(said);
    text.first_word(text.span())
        .is_some_and(|first| is_one_of(text.at(first), &AGREEMENTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(intent: Intent, offer: Option<&str>, said: &str, expected: bool) {
        assert_eq!(
            wishes(intent, &[said], offer),
            expected,
            "{intent:?} by {said:?} after {offer:?}"
        );
    }

    #[test]
    fn a_run_is_wished_for_in_so_many_words() {
        for said in [
            "이제 만들어줘",
            "시작해 주세요",
            "바로시작해줘",
            "그럼 진행할게요",
            "ㄱㄱ",
            "만들어 주실래요?",
            "start",
            "Let's go",
            "go ahead",
            "Can you start now?",
            "please generate it",
            "do it",
            "I'm ready",
            "Don't ask me more, just start",
            "더 묻지 말고 시작해줘",
        ] {
            check(Intent::Generate, None, said, true);
        }
        for said in [
            "좋네요",
            "20대 여성이요",
            "네",
            "아직 시작하지 마세요",
            "시작하지마",
            "시작하면 얼마나 걸려요?",
            "don't start yet",
            "What happens when we start?",
            "Lumi Serum",
            "",
            "premium",
        ] {
            check(Intent::Generate, None, said, false);
        }
    }

    #[test]
    fn an_agreement_is_a_wish_for_what_was_offered() {
        let ready = Some("다 됐어요. 이제 시작할까요?");
        check(Intent::Generate, ready, "네", true);
        check(Intent::Generate, ready, "응 그렇게 해", true);
        check(Intent::Generate, ready, "음", false);
        check(Intent::Generate, Some("이름이 뭐예요?"), "네", false);
        check(
            Intent::Generate,
            Some("What would you like to launch?"),
            "okay",
            false,
        );
        check(
            Intent::Draft,
            Some("Shall I draft with what we have?"),
            "yes please",
            true,
        );
        check(Intent::Draft, None, "그냥 초안으로 해줘", true);
        check(Intent::Draft, None, "use what we have", true);
    }

    #[test]
    fn a_run_is_cancelled_only_by_who_says_so() {
        check(Intent::CancelRun, None, "생성 취소해줘", true);
        check(Intent::CancelRun, None, "stop the run", true);
        check(Intent::CancelRun, None, "취소하지 마", false);
        check(Intent::CancelRun, None, "얼마나 남았어요?", false);
    }
}
