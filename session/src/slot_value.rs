//! What may stand in a slot: the shape of a value, and how a user's own edit is brought into it.

use greenroom_protocol::limits;
use serde_json::{Number, Value};

use crate::playbook::{SlotKind, SlotSpec};

impl SlotSpec {
    /// Whether a value fills the slot.
    pub fn accepts(&self, value: &Value) -> bool {
        match (&self.kind, value) {
            (SlotKind::Text, Value::String(text)) => !text.trim().is_empty(),
            (SlotKind::TextList { items_min, items_max }, Value::Array(items)) => {
                (*items_min..=*items_max).contains(&items.len()) && items.iter().all(is_text)
            }
            (SlotKind::Choice { options } | SlotKind::PriceBand { options }, Value::String(text)) => {
                options.iter().any(|option| option.value == *text)
            }
            (SlotKind::Number { options, .. }, Value::Number(number)) => {
                number.as_i64().is_some_and(|number| options.contains(&number))
            }
            (
                SlotKind::Text
                | SlotKind::TextList { .. }
                | SlotKind::Choice { .. }
                | SlotKind::PriceBand { .. }
                | SlotKind::Number { .. },
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)
                | Value::Object(_),
            ) => false,
        }
    }

    /// Brings a user's own edit into the slot's form, or says what form that is.
    pub fn edited(&self, value: &Value) -> Result<Value, String> {
        let edited = match (&self.kind, value) {
            (_, Value::Null) => return Ok(Value::Null),
            (SlotKind::TextList { .. }, Value::Array(items)) => {
                Value::Array(items.iter().map(trimmed).collect())
            }
            (SlotKind::Number { .. }, Value::String(text)) => text
                .trim()
                .parse::<i64>()
                .map_or_else(|_| value.clone(), |number| Value::Number(Number::from(number))),
            (_, value) => trimmed(value),
        };
        if !within_limits(&edited) {
            return Err(format!(
                "{}: at most {} characters a text and {} items",
                self.path,
                limits::SLOT_VALUE_CHARS_MAX,
                limits::SLOT_ITEMS_MAX
            ));
        }
        // A list that is still too short is kept: the gate says that it is.
        let short_list = matches!((&self.kind, &edited), (SlotKind::TextList { items_max, .. }, Value::Array(items))
            if !items.is_empty() && items.len() <= *items_max && items.iter().all(is_text));
        if short_list || self.accepts(&edited) {
            Ok(edited)
        } else {
            Err(format!("{} takes {}", self.path, self.expected()))
        }
    }

    /// What the slot takes, in words for a developer.
    pub fn expected(&self) -> String {
        match &self.kind {
            SlotKind::Text => "a text that is not blank".to_owned(),
            SlotKind::TextList { items_min, items_max } => {
                format!("a list of {items_min} to {items_max} texts")
            }
            SlotKind::Choice { options } | SlotKind::PriceBand { options } => {
                let values: Vec<_> = options.iter().map(|option| option.value.as_str()).collect();
                format!("one of {}", values.join(", "))
            }
            SlotKind::Number { options, .. } => {
                let values: Vec<_> = options.iter().map(ToString::to_string).collect();
                format!("one of {}", values.join(", "))
            }
        }
    }

    /// What a value becomes when the slot holds one already: a list that is too short alone joins the one before.
    pub fn joined(&self, before: Option<&Value>, value: Value) -> Value {
        let SlotKind::TextList { items_min, items_max } = &self.kind else {
            return value;
        };
        let (Some(Value::Array(before)), Value::Array(items)) = (before, &value) else {
            return value;
        };
        if items.len() >= *items_min {
            return value;
        }
        let mut joined = before.clone();
        joined.extend(items.iter().filter(|item| !before.contains(item)).cloned());
        joined.truncate(*items_max);
        Value::Array(joined)
    }
}

fn is_text(item: &Value) -> bool {
    item.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn trimmed(value: &Value) -> Value {
    value
        .as_str()
        .map_or_else(|| value.clone(), |text| Value::String(text.trim().to_owned()))
}

fn within_limits(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().count() <= limits::SLOT_VALUE_CHARS_MAX,
        Value::Array(items) => items.len() <= limits::SLOT_ITEMS_MAX && items.iter().all(within_limits),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::Object(_) => false,
    }
}
