//! `greenroom admin`: asks a running server and prints the answer.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper::header;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

use super::arguments::AdminArgs;
use super::question::Question;
use super::readable::{cell, readable};
use super::socket::SOCKET_NAME;

/// How long the server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers on the socket.
    #[error("no server answers on {}: {}", path.display(), reason_of(.error))]
    NoServer {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The connection broke, or the answer makes no sense.
    #[error("the server's answer cannot be read: {0}")]
    Unreadable(String),
    /// The server took too long.
    #[error("the server did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    TooLate,
    /// The server answered with an error.
    #[error("{code}: {message}{}", explained(.details))]
    Refused {
        /// Its code.
        code: String,
        /// What it means.
        message: String,
        /// What is wrong with the question.
        details: Value,
    },
}

/// What somebody who finds no server is to look at.
fn reason_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no such socket; start the server, or name the socket in its data directory with --socket"
                .to_owned()
        }
        io::ErrorKind::ConnectionRefused => {
            "a server that has ended left it behind; start one, which takes its place".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "it is for the server's own user and for root; ask as one of them".to_owned()
        }
        _ => error.to_string(),
    }
}

fn explained(details: &Value) -> String {
    match details {
        Value::Null => String::new(),
        Value::String(text) => format!(" ({text})"),
        Value::Object(fields) if fields.contains_key("reason") => {
            let others = fields
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "field" | "reason"));
            let field = fields.get("field").map(|field| format!("{}: ", cell(field)));
            let mut text = format!(" ({}{}", field.unwrap_or_default(), cell(&fields["reason"]));
            for (name, value) in others {
                let _ = write!(text, "; {name}: {}", listed(value));
            }
            text + ")"
        }
        other => format!(" ({other})"),
    }
}

fn listed(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => cell(other),
    }
}

/// Asks and prints.
pub async fn ask(args: &AdminArgs) -> Result<(), AskError> {
    let question = Question::from(&args.question);
    let answer = answer_to(args.socket.as_deref(), question).await?;
    if args.json {
        println!("{answer:#}");
    } else {
        print!("{}", readable(&args.question, &answer));
    }
    Ok(())
}

/// Looks something up at the server of a socket, or of the usual one.
pub async fn get(socket: Option<&Path>, path: &str) -> Result<Value, AskError> {
    answer_to(socket, Question::look(path)).await
}

async fn answer_to(socket: Option<&Path>, question: Question) -> Result<Value, AskError> {
    let usual = Path::new("./data").join(SOCKET_NAME);
    let asked = tokio::time::timeout(ANSWER_TIMEOUT, answer_from(socket.unwrap_or(&usual), question)).await;
    asked.map_err(|_| AskError::TooLate)?
}

async fn answer_from(socket: &Path, question: Question) -> Result<Value, AskError> {
    let no_server = |error| AskError::NoServer {
        path: socket.to_owned(),
        error,
    };
    let unreadable = |error: hyper::Error| AskError::Unreadable(error.to_string());
    let stream = UnixStream::connect(socket).await.map_err(no_server)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(unreadable)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let Question { method, path, body } = question;
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "admin");
    let request = match body {
        Some(body) => request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    };
    let request = request.map_err(|error| AskError::Unreadable(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(unreadable)?;
    let succeeded = response.status().is_success();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(unreadable)?
        .to_bytes();
    let mut answer: Value =
        serde_json::from_slice(&body).map_err(|error| AskError::Unreadable(error.to_string()))?;
    if succeeded {
        Ok(answer)
    } else {
        Err(AskError::Refused {
            code: cell(&answer["error"]["code"]),
            message: cell(&answer["error"]["message"]),
            details: answer["error"]["details"].take(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn told(socket: &Path) -> String {
        get(Some(socket), "/sessions").await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn without_a_server_it_is_said_what_became_of_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("admin.sock");
        let text = told(&missing).await;
        assert!(
            text.contains("admin.sock: there is no such socket") && text.contains("--socket"),
            "{text}"
        );

        let stale = folder.path().join("stale.sock");
        drop(tokio::net::UnixListener::bind(&stale).unwrap());
        let text = told(&stale).await;
        assert!(text.contains("stale.sock: a server that has ended"), "{text}");
    }

    #[test]
    fn what_is_wrong_with_a_question_is_told() {
        let told = |details| {
            let (code, message) = ("INPUT_INVALID".to_owned(), "No.".to_owned());
            AskError::Refused {
                code,
                message,
                details,
            }
            .to_string()
        };
        assert_eq!(told(Value::Null), "INPUT_INVALID: No.");
        assert_eq!(told(json!("such")), "INPUT_INVALID: No. (such)");
        assert_eq!(
            told(json!({ "field": "uploads", "reason": "none" })),
            "INPUT_INVALID: No. (uploads: none)"
        );
        assert_eq!(
            told(json!({ "field": "from_stage", "reason": "none", "stages": ["research", "voice"] })),
            "INPUT_INVALID: No. (from_stage: none; stages: research, voice)"
        );
        assert_eq!(
            told(json!({ "uid": 7, "reason": "none" })),
            "INPUT_INVALID: No. (none; uid: 7)"
        );
        assert_eq!(told(json!({ "head": 7 })), r#"INPUT_INVALID: No. ({"head":7})"#);
    }
}
