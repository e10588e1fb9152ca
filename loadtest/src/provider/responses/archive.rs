//! The responses that are kept, so that they can be looked up, gone on from, cancelled and deleted.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::background::Background;
use crate::provider::author::Chance;

/// Responses that are kept; the oldest goes first.
const RESPONSES_MAX: usize = 1_000;
/// Bytes of all responses that are kept, with what they were asked.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// A response that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// Its id.
    pub(crate) id: String,
    /// What its request wanted to see beyond what every response shows.
    pub(crate) included: Vec<String>,
    /// What it was asked, each item with an id.
    pub(crate) input: Vec<Value>,
    /// What was said before that.
    pub(crate) earlier: Vec<Value>,
    pub(crate) state: StoredState,
}

/// What is known of a response.
#[derive(Debug, Clone)]
pub(crate) enum StoredState {
    /// It is what it is.
    Ended(Arc<Value>),
    /// It is written without anybody waiting for it.
    Background(Arc<Background>),
}

impl Stored {
    /// The response as it stands now.
    pub(crate) fn document(&self) -> Arc<Value> {
        match &self.state {
            StoredState::Ended(document) => Arc::clone(document),
            StoredState::Background(background) => background.document(),
        }
    }

    /// What whoever goes on from it has heard: earlier items, its input, and its output.
    pub(crate) fn conversation(&self) -> Vec<Value> {
        let document = self.document();
        let output = document["output"].as_array().into_iter().flatten();
        let heard = self.earlier.iter().chain(&self.input);
        heard.chain(output).cloned().collect()
    }

    fn bytes(&self) -> usize {
        let items = self.earlier.iter().chain(&self.input);
        let items: usize = items.map(|item| item.to_string().len()).sum();
        items + self.document().to_string().len()
    }
}

/// What was asked, as items with ids.
pub(crate) fn input_items(input: &Value, serial: Chance) -> Vec<Value> {
    let items = match input {
        Value::String(text) => vec![json!({ "role": "user", "content": text })],
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    };
    items
        .into_iter()
        .enumerate()
        .map(|(index, item)| identified(item, &serial.at(&format!("input {index}")).hex()))
        .collect()
}

fn identified(mut item: Value, id: &str) -> Value {
    if item.get("type").is_none() {
        item["type"] = "message".into();
    }
    let is_message = item["type"] == "message";
    if item.get("id").is_none() {
        let prefix = if is_message { "msg" } else { "fc" };
        item["id"] = format!("{prefix}_{id}").into();
    }
    if is_message {
        item["status"] = "completed".into();
        if let Some(text) = item["content"].as_str() {
            let kind = if item["role"] == "assistant" {
                "output_text"
            } else {
                "input_text"
            };
            let mut part = json!({ "type": kind, "text": text });
            if kind == "output_text" {
                part["annotations"] = json!([]);
            }
            item["content"] = json!([part]);
        }
    }
    item
}

/// All responses that are kept.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    responses: HashMap<String, (Stored, usize)>,
    /// Ids, oldest first; those of deleted responses may be among them.
    order: VecDeque<String>,
    bytes: usize,
}

impl Archive {
    /// Keeps a response, and lets go of the oldest when there are too many.
    pub(crate) fn keep(&self, stored: Stored) {
        let mut inner = self.lock();
        let bytes = stored.bytes();
        inner.bytes += bytes;
        inner.order.push_back(stored.id.clone());
        inner.responses.insert(stored.id.clone(), (stored, bytes));
        while inner.responses.len() > 1 && (inner.responses.len() > RESPONSES_MAX || inner.bytes > BYTES_MAX)
        {
            let Some(oldest) = inner.order.pop_front() else {
                break;
            };
            inner.remove(&oldest);
        }
    }

    /// The response with an id.
    pub(crate) fn get(&self, id: &str) -> Option<Stored> {
        self.lock().responses.get(id).map(|(stored, _)| stored.clone())
    }

    /// Forgets a response; one that is being written is no longer written.
    pub(crate) fn delete(&self, id: &str) -> bool {
        let mut inner = self.lock();
        inner.order.retain(|kept| kept != id);
        inner.remove(id)
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        *self.lock() = Inner::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Plain data: a panic elsewhere leaves at worst a response too many.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remove(&mut self, id: &str) -> bool {
        let removed = self.responses.remove(id);
        if let Some((_, bytes)) = &removed {
            self.bytes = self.bytes.saturating_sub(*bytes);
        }
        removed.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(id: &str, text: &str) -> Stored {
        Stored {
            id: id.to_owned(),
            included: Vec::new(),
            input: input_items(&json!(text), Chance::new(1, id)),
            earlier: Vec::new(),
            state: StoredState::Ended(Arc::new(json!({ "id": id, "output": [{ "type": "message" }] }))),
        }
    }

    #[test]
    fn what_is_kept_can_be_gone_on_from_until_it_is_deleted() {
        let archive = Archive::default();
        archive.keep(stored("resp_1", "hello"));
        let items = archive.get("resp_1").unwrap().conversation();
        assert_eq!(items.len(), 2);
        assert_eq!(items[0]["content"][0]["text"], "hello");
        assert!(archive.delete("resp_1") && !archive.delete("resp_1"));
        assert!(archive.get("resp_1").is_none());
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many_or_too_much() {
        let archive = Archive::default();
        for index in 0..=RESPONSES_MAX {
            archive.keep(stored(&format!("resp_{index}"), "hello"));
        }
        assert!(archive.get("resp_0").is_none());
        assert!(archive.get("resp_1").is_some());
        archive.keep(stored("large", &"x".repeat(BYTES_MAX)));
        assert!(archive.get("large").is_some());
        assert!(archive.get(&format!("resp_{RESPONSES_MAX}")).is_none());
    }
}
