//! How a stream is opened: an HTTP request like any other, with the same key, proxy and TLS, that becomes a WebSocket.

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{Response, StatusCode, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::wire::{self, ServerEvent};
use crate::call::{Deadline, refusal, request_id};
use crate::endpoint::Endpoint;
use crate::failure::Fault;

/// Bytes of a message; the words of five minutes, each with its escapes, have a fifth of that.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Bytes that are read at once. Every read clears the whole buffer first, and a delta has three hundred.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Messages before the one that says that the stream is ready.
const PRELUDE_MESSAGES_MAX: usize = 16;

/// A connection to the provider.
pub(super) type Socket = WebSocketStream<Upgraded>;

/// A stream that is ready for speech.
pub(super) struct Opened {
    pub(super) socket: Socket,
    /// The provider's id of the request that opened it.
    pub(super) request_id: Option<String>,
}

/// Why there is none.
pub(super) struct Refused {
    /// What the provider answered, if it did and it was no success.
    pub(super) status: Option<StatusCode>,
    pub(super) fault: Fault,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self { status: None, fault }
    }
}

/// Opens a stream and has it configured by this message.
pub(super) async fn open(
    endpoint: &Endpoint,
    configuration: String,
    deadline: &Deadline,
) -> Result<Opened, Refused> {
    let key = generate_key();
    let request = endpoint
        .http
        .get(endpoint.url.clone())
        .header(CONNECTION, HeaderValue::from_static("Upgrade"))
        .header(UPGRADE, HeaderValue::from_static("websocket"))
        .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
        .header(SEC_WEBSOCKET_KEY, &key);
    let response = deadline.wait(request.send()).await?;
    let response = response.map_err(|error| Fault::transport(&error))?;
    let status = response.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(if status.is_success() {
            Fault::upstream(false, "the provider answered with something else than a stream").into()
        } else {
            let fault = refusal(response, deadline).await;
            Refused {
                status: Some(status),
                fault,
            }
        });
    }
    if !is_accepted(&response, &key) {
        return Err(Fault::upstream(false, "the provider switched to something else than WebSocket").into());
    }
    let request_id = request_id(&response);
    let upgraded = deadline.wait(response.upgrade()).await?;
    let upgraded = upgraded.map_err(|error| Fault::transport(&error))?;
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(limits())).await;
    deadline.wait(configured(&mut socket, configuration)).await??;
    Ok(Opened { socket, request_id })
}

fn is_accepted(response: &Response, key: &str) -> bool {
    let headers = response.headers();
    let is_websocket = headers
        .get(UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let accepted = derive_accept_key(key.as_bytes());
    is_websocket
        && headers
            .get(SEC_WEBSOCKET_ACCEPT)
            .is_some_and(|value| value.as_bytes() == accepted.as_bytes())
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        // Each message is written as it is sent.
        .write_buffer_size(0)
        .max_write_buffer_size(MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

async fn configured(socket: &mut Socket, configuration: String) -> Result<(), Fault> {
    let sent = socket.send(Message::text(configuration)).await;
    sent.map_err(|error| fault(&error))?;
    for _ in 0..PRELUDE_MESSAGES_MAX {
        let message = socket.next().await.unwrap_or(Err(Error::ConnectionClosed));
        match message.map_err(|error| fault(&error))? {
            Message::Text(text) => match wire::read(&text)? {
                ServerEvent::Configured => return Ok(()),
                ServerEvent::Error(error) => return Err(Fault::reported(&error.said)),
                // Nothing was said yet that this could be about.
                ServerEvent::Committed { .. }
                | ServerEvent::Cleared
                | ServerEvent::Words { .. }
                | ServerEvent::Completed(_)
                | ServerEvent::Failed { .. }
                | ServerEvent::Other => {}
            },
            Message::Close(frame) => return Err(closed(frame.as_ref())),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    let reason = "the provider says much, and never that the stream is ready";
    Err(Fault::upstream(false, reason))
}

/// What a broken connection means.
pub(super) fn fault(error: &Error) -> Fault {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Fault::cut(),
        Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Fault::cut(),
        Error::Capacity(_) => {
            let reason = format!("an event is larger than {MESSAGE_BYTES_MAX} bytes");
            Fault::upstream(false, reason)
        }
        other => Fault::broken(other),
    }
}

/// What the end means that the provider has given the stream. Its words are not repeated, its code is. One without a
/// fault, such as that of a stream that has lasted for as long as any may, says nothing of the provider.
pub(super) fn closed(frame: Option<&CloseFrame>) -> Fault {
    let Some(frame) = frame else {
        return Fault::cut();
    };
    let reason = format!("the provider closed the stream ({})", u16::from(frame.code));
    match frame.code {
        CloseCode::Normal | CloseCode::Away => Fault::upstream(true, reason).blameless(),
        CloseCode::Protocol
        | CloseCode::Unsupported
        | CloseCode::Invalid
        | CloseCode::Policy
        | CloseCode::Size
        | CloseCode::Extension => Fault::upstream(false, reason),
        _ => Fault::upstream(true, reason),
    }
}
