//! What a command line asks of the socket.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::arguments::{AdminQuestion, LimitsTask, ProvidersTask};

/// A request to the socket.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

impl Question {
    /// Asks and changes nothing.
    pub(super) fn look(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
        }
    }

    fn act(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self {
            method,
            path: path.into(),
            body: Some(body),
        }
    }
}

impl From<&AdminQuestion> for Question {
    fn from(question: &AdminQuestion) -> Self {
        match question {
            AdminQuestion::Sessions { state, limit } => {
                let state = state
                    .as_deref()
                    .map(|state| format!("&state={}", in_query(state)));
                Self::look(format!("/sessions?limit={limit}{}", state.unwrap_or_default()))
            }
            AdminQuestion::Show { session } => Self::look(format!("/sessions/{session}")),
            AdminQuestion::Events {
                session,
                after,
                limit,
            } => {
                let after = after.map_or(0, |after| after.0.0);
                Self::look(format!("/sessions/{session}/events?after={after}&limit={limit}"))
            }
            AdminQuestion::Restart {
                session,
                reason,
                from_stage,
            } => {
                let mut body = json!({ "reason": reason });
                if let Some(from_stage) = from_stage {
                    body["from_stage"] = json!(from_stage);
                }
                Self::act(Method::POST, format!("/sessions/{session}/restart"), body)
            }
            AdminQuestion::Stop { session, reason } => Self::act(
                Method::POST,
                format!("/sessions/{session}/stop"),
                json!({ "reason": reason }),
            ),
            AdminQuestion::Drain { reason } => {
                Self::act(Method::POST, "/drain", reasoned(Map::new(), reason.as_ref()))
            }
            AdminQuestion::Jobs { state, limit } => {
                let state = state.map(|state| format!("&state={}", state.as_str()));
                Self::look(format!("/jobs?limit={limit}{}", state.unwrap_or_default()))
            }
            AdminQuestion::Providers { task: None } => Self::look("/providers"),
            AdminQuestion::Providers {
                task: Some(ProvidersTask::Reset { name, reason }),
            } => Self::act(
                Method::POST,
                format!("/providers/{}/reset", in_query(name)),
                reasoned(Map::new(), reason.as_ref()),
            ),
            AdminQuestion::Limits { task } => limits(task.as_ref()),
            AdminQuestion::Top { limit, window_ms } => {
                Self::look(format!("/top?limit={limit}&window_ms={window_ms}"))
            }
            AdminQuestion::Audit { limit } => Self::look(format!("/audit?limit={limit}")),
        }
    }
}

fn limits(task: Option<&LimitsTask>) -> Question {
    let (changes, reason) = match task {
        None => return Question::look("/limits"),
        Some(LimitsTask::Set { limits, reason }) => {
            let changes = limits.iter().map(|(name, value)| (name.clone(), json!(value)));
            (changes.collect(), reason)
        }
        Some(LimitsTask::Unset { names, reason }) => {
            let changes = names.iter().map(|name| (name.clone(), Value::Null));
            (changes.collect(), reason)
        }
    };
    Question::act(Method::PUT, "/limits", reasoned(changes, reason.as_ref()))
}

fn reasoned(mut body: Map<String, Value>, reason: Option<&String>) -> Value {
    if let Some(reason) = reason {
        body.insert("reason".to_owned(), json!(reason));
    }
    Value::Object(body)
}

/// A name for a path or a query. Names are made of letters, digits and `_`; anything else finds nothing, and must not
/// become a path or a parameter of its own.
fn in_query(name: &str) -> String {
    name.chars()
        .filter(|letter| letter.is_ascii_graphic() && !matches!(letter, '&' | '#' | '%' | '+' | '/' | '?'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &AdminQuestion, method: Method, path: &str, body: Option<Value>) {
        let expected = Question {
            method,
            path: path.to_owned(),
            body,
        };
        assert_eq!(Question::from(question), expected);
    }

    #[test]
    fn a_state_cannot_smuggle_in_a_second_parameter() {
        let question = AdminQuestion::Sessions {
            state: Some("DONE&limit=9 #".to_owned()),
            limit: 5,
        };
        check(
            &question,
            Method::GET,
            "/sessions?limit=5&state=DONElimit=9",
            None,
        );
    }

    #[test]
    fn what_changes_something_carries_its_reason() {
        let session = "sess_00000000000000000000000007".parse().unwrap();
        let restart = |from_stage: Option<&str>| AdminQuestion::Restart {
            session,
            reason: "why".to_owned(),
            from_stage: from_stage.map(|stage| stage.parse().unwrap()),
        };
        let path = "/sessions/sess_00000000000000000000000007/restart";
        check(
            &restart(None),
            Method::POST,
            path,
            Some(json!({ "reason": "why" })),
        );
        check(
            &restart(Some("strategy")),
            Method::POST,
            path,
            Some(json!({ "reason": "why", "from_stage": "strategy" })),
        );
        let drain = AdminQuestion::Drain { reason: None };
        check(&drain, Method::POST, "/drain", Some(json!({})));
        let reset = AdminQuestion::Providers {
            task: Some(ProvidersTask::Reset {
                name: "llm/../x".to_owned(),
                reason: Some("back".to_owned()),
            }),
        };
        check(
            &reset,
            Method::POST,
            "/providers/llm..x/reset",
            Some(json!({ "reason": "back" })),
        );
    }

    #[test]
    fn a_limit_that_is_given_back_is_null() {
        let set = |task| AdminQuestion::Limits { task: Some(task) };
        check(
            &set(LimitsTask::Set {
                limits: vec![("connections".to_owned(), 5)],
                reason: None,
            }),
            Method::PUT,
            "/limits",
            Some(json!({ "connections": 5 })),
        );
        check(
            &set(LimitsTask::Unset {
                names: vec!["connections".to_owned()],
                reason: Some("calm again".to_owned()),
            }),
            Method::PUT,
            "/limits",
            Some(json!({ "connections": null, "reason": "calm again" })),
        );
    }
}
