//! The REST calls.

use bytes::Bytes;
use greenroom_protocol::{
    BriefSlots, Gate, JobId, JobStatus, Locale, Mode, RunId, Seq, SessionId, SlotPath, SlotUpdate, limits,
};
use reqwest::{Method, Response, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::stream::EventStream;
use super::{Client, ClientError, Origin, SeenEvent, last_event_id};

pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
const LAST_EVENT_ID: &str = "last-event-id";

/// How a session begins; what is left out is up to the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CreateSession {
    /// The language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// How it spends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The playbook's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playbook: Option<String>,
}

/// A session that was just made.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Created {
    /// The session as it stands.
    #[serde(flatten)]
    pub session: SessionState,
    /// The greeting.
    pub assistant_message: String,
}

/// A session as it stands.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SessionState {
    /// The session.
    pub session_id: SessionId,
    /// Its state, such as `BRIEF_READY`.
    pub state: String,
    /// How it spends.
    pub mode: Mode,
    /// Its language.
    pub locale: Locale,
    /// All slots.
    pub brief_slots: BriefSlots,
    /// Whether a run may start.
    pub gate: Gate,
}

/// A turn that is over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Turn {
    /// The session.
    pub session_id: SessionId,
    /// Its state after the turn.
    pub state: String,
    /// The reply.
    pub assistant_message: String,
    /// The slots that the turn changed.
    pub slot_updates: Vec<SlotUpdate>,
    /// All slots.
    pub brief_slots: BriefSlots,
    /// The gate after the turn.
    pub gate: Gate,
}

/// One edit of a slot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlotEdit {
    /// Which slot.
    pub path: SlotPath,
    /// Its new value; null clears it.
    pub value: Value,
}

/// A run, with the session's state.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RunReceipt {
    /// The run.
    pub run_id: RunId,
    /// Its session.
    pub session_id: SessionId,
    /// The session's state.
    pub state: String,
}

/// The job that stands for a run in the background.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JobReceipt {
    /// The job.
    pub job_id: JobId,
    /// Its session.
    pub session_id: SessionId,
    /// Where it stands.
    pub status: JobStatus,
}

/// A page of the log, its events as they came.
#[derive(Debug, Clone, Deserialize)]
pub struct EventsPage {
    /// The envelopes, oldest first.
    pub events: Vec<Box<RawValue>>,
    /// What to ask for next.
    pub next_after: Seq,
    /// The last event of the log.
    pub head: Seq,
}

impl Client {
    /// Begins a session.
    pub async fn create_session(&self, new: &CreateSession) -> Result<Created, ClientError> {
        self.ask(
            Method::POST,
            &format!("{}/api/chat/session", self.base),
            Some(&json!(new)),
            None,
        )
        .await
    }

    /// Looks at a session.
    pub async fn session(&self, session: SessionId) -> Result<SessionState, ClientError> {
        self.ask(Method::GET, &self.session_url(session, ""), None, None)
            .await
    }

    /// Erases a session with everything that belongs to it.
    pub async fn delete_session(&self, session: SessionId) -> Result<(), ClientError> {
        self.send(Method::DELETE, &self.session_url(session, ""), None, None)
            .await
            .map(drop)
    }

    /// Says something and waits for the reply.
    pub async fn message(
        &self,
        session: SessionId,
        text: &str,
        key: Option<&str>,
    ) -> Result<Turn, ClientError> {
        let body = json!({ "message": text });
        self.ask(
            Method::POST,
            &self.session_url(session, "/message"),
            Some(&body),
            key,
        )
        .await
    }

    /// Says something and follows the turn.
    pub async fn message_stream(
        &self,
        session: SessionId,
        text: &str,
        key: Option<&str>,
    ) -> Result<EventStream, ClientError> {
        let url = self.session_url(session, "/message/stream");
        let response = self
            .send(Method::POST, &url, Some(&json!({ "message": text })), key)
            .await?;
        Ok(EventStream::new(
            response,
            self.recorder.connected(session, Origin::Turn)?,
        ))
    }

    /// Follows the log from after an event on, as it grows.
    pub async fn follow(&self, session: SessionId, after: Seq) -> Result<EventStream, ClientError> {
        let request = self
            .http
            .get(self.session_url(session, "/events"))
            .headers(self.headers()?);
        let request = request
            .header(header::ACCEPT, "text/event-stream")
            .header(LAST_EVENT_ID, last_event_id(after));
        let response = refused_or(request.send().await?).await?;
        Ok(EventStream::new(
            response,
            self.recorder.connected(session, Origin::After(after))?,
        ))
    }

    /// Edits slots.
    pub async fn set_slots(&self, session: SessionId, edits: &[SlotEdit]) -> Result<Value, ClientError> {
        self.ask(
            Method::PATCH,
            &self.session_url(session, "/slots"),
            Some(&json!(edits)),
            None,
        )
        .await
    }

    /// Reads one page of the log.
    pub async fn events_page(
        &self,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<EventsPage, ClientError> {
        let url = self.session_url(session, &format!("/events?after={after}&limit={limit}"));
        self.ask(Method::GET, &url, None, None).await
    }

    /// Reads the whole log, page by page; each envelope as it came.
    pub async fn journal(&self, session: SessionId) -> Result<Vec<SeenEvent>, ClientError> {
        let mut journal = Vec::new();
        let mut after = Seq::ZERO;
        loop {
            let page = self.events_page(session, after, limits::EVENTS_PAGE_MAX).await?;
            for envelope in &page.events {
                journal.push(seen(envelope)?);
            }
            if page.events.is_empty() || page.next_after >= page.head {
                return Ok(journal);
            }
            after = page.next_after;
        }
    }

    /// Starts a run and waits for its end.
    pub async fn generate(
        &self,
        session: SessionId,
        draft: bool,
        key: Option<&str>,
    ) -> Result<RunReceipt, ClientError> {
        let url = format!("{}/api/runs/{session}/generate", self.base);
        self.ask(Method::POST, &url, Some(&json!({ "draft": draft })), key)
            .await
    }

    /// Starts a run in the background.
    pub async fn generate_async(
        &self,
        session: SessionId,
        draft: bool,
        key: Option<&str>,
    ) -> Result<JobReceipt, ClientError> {
        let url = format!("{}/api/runs/{session}/generate/async", self.base);
        self.ask(Method::POST, &url, Some(&json!({ "draft": draft })), key)
            .await
    }

    /// Reads a run with its package.
    pub async fn run(&self, run: RunId) -> Result<Value, ClientError> {
        self.ask(Method::GET, &format!("{}/api/runs/{run}", self.base), None, None)
            .await
    }

    /// Cancels a run.
    pub async fn cancel(&self, run: RunId) -> Result<RunReceipt, ClientError> {
        self.ask(
            Method::POST,
            &format!("{}/api/runs/{run}/cancel", self.base),
            None,
            None,
        )
        .await
    }

    /// Takes a failed run up again.
    pub async fn retry(&self, run: RunId) -> Result<RunReceipt, ClientError> {
        self.ask(
            Method::POST,
            &format!("{}/api/runs/{run}/retry", self.base),
            None,
            None,
        )
        .await
    }

    /// Reads the zip of a run.
    pub async fn export(&self, run: RunId) -> Result<Bytes, ClientError> {
        let url = format!("{}/api/runs/{run}/export", self.base);
        Ok(self.send(Method::POST, &url, None, None).await?.bytes().await?)
    }

    /// Reads a job.
    pub async fn job(&self, job: JobId) -> Result<Value, ClientError> {
        self.ask(Method::GET, &format!("{}/api/jobs/{job}", self.base), None, None)
            .await
    }

    /// Reads any path of the server as JSON, such as `/health/detailed`.
    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.ask(Method::GET, &format!("{}{path}", self.base), None, None)
            .await
    }

    /// Reads any path of the server as text, such as `/metrics`.
    pub async fn text(&self, path: &str) -> Result<String, ClientError> {
        let url = format!("{}{path}", self.base);
        Ok(self.send(Method::GET, &url, None, None).await?.text().await?)
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<T, ClientError> {
        read_json(self.send(method, url, body, key).await?).await
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Response, ClientError> {
        let mut request = self.http.request(method, url).headers(self.headers()?);
        // A page of the log and a stream share a path; a page is asked for unless something else is.
        request = request.header(header::ACCEPT, "application/json, text/event-stream;q=0.9");
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        refused_or(request.send().await?).await
    }
}

/// The document that a response carries.
pub(super) async fn read_json<T: DeserializeOwned>(response: Response) -> Result<T, ClientError> {
    let status = response.status().as_u16();
    let text = response.text().await?;
    serde_json::from_str(&text).map_err(|error| ClientError::Unreadable {
        status,
        reason: error.to_string(),
        body: text,
    })
}

/// The response, if it is one of success.
pub(super) async fn refused_or(response: Response) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(ClientError::of_answer(status.as_u16(), &response.text().await?))
}

/// An event out of its envelope, its data byte for byte.
fn seen(envelope: &RawValue) -> Result<SeenEvent, ClientError> {
    SeenEvent::from_envelope(envelope.get()).map_err(|error| ClientError::Unreadable {
        status: 200,
        reason: error.to_string(),
        body: envelope.get().to_owned(),
    })
}
