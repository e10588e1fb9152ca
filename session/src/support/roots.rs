//! The roots of a word: what is left of it when particles, endings and plurals are taken off.
//!
//! Two words mean the same here when they share a root. Korean is compared by its letters (jamo), because endings
//! change syllables: `빠른`, `빨라요` and `빠르게` share `ㅃㅏㄹ`.

use std::cell::OnceCell;

use crate::extractor::lexis::{before_ending, has_final, is_hangul, starts_with};

/// Roots of one word at most; a word has few, and this bounds the rest.
const ROOTS_MAX: usize = 16;
/// Letters of a root that is more than an accident.
const KOREAN_LETTERS_MIN: usize = 2;
/// Letters of an English root.
const ENGLISH_LETTERS_MIN: usize = 3;

/// Particles and noun endings; one word may carry several: `여성분들이요`.
#[rustfmt::skip]
const PARTICLES: [&str; 52] = [
    "이에요", "이예요", "예요", "에요", "입니다", "이고", "이며", "인데", "이랑", "이나", "이요", "이라", "이야", "이거나", "에게", "에서",
    "한테", "으로", "부터", "까지", "처럼", "같은", "하고", "보다", "들", "분", "님", "쪽", "은", "는", "이", "가", "을", "를", "의",
    "에", "로", "와", "과", "랑", "도", "만", "께", "요", "야", "층", "용", "형", "성", "적", "인", "대",
];

/// Endings of verbs and adjectives as letters, without the silent initial.
#[rustfmt::skip]
const ENDINGS: [&str; 62] = [
    "ㄴ", "ㅡㄴ", "ㄴㅡㄴ", "ㄹ", "ㅡㄹ", "ㄱㅔ", "ㄱㅗ", "ㄱㅗㅛ", "ㅈㅣ", "ㅈㅣㅁㅏㄴ", "ㄷㅏ", "ㅁ", "ㅡㅁ", "ㄱㅣ", "ㄴㅣㄲㅏ", "ㅡㄴㅣㄲㅏ",
    "ㄴㅣㄲㅏㅛ", "ㅁㅣㅓ", "ㅡㅁㅣㅓ", "ㅁㅣㅓㄴ", "ㅡㅁㅣㅓㄴ", "ㅏㅛ", "ㅓㅛ", "ㅛ", "ㅏ", "ㅓ", "ㅅㅓ", "ㅅㅓㅛ", "ㅏㅅㅓ", "ㅓㅅㅓ", "ㅏㅅㅓㅛ",
    "ㅓㅅㅓㅛ", "ㅆㅓㅛ", "ㅏㅆㅓㅛ", "ㅓㅆㅓㅛ", "ㅆㄷㅏ", "ㅏㅆㄷㅏ", "ㅓㅆㄷㅏ", "ㅅㅣㄴ", "ㅅㅣㄴㅡㄴ", "ㅡㅅㅣㄴ", "ㅡㅅㅣㄴㅡㄴ", "ㅂㄴㅣㄷㅏ",
    "ㅅㅡㅂㄴㅣㄷㅏ", "ㄱㅓㄴㅏ", "ㄹㅣㅓㄱㅗ", "ㅡㄹㅣㅓㄱㅗ", "ㄴㄷㅔ", "ㅡㄴㄷㅔ", "ㄴㅡㄴㄷㅔ", "ㄴㄷㅔㅛ", "ㄴㅡㄴㄷㅔㅛ", "ㄷㅓㄴ", "ㄷㅗㄹㅗㄱ", "ㅈㅛ",
    "ㄴㅔㅛ", "ㄱㅓㄷㅡㄴㅛ", "ㄴㅏㅛ", "ㅁㅣㅓㄴㅅㅓ", "ㅗㄱㅗ", "ㄱㅣㅓ", "ㄱㅣㄴ",
];

/// What makes a verb of a noun: `진정하다`, `진정되다`, `진정시키다`, `고급스럽다`.
const VERB_MAKERS: [&str; 8] = ["ㅅㅣㅋㅣ", "ㅅㅡㄹㅓ", "ㅎㅏ", "ㅎㅐ", "ㄷㅚ", "ㅎ", "ㅡ", "ㅜ"];

/// Irregular English forms with their roots.
#[rustfmt::skip]
const IRREGULAR: [(&str, &str); 24] = [
    ("women", "woman"), ("men", "man"), ("people", "person"), ("children", "child"), ("kids", "kid"),
    ("feet", "foot"), ("teeth", "tooth"), ("ran", "run"), ("bought", "buy"), ("made", "make"),
    ("lives", "life"), ("wives", "wife"), ("grew", "grow"), ("slept", "sleep"), ("felt", "feel"),
    ("kept", "keep"), ("lasts", "last"), ("easier", "easy"), ("busier", "busy"), ("drier", "dry"),
    ("absorption", "absorb"), ("absorbent", "absorb"), ("lighter", "light"), ("youths", "young"),
];

/// Names for the same thing, as people write and as models do.
#[rustfmt::skip]
const SAME: [&[&str]; 13] = [
    &["인스타", "인스타그램", "instagram", "insta", "ig"], &["유튜브", "유튭", "youtube"], &["틱톡", "tiktok"],
    &["네이버", "naver"], &["페이스북", "페북", "facebook", "fb"], &["카카오톡", "카톡", "kakaotalk"], &["트위터", "twitter"],
    &["블로그", "blog"], &["쓰레드", "스레드", "threads"], &["쿠팡", "coupang"], &["여성", "여자", "woman", "women"],
    &["남성", "남자", "man", "men"], &["엄마", "어머니"],
];

/// A lowercase word with its roots, which are taken only when a word that begins alike is compared with it.
#[derive(Debug)]
pub(super) struct Form {
    chars: Vec<char>,
    onset: Option<u32>,
    roots: OnceCell<Vec<String>>,
}

impl Form {
    pub(super) fn new(chars: &[char]) -> Self {
        Self {
            chars: chars.to_vec(),
            onset: onset(chars),
            roots: OnceCell::new(),
        }
    }

    pub(super) fn chars(&self) -> &[char] {
        &self.chars
    }

    /// Whether two words have a root in common, or are two names for one thing.
    pub(super) fn shares_root(&self, other: &Self) -> bool {
        self.onset == other.onset && self.roots().iter().any(|root| other.roots().contains(root))
    }

    fn roots(&self) -> &[String] {
        self.roots.get_or_init(|| roots(&self.chars))
    }
}

/// The first letter, or the first consonant of a Korean word: words with a common root begin with the same. None for
/// a word that may go by another name, which begins otherwise.
fn onset(word: &[char]) -> Option<u32> {
    if SAME
        .iter()
        .any(|names| names.iter().any(|name| starts_with(word, name)))
    {
        return None;
    }
    let first = *word.first()?;
    Some(if has_final(first).is_some() {
        (u32::from(first) - 0xac00) / 588
    } else {
        u32::from(first)
    })
}

fn roots(word: &[char]) -> Vec<String> {
    if word.iter().copied().any(is_hangul) {
        korean(word)
    } else {
        english(word)
    }
}

fn korean(word: &[char]) -> Vec<String> {
    let mut nouns: Vec<&[char]> = vec![word];
    let mut at = 0;
    while let Some(noun) = nouns.get(at).copied() {
        for particle in PARTICLES {
            let Some(rest) = before_ending(noun, particle).filter(|rest| *rest > 0) else {
                continue;
            };
            let fits = agrees(noun[rest - 1], particle);
            if fits && nouns.len() < ROOTS_MAX && !nouns.contains(&&noun[..rest]) {
                nouns.push(&noun[..rest]);
            }
        }
        at += 1;
    }
    let mut roots: Vec<String> = nouns.iter().flat_map(|noun| names(noun)).collect();
    let letters = letters(word);
    for ending in ENDINGS {
        if let Some(stem) = letters.strip_suffix(ending) {
            add_stem(&mut roots, stem);
        }
    }
    add_stem(&mut roots, &letters);
    roots
}

/// Particles with two forms follow the syllable before them.
fn agrees(before: char, particle: &str) -> bool {
    match (has_final(before), particle) {
        (Some(true), "가" | "를" | "는" | "와" | "랑" | "예요")
        | (Some(false), "을" | "은" | "과" | "이" | "이에요" | "으로") => false,
        (Some(_) | None, _) => true,
    }
}

/// A noun as it is, and under its common name.
fn names(noun: &[char]) -> Vec<String> {
    let written: String = noun.iter().collect();
    let same = SAME
        .iter()
        .find(|names| names.contains(&written.as_str()))
        .map(|names| names[0]);
    let mut names = vec![letters(noun)];
    names.extend(same.map(|same| letters(&same.chars().collect::<Vec<_>>())));
    names
}

/// A stem, and what it is without what makes a verb of it and without its irregular end.
fn add_stem(roots: &mut Vec<String>, stem: &str) {
    let mut add = |root: &str| {
        let root = root.replace("ㄹㄹ", "ㄹ");
        if root.chars().count() >= KOREAN_LETTERS_MIN && !roots.contains(&root) {
            roots.push(root);
        }
    };
    add(stem);
    for maker in VERB_MAKERS {
        if let Some(noun) = stem.strip_suffix(maker) {
            add(noun);
            break;
        }
    }
    // 가볍고, 가벼운: the ㅂ turns into ㅜ. 길어요, 긴: the ㄹ is dropped.
    if let Some(adjective) = stem.strip_suffix(['ㅂ', 'ㄹ']) {
        add(adjective);
    }
}

/// The letters of Korean syllables: no silent initial, compound vowels taken apart.
fn letters(word: &[char]) -> String {
    #[rustfmt::skip]
    const INITIALS: [char; 19] = [
        'ㄱ', 'ㄲ', 'ㄴ', 'ㄷ', 'ㄸ', 'ㄹ', 'ㅁ', 'ㅂ', 'ㅃ', 'ㅅ', 'ㅆ', 'ㅇ', 'ㅈ', 'ㅉ', 'ㅊ', 'ㅋ', 'ㅌ', 'ㅍ', 'ㅎ',
    ];
    #[rustfmt::skip]
    const VOWELS: [&str; 21] = [
        "ㅏ", "ㅐ", "ㅑ", "ㅒ", "ㅓ", "ㅔ", "ㅣㅓ", "ㅖ", "ㅗ", "ㅗㅏ", "ㅗㅐ", "ㅚ", "ㅛ", "ㅜ", "ㅜㅓ", "ㅜㅔ", "ㅟ", "ㅠ", "ㅡ",
        "ㅢ", "ㅣ",
    ];
    #[rustfmt::skip]
    const FINALS: [&str; 28] = [
        "", "ㄱ", "ㄲ", "ㄱㅅ", "ㄴ", "ㄴㅈ", "ㄴㅎ", "ㄷ", "ㄹ", "ㄹㄱ", "ㄹㅁ", "ㄹㅂ", "ㄹㅅ", "ㄹㅌ", "ㄹㅍ", "ㄹㅎ", "ㅁ", "ㅂ",
        "ㅂㅅ", "ㅅ", "ㅆ", "ㅇ", "ㅈ", "ㅊ", "ㅋ", "ㅌ", "ㅍ", "ㅎ",
    ];
    let mut letters = String::with_capacity(word.len() * 9);
    for char in word {
        if has_final(*char).is_none() {
            letters.push(*char);
            continue;
        }
        let index = (u32::from(*char) - 0xac00) as usize;
        let initial = INITIALS[index / 588];
        if initial != 'ㅇ' {
            letters.push(initial);
        }
        // 돼 is 되 and 어.
        let vowel = if index % 588 / 28 == 10 {
            "ㅚㅓ"
        } else {
            VOWELS[index % 588 / 28]
        };
        letters.push_str(vowel);
        letters.push_str(FINALS[index % 28]);
    }
    letters
}

fn english(word: &[char]) -> Vec<String> {
    let word: String = word.iter().filter(|char| **char != '\'').collect();
    let possessive = word.strip_suffix('s').unwrap_or(&word);
    let mut roots = vec![word.clone()];
    for form in [word.as_str(), possessive] {
        let irregular = IRREGULAR
            .iter()
            .find(|(irregular, _)| *irregular == form)
            .map(|(_, root)| (*root).to_owned());
        let regular = irregular.clone().unwrap_or_else(|| form.to_owned());
        let same = SAME.iter().find(|names| names.contains(&regular.as_str()));
        roots.extend(irregular);
        roots.extend(same.map(|names| letters(&names[0].chars().collect::<Vec<_>>())));
    }
    let mut at = 0;
    while let Some(root) = roots.get(at).cloned() {
        for stem in english_stems(&root) {
            if stem.len() >= ENGLISH_LETTERS_MIN && roots.len() < ROOTS_MAX && !roots.contains(&stem) {
                roots.push(stem);
            }
        }
        at += 1;
    }
    roots
}

/// One suffix off, with the letter that it doubled or dropped.
fn english_stems(word: &str) -> Vec<String> {
    #[rustfmt::skip]
    const SUFFIXES: [&str; 13] = [
        "s", "es", "ing", "ed", "er", "ers", "or", "ors", "ly", "ness", "y", "ful", "able",
    ];
    let mut stems = Vec::new();
    if let Some(stem) = word
        .strip_suffix("ies")
        .or_else(|| word.strip_suffix("ier"))
        .or_else(|| word.strip_suffix("ily"))
    {
        stems.push(format!("{stem}y"));
    }
    for suffix in SUFFIXES {
        let Some(stem) = word
            .strip_suffix(suffix)
            .filter(|stem| stem.len() >= ENGLISH_LETTERS_MIN)
        else {
            continue;
        };
        stems.push(stem.to_owned());
        if !matches!(suffix, "s" | "ly" | "ness" | "ful") {
            stems.push(format!("{stem}e"));
            let mut letters = stem.chars().rev();
            if letters.next() == letters.next() {
                stems.push(stem[..stem.len() - 1].to_owned());
            }
        }
    }
    stems.retain(|stem| stem.is_ascii());
    stems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        let form = |word: &str| Form::new(&word.chars().collect::<Vec<_>>());
        form(one).shares_root(&form(other))
    }

    #[test]
    fn forms_of_one_word_share_a_root() {
        let pairs = [
            ("빠른", "빨라요"),
            ("빠르게", "빠르고"),
            ("가벼운", "가볍게"),
            ("바쁜", "바쁘니까"),
            ("촉촉함", "촉촉해요"),
            ("예민한", "예민하신"),
            ("부드러운", "부드럽고"),
            ("여성", "여성분들이요"),
            ("향", "향이"),
            ("긴", "길어요"),
            ("지속", "지속돼요"),
            ("찾는", "찾으시는"),
            ("끈적임", "끈적이지"),
            ("인스타그램", "인스타로"),
            ("instagram", "인스타랑"),
            ("runners", "run"),
            ("marathon", "marathons"),
            ("women", "woman's"),
            ("absorbing", "absorbs"),
            ("workers", "working"),
            ("parties", "party"),
        ];
        for (one, other) in pairs {
            assert!(same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn different_words_do_not() {
        let pairs = [
            ("빠른", "빨간"),
            ("여성", "남성"),
            ("좋은", "좋아하는"),
            ("진정", "진한"),
            ("vegan", "vegetable"),
            ("gentle", "general"),
            ("student", "stunt"),
        ];
        for (one, other) in pairs {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
