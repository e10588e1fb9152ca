//! The operations of OpenAI's API that are spoken here, and what a failure of each is called.

use greenroom_protocol::ErrorCode;

use crate::failure::Failing;

/// What an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Writes; strict schemas and web search.
    Responses,
    /// Writes; what nearly every other server speaks.
    ChatCompletions,
    /// Turns speech into words.
    Transcriptions,
    /// Turns speech into words while it is spoken.
    LiveTranscriptions,
    /// Turns words into speech.
    Speech,
    /// Checks texts.
    Moderations,
}

/// The names of one kind of call's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metrics {
    /// Counts calls.
    pub(crate) calls: &'static str,
    /// How long they take.
    pub(crate) seconds: &'static str,
    /// How long the first of a reply takes, where a reply is streamed.
    pub(crate) first_output_seconds: Option<&'static str>,
}

impl Operation {
    /// What an operator's view calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Responses => "responses",
            Self::ChatCompletions => "chat_completions",
            Self::Transcriptions => "transcriptions",
            Self::LiveTranscriptions => "live_transcriptions",
            Self::Speech => "speech",
            Self::Moderations => "moderations",
        }
    }

    /// Where it is, below a server's base.
    pub(crate) fn path(self) -> &'static [&'static str] {
        match self {
            Self::Responses => &["responses"],
            Self::ChatCompletions => &["chat", "completions"],
            Self::Transcriptions => &["audio", "transcriptions"],
            Self::LiveTranscriptions => &["realtime"],
            Self::Speech => &["audio", "speech"],
            Self::Moderations => &["moderations"],
        }
    }

    /// The error table's code for a failure.
    pub(crate) fn code(self, failing: Failing) -> ErrorCode {
        match (self, failing) {
            (Self::Responses | Self::ChatCompletions, Failing::Upstream | Failing::Lost) => {
                ErrorCode::LlmUpstream
            }
            (Self::Responses | Self::ChatCompletions, Failing::Timeout) => ErrorCode::LlmTimeout,
            (Self::Responses | Self::ChatCompletions, Failing::Suspended) => ErrorCode::LlmCircuitOpen,
            (Self::Responses | Self::ChatCompletions, Failing::Refused) => ErrorCode::SafetyOutput,
            (Self::Responses | Self::ChatCompletions, Failing::Overlong) => ErrorCode::LlmJsonInvalid,
            (Self::Transcriptions | Self::LiveTranscriptions, Failing::Timeout) => ErrorCode::SttTimeout,
            (
                Self::Transcriptions | Self::LiveTranscriptions,
                Failing::Upstream | Failing::Suspended | Failing::Refused | Failing::Overlong | Failing::Lost,
            ) => ErrorCode::SttFailed,
            (Self::Speech, Failing::Timeout) => ErrorCode::TtsTimeout,
            (
                Self::Speech,
                Failing::Upstream | Failing::Suspended | Failing::Refused | Failing::Overlong | Failing::Lost,
            ) => ErrorCode::TtsFailed,
            (
                Self::Moderations,
                Failing::Upstream
                | Failing::Timeout
                | Failing::Suspended
                | Failing::Refused
                | Failing::Overlong
                | Failing::Lost,
            ) => ErrorCode::SafetyUnavailable,
        }
    }

    pub(crate) fn metrics(self) -> Metrics {
        match self {
            Self::Responses | Self::ChatCompletions => Metrics {
                calls: "greenroom_llm_calls_total",
                seconds: "greenroom_llm_call_seconds",
                first_output_seconds: Some("greenroom_llm_first_token_seconds"),
            },
            Self::Transcriptions => Metrics {
                calls: "greenroom_stt_calls_total",
                seconds: "greenroom_stt_call_seconds",
                first_output_seconds: None,
            },
            Self::LiveTranscriptions => Metrics {
                calls: "greenroom_stt_calls_total",
                seconds: "greenroom_stt_call_seconds",
                first_output_seconds: Some("greenroom_stt_first_words_seconds"),
            },
            Self::Speech => Metrics {
                calls: "greenroom_tts_calls_total",
                seconds: "greenroom_tts_call_seconds",
                first_output_seconds: Some("greenroom_tts_first_byte_seconds"),
            },
            Self::Moderations => Metrics {
                calls: "greenroom_moderation_calls_total",
                seconds: "greenroom_moderation_call_seconds",
                first_output_seconds: None,
            },
        }
    }
}
