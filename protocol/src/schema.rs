//! The JSON Schema of everything on the wire, made from the types. `docs/protocol.schema.json` holds it.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::{ApiError, ClientMessage, CommandId, Event, EventId, Seq, SessionId, Signal, Timestamp};

/// One document (draft 2020-12) whose `$defs` hold `Event` (a whole envelope), `Signal`, `ClientFrame`, `ApiError`
/// and every type that they are made of. The document itself allows any of the four.
///
/// A newer server may send events and signals that are not in it, and new fields; clients ignore both. A client
/// must send nothing that is not in it.
pub fn protocol_schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let envelope = Envelope {
        event_id: generator.subschema_for::<EventId>().to_value(),
        seq: generator.subschema_for::<Seq>().to_value(),
        session_id: generator.subschema_for::<SessionId>().to_value(),
        created_at: generator.subschema_for::<Timestamp>().to_value(),
    };
    let events: Vec<Value> = Event::data_schemas(&mut generator)
        .into_iter()
        .map(|(event_type, data)| envelope.around(event_type, &data.to_value()))
        .collect();
    let id = generator.subschema_for::<CommandId>().to_value();
    generator.subschema_for::<Signal>();
    generator.subschema_for::<ClientMessage>();
    generator.subschema_for::<ApiError>();

    let mut definitions = generator.take_definitions(true);
    let message = definitions.remove("ClientMessage").unwrap_or_default();
    definitions.insert("ClientFrame".to_owned(), with_id(message, &id));
    definitions.insert(
        "Event".to_owned(),
        json!({ "description": "One durable event.", "anyOf": events }),
    );
    definitions.sort_keys();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Greenroom protocol",
        "description": "Made from the types of the crate greenroom-protocol; do not edit.",
        "anyOf": [
            { "$ref": "#/$defs/Event" },
            { "$ref": "#/$defs/Signal" },
            { "$ref": "#/$defs/ClientFrame" },
            { "$ref": "#/$defs/ApiError" },
        ],
        "$defs": definitions,
    })
}

/// The schemas of an envelope's own fields.
struct Envelope {
    event_id: Value,
    seq: Value,
    session_id: Value,
    created_at: Value,
}

impl Envelope {
    /// The envelope of one type of event.
    fn around(&self, event_type: &str, data: &Value) -> Value {
        let type_schema = if event_type == Event::STAGE_DELTA {
            json!({ "pattern": r"^[a-z][a-z0-9_]*\.delta$", "not": { "const": "planner.delta" } })
        } else {
            json!({ "const": event_type })
        };
        json!({
            "title": event_type,
            "type": "object",
            "properties": {
                "event_id": self.event_id,
                "seq": self.seq,
                "session_id": self.session_id,
                "type": type_schema,
                "created_at": self.created_at,
                "data": data,
            },
            "required": ["event_id", "seq", "session_id", "type", "created_at", "data"],
        })
    }
}

/// Lets each kind of message carry an id beside its own fields.
fn with_id(mut message: Value, id: &Value) -> Value {
    let kinds = message
        .get_mut("oneOf")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for properties in kinds.filter_map(|kind| kind.get_mut("properties")?.as_object_mut()) {
        properties.insert("id".to_owned(), id.clone());
    }
    message
}
