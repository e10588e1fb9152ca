//! The bodies of requests and answers, and how they are made from what the domain says.

use greenroom_protocol::{
    BriefSlots, ErrorBody, Gate, JobId, JobStatus, JobType, Locale, Mode, Role, RunId, SessionId, SlotUpdate,
    Timestamp,
};
use greenroom_session::SessionView;
use greenroom_session::ports::{JobRow, Page, Paging, RunRow, RunStatus, SessionRow, SpeechFormat};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::schemas;

/// Begins a session. Everything may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(examples(json!({ "locale": "ko" })))]
pub struct CreateSessionBody {
    /// The language to begin with; by default the first of `Accept-Language` that is known, else Korean.
    #[schema(schema_with = schemas::locale)]
    pub locale: Option<Locale>,
    /// How the session spends.
    #[schema(schema_with = schemas::mode)]
    pub mode: Option<Mode>,
    /// The playbook's name; the server's default if left out.
    pub playbook: Option<String>,
}

/// A typed utterance.
#[derive(Debug, Deserialize, ToSchema)]
pub struct MessageBody {
    /// 1 to 3000 characters, not blank.
    #[schema(
        min_length = 1,
        max_length = 3000,
        examples("제품명은 루미세럼, 카테고리는 스킨케어, 가격은 29000원")
    )]
    pub message: String,
}

/// A recording.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a form, which is read as it comes in")]
pub struct VoiceTurnForm {
    /// What was said: WAV, WebM, Ogg, MP4, MP3 or FLAC; 25 MiB and 5 minutes at most.
    #[schema(value_type = String, format = Binary)]
    audio: Vec<u8>,
    /// The language that it is probably in; by default the session's. What is spoken decides in which it goes on.
    #[schema(schema_with = schemas::locale, required = false)]
    locale: Option<Locale>,
    /// A voice of the playbook; the reply is then spoken, too.
    voice_preset: Option<String>,
}

/// A text to be spoken.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AssistantVoiceBody {
    /// 1 to 2000 characters, of which one is a letter or a digit.
    #[schema(
        min_length = 1,
        max_length = 2000,
        examples("안녕하세요, 루미세럼을 소개합니다.")
    )]
    pub text: String,
    /// A voice of the playbook; its first if left out.
    pub voice_preset: Option<String>,
    /// How it is encoded; `mp3` if left out.
    pub format: Option<AudioFormat>,
}

/// How speech is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AudioFormat {
    /// MPEG layer 3.
    Mp3,
    /// RIFF with 16-bit samples.
    Wav,
}

/// Starts a run. Everything may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct GenerateBody {
    /// Waives the gate for this run.
    pub draft: Option<bool>,
}

/// One edit of a slot.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "path": "product.name", "value": "루미세럼" })))]
pub struct SlotEditBody {
    /// Which slot, such as `product.name`.
    #[schema(value_type = String)]
    pub path: greenroom_protocol::SlotPath,
    /// Its new value; null clears it.
    #[schema(value_type = Value)]
    pub value: Value,
}

/// A session as it begins.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedSession {
    /// The session.
    #[schema(schema_with = schemas::session_id)]
    pub session_id: SessionId,
    /// Its state, such as `CHAT_COLLECTING`.
    pub state: String,
    /// How it spends.
    #[schema(schema_with = schemas::mode)]
    pub mode: Mode,
    /// Its language.
    #[schema(schema_with = schemas::locale)]
    pub locale: Locale,
    /// All slots, grouped, null where unfilled.
    #[schema(schema_with = schemas::brief_slots)]
    pub brief_slots: BriefSlots,
    /// Whether a run may start, and what stands in the way.
    #[schema(schema_with = schemas::gate)]
    pub gate: Gate,
    /// The greeting.
    pub assistant_message: String,
}

/// A session as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionDocument {
    /// The session.
    #[schema(schema_with = schemas::session_id)]
    pub session_id: SessionId,
    /// Its state, such as `BRIEF_READY`.
    pub state: String,
    /// How it spends.
    #[schema(schema_with = schemas::mode)]
    pub mode: Mode,
    /// Its language now.
    #[schema(schema_with = schemas::locale)]
    pub locale: Locale,
    /// All slots, grouped, null where unfilled.
    #[schema(schema_with = schemas::brief_slots)]
    pub brief_slots: BriefSlots,
    /// Whether a run may start, and what stands in the way.
    #[schema(schema_with = schemas::gate)]
    pub gate: Gate,
    /// The newest run, if there is one.
    #[schema(schema_with = schemas::optional_run_id)]
    pub run_id: Option<RunId>,
    /// When it began.
    #[schema(schema_with = schemas::timestamp)]
    pub created_at: Timestamp,
    /// When its last event was made.
    #[schema(schema_with = schemas::timestamp)]
    pub updated_at: Timestamp,
}

/// A row of the list of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionItem {
    /// The session.
    #[schema(schema_with = schemas::session_id)]
    pub session_id: SessionId,
    /// The product's name, once it is known.
    pub title: Option<String>,
    /// Its state.
    pub state: String,
    /// How it spends.
    #[schema(schema_with = schemas::mode)]
    pub mode: Mode,
    /// Its language.
    #[schema(schema_with = schemas::locale)]
    pub locale: Locale,
    /// The playbook's name.
    pub playbook: String,
    /// Share of required slots filled, 0 to 1.
    pub completeness: f64,
    /// When it began.
    #[schema(schema_with = schemas::timestamp)]
    pub created_at: Timestamp,
    /// When its last event was made.
    #[schema(schema_with = schemas::timestamp)]
    pub updated_at: Timestamp,
}

/// A turn that is over.
#[derive(Debug, Serialize, ToSchema)]
pub struct TurnDocument {
    /// The session.
    #[schema(schema_with = schemas::session_id)]
    pub session_id: SessionId,
    /// The session's state after the turn.
    pub state: String,
    /// What was said to the user in this turn.
    pub assistant_message: String,
    /// The slots that this turn changed.
    #[schema(schema_with = schemas::slot_updates)]
    pub slot_updates: Vec<SlotUpdate>,
    /// All slots after the turn.
    #[schema(schema_with = schemas::brief_slots)]
    pub brief_slots: BriefSlots,
    /// The gate after the turn.
    #[schema(schema_with = schemas::gate)]
    pub gate: Gate,
}

/// A spoken turn that is over, or a recording in which nothing was understood.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoiceTurnDocument {
    /// The session.
    #[schema(schema_with = schemas::session_id)]
    pub session_id: SessionId,
    /// What was understood; empty if nothing was, and then there is no turn.
    pub transcript: String,
    /// The session's state after the turn.
    pub state: String,
    /// What was said to the user.
    pub next_question: String,
    /// The slots that this turn changed.
    #[schema(schema_with = schemas::slot_updates)]
    pub slot_updates: Vec<SlotUpdate>,
    /// All slots after the turn.
    #[schema(schema_with = schemas::brief_slots)]
    pub brief_slots: BriefSlots,
    /// The gate after the turn.
    #[schema(schema_with = schemas::gate)]
    pub gate: Gate,
    /// Where `next_question` can be heard, if a voice was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_url: Option<String>,
    /// Why it cannot be heard though a voice was named; the text stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::error)]
    pub audio_error: Option<ErrorBody>,
}

/// A text that was spoken.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpokenDocument {
    /// Where it can be heard: `/static/assets/…`, without a token.
    pub audio_url: String,
    /// `mp3` or `wav`.
    #[schema(value_type = String)]
    pub format: SpeechFormat,
    /// Its size.
    pub bytes_size: u64,
    /// How long it plays, as measured.
    pub duration_ms: u64,
}

/// A run that has ended, or that was told to do something.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunReceipt {
    /// The run.
    #[schema(schema_with = schemas::run_id)]
    pub run_id: RunId,
    /// Its session.
    #[schema(schema_with = schemas::session_id)]
    pub session_id: SessionId,
    /// The session's state.
    pub state: String,
}

/// A run that goes on in the background.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobReceipt {
    /// The job that stands for the run.
    #[schema(schema_with = schemas::job_id)]
    pub job_id: JobId,
    /// The session.
    #[schema(schema_with = schemas::session_id)]
    pub session_id: SessionId,
    /// The run.
    #[schema(schema_with = schemas::run_id)]
    pub run_id: RunId,
    /// Where the job stands.
    #[schema(schema_with = schemas::job_status)]
    pub status: JobStatus,
}

/// A row of the list of runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunItem {
    /// The run.
    #[schema(schema_with = schemas::run_id)]
    pub run_id: RunId,
    /// Its session.
    #[schema(schema_with = schemas::session_id)]
    pub session_id: SessionId,
    /// Where it stands.
    #[schema(schema_with = schemas::run_status)]
    pub status: RunStatus,
    /// The session's state as of the run's last change.
    pub state: String,
    /// Whether the gate was waived for it.
    pub draft: bool,
    /// When it began.
    #[schema(schema_with = schemas::timestamp)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(schema_with = schemas::timestamp)]
    pub updated_at: Timestamp,
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobDocument {
    /// The job.
    #[schema(schema_with = schemas::job_id)]
    pub job_id: JobId,
    /// What it does.
    #[serde(rename = "type")]
    #[schema(schema_with = schemas::job_type)]
    pub job_type: JobType,
    /// Where it stands.
    #[schema(schema_with = schemas::job_status)]
    pub status: JobStatus,
    /// 0 to 100.
    pub progress: u8,
    /// Its session.
    #[schema(schema_with = schemas::session_id)]
    pub session_id: SessionId,
    /// Its run.
    #[schema(schema_with = schemas::run_id)]
    pub run_id: RunId,
    /// Why it failed, if it did.
    #[schema(schema_with = schemas::optional_error)]
    pub error: Value,
    /// How often it was begun again because it had made no progress, since its run was last begun.
    pub retry_count: u32,
    /// When that last happened.
    #[schema(schema_with = schemas::optional_timestamp)]
    pub last_retry_at: Option<Timestamp>,
    /// When it was accepted.
    #[schema(schema_with = schemas::timestamp)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(schema_with = schemas::timestamp)]
    pub updated_at: Timestamp,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListDocument<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: u64,
    /// Rows at most.
    pub limit: u32,
    /// Rows skipped.
    pub offset: u32,
}

impl<T> ListDocument<T> {
    /// The page as a document.
    pub fn of<R>(page: Page<R>, paging: Paging, item: impl Fn(R) -> T) -> Self {
        let items = page.items.into_iter().map(item).collect();
        Self {
            items,
            total: page.total,
            limit: paging.limit,
            offset: paging.offset,
        }
    }

    /// A list in which nobody has anything.
    pub fn empty(paging: Paging) -> Self {
        Self {
            items: Vec::new(),
            total: 0,
            limit: paging.limit,
            offset: paging.offset,
        }
    }
}

impl From<SessionView> for CreatedSession {
    fn from(view: SessionView) -> Self {
        let greetings = view
            .messages
            .into_iter()
            .filter(|message| message.role == Role::Assistant);
        let texts: Vec<String> = greetings.map(|message| message.text.clone()).collect();
        Self {
            session_id: view.session_id,
            state: view.state,
            mode: view.mode,
            locale: view.locale,
            brief_slots: view.brief_slots,
            gate: view.gate,
            assistant_message: texts.join(" "),
        }
    }
}

impl From<SessionView> for SessionDocument {
    fn from(view: SessionView) -> Self {
        Self {
            session_id: view.session_id,
            state: view.state,
            mode: view.mode,
            locale: view.locale,
            brief_slots: view.brief_slots,
            gate: view.gate,
            run_id: view.run_id,
            created_at: view.created_at,
            updated_at: view.updated_at,
        }
    }
}

impl From<SessionRow> for SessionItem {
    fn from(row: SessionRow) -> Self {
        Self {
            session_id: row.session_id,
            title: row.summary.title,
            state: row.summary.state,
            mode: row.summary.mode,
            locale: row.summary.locale,
            playbook: row.summary.playbook,
            completeness: row.summary.completeness,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<RunRow> for RunItem {
    fn from(row: RunRow) -> Self {
        Self {
            run_id: row.run_id,
            session_id: row.session_id,
            status: row.status,
            state: row.state,
            draft: row.started.get("draft").and_then(Value::as_bool).unwrap_or(false),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<JobRow> for JobDocument {
    fn from(row: JobRow) -> Self {
        Self {
            job_id: row.job_id,
            job_type: row.job_type,
            status: row.status,
            progress: row.progress,
            session_id: row.session_id,
            run_id: row.run_id,
            error: row.error,
            retry_count: row.retry_count,
            last_retry_at: row.last_retry_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The error that a failure of a run is answered with names the run, so that it can be retried.
pub fn run_error(mut error: ErrorBody, run: &RunReceipt, stage: &str, attempt: u32) -> ErrorBody {
    let mut details = match error.details {
        Value::Object(details) => details,
        Value::Null => serde_json::Map::new(),
        other => serde_json::Map::from_iter([("cause".to_owned(), other)]),
    };
    details.insert("run_id".to_owned(), run.run_id.to_string().into());
    details.insert("session_id".to_owned(), run.session_id.to_string().into());
    details.insert("state".to_owned(), run.state.clone().into());
    details.insert("stage".to_owned(), stage.into());
    details.insert("attempt".to_owned(), attempt.into());
    error.details = Value::Object(details);
    error
}
