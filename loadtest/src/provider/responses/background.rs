//! A response that is written without anybody waiting for it, and whose stream can be taken up again.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{Rendering, Status};

/// How old a response may be whose stream is taken up; OpenAI says so when it is older.
const STREAM_AGE_MAX: Duration = Duration::from_mins(5);
/// What every event ends with.
const EVENT_END: &[u8] = b"\n\n";

/// One response in the background. Dropped, it is no longer written.
#[derive(Debug)]
pub(crate) struct Background {
    log: Arc<Log>,
    cancelled: CancellationToken,
    /// Whether the request asked for a stream; only then can one be taken up.
    is_streamed: bool,
    began_at: Instant,
    _writer: AbortOnDropHandle<()>,
}

/// What has been written so far.
#[derive(Debug)]
struct Log {
    state: Mutex<State>,
    /// Changes whenever the state does.
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    /// The events, each at the index that is its number.
    events: Vec<Bytes>,
    document: Arc<Value>,
    has_ended: bool,
}

impl Background {
    /// Writes the response: `body` plays its events.
    pub(crate) fn start(rendering: Arc<Rendering>, body: Body, is_streamed: bool) -> Self {
        let log = Arc::new(Log {
            state: Mutex::new(State {
                events: Vec::new(),
                document: Arc::new(rendering.unwritten(Status::Queued)),
                has_ended: false,
            }),
            changed: watch::Sender::new(()),
        });
        let cancelled = CancellationToken::new();
        let writer = tokio::spawn(write(rendering, body, Arc::clone(&log), cancelled.clone()));
        Self {
            log,
            cancelled,
            is_streamed,
            began_at: Instant::now(),
            _writer: AbortOnDropHandle::new(writer),
        }
    }

    /// The response as it stands now.
    pub(crate) fn document(&self) -> Arc<Value> {
        Arc::clone(&self.log.lock().document)
    }

    pub(crate) fn is_streamed(&self) -> bool {
        self.is_streamed
    }

    /// Whether its stream can no longer be taken up.
    pub(crate) fn is_too_old(&self) -> bool {
        self.began_at.elapsed() > STREAM_AGE_MAX
    }

    /// Ends the writing, unless it has ended. Ready once nothing more is written.
    pub(crate) async fn cancel(&self) -> Arc<Value> {
        self.cancelled.cancel();
        let mut changed = self.log.changed.subscribe();
        // The sender lives in the log, so that waiting cannot fail.
        let _ = changed.wait_for(|()| self.log.lock().has_ended).await;
        self.document()
    }

    /// The events from a number on: those that are written, then the others as they are written.
    pub(crate) fn stream(&self, from: usize) -> Body {
        let log = Arc::clone(&self.log);
        let changed = log.changed.subscribe();
        let events =
            futures_util::stream::unfold((log, changed, from), |(log, mut changed, at)| async move {
                loop {
                    changed.mark_unchanged();
                    let (event, has_ended) = {
                        let state = log.lock();
                        (state.events.get(at).cloned(), state.has_ended)
                    };
                    match event {
                        Some(event) => return Some((Ok::<_, io::Error>(event), (log, changed, at + 1))),
                        None if has_ended => return None,
                        None => changed.changed().await.ok()?,
                    }
                }
            });
        Body::from_stream(events)
    }
}

async fn write(rendering: Arc<Rendering>, body: Body, log: Arc<Log>, cancelled: CancellationToken) {
    let mut events = body.into_data_stream();
    let mut first = Some(Arc::new(rendering.unwritten(Status::InProgress)));
    let last = loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = cancelled.cancelled() => break rendering.unwritten(Status::Cancelled),
        };
        match event {
            // A connection that breaks in the middle of an event leaves half of it, which no event is.
            Some(Ok(event)) if !event.ends_with(EVENT_END) => {}
            Some(Ok(event)) => {
                let document = first.take();
                log.change(|state| {
                    state.events.push(event);
                    if let Some(document) = document {
                        state.document = document;
                    }
                });
            }
            Some(Err(_)) => {
                log.change(|state| state.events.push(rendering.failure(state.events.len())));
                break rendering.failed();
            }
            None => break rendering.document(),
        }
    };
    // The call is booked before anybody is told that it has ended.
    drop(events);
    log.change(|state| {
        state.document = Arc::new(last);
        state.has_ended = true;
    });
}

impl Log {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.send_modify(|()| ());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Events are only added: a panic elsewhere cannot leave them half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
