//! The API's description: OpenAPI 3.1 for machines, a page of it for people. Both are made once, at the start.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use bytes::Bytes;
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
    docs: Bytes,
}

impl Documents {
    /// Describes the routes as they are.
    pub fn make() -> Self {
        let openapi = describe();
        let docs = page(&openapi);
        Self {
            openapi: Bytes::from(openapi.to_string()),
            docs: Bytes::from(docs),
        }
    }
}

/// The API's description as OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", tag = "pages",
    responses((status = 200, description = "The description", body = Object)),
)]
pub(super) async fn openapi(State(app): State<Arc<App>>) -> ([(HeaderName, &'static str); 1], Bytes) {
    (
        [(CONTENT_TYPE, "application/json")],
        app.documents.openapi.clone(),
    )
}

/// The API's description as a page.
#[utoipa::path(
    get, path = "/docs", tag = "pages",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(super) async fn docs(State(app): State<Arc<App>>) -> ([(HeaderName, &'static str); 1], Bytes) {
    (
        [(CONTENT_TYPE, "text/html; charset=utf-8")],
        app.documents.docs.clone(),
    )
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

fn page(document: &Value) -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Greenroom API</title>\
         <link rel=\"stylesheet\" href=\"/app.css\"></head><body class=\"docs\"><main><h1>Greenroom API</h1>\
         <p>Machines read <a href=\"/openapi.json\">/openapi.json</a>.</p>",
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        let _ = write!(
            html,
            "<h2>{}</h2><p>{}</p>",
            escaped(name),
            text(&tag["description"])
        );
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for method in METHODS {
                if let Some(operation) = item.get(method).filter(|operation| operation["tags"][0] == name) {
                    write_operation(&mut html, method, path, operation);
                }
            }
        }
    }
    html.push_str("<h2>Schemas</h2>");
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let json = serde_json::to_string_pretty(schema).unwrap_or_default();
        let (name, json) = (escaped(name), escaped(&json));
        let _ = write!(
            html,
            "<details id=\"{name}\"><summary>{name}</summary><pre>{json}</pre></details>"
        );
    }
    html.push_str("</main></body></html>");
    html
}

fn write_operation(html: &mut String, method: &str, path: &str, operation: &Value) {
    let method = method.to_ascii_uppercase();
    let _ = write!(html, "<section><h3><code>{method} {}</code></h3>", escaped(path));
    let _ = write!(
        html,
        "<p>{} {}</p><ul>",
        text(&operation["summary"]),
        text(&operation["description"])
    );
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if let Some(name) = parameter["name"].as_str() {
            let place = text(&parameter["in"]);
            let _ = write!(
                html,
                "<li><code>{}</code> ({place}): {}</li>",
                escaped(name),
                text(&parameter["description"])
            );
        }
    }
    let body = &operation["requestBody"];
    if body.is_object() {
        let _ = write!(
            html,
            "<li>Body: {} {}</li>",
            schema_links(&body["content"]),
            text(&body["description"])
        );
    }
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let links = schema_links(&answer["content"]);
        let _ = write!(
            html,
            "<li>{}: {} {links}</li>",
            escaped(status),
            text(&answer["description"])
        );
    }
    html.push_str("</ul></section>");
}

/// Links to the schemas of a body, one for each media type.
fn schema_links(content: &Value) -> String {
    let link = |(media_type, body): (&String, &Value)| {
        let reference = body["schema"]["$ref"]
            .as_str()
            .or_else(|| body["schema"]["items"]["$ref"].as_str());
        let media_type = escaped(media_type);
        match reference
            .and_then(|reference| reference.rsplit('/').next())
            .map(escaped)
        {
            Some(name) => format!("<a href=\"#{name}\">{name}</a> ({media_type})"),
            None => media_type,
        }
    };
    content
        .as_object()
        .into_iter()
        .flatten()
        .map(link)
        .collect::<Vec<_>>()
        .join(", ")
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The routes of the contract that this release has, and the page's own files.
    const ROUTES: &[&str] = &[
        "delete /api/chat/session/{session_id}",
        "get /",
        "get /api/chat/session/{session_id}",
        "get /api/chat/session/{session_id}/assets/{asset_id}",
        "get /api/chat/session/{session_id}/events",
        "get /api/chat/session/{session_id}/ws",
        "get /api/chat/sessions",
        "get /api/jobs",
        "get /api/jobs/{job_id}",
        "get /api/runs",
        "get /api/runs/{run_id}",
        "get /api/runs/{run_id}/export",
        "get /app.css",
        "get /app.js",
        "get /docs",
        "get /favicon.svg",
        "get /health",
        "get /health/detailed",
        "get /metrics",
        "get /openapi.json",
        "get /ready",
        "get /static/assets/{name}",
        "patch /api/chat/session/{session_id}/slots",
        "post /api/chat/session",
        "post /api/chat/session/{session_id}/assistant-voice",
        "post /api/chat/session/{session_id}/message",
        "post /api/chat/session/{session_id}/message/stream",
        "post /api/chat/session/{session_id}/voice-turn",
        "post /api/chat/session/{session_id}/voice-turn/stream",
        "post /api/runs/{run_id}/cancel",
        "post /api/runs/{run_id}/export",
        "post /api/runs/{run_id}/retry",
        "post /api/runs/{session_id}/generate",
        "post /api/runs/{session_id}/generate/async",
    ];

    fn described(document: &Value) -> BTreeSet<String> {
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods
                .filter(|key| METHODS.contains(&key.as_str()))
                .map(move |method| format!("{method} {path}"))
        });
        operations.collect()
    }

    #[test]
    fn exactly_the_contracts_routes_are_described() {
        let expected: BTreeSet<String> = ROUTES.iter().map(|route| (*route).to_owned()).collect();
        assert_eq!(described(&describe()), expected);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn check(value: &Value, document: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                    }
                    fields.values().for_each(|field| check(field, document));
                }
                Value::Array(items) => items.iter().for_each(|item| check(item, document)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = describe();
        assert_eq!(document["openapi"], "3.1.0");
        check(&document, &document);
    }

    #[test]
    fn what_takes_an_idempotency_key_says_so() {
        let mut document = describe();
        let takes = |operation: &&mut Value| {
            let parameters = operation["parameters"].as_array();
            parameters.is_some_and(|parameters| parameters.iter().any(|one| one["name"] == "Idempotency-Key"))
        };
        assert_eq!(operations_mut(&mut document).filter(takes).count(), 9);
        let required = document["components"]["schemas"]["Package"]["required"].to_string();
        assert!(
            !required.contains("waiver") && required.contains("locale"),
            "{required}"
        );
    }

    #[test]
    fn the_page_shows_every_operation() {
        let document = describe();
        let html = page(&document);
        for route in described(&document) {
            let (method, path) = route.split_once(' ').unwrap();
            let heading = format!("<code>{} {path}</code>", method.to_ascii_uppercase());
            assert!(html.contains(&heading), "{heading}");
        }
    }
}
