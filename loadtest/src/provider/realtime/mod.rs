//! Transcription in real time over a WebSocket: a session that is set up, an audio buffer that is filled and committed,
//! and what was said in it.

mod connection;
mod event;
mod outbox;
mod session;
mod teller;
mod utterance;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::admission::disconnected;
use super::api::Api;
use super::error::ProviderError;
use super::fault::{Fault, FaultPoint};
use super::simulator::{SharedSimulator, Simulator};

/// The purpose that rules for faults know an upgrade by.
const CONNECTION: &str = "connection";
/// The subprotocol that a client may offer.
const SUBPROTOCOL: &str = "realtime";
/// How a browser, which cannot set a header, offers its key as a subprotocol.
const KEY_SUBPROTOCOL: &str = "openai-insecure-api-key.";
/// Audio in one event, as documented.
const EVENT_AUDIO_BYTES_MAX: usize = 15 * 1024 * 1024;
/// A message: as much audio in base64, and what is around it.
const MESSAGE_BYTES_MAX: usize = EVENT_AUDIO_BYTES_MAX / 3 * 4 + 64 * 1024;
/// tungstenite clears its whole read buffer at every read: hundreds of sockets in one process want a small one.
const READ_BUFFER_BYTES: usize = 4 * 1024;
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
/// What may wait in the socket for a client that does not read; the outbox before it is bounded too.
const WRITE_BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// What stands in the address.
#[derive(Debug, Deserialize)]
pub(super) struct ConnectQuery {
    intent: Option<String>,
    model: Option<String>,
}

/// `GET /v1/realtime?intent=transcription`
pub(super) async fn connect(
    State(simulator): State<SharedSimulator>,
    Query(query): Query<ConnectQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ProviderError> {
    let upgrade = upgrade
        .map_err(|rejection| ProviderError::no_handshake(rejection.status(), rejection.body_text()))?;
    let fault = simulator
        .faults
        .take(FaultPoint::Upgrade, Api::Realtime, "", CONNECTION);
    match fault {
        Some(Fault::Status { code, retry_after }) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return Err(ProviderError::of_status(status, retry_after));
        }
        Some(Fault::DisconnectBeforeHeaders) => return Ok(disconnected()),
        Some(_) | None => {}
    }
    let token = simulator.socket()?;
    let refusal = refusal(&simulator, &query, &headers);
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .protocols([SUBPROTOCOL]);
    let response = upgrade.on_upgrade(async move |socket| {
        match refusal {
            Some(refusal) => connection::refuse(socket, &simulator, &refusal).await,
            None => connection::serve(socket, &simulator).await,
        }
        drop(token);
    });
    Ok(response.into_response())
}

/// Why there is no session. As with OpenAI, the upgrade succeeds all the same: the refusal is the first event, and the
/// connection is closed after it.
fn refusal(simulator: &Simulator, query: &ConnectQuery, headers: &HeaderMap) -> Option<Refusal> {
    if let Err(error) = simulator.authorize_key(key(headers)) {
        return Some(Refusal {
            error,
            close_code: CLOSE_UNAUTHORIZED,
        });
    }
    let error = if headers.contains_key("openai-beta") {
        ProviderError::event(
            Some("beta_api_shape_disabled"),
            "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
        )
    } else if let Some(model) = &query.model {
        let message = format!("Model \"{model}\" is not supported in realtime mode.");
        ProviderError::event(Some("invalid_model"), message)
    } else if query.intent.as_deref() != Some("transcription") {
        ProviderError::event(Some("missing_model"), "You must provide a model parameter.")
    } else {
        return None;
    };
    Some(Refusal {
        error,
        close_code: CLOSE_WRONG_REQUEST,
    })
}

/// The key of the header, or of the subprotocol that stands in for it.
fn key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offered = offered
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    bearer.or_else(|| offered.find_map(|protocol| protocol.trim().strip_prefix(KEY_SUBPROTOCOL)))
}

/// The codes of OpenAI's closes.
const CLOSE_UNAUTHORIZED: u16 = 3_000;
const CLOSE_WRONG_REQUEST: u16 = 4_000;

/// A connection that is closed as soon as it is open.
#[derive(Debug)]
struct Refusal {
    error: ProviderError,
    close_code: u16,
}
