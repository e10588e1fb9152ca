//! What of a model's text can be spoken: no Markdown, no emoji, no lines. Works on a text that is still growing.

use crate::speaking::is_pictograph;

/// Takes out of a growing text what nobody can say aloud.
#[derive(Debug)]
pub(super) struct Speakable {
    /// Nothing but blanks stands before on this line.
    line_begins: bool,
    /// A sign that begins the line: part of a list if a blank follows, else of the text.
    marker: Option<char>,
    /// The text so far ends with a blank, or is empty.
    ends_blank: bool,
}

impl Default for Speakable {
    fn default() -> Self {
        Self {
            line_begins: true,
            marker: None,
            ends_blank: true,
        }
    }
}

impl Speakable {
    /// What of the text's next part can be spoken.
    pub(super) fn next(&mut self, part: &str) -> String {
        let mut spoken = String::with_capacity(part.len());
        for char in part.chars() {
            self.char(char, &mut spoken);
        }
        spoken
    }

    fn char(&mut self, char: char, spoken: &mut String) {
        if let Some(marker) = self.marker.take()
            && !char.is_whitespace()
        {
            self.say(marker, spoken);
        }
        match char {
            _ if char.is_whitespace() => {
                self.line_begins |= char == '\n';
                if !self.ends_blank {
                    spoken.push(' ');
                    self.ends_blank = true;
                }
            }
            '*' | '`' | '#' => {}
            '-' | '•' | '>' if self.line_begins => self.marker = Some(char),
            _ if char.is_control() || is_pictograph(char) => {}
            _ => self.say(char, spoken),
        }
    }

    fn say(&mut self, char: char, spoken: &mut String) {
        spoken.push(char);
        (self.line_begins, self.ends_blank) = (false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_emoji_and_lines_are_taken_out_however_the_text_is_cut() {
        let cases = [
            ("**좋아요!** `루미세럼`이군요.", "좋아요! 루미세럼이군요."),
            ("# 요약\n- 이름\n- 가격\n끝이에요.", "요약 이름 가격 끝이에요."),
            ("Great 🎉👍🏽 name ✨.", "Great name ."),
            ("-5도에서도 괜찮아요 - 정말로.", "-5도에서도 괜찮아요 - 정말로."),
            ("\n\n> quoted\r\n\ttext", "quoted text"),
            (
                "₩39,000 · 50% & 'it''s' (fine)…",
                "₩39,000 · 50% & 'it''s' (fine)…",
            ),
        ];
        for (written, spoken) in cases {
            for piece_chars in [1, 2, 3, 100] {
                let mut speakable = Speakable::default();
                let characters: Vec<char> = written.chars().collect();
                let said: String = characters
                    .chunks(piece_chars)
                    .map(|piece| speakable.next(&piece.iter().collect::<String>()))
                    .collect();
                assert_eq!(said, spoken, "in pieces of {piece_chars}");
            }
        }
    }
}
