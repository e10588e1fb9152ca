//! What the core and the actors need from the outside, as traits. `src` hands in the implementations.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use greenroom_protocol::{
    CallId, CallOutcome, ErrorCode, Frame, JobId, JobStatus, JobType, Locale, Millis, Mode, RunId, Seq,
    SessionId, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CallCost, Fact, Usage, UserKey};

// ---------------------------------------------------------------- time and ids

/// Where the time is read.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Where ids come from: unique, and rising within one source.
pub trait IdSource: Send {
    /// A fresh id.
    fn next_ulid(&mut self) -> ulid::Ulid;
    /// A number between 0 and 1, for jitter.
    fn jitter(&mut self) -> f64;
}

// ---------------------------------------------------------------- journal

/// Whose database a session lives in. There is one for now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantId(String);

impl Default for TenantId {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of one activation of a session; a higher one fences off all lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Whether `open` may begin a session that does not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// The session must exist: it has at least one event.
    Existing,
    /// The session must not exist. One that was opened and never got as far as its first event may be begun again.
    New,
}

/// The answer to `open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The epoch under which to append.
    pub epoch: Epoch,
    /// The last committed event; zero for a new session.
    pub head: Seq,
}

/// Why a session could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no such session.
    #[error("no such session")]
    NotFound,
    /// The session was deleted.
    #[error("the session was deleted")]
    Gone,
    /// The session exists already.
    #[error("the session exists already")]
    Exists,
    /// The journal cannot be used now.
    #[error("the journal is unavailable: {0}")]
    Unavailable(String),
}

/// One fact ready to be stored: its envelope is serialized already.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The fact; the read models follow from it.
    pub fact: Fact,
    /// The envelope, with the fact's number.
    pub frame: Frame,
}

/// What the list of sessions shows, as of the last fact of an append.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSummary {
    /// Whose session it is.
    pub user: Option<UserKey>,
    /// The state on the wire.
    pub state: String,
    /// How it spends.
    pub mode: Mode,
    /// Its language.
    pub locale: Locale,
    /// The playbook's name.
    pub playbook: String,
    /// A name for people: the product's, once it is known.
    pub title: Option<String>,
    /// Share of required slots filled.
    pub completeness: f64,
    /// When something is due: now, a timer, or never.
    pub wake_at: Option<Timestamp>,
}

/// What one session has to append: consecutive facts that become true together.
#[derive(Debug, Clone)]
pub struct Append {
    /// Whose database.
    pub tenant: TenantId,
    /// Which session.
    pub session_id: SessionId,
    /// The epoch of the writer.
    pub epoch: Epoch,
    /// At least one fact; the first number is the committed head plus one.
    pub entries: Vec<Entry>,
    /// The session after these facts.
    pub summary: SessionSummary,
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It is durable.
    Committed {
        /// The new head.
        head: Seq,
    },
    /// Another writer took the session over; nothing was written.
    Fenced,
    /// Nothing was written.
    Failed(String),
    /// Nobody knows whether it was written; fold again.
    Unknown,
}

/// A fact as it was read back.
#[derive(Debug, Clone)]
pub struct StoredFact {
    /// Its envelope.
    pub frame: Frame,
    /// The fact.
    pub fact: Fact,
}

/// A read that did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store cannot be used now.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored cannot be understood; an operator must look at it.
    #[error("the stored data is damaged: {0}")]
    Damaged(String),
}

/// The append-only log of all sessions.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Takes a session over: returns a new epoch with the head. Goes through the writer's queue.
    async fn open(&self, tenant: &TenantId, session: SessionId, mode: OpenMode) -> Result<Opened, OpenError>;

    /// Appends; returns when the outcome is known.
    async fn append(&self, append: Append) -> AppendOutcome;

    /// Facts after a number, oldest first, for folding: at most `limit`, fewer once they have
    /// [`EVENTS_PAGE_BYTES_MAX`](greenroom_protocol::limits::EVENTS_PAGE_BYTES_MAX), at least one if there is one.
    async fn read(
        &self,
        tenant: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredFact>, ReadError>;

    /// Envelopes after a number, oldest first, for clients: as many as [`Self::read`] gives facts.
    async fn frames(
        &self,
        tenant: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Frame>, ReadError>;

    /// Sessions with something due at `now`, soonest first.
    async fn due(&self, tenant: &TenantId, now: Timestamp, limit: usize)
    -> Result<Vec<SessionId>, ReadError>;

    /// A session as the list shows it, for what must not fold its log.
    async fn listed(&self, tenant: &TenantId, session: SessionId) -> Result<Option<SessionRow>, ReadError>;

    /// Whether appends are being committed now, kept up to date by the writer itself.
    fn writable(&self) -> bool;

    /// Whether there is room enough to begin something new; what is under way goes on without.
    async fn has_room(&self) -> bool;
}

// ---------------------------------------------------------------- read models

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// Rows at most.
    pub limit: u32,
    /// Rows to skip.
    pub offset: u32,
}

/// Rows of one page with the number of all.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: u64,
}

/// A row of the list of sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// Which session.
    pub session_id: SessionId,
    /// What the list shows.
    pub summary: SessionSummary,
    /// The last committed event.
    pub head: Seq,
    /// When it began.
    pub created_at: Timestamp,
    /// When its last event was made, deltas aside.
    pub updated_at: Timestamp,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Under way.
    Running,
    /// All its stages are complete.
    Completed,
    /// A stage used up its attempts.
    Failed,
    /// The user cancelled it.
    Cancelled,
}

/// A run in the read model.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Which run.
    pub run_id: RunId,
    /// Whose.
    pub session_id: SessionId,
    /// The owner of the session.
    pub user: Option<UserKey>,
    /// Where it stands.
    pub status: RunStatus,
    /// The session's state on the wire as of the run's last change.
    pub state: String,
    /// The data of its `run.started`.
    pub started: Value,
    /// The data of its `gate.waived`, if it is a draft.
    pub waiver: Option<Value>,
    /// The failures of its last `stage.changed`, if it failed, else an empty list.
    pub failures: Value,
    /// The data of each `stage.completed`, in the order of their completion.
    pub outputs: Vec<Value>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A job in the read model.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// Which job.
    pub job_id: JobId,
    /// What it does.
    pub job_type: JobType,
    /// Where it stands.
    pub status: JobStatus,
    /// 0 to 100.
    pub progress: u8,
    /// Whose.
    pub session_id: SessionId,
    /// The owner of the session.
    pub user: Option<UserKey>,
    /// The run it belongs to.
    pub run_id: RunId,
    /// Why it failed, as an error body, else null.
    pub error: Value,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Which sessions to list.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Only this user's; none means everybody's (the operator's view).
    pub user: Option<UserKey>,
    /// Title contains this.
    pub text: Option<String>,
    /// Only in this state.
    pub state: Option<String>,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only of this session.
    pub session_id: Option<SessionId>,
    /// Only of this run.
    pub run_id: Option<RunId>,
    /// Only with this status.
    pub status: Option<JobStatus>,
    /// Only of sessions of this user; none together with a session or run id means whoever asks by id.
    pub user: Option<UserKey>,
}

/// Lists and look-ups that no session's own state answers. Written with the events they follow from.
#[async_trait]
pub trait ReadModels: Send + Sync + 'static {
    /// One session.
    async fn session(&self, tenant: &TenantId, id: SessionId) -> Result<Option<SessionRow>, ReadError>;
    /// Sessions, newest change first.
    async fn sessions(
        &self,
        tenant: &TenantId,
        filter: &SessionFilter,
        paging: Paging,
    ) -> Result<Page<SessionRow>, ReadError>;
    /// One run with its outputs.
    async fn run(&self, tenant: &TenantId, id: RunId) -> Result<Option<RunRow>, ReadError>;
    /// Runs of a session, newest first, without their outputs.
    async fn runs(
        &self,
        tenant: &TenantId,
        session: SessionId,
        paging: Paging,
    ) -> Result<Page<RunRow>, ReadError>;
    /// One job.
    async fn job(&self, tenant: &TenantId, id: JobId) -> Result<Option<JobRow>, ReadError>;
    /// Jobs, newest first.
    async fn jobs(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        paging: Paging,
    ) -> Result<Page<JobRow>, ReadError>;
    /// Cost of a session so far in millionths of a US dollar, as far as it is known, and its unsettled or
    /// unpriced calls.
    async fn cost(&self, tenant: &TenantId, session: SessionId) -> Result<SessionCost, ReadError>;
}

/// What a session has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCost {
    /// Calls reserved.
    pub calls: u64,
    /// Sum of the known costs.
    pub micro_usd: u64,
    /// Calls whose cost nobody knows.
    pub unknown_calls: u64,
}

// ---------------------------------------------------------------- blobs

/// A blob that could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// There is no blob of that name.
    #[error("no such blob")]
    NotFound,
    /// The name is not one that a blob can have.
    #[error("not a blob's name")]
    InvalidName,
    /// The store cannot be used now.
    #[error("the blob store is unavailable: {0}")]
    Unavailable(String),
}

/// Large immutable things by name: parts of letters, digits, `-`, `_` and `.`, joined by `/`; a part starts with a
/// letter or a digit.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Stores; durable when it returns. A blob of that name is replaced.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError>;
    /// Reads.
    async fn get(&self, name: &str) -> Result<Bytes, BlobError>;
    /// Removes; removing what is not there is no error.
    async fn delete(&self, name: &str) -> Result<(), BlobError>;
}

// ---------------------------------------------------------------- language model

/// Which of the configured models to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSize {
    /// The capable one (`llm.model`).
    #[default]
    Large,
    /// The quick and cheap one (`llm.small_model`).
    Small,
}

/// Who wrote a message that a model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptRole {
    /// The person, or data handed to the model.
    User,
    /// The model itself, earlier.
    Assistant,
}

/// One message that a model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptMessage {
    /// Who wrote it.
    pub role: PromptRole,
    /// What it says.
    pub text: String,
}

/// The document that a model must write.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputSchema {
    /// A short name, letters, digits and `_`.
    pub name: String,
    /// The JSON Schema, in the strict subset: every object closed, every property required.
    pub schema: Arc<Value>,
}

/// One request to a language model. One request is one HTTP request and one call.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// The call that was reserved for it; sent along as metadata where the provider allows.
    pub call_id: CallId,
    /// Which model.
    pub size: ModelSize,
    /// What the model is told to do.
    pub instructions: String,
    /// What it reads.
    pub messages: Vec<PromptMessage>,
    /// What it must write; none means free text.
    pub output: Option<OutputSchema>,
    /// Whether it may search the web.
    pub search: bool,
    /// Tokens that it may write.
    pub output_tokens_max: u32,
    /// How long the whole call may take.
    pub timeout: Millis,
    /// How long the stream may be silent.
    pub stall_timeout: Millis,
}

/// Something that a search returned during a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchSource {
    /// Where it is.
    pub url: String,
    /// Its title, if the provider gave one.
    pub title: Option<String>,
    /// What it says, as far as the provider returned or cited it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<String>,
}

/// One step of a model's reply.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// The reply grows by this text.
    Text(String),
    /// A search returned this.
    Source(SearchSource),
    /// The reply is complete; the stream ends.
    Completed(CallReceipt),
}

/// What the provider says of a completed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallReceipt {
    /// The provider's configured name.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// Whether the provider is a simulator.
    pub simulated: bool,
    /// The provider's id of the response.
    pub response_id: Option<String>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// Tokens used.
    pub usage: Option<Usage>,
    /// What it cost.
    pub cost: CallCost,
}

/// A call that failed: classified, never retried by the provider's client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct CallFailure {
    /// From the error table: `LLM_TIMEOUT`, `LLM_UPSTREAM`, `LLM_NOT_CONFIGURED`, `LLM_CIRCUIT_OPEN`,
    /// `LLM_JSON_INVALID` (cut at the token limit), `SAFETY_OUTPUT` (refused).
    pub code: ErrorCode,
    /// Whether another attempt may succeed.
    pub retryable: bool,
    /// What the provider asked for by `Retry-After`.
    pub retry_after: Option<Millis>,
    /// For the operator and the log: no secrets, no words of the user.
    pub reason: String,
    /// What is known of the call.
    pub receipt: Option<CallReceipt>,
}

impl CallFailure {
    /// How the call is booked. Where the provider answered with an error nothing was charged; where it fell silent or
    /// was cut off nobody knows.
    pub fn outcome(&self) -> CallOutcome {
        match self.receipt.as_ref().map(|receipt| receipt.cost) {
            Some(CallCost::Known(_)) => CallOutcome::Failed,
            Some(CallCost::Unknown) | None => CallOutcome::Unknown,
        }
    }
}

/// A model's reply as it comes. An `Err` is the last item.
pub type ModelStream = BoxStream<'static, Result<ModelEvent, CallFailure>>;

/// A language model.
#[async_trait]
pub trait LanguageModel: Send + Sync + 'static {
    /// Sends the request; dropping the stream cancels it.
    async fn generate(&self, request: ModelRequest) -> Result<ModelStream, CallFailure>;

    /// Which provider it is; none if none is configured.
    fn identity(&self) -> Option<LlmIdentity>;

    /// Whether it can search the web.
    fn can_search(&self) -> bool;
}

/// What the configured providers can do, and what is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The language model, if one is configured.
    pub llm: Option<LlmIdentity>,
    /// Whether it can search the web.
    pub search: bool,
    /// Who turns speech into words.
    pub stt: Option<ModelIdentity>,
    /// Who turns words into speech.
    pub tts: Option<ModelIdentity>,
    /// Who checks texts.
    pub moderation: Option<ModelIdentity>,
    /// Whether what users say is checked.
    pub moderate_input: ModerationPolicy,
    /// Whether what models write is checked.
    pub moderate_output: ModerationPolicy,
}

/// Whether texts of one direction are checked, and what holds while they cannot be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModerationPolicy {
    /// Nothing is checked.
    #[default]
    Off,
    /// Checked; a text that cannot be checked is refused (`SAFETY_UNAVAILABLE`).
    Required,
    /// Checked; a text that cannot be checked passes, and the log says so.
    BestEffort,
}

/// Which language model is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlmIdentity {
    /// The provider's configured name.
    pub provider: String,
    /// The model for [`ModelSize::Large`].
    pub model: String,
    /// The model for [`ModelSize::Small`].
    pub small_model: String,
    /// Whether the provider is a simulator.
    pub simulated: bool,
}

impl LlmIdentity {
    /// The model of a size, as it is known before it has answered.
    pub fn of(&self, size: ModelSize) -> ModelIdentity {
        let model = match size {
            ModelSize::Large => &self.model,
            ModelSize::Small => &self.small_model,
        };
        ModelIdentity {
            provider: self.provider.clone(),
            model: model.clone(),
            simulated: self.simulated,
        }
    }
}

/// The model that a call was reserved for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// The provider's configured name.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Whether the provider is a simulator.
    pub simulated: bool,
}

// ---------------------------------------------------------------- speech

/// Recorded speech: 16 kHz, one channel, signed 16-bit little-endian samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeechAudio {
    /// The samples, two bytes each.
    pub pcm: Bytes,
}

impl SpeechAudio {
    /// Samples per second.
    pub const SAMPLE_RATE_HZ: u32 = 16_000;

    /// How long it plays.
    pub fn duration(&self) -> Millis {
        let samples = self.pcm.len() as u64 / 2;
        let ms = samples * 1_000 / u64::from(Self::SAMPLE_RATE_HZ);
        Millis(ms)
    }
}

/// Speech to be turned into words. One request is one HTTP request and one call.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscriptionRequest {
    /// The call that was reserved for it.
    pub call_id: CallId,
    /// What was said.
    pub audio: SpeechAudio,
    /// The language that it is probably in; a hint only.
    pub language: Option<Locale>,
    /// Words that may occur, such as the product's name; a hint only.
    pub vocabulary: Vec<String>,
    /// How long the whole call may take.
    pub timeout: Millis,
}

/// What was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcription {
    /// The words, trimmed; empty when nothing was understood.
    pub text: String,
    /// The language that the provider heard, as it names it.
    pub language: Option<String>,
    /// What the provider says of the call.
    pub receipt: CallReceipt,
}

/// Turns speech into words.
#[async_trait]
pub trait Transcriber: Send + Sync + 'static {
    /// Sends the request; dropping the future cancels it. Fails with `STT_FAILED`, `STT_TIMEOUT` or
    /// `STT_NOT_CONFIGURED`.
    async fn transcribe(&self, request: TranscriptionRequest) -> Result<Transcription, CallFailure>;

    /// Which provider it is; none if none is configured.
    fn identity(&self) -> Option<ModelIdentity>;
}

/// How speech is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeechFormat {
    /// MPEG layer 3.
    Mp3,
    /// RIFF with 16-bit samples.
    Wav,
    /// 24 kHz, one channel, signed 16-bit little-endian samples, no header.
    Pcm,
}

/// A text to be spoken. One request is one HTTP request and one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeechRequest {
    /// The call that was reserved for it.
    pub call_id: CallId,
    /// What to say.
    pub text: String,
    /// The provider's name of the voice.
    pub voice: String,
    /// How to say it, for providers that take a direction.
    pub style: Option<String>,
    /// How to encode it.
    pub format: SpeechFormat,
    /// How long the whole call may take.
    pub timeout: Millis,
    /// How long the stream may be silent.
    pub stall_timeout: Millis,
}

/// One step of speech.
#[derive(Debug, Clone, PartialEq)]
pub enum SpeechEvent {
    /// The speech grows by these bytes of its format.
    Audio(Bytes),
    /// The speech is complete; the stream ends.
    Completed(CallReceipt),
}

/// Speech as it comes. An `Err` is the last item.
pub type SpeechStream = BoxStream<'static, Result<SpeechEvent, CallFailure>>;

/// Turns words into speech.
#[async_trait]
pub trait Speaker: Send + Sync + 'static {
    /// Sends the request; dropping the stream cancels it. Fails with `TTS_FAILED`, `TTS_TIMEOUT` or
    /// `TTS_NOT_CONFIGURED`.
    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, CallFailure>;

    /// Which provider it is; none if none is configured.
    fn identity(&self) -> Option<ModelIdentity>;
}

// ---------------------------------------------------------------- moderation

/// Texts to be checked together. One request is one HTTP request and one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModerationRequest {
    /// The call that was reserved for it.
    pub call_id: CallId,
    /// The texts.
    pub texts: Vec<String>,
    /// How long the whole call may take.
    pub timeout: Millis,
}

/// What the check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The provider's names of what was found; none when nothing was.
    pub flagged: Option<Vec<String>>,
    /// What the provider says of the call.
    pub receipt: CallReceipt,
}

/// Checks texts.
#[async_trait]
pub trait Moderator: Send + Sync + 'static {
    /// Sends the request; dropping the future cancels it. Fails with `SAFETY_UNAVAILABLE`.
    async fn moderate(&self, request: ModerationRequest) -> Result<Verdict, CallFailure>;

    /// Which provider it is; none if none is configured.
    fn identity(&self) -> Option<ModelIdentity>;
}
