//! The document as it grows: which containers are open, where the reader stands, and what may be seen of it.

use greenroom_protocol::{Delta, DeltaChange, push_pointer_token};
use serde_json::{Map, Value};

use super::{DEPTH_MAX, PartialJsonError, Step};

/// A document that is being built from its beginnings and ends, as they are read.
#[derive(Debug)]
pub(super) struct GrowingDocument {
    held: Vec<String>,
    /// Containers that are open, outermost first.
    open: Vec<Container>,
    /// JSON pointer of the value that is being read.
    path: String,
    /// Number of open containers around the held value that is being read, if one is.
    held_depth: Option<usize>,
    whole: Value,
    steps: Vec<Step>,
}

/// What the reader stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    Nothing,
    Object,
    List,
}

/// An open container. `path_bytes` is the length of its own pointer.
#[derive(Debug)]
enum Container {
    Object {
        fields: Map<String, Value>,
        /// Name of the field that is being read.
        key: String,
        path_bytes: usize,
    },
    List {
        items: Vec<Value>,
        path_bytes: usize,
    },
}

impl GrowingDocument {
    pub(super) fn new(held: Vec<String>) -> Self {
        Self {
            held,
            open: Vec::new(),
            path: String::new(),
            held_depth: None,
            whole: Value::Null,
            steps: Vec::new(),
        }
    }

    pub(super) fn inside(&self) -> Inside {
        match self.open.last() {
            None => Inside::Nothing,
            Some(Container::Object { .. }) => Inside::Object,
            Some(Container::List { .. }) => Inside::List,
        }
    }

    /// The steps since the last call.
    pub(super) fn take_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    /// The whole, once nothing is open any more.
    pub(super) fn into_whole(self) -> Value {
        self.whole
    }

    /// Names the field whose value comes next.
    pub(super) fn name_field(&mut self, name: String) -> Result<(), PartialJsonError> {
        let Some(Container::Object {
            fields,
            key,
            path_bytes,
        }) = self.open.last_mut()
        else {
            return Ok(());
        };
        self.path.truncate(*path_bytes);
        if fields.contains_key(&name) {
            push_pointer_token(&mut self.path, &name);
            return Err(PartialJsonError::DuplicateKey {
                path: self.path.clone(),
            });
        }
        // Whoever applies a delta below a path where nothing is yet takes `0` for the first index of a list.
        let looks_like_list = fields.is_empty() && name == "0";
        *key = name;
        if looks_like_list {
            self.show(DeltaChange::Value(Value::Object(Map::new())));
        }
        Ok(())
    }

    /// Brings the path to the value that begins here, and notices when it is one to hold.
    pub(super) fn begin_value(&mut self) {
        match self.open.last() {
            None => {}
            Some(Container::Object { key, path_bytes, .. }) => {
                self.path.truncate(*path_bytes);
                push_pointer_token(&mut self.path, key);
            }
            Some(Container::List { items, path_bytes }) => {
                self.path.truncate(*path_bytes);
                push_pointer_token(&mut self.path, &items.len().to_string());
            }
        }
        if self.held_depth.is_none() && self.held.contains(&self.path) {
            self.held_depth = Some(self.open.len());
        }
    }

    pub(super) fn open_object(&mut self) -> Result<(), PartialJsonError> {
        let path_bytes = self.path.len();
        self.open_container(Container::Object {
            fields: Map::new(),
            key: String::new(),
            path_bytes,
        })
    }

    pub(super) fn open_list(&mut self) -> Result<(), PartialJsonError> {
        let path_bytes = self.path.len();
        self.open_container(Container::List {
            items: Vec::new(),
            path_bytes,
        })
    }

    fn open_container(&mut self, container: Container) -> Result<(), PartialJsonError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(PartialJsonError::TooDeep {
                path: self.path.clone(),
            });
        }
        self.open.push(container);
        Ok(())
    }

    /// The text that is being read grows.
    pub(super) fn grow_text(&mut self, gained: &str) {
        self.show(DeltaChange::Append(gained.to_owned()));
    }

    /// The text that is being read is complete, and was shown as it grew unless it is empty.
    pub(super) fn complete_text(&mut self, text: String) {
        if text.is_empty() {
            self.show(DeltaChange::Value(Value::String(String::new())));
        }
        self.complete(Value::String(text));
    }

    /// A number, a truth value or null is complete.
    pub(super) fn complete_scalar(&mut self, value: Value) {
        self.show(DeltaChange::Value(value.clone()));
        self.complete(value);
    }

    /// The innermost container is complete.
    pub(super) fn close_container(&mut self) {
        let (value, path_bytes, is_empty) = match self.open.pop() {
            None => return,
            Some(Container::Object {
                fields, path_bytes, ..
            }) => {
                let is_empty = fields.is_empty();
                (Value::Object(fields), path_bytes, is_empty)
            }
            Some(Container::List { items, path_bytes }) => {
                let is_empty = items.is_empty();
                (Value::Array(items), path_bytes, is_empty)
            }
        };
        self.path.truncate(path_bytes);
        let is_held_list = value.is_array() && self.held_depth == Some(self.open.len());
        if is_empty && is_held_list {
            // There is nothing to check in it.
            self.held_depth = None;
        }
        if is_empty {
            self.show(DeltaChange::Value(value.clone()));
        }
        self.complete(value);
    }

    /// Files a complete value in its container, and says so where a caller waits for it.
    fn complete(&mut self, value: Value) {
        if self.held_depth == Some(self.open.len()) {
            self.held_depth = None;
        }
        let is_field_of_whole = self.open.len() == 1;
        let is_in_held = self.held_depth.is_some_and(|depth| depth + 1 == self.open.len());
        match self.open.last_mut() {
            None => self.whole = value,
            Some(Container::Object { fields, key, .. }) => {
                if is_field_of_whole {
                    self.steps.push(Step::Closed {
                        path: self.path.clone(),
                        value: value.clone(),
                    });
                }
                fields.insert(std::mem::take(key), value);
            }
            Some(Container::List { items, path_bytes }) => {
                if is_in_held {
                    let list_path = self.path[..*path_bytes].to_owned();
                    self.steps.push(Step::Element {
                        list_path,
                        index: items.len(),
                        value: value.clone(),
                    });
                }
                items.push(value);
            }
        }
    }

    fn show(&mut self, change: DeltaChange) {
        if self.held_depth.is_none() {
            self.steps.push(Step::Delta(Delta {
                path: self.path.clone(),
                change,
            }));
        }
    }
}
