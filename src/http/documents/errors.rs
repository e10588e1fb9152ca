//! The table of errors as a page: docs/errors.md, and the shape that every failure has.

use greenroom_protocol::ErrorCode;
use maud::html;
use serde_json::Value;

use super::layout::{Entry, Group, Page, json_figure};
use super::prose;
use super::shapes::Definitions;

const PROSE: &str = include_str!("../../../docs/errors.md");
/// An example of each error, which the protocol's tests check.
const EXAMPLES: &str = include_str!("../../../protocol/tests/golden/errors.json");

/// The page.
pub(super) fn page(schema: &Value, target: &dyn Fn(&str) -> Option<String>) -> Page {
    // Codes do not lead to themselves.
    let elsewhere = |code: &str| target(code).filter(|address| !address.starts_with("/docs/errors#"));
    // What is said to who would edit the file is not for who reads the page.
    let paragraphs = PROSE
        .split("\n\n")
        .filter(|paragraph| !paragraph.contains("do not edit"));
    let prose = prose::document(&paragraphs.collect::<Vec<_>>().join("\n\n"), &elsewhere);
    let schemas = schema["$defs"].as_object();
    let definitions = Definitions {
        schemas: schemas.expect("the protocol's schema has definitions"),
        target,
        page: "/docs/protocol",
    };
    let examples: Value = serde_json::from_str(EXAMPLES).expect("the protocol's tests read this file");
    let example = examples
        .get(ErrorCode::SysRateLimit.as_str())
        .unwrap_or(&Value::Null);
    let body = html! {
        div class="prose errors-table" { (prose.body) }
        section class="tag split" aria-labelledby="body" {
            div {
                h2 id="body" { a class="anchor" href="#body" { "The body" } }
                (definitions.shape(&schema["$defs"]["ErrorBody"], 0))
            }
            div class="examples" { (json_figure("Example", example)) }
        }
    };
    Page {
        address: "/docs/errors",
        title: prose.title,
        contents: contents(),
        body,
    }
}

/// The codes by what they begin with.
fn contents() -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for code in ErrorCode::ALL {
        let code = code.as_str();
        let (family, _) = code.split_once('_').unwrap_or((code, ""));
        let entry = Entry {
            anchor: code.to_owned(),
            label: html! { code { (code) } },
        };
        match groups.iter_mut().find(|group| group.title == family) {
            Some(group) => group.entries.push(entry),
            None => groups.push(Group {
                anchor: None,
                title: family.to_owned(),
                entries: vec![entry],
            }),
        }
    }
    groups.push(Group {
        anchor: Some("body".to_owned()),
        title: "The body".to_owned(),
        entries: Vec::new(),
    });
    groups
}
