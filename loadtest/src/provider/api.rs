//! Which of OpenAI's APIs a request speaks.

use serde::{Deserialize, Serialize};

/// Which API a call came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/audio/transcriptions`
    Transcriptions,
    /// `POST /v1/audio/speech`
    Speech,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/images/generations`
    Images,
    /// `GET /v1/realtime`: one call is one utterance that was committed.
    Realtime,
}
