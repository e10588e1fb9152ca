//! Whether somebody who makes a sound while a reply is spoken wants to say something.
//!
//! To take a listener's "네" for a turn costs the rest of a reply; to take a turn for a "네" costs the person their say.
//! So the words that only show that somebody listens are a closed list, and everything else is a turn.

use unicode_normalization::UnicodeNormalization;

use super::cutter::weight;
use crate::extractor::lexis::is_hangul;

/// English, as [`letters`] writes it. `no`, `stop`, `what` and praise are not among them: they say something.
#[rustfmt::skip]
const ENGLISH: [&str; 42] = [
    "a", "ah", "aha", "aham", "alright", "alrighty", "aright", "exactly", "er", "erm", "gotcha", "h", "ha", "hm", "hmhm",
    "hu", "huh", "k", "m", "mh", "mhm", "mkay", "oh", "ok", "okay", "okey", "okeydokey", "oky", "right", "rightio",
    "sure", "uh", "uhu", "uhuh", "um", "umhm", "wow", "ya", "yeah", "yep", "yes", "yup",
];
/// English of two words.
const ENGLISH_PAIRS: [(&str, &str); 6] = [
    ("i", "se"),
    ("got", "it"),
    ("al", "right"),
    ("of", "course"),
    ("fair", "enough"),
    ("makes", "sense"),
];
/// Korean sounds of somebody who thinks or follows.
#[rustfmt::skip]
const KOREAN_SOUNDS: [&str; 17] = [
    "음", "으음", "흠", "으흠", "어", "아", "오", "와", "우와", "허", "헐", "아하", "오호", "그", "에", "엄", "저",
];
/// Korean words of somebody who follows.
#[rustfmt::skip]
const KOREAN_ASSENTS: [&str; 40] = [
    "네", "네에", "녜", "예", "예에", "응", "으응", "엉", "웅", "넵", "넹", "넴", "옙", "그래", "그래요", "그렇구나", "그렇군", "그렇군요", "그렇죠",
    "그렇지", "그렇지요", "그러게", "그러게요", "그러네요", "그러시군요", "그쵸", "그치", "그죠", "맞아", "맞아요", "맞습니다", "알겠어", "알겠어요",
    "알겠습니다", "알았어", "알았어요", "아무렴", "물론", "물론이죠", "오케이",
];
/// Thanks and greetings: a turn, but also what recognisers make of a cough, so a reply is not cancelled for them
/// before the utterance has ended.
#[rustfmt::skip]
const COURTESIES: [&str; 20] = [
    "thank", "thanks", "you", "so", "much", "very", "for", "watching", "bye", "hello", "hi", "hey", "감사합니다", "고맙습니다",
    "고마워요", "안녕", "안녕하세요", "시청해주셔서", "시청해", "주셔서",
];

/// The least weight of what a reply may be cancelled for before the utterance ends: four Korean syllables, or eight
/// letters.
const TURN_WEIGHT_MIN: u32 = 8;
/// One word alone is enough if it is so long: five Korean syllables.
const LONE_WORD_WEIGHT_MIN: u32 = 10;

/// Whether words only show that somebody listens: `uh-huh`, `네`, `음`, `아 네네`, `yeah yeah`. Punctuation, case and
/// repetition do not matter; nothing with content is one, and neither is silence.
pub fn is_backchannel(words: &str) -> bool {
    let words = words_of(words);
    !words.is_empty() && only_listens(&words)
}

/// Whether an unfinished transcript holds so much that it cannot become a backchannel or a cough any more: two words
/// or more that say something, or a long one. Then a reply may be cancelled before the utterance ends.
pub fn is_surely_a_turn(partial: &str) -> bool {
    let words = words_of(partial);
    let is_telling =
        |word: &&String| !only_listens(std::slice::from_ref(word)) && !COURTESIES.contains(&word.as_str());
    let telling: Vec<u32> = words
        .iter()
        .filter(is_telling)
        .map(|word| weight_of(word))
        .collect();
    // The last word may still become another; one that stands before it may not.
    let is_kept = telling.len() >= 2 || telling.iter().any(|weight| *weight >= LONE_WORD_WEIGHT_MIN);
    is_kept && !only_listens(&words) && telling.iter().sum::<u32>() >= TURN_WEIGHT_MIN
}

fn weight_of(word: &str) -> u32 {
    word.chars().map(weight).sum()
}

fn only_listens(words: &[String]) -> bool {
    let mut rest = words;
    while let [first, behind @ ..] = rest {
        rest = match behind {
            [second, behind @ ..] if ENGLISH_PAIRS.contains(&(first, second)) => behind,
            _ if ENGLISH.contains(&first.as_str()) || is_korean_assent(first) => behind,
            _ => return false,
        };
    }
    true
}

/// Sounds, then words of assent, written as one or apart: `아네네`, `어음`, `네맞아요`. Not the other way round: `네오` is
/// a name.
fn is_korean_assent(word: &str) -> bool {
    let mut rests = vec![(word, false)];
    while let Some((rest, has_assented)) = rests.pop() {
        if rest.is_empty() {
            return true;
        }
        let assents = KOREAN_ASSENTS
            .iter()
            .filter_map(|assent| rest.strip_prefix(assent));
        rests.extend(assents.map(|rest| (rest, true)));
        if !has_assented {
            let sounds = KOREAN_SOUNDS.iter().filter_map(|sound| rest.strip_prefix(sound));
            rests.extend(sounds.map(|rest| (rest, false)));
        }
    }
    false
}

/// The words, without what does not matter.
fn words_of(text: &str) -> Vec<String> {
    // `mm-hmm` and `uh-huh` are one word, and so is what an apostrophe joins.
    let composed: String = text
        .nfc()
        .filter(|char| !matches!(char, '-' | '\'' | '’' | '‑'))
        .collect();
    let apart = |char: char| !char.is_alphanumeric();
    composed
        .split(apart)
        .filter(|word| !word.is_empty())
        .map(letters)
        .collect()
}

/// A word in small letters, with every letter once that is drawn out: `Yeahhh`, `hmmm`, `네네네`.
fn letters(word: &str) -> String {
    let mut letters = String::with_capacity(word.len());
    for char in word.chars().flat_map(char::to_lowercase) {
        let is_drawn_out = letters.ends_with(char) && (char.is_ascii_alphabetic() || is_hangul(char));
        if !is_drawn_out {
            letters.push(char);
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sounds of a listener.
    #[rustfmt::skip]
    const LISTENING: &str = "
uh-huh / Uh huh. / mm-hmm / Mm-hmm! / mhm / Mmm / hmmm / Hmm... / okay / OK / Okay, okay. / right / Right.
yeah / Yeah yeah / yeahhh / yes / Yes, yes, yes. / yep / sure / I see. / Oh, I see / got it / Oh okay got it
all right / Alright / ah / oh / um / uh / Oh wow / exactly / Makes sense.
네 / 네. / 네네 / 네네네! / 네 네 / 아 네 / 아 네네 / 아네네 / 네에~ / 넵 / 예 / 예예 / 응 / 응응 / 음 / 으음 / 음...
어 / 어어 / 아 / 아아 / 아하 / 그래요 / 그렇군요 / 아 그렇구나 / 맞아요 / 네 맞아요 / 네맞아요 / 그쵸 / 알겠어요
네, 알겠습니다. / 오케이 / 오 / 음 네 / uh 네 / 네 okay
";

    /// What is said, not sounded.
    #[rustfmt::skip]
    const SAYING: &str = "
no / No no no / stop / wait / Wait a second / what / What? / yes but / yeah no / okay stop / right now / I see a problem
got it from my mother / you / thanks / Lumi Serum / 25 / ok 25 / not sure / so / skincare / great / nice
아니 / 아니요 / 네 아니요 / 네오 / 네이버 / 음악 / 어디 / 아이 / 예산 / 그만 / 잠깐만요 / 네 그런데요 / 음 인스타 / 오만 원
와인 / 응원 / 좋아요 / 삼만 원 / 그래서 / 그렇지만 / 맞아요 근데 / 저는 / 네이버요 / 그래놀라 / 아네모네 / 어음이요 / 예약
";

    /// What was understood so far of somebody who says something.
    #[rustfmt::skip]
    const SURELY: &str = "
what is the / wait I meant the other / actually the price / yeah but what about TikTok / no that's wrong
it costs 25 dollars / 아니 그게 아니라 / 가격은 삼만 / 네 그런데 가격이 / 이름을 루미앰플로 / 음 그러니까 제 말은
시작하지마세요
";

    /// What was understood so far of what may still be no turn.
    #[rustfmt::skip]
    const PERHAPS: &str = "
n / no / no no / wh / what / uh the / okay s / thank you / Thank you very much. / stop / um so / mm-hmm mm-hmm yeah okay
아니 / 가격 / 네 가 / 감사합니다 / 안녕하세요 / 잠깐만 / 네 네 네 네 네 네 네 네
";

    fn entries(list: &str) -> impl Iterator<Item = &str> {
        list.trim().split(['/', '\n']).map(str::trim)
    }

    #[test]
    fn listeners_sounds_are_told_from_what_says_something() {
        for words in entries(LISTENING) {
            assert!(is_backchannel(words), "{words}");
            assert!(!is_surely_a_turn(words), "{words}");
        }
        // `네` in two parts, as some systems write it.
        assert!(is_backchannel("\u{1102}\u{1166}"));
        for words in entries(SAYING).chain(["", " ", "...", "🎉"]) {
            assert!(!is_backchannel(words), "{words}");
        }
    }

    #[test]
    fn a_reply_is_cancelled_early_only_for_what_stays_a_turn() {
        for partial in entries(SURELY) {
            assert!(is_surely_a_turn(partial), "{partial}");
        }
        for partial in entries(PERHAPS).chain([""]) {
            assert!(!is_surely_a_turn(partial), "{partial}");
        }
    }

    /// Words of a listener, joined as a recogniser may join them.
    fn listening() -> impl Strategy<Value = String> {
        let all: Vec<&str> = ENGLISH
            .iter()
            .chain(&KOREAN_SOUNDS)
            .chain(&KOREAN_ASSENTS)
            .copied()
            .collect();
        let mark = prop::sample::select(vec![" ", ", ", ". ", "! ", "… "]);
        let words = prop::collection::vec((prop::sample::select(all), mark), 1..6);
        words.prop_map(|words| words.into_iter().flat_map(|(word, mark)| [word, mark]).collect())
    }

    proptest! {
        #[test]
        fn listening_stays_listening_in_any_order_and_case(words in listening()) {
            prop_assert!(is_backchannel(&words), "{}", words);
            prop_assert!(is_backchannel(&words.to_uppercase()), "{}", words);
            for end in (0..words.len()).filter(|end| words.is_char_boundary(*end)) {
                prop_assert!(!is_surely_a_turn(&words[..end]), "{}", &words[..end]);
            }
        }

        #[test]
        fn what_is_surely_a_turn_never_becomes_a_backchannel(
            partial in "([a-z가-힣]{1,6}[ ,.]{1,2}){0,3}([a-z가-힣]{0,6})|.{0,20}",
            more in "[네응음아 ]{0,4}|[ a-z]{0,6}|.{0,6}",
        ) {
            if is_surely_a_turn(&partial) {
                prop_assert!(!is_backchannel(&format!("{partial}{more}")), "{}|{}", partial, more);
            }
        }
    }
}
