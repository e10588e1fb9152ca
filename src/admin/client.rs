//! `greenroom admin`: asks a running server and prints the answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

use super::socket::SOCKET_NAME;
use super::table;
use crate::cli::{AdminArgs, AdminQuestion};

/// How long the server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers on the socket.
    #[error("no server answers on {}: {reason}; name its socket with --socket", path.display())]
    NoServer {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The connection broke, or the answer makes no sense.
    #[error("the server's answer cannot be read: {0}")]
    Unreadable(String),
    /// The server took too long.
    #[error("the server did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    TooLate,
    /// The server answered with an error.
    #[error("{code}: {message}")]
    Refused {
        /// Its code.
        code: String,
        /// What it means.
        message: String,
    },
}

/// Asks and prints.
pub async fn ask(args: &AdminArgs) -> Result<(), AskError> {
    let answer = get(args.socket.as_deref(), &path_of(&args.question)).await?;
    if args.json {
        println!("{answer:#}");
    } else {
        print!("{}", readable(&args.question, &answer));
    }
    Ok(())
}

fn path_of(question: &AdminQuestion) -> String {
    match question {
        AdminQuestion::Sessions { state, limit } => {
            // States are names of the playbook: letters, digits and `_`; anything else finds nothing.
            let state = state
                .as_deref()
                .map(|state| state.replace(|letter: char| !letter.is_ascii_graphic(), ""));
            let state = state.map(|state| format!("&state={}", state.replace(['&', '#', '%', '+'], "")));
            format!("/sessions?limit={limit}{}", state.unwrap_or_default())
        }
        AdminQuestion::Show { session } => format!("/sessions/{session}"),
        AdminQuestion::Events {
            session,
            after,
            limit,
        } => {
            let after = after.map_or(0, |after| after.0.0);
            format!("/sessions/{session}/events?after={after}&limit={limit}")
        }
    }
}

/// Asks the server at a socket, or at the usual one.
pub async fn get(socket: Option<&Path>, path: &str) -> Result<Value, AskError> {
    let usual = Path::new("./data").join(SOCKET_NAME);
    let asked = tokio::time::timeout(ANSWER_TIMEOUT, get_from(socket.unwrap_or(&usual), path)).await;
    asked.map_err(|_| AskError::TooLate)?
}

async fn get_from(socket: &Path, path: &str) -> Result<Value, AskError> {
    let no_server = |error: std::io::Error| AskError::NoServer {
        path: socket.to_owned(),
        reason: error.to_string(),
    };
    let unreadable = |error: hyper::Error| AskError::Unreadable(error.to_string());
    let stream = UnixStream::connect(socket).await.map_err(no_server)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(unreadable)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = hyper::Request::get(path)
        .header("host", "admin")
        .body(Body::empty());
    let request = request.map_err(|error| AskError::Unreadable(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(unreadable)?;
    let succeeded = response.status().is_success();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(unreadable)?
        .to_bytes();
    let answer: Value =
        serde_json::from_slice(&body).map_err(|error| AskError::Unreadable(error.to_string()))?;
    if succeeded {
        Ok(answer)
    } else {
        Err(AskError::Refused {
            code: cell(&answer["error"]["code"]),
            message: cell(&answer["error"]["message"]),
        })
    }
}

fn readable(question: &AdminQuestion, answer: &Value) -> String {
    match question {
        AdminQuestion::Sessions { .. } => sessions(answer),
        AdminQuestion::Show { .. } => session(answer),
        AdminQuestion::Events { .. } => events(answer),
    }
}

fn sessions(answer: &Value) -> String {
    let columns = [
        "session_id",
        "state",
        "title",
        "user",
        "completeness",
        "head",
        "updated_at",
    ];
    let heading = [
        "SESSION", "STATE", "TITLE", "USER", "COMPLETE", "EVENTS", "UPDATED",
    ];
    let rows: Vec<Vec<String>> = items(&answer["items"])
        .map(|item| columns.iter().map(|column| cell(&item[*column])).collect())
        .collect();
    let summary = format!(
        "{} of {} sessions, {} in memory\n",
        rows.len(),
        answer["total"],
        answer["live"]
    );
    table::render(&heading, &rows) + &summary
}

fn session(answer: &Value) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut add = |name: String, value: &Value| rows.push(vec![name, cell(value)]);
    for (name, value) in answer.as_object().into_iter().flatten() {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    add(format!("{name}.{field}"), value);
                }
            }
            Value::Null => {}
            other => add(name.clone(), other),
        }
    }
    table::render(&["FIELD", "VALUE"], &rows)
}

fn events(answer: &Value) -> String {
    let row = |event: &Value| {
        vec![
            cell(&event["event_id"]),
            cell(&event["created_at"]),
            cell(&event["type"]),
            event["data"].to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = items(&answer["events"]).map(row).collect();
    let summary = format!("{} of {} events\n", rows.len(), answer["head"]);
    table::render(&["EVENT", "AT", "TYPE", "DATA"], &rows) + &summary
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_of_sessions_is_a_table() {
        let answer = json!({
            "items": [{ "session_id": "sess_1", "state": "DONE", "title": null, "user": "alice…", "completeness": 1.0, "head": 9 }],
            "total": 7, "live": 2,
        });
        let text = sessions(&answer);
        assert!(text.starts_with("SESSION  STATE  TITLE  USER"), "{text}");
        assert!(text.contains("sess_1   DONE   -      alice…"), "{text}");
        assert!(text.ends_with("1 of 7 sessions, 2 in memory\n"), "{text}");
    }

    #[test]
    fn one_session_is_shown_field_by_field() {
        let text = session(&json!({ "state": "FAILED", "cost": { "calls": 3 }, "actor_error": null }));
        assert!(
            text.contains("cost.calls  3") && !text.contains("actor_error"),
            "{text}"
        );
    }

    #[test]
    fn a_state_cannot_smuggle_in_a_second_parameter() {
        let question = AdminQuestion::Sessions {
            state: Some("DONE&limit=9 #".to_owned()),
            limit: 5,
        };
        assert_eq!(path_of(&question), "/sessions?limit=5&state=DONElimit=9");
    }

    #[tokio::test]
    async fn without_a_server_the_socket_is_named() {
        let error = get(Some(Path::new("/nonexistent/admin.sock")), "/sessions")
            .await
            .unwrap_err();
        assert!(error.to_string().contains("/nonexistent/admin.sock"), "{error}");
    }
}
