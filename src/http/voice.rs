//! Spoken turns, and texts spoken.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use greenroom_protocol::{ErrorBody, ErrorCode, Role, SessionId, TurnId};
use greenroom_session::SessionView;
use greenroom_session::playbook::{Playbook, VoicePreset};
use greenroom_session::ports::{Clock as _, SpeechFormat};
use serde_json::json;

use super::asker::IdempotencyKey;
use super::extract::{InBody, InPath};
use super::object::Object;
use super::recording_form::FormBody;
use super::recording_refusals::RecordingRefusals;
use super::sse;
use super::turn::TurnEvents;
use super::turns::{BegunTurn, complete, take_turn};
use super::wire::{AssistantVoiceBody, AudioFormat, SpokenDocument, VoiceTurnDocument, VoiceTurnForm};
use super::{Asker, Failure};
use crate::app::App;
use crate::system::SystemClock;
use crate::voice::{Heard, Speech, Utterance, VoiceTurn, is_made_of_phrases, observe};

/// Characters of a text to be spoken: what the usual models take, counted in tokens, of a script with a token to a
/// letter.
const SPEECH_CHARS_MAX: usize = 2_000;

/// Say something by a recording and wait for the reply. A recording of which nothing is understood makes no turn: the
/// transcript is empty, and `next_question` asks for text. A client that goes away once the recording is there cancels
/// nothing.
#[utoipa::path(
    post, path = "/api/chat/session/{session_id}/voice-turn", tag = "turns",
    params(("session_id" = String, Path, description = "The session"), IdempotencyKey),
    request_body(content = VoiceTurnForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The turn", body = VoiceTurnDocument),
        RecordingRefusals,
    ),
)]
pub(super) async fn voice_turn(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
    key: IdempotencyKey,
    request: Request,
) -> Result<Json<VoiceTurnDocument>, Failure> {
    let Begun { mut turn, speaks } = begin(&app, &asker, session, key, request).await?;
    let _answering = app.lifecycle.answer();
    let heard = turn.heard().await?;
    let mut document = match heard {
        Heard::Turn { turn_id, before } => {
            let (cursor, view) = app.directory.cursor(session, &asker.caller, Some(before)).await?;
            let events = TurnEvents::new(cursor, turn_id);
            let (summary, view) = complete(&app, &asker, BegunTurn { events, view }).await?;
            let next_question = summary.assistant_message();
            VoiceTurnDocument {
                transcript: summary.transcript,
                slot_updates: summary.slot_updates,
                ..document(view, next_question)
            }
        }
        Heard::Nothing { text } => document(app.directory.view(session, &asker.caller).await?, text),
    };
    if speaks {
        match turn.spoken().await {
            Ok(spoken) => document.audio_url = Some(spoken.url()),
            Err(failure) => document.audio_error = Some(failure.into_body(asker.locale)),
        }
    }
    Ok(Json(document))
}

/// Say something by a recording and watch the turn. The stream begins when the recording was understood, and ends with
/// the turn's `turn.completed`; speech, if a voice was named, is made after it: see `asset.ready` in the log. If nothing
/// is understood, it is one `notice` with `{"transcript":"","next_question":…}`.
#[utoipa::path(
    post, path = "/api/chat/session/{session_id}/voice-turn/stream", tag = "turns",
    params(("session_id" = String, Path, description = "The session"), IdempotencyKey),
    request_body(content = VoiceTurnForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The turn's events", body = String, content_type = "text/event-stream"),
        RecordingRefusals,
    ),
)]
pub(super) async fn voice_turn_stream(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
    key: IdempotencyKey,
    request: Request,
) -> Result<Response, Failure> {
    let Begun { mut turn, .. } = begin(&app, &asker, session, key, request).await?;
    match turn.heard().await? {
        Heard::Turn { turn_id, before } => {
            let (cursor, _) = app.directory.cursor(session, &asker.caller, Some(before)).await?;
            Ok(sse::turn(TurnEvents::new(cursor, turn_id), app.lifecycle.watch()))
        }
        Heard::Nothing { text } => {
            let notice = json!({ "transcript": "", "next_question": text });
            Ok(sse::notice(&notice))
        }
    }
}

/// Have a text spoken. The same text in the same voice is spoken once: then it costs nothing and makes no event.
#[utoipa::path(
    post, path = "/api/chat/session/{session_id}/assistant-voice", tag = "turns",
    params(("session_id" = String, Path, description = "The session")),
    request_body = AssistantVoiceBody,
    responses(
        (status = 200, description = "Where it can be heard", body = SpokenDocument),
        (status = 422, description = "`INPUT_BLANK`, `INPUT_TOO_LONG`, `SAFETY_INPUT`; `INPUT_INVALID`: there is no such voice"),
        (status = 502, description = "`TTS_FAILED`"),
        (status = 503, description = "`TTS_NOT_CONFIGURED`, `SAFETY_UNAVAILABLE`, `SYS_OVERLOADED`"),
        (status = 504, description = "`TTS_TIMEOUT`"),
    ),
)]
pub(super) async fn assistant_voice(
    State(app): State<Arc<App>>,
    asker: Asker,
    InPath(session): InPath<SessionId>,
    InBody(Object(body)): InBody<Object<AssistantVoiceBody>>,
) -> Result<Json<SpokenDocument>, Failure> {
    take_turn(&app, &asker)?;
    let view = app.directory.view(session, &asker.caller).await?;
    let playbook = app.playbooks.pinned(&view.playbook.hash).await?;
    let refusal = |code| Failure::Told(Box::new(ErrorBody::new(code, view.locale)));
    let text = body.text.trim();
    if !text.chars().any(char::is_alphanumeric) {
        return Err(refusal(ErrorCode::InputBlank));
    }
    if text.chars().count() > SPEECH_CHARS_MAX {
        return Err(refusal(ErrorCode::InputTooLong));
    }
    let preset = preset(&playbook, body.voice_preset.as_deref())?;
    let speech = Speech {
        session,
        caller: asker.caller,
        locale: view.locale,
        text: text.to_owned(),
        preset: preset.clone(),
        format: match body.format {
            Some(AudioFormat::Wav) => SpeechFormat::Wav,
            Some(AudioFormat::Mp3) | None => SpeechFormat::Mp3,
        },
        turn_id: None,
        checked: is_made_of_phrases(&playbook, text) || was_said(&view, text),
        playbook,
    };
    let spoken = app.voice.mouth.say(speech).await?;
    Ok(Json(SpokenDocument {
        audio_url: spoken.url(),
        format: spoken.format,
        bytes_size: spoken.size_bytes,
        duration_ms: spoken.duration_ms,
    }))
}

/// A recording that is being heard.
struct Begun {
    turn: VoiceTurn,
    speaks: bool,
}

/// Takes a recording in. Of one that is refused while it comes the rest is let in for a moment, so that the client reads
/// why.
async fn begin(
    app: &App,
    asker: &Asker,
    session: SessionId,
    IdempotencyKey(key): IdempotencyKey,
    request: Request,
) -> Result<Begun, Failure> {
    let (parts, body) = request.into_parts();
    let body = FormBody::new(body, &parts.headers);
    let received = receive(app, asker, session, &parts.headers, &body).await;
    let mut utterance = match received {
        Ok(utterance) => utterance,
        Err(failure) => {
            observe::upload(Err(failure.code()));
            body.linger();
            return Err(failure);
        }
    };
    observe::upload(Ok(utterance.recording.upload.len_bytes()));
    utterance.key = key;
    let speaks = utterance.preset.is_some();
    let turn = app.voice.ears.hear(utterance);
    Ok(Begun { turn, speaks })
}

/// Reads the form of who may speak here, and checks all that can be checked before anything is spent.
async fn receive(
    app: &App,
    asker: &Asker,
    session: SessionId,
    headers: &HeaderMap,
    body: &FormBody,
) -> Result<Utterance, Failure> {
    take_turn(app, asker)?;
    // Whatever was said in it, it was said before it was sent.
    let ended_at = SystemClock.now();
    let (presence, view) = app.directory.cursor(session, &asker.caller, None).await?;
    if !app.voice.ears.can_hear() {
        let error = ErrorBody::new(ErrorCode::SttNotConfigured, view.locale);
        return Err(Failure::Told(Box::new(error)));
    }
    let place = app.voice.ears.place()?;
    let form = body.read(headers, app.lifecycle.watch()).await?;
    let playbook = app.playbooks.pinned(&view.playbook.hash).await?;
    let named = form.voice_preset.as_deref();
    let preset = named
        .map(|name| preset(&playbook, Some(name)).cloned())
        .transpose()?;
    Ok(Utterance {
        session,
        caller: asker.caller.clone(),
        locale: view.locale,
        playbook,
        key: None,
        recording: form.recording,
        language: form.locale.unwrap_or(view.locale),
        vocabulary: view.vocabulary(),
        ended_at,
        preset,
        presence,
        place,
    })
}

/// A voice of the playbook, or its first if none is named.
fn preset<'a>(playbook: &'a Playbook, name: Option<&str>) -> Result<&'a VoicePreset, Failure> {
    let voices = &playbook.voices;
    let found = match name {
        Some(name) => voices.iter().find(|voice| voice.preset == name),
        None => voices.first(),
    };
    found.ok_or_else(|| {
        let presets: Vec<&str> = voices.iter().map(|voice| voice.preset.as_str()).collect();
        let reason = "the playbook has no such voice";
        let details = json!({ "field": "voice_preset", "reason": reason, "presets": presets });
        Failure::with_details(ErrorCode::InputInvalid, details)
    })
}

/// Whether a text was said in the session: one of its latest messages, or all of the assistant's in one turn.
fn was_said(view: &SessionView, text: &str) -> bool {
    let reply = |turn_id: Option<TurnId>| {
        let said = view
            .messages
            .iter()
            .filter(|message| message.turn_id == turn_id && message.role == Role::Assistant);
        said.map(|message| message.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    view.messages
        .iter()
        .any(|message| message.text.trim() == text || reply(message.turn_id) == text)
}

/// The session as it is after a recording.
fn document(view: SessionView, next_question: String) -> VoiceTurnDocument {
    VoiceTurnDocument {
        session_id: view.session_id,
        transcript: String::new(),
        state: view.state,
        next_question,
        slot_updates: Vec::new(),
        brief_slots: view.brief_slots,
        gate: view.gate,
        audio_url: None,
        audio_error: None,
    }
}
