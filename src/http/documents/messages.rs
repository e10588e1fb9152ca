//! The protocol's page: the prose of docs/protocol.md, and every event, signal and client frame with its shape and an
//! example. The examples are those that the protocol's own tests check.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::{Value, json};

use super::layout::{Entry, Group, Page, json_figure};
use super::prose::{self, Section};
use super::shapes::{self, Definitions, LEVELS_OF_BODIES};

const PROSE: &str = include_str!("../../../docs/protocol.md");
const ADDRESS: &str = "/docs/protocol";
const EVENTS: &str = include_str!("../../../protocol/tests/golden/events.json");
const SIGNALS: &str = include_str!("../../../protocol/tests/golden/signals.json");
const CLIENT_FRAMES: &str = include_str!("../../../protocol/tests/golden/client_messages.json");

/// A kind of message on the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Event,
    Signal,
    ClientFrame,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Event, Self::Signal, Self::ClientFrame];

    const fn definition(self) -> &'static str {
        match self {
            Self::Event => "Event",
            Self::Signal => "Signal",
            Self::ClientFrame => "ClientFrame",
        }
    }

    const fn anchor(self) -> &'static str {
        match self {
            Self::Event => "events",
            Self::Signal => "signals",
            Self::ClientFrame => "client-frames",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Event => "Events",
            Self::Signal => "Signals",
            Self::ClientFrame => "Client frames",
        }
    }

    const fn lead(self) -> &'static str {
        match self {
            Self::Event => {
                "Durable and numbered. Each comes in the same envelope; what is in `data` follows from its type. On a \
                 stream of server-sent events, `event:`, `id:` and `data:` are these three of its fields."
            }
            Self::Signal => "What the server says that is not durable: no number, and never repeated.",
            Self::ClientFrame => {
                "What a client may send, as JSON text. `id` is an idempotency key, and makes the server answer."
            }
        }
    }

    fn anchor_of(self, name: &str) -> String {
        let kind = match self {
            Self::Event => "event",
            Self::Signal => "signal",
            Self::ClientFrame => "frame",
        };
        format!("{kind}-{}", name.replace(['<', '>'], ""))
    }
}

/// One type of message: its name, and its schema.
struct Message<'a> {
    kind: Kind,
    name: &'a str,
    schema: &'a Value,
}

impl Message<'_> {
    fn anchor(&self) -> String {
        self.kind.anchor_of(self.name)
    }
}

/// The messages of a kind, as the protocol's schema lists them.
fn messages(schema: &Value, kind: Kind) -> impl Iterator<Item = Message<'_>> {
    let variants = shapes::alternatives(&schema["$defs"][kind.definition()]);
    variants.filter_map(move |schema| {
        let name = schema["title"]
            .as_str()
            .or_else(|| schema["properties"]["type"]["const"].as_str());
        name.map(|name| Message { kind, name, schema })
    })
}

/// Where each type of message is described, by its name. What two kinds share, such as `error`, is the event's.
pub(super) fn targets(schema: &Value) -> BTreeMap<String, String> {
    let all = Kind::ALL
        .into_iter()
        .rev()
        .flat_map(|kind| messages(schema, kind));
    all.map(|message| (message.name.to_owned(), format!("{ADDRESS}#{}", message.anchor())))
        .collect()
}

/// The page.
pub(super) fn page(schema: &Value, target: &dyn Fn(&str) -> Option<String>) -> Page {
    let schemas = schema["$defs"].as_object();
    let definitions = Definitions {
        schemas: schemas.expect("the protocol's schema has definitions"),
        target,
        page: "",
    };
    let prose = prose::document(PROSE, target);
    let mut contents = vec![Group {
        anchor: Some("console".to_owned()),
        title: "Console".to_owned(),
        entries: Vec::new(),
    }];
    contents.extend(prose.sections.into_iter().map(section_group));
    contents.extend(Kind::ALL.map(|kind| message_group(schema, kind)));
    contents.push(Group {
        anchor: Some("shapes".to_owned()),
        title: "Shapes".to_owned(),
        entries: Vec::new(),
    });
    let body = html! {
        (console())
        div class="prose" { (prose.body) }
        @for kind in Kind::ALL { (kind_section(schema, definitions, kind)) }
        section class="tag" aria-labelledby="shapes" {
            h2 id="shapes" { a class="anchor" href="#shapes" { "Shapes" } }
            p { "Everything that messages are made of, by name; as JSON Schema it is "
                a href="/docs/protocol.schema.json" { code { "protocol.schema.json" } } "." }
            div class="definitions" { (definitions.all()) }
        }
    };
    Page {
        address: ADDRESS,
        title: prose.title,
        contents,
        body,
    }
}

/// Where a script puts what one can try the socket with.
fn console() -> Markup {
    html! {
        section class="console" aria-labelledby="console" {
            h2 id="console" { a class="anchor" href="#console" { "Console" } }
            div data-part="console" {
                p class="console-waiting" { "Here the WebSocket can be tried out, where scripts may run." }
            }
        }
    }
}

fn section_group(section: Section) -> Group {
    Group {
        anchor: Some(section.anchor),
        title: section.title,
        entries: Vec::new(),
    }
}

fn message_group(schema: &Value, kind: Kind) -> Group {
    let entries = messages(schema, kind).map(|message| Entry {
        anchor: message.anchor(),
        label: html! { code { (message.name) } },
    });
    Group {
        anchor: Some(kind.anchor().to_owned()),
        title: kind.title().to_owned(),
        entries: entries.collect(),
    }
}

fn kind_section(schema: &Value, definitions: Definitions<'_>, kind: Kind) -> Markup {
    let anchor = kind.anchor();
    html! {
        section class="tag" aria-labelledby=(anchor) {
            h2 id=(anchor) { a class="anchor" href={ "#" (anchor) } { (kind.title()) } }
            (prose::description(kind.lead(), definitions.target))
            @if let Some(event) = messages(schema, kind).next().filter(|_| kind == Kind::Event) {
                (envelope(definitions, event.schema))
            }
            @for message in messages(schema, kind) { (described(definitions, &message)) }
        }
    }
}

/// What all events have.
fn envelope<'a>(definitions: Definitions<'a>, event: &'a Value) -> Markup {
    html! {
        div class="envelope" {
            ul class="fields" {
                @for (name, property) in event["properties"].as_object().into_iter().flatten() {
                    @let fixed = name == "type" || name == "data";
                    li class="field" {
                        p class="field-line" {
                            code class="name" { (name) }
                            " " span class="kind" {
                                @if fixed && name == "type" { "string" } @else if fixed { "object" } @else { (definitions.kind(property)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn described(definitions: Definitions<'_>, message: &Message<'_>) -> Markup {
    let anchor = message.anchor();
    let (_, data) = definitions.resolve(&message.schema["properties"]["data"]);
    let shape = match message.kind {
        Kind::Event => data,
        Kind::Signal | Kind::ClientFrame => message.schema,
    };
    // Of an event's data the schema says no more than the event's name; the prose has a table of when each is told.
    let description = match message.kind {
        Kind::Event => told_when(message.name).unwrap_or_default(),
        Kind::Signal | Kind::ClientFrame => message.schema["description"].as_str().unwrap_or_default(),
    };
    let example = example(message);
    html! {
        article class="message split" id=(anchor) aria-labelledby={ (anchor) "-name" }
            data-frame=[(message.kind == Kind::ClientFrame).then(|| json!({ "type": message.name, "example": example }))] {
            div {
                h3 id={ (anchor) "-name" } { a class="anchor" href={ "#" (anchor) } { code { (message.name) } } }
                (prose::description(description, definitions.target))
                (definitions.shape(shape, LEVELS_OF_BODIES))
            }
            div class="examples" {
                (json_figure("Example", &example))
                @if message.kind == Kind::ClientFrame { div data-part="use-frame" {} }
            }
        }
    }
}

/// When an event is told, as the prose has it in a table: names in code, then the words.
fn told_when(name: &str) -> Option<&'static str> {
    let rows = PROSE
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let mut named = rows.filter(|(names, _)| names.split('`').skip(1).step_by(2).any(|code| code == name));
    named.next().map(|(_, words)| words.trim_end_matches(" |"))
}

/// An example of a message, as the protocol's tests have it.
fn example(message: &Message<'_>) -> Value {
    let file = match message.kind {
        Kind::Event => EVENTS,
        Kind::Signal => SIGNALS,
        Kind::ClientFrame => CLIENT_FRAMES,
    };
    let examples: Value = serde_json::from_str(file).expect("the protocol's tests read these files");
    let suffix = message.name.strip_prefix("<stage>");
    let of_type = |name: &String| match suffix {
        // Stages are named by the playbook, all but the planner, which is none.
        Some(suffix) => name.ends_with(suffix) && !name.starts_with("planner"),
        None => name == message.name,
    };
    let found = examples
        .as_object()
        .into_iter()
        .flatten()
        .find(|(name, _)| of_type(name));
    found.map_or(Value::Null, |(_, example)| example.clone())
}
