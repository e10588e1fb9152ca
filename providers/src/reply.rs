//! A reply under way: what either protocol's reader has understood of the stream so far.

use std::collections::{HashMap, VecDeque};

use greenroom_protocol::limits;
use greenroom_session::Usage;
use greenroom_session::ports::{ModelEvent, SearchSource};

use crate::call::Told;
use crate::failure::Fault;

/// Sources that one call may bring; a search brings a few dozen.
const SOURCES_MAX: usize = 1_000;
/// Bytes of a source's address. Longer ones exist, and cannot be shown to anyone.
const SOURCE_URL_BYTES_MAX: usize = 2_048;
/// Bytes of a source's title; what a page calls itself beyond that tells nobody more.
const SOURCE_TITLE_BYTES_MAX: usize = 300;
/// Bytes of a source's passage: a search's excerpt is a few hundred characters.
const SOURCE_PASSAGE_BYTES_MAX: usize = 4_000;
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
    /// What is known of each source, by its address.
    sources: HashMap<String, SearchSource>,
    outcome: Option<Outcome>,
    told: Told,
    /// Whether it was said that the provider goes on by itself.
    has_begun: bool,
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

    /// A search returned a source. It is told once, and again when its title or its passage becomes known.
    pub(crate) fn source(&mut self, source: SearchSource) {
        let is_known = self.sources.contains_key(&source.url);
        let fits = (1..=SOURCE_URL_BYTES_MAX).contains(&source.url.len());
        if self.outcome.is_some() || !(is_known || fits && self.sources.len() < SOURCES_MAX) {
            return;
        }
        let known = self
            .sources
            .entry(source.url.clone())
            .or_insert_with(|| SearchSource {
                url: source.url,
                title: None,
                passage: None,
            });
        let news = [
            learn(&mut known.title, source.title, SOURCE_TITLE_BYTES_MAX),
            learn(&mut known.passage, source.passage, SOURCE_PASSAGE_BYTES_MAX),
            !is_known,
        ];
        if news.contains(&true) {
            self.events.push_back(ModelEvent::Source(known.clone()));
        }
    }

    /// The provider's id of the response, and the model that answers. The first word counts.
    pub(crate) fn identify(&mut self, response_id: Option<&str>, model: Option<&str>) {
        let told = &mut self.told;
        told.response_id = told.response_id.take().or_else(|| identifier(response_id?));
        told.model = told.model.take().or_else(|| identifier(model?));
    }

    /// The provider goes on with the response, whoever waits for it. Said once, and not without an id.
    pub(crate) fn begun(&mut self) {
        let response_id = self.told.response_id.clone().filter(|_| !self.has_begun);
        self.has_begun |= response_id.is_some();
        self.events
            .extend(response_id.map(|response_id| ModelEvent::Begun { response_id }));
    }

    /// What the call used. The last word counts.
    pub(crate) fn used(&mut self, usage: Usage) {
        self.told.usage = Some(usage);
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

    /// What the provider has told of the call.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }
}

/// Fills in what was not known yet, as much of it as is kept, whole characters only. Says whether it did.
fn learn(known: &mut Option<String>, told: Option<String>, bytes_max: usize) -> bool {
    match told {
        Some(mut text) if known.is_none() && !text.trim().is_empty() => {
            text.truncate(text.floor_char_boundary(bytes_max));
            *known = Some(text);
            true
        }
        _ => false,
    }
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
    use super::*;
    use crate::failure::Failing;

    fn drain(reply: &mut Reply) -> Vec<ModelEvent> {
        std::iter::from_fn(|| reply.next_event()).collect()
    }

    fn source(url: &str, title: Option<&str>, passage: Option<&str>) -> SearchSource {
        SearchSource {
            url: url.to_owned(),
            title: title.map(str::to_owned),
            passage: passage.map(str::to_owned),
        }
    }

    #[test]
    fn a_source_is_told_once_and_again_with_its_title_and_its_passage() {
        let mut reply = Reply::default();
        let mut tell = |url: &str, title: Option<&str>, passage: Option<&str>| {
            reply.source(source(url, title, passage));
            drain(&mut reply)
        };
        let told = |url: &str, title: Option<&str>, passage: Option<&str>| {
            vec![ModelEvent::Source(source(url, title, passage))]
        };
        let (a, b) = ("https://a", "https://b");
        assert_eq!(tell(a, None, None), told(a, None, None));
        assert_eq!(tell(a, None, None), []);
        assert_eq!(tell(a, Some(" "), Some("\n")), []);
        assert_eq!(tell(a, Some("A"), None), told(a, Some("A"), None));
        assert_eq!(tell(a, Some("B"), None), [], "the first title counts");
        assert_eq!(tell(a, None, Some("p")), told(a, Some("A"), Some("p")));
        assert_eq!(tell(b, Some("B"), Some("q")), told(b, Some("B"), Some("q")));
        assert_eq!(tell(b, None, None), []);
        assert_eq!(tell("", None, None), []);
        assert_eq!(tell(&"x".repeat(SOURCE_URL_BYTES_MAX + 1), None, None), []);
    }

    #[test]
    fn titles_and_passages_are_cut_between_characters() {
        let mut reply = Reply::default();
        let long = |characters| format!("a{}", "가".repeat(characters));
        reply.source(source("https://a", Some(&long(200)), Some(&long(2_000))));
        let expected = source("https://a", Some(&long(99)), Some(&long(1_333)));
        assert_eq!(drain(&mut reply), [ModelEvent::Source(expected)]);
    }

    #[test]
    fn the_number_of_sources_is_limited() {
        let mut reply = Reply::default();
        for number in 0..=SOURCES_MAX {
            reply.source(source(&format!("https://{number}"), None, None));
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
        assert_eq!((fault.failing, fault.retryable), (Failing::Overlong, true));
        assert_eq!(drain(&mut reply).len(), 1);
    }

    #[test]
    fn that_the_provider_goes_on_is_said_once_and_not_without_an_id() {
        let mut reply = Reply::default();
        reply.begun();
        reply.identify(Some("resp_1"), None);
        for _ in 0..1_000 {
            reply.begun();
        }
        let begun = ModelEvent::Begun {
            response_id: "resp_1".to_owned(),
        };
        assert_eq!(drain(&mut reply), [begun]);
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
