//! Korean as the rules need it: final consonants, the particles and endings that are no part of a value.

use super::text::{
    Span, Text, before_ending, ends_with, ends_with_any, equals, is_alphanumeric, is_hangul, is_one_of,
    starts_with,
};
use super::word_set::WordSet;

/// Words that end like a noun with an ending, and are nouns.
#[rustfmt::skip]
static WHOLE_NOUNS: WordSet<27> = WordSet::new([
    "파파야", "히말라야", "마야", "타이야", "분야", "수요", "필요", "개요", "고요", "가요", "동요", "주요", "중요", "소요", "강요", "제로",
    "바로", "새로", "가로", "세로", "대로", "도로", "피로", "사랑", "노랑", "자랑", "파랑",
]);

/// Endings of a sentence after a noun; those with `이` only follow a final consonant.
#[rustfmt::skip]
const COPULA_ENDINGS: [&str; 32] = [
    "이고", "이며", "이라고요", "라고요", "이랍니다", "랍니다", "이었어요", "였어요", "입니다만", "입니다", "이에용", "이에요", "이예요", "예요", "에요",
    "에용", "인데요", "인데", "이거든요", "거든요", "이네요", "네요", "이지요", "이죠", "이고요", "이구요", "이야", "야", "이요", "이다", "이여",
    "요",
];

/// Endings by which a clause after a noun runs on into the next.
#[rustfmt::skip]
const CONNECTIVE_ENDINGS: [&str; 12] = [
    "이구요", "이고요", "이고", "이며", "이지만", "이라서", "인데", "이랑", "구요", "고요", "고", "며",
];

/// What may follow `…(으)로`, `…(이)라고` or an object when the user asks for a value: `루미로 바꿔줘`.
#[rustfmt::skip]
static REQUESTS: WordSet<43> = WordSet::new([
    "해", "해요", "해줘", "해줘요", "해주세요", "해주십시오", "해주실래요", "할게", "할게요", "할께요", "할래", "할래요", "하자", "하죠", "합니다",
    "하겠습니다", "하려고", "하려고요", "할거예요", "할", "하는", "바꿔", "바꿔줘", "바꿔줘요", "바꿔주세요", "바꿀게요", "바꿀래요", "변경해줘",
    "변경해주세요", "수정해줘", "수정해주세요", "부탁해", "부탁해요", "부탁드려요", "부탁드립니다", "부탁합니다", "정했어요", "정했습니다", "정할게요", "갈게요",
    "가죠", "불러요", "불러",
]);

/// Whole tails that say how the user came by the value before them.
#[rustfmt::skip]
const TAILS: [&str; 17] = [
    "하고 싶어요", "하고 싶습니다", "하고 있어요", "생각하고 있어요", "생각하고 있습니다", "생각 중이에요", "생각중이에요", "생각 중입니다", "생각해요", "생각합니다",
    "것 같아요", "거 같아요", "같아요", "같습니다", "해 주세요", "바꿔 주세요", "바꿔 줘",
];

/// Endings of a word that says that something happens or is, other than `…이다`.
#[rustfmt::skip]
static PREDICATE_ENDINGS: WordSet<58> = WordSet::new([
    "해요", "돼요", "아요", "어요", "여요", "워요", "와요", "려요", "져요", "겨요", "켜요", "쳐요", "춰요", "봐요", "줘요", "써요", "커요", "싸요",
    "나요", "까요", "죠", "습니다", "합니다", "됩니다", "십니다", "립니다", "납니다", "갑니다", "옵니다", "싶다", "한다", "했다", "된다", "됐다",
    "겠다", "있다", "없다", "는데요", "군요", "거예요", "게요", "했어", "됐어", "났어", "었어", "았어", "였어", "겠어", "싶어", "있어", "없어",
    "같아", "할래", "할게", "거야", "었다", "았다", "는다",
]);

/// Whether a syllable has a final consonant; `None` for what is no Korean syllable.
pub(crate) fn has_final(char: char) -> Option<bool> {
    matches!(char, '\u{ac00}'..='\u{d7a3}').then(|| (u32::from(char) - 0xac00) % 28 != 0)
}

/// Whether a word is a noun although it ends like one with a particle or an ending.
pub(crate) fn is_whole_noun(word: &[char]) -> bool {
    WHOLE_NOUNS.contains(word)
}

/// Nouns that end like a predicate once `요` follows: `스킨케어요`, `헤어요`, `인테리어요`, `영어요`.
#[rustfmt::skip]
static NOUNS_AS_PREDICATES: WordSet<15> = WordSet::new([
    "케어요", "헤어요", "웨어요", "리어요", "니어요", "디어요", "푸어요", "영어요", "언어요", "용어요", "단어요", "연어요", "문어요", "토어요", "투어요",
]);

/// Whether a word says that something happens or is: `늘어났어요`, `촉촉합니다`, and not `루미예요`.
pub(crate) fn is_predicate(word: &[char]) -> bool {
    word.len() >= 2
        && PREDICATE_ENDINGS.ends(word)
        && !NOUNS_AS_PREDICATES.ends(word)
        && !ends_with_any(word, &["이에요", "이예요", "니까요"])
}

/// A range without what makes a Korean sentence of the noun in it. `runs_on` when another answer follows.
pub(crate) fn trim_ending(text: &Text<'_>, span: Span, runs_on: bool) -> Span {
    let mut span = text.trim(span);
    while let Some(shorter) = without_tail(text, span) {
        span = shorter;
    }
    if let Some(shorter) = without_request(text, span).or_else(|| without_kind(text, span)) {
        return shorter;
    }
    let Some(word) = text.last_word(span) else {
        return span;
    };
    if is_one_of(text.at(word), &COPULA_ENDINGS) && word.start > span.start {
        return text.trim(Span::new(span.start, word.start));
    }
    if is_predicate(text.at(word)) {
        return span;
    }
    let endings: &[&str] = if runs_on { &CONNECTIVE_ENDINGS } else { &[] };
    for ending in endings.iter().chain(&COPULA_ENDINGS) {
        if let Some(shorter) = without_ending(text, word, ending) {
            span = text.trim(Span::new(span.start, shorter.end));
            break;
        }
    }
    if let Some(word) = text.last_word(span)
        && is_one_of(text.at(word), &["정도", "쯤", "가량"])
        && word.start > span.start
    {
        span = text.trim(Span::new(span.start, word.start));
    }
    without_object_particle(text, span)
}

fn without_tail(text: &Text<'_>, span: Span) -> Option<Span> {
    let chars = text.at(span);
    TAILS.iter().find_map(|tail| {
        let before = before_ending(chars, tail)?;
        let alone = before > 0 && chars[before - 1].is_whitespace();
        let rest = alone.then(|| text.trim(Span::new(span.start, span.start + before)))?;
        Some(without_role_particle(text, rest, &["으로", "로", "만", "을", "를"]).unwrap_or(rest))
    })
}

/// `루미로 바꿔줘`, `인스타만 할게요`, `루미라고 해요` without the request; none if there is no request.
pub(crate) fn without_request(text: &Text<'_>, span: Span) -> Option<Span> {
    let word = text.last_word(span)?;
    if !REQUESTS.contains(text.at(word)) || word.start == span.start {
        return None;
    }
    // An object (`광고를 해줘`) is what to do, no value.
    without_role_particle(
        text,
        text.trim(Span::new(span.start, word.start)),
        &["이라고", "라고", "짜리로", "으로", "로", "만", "에서", "에"],
    )
}

/// `루미라는 제품이에요`: the name alone.
fn without_kind(text: &Text<'_>, span: Span) -> Option<Span> {
    const KINDS: [&str; 9] = [
        "제품",
        "상품",
        "브랜드",
        "서비스",
        "앱",
        "이름",
        "거예",
        "건데",
        "회사",
    ];
    let word = text.last_word(span)?;
    let before = text.trim(Span::new(span.start, word.start));
    let is_kind = KINDS.iter().any(|kind| starts_with(text.at(word), kind));
    if is_kind {
        without_role_particle(text, before, &["이라는", "라는", "이란"])
    } else {
        None
    }
}

fn without_role_particle(text: &Text<'_>, span: Span, particles: &[&str]) -> Option<Span> {
    let word = text.last_word(span)?;
    particles.iter().find_map(|particle| {
        let before = before_ending(text.at(word), particle)?;
        (before > 0 && !is_whole_noun(text.at(word))).then(|| Span::new(span.start, word.start + before))
    })
}

fn without_ending(text: &Text<'_>, word: Span, ending: &str) -> Option<Span> {
    let chars = text.at(word);
    let before_ending = before_ending(chars, ending).filter(|before| *before > 0)?;
    if is_whole_noun(chars) {
        return None;
    }
    let rest = Span::new(word.start, word.start + before_ending);
    let before = text.get(rest.end - 1)?;
    let agrees = match (has_final(before), ending.chars().next()) {
        // After a digit, a sign or a Latin letter either form is used.
        (None, _) => is_alphanumeric(before) || before == '%' || before == ')',
        (Some(has_final), Some('이')) => has_final,
        (Some(has_final), Some('야' | '고' | '며' | '예' | '였' | '네' | '거')) => !has_final,
        (Some(_), Some(_) | None) => true,
    };
    agrees.then_some(rest)
}

fn without_object_particle(text: &Text<'_>, span: Span) -> Span {
    let Some(word) = text.last_word(span) else {
        return span;
    };
    let chars = text.at(word);
    let agrees = match chars {
        [.., before, '을'] => has_final(*before) == Some(true),
        [.., before, '를'] => has_final(*before) == Some(false) || !is_hangul(*before),
        _ => false,
    };
    if agrees && chars.len() > 2 {
        Span::new(span.start, span.end - 1)
    } else {
        span
    }
}

/// `유튜브도`, `네이버에서` as items: the channel alone. Short words end so themselves: `온도`, `제주도`.
pub(crate) fn without_item_particle(text: &Text<'_>, span: Span) -> Span {
    let Some(word) = text.last_word(span) else {
        return span;
    };
    let shorter = |(particle, length_min): &(&str, usize)| {
        before_ending(text.at(word), particle).filter(|before| before >= length_min)
    };
    match [("에서", 2), ("에서도", 2), ("도", 3), ("만", 3)]
        .iter()
        .find_map(shorter)
    {
        Some(before) if !text.at(span).contains(&' ') => Span::new(span.start, word.start + before),
        Some(_) | None => span,
    }
}

/// The end of a noun that a word joins to the next by `와`, `과`, `랑` or `하고`.
pub(crate) fn joined_noun_end(word: &[char]) -> Option<usize> {
    #[rustfmt::skip]
    static KNOWN: WordSet<9> = WordSet::new(["결과", "성과", "학과", "통과", "경과", "한과", "안과", "신랑", "광고"]);
    #[rustfmt::skip]
    static ENDING_WITH_I: WordSet<8> = WordSet::new(["고양이", "어린이", "멍멍이", "젊은이", "떡볶이", "목걸이", "귀걸이", "길잡이"]);
    if is_whole_noun(word) || KNOWN.contains(word) {
        return None;
    }
    let length = match word {
        [noun @ .., '랑'] if ENDING_WITH_I.ends(noun) => 1,
        // After a digit or a Latin letter either form is used: `TikTok이랑`, `MZ랑`.
        [.., before, '이', '랑'] if has_final(*before) != Some(false) => 2,
        [.., before, '랑'] if has_final(*before) != Some(true) => 1,
        [.., before, '와'] if has_final(*before) != Some(true) => 1,
        [.., before, '과'] if has_final(*before) != Some(false) => 1,
        [.., _, '하' | '되', '고'] => 2,
        [.., before, '이', '고' | '며'] if has_final(*before) != Some(false) => 2,
        _ => return None,
    };
    // A joined noun of one syllable is more often no noun at all.
    (word.len() - length >= 2).then_some(word.len() - length)
}

/// Whether a word ends a clause that another follows: `저자극이고`, `맞는데`, `예민해서`.
pub(crate) fn ends_clause(word: &[char]) -> bool {
    #[rustfmt::skip]
    static NOUNS: WordSet<10> = WordSet::new(["광고", "창고", "재고", "보고", "최고", "중고", "참고", "경고", "신고", "배너광고"]);
    #[rustfmt::skip]
    static ENDINGS: WordSet<16> = WordSet::new([
        "고", "며", "인데", "는데", "한데", "은데", "운데", "지만", "니까", "라서", "해서", "어서", "아서", "다면", "아니라", "니다",
    ]);
    let ends = word.len() >= 2 && (ENDINGS.ends(word) || is_predicate(word));
    ends && !NOUNS.contains(word) && !ends_with(word, "광고") && !equals(word, "하고")
}

/// Whether a word asks: `뭐가`, `어떤`, `얼마예요`, and not `누구나`.
pub(crate) fn is_interrogative(word: &[char]) -> bool {
    #[rustfmt::skip]
    static ASKING: WordSet<15> = WordSet::new([
        "뭐", "뭘", "뭔", "무엇", "무슨", "어떤", "어느", "어떻게", "어떡", "왜", "누구", "언제", "어디", "얼마", "몇",
    ]);
    #[rustfmt::skip]
    static ANY: WordSet<11> = WordSet::new([
        "누구나", "누구든", "언제나", "언제든", "어디서나", "어디서든", "어디든", "뭐든", "무엇보다", "무엇이든", "왜냐",
    ]);
    ASKING.begins(word) && !ANY.begins(word)
}

/// Whether a word ends a question.
pub(crate) fn ends_question(word: &[char]) -> bool {
    #[rustfmt::skip]
    static ENDINGS: WordSet<12> = WordSet::new([
        "까요", "을까", "할까", "될까", "일까", "나요", "은가요", "는가요", "인가요", "한가요", "을까용", "건가요",
    ]);
    // `없으니까요` gives a reason.
    ENDINGS.ends(word) && !ends_with(word, "니까요")
}
