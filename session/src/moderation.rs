//! What is handed to a moderator: which texts, in what pieces, in how many requests.

use serde_json::Value;

/// Bytes of one piece of text. Short texts are joined up to this, so that a check sees them in their surroundings
/// and a request holds few pieces; a longer one is cut.
const PIECE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of the texts of one request; what is beyond goes into the next.
const REQUEST_BYTES_MAX: usize = 192 * 1024;

/// The requests that check these texts, in order: each a list of pieces. None when there is nothing to check.
pub(crate) fn requests<'t>(texts: impl IntoIterator<Item = &'t str>) -> Vec<Vec<String>> {
    let mut requests: Vec<Vec<String>> = Vec::new();
    let mut request_bytes = 0;
    for piece in pieces(texts) {
        match requests.last_mut() {
            Some(request) if request_bytes + piece.len() <= REQUEST_BYTES_MAX => {
                request_bytes += piece.len();
                request.push(piece);
            }
            Some(_) | None => {
                request_bytes = piece.len();
                requests.push(vec![piece]);
            }
        }
    }
    requests
}

/// Every text in a document, in its order. Names of fields are the schema's own.
pub(crate) fn texts_of(document: &Value) -> Vec<&str> {
    match document {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts_of).collect(),
        Value::Object(fields) => fields.values().flat_map(texts_of).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn pieces<'t>(texts: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for text in texts {
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(cut(rest));
            match pieces.last_mut() {
                Some(piece) if piece.len() + 1 + head.len() <= PIECE_BYTES_MAX => {
                    piece.push('\n');
                    piece.push_str(head);
                }
                Some(_) | None => pieces.push(head.to_owned()),
            }
            rest = tail;
        }
    }
    pieces
}

/// Where a text is cut: at its end if it fits, else between two words, else between two characters.
fn cut(text: &str) -> usize {
    if text.len() <= PIECE_BYTES_MAX {
        return text.len();
    }
    let most = text.floor_char_boundary(PIECE_BYTES_MAX);
    let between_words = text
        .get(..most)
        .and_then(|head| head.rfind(char::is_whitespace))
        .filter(|index| *index > 0);
    between_words.unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_joined_and_nothing_of_them_is_lost() {
        assert_eq!(requests(["one", " ", "two "]), [["one\ntwo"]]);
        assert!(requests(["", "  "]).is_empty(), "nothing to check is no request");
    }

    #[test]
    fn a_long_text_is_cut_between_words() {
        let word = "가나다라마바사 ";
        let text = word.repeat(2_000);
        let requests = requests([text.as_str()]);
        let pieces = requests.concat();
        assert!(pieces.len() > 1);
        for piece in &pieces {
            assert!(piece.len() <= PIECE_BYTES_MAX);
            assert!(
                piece.split_whitespace().all(|said| said == word.trim()),
                "cut within a word"
            );
        }
        assert_eq!(pieces.concat().matches(word.trim()).count(), 2_000);
    }

    #[test]
    fn a_text_without_any_gap_is_cut_between_characters() {
        let text = "가".repeat(10_000);
        assert_eq!(requests([text.as_str()]).concat().concat(), text);
    }

    #[test]
    fn what_does_not_fit_one_request_fills_another() {
        let text = "word ".repeat(60_000);
        let requests = requests([text.as_str()]);
        assert_eq!(requests.len(), 2);
        for request in &requests {
            assert!(request.iter().map(String::len).sum::<usize>() <= REQUEST_BYTES_MAX);
        }
        assert_eq!(requests.concat().concat().matches("word").count(), 60_000);
    }

    #[test]
    fn every_text_of_a_document_is_found_and_nothing_else() {
        let document = serde_json::json!({ "a": "one", "b": [{ "c": "two" }, 3, null], "d": true });
        assert_eq!(texts_of(&document), ["one", "two"]);
    }
}
