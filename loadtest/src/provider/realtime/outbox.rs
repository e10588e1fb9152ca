//! What is on its way to the client: one queue, bounded, and the task that sends it.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures_util::SinkExt as _;
use futures_util::stream::SplitSink;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// Events that wait for a client that reads slowly; then nothing more of it is read either.
const QUEUED_MAX: usize = 64;
/// A client that takes nothing for so long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// How often the client is pinged, as OpenAI does.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// What the client gets.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// A text message.
    Text(String),
    /// A close frame. Nothing follows.
    Close { code: u16, reason: String },
    /// The end of the connection without a close frame.
    Break,
    /// Nothing any more, while the connection stays open.
    Silence,
}

/// The way in.
#[derive(Debug, Clone)]
pub(super) struct Outbox(mpsc::Sender<Outgoing>);

/// The way out.
#[derive(Debug)]
pub(super) struct Queue(mpsc::Receiver<Outgoing>);

impl Outbox {
    pub(super) fn new() -> (Self, Queue) {
        let (outbox, queue) = mpsc::channel(QUEUED_MAX);
        (Self(outbox), Queue(queue))
    }

    /// Queues an event; waits while too many are queued.
    pub(super) async fn event(&self, event: &Value) {
        self.send(Outgoing::Text(event.to_string())).await;
    }

    pub(super) async fn send(&self, outgoing: Outgoing) {
        // Without a queue the connection has ended, and whoever waits here ends with it.
        let _ = self.0.send(outgoing).await;
    }
}

impl Queue {
    /// Sends what is queued until the connection ends.
    pub(super) async fn deliver(mut self, mut socket: SplitSink<WebSocket, Message>) {
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_silent = false;
        loop {
            let message = tokio::select! {
                queued = self.0.recv() => match queued {
                    None | Some(Outgoing::Break) => return,
                    Some(Outgoing::Silence) => {
                        is_silent = true;
                        continue;
                    }
                    Some(_) if is_silent => continue,
                    Some(Outgoing::Text(text)) => Message::Text(text.into()),
                    Some(Outgoing::Close { code, reason }) => {
                        let frame = CloseFrame { code, reason: reason.into() };
                        let closing = async {
                            socket.send(Message::Close(Some(frame))).await?;
                            socket.close().await
                        };
                        // Whoever does not take the frame is cut off.
                        let _ = timeout(WRITE_PATIENCE, closing).await;
                        return;
                    }
                },
                _ = pings.tick() => Message::Ping(Bytes::from_static(b"ping")),
            };
            if !matches!(timeout(WRITE_PATIENCE, socket.send(message)).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}
