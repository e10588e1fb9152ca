//! What of a written sentence is said aloud: the words, the numbers and the pauses, without markup.

use crate::extractor::lexis::{is_alphanumeric, is_hangul};

/// Schemes that nobody says; the rest of an address is.
const SCHEMES: [&str; 4] = ["https://", "http://", "ftp://", "mailto:"];

/// What a voice is given to say of a text; empty if there is nothing to say. `starts_line` if the text does not begin
/// in the middle of a line, so that a list mark may begin it.
pub(super) fn speakable(text: &str, starts_line: bool) -> String {
    spoken_chars(text, starts_line)
        .into_iter()
        .map(|(_, char)| char)
        .collect()
}

/// The characters that are said, each with the place in the text that it stands at or for.
pub(super) fn spoken_chars(text: &str, starts_line: bool) -> Vec<(usize, char)> {
    let mut reader = Reader {
        chars: text.char_indices().collect(),
        at: 0,
        spoken: Vec::with_capacity(text.len()),
        line_begins: starts_line,
        unmarked_line_end: None,
        after_dropped: false,
        link_targets: Vec::new(),
    };
    while reader.at < reader.chars.len() {
        reader.step();
    }
    let said_end = reader.spoken.iter().rposition(|(_, char)| *char != ' ');
    reader.spoken.truncate(said_end.map_or(0, |last| last + 1));
    if reader.spoken.iter().any(|(_, char)| is_alphanumeric(*char)) {
        reader.spoken
    } else {
        Vec::new()
    }
}

/// Emoji, signs that stand for things, and what joins and colours them.
pub(crate) fn is_pictograph(char: char) -> bool {
    matches!(
        char,
        '\u{2190}'..='\u{21ff}'
            | '\u{2300}'..='\u{23ff}'
            | '\u{2500}'..='\u{27bf}'
            | '\u{2900}'..='\u{297f}'
            | '\u{2b00}'..='\u{2bff}'
            | '\u{1f000}'..='\u{1faff}'
            | '\u{e0000}'..='\u{e007f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{200b}'..='\u{200d}'
            | '\u{20e3}'
    )
}

struct Reader {
    chars: Vec<(usize, char)>,
    at: usize,
    spoken: Vec<(usize, char)>,
    line_begins: bool,
    /// Where a line ended without a mark, if nothing was said since.
    unmarked_line_end: Option<usize>,
    /// Something was left out since the last character that is said.
    after_dropped: bool,
    /// `](url)` of the links that were found: from, and behind the last character.
    link_targets: Vec<(usize, usize)>,
}

impl Reader {
    fn step(&mut self) {
        if self.line_begins {
            self.line_begins = false;
            let mark = self.line_mark_length();
            if mark > 0 {
                self.at += mark;
                // `> - quoted item`
                self.line_begins = true;
                return;
            }
        }
        if let Some((_, end)) = self.link_targets.iter().find(|(start, _)| *start == self.at) {
            self.at = *end;
            return;
        }
        if let Some(length) = self.scheme_length() {
            self.at += length;
            return;
        }
        let (_, char) = self.chars[self.at];
        if char.is_whitespace() || char == '|' {
            self.blank(char == '\n');
        } else if self.is_markup(char) || is_pictograph(char) || char.is_control() {
            self.after_dropped = true;
        } else {
            self.say(char);
        }
        self.at += 1;
    }

    fn say(&mut self, char: char) {
        let after_blank = matches!(self.spoken.last(), Some((_, ' ')));
        if self.after_dropped && after_blank && matches!(char, '.' | ',' | '!' | '?' | '…' | ':' | ';' | ')')
        {
            self.spoken.pop();
        }
        // Lines without a mark at their end are apart when they are heard, too.
        if let Some(place) = self.unmarked_line_end.take() {
            self.spoken.extend([(place, ','), (place, ' ')]);
        }
        self.spoken.push((self.chars[self.at].0, char));
        self.after_dropped = false;
    }

    fn blank(&mut self, ends_line: bool) {
        self.line_begins |= ends_line;
        let place = self.chars[self.at].0;
        while ends_line && matches!(self.spoken.last(), Some((_, ' '))) {
            self.spoken.pop();
        }
        match self.spoken.last() {
            Some((_, last)) if ends_line && is_alphanumeric(*last) => self.unmarked_line_end = Some(place),
            Some((_, last)) if *last != ' ' && self.unmarked_line_end.is_none() => {
                self.spoken.push((place, ' '));
            }
            Some(_) | None => {}
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).map(|(_, char)| *char)
    }

    fn previous(&self) -> Option<char> {
        self.at.checked_sub(1).map(|before| self.chars[before].1)
    }

    /// How many characters begin a line without being said: blanks, a list mark, a heading's signs, a rule.
    fn line_mark_length(&self) -> usize {
        let line: Vec<char> = self.chars[self.at..]
            .iter()
            .map(|(_, char)| *char)
            .take_while(|char| *char != '\n')
            .collect();
        let run = |belongs: fn(&char) -> bool| line.iter().take_while(|char| belongs(char)).count();
        let is_rule = line.len() > 2
            && line
                .iter()
                .all(|char| matches!(char, '-' | '*' | '_' | '=' | '|' | ':' | ' '));
        if is_rule || line.starts_with(&['`', '`', '`']) {
            return line.len();
        }
        let blanks = run(|char| char.is_whitespace());
        if blanks > 0 {
            return blanks;
        }
        let hashes = run(|char| *char == '#');
        let digits = run(char::is_ascii_digit);
        let after = |length: usize| line.get(length).is_none_or(|char| char.is_whitespace());
        match line.first() {
            Some('-' | '*' | '+' | '•' | '‣' | '◦' | '>') if after(1) => 1,
            Some('[')
                if matches!(line.get(1), Some(' ' | 'x' | 'X')) && line.get(2) == Some(&']') && after(3) =>
            {
                3
            }
            Some('#') if hashes <= 6 && after(hashes) => hashes,
            Some('0'..='9')
                if digits <= 2 && matches!(line.get(digits), Some('.' | ')')) && after(digits + 1) =>
            {
                let item = line.get(digits + 2);
                // `11. 20. 출시` is a date.
                let is_date = line[digits] == '.' && item.is_some_and(char::is_ascii_digit);
                if item.is_none() || is_date { 0 } else { digits + 1 }
            }
            Some(_) | None => 0,
        }
    }

    fn scheme_length(&self) -> Option<usize> {
        let begins_word = self
            .previous()
            .is_none_or(|before| !before.is_ascii_alphanumeric());
        let begins = |scheme: &&str| {
            let mut rest = self.chars[self.at..].iter();
            scheme.chars().all(|expected| {
                rest.next()
                    .is_some_and(|(_, char)| char.eq_ignore_ascii_case(&expected))
            })
        };
        let scheme = SCHEMES
            .iter()
            .filter(|_| begins_word)
            .find(|scheme| begins(scheme))?;
        Some(scheme.len())
    }

    /// Whether a character is markup where it stands.
    fn is_markup(&mut self, char: char) -> bool {
        let (before, next) = (self.previous(), self.peek(1));
        let is_word = |char: Option<char>| char.is_some_and(is_alphanumeric);
        match char {
            '*' | '`' => true,
            '_' => !(is_word(before) && is_word(next)),
            '~' => before == Some('~') || next == Some('~'),
            '#' => {
                !is_word(before) && next.is_some_and(|next| is_alphanumeric(next) && !next.is_ascii_digit())
            }
            '\\' => next.is_some_and(|next| next.is_ascii_punctuation()),
            '!' => next == Some('[') && self.link_target(self.at + 1).is_some(),
            '[' => {
                let target = self.link_target(self.at);
                self.link_targets.extend(target);
                target.is_some()
            }
            '<' => next.is_some_and(|next| next.is_ascii_alphabetic()) && self.is_bracketed_address(),
            '>' => self.closes_address(),
            // The slash at an address's end.
            '/' => is_word(before) && !is_word(next) && next != Some('/') && self.in_address(),
            _ => false,
        }
    }

    /// Where the `](url)` of a link stands whose `[` stands here.
    fn link_target(&self, open: usize) -> Option<(usize, usize)> {
        let find = |from: usize, wanted: char| {
            let mut rest = self.chars[from..].iter().take_while(|(_, char)| *char != '\n');
            rest.position(|(_, char)| *char == wanted)
                .map(|length| from + length)
        };
        let close = find(open + 1, ']')?;
        let (_, parenthesis) = self.chars.get(close + 1)?;
        let end = find(close + 1, ')')?;
        (*parenthesis == '(').then_some((close, end + 1))
    }

    /// `<https://…>` or `<name@host>`.
    fn is_bracketed_address(&self) -> bool {
        let mut inside = self.chars[self.at + 1..].iter().map(|(_, char)| *char);
        let address: String = inside
            .by_ref()
            .take_while(|char| *char != '>' && !char.is_whitespace())
            .collect();
        address.contains("://") || address.contains('@')
    }

    fn closes_address(&self) -> bool {
        let mut word = self.chars[..self.at].iter().rev().map(|(_, char)| *char);
        word.by_ref()
            .take_while(|char| !char.is_whitespace())
            .any(|char| char == '<')
    }

    fn in_address(&self) -> bool {
        let word: Vec<char> = self.chars[..self.at]
            .iter()
            .rev()
            .map(|(_, char)| *char)
            .take_while(|char| !char.is_whitespace())
            .collect();
        word.contains(&'.') && !word.iter().copied().any(is_hangul)
    }
}
