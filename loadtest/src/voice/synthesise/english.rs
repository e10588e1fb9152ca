//! English: letters to sounds by rules in the manner of Elovitz and others (1976), and words for numbers.

/// Common words that the rules would get wrong.
#[rustfmt::skip]
const WORDS: &[(&str, &str)] = &[
    ("a", "AX"), ("again", "AX G EH N"), ("any", "EH N IY"), ("are", "AA R"), ("because", "B IH K AH Z"), ("been", "B IH N"),
    ("brief", "B R IY F"), ("busy", "B IH Z IY"), ("buy", "B AY"), ("come", "K AH M"), ("could", "K UH D"),
    ("creative", "K R IY EY T IH V"), ("do", "D UW"), ("does", "D AH Z"), ("done", "D AH N"), ("every", "EH V R IY"),
    ("five", "F AY V"), ("forty", "F AO R T IY"), ("four", "F AO R"), ("friend", "F R EH N D"), ("from", "F R AH M"),
    ("give", "G IH V"), ("glow", "G L OW"), ("good", "G UH D"), ("great", "G R EY T"), ("have", "HH AE V"),
    ("here", "HH IY R"), ("how", "HH AW"), ("has", "HH AE Z"), ("his", "HH IH Z"), ("idea", "AY D IY AX"), ("is", "IH Z"), ("into", "IH N T UW"), ("kind", "K AY N D"),
    ("know", "N OW"), ("later", "L EY T ER"), ("live", "L IH V"), ("love", "L AH V"), ("many", "M EH N IY"),
    ("minute", "M IH N AX T"), ("more", "M AO R"), ("most", "M OW S T"), ("move", "M UW V"), ("name", "N EY M"),
    ("now", "N AW"), ("of", "AH V"), ("okay", "OW K EY"), ("one", "W AH N"), ("only", "OW N L IY"),
    ("other", "AH DH ER"), ("people", "P IY P AX L"), ("product", "P R AA D AX K T"), ("put", "P UH T"),
    ("as", "AE Z"), ("ready", "R EH D IY"), ("right", "R AY T"), ("said", "S EH D"), ("seven", "S EH V AX N"), ("should", "SH UH D"),
    ("show", "SH OW"), ("some", "S AH M"), ("something", "S AH M TH IH NG"), ("sure", "SH UH R"), ("the", "DH AX"),
    ("there", "DH EH R"), ("they", "DH EY"), ("to", "T UW"), ("today", "T AX D EY"), ("two", "T UW"), ("video", "V IH D IY OW"),
    ("was", "W AH Z"), ("were", "W ER"), ("what", "W AH T"), ("who", "HH UW"), ("would", "W UH D"), ("you", "Y UW"),
    ("young", "Y AH NG"), ("your", "Y AO R"),
];

/// What stands before a group of letters, the letters, what follows them, and their sounds; the first that fits holds.
///
/// ` ` is the edge of a word, `#` one or more vowels, `:` any consonants, `^` one consonant, `+` one of e, i, y, `%` an
/// ending (er, e, es, ed, ing, ely at the edge); other letters are themselves.
#[rustfmt::skip]
const RULES: &[(&str, &str, &str, &str)] = &[
    ("", "ar", "o", "AX R"), ("", "ar", "", "AA R"), ("", "air", "", "EH R"), ("", "ai", "", "EY"), ("", "ay", "", "EY"),
    ("", "au", "", "AO"), ("", "aw", "", "AO"), ("", "all", "", "AO L"), ("", "al", "k", "AO"), (" :", "able", "", "EY B AX L"),
    ("", "able", " ", "AX B AX L"), ("", "age", " ", "IH D ZH"), ("", "ange", "", "EY N D ZH"), (" ", "a", "bout", "AX"),
    ("w", "a", "t", "AA"), ("w", "a", "n", "AA"), ("qu", "a", "", "AA"), (":", "a", "^%", "EY"), (":", "a", "^e", "EY"),
    ("", "a", "tion", "EY"), ("", "a", "ste", "EY"), ("#:", "al", " ", "AX L"), ("#:", "a", " ", "AX"), (" :", "a", " ", "AA"),
    ("", "a", "", "AE"),
    ("", "bb", "", "B"), ("m", "b", " ", ""), ("", "b", "", "B"),
    ("", "tch", "", "T SH"), (" ", "chr", "", "K R"), ("", "ch", "", "T SH"), ("", "ck", "", "K"),
    ("", "cious", "", "SH AX S"), ("", "cial", "", "SH AX L"), ("s", "c", "+", ""), ("", "cc", "+", "K S"), ("", "cc", "", "K"),
    ("", "c", "+", "S"), ("", "c", "", "K"),
    ("#:", "ded", " ", "D IH D"), ("", "dge", "", "D ZH"), ("", "dd", "", "D"), ("", "d", "", "D"),
    ("#:t", "ed", " ", "IH D"), ("#:s", "ed", " ", "T"), ("#:k", "ed", " ", "T"), ("#:p", "ed", " ", "T"), ("#:", "ed", " ", "D"),
    ("#:s", "es", " ", "IH Z"), ("#:c", "es", " ", "IH Z"), ("#:x", "es", " ", "IH Z"), ("#:h", "es", " ", "IH Z"), ("#:g", "es", " ", "IH Z"),
    ("#:", "es", " ", "Z"), ("#:", "ely", " ", "L IY"), ("#:", "ement", "", "M EH N T"), ("#:", "e", " ", ""), (" :", "e", " ", "IY"),
    ("", "ear", "n", "ER"), ("", "ear", "ch", "ER"), ("", "ear", "", "IY R"), ("", "ead", " ", "EH D"), ("", "ea", "s", "IY"),
    ("", "ea", "ther", "EH"), ("", "ea", "", "IY"), ("", "eer", "", "IY R"), ("", "ee", "", "IY"), ("", "eigh", "", "EY"),
    ("", "ei", "", "IY"), ("", "ey", " ", "IY"), ("", "ew", "", "UW"), ("", "er", "", "ER"), ("", "eu", "", "Y UW"),
    ("r", "e", "^#", "IY"), (" :", "e", "^e", "IY"), ("", "e", "", "EH"),
    ("", "ff", "", "F"), ("", "f", "", "F"),
    ("", "gh", "t", ""), (" ", "gh", "", "G"), ("", "gh", "", ""), ("", "gg", "", "G"), (" ", "gi", "v", "G IH"), ("", "ge", "t", "G EH"),
    (" ", "gn", "", "N"), ("", "g", "+", "D ZH"), ("", "g", "", "G"),
    (" ", "h", "#", "HH"), ("", "h", "#", "HH"), ("", "h", "", ""),
    ("", "ing", " ", "IH NG"), ("", "igh", "", "AY"), ("", "ign", " ", "AY N"), ("", "ir", "", "ER"), (" :", "ie", " ", "AY"), ("", "ies", " ", "IY Z"),
    ("", "ie", "", "IY"), ("", "ild", " ", "AY L D"), ("", "ind", " ", "AY N D"), ("", "i", "^%", "AY"), ("", "i", "", "IH"),
    ("", "j", "", "D ZH"), (" ", "k", "n", ""), ("", "k", "", "K"), ("", "ll", "", "L"), ("#:^", "le", " ", "AX L"), ("", "l", "", "L"),
    ("", "mm", "", "M"), ("", "m", "", "M"), ("", "nn", "", "N"), ("", "ng", "", "NG"), ("", "nk", "", "NG K"), ("", "n", "", "N"),
    ("", "oor", "", "AO R"), ("", "ook", "", "UH K"), ("", "oo", "", "UW"), ("", "ough", "t", "AO"), ("", "our", "", "AO R"), ("", "ould", "", "UH D"),
    ("", "ous", "", "AX S"), ("", "oun", "", "AW N"), ("", "ou", "", "AW"), ("", "oy", "", "OY"), ("", "oi", "", "OY"), ("", "oa", "", "OW"),
    ("", "ow", "n", "AW"), ("", "ow", "", "OW"), ("", "or", "", "AO R"), ("", "old", "", "OW L D"), ("", "o", " ", "OW"), ("", "o", "^%", "OW"), ("", "o", "", "AA"),
    ("", "ph", "", "F"), ("", "pp", "", "P"), ("", "p", "", "P"), ("", "qu", "", "K W"), ("", "rr", "", "R"), ("", "r", "", "R"),
    ("", "sh", "", "SH"), ("", "sion", "", "ZH AX N"),
    ("", "ss", "", "S"), ("#", "s", "#", "Z"), ("b", "s", " ", "Z"), ("d", "s", " ", "Z"), ("g", "s", " ", "Z"), ("l", "s", " ", "Z"), ("m", "s", " ", "Z"),
    ("n", "s", " ", "Z"), ("r", "s", " ", "Z"), ("y", "s", " ", "Z"), ("o", "s", " ", "Z"), ("#e", "s", " ", "Z"), ("", "s", "", "S"),
    (" ", "th", "at", "DH"), (" ", "th", "is", "DH"), (" ", "th", "e", "DH"), (" ", "th", "an ", "DH"), ("", "th", "er", "DH"), ("", "th", "", "TH"),
    ("", "tion", "", "SH AX N"), ("", "ture", "", "T SH ER"), ("", "tt", "", "T"), ("", "t", "", "T"),
    (" ", "un", "", "AH N"), ("", "ur", "", "ER"), ("", "uy", "", "AY"), ("g", "u", "#", ""), ("r", "u", "^%", "UW"), ("l", "u", "^%", "UW"),
    ("", "u", "^%", "Y UW"), ("", "ue", " ", "UW"), ("", "u", "", "AH"),
    ("", "v", "", "V"), (" ", "wr", "", "R"), ("", "wh", "o", "HH"), ("", "wh", "", "W"), ("", "w", "", "W"), ("", "x", "", "K S"),
    (" ", "y", "#", "Y"), (" :", "y", " ", "AY"), ("#:", "y", " ", "IY"), ("", "y", "^e", "AY"), ("", "y", "", "IH"), ("", "z", "", "Z"),
];

/// The sounds of a word in small letters. Letters that English does not have are silent.
pub(super) fn sounds(word: &str) -> Vec<&'static str> {
    if let Some((_, sounds)) = WORDS.iter().find(|(known, _)| *known == word) {
        return sounds.split_whitespace().collect();
    }
    let letters: Vec<char> = std::iter::once(' ').chain(word.chars()).chain([' ']).collect();
    let mut sounds = Vec::new();
    let mut at = 1;
    while at + 1 < letters.len() {
        let fits = |rule: &&(&str, &str, &str, &'static str)| {
            let (before, group, after, _) = rule;
            let end = at + group.len();
            letters[at..].iter().copied().take(group.len()).eq(group.chars())
                && precedes(&letters[..at], before)
                && follows(&letters[end..], after)
        };
        match RULES.iter().find(fits) {
            Some((_, group, _, spoken)) => {
                sounds.extend(spoken.split_whitespace());
                at += group.len();
            }
            None => at += 1,
        }
    }
    sounds
}

/// The words of a whole number.
pub(super) fn number(number: u64) -> String {
    #[rustfmt::skip]
    const SMALL: [&str; 20] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    ];
    const TENS: [&str; 10] = [
        "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ];
    const LARGE: [(u64, &str); 5] = [
        (1_000_000_000_000, "trillion"),
        (1_000_000_000, "billion"),
        (1_000_000, "million"),
        (1_000, "thousand"),
        (100, "hundred"),
    ];
    if let Some(small) = usize::try_from(number).ok().and_then(|number| SMALL.get(number)) {
        return (*small).to_owned();
    }
    let (head, rest) = match LARGE.iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) => (format!("{} {name}", self::number(number / unit)), number % unit),
        None => (TENS[(number / 10) as usize].to_owned(), number % 10),
    };
    if rest == 0 {
        head
    } else {
        format!("{head} {}", self::number(rest))
    }
}

fn is_vowel(letter: char) -> bool {
    matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

fn is_consonant(letter: char) -> bool {
    letter.is_alphabetic() && !is_vowel(letter)
}

fn precedes(mut letters: &[char], pattern: &str) -> bool {
    pattern
        .chars()
        .rev()
        .all(|class| match taken(letters.iter().rev().copied(), class) {
            Some(count) => {
                letters = &letters[..letters.len() - count];
                true
            }
            None => false,
        })
}

fn follows(mut letters: &[char], pattern: &str) -> bool {
    pattern.chars().all(|class| match taken_ending(letters, class) {
        Some(count) => {
            letters = &letters[count..];
            true
        }
        None => false,
    })
}

fn taken_ending(letters: &[char], class: char) -> Option<usize> {
    const ENDINGS: [&str; 6] = ["er ", "e ", "es ", "ed ", "ing ", "ely "];
    if class != '%' {
        return taken(letters.iter().copied(), class);
    }
    let begins = |ending: &&&str| {
        letters.len() >= ending.len()
            && letters
                .iter()
                .copied()
                .zip(ending.chars())
                .all(|(left, right)| left == right)
    };
    ENDINGS.iter().find(begins).map(|ending| ending.len())
}

/// How many letters a class takes; none when it does not fit.
fn taken(mut letters: impl Iterator<Item = char>, class: char) -> Option<usize> {
    match class {
        '#' => Some(letters.take_while(|letter| is_vowel(*letter)).count()).filter(|count| *count > 0),
        ':' => Some(letters.take_while(|letter| is_consonant(*letter)).count()),
        '^' => letters.next().filter(|letter| is_consonant(*letter)).map(|_| 1),
        '+' => letters
            .next()
            .filter(|letter| matches!(letter, 'e' | 'i' | 'y'))
            .map(|_| 1),
        itself => letters.next().filter(|letter| *letter == itself).map(|_| 1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::phones::phone;
    use super::*;

    #[test]
    fn every_sound_that_is_named_exists() {
        let rules = RULES.iter().map(|(_, _, _, sounds)| *sounds);
        for sounds in rules.chain(WORDS.iter().map(|(_, sounds)| *sounds)) {
            for sound in sounds.split_whitespace() {
                assert!(phone(sound).is_some(), "{sound}");
            }
        }
    }

    #[test]
    fn words_are_pronounced() {
        for (word, expected) in [
            ("launch", "L AO N T SH"),
            ("skin", "S K IH N"),
            ("price", "P R AY S"),
            ("thanks", "TH AE NG K S"),
            ("nation", "N EY SH AX N"),
            ("cheap", "T SH IY P"),
            ("morning", "M AO R N IH NG"),
            ("this", "DH IH S"),
            ("knight", "N AY T"),
            ("whole", "HH OW L"),
        ] {
            assert_eq!(sounds(word).join(" "), expected, "{word}");
        }
    }

    #[test]
    fn numbers_are_read() {
        assert_eq!(number(0), "zero");
        assert_eq!(number(25), "twenty five");
        assert_eq!(number(110), "one hundred ten");
        assert_eq!(number(39_000), "thirty nine thousand");
        assert!(number(u64::MAX).starts_with("eighteen million four hundred"));
    }
}
