//! The description is whole, and its pages show all of it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::wire;
use super::*;

/// The routes of the contract that this release has, and the page's own files.
const ROUTES: &[&str] = &[
    "delete /api/chat/session/{session_id}",
    "get /",
    "get /api/chat/session/{session_id}",
    "get /api/chat/session/{session_id}/assets/{asset_id}",
    "get /api/chat/session/{session_id}/events",
    "get /api/chat/session/{session_id}/playbook",
    "get /api/chat/session/{session_id}/ws",
    "get /api/chat/sessions",
    "get /api/jobs",
    "get /api/jobs/{job_id}",
    "get /api/runs",
    "get /api/runs/{run_id}",
    "get /api/runs/{run_id}/export",
    "get /docs",
    "get /docs/errors",
    "get /docs/protocol",
    "get /docs/protocol.schema.json",
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

/// The pages as they are sent: the reference, the protocol, the errors.
fn rendered() -> [String; 3] {
    pages(&describe(), &protocol_schema()).map(|page| page.render())
}

/// What stands in an attribute, everywhere on a page.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!(" {name}=\"");
    let after = html.split(opening.as_str()).skip(1);
    after.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_reference_shows_every_operation_with_all_that_it_takes_and_answers() {
    let document = describe();
    let [html, ..] = rendered();
    let operations: BTreeMap<String, Value> = attributes(&html, "data-operation")
        .into_iter()
        .map(|form| {
            serde_json::from_str::<Value>(&form.replace("&quot;", "\"").replace("&amp;", "&")).unwrap()
        })
        .map(|form| (form["id"].as_str().unwrap().to_owned(), form))
        .collect();
    assert_eq!(operations.len(), described(&document).len());
    for route in described(&document) {
        let (method, path) = route.split_once(' ').unwrap();
        let operation = &document["paths"][path][method];
        let id = operation["operationId"].as_str().unwrap();
        let form = &operations[id];
        assert_eq!(form["path"], path, "{route}");
        assert_eq!(form["method"], method.to_ascii_uppercase(), "{route}");
        let article = html
            .split(&format!("<article class=\"operation split\" id=\"{id}\""))
            .nth(1)
            .unwrap();
        let article = article.split("</article>").next().unwrap();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for name in parameters.filter_map(|parameter| parameter["name"].as_str()) {
            assert!(
                article.contains(&format!("<code class=\"name\">{name}</code>")),
                "{route} {name}"
            );
        }
        for status in operation["responses"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|status| *status != "default")
        {
            assert!(
                article.contains(&format!("<span class=\"status\">{status}</span>")),
                "{route} {status}"
            );
        }
        assert_eq!(
            form["body"].is_object(),
            operation["requestBody"].is_object(),
            "{route}"
        );
        assert!(
            article.contains("GREENROOM") || article.contains("websocat"),
            "{route}"
        );
    }
}

#[test]
fn the_reference_sends_bodies_that_the_server_takes() {
    let [html, ..] = rendered();
    for form in attributes(&html, "data-operation") {
        let form: Value = serde_json::from_str(&form.replace("&quot;", "\"").replace("&amp;", "&")).unwrap();
        let example = form["body"]["example"].clone();
        let taken = match form["id"].as_str().unwrap() {
            "sessions_create" => serde_json::from_value::<wire::CreateSessionBody>(example).map(drop),
            "turns_message" | "turns_message_stream" => {
                serde_json::from_value::<wire::MessageBody>(example).map(drop)
            }
            "turns_assistant_voice" => serde_json::from_value::<wire::AssistantVoiceBody>(example).map(drop),
            "sessions_edit" => serde_json::from_value::<Vec<wire::SlotEditBody>>(example).map(drop),
            "runs_generate" | "runs_generate_async" => {
                serde_json::from_value::<wire::GenerateBody>(example).map(drop)
            }
            other => {
                assert!(example.is_null(), "{other}");
                Ok(())
            }
        };
        taken.unwrap();
    }
}

#[test]
fn the_protocol_shows_every_message_with_its_shape_and_an_example() {
    let schema = protocol_schema();
    let [_, html, _] = rendered();
    let messages = messages::targets(&schema);
    let kinds =
        ["Event", "Signal", "ClientFrame"].map(|kind| shapes::alternatives(&schema["$defs"][kind]).count());
    assert_eq!(
        html.matches("<article class=\"message").count(),
        kinds.iter().sum::<usize>()
    );
    for (name, address) in &messages {
        let anchor = address.strip_prefix("/docs/protocol#").unwrap();
        let article = html
            .split(&format!("<article class=\"message split\" id=\"{anchor}\""))
            .nth(1);
        let article = article
            .unwrap_or_else(|| panic!("{name} is not described"))
            .split("</article>")
            .next()
            .unwrap();
        let description = article.split("</h3>").nth(1).unwrap();
        assert!(
            description.starts_with("<p>") && !description.starts_with("<p></p>"),
            "{name} is not explained"
        );
        let example = article.split("<pre").nth(1).unwrap();
        let of_type = name.trim_start_matches("<stage>");
        assert!(
            example.contains("&quot;type&quot;") && example.contains(of_type),
            "{name}: {example}"
        );
    }
    for name in schema["$defs"].as_object().unwrap().keys() {
        assert!(html.contains(&format!("id=\"shape-{name}\"")), "{name}");
    }
    assert_eq!(attributes(&html, "data-frame").len(), kinds[2]);
}

#[test]
fn the_errors_can_be_linked_to_one_by_one() {
    let [.., html] = rendered();
    for code in ErrorCode::ALL {
        let row = format!("<tr role=\"row\" id=\"{}\">", code.as_str());
        assert!(html.contains(&row), "{row}");
        assert!(
            html.contains(&maud::html! { (code.user_message(greenroom_protocol::Locale::Ko)) }.into_string())
        );
    }
}

#[test]
fn every_anchor_stands_once_and_every_link_leads_somewhere() {
    let addresses = ["/docs", "/docs/protocol", "/docs/errors"];
    let pages: Vec<_> = addresses.into_iter().zip(rendered()).collect();
    let anchors: BTreeMap<&str, BTreeSet<&str>> = pages
        .iter()
        .map(|(address, html)| {
            let all = attributes(html, "id");
            let unique: BTreeSet<_> = all.iter().copied().collect();
            assert_eq!(unique.len(), all.len(), "an anchor of {address} stands twice");
            (*address, unique)
        })
        .collect();
    let elsewhere = ["/", "/favicon.svg", "/openapi.json", "/docs/protocol.schema.json"];
    for (here, html) in &pages {
        for link in attributes(html, "href") {
            let (address, anchor) = link.split_once('#').unwrap_or((link, ""));
            let address = if address.is_empty() { here } else { address };
            match anchors.get(address) {
                Some(known) => assert!(anchor.is_empty() || known.contains(anchor), "{link} on {here}"),
                None => assert!(
                    elsewhere.contains(&address) || address.starts_with("/web/"),
                    "{link} on {here}"
                ),
            }
        }
    }
}

#[test]
fn the_pages_need_no_script_and_have_none_of_their_own() {
    for html in rendered() {
        for script in html.split("<script").skip(1) {
            let (opening, rest) = script.split_once('>').unwrap();
            assert!(
                opening.contains("src=\"/web/docs/") && rest.starts_with("</script>"),
                "{opening}"
            );
        }
        assert!(!html.contains("<style") && !html.contains(" style=\""));
        let handlers = [" onclick=", " onload=", " onerror=", "javascript:"];
        assert!(handlers.iter().all(|handler| !html.contains(handler)));
    }
}
