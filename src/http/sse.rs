//! Server-sent events: the log of a session, or one turn of it, as a stream.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use greenroom_actors::Cursor;
use greenroom_protocol::{EventId, Frame, Millis};
use serde_json::Value;

use super::turn::TurnEvents;
use crate::lifecycle::{Phase, PhaseWatch};

/// Silence after which a comment is sent, so that proxies do not take the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How soon a browser comes back after a stream broke off.
const PREAMBLE: &str = "retry: 1000\n\n";

/// What comes next on a stream.
enum Next {
    Frames(Vec<Frame>),
    Silence,
    /// The server closes, and the client is to come back after this long.
    Closing(Millis),
    End,
}

/// The log of a session from a cursor on, without an end but the server's.
pub(super) fn log(cursor: Cursor, watch: PhaseWatch) -> Response {
    let pieces = stream::unfold(
        Some((Some(PREAMBLE), cursor, watch)),
        async |reader: Option<(Option<&str>, Cursor, PhaseWatch)>| {
            let (preamble, mut cursor, mut watch) = reader?;
            if let Some(preamble) = preamble {
                return Some((piece(preamble), Some((None, cursor, watch))));
            }
            let next = tokio::select! {
                // What is committed already is told before the server closes.
                biased;
                // A read that fails ends the stream; the client comes back with the last id that it saw.
                frames = cursor.next() => frames.map_or(Next::End, Next::Frames),
                next = silence_or_end(&mut watch) => next,
            };
            next.piece(|| (None, cursor, watch))
        },
    );
    response(Body::from_stream(pieces))
}

/// One turn, up to its end.
pub(super) fn turn(events: TurnEvents<Cursor>, watch: PhaseWatch) -> Response {
    let pieces = stream::unfold(
        Some((events, watch)),
        async |reader: Option<(TurnEvents<Cursor>, PhaseWatch)>| {
            let (mut events, mut watch) = reader?;
            let next = tokio::select! {
                biased;
                frame = events.next() => match frame {
                    Ok(Some(frame)) => Next::Frames(vec![frame]),
                    Ok(None) | Err(_) => Next::End,
                },
                next = silence_or_end(&mut watch) => next,
            };
            next.piece(|| (events, watch))
        },
    );
    response(Body::from_stream(pieces))
}

/// What is said without a turn: one event that is not of the log, and has no id.
pub(super) fn notice(data: &Value) -> Response {
    response(Body::from(format!("event: notice\ndata: {data}\n\n")))
}

async fn silence_or_end(watch: &mut PhaseWatch) -> Next {
    match tokio::time::timeout(KEEP_ALIVE, watch.reached(Phase::Closing)).await {
        Ok(()) => Next::Closing(watch.reconnect_after()),
        Err(_) => Next::Silence,
    }
}

impl Next {
    /// What is sent, and who reads on behind it; nobody behind the last word.
    fn piece<R>(self, reader: impl FnOnce() -> R) -> Option<(Result<Bytes, Infallible>, Option<R>)> {
        match self {
            Self::Frames(frames) => Some((piece(events(&frames)), Some(reader()))),
            Self::Silence => Some((piece(":\n\n"), Some(reader()))),
            Self::Closing(Millis(after_ms)) => Some((piece(format!("retry: {after_ms}\n\n")), None)),
            Self::End => None,
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a body's stream is made of results")]
fn piece(text: impl Into<Bytes>) -> Result<Bytes, Infallible> {
    Ok(text.into())
}

/// Several events as one piece of the stream. JSON as it is serialized has no line breaks.
fn events(frames: &[Frame]) -> String {
    const OVERHEAD_BYTES: usize = 32;
    let size_bytes = frames
        .iter()
        .map(|frame| frame.event_type().len() + frame.data_json().len() + OVERHEAD_BYTES);
    let mut text = String::with_capacity(size_bytes.sum());
    for frame in frames {
        write!(
            text,
            "id: {}\nevent: {}\ndata: {}\n\n",
            EventId(frame.seq),
            frame.event_type(),
            frame.data_json()
        )
        .expect("writing to a string never fails");
    }
    text
}

fn response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    // Some proxies hold a stream back until a buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::{Seq, SessionId, Timestamp};

    use super::*;

    #[test]
    fn an_event_has_an_id_a_type_and_data() {
        let frame = |seq, data| {
            let session = SessionId::new(ulid::Ulid(1));
            Frame::new(
                session,
                Seq(seq),
                "stage.changed",
                Timestamp::from_unix_ms(0),
                data,
            )
        };
        let frames = [frame(7, r#"{"state":"DONE"}"#), frame(123_456, "{}")];
        let expected = "id: evt_00007\nevent: stage.changed\ndata: {\"state\":\"DONE\"}\n\n\
                        id: evt_123456\nevent: stage.changed\ndata: {}\n\n";
        assert_eq!(events(&frames), expected);
    }
}
