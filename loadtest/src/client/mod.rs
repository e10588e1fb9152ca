//! A small typed client, for the load tester, the demo and the tests: REST, event streams and the WebSocket.

mod record;
mod rest;
mod socket;
mod stream;
mod voice;

use std::io;

use greenroom_protocol::{ApiError, ErrorBody, ErrorCode, EventId, SessionId};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};

pub use record::{ConnectionRecorder, Origin, RecordLine, Recorder, Saw, SeenEvent};
pub use rest::{CreateSession, Created, EventsPage, JobReceipt, RunReceipt, SessionState, SlotEdit, Turn};
pub use socket::{Incoming, Reconnect, Socket, SocketOptions};
pub use stream::EventStream;
pub use voice::{AssistantVoice, VoiceFormat, VoiceTurn, VoiceTurnOptions};

const USER_KEY: HeaderName = HeaderName::from_static("x-user-key");

/// A request that did not work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused it.
    #[error("{status}: {}: {}", error.code, error.message)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        error: Box<ErrorBody>,
    },
    /// The server answered with something that the contract does not know.
    #[error("{status}: not an answer of the contract: {reason}: {body}")]
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// What is wrong.
        reason: String,
        /// The answer, as far as it was read.
        body: String,
    },
    /// No answer came.
    #[error("no answer: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// The WebSocket could not be opened, or broke.
    #[error("the socket broke: {0}")]
    Socket(#[from] Box<tokio_tungstenite::tungstenite::Error>),
    /// The record could not be written, so what was seen cannot be checked.
    #[error("the record cannot be written: {0}")]
    Record(#[from] io::Error),
    /// The address or a key cannot be used.
    #[error("cannot be used: {0}")]
    Unusable(String),
}

impl ClientError {
    /// The code that the server refused it with.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { error, .. } => Some(error.code),
            _ => None,
        }
    }

    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Unreadable { status, .. } => Some(*status),
            _ => None,
        }
    }

    fn of_answer(status: u16, body: &str) -> Self {
        match serde_json::from_str::<ApiError>(body) {
            Ok(answer) => Self::Refused {
                status,
                error: Box::new(answer.error),
            },
            Err(error) => Self::Unreadable {
                status,
                reason: error.to_string(),
                body: body.to_owned(),
            },
        }
    }
}

/// One user of a server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    user_key: Option<String>,
    token: Option<String>,
    recorder: Recorder,
}

impl Client {
    /// A client of the server at `http://host:port`, without a key or a token, that records nothing.
    pub fn new(base: &str) -> Result<Self, ClientError> {
        let base = base.trim_end_matches('/');
        if !base.starts_with("http://") {
            return Err(ClientError::Unusable(format!(
                "{base} does not begin with http://"
            )));
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Somebody else may install one in the same moment; either will do.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self {
            http,
            base: base.to_owned(),
            user_key: None,
            token: None,
            recorder: Recorder::none(),
        })
    }

    /// As this user (`X-User-Key`).
    #[must_use]
    pub fn with_user_key(self, key: impl Into<String>) -> Self {
        Self {
            user_key: Some(key.into()),
            ..self
        }
    }

    /// With the server's token.
    #[must_use]
    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            ..self
        }
    }

    /// Records what its sockets and streams see, and what it sends over sockets.
    #[must_use]
    pub fn with_recorder(self, recorder: Recorder) -> Self {
        Self { recorder, ..self }
    }

    fn headers(&self) -> Result<HeaderMap, ClientError> {
        let usable = |value: &str| {
            HeaderValue::from_str(value)
                .map_err(|_| ClientError::Unusable("a key is no header value".to_owned()))
        };
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.user_key {
            headers.insert(USER_KEY, usable(key)?);
        }
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, usable(&format!("Bearer {token}"))?);
        }
        Ok(headers)
    }

    fn session_url(&self, session: SessionId, rest: &str) -> String {
        format!("{}/api/chat/session/{session}{rest}", self.base)
    }
}

/// What a resuming client says it has seen.
fn last_event_id(seq: greenroom_protocol::Seq) -> String {
    EventId(seq).to_string()
}
