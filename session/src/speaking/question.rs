//! Where a text asks: what is said before that point answers nothing yet.

use super::ending::is_terminator;
use crate::extractor::lexis::{has_final, is_hangul, is_interrogative};

/// What words that begin so ask when they end a sentence: `어때요`, `어떠세요`.
const ASKING_BEGINNINGS: [&str; 3] = ["어때", "어떠", "어떨"];
/// How a word that begins with an interrogative ends when it ends a question: `뭐예요`, `얼마죠`.
const ASKING_ENDINGS: [&str; 12] = [
    "예요",
    "에요",
    "이에요",
    "이죠",
    "죠",
    "지요",
    "요",
    "야",
    "니",
    "냐",
    "까",
    "인지",
];
/// Verbs that say, and do not ask, before `나요`.
const SAYING_BEFORE_NAYO: [&str; 12] = [
    "만", "끝", "빛", "일어", "늘어", "태어", "나타", "생각", "화", "드러", "깨어", "벗어",
];
/// Nouns that end like an asking `…ㄴ가요` once `요` follows.
const NOUNS_BEFORE_YO: [&str; 6] = ["문가", "단가", "원가", "친가", "연가", "판가"];
/// Jongseong ㄴ, ㄹ and ㅂ as the place in a syllable's block.
const FINAL_N: u32 = 4;
const FINAL_L: u32 = 8;
const FINAL_B: u32 = 17;

/// Where the last question of a text ends: just after its question mark, or, in Korean without one, after the word
/// whose ending asks. In bytes; none if the text asks nothing.
pub fn question_end(text: &str) -> Option<usize> {
    let mut last = None;
    let mut word_start = 0;
    for (at, char) in text.char_indices() {
        if char.is_whitespace() {
            last = question_end_in_word(text, word_start, at).or(last);
            word_start = at + char.len_utf8();
        }
    }
    question_end_in_word(text, word_start, text.len()).or(last)
}

/// Where a question ends in the word between two places.
fn question_end_in_word(text: &str, start: usize, end: usize) -> Option<usize> {
    let word = &text[start..end];
    if let Some(mark) = word.rfind(['?', '？']) {
        let mark_end = mark + word[mark..].chars().next().map_or(0, char::len_utf8);
        // `shop.kr/list?page=2` asks nothing; `어때요?라고` and `"Ready?"` do.
        let in_address = word[mark_end..].starts_with(|next: char| next.is_ascii_alphanumeric());
        if !in_address {
            return Some(start + mark_end);
        }
    }
    let letters = word.trim_end_matches(|char: char| !char.is_alphanumeric());
    let marks = &word[letters.len()..];
    let ends_sentence =
        marks.contains(is_terminator) || text[end..].starts_with('\n') || text[end..].trim().is_empty();
    let is_list = marks.contains(',');
    (ends_sentence && !is_list && asks_in_korean(letters)).then_some(start + letters.len())
}

/// Whether a word that ends a sentence asks: `할까요`, `있나요`, `무엇인가요`, `드실래요`, `얼마예요`.
fn asks_in_korean(word: &str) -> bool {
    let letters = word.trim_start_matches(|char: char| !char.is_alphanumeric());
    let chars: Vec<char> = letters.chars().collect();
    if !chars.last().copied().is_some_and(is_hangul) {
        return false;
    }
    let begins = ASKING_BEGINNINGS
        .iter()
        .any(|beginning| letters.starts_with(beginning));
    let ends = ASKING_ENDINGS.iter().any(|ending| letters.ends_with(ending));
    let stem = match chars.as_slice() {
        [stem @ .., '요'] => stem,
        stem => stem,
    };
    let asks_by_ending = match stem {
        // `합니까` asks, `하니까` gives a reason.
        [.., before, '니', '까'] => final_of(*before) == Some(FINAL_B),
        [.., before, '까'] => final_of(*before) == Some(FINAL_L),
        [.., before, '가'] => {
            let stem: String = stem.iter().collect();
            letters.ends_with('요')
                && final_of(*before) == Some(FINAL_N)
                && !NOUNS_BEFORE_YO.iter().any(|noun| stem.ends_with(noun))
        }
        [before @ .., '나'] if letters.ends_with('요') && !before.is_empty() => {
            let before: String = before.iter().collect();
            !SAYING_BEFORE_NAYO.iter().any(|saying| before.ends_with(saying))
        }
        // With the honorific nobody speaks of their own wish.
        [.., '실', '래'] | [.., '시', '겠', '어'] => true,
        _ => false,
    };
    asks_by_ending || (ends && (begins || is_interrogative(&chars)))
}

/// Which consonant closes a syllable.
fn final_of(char: char) -> Option<u32> {
    has_final(char)?.then(|| (u32::from(char) - 0xac00) % 28)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_question_is_found_with_and_without_its_mark() {
        // The bar stands where the question ends.
        for (marked, asks) in [
            ("What's it called?|", true),
            ("What's it called?| Take your time.", true),
            ("Great! What is it? And who is it for?|", true),
            ("Ready?!", true),
            ("\"Ready?|\" is the headline.", true),
            ("Who would you like to see using it?| ", true),
            ("It sees shop.kr/list?page=2 every day.", false),
            ("That's everything I need.", false),
            ("", false),
            ("가격은 얼마쯤인가요?|", true),
            ("가격은 얼마쯤인가요|", true),
            ("가격은 얼마쯤인가요|.", true),
            ("어디에서 알리고 싶으세요?| 한두 곳만 골라 주세요.", true),
            ("그분들이 찾는 이유는 무엇일까요|", true),
            ("초안을 만들까요|. 더 보태셔도 돼요.", true),
            ("지금 시작할까|", true),
            ("도달이 중요합니까|", true),
            ("천천히 하니까", false),
            ("아직 시간이 있으니까요.", false),
            ("특징이 있나요|", true),
            ("다음에 만나요.", false),
            ("함께 가요.", false),
            ("이름이 뭐예요|", true),
            ("가격은 얼마죠|", true),
            ("이 이름은 어때요|", true),
            ("이 이름은 어떠세요|.", true),
            ("글로 적어 주시겠어요|", true),
            ("한번 들어 보실래요|", true),
            ("몇 분이면 돼요.", false),
            ("언제든지 말씀해 주세요.", false),
            ("누구나 쓸 수 있어요.", false),
            ("좋아요, 준비할게요.", false),
            ("전문가요.", false),
            ("어떤 제품인가요?| 이름부터 알려 주세요. 🙂", true),
        ] {
            let text = marked.replace('|', "");
            let expected = match (marked.find('|'), asks) {
                (Some(bar), _) => Some(bar),
                (None, true) => text.rfind('?').map(|mark| mark + 1),
                (None, false) => None,
            };
            assert_eq!(question_end(&text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_question_ends_at_a_character_and_within_the_text(text in "[가-힣a-z?？. \\n]{0,40}|.{0,40}") {
            if let Some(end) = question_end(&text) {
                prop_assert!(end > 0 && text.is_char_boundary(end));
                prop_assert_eq!(question_end(&text[..end]), Some(end), "the question alone asks as well");
            }
        }
    }
}
