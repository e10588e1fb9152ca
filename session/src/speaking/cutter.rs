//! Cuts a reply into pieces that are spoken in one go, while it streams.
//!
//! Every decision follows from the characters so far alone, one by one, so it does not matter how a reply is split
//! into pushes. A piece is handed over with the first character that makes its end certain: a line's end at once;
//! `?`, `!` and a full stop after a Korean syllable with the blank that follows; a full stop after a Latin word with
//! the first character after that blank, because a small letter or a number there means that it was an abbreviation.
//! Streamed tokens bring the blank and the next word together, so either costs one token.

use unicode_normalization::char::is_combining_mark;

use super::ending::{Ending, ends_glued};
use super::speakable::speakable;
use crate::extractor::lexis::{ends_clause, is_alphanumeric, is_hangul};

/// Characters that no piece exceeds. Voices take far more, but what is being spoken cannot be cut any more.
pub const SENTENCE_CHARS_MAX: usize = 300;

/// Characters of a sentence from which on it is cut at a clause: about 13 s of English and 30 s of Korean.
const CLAUSE_CUT_CHARS: usize = 200;
/// A piece of less weight is said together with the next: a voice has no melody for `네.` or `Got it.`
const SHORT_WEIGHT: u32 = 8;
/// The same for the first piece, for which somebody waits: `Nice.` and `좋아요.` go at once, `네.` and `Yes!` do not.
const FIRST_SHORT_WEIGHT: u32 = 4;
/// When the reply has this weight, its short first piece goes alone: it covers the time until the long sentence
/// behind it is written. About 11 Korean syllables or five English words, some 150 ms of a model's writing.
const FIRST_WAIT_WEIGHT: u32 = 24;
/// When the reply's first sentence has this weight, its first clauses go ahead of the rest: about 40 Korean
/// syllables or 100 English letters, for which a model takes some 400 ms. Below, the melody of the whole is worth more.
const FIRST_WEIGHT_MAX: u32 = 80;
/// The least weight of clauses that are cut off from their sentence.
const CLAUSE_WEIGHT_MIN: u32 = 16;

/// Endings like those of a clause, behind which only the verb comes: `저가라고 하기에도`.
const QUOTATIVES: [&str; 5] = ["라고", "다고", "자고", "냐고", "려고"];
/// How the verbs begin that a connective ending only leads to: `알리고 싶으세요`, `만들고 있어서`.
const AUXILIARIES: [char; 6] = ['있', '싶', '계', '말', '나', '하'];

const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// A piece of a reply that is spoken in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Exactly as in the reply, white space around it included: all sentences joined are the reply.
    pub text: String,
    /// What a voice is given to say: without markup, list marks, emoji and the schemes of addresses. Empty if there
    /// is nothing to say.
    pub speakable: String,
}

/// Cuts a growing reply into [`Sentence`]s of at most [`SENTENCE_CHARS_MAX`] characters.
#[derive(Debug, Default)]
pub struct SentenceCutter {
    piece: Piece,
    /// Something that can be said was handed over.
    has_spoken: bool,
    /// The piece does not begin in the middle of a line.
    in_line: bool,
    /// The number before the last item of a numbered list.
    enumerated: u32,
}

/// What was not handed over yet.
#[derive(Debug, Default)]
struct Piece {
    text: String,
    chars: usize,
    /// How much there is to say: letters and digits, of which a Korean syllable counts twice.
    weight: u32,
    /// Just after the last clause.
    clause: Option<Boundary>,
    /// Just after the last blank that follows a word.
    gap: Option<Boundary>,
    /// Where a first piece ended that was too short to go alone.
    short_end: Option<Boundary>,
    /// Just after the last list mark.
    mark_end: usize,
}

/// A place to cut at.
#[derive(Debug, Clone, Copy)]
struct Boundary {
    /// In bytes of the piece.
    end: usize,
    /// [`SentenceCutter::enumerated`] as it was there.
    enumerated: u32,
}

/// `•`, `1.` or `2)` before an item of a list.
struct ListMark {
    start: usize,
    number: u32,
    /// An item ends before it.
    ends_item: bool,
}

impl SentenceCutter {
    /// Takes more of the reply, and hands over the sentences whose end is certain now.
    pub fn push(&mut self, text: &str, sentences: &mut Vec<Sentence>) {
        for char in text.chars() {
            self.push_char(char, sentences);
        }
    }

    /// Nothing came for a while: hands over what looks like a whole sentence, although something might follow that
    /// still belongs to it. Unlike the splits of pushes, pauses do change where a reply is cut.
    pub fn pause(&mut self, sentences: &mut Vec<Sentence>) {
        let text = self.piece.text.trim_end();
        let is_mark = self.piece.mark_end == text.len();
        let weight_min = if self.has_spoken { SHORT_WEIGHT } else { 1 };
        if !is_mark && Ending::of(text).looks_complete() && self.piece.weight >= weight_min {
            self.hand_over(sentences);
        } else if let Some(end) = self.piece.short_end {
            self.cut(end, sentences);
        }
    }

    /// Hands over the rest; the cutter is as new afterwards.
    pub fn finish(&mut self, sentences: &mut Vec<Sentence>) {
        if !self.piece.text.is_empty() {
            self.hand_over(sentences);
        }
        *self = Self::default();
    }

    fn push_char(&mut self, char: char, sentences: &mut Vec<Sentence>) {
        if self.ends_before(char) {
            self.end_at(self.here(), sentences);
        }
        if self.clause_ends_before(char) {
            self.piece.clause = Some(self.here());
        }
        let ends_word = char.is_whitespace() && self.piece.text.ends_with(|last: char| !last.is_whitespace());
        self.piece.push(char);
        if ends_word && let Some(mark) = self.list_mark() {
            self.begin_item(&mark, sentences);
            return;
        }
        if char.is_whitespace() && self.piece.weight > 0 {
            self.piece.gap = Some(self.here());
        }
        if char == '\n' || (ends_word && Ending::of(self.piece.text.trim_end()).decide(None) == Some(true)) {
            self.end_at(self.here(), sentences);
        }
        self.keep_bounds(sentences);
    }

    /// Whether the piece is known to have ended now that this character follows.
    fn ends_before(&self, next: char) -> bool {
        let text = self.piece.text.as_str();
        match (text.ends_with(char::is_whitespace), next.is_whitespace()) {
            (true, false) => {
                let word_end = text.trim_end();
                word_end.len() != self.piece.mark_end && Ending::of(word_end).decide(Some(next)) == Some(true)
            }
            (false, false) => ends_glued(text, next),
            (true | false, true) => false,
        }
    }

    fn here(&self) -> Boundary {
        Boundary {
            end: self.piece.text.len(),
            enumerated: self.enumerated,
        }
    }

    /// A sentence ends here: it goes unless it is too short to be said alone.
    fn end_at(&mut self, end: Boundary, sentences: &mut Vec<Sentence>) {
        let weight_min = if self.has_spoken {
            SHORT_WEIGHT
        } else {
            FIRST_SHORT_WEIGHT
        };
        let weight = weight_of(&self.piece.text[..end.end]);
        if weight >= weight_min {
            self.cut(end, sentences);
        } else if weight > 0 && !self.has_spoken {
            self.piece.short_end = Some(end);
        }
    }

    /// The list mark that the piece's last word is.
    fn list_mark(&self) -> Option<ListMark> {
        let text = self.piece.text.trim_end();
        let start = text.rfind(char::is_whitespace).map_or(0, |blank| {
            blank + text[blank..].chars().next().map_or(0, char::len_utf8)
        });
        let (before, word) = text.split_at(start);
        let line_begins = match before.trim_end_matches([' ', '\t', '\r']) {
            "" => !self.in_line,
            line => line.ends_with('\n'),
        };
        if word == "•" {
            let ends_item = !line_begins;
            let number = self.enumerated;
            return Some(ListMark {
                start,
                number,
                ends_item,
            });
        }
        let digits = word.strip_suffix(['.', ')'])?;
        let is_number = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = is_number.then(|| digits.parse().ok())??;
        // `1. 저자극 2. 무향`: within a line only numbers that count up are marks.
        let counts_up = number == self.enumerated + 1 || number == 1;
        (line_begins || counts_up).then(|| ListMark {
            start,
            number,
            ends_item: !line_begins && (number > 1 || before.trim_end().ends_with(':')),
        })
    }

    /// A list mark came, and its blank: what stands before it is a piece of its own.
    fn begin_item(&mut self, mark: &ListMark, sentences: &mut Vec<Sentence>) {
        let end = Boundary {
            end: mark.start,
            enumerated: self.enumerated,
        };
        self.piece.mark_end = self.piece.text.trim_end().len();
        self.enumerated = mark.number;
        if mark.ends_item && mark.start > 0 {
            self.end_at(end, sentences);
        }
        if self.piece.text.ends_with('\n') {
            self.end_at(self.here(), sentences);
        }
        self.keep_bounds(sentences);
    }

    /// Whether a clause ends now that this character follows.
    fn clause_ends_before(&self, next: char) -> bool {
        let text = self.piece.text.trim_end();
        let follows_blank = text.len() < self.piece.text.len() && !next.is_whitespace();
        if !follows_blank || self.piece.weight < CLAUSE_WEIGHT_MIN {
            return false;
        }
        match text.chars().next_back() {
            Some(',' | ';' | ':' | '—' | '–' | '，' | '、' | '；' | '：') => true,
            Some('-') => text.ends_with(" -"),
            Some(last) if is_hangul(last) => {
                let word = text.rsplit(char::is_whitespace).next().unwrap_or_default();
                let goes_on =
                    AUXILIARIES.contains(&next) || QUOTATIVES.iter().any(|ending| word.ends_with(ending));
                !goes_on && ends_clause(&word.chars().collect::<Vec<_>>())
            }
            Some(_) | None => false,
        }
    }

    /// Cuts what grows too long, and what somebody waits for too long.
    fn keep_bounds(&mut self, sentences: &mut Vec<Sentence>) {
        let is_first = !self.has_spoken;
        let is_long =
            self.piece.chars >= CLAUSE_CUT_CHARS || (is_first && self.piece.weight >= FIRST_WEIGHT_MAX);
        let short_end = self
            .piece
            .short_end
            .filter(|_| is_first && self.piece.weight >= FIRST_WAIT_WEIGHT);
        let clause = self.piece.clause.filter(|_| is_long);
        let at_bound = self.piece.chars >= SENTENCE_CHARS_MAX;
        if let Some(end) = short_end.or(clause) {
            self.cut(end, sentences);
        } else if at_bound {
            let end = self.piece.gap.unwrap_or_else(|| Boundary {
                end: last_cluster_start(&self.piece.text),
                enumerated: self.enumerated,
            });
            self.cut(end, sentences);
        }
    }

    /// Hands over what stands before a boundary and reads the rest again, as the beginning of the next piece.
    fn cut(&mut self, boundary: Boundary, sentences: &mut Vec<Sentence>) {
        let rest = self.piece.text.split_off(boundary.end);
        self.hand_over(sentences);
        if !rest.is_empty() {
            self.enumerated = boundary.enumerated;
            self.push(&rest, sentences);
        }
    }

    fn hand_over(&mut self, sentences: &mut Vec<Sentence>) {
        let text = std::mem::take(&mut self.piece).text;
        let speakable = speakable(&text, !self.in_line);
        self.has_spoken |= !speakable.is_empty();
        let (words, blanks) = text.split_at(text.trim_end().len());
        self.in_line = !blanks.contains('\n') && (self.in_line || !words.is_empty());
        sentences.push(Sentence { text, speakable });
    }
}

impl Piece {
    fn push(&mut self, char: char) {
        self.text.push(char);
        self.chars += 1;
        self.weight += weight(char);
    }
}

fn weight_of(text: &str) -> u32 {
    text.chars().map(weight).sum()
}

/// How much there is to say: a Korean syllable takes as long as two to three Latin letters.
pub(super) fn weight(char: char) -> u32 {
    if is_hangul(char) {
        2
    } else {
        u32::from(is_alphanumeric(char))
    }
}

/// Where the last character begins that does not join the one before it, so that a syllable or an emoji of several
/// parts stays whole; the text's end if there is none but the first.
fn last_cluster_start(text: &str) -> usize {
    let mut followed: Option<(usize, char)> = None;
    for (at, char) in text.char_indices().rev() {
        if let Some((start, next)) = followed
            && char != ZERO_WIDTH_JOINER
            && !joins_previous(next)
        {
            return start;
        }
        followed = Some((at, char));
    }
    text.len()
}

fn joins_previous(char: char) -> bool {
    // Vowels and final consonants of Korean syllables in parts; what colours and joins emoji.
    let is_part = matches!(
        char,
        '\u{1160}'..='\u{11ff}' | ZERO_WIDTH_JOINER | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}'
    );
    is_part || is_combining_mark(char)
}
