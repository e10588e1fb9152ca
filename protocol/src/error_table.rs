//! The one table of errors: every code with its status, whether to send again, what the user reads, what the
//! operator does. The codes and statuses are CONTRACT's; the texts are ours. `docs/errors.md` is made from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one row of the table says.
pub(crate) struct ErrorRow {
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) retryable: bool,
    pub(crate) ko: &'static str,
    pub(crate) en: &'static str,
    pub(crate) operator: &'static str,
}

/// Sending the same request again, unchanged, may succeed without anybody doing anything.
const TRANSIENT: bool = true;
/// Somebody has to change something first: the request, the session, or the server.
const FINAL: bool = false;

macro_rules! error_table {
    ($($variant:ident = $code:literal, $status:literal, $retryable:ident,
        ko: $ko:literal, en: $en:literal, operator: $operator:literal;)+) => {
        /// The code of an error, from one closed table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum ErrorCode {
            $(
                #[doc = $en]
                #[serde(rename = $code)]
                $variant,
            )+
        }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub(crate) const fn row(self) -> ErrorRow {
                match self {
                    $(Self::$variant => ErrorRow {
                        code: $code, status: $status, retryable: $retryable, ko: $ko, en: $en, operator: $operator,
                    },)+
                }
            }
        }
    };
}

error_table! {
    InputInvalid = "INPUT_INVALID", 422, FINAL,
        ko: "요청을 이해할 수 없습니다. 입력을 확인해 주세요.",
        en: "The request could not be understood. Please check what was sent.",
        operator: "Nothing; `details` tells the client's developer what is wrong.";
    InputBlank = "INPUT_BLANK", 422, FINAL,
        ko: "내용이 비어 있습니다. 한 글자 이상 입력해 주세요.",
        en: "The message is empty. Please write something.",
        operator: "Nothing; the client should not send blank messages.";
    InputTooLong = "INPUT_TOO_LONG", 422, FINAL,
        ko: "내용이 너무 깁니다. 줄여서 다시 보내 주세요.",
        en: "The text is too long. Please shorten it and send it again.",
        operator: "Nothing; `details` names the limit, and `docs/protocol.md` lists all of them.";
    InputIdReused = "INPUT_ID_REUSED", 422, FINAL,
        ko: "같은 요청 번호가 다른 내용에 이미 쓰였습니다. 다시 보내 주세요.",
        en: "This request's id was already used for something else. Please send it again.",
        operator: "Nothing; the client must make a fresh idempotency key for each new request.";
    InputTooLarge = "INPUT_TOO_LARGE", 413, FINAL,
        ko: "보낸 내용이 너무 큽니다. 더 작게 나누어 보내 주세요.",
        en: "What was sent is too large. Please send something smaller.",
        operator: "Nothing; the limits are in `docs/protocol.md`. A proxy in front may have a lower one.";
    InputUnsupportedMedia = "INPUT_UNSUPPORTED_MEDIA", 415, FINAL,
        ko: "지원하지 않는 형식입니다.",
        en: "This format is not supported.",
        operator: "Nothing; `details` names the formats that are taken.";

    InputTimeout = "INPUT_TIMEOUT", 408, TRANSIENT,
        ko: "업로드가 멈췄습니다. 연결을 확인하고 다시 보내 주세요.",
        en: "The upload stalled. Please check the connection and send it again.",
        operator: "Nothing for a single case; if it recurs, look for a proxy that holds request bodies back.";

    AuthRequired = "AUTH_REQUIRED", 401, FINAL,
        ko: "인증이 필요합니다.",
        en: "Authentication is required.",
        operator: "Give the client the value of `server.token`; a browser socket sends it as the subprotocol `token.<t>`.";
    AuthForbidden = "AUTH_FORBIDDEN", 403, FINAL,
        ko: "이 작업을 할 권한이 없습니다.",
        en: "You are not allowed to do this.",
        operator: "Only the admin socket says so, to whoever is neither root nor the server's own user; `greenroom admin audit` has who it was. A wrong token is `AUTH_REQUIRED`, another user's session `SESSION_NOT_FOUND`.";
    AuthOrigin = "AUTH_ORIGIN", 403, FINAL,
        ko: "허용되지 않은 페이지에서 보낸 요청입니다.",
        en: "This page is not allowed to use the server.",
        operator: "If the page is yours, add its origin to `server.allowed_origins`; otherwise nothing.";

    SessionNotFound = "SESSION_NOT_FOUND", 404, FINAL,
        ko: "대화를 찾을 수 없습니다.",
        en: "There is no such session.",
        operator: "Nothing; a session of another `X-User-Key` answers the same. `greenroom admin show <id>` tells them apart.";
    RunNotFound = "RUN_NOT_FOUND", 404, FINAL,
        ko: "실행을 찾을 수 없습니다.",
        en: "There is no such run.",
        operator: "Nothing; the runs of a session are listed by `GET /api/runs?session_id=`.";
    JobNotFound = "JOB_NOT_FOUND", 404, FINAL,
        ko: "작업을 찾을 수 없습니다.",
        en: "There is no such job.",
        operator: "Nothing; the jobs of a session are listed by `GET /api/jobs?session_id=`.";
    SessionGone = "SESSION_GONE", 410, FINAL,
        ko: "삭제된 대화입니다. 새 대화를 시작해 주세요.",
        en: "This session was deleted. Please start a new one.",
        operator: "Nothing: its owner deleted it, or it was older than `retention.sessions_days`. Only an entry without content is left: `SELECT * FROM audit` in `greenroom.sqlite` tells when, and by whom.";
    SessionEventAhead = "SESSION_EVENT_AHEAD", 409, FINAL,
        ko: "화면이 서버보다 앞서 있습니다. 새로 고쳐 주세요.",
        en: "The page is ahead of the server. Please reload it.",
        operator: "If the database was not restored from a backup just now, compare the head that `greenroom admin show <id>` tells with the client's event id.";

    SessionRestarting = "SESSION_RESTARTING", 409, TRANSIENT,
        ko: "이 대화는 지금 다시 시작되고 있습니다. 잠시 후 다시 시도해 주세요.",
        en: "This session is being restarted just now. Please try again shortly.",
        operator: "Nothing; another `greenroom admin restart` or `stop` of the same session is under way. `greenroom admin events <id>` tells what came of it.";

    GateNotReady = "GATE_NOT_READY", 409, FINAL,
        ko: "아직 시작할 수 없습니다. 빠진 정보를 먼저 채워 주세요.",
        en: "It is too early to start. Please fill in what is still missing.",
        operator: "Nothing; `details` names the missing slots, and `draft` starts without them.";
    GateRunActive = "GATE_RUN_ACTIVE", 409, TRANSIENT,
        ko: "작업이 진행되는 동안에는 정보를 바꿀 수 없습니다. 끝난 뒤에 다시 시도해 주세요.",
        en: "The brief cannot change while a run is under way. Please try again when it has ended.",
        operator: "Nothing; the run can be cancelled if the brief must change at once.";
    // Final although the run will end: a client that sends it again by itself would pay for a second run.
    RunActive = "RUN_ACTIVE", 409, FINAL,
        ko: "이미 작업이 진행 중입니다.",
        en: "A run is already under way.",
        operator: "Nothing; if the run seems stuck, look at its stages with `greenroom admin show <id>` and at what came last with `greenroom admin events <id>`.";

    // Final although a run that is under way will end: the client hears of that by `run.completed`.
    RunNotCompleted = "RUN_NOT_COMPLETED", 409, FINAL,
        ko: "아직 완성되지 않은 결과입니다. 끝난 뒤에 내려받아 주세요.",
        en: "The result is not complete yet. Please download it when the run has ended.",
        operator: "Nothing; `details` tells where the run stands. One that failed goes on by `POST /api/runs/{run_id}/retry`.";

    SafetyInput = "SAFETY_INPUT", 422, FINAL,
        ko: "이 내용은 다룰 수 없습니다. 다른 표현으로 말씀해 주세요.",
        en: "This cannot be worked with. Please put it differently.",
        operator: "Nothing for a single case: the moderation provider flagged what the user said. If it flags what is harmless, see `moderation.input`.";
    SafetyOutput = "SAFETY_OUTPUT", 502, FINAL,
        ko: "안전 기준에 맞는 결과를 만들지 못했습니다. 내용을 바꾸어 다시 시도해 주세요.",
        en: "No result could be made that meets the safety rules. Please change the brief and try again.",
        operator: "Nothing for a single case: the model or the provider's filter refused, or moderation flagged what it wrote. If it recurs, read the stage's prompt in the playbook.";
    SafetyUnavailable = "SAFETY_UNAVAILABLE", 503, TRANSIENT,
        ko: "지금은 안전 확인을 할 수 없어 진행하지 못했습니다. 잠시 후 다시 시도해 주세요.",
        en: "The safety check is not available now, so this could not go on. Please try again shortly.",
        operator: "Look at `moderation` in `/health/detailed`. While its provider is down, `moderation.input = \"best_effort\"` (and `moderation.output`) lets texts pass unchecked.";

    LlmUpstream = "LLM_UPSTREAM", 502, TRANSIENT,
        ko: "AI 서비스에 문제가 생겼습니다. 잠시 후 다시 시도해 주세요.",
        en: "The AI service failed. Please try again shortly.",
        operator: "Find `agent ended` in the log by `session_id` and read its `reason`: 401 or 403 is the API key, 404 the model's name or `llm.base_url`; for anything else see the provider's status page. `model call ended` with the same `call_id` has the `provider_request_id` to ask it by, `/health/detailed` its last error and error rate.";
    LlmTimeout = "LLM_TIMEOUT", 504, TRANSIENT,
        ko: "AI 서비스의 응답이 늦어지고 있습니다. 잠시 후 다시 시도해 주세요.",
        en: "The AI service took too long to answer. Please try again shortly.",
        operator: "Compare `greenroom_llm_call_seconds` of `/metrics` with the provider's status page; if it is slow as a rule, set a faster `llm.model`, or raise the `budget_ms` of the stage in a playbook of your own (`playbook.dir`).";
    LlmJsonInvalid = "LLM_JSON_INVALID", 502, TRANSIENT,
        ko: "AI가 형식에 맞지 않는 답을 보냈습니다. 다시 시도해 주세요.",
        en: "The AI answered in the wrong form. Please try again.",
        operator: "If it recurs, the model is too weak for the stage's schema or its output limit is too low: set another `llm.model`, or raise `output_tokens_max` in a playbook of your own (`playbook.dir`).";
    LlmNotConfigured = "LLM_NOT_CONFIGURED", 503, FINAL,
        ko: "AI 서비스가 설정되지 않아 이 작업을 할 수 없습니다.",
        en: "This cannot be done because no AI service is configured.",
        operator: "Set `OPENAI_API_KEY`, or point `llm.base_url` at a server of your own, then restart; what the server prints when it starts, and `/health/detailed`, say whether it has a provider.";
    LlmCircuitOpen = "LLM_CIRCUIT_OPEN", 503, TRANSIENT,
        ko: "AI 서비스가 불안정해 잠시 쉬고 있습니다. 조금 뒤에 다시 시도해 주세요.",
        en: "The AI service is unstable and is being given a rest. Please try again a little later.",
        operator: "Nothing, if the provider comes round: a trial call closes the circuit by itself. `/health/detailed` tells its last error and when the trial may be made; look at the provider's status page.";

    SttFailed = "STT_FAILED", 502, TRANSIENT,
        ko: "음성을 인식하지 못했습니다. 다시 말씀하시거나 글로 입력해 주세요.",
        en: "The speech could not be transcribed. Please say it again or type it.",
        operator: "Find `provider call ended` in the log by `call_id` and read its `reason`; `/health/detailed` has the last error of `stt`.";
    SttTimeout = "STT_TIMEOUT", 504, TRANSIENT,
        ko: "음성 인식이 늦어지고 있습니다. 다시 말씀하시거나 글로 입력해 주세요.",
        en: "Transcription took too long. Please say it again or type it.",
        operator: "Compare the latency of `stt` in `/health/detailed` with the provider's status page; a faster `stt.model` helps.";
    SttNotConfigured = "STT_NOT_CONFIGURED", 503, FINAL,
        ko: "음성 인식이 설정되지 않았습니다. 글로 입력해 주세요.",
        en: "Speech recognition is not configured. Please type instead.",
        operator: "Set `OPENAI_API_KEY`, or `stt.base_url` and `stt.model` for a server of your own, then restart.";
    TtsFailed = "TTS_FAILED", 502, TRANSIENT,
        ko: "음성을 만들지 못했습니다. 답변은 글로 볼 수 있습니다.",
        en: "The voice could not be made. The text is complete.",
        operator: "Find `provider call ended` in the log by `call_id` and read its `reason`; `/health/detailed` has the last error of `tts`.";
    TtsTimeout = "TTS_TIMEOUT", 504, TRANSIENT,
        ko: "음성 생성이 늦어지고 있습니다. 답변은 글로 볼 수 있습니다.",
        en: "Making the voice took too long. The text is complete.",
        operator: "Compare the latency of `tts` in `/health/detailed` with the provider's status page; a faster `tts.model` helps.";
    TtsNotConfigured = "TTS_NOT_CONFIGURED", 503, FINAL,
        ko: "음성 생성이 설정되지 않았습니다.",
        en: "Speech synthesis is not configured.",
        operator: "Set `OPENAI_API_KEY`, or `tts.base_url` and `tts.model` for a server of your own, then restart.";

    ImageFailed = "IMAGE_FAILED", 502, TRANSIENT,
        ko: "이미지를 만들지 못했습니다. 다시 시도해 주세요.",
        en: "The image could not be made. Please try again.",
        operator: "Nothing: not issued by this release, which makes no images.";
    ImageTimeout = "IMAGE_TIMEOUT", 504, TRANSIENT,
        ko: "이미지 생성이 늦어지고 있습니다. 다시 시도해 주세요.",
        en: "Making the image took too long. Please try again.",
        operator: "Nothing: not issued by this release, which makes no images.";
    ImageNotConfigured = "IMAGE_NOT_CONFIGURED", 503, FINAL,
        ko: "이미지 생성이 설정되지 않았습니다.",
        en: "Image generation is not configured.",
        operator: "Nothing: not issued by this release, which makes no images.";
    VideoFailed = "VIDEO_FAILED", 502, TRANSIENT,
        ko: "영상을 만들지 못했습니다. 다시 시도해 주세요.",
        en: "The video could not be made. Please try again.",
        operator: "Nothing: not issued by this release, which makes no videos.";
    VideoNotConfigured = "VIDEO_NOT_CONFIGURED", 503, FINAL,
        ko: "영상 생성이 설정되지 않았습니다.",
        en: "Video generation is not configured.",
        operator: "Nothing: not issued by this release, which makes no videos.";
    ResearchFailed = "RESEARCH_FAILED", 502, TRANSIENT,
        ko: "시장 조사를 마치지 못했습니다. 다시 시도해 주세요.",
        en: "The research could not be completed. Please try again.",
        operator: "Nothing: not issued by this release: research is a call to the language model and fails with its codes.";
    ResearchTimeout = "RESEARCH_TIMEOUT", 504, TRANSIENT,
        ko: "시장 조사가 늦어지고 있습니다. 다시 시도해 주세요.",
        en: "The research took too long. Please try again.",
        operator: "Nothing: not issued by this release: research is a call to the language model and fails with its codes.";
    ResearchNotConfigured = "RESEARCH_NOT_CONFIGURED", 503, FINAL,
        ko: "시장 조사를 위한 검색이 설정되지 않았습니다.",
        en: "No search service is configured for the research.",
        operator: "Nothing: not issued by this release: research without search finds no evidence, and says so. `search` of `/health/detailed` tells whether the model can search.";
    StorageUploadFailed = "STORAGE_UPLOAD_FAILED", 502, TRANSIENT,
        ko: "파일을 저장하지 못했습니다. 다시 시도해 주세요.",
        en: "The file could not be stored. Please try again.",
        operator: "Nothing: not issued by this release, which takes no files.";

    DbUnavailable = "DB_UNAVAILABLE", 503, TRANSIENT,
        ko: "지금은 저장할 수 없습니다. 잠시 후 다시 시도해 주세요.",
        en: "Nothing can be saved at the moment. Please try again shortly.",
        operator: "Check free space of `server.data_dir` (`store.min_free_disk_mb`), `store.page_limit`, and I/O errors in the log. While nothing can be written, `/ready` says no and `greenroom_journal_writable` is 0.";
    DbWriteFailed = "DB_WRITE_FAILED", 503, TRANSIENT,
        ko: "저장하지 못했습니다. 다시 시도해 주세요.",
        en: "This could not be saved. Please try again.",
        operator: "Nothing: not issued by this release: a write that fails is `DB_UNAVAILABLE`.";
    SessionRestartLimit = "SESSION_RESTART_LIMIT", 503, FINAL,
        ko: "이 대화에 반복해서 문제가 생겨 멈추었습니다. 운영자에게 문의해 주세요.",
        en: "This session kept failing and was stopped. Please contact the operator.",
        operator: "Find the panics in the log by `session_id`, and report the defect with what `greenroom admin events <id>` prints. `greenroom admin restart <id>` takes the session up again, once it can live (after an upgrade, say); one that still cannot is given up again.";

    SysOverloaded = "SYS_OVERLOADED", 503, TRANSIENT,
        ko: "지금 이용이 많습니다. 잠시 후 다시 시도해 주세요.",
        en: "The server is very busy. Please try again shortly.",
        operator: "Look at `greenroom_sessions_live` and `greenroom_journal_queue_depth` of `/metrics`; raise `limits.sessions` if the machine has room, or add capacity. A single client that sends faster than its session answers is told so, too.";
    SysDraining = "SYS_DRAINING", 503, TRANSIENT,
        ko: "서버를 교체하는 중입니다. 잠시 후 다시 연결해 주세요.",
        en: "The server is being replaced. Please reconnect shortly.",
        operator: "Nothing; the server was told to stop and lets live turns finish (`server.drain_seconds`).";
    SysRateLimit = "SYS_RATE_LIMIT", 429, TRANSIENT,
        ko: "요청이 너무 잦습니다. 잠시 후 다시 시도해 주세요.",
        en: "There were too many requests. Please try again shortly.",
        operator: "Nothing for a single client; `limits.requests_per_minute` and `limits.turns_per_minute` are reread on SIGHUP. Behind a proxy, name it in `server.trusted_proxies`, or all its clients count as one.";
    SysDailyLimit = "SYS_DAILY_LIMIT", 429, TRANSIENT,
        ko: "오늘 사용할 수 있는 횟수를 모두 썼습니다. 내일 다시 이용해 주세요.",
        en: "Today's allowance is used up. Please come back tomorrow.",
        operator: "Nothing: not issued by this release, which has no daily limit.";
    SysBudget = "SYS_BUDGET", 429, FINAL,
        ko: "이 대화에 쓸 수 있는 비용을 모두 썼습니다.",
        en: "The budget of this session is used up.",
        operator: "Nothing: not issued by this release, which has no budgets; `greenroom admin show <id>` tells what a session has cost.";
    SysInternal = "SYS_INTERNAL", 500, TRANSIENT,
        ko: "서버 오류가 발생했습니다. 잠시 후 다시 시도해 주세요.",
        en: "Something went wrong on the server. Please try again shortly.",
        operator: "Find the answer's `x-request-id` in the log as `request_id`, or the session as `session_id`, and report the defect. With the outcome unknown, the client may send again under the same idempotency key.";
}
