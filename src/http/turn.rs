//! One turn as it is read from the log: the events that belong to it, up to the one that ends it.

use std::collections::VecDeque;
use std::time::Duration;

use greenroom_actors::Cursor;
use greenroom_protocol::{
    EnvelopeError, ErrorBody, ErrorCode, ErrorEvent, Event, Frame, MessageAdded, Role, Seq, SlotUpdate,
    SlotUpdated, TurnCompleted, TurnId, TurnOutcome,
};
use greenroom_session::playbook::Playbook;
use greenroom_session::ports::ReadError;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Failure;

/// Time beyond the planner's own budget after which a turn that does not end is no longer waited for: it covers the
/// checks of what is said, in both directions, and the commits around them.
const TURN_MARGIN: Duration = Duration::from_secs(30);

/// The events of one turn.
pub struct TurnEvents<F> {
    source: F,
    turn_id: TurnId,
    read: VecDeque<Frame>,
    ended: bool,
}

/// Where frames come from, in order: a cursor, or a list in a test.
pub trait FrameSource {
    /// The frames that follow; at least one.
    async fn next(&mut self) -> Result<Vec<Frame>, ReadError>;
}

impl FrameSource for Cursor {
    async fn next(&mut self) -> Result<Vec<Frame>, ReadError> {
        Cursor::next(self).await
    }
}

/// What an event belongs to, as far as its data says.
#[derive(Deserialize)]
struct Belonging {
    turn_id: Option<TurnId>,
    run_id: Option<IgnoredAny>,
}

impl<F: FrameSource> TurnEvents<F> {
    /// The events of a turn, from a place in the log not after its beginning.
    pub fn new(source: F, turn_id: TurnId) -> Self {
        Self {
            source,
            turn_id,
            read: VecDeque::new(),
            ended: false,
        }
    }

    /// The next event of the turn; none after its `turn.completed`.
    pub async fn next(&mut self) -> Result<Option<Frame>, ReadError> {
        while !self.ended {
            let Some(frame) = self.read.pop_front() else {
                self.read = self.source.next().await?.into();
                continue;
            };
            let belonging: Belonging = serde_json::from_str(frame.data_json())
                .map_err(|error| ReadError::Damaged(error.to_string()))?;
            let of_this_turn = match (belonging.turn_id, belonging.run_id) {
                (Some(turn_id), _) => turn_id == self.turn_id,
                (None, Some(_)) => false,
                (None, None) => is_of_the_session(frame.event_type()),
            };
            if of_this_turn {
                self.ended = frame.event_type() == "turn.completed";
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }
}

/// Whether an event that names no turn is part of what the user sees of one all the same: the gate and the stage belong
/// to the session, and a turn changes them. Anything else without a turn, such as an edit of a slot, is another command's.
fn is_of_the_session(event_type: &str) -> bool {
    event_type.starts_with("gate.") || event_type == "stage.changed"
}

/// What a turn brought about, gathered from its events.
#[derive(Debug, Default, PartialEq)]
pub struct TurnSummary {
    /// What the user said.
    pub transcript: String,
    texts: Vec<String>,
    /// The slots that it changed, each once, with the last value.
    pub slot_updates: Vec<SlotUpdate>,
    error: Option<ErrorBody>,
    outcome: Option<TurnOutcome>,
}

impl TurnSummary {
    /// Takes the next event of the turn.
    pub fn add(&mut self, frame: &Frame) -> Result<(), EnvelopeError> {
        let event = match frame.event_type() {
            "message.added" | "slot.updated" | "error" | "turn.completed" => {
                Event::from_json(frame.event_type(), frame.data_json()).map_err(EnvelopeError::Malformed)?
            }
            _ => return Ok(()),
        };
        match event {
            Event::MessageAdded(MessageAdded { role, text, .. }) => match role {
                Role::User => self.transcript = text,
                Role::Assistant => self.texts.push(text),
            },
            Event::SlotUpdated(SlotUpdated {
                path,
                value,
                confidence,
                ..
            }) => {
                self.slot_updates.retain(|update| update.path != path);
                self.slot_updates.push(SlotUpdate {
                    path,
                    value,
                    confidence,
                });
            }
            Event::Error(ErrorEvent {
                will_retry: false,
                error,
                ..
            }) => self.error = Some(error),
            Event::TurnCompleted(TurnCompleted { outcome, .. }) => self.outcome = Some(outcome),
            _ => {}
        }
        Ok(())
    }

    /// What was said to the user.
    pub fn assistant_message(&self) -> String {
        self.texts.join(" ")
    }

    /// Why the turn came to nothing, if it did.
    pub fn failure(self) -> Result<Self, Box<ErrorBody>> {
        match (&self.outcome, self.error) {
            (Some(TurnOutcome::Failed), Some(error)) if self.texts.is_empty() => Err(Box::new(error)),
            (_, error) => Ok(Self { error, ..self }),
        }
    }
}

/// Reads a turn to its end, but not for longer than it may take; answers with the number of the event that ended it.
pub async fn gather_within(
    mut events: TurnEvents<Cursor>,
    playbook: &Playbook,
) -> Result<(TurnSummary, Seq), Failure> {
    let gathering = async {
        let mut summary = TurnSummary::default();
        let mut end = Seq::ZERO;
        while let Some(frame) = events.next().await? {
            end = frame.seq;
            summary.add(&frame).map_err(|error| {
                tracing::error!(%error, "an event cannot be read");
                Failure::new(ErrorCode::SysInternal)
            })?;
        }
        Ok((summary, end))
    };
    let budget = Duration::from(playbook.conversation.planner.budget);
    let gathered = tokio::time::timeout(budget + TURN_MARGIN, gathering).await;
    gathered.unwrap_or_else(|_| Err(Failure::new(ErrorCode::LlmTimeout)))
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::{SessionId, Timestamp};
    use serde_json::json;

    use super::*;

    struct Batches(VecDeque<Vec<Frame>>);

    impl FrameSource for Batches {
        async fn next(&mut self) -> Result<Vec<Frame>, ReadError> {
            self.0
                .pop_front()
                .ok_or(ReadError::Unavailable("the test's frames are used up".to_owned()))
        }
    }

    fn turn(number: u128) -> TurnId {
        TurnId::new(ulid::Ulid(number))
    }

    fn frames(events: &[(&str, serde_json::Value)]) -> Vec<Frame> {
        let session = SessionId::new(ulid::Ulid(1));
        let numbered = (1..).zip(events);
        let frame = |(seq, (event_type, data)): (u64, &(&str, serde_json::Value))| {
            Frame::new(
                session,
                Seq(seq),
                event_type,
                Timestamp::from_unix_ms(0),
                &data.to_string(),
            )
        };
        numbered.map(frame).collect()
    }

    fn completed(turn_id: TurnId, outcome: &str) -> (&'static str, serde_json::Value) {
        let latency = json!({ "total_ms": 1, "segments": [] });
        (
            "turn.completed",
            json!({ "turn_id": turn_id, "outcome": outcome, "latency": latency }),
        )
    }

    fn said(turn_id: TurnId, role: &str, text: &str) -> (&'static str, serde_json::Value) {
        let data = json!({
            "message_id": "msg_00000000000000000000000009", "turn_id": turn_id, "role": role, "modality": "text",
            "text": text, "provenance": { "kind": "user", "turn_id": turn_id }, "truncated": false,
        });
        ("message.added", data)
    }

    async fn read(events: &[(&str, serde_json::Value)], turn_id: TurnId) -> Vec<Frame> {
        let batches = frames(events).into_iter().map(|frame| vec![frame]).collect();
        let mut turn = TurnEvents::new(Batches(batches), turn_id);
        let mut read = Vec::new();
        while let Some(frame) = turn.next().await.unwrap() {
            read.push(frame);
        }
        read
    }

    #[tokio::test]
    async fn other_turns_and_runs_are_left_out_and_the_end_is_the_end() {
        let events = [
            completed(turn(1), "interrupted"),
            (
                "turn.started",
                json!({ "turn_id": turn(2), "turn": 2, "modality": "text" }),
            ),
            ("gate.changed", json!({ "ready": false })),
            ("slot.updated", json!({ "path": "product.name", "value": "x" })),
            ("stage.changed", json!({ "state": "BRIEF_READY" })),
            (
                "research.delta",
                json!({ "run_id": "run_x", "stage": "research" }),
            ),
            completed(turn(2), "ok"),
            said(turn(3), "assistant", "too late"),
        ];
        let types: Vec<(u64, String)> = read(&events, turn(2))
            .await
            .iter()
            .map(|frame| (frame.seq.0, frame.event_type().to_owned()))
            .collect();
        let expected = [
            (2, "turn.started"),
            (3, "gate.changed"),
            (5, "stage.changed"),
            (7, "turn.completed"),
        ];
        assert_eq!(types, expected.map(|(seq, name)| (seq, name.to_owned())));
    }

    #[tokio::test]
    async fn a_turn_is_summed_up() {
        let slot = |value: &str| {
            let source = json!({ "kind": "turn", "turn_id": turn(1), "words": value });
            let data = json!({ "turn_id": turn(1), "path": "product.name", "value": value, "confidence": 0.9, "source": source });
            ("slot.updated", data)
        };
        let events = [
            said(turn(1), "user", "hello"),
            slot("a"),
            slot("b"),
            said(turn(1), "assistant", "one"),
            said(turn(1), "assistant", "two"),
            completed(turn(1), "ok"),
        ];
        let mut summary = TurnSummary::default();
        for frame in read(&events, turn(1)).await {
            summary.add(&frame).unwrap();
        }
        let summary = summary.failure().unwrap();
        assert_eq!(summary.transcript, "hello");
        assert_eq!(summary.assistant_message(), "one two");
        assert_eq!(summary.slot_updates.len(), 1);
        assert_eq!(summary.slot_updates[0].value, "b");
    }

    #[tokio::test]
    async fn a_turn_without_a_reply_is_its_error() {
        let error = json!({
            "turn_id": turn(1), "will_retry": false, "code": "LLM_TIMEOUT", "message": "m", "details": null,
            "retryable": true, "retry_after": null,
        });
        let mut summary = TurnSummary::default();
        for frame in read(&[("error", error), completed(turn(1), "failed")], turn(1)).await {
            summary.add(&frame).unwrap();
        }
        assert_eq!(summary.failure().unwrap_err().message, "m");
    }
}
