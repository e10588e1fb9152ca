//! The REST reference: every operation of the OpenAPI description, by tag.

use std::fmt::Write as _;

use greenroom_protocol::{ErrorBody, ErrorCode, Locale};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::METHODS;
use super::examples;
use super::layout::{Entry, Group, Page, code_figure, json_figure};
use super::shapes::{self, Definitions, LEVELS_OF_BODIES};

/// Most paths begin so; the contents leave it out.
const PATH_OF_A_SESSION: &str = "/api/chat/session/{session_id}";
const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data";
const EVENT_STREAM: &str = "text/event-stream";

/// The page.
pub(super) fn page(document: &Value, target: &dyn Fn(&str) -> Option<String>) -> Page {
    let reference = Reference { document, target };
    let tags: Vec<&Value> = document["tags"].as_array().into_iter().flatten().collect();
    let mut contents: Vec<_> = tags.iter().map(|tag| reference.group(tag)).collect();
    contents.push(Group {
        anchor: Some("shapes".to_owned()),
        title: "Shapes".to_owned(),
        entries: Vec::new(),
    });
    let body = html! {
        (reference.introduction())
        @for tag in &tags { (reference.tag(tag)) }
        section class="tag" aria-labelledby="shapes" {
            h2 id="shapes" { a class="anchor" href="#shapes" { "Shapes" } }
            p { "Everything that bodies are made of, by name." }
            div class="definitions" { (reference.definitions().all()) }
        }
    };
    Page {
        address: "/docs",
        title: "Greenroom API".to_owned(),
        contents,
        body,
    }
}

/// One operation of the description.
#[derive(Clone, Copy)]
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    description: &'a Value,
}

impl<'a> Operation<'a> {
    fn anchor(self) -> &'a str {
        self.description["operationId"].as_str().unwrap_or_default()
    }

    fn method(self) -> String {
        self.method.to_ascii_uppercase()
    }

    /// What it takes as its body: the media type and the schema.
    fn body(self) -> Option<(&'a str, &'a Value)> {
        content(&self.description["requestBody"]).next()
    }

    /// Whether it answers as a stream of events, with no other choice.
    fn only_streams(self) -> bool {
        let mut kinds = self.answers().flat_map(content).map(|(media_type, _)| media_type);
        kinds.next() == Some(EVENT_STREAM) && kinds.next().is_none()
    }

    /// What it answers if all goes well.
    fn answers(self) -> impl Iterator<Item = &'a Value> {
        let answers = self.description["responses"].as_object();
        let good = |(status, _): &(&String, &Value)| status.starts_with(['1', '2']);
        answers
            .into_iter()
            .flatten()
            .filter(good)
            .map(|(_, answer)| answer)
    }

    /// Its parameters but the user's key, which every operation has.
    fn parameters(self) -> impl Iterator<Item = &'a Value> {
        let parameters = self.description["parameters"].as_array();
        let own = parameters.into_iter().flatten();
        own.filter(|parameter| parameter["name"].is_string())
    }

    fn is_socket(self) -> bool {
        self.description["responses"]["101"].is_object()
    }
}

/// The bodies that a request or an answer may have: media types and schemas.
fn content(body: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let content = body["content"].as_object().into_iter().flatten();
    content.map(|(media_type, body)| (media_type.as_str(), &body["schema"]))
}

struct Reference<'a> {
    document: &'a Value,
    target: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Reference<'a> {
    fn definitions(&self) -> Definitions<'a> {
        let schemas = self.document["components"]["schemas"].as_object();
        let schemas = schemas.expect("the description has schemas");
        Definitions {
            schemas,
            target: self.target,
            page: "",
        }
    }

    fn operations(&self, tag: &str) -> Vec<Operation<'a>> {
        let items = self.document["paths"].as_object().into_iter().flatten();
        let operations = items.flat_map(|(path, item)| {
            let of_item = move |method: &'static str| {
                let description = item.get(method)?;
                Some(Operation {
                    method,
                    path,
                    description,
                })
            };
            METHODS.into_iter().filter_map(of_item)
        });
        operations
            .filter(|operation| operation.description["tags"][0] == tag)
            .collect()
    }

    fn introduction(&self) -> Markup {
        let user_key = &self.document["components"]["parameters"]["UserKey"]["description"];
        let error = ErrorBody::new(ErrorCode::SessionNotFound, Locale::En);
        html! {
            div class="lead" {
                p { (self.document["info"]["description"].as_str().unwrap_or_default())
                    " This page is for people; machines read " a href="/openapi.json" { code { "/openapi.json" } }
                    ". What happens on the WebSocket is told by " a href="/docs/protocol" { "the protocol" } "." }
            }
            div class="split" {
                div {
                    ul class="facts" {
                        li { code { "X-User-Key" } (self.definitions().description(user_key)) }
                        li { code { "Authorization: Bearer …" } p { "Where the server has a token: on every request but "
                            "probes, pages, and media under " code { "/static/assets/" } "." } }
                        li { code { "Idempotency-Key" } p { "Where an operation takes one, the same request under the same "
                            "key counts once. It is the same thing as a message's " code { "id" } " on the WebSocket." } }
                        li { code { "Errors" } p { "Every failure has " a href={ "#" (shapes::anchor("ApiError")) } { "one shape" }
                            " and a code out of " a href="/docs/errors" { "one table" } "." } }
                    }
                }
                div class="examples" {
                    (code_figure("In the examples", "shell", "GREENROOM=http://127.0.0.1:8080\nUSER_KEY=me\nSESSION_ID=sess_…\nRUN_ID=run_…"))
                    (json_figure("An error", &json!({ "error": error })))
                }
            }
        }
    }

    fn group(&self, tag: &Value) -> Group {
        let name = tag["name"].as_str().unwrap_or_default();
        let entry = |operation: Operation<'a>| {
            let path = match operation.path.strip_prefix(PATH_OF_A_SESSION) {
                Some(rest) if !rest.is_empty() => format!("…{rest}"),
                _ => operation
                    .path
                    .strip_prefix("/api")
                    .unwrap_or(operation.path)
                    .to_owned(),
            };
            Entry {
                anchor: operation.anchor().to_owned(),
                label: html! { (method_badge(operation)) " " code { (path) } },
            }
        };
        Group {
            anchor: Some(format!("tag-{name}")),
            title: capitalized(name),
            entries: self.operations(name).into_iter().map(entry).collect(),
        }
    }

    fn tag(&self, tag: &Value) -> Markup {
        let name = tag["name"].as_str().unwrap_or_default();
        let anchor = format!("tag-{name}");
        html! {
            section class="tag" aria-labelledby=(anchor) {
                h2 id=(anchor) { a class="anchor" href={ "#" (anchor) } { (capitalized(name)) } }
                (self.definitions().description(&tag["description"]))
                @for operation in self.operations(name) { (self.operation(operation)) }
            }
        }
    }

    fn operation(&self, operation: Operation<'a>) -> Markup {
        let anchor = operation.anchor();
        let form = serde_json::to_string(&self.form(operation)).unwrap_or_default();
        html! {
            article class="operation split" id=(anchor) data-operation=(form) aria-labelledby={ (anchor) "-path" } {
                div {
                    h3 id={ (anchor) "-path" } { a class="anchor" href={ "#" (anchor) } {
                        (method_badge(operation)) " " code class="path" { (operation.path) }
                    } }
                    div class="summary" {
                        (self.definitions().description(&operation.description["summary"]))
                        (self.definitions().description(&operation.description["description"]))
                    }
                    (self.parameter_list(operation))
                    (self.request(operation))
                    (self.answers(operation))
                    (self.errors(operation))
                }
                div class="examples" {
                    @if operation.is_socket() {
                        p { a class="button" href="/docs/protocol#console" { "Open the console" } }
                    } @else {
                        div data-part="try" {}
                    }
                    (code_figure("Request", "shell", &self.curl(operation)))
                    @for answer in operation.answers() {
                        @for (media_type, schema) in content(answer) {
                            @if media_type == JSON {
                                (json_figure("Answer", &examples::of_answer(self.definitions(), schema)))
                            }
                        }
                    }
                }
            }
        }
    }

    fn parameter_list(&self, operation: Operation<'a>) -> Markup {
        let mut parameters = operation.parameters().peekable();
        html! {
            @if parameters.peek().is_some() {
                h4 { "Parameters" }
                ul class="fields" {
                    @for parameter in parameters {
                        @let required = parameter["required"] == true;
                        li class="field" {
                            p class="field-line" {
                                code class="name" { (parameter["name"].as_str().unwrap_or_default()) }
                                " " span class="kind" { (place(parameter)) ", " (self.definitions().kind(&parameter["schema"])) }
                                " " span class="presence" data-required=(required) { @if required { "required" } @else { "optional" } }
                            }
                            (self.definitions().description(&parameter["description"]))
                        }
                    }
                }
            }
        }
    }

    fn request(&self, operation: Operation<'a>) -> Markup {
        html! {
            @if let Some((media_type, schema)) = operation.body() {
                h4 { "Body " span class="media-type" { (media_type) } }
                (self.definitions().description(&operation.description["requestBody"]["description"]))
                p class="kind" { (self.definitions().kind(schema)) }
                (self.definitions().shape(schema, LEVELS_OF_BODIES))
            }
        }
    }

    fn answers(&self, operation: Operation<'a>) -> Markup {
        let answers = operation.description["responses"]
            .as_object()
            .into_iter()
            .flatten();
        let good = answers.filter(|(status, _)| status.starts_with(['1', '2']));
        html! {
            h4 { "Answers" }
            @for (status, answer) in good {
                div class="answer" {
                    p class="answer-line" {
                        span class="status" { (status) }
                        @for (media_type, _) in content(answer) { " " span class="media-type" { (media_type) } }
                    }
                    (self.definitions().description(&answer["description"]))
                    @for (media_type, schema) in content(answer) {
                        @if media_type == JSON {
                            p class="kind" { (self.definitions().kind(schema)) }
                            (self.definitions().shape(schema, LEVELS_OF_BODIES))
                        } @else if media_type == EVENT_STREAM {
                            p { "Server-sent events: " code { "event:" } " is the type, " code { "id:" } " the event's id, "
                                code { "data:" } " its data. See " a href="/docs/protocol#events" { "the events" } "." }
                        }
                    }
                }
            }
        }
    }

    fn errors(&self, operation: Operation<'a>) -> Markup {
        let answers = operation.description["responses"]
            .as_object()
            .into_iter()
            .flatten();
        let bad = answers.filter(|(status, _)| status.starts_with(['4', '5']));
        html! {
            h4 { "Errors" }
            ul class="errors" {
                @for (status, answer) in bad {
                    li { span class="status" { (status) } (self.definitions().description(&answer["description"])) }
                }
                li {
                    span class="status" { "any" }
                    p { a href={ "#" (shapes::anchor("ApiError")) } { "ApiError" } ", with the status of its "
                        a href="/docs/errors" { "code" } }
                }
            }
        }
    }

    /// What a form needs to know in order to send the request.
    fn form(&self, operation: Operation<'a>) -> Value {
        let definitions = self.definitions();
        let parameter = |parameter: &'a Value| {
            let name = parameter["name"].as_str().unwrap_or_default();
            let schema = &parameter["schema"];
            json!({
                "name": name,
                "in": parameter["in"],
                "required": parameter["required"] == true,
                "example": examples::of_parameter(name, schema),
                "values": value_names(definitions, schema),
            })
        };
        let media_types: Vec<_> = operation
            .answers()
            .flat_map(content)
            .map(|(media_type, _)| media_type)
            .collect();
        json!({
            "id": operation.anchor(),
            "method": operation.method(),
            "path": operation.path,
            "parameters": operation.parameters().map(parameter).collect::<Vec<_>>(),
            "body": operation.body().map(|(media_type, schema)| self.form_body(media_type, schema)),
            "answers": media_types,
        })
    }

    fn form_body(&self, media_type: &str, schema: &'a Value) -> Value {
        let definitions = self.definitions();
        if media_type != FORM {
            let example = examples::of_request(definitions, schema);
            return json!({ "media_type": media_type, "example": example, "fields": null });
        }
        let (_, form) = definitions.resolve(schema);
        let field = |(name, schema): (&String, &'a Value)| {
            json!({
                "name": name,
                "file": schema["format"] == "binary",
                "required": shapes::is_required(form, name),
                "values": value_names(definitions, schema),
            })
        };
        let fields: Vec<_> = form["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(field)
            .collect();
        json!({ "media_type": media_type, "example": null, "fields": fields })
    }

    /// The request, for a shell.
    fn curl(&self, operation: Operation<'a>) -> String {
        if operation.is_socket() {
            return "websocat --protocol greenroom.v1 -H \"X-User-Key: $USER_KEY\" \\\n  \"ws://127.0.0.1:8080/api/chat/session/$SESSION_ID/ws\"".to_owned();
        }
        let mut path = String::new();
        for (index, part) in operation.path.split(['{', '}']).enumerate() {
            if index % 2 == 1 {
                path.push('$');
                path.push_str(&part.trim_start_matches('*').to_ascii_uppercase());
            } else {
                path.push_str(part);
            }
        }
        let required = operation
            .parameters()
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
        for (index, parameter) in required.enumerate() {
            let name = parameter["name"].as_str().unwrap_or_default();
            let separator = if index == 0 { '?' } else { '&' };
            let _ = write!(path, "{separator}{name}=${}", name.to_ascii_uppercase());
        }
        let buffering = if operation.only_streams() { " -N" } else { "" };
        let method = match operation.method {
            "get" => String::new(),
            _ => format!(" -X {}", operation.method()),
        };
        let mut command = format!("curl{buffering}{method} \"$GREENROOM{path}\"");
        if operation.path.starts_with("/api/") {
            command.push_str(" \\\n  -H \"X-User-Key: $USER_KEY\"");
        }
        match operation.body() {
            Some((FORM, schema)) => {
                let (_, form) = self.definitions().resolve(schema);
                let fields = form["properties"].as_object().into_iter().flatten();
                for (name, _) in fields.filter(|(name, _)| shapes::is_required(form, name)) {
                    let _ = write!(command, " \\\n  -F {name}=@recording.wav");
                }
            }
            Some((media_type, schema)) => {
                let body = examples::of_request(self.definitions(), schema)
                    .to_string()
                    .replace('\'', "'\\''");
                let _ = write!(
                    command,
                    " \\\n  -H 'Content-Type: {media_type}' \\\n  -d '{body}'"
                );
            }
            None => {}
        }
        command
    }
}

/// The values that a field may have, if they can be listed.
fn value_names(definitions: Definitions<'_>, schema: &Value) -> Vec<String> {
    let (_, schema) = definitions.resolve(shapes::without_null(schema).0);
    shapes::values(schema)
        .into_iter()
        .map(|(value, _)| value)
        .collect()
}

fn method_badge(operation: Operation<'_>) -> Markup {
    html! { span class="method" data-method=(operation.method) { (operation.method()) } }
}

/// Where a parameter stands, in a word.
fn place(parameter: &Value) -> &str {
    parameter["in"].as_str().unwrap_or_default()
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
