//! A reply under way: what either protocol's reader has understood of the stream so far.

use std::collections::{HashMap, VecDeque};

use greenroom_protocol::limits;
use greenroom_session::Usage;
use greenroom_session::ports::{ModelEvent, SearchSource};

use crate::failure::Fault;

/// Sources that one call may bring; a search brings a few dozen.
const SOURCES_MAX: usize = 1_000;
/// Bytes of a source's address. Longer ones exist, and cannot be shown to anyone.
const SOURCE_URL_BYTES_MAX: usize = 2_048;
/// Bytes of a source's title; what a page calls itself beyond that tells nobody more.
const SOURCE_TITLE_BYTES_MAX: usize = 300;
/// Bytes of the ids and names that a provider gives.
const IDENTIFIER_BYTES_MAX: usize = 128;

/// Reads one protocol's stream into a [`Reply`].
pub(crate) trait ReplyReader: Send {
    /// Takes the data of one event.
    fn read(&mut self, data: &str, reply: &mut Reply);

    /// Takes note that the stream has ended; the reply has an outcome afterwards.
    fn end(&mut self, reply: &mut Reply);
}

/// How a reply ended.
pub(crate) type Outcome = Result<(), Fault>;

/// What has been understood of the stream so far.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    events: VecDeque<ModelEvent>,
    text_bytes: usize,
    /// Each source's address, and whether its title has been told.
    sources: HashMap<String, bool>,
    outcome: Option<Outcome>,
    response_id: Option<String>,
    model: Option<String>,
    usage: Option<Usage>,
}

impl Reply {
    /// The reply grows.
    pub(crate) fn text(&mut self, text: String) {
        if text.is_empty() || self.outcome.is_some() {
            return;
        }
        self.text_bytes += text.len();
        if self.text_bytes > limits::MODEL_OUTPUT_BYTES_MAX {
            self.fail(Fault::overlong("the reply is longer than a reply may be"));
        } else {
            self.events.push_back(ModelEvent::Text(text));
        }
    }

    /// A search returned a source. It is told once, and once more when its title becomes known.
    pub(crate) fn source(&mut self, url: String, title: Option<String>) {
        let title = title.filter(|title| !title.trim().is_empty()).map(shortened);
        let news = match self.sources.get(&url) {
            None => self.sources.len() < SOURCES_MAX && (1..=SOURCE_URL_BYTES_MAX).contains(&url.len()),
            Some(titled) => !titled && title.is_some(),
        };
        if news && self.outcome.is_none() {
            self.sources.insert(url.clone(), title.is_some());
            self.events.push_back(ModelEvent::Source(SearchSource {
                url,
                title,
                passage: None,
            }));
        }
    }

    /// The provider's id of the response, and the model that answers. The first word counts.
    pub(crate) fn identify(&mut self, response_id: Option<&str>, model: Option<&str>) {
        self.response_id = self.response_id.take().or_else(|| identifier(response_id?));
        self.model = self.model.take().or_else(|| identifier(model?));
    }

    /// What the call used. The last word counts.
    pub(crate) fn used(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// The reply is whole.
    pub(crate) fn complete(&mut self) {
        self.outcome.get_or_insert(Ok(()));
    }

    /// The reply has failed. The first failure counts.
    pub(crate) fn fail(&mut self, fault: Fault) {
        self.outcome.get_or_insert(Err(fault));
    }

    /// Takes the oldest event that nobody has seen.
    pub(crate) fn next_event(&mut self) -> Option<ModelEvent> {
        self.events.pop_front()
    }

    /// How it ended, once it has.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Whether any text has come.
    pub(crate) fn has_text(&self) -> bool {
        self.text_bytes > 0
    }

    pub(crate) fn response_id(&self) -> Option<&str> {
        self.response_id.as_deref()
    }

    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

/// As much of a title as is kept, whole characters only.
fn shortened(mut title: String) -> String {
    title.truncate(title.floor_char_boundary(SOURCE_TITLE_BYTES_MAX));
    title
}

/// An id or a name as a provider gives it: one short word of visible ASCII, or nothing.
pub(crate) fn identifier(text: &str) -> Option<String> {
    let fits =
        (1..=IDENTIFIER_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// What a reader makes of a stream that arrives in these pieces.
#[cfg(test)]
pub(crate) fn replay(mut reader: impl ReplyReader, pieces: &[&[u8]]) -> (Reply, Vec<ModelEvent>) {
    let mut decoder = crate::sse::SseDecoder::default();
    let mut reply = Reply::default();
    for piece in pieces {
        let mut events = VecDeque::new();
        decoder.push(piece, &mut events).unwrap();
        for data in events {
            reader.read(&data, &mut reply);
        }
    }
    reader.end(&mut reply);
    let events = std::iter::from_fn(|| reply.next_event()).collect();
    (reply, events)
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::ErrorCode;

    use super::*;

    fn drain(reply: &mut Reply) -> Vec<ModelEvent> {
        std::iter::from_fn(|| reply.next_event()).collect()
    }

    #[test]
    fn a_source_is_told_once_and_again_with_its_title() {
        let mut reply = Reply::default();
        let mut tell = |url: &str, title: Option<&str>| {
            reply.source(url.to_owned(), title.map(str::to_owned));
            drain(&mut reply).len()
        };
        assert_eq!(tell("https://a", None), 1);
        assert_eq!(tell("https://a", None), 0);
        assert_eq!(tell("https://a", Some(" ")), 0);
        assert_eq!(tell("https://a", Some("A")), 1);
        assert_eq!(tell("https://a", Some("A")), 0);
        assert_eq!(tell("https://b", Some("B")), 1);
        assert_eq!(tell("https://b", None), 0);
        assert_eq!(tell("", None), 0);
        assert_eq!(tell(&"x".repeat(SOURCE_URL_BYTES_MAX + 1), None), 0);
    }

    #[test]
    fn a_title_is_cut_between_characters() {
        let mut reply = Reply::default();
        reply.source("https://a".to_owned(), Some(format!("a{}", "가".repeat(200))));
        let source = SearchSource {
            url: "https://a".to_owned(),
            title: Some(format!("a{}", "가".repeat(99))),
            passage: None,
        };
        assert_eq!(drain(&mut reply), [ModelEvent::Source(source)]);
    }

    #[test]
    fn the_number_of_sources_is_limited() {
        let mut reply = Reply::default();
        for number in 0..=SOURCES_MAX {
            reply.source(format!("https://{number}"), None);
        }
        assert_eq!(drain(&mut reply).len(), SOURCES_MAX);
    }

    #[test]
    fn text_is_limited_and_what_came_before_the_limit_is_kept() {
        let mut reply = Reply::default();
        reply.text("x".repeat(limits::MODEL_OUTPUT_BYTES_MAX));
        assert!(reply.outcome().is_none());
        reply.text("y".to_owned());
        let fault = reply.outcome().unwrap().clone().unwrap_err();
        assert_eq!((fault.code, fault.retryable), (ErrorCode::LlmJsonInvalid, true));
        assert_eq!(drain(&mut reply).len(), 1);
    }

    #[test]
    fn the_first_outcome_counts() {
        let mut reply = Reply::default();
        reply.fail(Fault::cut());
        reply.complete();
        assert_eq!(reply.outcome(), Some(&Err(Fault::cut())));
    }

    #[test]
    fn identifiers_are_one_visible_word() {
        assert_eq!(identifier("resp_1-a.b:c"), Some("resp_1-a.b:c".to_owned()));
        for bad in [
            "",
            "two words",
            "비밀",
            "a\nb",
            &"x".repeat(IDENTIFIER_BYTES_MAX + 1),
        ] {
            assert_eq!(identifier(bad), None, "{bad:?}");
        }
    }
}
