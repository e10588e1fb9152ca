//! From a stage's output to something to be read: what a value looks like follows from its schema.

use greenroom_protocol::{Locale, SupportingSource, push_pointer_token};
use greenroom_session::playbook::{Check, Playbook, StageSpec};
use greenroom_session::stage::is_same_page;
use serde_json::{Map, Value};
use url::Url;

use super::document::{Content, Page};
use super::wording::{Wording, humanised};

/// Fields of a page by what they mean, the likeliest name first.
const TITLE_FIELDS: [&str; 3] = ["title", "name", "headline"];
const PASSAGE_FIELDS: [&str; 4] = ["passage", "quote", "excerpt", "snippet"];
const DATE_FIELDS: [&str; 4] = ["observed_at", "published_at", "updated_at", "date"];
/// The field that the playbook's check of searched pages is about.
const ADDRESS_FIELD: &str = "url";

/// Reads the output of one stage.
pub(super) struct Reader<'a> {
    pub(super) playbook: &'a Playbook,
    pub(super) stage: &'a StageSpec,
    /// What the searches returned of the pages that the output names.
    pub(super) sources: &'a [SupportingSource],
    pub(super) locale: Locale,
}

impl Reader<'_> {
    /// A whole output, without the fields that stand elsewhere.
    pub(super) fn fields(&self, output: &Value, left_out: &[String]) -> Content {
        let Some(fields) = output.as_object() else {
            return self.value("", output);
        };
        let shown = self
            .in_order("", fields)
            .into_iter()
            .filter(|name| !left_out.contains(name));
        Content::Fields(shown.map(|name| self.field("", fields, &name)).collect())
    }

    /// The value at a JSON pointer of the output.
    pub(super) fn value(&self, pointer: &str, value: &Value) -> Content {
        match value {
            Value::Null => Content::Nothing,
            Value::Bool(yes) => {
                let wording = Wording::of(self.locale);
                Content::Word(if *yes { wording.yes } else { wording.no }.to_owned())
            }
            Value::Number(_) => Content::Word(self.number(pointer, value)),
            Value::String(text) => self.text(pointer, text),
            Value::Array(items) => self.list(pointer, items),
            Value::Object(fields) => {
                let names = self.in_order(pointer, fields);
                Content::Fields(
                    names
                        .iter()
                        .map(|name| self.field(pointer, fields, name))
                        .collect(),
                )
            }
        }
    }

    fn field(&self, pointer: &str, fields: &Map<String, Value>, name: &str) -> (String, Content) {
        let value = fields.get(name).unwrap_or(&Value::Null);
        (self.name(name), self.value(&child(pointer, name), value))
    }

    fn text(&self, pointer: &str, text: &str) -> Content {
        let cleaned = clean(text);
        if cleaned.is_empty() {
            return Content::Nothing;
        }
        let is_choice = self
            .schema(pointer)
            .is_some_and(|schema| schema.get("enum").is_some());
        if !is_choice {
            return Content::Text(cleaned);
        }
        if let Some(named) = self.playbook.value_name(text, self.locale) {
            return Content::Word(named.to_owned());
        }
        // `landing_page` is a name of the playbook's own; `720x1280`, `mp3` and `alloy` are what they are.
        let is_name =
            text.contains('_') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        Content::Word(if is_name { humanised(text) } else { cleaned })
    }

    /// A share of one is shown in per cent.
    fn number(&self, pointer: &str, value: &Value) -> String {
        let schema = self.schema(pointer);
        let bound = |keyword| schema.and_then(|schema| schema.get(keyword)?.as_f64());
        let is_share = bound("minimum") == Some(0.0) && bound("maximum") == Some(1.0);
        let is_whole = schema.and_then(|schema| schema.get("type")?.as_str()) == Some("integer");
        match value.as_f64() {
            Some(share) if is_share && !is_whole => format!("{:.0}%", share * 100.0),
            _ => value.to_string(),
        }
    }

    fn list(&self, pointer: &str, items: &[Value]) -> Content {
        if items.is_empty() {
            return Content::Nothing;
        }
        let is_searched = self
            .stage
            .verify
            .iter()
            .any(|verify| verify.path == pointer && verify.check == Check::SearchedUrl);
        let element = format!("{pointer}/0");
        if is_searched {
            let pages = items.iter().filter_map(Value::as_object);
            return Content::Pages(pages.map(|page| self.page(&element, page)).collect());
        }
        if let Some(table) = self.table(&element, items) {
            return table;
        }
        let texts = items.iter().map(|item| match self.value(&element, item) {
            Content::Word(text) | Content::Text(text) => Some(text),
            Content::Nothing => Some(String::new()),
            Content::List(_) | Content::Fields(_) | Content::Table { .. } | Content::Pages(_) => None,
        });
        match texts.collect::<Option<Vec<String>>>() {
            Some(texts) => Content::List(texts),
            // Lists of unlike things, which no strict schema asks for, are told one by one.
            None => Content::Fields(
                items
                    .iter()
                    .zip(1..)
                    .map(|(item, number): (&Value, usize)| (number.to_string(), self.value(&element, item)))
                    .collect(),
            ),
        }
    }

    fn table(&self, element: &str, items: &[Value]) -> Option<Content> {
        let rows: Vec<&Map<String, Value>> = items.iter().map(Value::as_object).collect::<Option<_>>()?;
        let mut names: Vec<String> = Vec::new();
        for row in &rows {
            for name in self.in_order(element, row) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let cells = |row: &&Map<String, Value>| {
            let cell = |name: &String| {
                row.get(name)
                    .map_or(Content::Nothing, |value| self.value(&child(element, name), value))
            };
            names.iter().map(cell).collect()
        };
        Some(Content::Table {
            columns: names.iter().map(|name| self.name(name)).collect(),
            rows: rows.iter().map(cells).collect(),
        })
    }

    fn page(&self, element: &str, page: &Map<String, Value>) -> Page {
        let found = |names: &[&'static str]| {
            let name = names
                .iter()
                .find(|name| page.get(**name).is_some_and(Value::is_string))?;
            let text = page.get(*name).and_then(Value::as_str).map(clean);
            text.filter(|text| !text.is_empty()).map(|text| (*name, text))
        };
        let address = found(&[ADDRESS_FIELD])
            .map(|(_, address)| address)
            .unwrap_or_default();
        let source = self
            .sources
            .iter()
            .find(|source| is_same_page(&source.url, &address));
        let link = safe_link(&address);
        let host = link.as_ref().and_then(Url::host_str);
        let (title, passage, date) = (found(&TITLE_FIELDS), found(&PASSAGE_FIELDS), found(&DATE_FIELDS));
        let shown: Vec<&str> = [&title, &passage, &date]
            .into_iter()
            .flatten()
            .map(|(name, _)| *name)
            .chain([ADDRESS_FIELD])
            .collect();
        let details = self
            .in_order(element, page)
            .into_iter()
            .filter(|name| !shown.contains(&name.as_str()))
            // The address says as much.
            .filter(|name| host.is_none() || page.get(name).and_then(Value::as_str) != host);
        let of_search = |text: Option<&String>| text.map(|text| clean(text)).filter(|text| !text.is_empty());
        Page {
            title: title
                .map(|(_, title)| title)
                .or_else(|| of_search(source?.title.as_ref()))
                .unwrap_or_else(|| address.clone()),
            passage: passage
                .map(|(_, passage)| passage)
                .or_else(|| of_search(source?.passage.as_ref())),
            date: date.map(|(_, date)| date).filter(|date| date != "unknown"),
            details: details.map(|name| self.field(element, page, &name)).collect(),
            link,
            address,
        }
    }

    /// The names of an object's fields in the order of the schema; what the schema does not know comes last.
    fn in_order(&self, pointer: &str, fields: &Map<String, Value>) -> Vec<String> {
        let properties = self
            .schema(pointer)
            .and_then(|schema| schema.get("properties")?.as_object());
        let mut names: Vec<String> = properties
            .into_iter()
            .flat_map(|properties| {
                properties
                    .keys()
                    .filter(|name| fields.contains_key(*name))
                    .cloned()
            })
            .collect();
        for name in fields.keys() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    fn name(&self, name: &str) -> String {
        let named = self.playbook.field_name(name, self.locale);
        named.map_or_else(|| clean(&humanised(name)), str::to_owned)
    }

    fn schema(&self, pointer: &str) -> Option<&Value> {
        self.stage.schema_at(pointer)
    }
}

/// A text without what nobody can see and what could make others read differently: control characters, and the marks
/// that turn the direction of whatever follows. Marks that belong to one letter's own script stay.
pub(super) fn clean(text: &str) -> String {
    let turns_direction = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let kept = text
        .replace("\r\n", "\n")
        .chars()
        .filter(|letter| (!letter.is_control() || matches!(letter, '\n' | '\t')) && !turns_direction(*letter))
        .collect::<String>();
    kept.trim().to_owned()
}

/// An address that may be followed from a document that others will open.
fn safe_link(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    let is_plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    (is_plain && url.host_str().is_some()).then_some(url)
}

fn child(pointer: &str, name: &str) -> String {
    let mut child = pointer.to_owned();
    push_pointer_token(&mut child, name);
    child
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_https_addresses_are_followed() {
        for address in ["https://example.com/a?b=c#d", "https://예시.한국/경로"] {
            assert!(safe_link(address).is_some(), "{address}");
        }
        for address in [
            "",
            "http://example.com",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "https://bank.example@evil.example/",
            "//example.com",
            "example.com",
        ] {
            assert_eq!(safe_link(address), None, "{address}");
        }
    }

    #[test]
    fn what_nobody_can_see_is_left_out() {
        assert_eq!(
            clean("a\u{202e}b\u{0}c\u{2066}d\r\ne\u{200f}f \n"),
            "abcd\ne\u{200f}f"
        );
    }
}
