//! The API's description: OpenAPI 3.1 and the protocol's JSON Schema for machines, pages of both for people. Each is made
//! once: what machines read at the start, the pages when the first of them is asked for.

mod errors;
mod examples;
mod layout;
mod messages;
mod prose;
mod reference;
mod shapes;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use bytes::Bytes;
use greenroom_protocol::{ErrorCode, protocol_schema};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::{router, schemas};
use crate::app::App;

/// The methods under which operations stand in a path item.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What stands above the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Greenroom",
        description = "A realtime voice and chat server whose sessions cannot be lost.",
    ),
    tags(
        (name = "sessions", description = "One conversation with its brief"),
        (name = "turns", description = "What the user says, and the reply"),
        (name = "events", description = "The log of a session, and the WebSocket"),
        (name = "runs", description = "The stages, and the package that they produce"),
        (name = "assets", description = "Generated media"),
        (name = "jobs", description = "Work that no request waits for"),
        (name = "health", description = "How the server fares"),
        (name = "pages", description = "For people"),
    ),
)]
struct Description;

/// The description, ready to be sent.
#[derive(Debug, Clone)]
pub struct Documents {
    openapi: Bytes,
    protocol_schema: Bytes,
    pages: OnceLock<Pages>,
}

/// The pages as HTML.
#[derive(Debug, Clone)]
struct Pages {
    reference: Bytes,
    protocol: Bytes,
    errors: Bytes,
}

/// A document and its media type.
type Document = ([(HeaderName, &'static str); 1], Bytes);

impl Documents {
    /// Describes the routes as they are, and the protocol.
    pub fn make() -> Self {
        Self {
            openapi: Bytes::from(describe().to_string()),
            protocol_schema: Bytes::from(protocol_schema().to_string()),
            pages: OnceLock::new(),
        }
    }

    fn pages(&self) -> &Pages {
        self.pages.get_or_init(|| {
            let pages = pages(&describe(), &protocol_schema());
            let [reference, protocol, errors] = pages.map(|page| Bytes::from(page.render()));
            Pages {
                reference,
                protocol,
                errors,
            }
        })
    }
}

/// The pages: the REST reference, the protocol, the errors. What is named in one leads to the other.
fn pages(openapi: &Value, schema: &Value) -> [layout::Page; 3] {
    let known = messages::targets(schema);
    let target = |code: &str| {
        if let Some(error) = ErrorCode::ALL.iter().find(|error| error.as_str() == code) {
            return Some(format!("/docs/errors#{}", error.as_str()));
        }
        // Messages are often named together with their fields: `accepted {id, seq}`.
        let name = code.split(' ').next().unwrap_or(code);
        known.get(name).cloned()
    };
    [
        reference::page(openapi, &target),
        messages::page(schema, &target),
        errors::page(schema, &target),
    ]
}

fn html(page: &Bytes) -> Document {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], page.clone())
}

fn json_document(document: &Bytes) -> Document {
    ([(CONTENT_TYPE, "application/json")], document.clone())
}

/// The API's description as OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", tag = "pages",
    responses((status = 200, description = "The description", body = Object)),
)]
pub(super) async fn openapi(State(app): State<Arc<App>>) -> Document {
    json_document(&app.documents.openapi)
}

/// The shapes of the protocol's messages as JSON Schema.
#[utoipa::path(
    get, path = "/docs/protocol.schema.json", tag = "pages",
    responses((status = 200, description = "The schema", body = Object)),
)]
pub(super) async fn schema(State(app): State<Arc<App>>) -> Document {
    json_document(&app.documents.protocol_schema)
}

/// The API's description as a page, where it can be tried out.
#[utoipa::path(
    get, path = "/docs", tag = "pages", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(super) async fn docs(State(app): State<Arc<App>>) -> Document {
    html(&app.documents.pages().reference)
}

/// The protocol as a page, with a console for the WebSocket.
#[utoipa::path(
    get, path = "/docs/protocol", tag = "pages", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(super) async fn protocol(State(app): State<Arc<App>>) -> Document {
    html(&app.documents.pages().protocol)
}

/// The table of errors as a page.
#[utoipa::path(
    get, path = "/docs/errors", tag = "pages", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(super) async fn errors(State(app): State<Arc<App>>) -> Document {
    html(&app.documents.pages().errors)
}

/// The description: the routes' own, the protocol's types, and what is true of every operation.
fn describe() -> Value {
    let mut description = Description::openapi();
    description.merge(router::routes().into_openapi());
    let mut document = serde_json::to_value(description).expect("a description is always JSON");
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["info"]["license"] = json!({ "name": "Apache-2.0 OR MIT" });
    document["components"]["securitySchemes"] = json!({ "token": { "type": "http", "scheme": "bearer" } });
    document["security"] = json!([{ "token": [] }, {}]);
    document["components"]["parameters"]["UserKey"] = json!({
        "name": "X-User-Key", "in": "header", "schema": { "type": "string", "maxLength": 256 },
        "description": "Whose session it is: bound when the session is made; another's is not found",
    });
    if let Some(components) = document["components"]["schemas"].as_object_mut() {
        components.extend(schemas::components());
    }
    for operation in operations_mut(&mut document) {
        // A handler's own name stands alone only within its room: several list, several show.
        let name = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let id = format!(
            "{}_{}",
            name(&operation["tags"][0]),
            name(&operation["operationId"])
        );
        operation["operationId"] = id.into();
        let error = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/ApiError" } } });
        let description = "The error; the status is its code's own, see docs/errors.md";
        operation["responses"]["default"] = json!({ "description": description, "content": error });
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            // A range that is not there is told by its status and header alone.
            if status.starts_with(['4', '5']) && status != "416" {
                response["content"] = error.clone();
            }
        }
        let user_key = json!({ "$ref": "#/components/parameters/UserKey" });
        match operation["parameters"].as_array_mut() {
            Some(parameters) => parameters.push(user_key),
            None => operation["parameters"] = json!([user_key]),
        }
    }
    document
}

fn operations_mut(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let items = document["paths"]
        .as_object_mut()
        .into_iter()
        .flat_map(Map::values_mut);
    let fields = items.filter_map(Value::as_object_mut).flatten();
    fields
        .filter(|(method, _)| METHODS.contains(&method.as_str()))
        .map(|(_, operation)| operation)
}
