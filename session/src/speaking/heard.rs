//! How much of a reply was heard when so much of its sound was played.

use greenroom_protocol::Millis;

use super::pace::{char_ms, is_pause};
use super::speakable::spoken_chars;

/// One sentence of a reply, and how long its sound is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpokenPart<'a> {
    /// [`Sentence::text`](super::Sentence::text).
    pub text: &'a str,
    /// As known or estimated so far; zero for what has no sound.
    pub duration: Millis,
}

/// The words of a reply that were heard when `played` of it was played, as a length in bytes of the joined texts: a
/// prefix that ends at the end of a word (in Korean, of an eojeol). A word that was begun was not heard. Nothing was
/// heard when nothing was played, and everything when all was.
pub fn heard_prefix(parts: &[SpokenPart<'_>], played: Millis) -> usize {
    let played_bytes = played_prefix(parts, played);
    let mut heard = 0;
    let mut word_end = 0;
    let mut offset = 0;
    for part in parts {
        for (at, char) in part.text.char_indices() {
            if !char.is_whitespace() {
                word_end = offset + at + char.len_utf8();
            } else if word_end <= played_bytes {
                heard = word_end;
            }
        }
        offset += part.text.len();
    }
    if word_end <= played_bytes { word_end } else { heard }
}

/// How many bytes of the joined texts were said, wherever in a word that is.
fn played_prefix(parts: &[SpokenPart<'_>], played: Millis) -> usize {
    if played.0 == 0 {
        return 0;
    }
    let mut bytes = 0;
    let mut starts_line = true;
    let mut left_ms = played.0;
    for part in parts {
        let Some(rest_ms) = left_ms.checked_sub(part.duration.0) else {
            return bytes + said_prefix(part, starts_line, left_ms);
        };
        left_ms = rest_ms;
        bytes += part.text.len();
        starts_line = part.text.trim_end_matches([' ', '\t', '\r']).ends_with('\n');
    }
    bytes
}

/// How many bytes of a part were said in a time that is less than its whole: its sound is taken to be as long as its
/// characters are, each in its measure.
fn said_prefix(part: &SpokenPart<'_>, starts_line: bool, said_ms: u64) -> usize {
    let chars = spoken_chars(part.text, starts_line);
    let whole: u128 = chars.iter().map(|(_, char)| u128::from(char_ms(*char))).sum();
    let said = whole * u128::from(said_ms);
    let duration_ms = u128::from(part.duration.0);
    let mut until: u128 = 0;
    let unsaid = chars.iter().find(|(_, char)| {
        let begin = until;
        until += u128::from(char_ms(*char));
        // A word was heard before the pause behind it is over.
        let needed = if is_pause(*char) { begin } else { until };
        needed * duration_ms > said
    });
    unsaid.map_or(part.text.len(), |(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(parts: &[(&str, u64)], played_ms: u64) -> String {
        let texts: String = parts.iter().map(|(text, _)| *text).collect();
        texts[..heard_prefix(&spoken(parts), Millis(played_ms))].to_owned()
    }

    fn spoken<'a>(parts: &[(&'a str, u64)]) -> Vec<SpokenPart<'a>> {
        let part = |(text, ms): &(&'a str, u64)| SpokenPart {
            text,
            duration: Millis(*ms),
        };
        parts.iter().map(part).collect()
    }

    #[test]
    fn whole_words_are_heard_in_proportion() {
        let korean = [("네, 좋아요. ", 1_000), ("가격은 얼마쯤인가요?", 2_000)];
        for (played_ms, words) in [
            (0, ""),
            (100, ""),
            (400, "네,"),
            (999, "네, 좋아요."),
            (1_000, "네, 좋아요."),
            (1_700, "네, 좋아요. 가격은"),
            (2_500, "네, 좋아요. 가격은"),
            (3_000, "네, 좋아요. 가격은 얼마쯤인가요?"),
            (9_000, "네, 좋아요. 가격은 얼마쯤인가요?"),
        ] {
            assert_eq!(heard(&korean, played_ms), words, "{played_ms} ms");
        }
    }

    #[test]
    fn a_word_cut_in_two_parts_is_heard_with_its_second_part() {
        let parts = [("Go see verylong", 1_000), ("word now", 1_000)];
        assert_eq!(heard(&parts, 1_000), "Go see");
        assert_eq!(heard(&parts, 1_700), "Go see verylongword");
        assert_eq!(heard(&parts, 2_000), "Go see verylongword now");
    }

    #[test]
    fn what_has_no_sound_is_heard_with_what_stands_before_it() {
        let parts = [("- ", 0), ("하나\n", 500), ("🎉\n", 0), ("둘", 500)];
        assert_eq!(heard(&parts, 0), "");
        assert_eq!(heard(&parts, 1), "-", "a list mark");
        assert_eq!(heard(&parts, 500), "- 하나\n🎉");
        assert_eq!(heard(&[("🎉", 0)], 0), "");
        assert_eq!(heard(&[], 100), "");
    }

    #[test]
    fn an_address_takes_the_time_of_what_is_said_of_it() {
        let parts = [("[여기](https://lumi.example/a/very/long/path) 보세요", 1_000)];
        assert_eq!(
            heard(&parts, 500),
            "[여기](https://lumi.example/a/very/long/path)"
        );
    }

    proptest! {
        #[test]
        fn more_is_heard_the_more_is_played(
            parts in prop::collection::vec(("[ \\n가-힣a-z.,?*-]{0,30}|.{0,12}", 0_u64..4_000), 0..8),
            played in prop::collection::vec(0_u64..20_000, 1..12),
        ) {
            let texts: String = parts.iter().map(|(text, _)| text.as_str()).collect();
            let whole_ms: u64 = parts.iter().map(|(_, ms)| ms).sum();
            let spoken: Vec<SpokenPart<'_>> = parts
                .iter()
                .map(|(text, ms)| SpokenPart { text, duration: Millis(*ms) })
                .collect();
            let mut played = played;
            played.sort_unstable();
            let mut before = 0;
            for played_ms in played {
                let heard = heard_prefix(&spoken, Millis(played_ms));
                prop_assert!(before <= heard);
                prop_assert!(texts.is_char_boundary(heard));
                let (said, unsaid) = texts.split_at(heard);
                prop_assert_eq!(said.trim_end(), said);
                prop_assert!(said.is_empty() || unsaid.is_empty() || unsaid.starts_with(char::is_whitespace));
                before = heard;
            }
            prop_assert_eq!(heard_prefix(&spoken, Millis(0)), 0);
            if whole_ms > 0 {
                prop_assert_eq!(heard_prefix(&spoken, Millis(whole_ms)), texts.trim_end().len());
            }
        }

        #[test]
        fn lengths_beyond_all_reason_are_survived(text in ".{0,40}", duration: u64, played: u64) {
            let part = SpokenPart { text: &text, duration: Millis(duration) };
            let heard = heard_prefix(&[part, part], Millis(played));
            prop_assert!(heard <= text.len() * 2);
        }
    }
}
