//! What the log says of a call. A program of its own: what `tracing` keeps of a place in the code is shared by all
//! threads, so tests beside this one, which have no subscriber, would decide whether its line is written.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its scaffolding too"
)]

#[path = "port/scripted_server.rs"]
#[allow(dead_code, reason = "the port's tests use the rest of it")]
mod scripted_server;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use scripted_server::{KEY, ScriptedServer, WORDS, collect, provider, request};

const CHAT: &str = include_str!("../fixtures/chat.sse");

/// The fields of every line, in order.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<Fields>>>);

#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(field, _)| *field == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("greenroom_providers")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_call_leaves_one_line_with_the_providers_id_of_it_and_nobodys_words() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let (events, ()) = tokio::join!(collect(&model, request()), async {
        server.next().await.stream(CHAT).await;
    });
    assert!(events.last().unwrap().is_ok());

    let lines = lines.0.lock().unwrap();
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(line.get("message"), Some("model call ended"));
    assert_eq!(line.get("outcome"), Some("completed"));
    assert_eq!(line.get("provider_request_id"), Some("req_1"));
    // That name is the client's request, which may be the line's span.
    assert_eq!(line.get("request_id"), None);
    let text = format!("{line:?}");
    assert!(!text.contains(KEY) && !text.contains(WORDS), "{text}");
}
