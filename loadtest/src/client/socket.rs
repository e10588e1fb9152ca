//! The WebSocket: sends messages, tells what comes, and comes back after a break with the last event it saw.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink as _, SinkExt as _, Stream as _};
use greenroom_protocol::{ClientMessage, Seq, SessionId, Signal};
use reqwest::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{Client, ClientError, ConnectionRecorder, Origin, Saw, SeenEvent, last_event_id};

const SUBPROTOCOL: &str = "greenroom.v1";
/// tungstenite clears its whole read buffer at every read: thousands of sockets in one process want a small one.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Frames that are ready together leave in one write up to this size.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
/// What may wait for a server that does not read: 30 s of samples at 16 kHz.
const WRITE_BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// How a socket begins and what it does after a break.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// Replays what came after this event; none asks for a snapshot.
    pub last_event_id: Option<Seq>,
    /// Comes back by itself after a break; none leaves that to the caller.
    pub reconnect: Option<Reconnect>,
}

/// How often a socket tries to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// Tries in a row.
    pub attempts: u32,
    /// Between them.
    pub delay: Duration,
}

/// What came over a socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// An event.
    Event(SeenEvent),
    /// A signal.
    Signal(Box<Signal>),
    /// A text frame of a kind that this client does not know.
    Unknown(String),
    /// Audio.
    Audio(Bytes),
    /// The connection broke, and is back; the events after this one follow.
    Reconnected {
        /// The last event that was seen before, if one was.
        after: Option<Seq>,
    },
    /// The connection ended for good.
    Closed {
        /// The close code, if one came.
        code: Option<u16>,
    },
}

/// A connection to one session.
#[derive(Debug)]
pub struct Socket {
    client: Client,
    session: SessionId,
    reconnect: Option<Reconnect>,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    recorder: ConnectionRecorder,
    last_seq: Option<Seq>,
    /// Whether frames were queued that may not have left.
    has_queued: bool,
}

impl Client {
    /// Opens the WebSocket of a session.
    pub async fn connect(&self, session: SessionId, options: SocketOptions) -> Result<Socket, ClientError> {
        let (stream, recorder) = self.open(session, options.last_event_id).await?;
        Ok(Socket {
            client: self.clone(),
            session,
            reconnect: options.reconnect,
            stream,
            recorder,
            last_seq: options.last_event_id,
            has_queued: false,
        })
    }

    async fn open(
        &self,
        session: SessionId,
        after: Option<Seq>,
    ) -> Result<(WebSocketStream<MaybeTlsStream<TcpStream>>, ConnectionRecorder), ClientError> {
        let cursor = after
            .map(|seq| format!("?last_event_id={}", last_event_id(seq)))
            .unwrap_or_default();
        let url = self
            .session_url(session, &format!("/ws{cursor}"))
            .replacen("http://", "ws://", 1);
        let mut request = url.into_client_request().map_err(Box::new)?;
        request.headers_mut().extend(self.headers()?);
        request
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX);
        // Nagle's algorithm would hold a frame back until the one before it is acknowledged.
        let connected = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
        let (stream, _) = match connected.await {
            Ok(opened) => opened,
            Err(tungstenite::Error::Http(response)) => {
                let body = response
                    .body()
                    .as_deref()
                    .map(String::from_utf8_lossy)
                    .unwrap_or_default();
                return Err(ClientError::of_answer(response.status().as_u16(), &body));
            }
            Err(error) => return Err(Box::new(error).into()),
        };
        let origin = after.map_or(Origin::Snapshot, Origin::After);
        Ok((stream, self.recorder.connected(session, origin)?))
    }
}

impl Socket {
    /// The session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The last event that was seen, or that the snapshot stands for.
    pub fn last_seq(&self) -> Option<Seq> {
        self.last_seq
    }

    /// Sends a message, with an idempotency key if one is given.
    pub async fn send(&mut self, message: &ClientMessage, id: Option<&str>) -> Result<(), ClientError> {
        self.send_text(text_frame(message, id)?).await
    }

    /// Sends any text frame, whatever the server may think of it.
    pub async fn send_text(&mut self, text: String) -> Result<(), ClientError> {
        self.recorder.write(Saw::Sent { text: text.clone() })?;
        Ok(self.stream.send(Message::text(text)).await.map_err(Box::new)?)
    }

    /// Sends a binary frame.
    pub async fn send_audio(&mut self, frame: Bytes) -> Result<(), ClientError> {
        Ok(self.stream.send(Message::Binary(frame)).await.map_err(Box::new)?)
    }

    /// Takes a message without waiting for the connection; it leaves as soon as [`Self::next`] is awaited. A server
    /// that does not read for long is an error.
    pub fn queue(&mut self, message: &ClientMessage, id: Option<&str>) -> Result<(), ClientError> {
        let text = text_frame(message, id)?;
        self.recorder.write(Saw::Sent { text: text.clone() })?;
        self.queue_frame(Message::text(text))
    }

    /// Like [`Self::queue`], with a binary frame.
    pub fn queue_audio(&mut self, frame: Bytes) -> Result<(), ClientError> {
        self.queue_frame(Message::Binary(frame))
    }

    fn queue_frame(&mut self, frame: Message) -> Result<(), ClientError> {
        self.has_queued = true;
        Ok(Pin::new(&mut self.stream).start_send(frame).map_err(Box::new)?)
    }

    /// What comes next; sends what is queued meanwhile. After a break it comes back first, if it was told to. Cancelling
    /// loses nothing.
    pub async fn next(&mut self) -> Result<Incoming, ClientError> {
        loop {
            let code = match std::future::poll_fn(|context| self.poll_frame(context)).await {
                Some(Ok(Message::Text(text))) => return self.text(text.as_str()),
                Some(Ok(Message::Binary(bytes))) => return Ok(Incoming::Audio(bytes)),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(frame))) => {
                    // Says goodbye too, which the server waits for. Nobody reads on, which would do it as well; and
                    // what becomes of it does not matter any more.
                    let _ = self.stream.flush().await;
                    frame.map(|frame| u16::from(frame.code))
                }
                Some(Err(_)) | None => None,
            };
            self.recorder.write(Saw::Closed { code })?;
            return match self.reconnect {
                Some(policy) => self.come_back(policy).await,
                None => Ok(Incoming::Closed { code }),
            };
        }
    }

    /// The next frame, with what is queued sent first. A connection that cannot send tells why when it is read.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Message, tungstenite::Error>>> {
        if self.has_queued && Pin::new(&mut self.stream).poll_flush(context).is_ready() {
            self.has_queued = false;
        }
        Pin::new(&mut self.stream).poll_next(context)
    }

    /// Opens a new connection that goes on where this one stands.
    pub async fn resume(&mut self) -> Result<(), ClientError> {
        let (stream, recorder) = self.client.open(self.session, self.last_seq).await?;
        (self.stream, self.recorder, self.has_queued) = (stream, recorder, false);
        Ok(())
    }

    /// Breaks the connection as a machine does that has no memory of it any more (`RST`).
    pub fn reset(self) -> Result<(), ClientError> {
        self.recorder.write(Saw::Closed { code: None })?;
        if let MaybeTlsStream::Plain(stream) = self.stream.get_ref() {
            // What is done to a connection that has ended already changes nothing.
            let _ = stream.set_zero_linger();
        }
        Ok(())
    }

    /// Says goodbye.
    pub async fn close(mut self) -> Result<(), ClientError> {
        self.recorder.write(Saw::Closed { code: None })?;
        match self.stream.close(None).await {
            Ok(()) | Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => Ok(()),
            Err(error) => Err(Box::new(error).into()),
        }
    }

    async fn come_back(&mut self, policy: Reconnect) -> Result<Incoming, ClientError> {
        let mut attempt = 1;
        loop {
            match self.resume().await {
                Ok(()) => return Ok(Incoming::Reconnected { after: self.last_seq }),
                // What the server refuses, and what cannot be recorded, does not get better by waiting.
                Err(error @ (ClientError::Record(_) | ClientError::Unusable(_))) => return Err(error),
                Err(ClientError::Refused { status, error }) if !error.retryable => {
                    return Err(ClientError::Refused { status, error });
                }
                Err(error) if attempt >= policy.attempts => return Err(error),
                Err(_) => tokio::time::sleep(policy.delay).await,
            }
            attempt += 1;
        }
    }

    fn text(&mut self, text: &str) -> Result<Incoming, ClientError> {
        if let Ok(event) = SeenEvent::from_envelope(text) {
            self.last_seq = Some(event.seq);
            self.recorder.write(Saw::Event(event.clone()))?;
            return Ok(Incoming::Event(event));
        }
        self.recorder.write(Saw::Signal {
            text: text.to_owned(),
        })?;
        let Ok(signal) = serde_json::from_str::<Signal>(text) else {
            return Ok(Incoming::Unknown(text.to_owned()));
        };
        if let Signal::SessionSnapshot { as_of_seq, .. } = &signal {
            self.last_seq = Some(*as_of_seq);
        }
        Ok(Incoming::Signal(Box::new(signal)))
    }
}

fn text_frame(message: &ClientMessage, id: Option<&str>) -> Result<String, ClientError> {
    let mut frame =
        serde_json::to_value(message).map_err(|error| ClientError::Unusable(error.to_string()))?;
    if let Some(id) = id {
        frame["id"] = Value::from(id);
    }
    Ok(frame.to_string())
}
