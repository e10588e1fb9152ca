//! The language that an utterance is in.

use greenroom_protocol::Locale;

use super::text::is_hangul;

/// Latin letters that weigh as much as one Korean syllable.
const LETTERS_PER_SYLLABLE: usize = 3;
/// Latin words without any common English one that still count as English; fewer may be a name.
const WORDS_MIN: usize = 5;

/// Words that tell English from a name in Latin letters.
#[rustfmt::skip]
const COMMON_WORDS: [&str; 60] = [
    "a", "an", "the", "and", "or", "but", "of", "for", "in", "on", "to", "with", "is", "are", "am", "was",
    "be", "it", "it's", "its", "i", "i'm", "we", "you", "they", "my", "our", "your", "their", "this",
    "that", "what", "who", "why", "how", "not", "no", "yes", "don't", "do", "does", "can", "please",
    "thanks", "hello", "hi", "because", "should", "would", "want", "skip", "sure", "about", "name", "price",
    "called", "people", "women", "men", "have",
];

/// The language of an utterance; none when it cannot be told: a number, a name in Latin letters, another language.
pub fn language_of(text: &str) -> Option<Locale> {
    let syllables = text.chars().filter(|char| is_hangul(*char)).count();
    let letters = text.chars().filter(|char| char.is_alphabetic()).count();
    let latin = text.chars().filter(char::is_ascii_alphabetic).count();
    let words = || {
        text.split(|char: char| !char.is_alphabetic() && char != '\'')
            .filter(|word| !word.is_empty())
    };
    // `The Face Shop` is a name, whatever language its owner speaks.
    let is_title = words().count() > 1 && words().all(|word| word.starts_with(char::is_uppercase));
    let common = !is_title
        && words().any(|word| {
            COMMON_WORDS
                .iter()
                .any(|common| word.eq_ignore_ascii_case(common))
        });
    if (syllables + latin) * 2 < letters {
        return None;
    }
    // Names in Latin letters do not make a Korean sentence English; English words around a Korean name do.
    if syllables > 0 && !(common && latin > syllables * LETTERS_PER_SYLLABLE) {
        return Some(Locale::Ko);
    }
    let is_english = latin > 0 && (common || words().count() >= WORDS_MIN);
    is_english.then_some(Locale::En)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_utterance_has_a_language_only_when_its_words_tell() {
        let cases = [
            ("제품명은 Lumi Serum이에요", Some(Locale::Ko)),
            ("네", Some(Locale::Ko)),
            ("ㅋㅋㅋ", Some(Locale::Ko)),
            ("Instagram이랑 TikTok이요", Some(Locale::Ko)),
            ("The product is called 루미세럼", Some(Locale::En)),
            ("what do you mean?", Some(Locale::En)),
            ("Gentle, Fast absorbing, Vegan, Cruelty free", Some(Locale::En)),
            ("Lumi Serum", None),
            ("iPhone 15 Pro", None),
            ("The Face Shop", None),
            ("the Face Shop", Some(Locale::En)),
            ("Hello", Some(Locale::En)),
            ("39 dollars", None),
            ("39,000", None),
            ("$25", None),
            ("", None),
            ("東京タワー", None),
        ];
        for (text, expected) in cases {
            assert_eq!(language_of(text), expected, "{text}");
        }
    }
}
