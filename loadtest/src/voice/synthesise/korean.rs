//! Korean: syllables taken apart into their letters, and joined again the way they are pronounced.

const SYLLABLES_FROM: u32 = 0xac00;
const SYLLABLES_UNTIL: u32 = 0xd7a4;
const MEDIALS: u32 = 21;
const FINALS: u32 = 28;
/// The initial that is no sound.
const SILENT: usize = 11;

/// The sounds of initial letters: ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ.
const INITIAL: [&str; 19] = [
    "G", "K", "N", "D", "T", "DX", "M", "B", "P", "S", "S", "", "D ZH", "T SH", "T SH", "K", "T", "P", "HH",
];
/// The sounds of vowels: ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ.
const MEDIAL: [&str; 21] = [
    "AA", "EH", "Y AA", "Y EH", "EO", "EH", "Y EO", "Y EH", "OO", "W AA", "W EH", "W EH", "Y OO", "UW",
    "W EO", "W EH", "W IY", "Y UW", "EU", "EU IY", "IY",
];
/// The initial letter that a final becomes before a vowel, the final that stays behind, and the sound that it has
/// where it stays: none, ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ.
#[rustfmt::skip]
const FINAL: [(usize, &str, &str); 28] = [
    (SILENT, "", ""), (0, "", "K"), (1, "", "K"), (9, "K", "K"), (2, "", "N"), (12, "N", "N"), (2, "", "N"),
    (3, "", "T"), (5, "", "L"), (0, "L", "K"), (6, "L", "M"), (7, "L", "L"), (9, "L", "L"), (16, "L", "L"),
    (17, "L", "P"), (5, "", "L"), (6, "", "M"), (7, "", "P"), (9, "P", "P"), (9, "", "T"), (10, "", "T"),
    (SILENT, "NG", "NG"), (12, "", "T"), (14, "", "T"), (15, "", "K"), (16, "", "T"), (17, "", "P"), (SILENT, "", ""),
];

/// Whether a character is a Korean syllable.
pub(super) fn is_syllable(char: char) -> bool {
    (SYLLABLES_FROM..SYLLABLES_UNTIL).contains(&u32::from(char))
}

/// The sounds of a word. What is no syllable has none.
pub(super) fn sounds(word: &str) -> Vec<&'static str> {
    let mut syllables: Vec<(usize, usize, usize)> = word
        .chars()
        .filter(|char| is_syllable(*char))
        .map(letters)
        .collect();
    let mut sounds = Vec::new();
    for index in 0..syllables.len() {
        let (initial, medial, last) = syllables[index];
        sounds.extend(INITIAL[initial].split_whitespace());
        sounds.extend(MEDIAL[medial].split_whitespace());
        let (moves, stays, alone) = FINAL[last];
        let next = syllables.get_mut(index + 1);
        let coda = match next {
            // Before a vowel a final begins the next syllable: 음악 is 으막.
            Some(next) if next.0 == SILENT => {
                next.0 = moves;
                stays
            }
            // Before a nasal a plosive is one too: 합니다 is 함니다.
            Some(next) if next.0 == 2 || next.0 == 6 => match alone {
                "K" => "NG",
                "T" => "N",
                "P" => "M",
                other => other,
            },
            Some(_) | None => alone,
        };
        sounds.extend(coda.split_whitespace());
    }
    sounds
}

/// The words of a whole number as it is read: 이십오, 삼만 구천.
pub(super) fn number(number: u64) -> String {
    const DIGITS: [&str; 10] = ["영", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"];
    const PLACES: [&str; 4] = ["", "십", "백", "천"];
    const MYRIADS: [&str; 5] = ["", "만", "억", "조", "경"];
    if number == 0 {
        return DIGITS[0].to_owned();
    }
    let digits: Vec<usize> = number
        .to_string()
        .bytes()
        .map(|digit| usize::from(digit - b'0'))
        .collect();
    let mut words = String::new();
    let mut group_has_digit = false;
    for (index, digit) in digits.iter().enumerate() {
        let place = digits.len() - 1 - index;
        group_has_digit |= *digit > 0;
        if *digit > 1 || (*digit == 1 && (place.is_multiple_of(4) && !(place == 4 && digits.len() == 5))) {
            words.push_str(DIGITS[*digit]);
        }
        if *digit > 0 {
            words.push_str(PLACES[place % 4]);
        }
        if place.is_multiple_of(4) && std::mem::take(&mut group_has_digit) {
            words.push_str(MYRIADS[place / 4]);
        }
    }
    words
}

/// The numbers of the three letters of a syllable.
fn letters(char: char) -> (usize, usize, usize) {
    let index = u32::from(char) - SYLLABLES_FROM;
    let (initial, medial, last) = (
        index / (MEDIALS * FINALS),
        index / FINALS % MEDIALS,
        index % FINALS,
    );
    (initial as usize, medial as usize, last as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: &str) {
        assert_eq!(sounds(word).join(" "), expected, "{word}");
    }

    #[test]
    fn syllables_are_joined_as_they_are_pronounced() {
        check("가", "G AA");
        check("음악", "EU M AA K");
        check("합니다", "HH AA M N IY D AA");
        check("값이", "G AA P S IY");
        check("영어", "Y EO NG EO");
        check("좋아요", "D ZH OO AA Y OO");
        check("읽어", "IY L G EO");
    }

    #[test]
    fn numbers_are_read() {
        for (value, words) in [
            (0, "영"),
            (1, "일"),
            (10, "십"),
            (25, "이십오"),
            (111, "백십일"),
            (10_000, "만"),
            (39_000, "삼만구천"),
            (110_001, "십일만일"),
            (100_000_000, "일억"),
            (2_026, "이천이십육"),
        ] {
            assert_eq!(number(value), words);
        }
    }
}
