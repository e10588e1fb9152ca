//! What waits to be written to a socket: a control lane that overtakes, the sound of a reply, and a lane of events in
//! their order.
//!
//! Sound stays in its line's outlet until the socket takes it, so that a pause stops it at once.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{Message, Utf8Bytes};
use futures_util::Sink;
use greenroom_actors::voice::{AudioItem, Outlet};
use greenroom_protocol::{Frame, Seq, Signal};

/// Control messages that may wait. Beyond it nothing more is read from the client, for most answer what it sent.
const CONTROL_MAX: usize = 64;

/// What waits to be written.
#[derive(Debug, Default)]
pub struct Outbox {
    control: VecDeque<Message>,
    events: VecDeque<Message>,
    /// Where the replay ends, until it has.
    replay_until: Option<Seq>,
    unflushed: bool,
    /// Frames that the line of live voice refused, and that were not counted yet.
    refused_frames: u32,
}

impl Outbox {
    /// Says `replay.done` once everything after `from` and up to `until` has passed through.
    pub fn replay(&mut self, from: Seq, until: Seq) {
        self.replay_until = Some(until);
        self.end_replay_at(from);
    }

    /// A signal that overtakes waiting events.
    pub fn signal(&mut self, signal: &Signal) {
        self.control.push_back(text_message(signal));
    }

    /// A message of the protocol below ours, such as a ping.
    pub fn control(&mut self, message: Message) {
        self.control.push_back(message);
    }

    /// Events that follow those before them.
    pub fn events(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            let text = Utf8Bytes::try_from(frame.bytes().clone()).expect("a frame is built from a string");
            self.events.push_back(Message::Text(text));
            self.end_replay_at(frame.seq);
        }
    }

    /// Whether more events are wanted: a batch at a time, so that a slow client holds no more than one.
    pub fn wants_events(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether the client may be listened to.
    pub fn has_room(&self) -> bool {
        self.control.len() < CONTROL_MAX
    }

    /// Whether everything has left.
    pub fn is_idle(&self) -> bool {
        self.control.is_empty() && self.events.is_empty() && !self.unflushed
    }

    /// Throws away what has not left yet, to make way for the last word.
    pub fn clear(&mut self) {
        self.control.clear();
        self.events.clear();
    }

    /// The message that ends the connection: it leaves after the control messages that wait, and no event follows it.
    pub fn last_word(&mut self, message: Message) {
        self.events.clear();
        self.control.push_back(message);
    }

    /// Notes that something below this outbox waits to be flushed, such as the answer to a ping.
    pub fn touch(&mut self) {
        self.unflushed = true;
    }

    /// How many frames of the microphone were found to be none since this was asked last.
    pub fn take_refused_frames(&mut self) -> u32 {
        std::mem::take(&mut self.refused_frames)
    }

    /// Writes everything, what the line of live voice has to say included. May be dropped and polled again at any point:
    /// what has been handed over is not handed over twice.
    pub fn poll_write<S>(
        &mut self,
        socket: &mut S,
        outlet: Option<&Outlet>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), S::Error>>
    where
        S: Sink<Message> + Unpin,
    {
        while self.has_next(outlet) {
            ready!(Pin::new(&mut *socket).poll_ready(context))?;
            // The line may have taken its sound back meanwhile.
            let Some(message) = self.next(outlet) else { break };
            self.unflushed = true;
            Pin::new(&mut *socket).start_send(message)?;
        }
        if self.unflushed {
            ready!(Pin::new(socket).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn has_next(&self, outlet: Option<&Outlet>) -> bool {
        let nothing_said = outlet.is_none_or(Outlet::is_empty);
        !(self.control.is_empty() && nothing_said && self.events.is_empty())
    }

    fn next(&mut self, outlet: Option<&Outlet>) -> Option<Message> {
        if let Some(control) = self.control.pop_front() {
            return Some(control);
        }
        if let Some(signal) = outlet.and_then(Outlet::control) {
            self.refused_frames += u32::from(matches!(signal, Signal::Rejected { .. }));
            return Some(text_message(&signal));
        }
        let sound = outlet.and_then(Outlet::audio).map(|item| match item {
            AudioItem::Begin(signal) | AudioItem::End(signal) => text_message(&signal),
            AudioItem::Frame(bytes) => Message::Binary(bytes),
        });
        sound.or_else(|| self.events.pop_front())
    }

    fn end_replay_at(&mut self, seq: Seq) {
        if self.replay_until.is_some_and(|until| seq >= until) {
            self.replay_until = None;
            self.events.push_back(text_message(&Signal::ReplayDone { seq }));
        }
    }
}

fn text_message(signal: &Signal) -> Message {
    Message::Text(
        serde_json::to_string(signal)
            .expect("a signal is always JSON")
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;

    use greenroom_protocol::{SessionId, Timestamp};

    use super::*;

    /// Takes so many messages, then none until it is told.
    #[derive(Default)]
    struct Narrow {
        room: usize,
        taken: Vec<String>,
        flushes: usize,
    }

    impl Sink<Message> for Narrow {
        type Error = Infallible;

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            if self.room > 0 {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        }

        fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Infallible> {
            self.room -= 1;
            let text = message.to_text().unwrap();
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            let kind = value["type"].as_str().unwrap();
            self.taken.push(
                value["seq"]
                    .as_u64()
                    .map_or(kind.to_owned(), |seq| format!("{kind} {seq}")),
            );
            Ok(())
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.flushes += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }
    }

    fn frames(range: std::ops::RangeInclusive<u64>) -> Vec<Frame> {
        let session = SessionId::new(ulid::Ulid(1));
        range
            .map(|seq| Frame::new(session, Seq(seq), "e", Timestamp::from_unix_ms(0), "{}"))
            .collect()
    }

    async fn write(outbox: &mut Outbox, socket: &mut Narrow) -> bool {
        poll_fn(|context| Poll::Ready(outbox.poll_write(socket, None, context).is_ready())).await
    }

    #[tokio::test]
    async fn control_overtakes_events_and_nothing_is_sent_twice() {
        let mut outbox = Outbox::default();
        let mut socket = Narrow {
            room: 1,
            ..Narrow::default()
        };
        outbox.events(frames(1..=3));
        assert!(!write(&mut outbox, &mut socket).await);
        outbox.signal(&Signal::Pong { id: None });
        assert!(!outbox.is_idle() && !outbox.wants_events());
        socket.room = 10;
        assert!(write(&mut outbox, &mut socket).await);
        assert_eq!(socket.taken, ["e 1", "pong", "e 2", "e 3"]);
        assert!(outbox.is_idle() && outbox.wants_events());
        assert_eq!(socket.flushes, 1);
    }

    #[tokio::test]
    async fn the_end_of_the_replay_stands_between_old_and_new() {
        let mut outbox = Outbox::default();
        outbox.replay(Seq(1), Seq(3));
        let mut socket = Narrow {
            room: 10,
            ..Narrow::default()
        };
        outbox.events(frames(2..=4));
        write(&mut outbox, &mut socket).await;
        assert_eq!(socket.taken, ["e 2", "e 3", "replay.done 3", "e 4"]);
    }

    #[tokio::test]
    async fn an_empty_replay_is_done_at_once() {
        let mut outbox = Outbox::default();
        outbox.replay(Seq(3), Seq(3));
        let mut socket = Narrow {
            room: 10,
            ..Narrow::default()
        };
        write(&mut outbox, &mut socket).await;
        assert_eq!(socket.taken, ["replay.done 3"]);
    }

    #[test]
    fn a_client_that_reads_nothing_is_not_listened_to_for_ever() {
        let mut outbox = Outbox::default();
        for _ in 0..CONTROL_MAX {
            assert!(outbox.has_room());
            outbox.signal(&Signal::Pong { id: None });
        }
        assert!(!outbox.has_room());
    }
}
