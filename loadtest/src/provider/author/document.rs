//! A document that obeys a JSON Schema, with content that follows the names of its fields.

use serde_json::{Map, Value};

use super::bounds::{self, Count};
use super::chance::Chance;
use super::facts::Facts;
use super::timeline::{Span, Timeline};
use super::{pattern, wording};
use crate::provider::search::SearchHit;

/// Below this depth lists get as short and choices as plain as the schema allows, so that recursion ends.
const DEPTH_GENEROUS: usize = 12;
/// Beyond this depth a schema counts as endless.
const DEPTH_MAX: usize = 64;
/// After so many values lists get as short as the schema allows.
const VALUES_GENEROUS: usize = 2_000;
/// Beyond so many values a schema counts as endless.
const VALUES_MAX: usize = 50_000;

/// Lines that a narration is divided into.
const SUBTITLE_LINES: usize = 5;

/// The schema allows no document, or none that the simulator can find.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the simulator finds no value for the schema at {place}: {reason}")]
pub(crate) struct Unsatisfiable {
    place: String,
    reason: &'static str,
}

/// Writes the document. `hits` are what was found by searching; only these are named as evidence.
pub(crate) fn write(
    schema: &Value,
    facts: &Facts,
    hits: &[SearchHit],
    chance: Chance,
) -> Result<Value, Unsatisfiable> {
    let mut writer = Writer {
        root: schema,
        facts,
        hits,
        chance,
        values: 0,
        script: None,
    };
    writer.value(schema, &Place::default())
}

struct Writer<'a> {
    root: &'a Value,
    facts: &'a Facts,
    hits: &'a [SearchHit],
    chance: Chance,
    values: usize,
    /// The short narration, once it is written; subtitles repeat it.
    script: Option<String>,
}

/// Where in the document a value stands, and what that says about it.
#[derive(Debug, Clone, Default)]
struct Place<'a> {
    pointer: String,
    /// The property that the value, or the list it is in, stands under.
    field: &'a str,
    /// Its index in the innermost list.
    index: usize,
    depth: usize,
    /// The window of the timeline that it describes.
    span: Option<Span>,
    /// What it describes, if it is a piece of evidence.
    hit: Option<&'a SearchHit>,
}

impl<'a> Place<'a> {
    fn property(&self, field: &'a str) -> Self {
        let pointer = format!("{}/{field}", self.pointer);
        Self {
            pointer,
            field,
            depth: self.depth + 1,
            ..self.clone()
        }
    }

    fn item(&self, index: usize) -> Self {
        Self {
            pointer: format!("{}/{index}", self.pointer),
            index,
            depth: self.depth + 1,
            ..self.clone()
        }
    }

    fn fails(&self, reason: &'static str) -> Unsatisfiable {
        Unsatisfiable {
            place: format!("#{}", self.pointer),
            reason,
        }
    }
}

impl<'a> Writer<'a> {
    fn value(&mut self, schema: &'a Value, place: &Place<'a>) -> Result<Value, Unsatisfiable> {
        self.values += 1;
        if place.depth > DEPTH_MAX || self.values > VALUES_MAX {
            return Err(place.fails("it never ends"));
        }
        let schema = self.resolve(schema, place)?;
        if let Some(constant) = schema.get("const") {
            return Ok(constant.clone());
        }
        if let Some(choices) = schema["enum"].as_array() {
            return self
                .choice(choices, place)
                .cloned()
                .ok_or_else(|| place.fails("its enum is empty"));
        }
        if let Some(branches) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            return self.branch(branches, place);
        }
        match self.kind(schema, place) {
            "object" => self.object(schema, place),
            "array" => self.array(schema, place),
            "number" | "integer" => self.number(schema, place),
            "boolean" => Ok(Value::Bool(self.chance.at(&place.pointer).below(2) == 0)),
            "null" => Ok(Value::Null),
            _ => self.text(schema, place),
        }
    }

    fn is_generous(&self, place: &Place<'_>) -> bool {
        place.depth <= DEPTH_GENEROUS && self.values <= VALUES_GENEROUS
    }

    fn resolve(&self, schema: &'a Value, place: &Place<'_>) -> Result<&'a Value, Unsatisfiable> {
        let mut resolved = schema;
        for _ in 0..DEPTH_MAX {
            let Some(reference) = resolved["$ref"].as_str() else {
                return Ok(resolved);
            };
            let pointer = reference
                .strip_prefix('#')
                .ok_or_else(|| place.fails("its $ref leads elsewhere"))?;
            resolved = self
                .root
                .pointer(pointer)
                .ok_or_else(|| place.fails("its $ref leads nowhere"))?;
        }
        Err(place.fails("its $ref leads in a circle"))
    }

    /// The type to write. Of several, the first that is not null, unless recursion has to end.
    fn kind(&self, schema: &'a Value, place: &Place<'_>) -> &'a str {
        match &schema["type"] {
            Value::String(kind) => kind,
            Value::Array(kinds) => {
                let mut kinds = kinds.iter().filter_map(Value::as_str);
                let nullable = kinds.clone().any(|kind| kind == "null");
                if nullable && !self.is_generous(place) {
                    return "null";
                }
                kinds.find(|kind| *kind != "null").unwrap_or("null")
            }
            _ if schema.get("properties").is_some() => "object",
            _ if schema.get("items").is_some() => "array",
            _ => "string",
        }
    }

    /// The first branch that can be written; plain ones first when recursion has to end.
    fn branch(&mut self, branches: &'a [Value], place: &Place<'a>) -> Result<Value, Unsatisfiable> {
        let weight = |branch: &Value| match branch["type"].as_str() {
            Some("null") => 0,
            Some("object" | "array") => 2,
            Some(_) => 1,
            None => 3,
        };
        let mut ordered: Vec<&'a Value> = branches.iter().collect();
        if self.is_generous(place) {
            ordered.sort_by_key(|branch| branch["type"] == "null");
        } else {
            ordered.sort_by_key(|branch| weight(branch));
        }
        let mut failure = place.fails("its anyOf is empty");
        for branch in ordered {
            match self.value(branch, place) {
                Ok(value) => return Ok(value),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// One of an enum: what the brief says, else a field's own rule, else by chance.
    fn choice<'c>(&self, choices: &'c [Value], place: &Place<'_>) -> Option<&'c Value> {
        if rotates(place.field) {
            return choices.get(place.index % choices.len().max(1));
        }
        let is = |wanted: Value| move |choice: &&Value| same(choice, &wanted);
        choices
            .iter()
            .find(|choice| is_length(place.field) && choice.as_f64() == Some(self.facts.video_seconds))
            .or_else(|| choices.iter().find(is("unknown".into())))
            .or_else(|| {
                choices
                    .iter()
                    .find(|choice| self.facts.values.iter().any(|value| same(value, choice)))
            })
            .or_else(|| {
                choices
                    .iter()
                    .find(is(10.into()))
                    .filter(|_| is_length(place.field))
            })
            .or_else(|| choices.iter().find(is("720x1280".into())))
            .or_else(|| choices.get(self.chance.at(&place.pointer).below(choices.len())))
    }

    fn object(&mut self, schema: &'a Value, place: &Place<'a>) -> Result<Value, Unsatisfiable> {
        let mut object = Map::new();
        let Some(properties) = schema["properties"].as_object() else {
            return Ok(Value::Object(object));
        };
        let windows: Vec<&'a str> = properties
            .iter()
            .filter(|(_, property)| self.is_window(property))
            .map(|(field, _)| field.as_str())
            .collect();
        let timeline = Timeline {
            seconds: self.facts.video_seconds,
            parts: windows.len(),
        };
        for (field, property) in properties {
            let mut inner = place.property(field);
            if let Some(part) = windows.iter().position(|window| window == field) {
                inner.span = Some(timeline.span(part));
            }
            object.insert(field.clone(), self.value(property, &inner)?);
        }
        Ok(Value::Object(object))
    }

    fn array(&mut self, schema: &'a Value, place: &Place<'a>) -> Result<Value, Unsatisfiable> {
        let count = Count::of(schema, "minItems", "maxItems");
        let Some(items) = schema.get("items") else {
            return Ok(Value::Array(Vec::new()));
        };
        let item_schema = self.resolve(items, place)?;
        let wanted = if self.is_generous(place) {
            self.items_wanted(item_schema, place.field)
        } else {
            0
        };
        let len = count.clamp(wanted);
        let timeline = Timeline {
            seconds: self.facts.video_seconds,
            parts: len,
        };
        let holds_windows = self.is_window(item_schema);
        let holds_evidence = is_evidence(item_schema);
        let mut array = Vec::new();
        for index in 0..len {
            let mut inner = place.item(index);
            inner.span = holds_windows.then(|| timeline.span(index));
            inner.hit = if holds_evidence {
                self.hits.get(index % self.hits.len().max(1))
            } else {
                None
            };
            array.push(self.value(items, &inner)?);
        }
        Ok(Value::Array(array))
    }

    /// How many items make a generous list.
    fn items_wanted(&self, item: &Value, field: &str) -> usize {
        let alternatives = item["enum"].as_array().map(Vec::len).or_else(|| {
            let properties = item["properties"].as_object()?;
            let rotating = properties
                .iter()
                .find(|(name, property)| rotates(name) && property.get("enum").is_some());
            rotating.and_then(|(_, property)| Some(property["enum"].as_array()?.len()))
        });
        match field {
            "ad_copies" => 10,
            "risk_flags" if self.hits.is_empty() => 2,
            "risk_flags" => 1,
            "required_assets" => alternatives.unwrap_or(4),
            _ if is_evidence(item) => self.hits.len(),
            _ if alternatives.is_some() => alternatives.unwrap_or(1),
            _ if field.starts_with("subtitle") => self.subtitle_lines(),
            _ if field.starts_with("emphasis") => 2,
            _ if field.contains("plan") || field == "actions" => 5,
            _ => 3,
        }
    }

    /// Whether a schema describes a window of time: an object with a numeric start and end.
    fn is_window(&self, schema: &'a Value) -> bool {
        let Ok(schema) = self.resolve(schema, &Place::default()) else {
            return false;
        };
        let Some(properties) = schema["properties"].as_object() else {
            return false;
        };
        let has = |bound: fn(&str) -> bool| {
            properties.iter().any(|(name, property)| {
                bound(name) && matches!(property["type"].as_str(), Some("number" | "integer"))
            })
        };
        has(Span::names_start) && has(Span::names_end)
    }

    fn number(&mut self, schema: &'a Value, place: &Place<'a>) -> Result<Value, Unsatisfiable> {
        let chance = self.chance.at(&place.pointer);
        let by_span = place.span.and_then(|span| span.bound(place.field));
        let wanted = match (by_span, place.field) {
            (Some(seconds), field) if field.ends_with("_ms") => seconds * 1_000.0,
            (Some(seconds), _) => seconds,
            (None, "day" | "week" | "step" | "order" | "rank" | "id") => {
                f64::from(u32::try_from(place.index).unwrap_or(0) + 1)
            }
            (None, "confidence" | "score" | "probability") => {
                ((0.6 + 0.3 * chance.unit()) * 100.0).round() / 100.0
            }
            (None, "pace" | "speed" | "rate") => 1.0,
            (None, field) if is_length(field) => self.facts.video_seconds,
            (None, _) => (chance.unit() * 10.0).round(),
        };
        bounds::number(schema, wanted, chance)
            .map(Value::Number)
            .ok_or_else(|| place.fails("its bounds leave no number"))
    }

    fn text(&mut self, schema: &'a Value, place: &Place<'a>) -> Result<Value, Unsatisfiable> {
        let chance = self.chance.at(&place.pointer);
        let length = Count::of(schema, "minLength", "maxLength");
        if length.min > length.max {
            return Err(place.fails("its bounds leave no length"));
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            return pattern::example(pattern, chance, length.min, length.max)
                .map(Value::String)
                .ok_or_else(|| place.fails("no simple text matches its pattern"));
        }
        if let Some(text) = schema["format"]
            .as_str()
            .and_then(|format| Self::formatted(format, chance))
        {
            return Ok(Value::String(text));
        }
        let text = match (place.field, place.hit) {
            ("url" | "link", _) => address(place, chance),
            ("title", Some(hit)) => hit.title.clone(),
            ("source" | "publisher", Some(hit)) => hit.host().to_owned(),
            ("observed_at" | "date" | "published_at", _) => date(chance),
            ("text" | "line" | "caption", _) if place.span.is_some() => self.subtitle(place),
            (field, _) => wording::text(self.facts, field, place.index, self.chance.at(field).below(64)),
        };
        let text = bounds::fit(&text, length);
        if place.field.contains("script") && self.script.is_none() {
            self.script = Some(text.clone());
        }
        Ok(Value::String(text))
    }

    /// The part of the narration that is spoken in a window of the timeline.
    fn subtitle(&self, place: &Place<'_>) -> String {
        let words: Vec<&str> = self
            .script
            .as_deref()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let per_line = words.len().div_ceil(SUBTITLE_LINES).max(1);
        match words.chunks(per_line).nth(place.index) {
            Some(words) => words.join(" "),
            None => wording::text(self.facts, "line", place.index, 0),
        }
    }

    /// How many lines the narration fills.
    fn subtitle_lines(&self) -> usize {
        let words = self
            .script
            .as_deref()
            .unwrap_or_default()
            .split_whitespace()
            .count();
        words.div_ceil(words.div_ceil(SUBTITLE_LINES).max(1)).max(1)
    }

    fn formatted(format: &str, chance: Chance) -> Option<String> {
        let hex = chance.hex();
        Some(match format {
            "date" => date(chance),
            "date-time" => format!("{}T09:{:02}:00Z", date(chance), chance.below(60)),
            "time" => format!("09:{:02}:00Z", chance.below(60)),
            "duration" => format!("PT{}S", chance.below(60) + 1),
            "email" => format!("{}@example.com", &hex[..8]),
            "hostname" => format!("{}.example.com", &hex[..8]),
            "ipv4" => format!("192.0.2.{}", chance.below(254) + 1),
            "ipv6" => format!("2001:db8::{}", &hex[..4]),
            "uuid" => format!(
                "{}-{}-4{}-8{}-{}",
                &hex[..8],
                &hex[8..12],
                &hex[12..15],
                &hex[1..4],
                &hex[4..16]
            ),
            _ => return None,
        })
    }
}

/// The address of what was found, or one under a reserved domain.
fn address(place: &Place<'_>, chance: Chance) -> String {
    place.hit.map_or_else(
        || format!("https://example.com/sim/{}", &chance.hex()[..8]),
        |hit| hit.url.clone(),
    )
}

/// Whether a schema describes something found on the web: an object with an address.
fn is_evidence(schema: &Value) -> bool {
    schema.pointer("/properties/url").is_some()
}

/// Fields whose enum is gone through item by item.
fn rotates(field: &str) -> bool {
    matches!(
        field,
        "segment"
            | "section"
            | "part"
            | "phase"
            | "label"
            | "type"
            | "kind"
            | "asset"
            | "required_assets"
            | "day"
            | "id"
    ) || field.ends_with("words")
}

/// Fields that hold the length of the video.
fn is_length(field: &str) -> bool {
    field.contains("duration") || field.ends_with("seconds") || field == "length_sec"
}

/// Whether two values are the same; 10 and 10.0 are.
fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}

/// A day of 2025.
fn date(chance: Chance) -> String {
    format!(
        "2025-{:02}-{:02}",
        chance.at("month").below(12) + 1,
        chance.at("day").below(28) + 1
    )
}

#[cfg(test)]
mod tests;
