//! A reader of a JSON document that is still being written, for streaming a model's reply path by path.
//!
//! It accepts what `serde_json` accepts, with an object or a list as the whole, no field twice, and limits. A
//! Markdown fence around the document, which models like to add, is skipped.

use greenroom_protocol::{Delta, limits};
use serde_json::{Number, Value};

use self::growing::{GrowingDocument, Inside};
use self::text::TextReader;

mod growing;
#[cfg(test)]
mod tests;
mod text;

/// Levels that a document may nest. Ours have five; a deeper one is a model run wild.
pub const DEPTH_MAX: usize = 64;

/// What the reader must hold back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartialJsonOptions {
    /// JSON pointers of lists such as `/evidence`, whose elements nobody may see before their check: nothing at or
    /// below such a path yields a delta; each element is handed over when it is complete.
    pub held: Vec<String>,
}

/// One step of a growing document. Applying all deltas in order to null rebuilds it, except for what is held.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The document grows, for everybody to see: text as it comes, anything else when it is complete.
    Delta(Delta),
    /// An element of a held list is complete.
    Element {
        /// JSON pointer of the list.
        list_path: String,
        /// The element's place in the list as the model wrote it.
        index: usize,
        /// The element.
        value: Value,
    },
    /// A field of the outermost object is complete.
    Closed {
        /// JSON pointer of the field.
        path: String,
        /// The field's value.
        value: Value,
    },
}

/// Why a text is not a document. Says in words what a model did wrong; nothing more is read after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartialJsonError {
    /// The text is longer than [`limits::MODEL_OUTPUT_BYTES_MAX`].
    #[error("the reply is longer than {max} bytes", max = limits::MODEL_OUTPUT_BYTES_MAX)]
    TooLong,
    /// The document nests deeper than [`DEPTH_MAX`].
    #[error("{path}: the document is nested more than {max} levels deep", max = DEPTH_MAX)]
    TooDeep {
        /// JSON pointer of the value that goes too deep.
        path: String,
    },
    /// An object has a field twice.
    #[error("{path}: this field stands twice in its object")]
    DuplicateKey {
        /// JSON pointer of the field.
        path: String,
    },
    /// The text is not JSON.
    #[error("byte {offset}: not JSON, expected {expected}")]
    Syntax {
        /// Where, counted from the start of the reply.
        offset: usize,
        /// What should have stood there.
        expected: &'static str,
    },
    /// Something follows the document.
    #[error("byte {offset}: there is text after the end of the JSON document")]
    Trailing {
        /// Where it begins, counted from the start of the reply.
        offset: usize,
    },
    /// The text ends in the middle of the document.
    #[error("the reply ends before its JSON document is complete")]
    Incomplete,
}

/// Reads a growing document. Costs time in proportion to the text, however it is cut.
#[derive(Debug)]
pub struct PartialJson {
    state: State,
    document: GrowingDocument,
    /// Bytes read.
    offset: usize,
    /// Whether a fence stands before the document.
    fenced: bool,
    /// The number or word that is being read.
    token: String,
    /// The text or field's name that is being read.
    text: TextReader,
    /// Bytes of the text that were handed over already.
    text_shown_bytes: usize,
    failure: Option<PartialJsonError>,
}

/// What is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The document, or a fence before it.
    Start,
    /// The rest of the opening fence: so many backticks have been read.
    Fence(u8),
    /// The rest of the opening fence's info word, such as `json`.
    FenceInfo,
    /// A value.
    Value,
    /// A value, or the end of the list that was just opened.
    FirstValue,
    /// A field's name.
    Name,
    /// A field's name, or the end of the object that was just opened.
    FirstName,
    /// The colon after a field's name.
    Colon,
    /// A comma, or the end of the container.
    Comma,
    /// The rest of a field's name.
    NameText,
    /// The rest of a text.
    Text,
    /// The rest of a number.
    Number,
    /// The rest of `true`, `false` or `null`.
    Word,
    /// Nothing but the closing fence, of which so many backticks have been read.
    End(u8),
}

impl PartialJson {
    /// Begins to read.
    pub fn new(options: PartialJsonOptions) -> Self {
        Self {
            state: State::Start,
            document: GrowingDocument::new(options.held),
            offset: 0,
            fenced: false,
            token: String::new(),
            text: TextReader::default(),
            text_shown_bytes: 0,
            failure: None,
        }
    }

    /// Reads on. After an error every further call answers the same error.
    pub fn push(&mut self, text: &str) -> Result<Vec<Step>, PartialJsonError> {
        if self.failure.is_none() {
            self.failure = self.read(text).err();
        }
        match &self.failure {
            None => Ok(self.document.take_steps()),
            Some(failure) => Err(failure.clone()),
        }
    }

    /// Ends the reading: the whole document, if it is complete.
    pub fn finish(self) -> Result<Value, PartialJsonError> {
        match (self.failure, self.state) {
            (Some(failure), _) => Err(failure),
            (None, State::End(_)) => Ok(self.document.into_whole()),
            (None, _) => Err(PartialJsonError::Incomplete),
        }
    }

    fn read(&mut self, text: &str) -> Result<(), PartialJsonError> {
        if text.len() > limits::MODEL_OUTPUT_BYTES_MAX - self.offset {
            return Err(PartialJsonError::TooLong);
        }
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let consumed_bytes = match self.state {
                State::Text | State::NameText => self.read_text(rest)?,
                State::Start | State::Fence(_) | State::FenceInfo | State::End(_) => {
                    self.read_around(character)?
                }
                State::Number | State::Word => self.read_token(character)?,
                State::Value
                | State::FirstValue
                | State::Name
                | State::FirstName
                | State::Colon
                | State::Comma => self.read_structure(character)?,
            };
            rest = &rest[consumed_bytes..];
            self.offset += consumed_bytes;
        }
        self.show_text();
        Ok(())
    }

    /// Takes a character before or after the document. Answers zero when it belongs to what comes next.
    fn read_around(&mut self, character: char) -> Result<usize, PartialJsonError> {
        match (self.state, character) {
            (State::Start, '{' | '[') => self.begin_value(character)?,
            (State::Start, '`') if !self.fenced => self.state = State::Fence(1),
            (State::Start, '\u{feff}') if self.offset == 0 => {}
            (State::Fence(backticks @ ..=1), '`') => self.state = State::Fence(backticks + 1),
            (State::Fence(_), '`') => {
                self.fenced = true;
                self.state = State::FenceInfo;
            }
            (State::FenceInfo, _) if character.is_ascii_alphanumeric() => {}
            (State::FenceInfo, _) => {
                self.state = State::Start;
                return Ok(0);
            }
            (State::End(backticks @ ..=2), '`') if self.fenced => self.state = State::End(backticks + 1),
            (State::Start | State::End(0 | 3), _) if is_space(character) => {}
            (State::End(_), _) => return Err(PartialJsonError::Trailing { offset: self.offset }),
            _ => return Err(self.expected("a JSON object or list")),
        }
        Ok(character.len_utf8())
    }

    /// Takes a character between the values of the document.
    fn read_structure(&mut self, character: char) -> Result<usize, PartialJsonError> {
        match (self.state, character, self.document.inside()) {
            _ if is_space(character) => {}
            (State::FirstValue, ']', _)
            | (State::Comma, ']', Inside::List)
            | (State::FirstName, '}', _)
            | (State::Comma, '}', Inside::Object) => {
                self.document.close_container();
                self.end_value();
            }
            (State::Comma, ',', Inside::Object) => self.state = State::Name,
            (State::Comma, ',', Inside::List) | (State::Colon, ':', _) => self.state = State::Value,
            (State::Name | State::FirstName, '"', _) => self.state = State::NameText,
            (State::Value | State::FirstValue, _, _) => self.begin_value(character)?,
            (State::Name | State::FirstName, _, _) => {
                return Err(self.expected("a field's name in double quotes"));
            }
            (State::Colon, _, _) => return Err(self.expected("a colon after a field's name")),
            (_, _, Inside::Object) => return Err(self.expected("a comma or } in an object")),
            (_, _, Inside::List | Inside::Nothing) => return Err(self.expected("a comma or ] in a list")),
        }
        Ok(character.len_utf8())
    }

    fn begin_value(&mut self, character: char) -> Result<(), PartialJsonError> {
        self.document.begin_value();
        match character {
            '{' => {
                self.document.open_object()?;
                self.state = State::FirstName;
            }
            '[' => {
                self.document.open_list()?;
                self.state = State::FirstValue;
            }
            '"' => self.state = State::Text,
            '-' | '0'..='9' => {
                self.token.push(character);
                self.state = State::Number;
            }
            't' | 'f' | 'n' => {
                self.token.push(character);
                self.state = State::Word;
            }
            _ => return Err(self.expected("a value")),
        }
        Ok(())
    }

    fn end_value(&mut self) {
        self.state = match self.document.inside() {
            Inside::Nothing => State::End(0),
            Inside::Object | Inside::List => State::Comma,
        };
    }

    /// Takes a character of a number or a word. Answers zero when it belongs to what comes next.
    fn read_token(&mut self, character: char) -> Result<usize, PartialJsonError> {
        let is_number = self.state == State::Number;
        let belongs = match character {
            '0'..='9' | '+' | '-' | '.' | 'E' => is_number,
            'e' => true,
            'a'..='z' => !is_number,
            _ => false,
        };
        if belongs {
            self.token.push(character);
            return Ok(character.len_utf8());
        }
        let value = match self.token.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            number => match serde_json::from_str::<Number>(number) {
                Ok(number) => Value::Number(number),
                Err(_) if is_number => return Err(self.expected("a number that JSON can hold")),
                Err(_) => return Err(self.expected("true, false or null")),
            },
        };
        self.token.clear();
        self.document.complete_scalar(value);
        self.end_value();
        Ok(0)
    }

    fn read_text(&mut self, rest: &str) -> Result<usize, PartialJsonError> {
        let progress = self.text.read(rest).map_err(|expected| self.expected(expected))?;
        if progress.ended && self.state == State::NameText {
            self.document.name_field(self.text.take())?;
            self.state = State::Colon;
        } else if progress.ended {
            self.show_text();
            self.document.complete_text(self.text.take());
            self.text_shown_bytes = 0;
            self.end_value();
        }
        Ok(progress.consumed_bytes)
    }

    /// Hands over what a growing text gained since the last time.
    fn show_text(&mut self) {
        let gained = &self.text.decoded()[self.text_shown_bytes..];
        if self.state == State::Text && !gained.is_empty() {
            self.document.grow_text(gained);
            self.text_shown_bytes += gained.len();
        }
    }

    fn expected(&self, expected: &'static str) -> PartialJsonError {
        PartialJsonError::Syntax {
            offset: self.offset,
            expected,
        }
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}
