//! The inside of a JSON text, read piece by piece: escapes and surrogate pairs may be cut anywhere.

/// Reads one text after another.
#[derive(Debug, Default)]
pub(super) struct TextReader {
    decoded: String,
    escape: Escape,
}

/// Where the reader stands within an escape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    /// Not in an escape.
    #[default]
    None,
    /// After a backslash. `high` is the first half of a surrogate pair, if one came just before.
    Backslash { high: Option<u16> },
    /// After `\u` and so many digits.
    Unicode {
        high: Option<u16>,
        digits: u8,
        unit: u16,
    },
    /// After the first half of a surrogate pair, which must be followed by the second.
    High(u16),
}

/// What one step of reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// Bytes taken, the closing quote included.
    pub(super) consumed_bytes: usize,
    /// Whether the closing quote was among them.
    pub(super) ended: bool,
}

impl TextReader {
    /// What has been decoded of the text so far.
    pub(super) fn decoded(&self) -> &str {
        &self.decoded
    }

    /// Takes the decoded text out, which makes the reader ready for the next one.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.decoded)
    }

    /// Reads some of a non-empty `input`; what it says on failure is what should have stood there.
    pub(super) fn read(&mut self, input: &str) -> Result<Progress, &'static str> {
        if self.escape != Escape::None {
            let Some(character) = input.chars().next() else {
                return Ok(Progress {
                    consumed_bytes: 0,
                    ended: false,
                });
            };
            self.escape = self.read_escape(character)?;
            return Ok(Progress {
                consumed_bytes: character.len_utf8(),
                ended: false,
            });
        }
        let is_special = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
        let plain_bytes = input.bytes().position(is_special).unwrap_or(input.len());
        self.decoded.push_str(&input[..plain_bytes]);
        let ended = match input.as_bytes().get(plain_bytes) {
            None => {
                return Ok(Progress {
                    consumed_bytes: plain_bytes,
                    ended: false,
                });
            }
            Some(b'"') => true,
            Some(b'\\') => {
                self.escape = Escape::Backslash { high: None };
                false
            }
            // The next call finds it first, so that the error tells its place.
            Some(_) if plain_bytes > 0 => {
                return Ok(Progress {
                    consumed_bytes: plain_bytes,
                    ended: false,
                });
            }
            Some(_) => return Err("control characters to be escaped in a text"),
        };
        Ok(Progress {
            consumed_bytes: plain_bytes + 1,
            ended,
        })
    }

    fn read_escape(&mut self, character: char) -> Result<Escape, &'static str> {
        match (self.escape, character) {
            (Escape::High(high), '\\') => Ok(Escape::Backslash { high: Some(high) }),
            (Escape::Backslash { high }, 'u') => Ok(Escape::Unicode {
                high,
                digits: 0,
                unit: 0,
            }),
            (Escape::Backslash { high: None }, _) => {
                self.decoded.push(short_escape(character)?);
                Ok(Escape::None)
            }
            (Escape::Unicode { high, digits, unit }, _) => {
                let digit = character.to_digit(16).and_then(|digit| u16::try_from(digit).ok());
                let unit = unit << 4 | digit.ok_or("four hexadecimal digits after \\u")?;
                match digits {
                    0..=2 => Ok(Escape::Unicode {
                        high,
                        digits: digits + 1,
                        unit,
                    }),
                    _ => self.end_unicode(high, unit),
                }
            }
            (Escape::High(_) | Escape::Backslash { high: Some(_) } | Escape::None, _) => {
                Err("the second half of a surrogate pair")
            }
        }
    }

    fn end_unicode(&mut self, high: Option<u16>, unit: u16) -> Result<Escape, &'static str> {
        if high.is_none() && (0xD800..0xDC00).contains(&unit) {
            return Ok(Escape::High(unit));
        }
        let mut characters = char::decode_utf16(high.into_iter().chain([unit]));
        match (characters.next(), characters.next()) {
            (Some(Ok(character)), None) => self.decoded.push(character),
            _ => return Err("the two halves of a surrogate pair in their order"),
        }
        Ok(Escape::None)
    }
}

fn short_escape(character: char) -> Result<char, &'static str> {
    match character {
        '"' | '\\' | '/' => Ok(character),
        'b' => Ok('\u{8}'),
        'f' => Ok('\u{c}'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        _ => Err("one of \" \\ / b f n r t u after a backslash"),
    }
}
