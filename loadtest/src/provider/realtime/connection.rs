//! One connection: reads what its client sends, keeps the audio buffer, and transcribes what is committed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, SplitStream};
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite;

use super::event::{ClientEvent, Ids, Received};
use super::outbox::{Outbox, Outgoing};
use super::session::{SESSION_DURATION_MAX, Session};
use super::teller::Teller;
use super::utterance::{ClosedAmid, Committed, Utterance};
use super::{EVENT_AUDIO_BYTES_MAX, Refusal};
use crate::provider::api::Api;
use crate::provider::bill::NewCall;
use crate::provider::error::ProviderError;
use crate::provider::fault::{Fault, FaultPoint};
use crate::provider::simulator::{SharedSimulator, Simulator};
use crate::wall_clock;

/// Less cannot be committed, as with OpenAI.
const COMMITTED_MIN: Duration = Duration::from_millis(100);
/// More cannot be appended before it is committed: twice what others have seen OpenAI take.
const BUFFERED_MAX: Duration = Duration::from_mins(10);
/// Items of a connection that are transcribed at once; then nothing more of it is read.
const TRANSCRIBING_MAX: usize = 32;
const PURPOSE: &str = "transcription";
/// The close of a session that has lasted too long.
const CLOSE_GOING_AWAY: u16 = 1_001;
/// The close after a message that is larger than any may be.
const CLOSE_TOO_LARGE: u16 = 1_009;

/// Tells why there is no session, and closes.
pub(super) async fn refuse(socket: WebSocket, simulator: &SharedSimulator, refusal: &Refusal) {
    let (outbox, queue) = Outbox::new();
    let (sink, _) = socket.split();
    outbox.event(&ids(simulator).error(&refusal.error, None)).await;
    let close = Outgoing::Close {
        code: refusal.close_code,
        reason: refusal.error.close_reason(),
    };
    outbox.send(close).await;
    queue.deliver(sink).await;
}

/// Serves a session until either side ends it.
pub(super) async fn serve(socket: WebSocket, simulator: &SharedSimulator) {
    let (sink, stream) = socket.split();
    let (outbox, queue) = Outbox::new();
    let connection = Connection::new(Arc::clone(simulator), outbox);
    tokio::select! {
        () = queue.deliver(sink) => {}
        () = connection.run(stream) => {}
        () = simulator.stopped() => {}
    }
}

fn ids(simulator: &Simulator) -> Ids {
    Ids::new(simulator.serial(simulator.next_request()).at("realtime"))
}

struct Connection {
    simulator: SharedSimulator,
    outbox: Outbox,
    ids: Ids,
    session_id: String,
    session: Session,
    expires_at_s: i64,
    /// What was appended and not committed.
    buffer: Option<Utterance>,
    last_item: Option<String>,
    transcribing: FuturesUnordered<BoxFuture<'static, ()>>,
}

/// Whether the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    /// The end is on its way to the client.
    Ends,
}

impl Connection {
    fn new(simulator: SharedSimulator, outbox: Outbox) -> Self {
        let mut ids = ids(&simulator);
        let lasts_s = i64::try_from(SESSION_DURATION_MAX.as_secs()).unwrap_or(i64::MAX);
        Self {
            session_id: ids.next("sess"),
            ids,
            simulator,
            outbox,
            session: Session::new(),
            expires_at_s: (wall_clock::now().unix_ms() / 1_000).saturating_add(lasts_s),
            buffer: None,
            last_item: None,
            transcribing: FuturesUnordered::new(),
        }
    }

    /// Ready once the client is gone. Once the connection is to end, it goes on only so that its end is delivered.
    async fn run(mut self, mut stream: SplitStream<WebSocket>) {
        let deadline = Instant::now() + SESSION_DURATION_MAX;
        self.tell_session("session.created").await;
        loop {
            let next = tokio::select! {
                Some(()) = self.transcribing.next() => Next::GoOn,
                message = stream.next(), if self.transcribing.len() < TRANSCRIBING_MAX => match message {
                    Some(Ok(Message::Text(text))) => self.receive(&text).await,
                    Some(Ok(Message::Binary(_))) => {
                        let message = "Expected a text WebSocket message; binary frames are not supported.";
                        self.refuse(&ProviderError::event(Some("invalid_event"), message), None)
                            .await
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Next::GoOn,
                    Some(Err(error)) if is_too_large(&error) => self.close(CLOSE_TOO_LARGE, "the message is too large").await,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                },
                () = sleep_until(deadline) => self.expire().await,
            };
            if next == Next::Ends {
                std::future::pending::<()>().await;
            }
        }
    }

    async fn receive(&mut self, text: &str) -> Next {
        let Received { event_id, event } = Received::read(text);
        let handled = match event {
            Ok(ClientEvent::Update(update)) => self.update(&update).await,
            Ok(ClientEvent::Append(audio)) => self.append(&audio).await,
            Ok(ClientEvent::Commit) => self.commit(event_id.as_deref()).await,
            Ok(ClientEvent::Clear) => self.clear().await,
            Err(error) => Err(error),
        };
        match handled {
            Ok(next) => next,
            Err(error) => self.refuse(&error, event_id.as_deref()).await,
        }
    }

    async fn update(&mut self, update: &Map<String, Value>) -> Result<Next, ProviderError> {
        self.session = self.session.updated(update)?;
        self.tell_session("session.updated").await;
        Ok(Next::GoOn)
    }

    async fn append(&mut self, audio: &str) -> Result<Next, ProviderError> {
        if !self.session.is_committed_by_client() {
            let message =
                "Turn detection is not simulated: set 'session.audio.input.turn_detection' to null first.";
            return Err(ProviderError::event(Some("invalid_value"), message));
        }
        let samples = samples(audio)?;
        let mut utterance = match self.buffer.take() {
            Some(utterance) => utterance,
            None => self.utterance(),
        };
        if utterance.duration() > BUFFERED_MAX {
            self.buffer = Some(utterance);
            let message = format!(
                "The input audio buffer is full: no more than {} minutes can be appended before a commit.",
                BUFFERED_MAX.as_secs() / 60
            );
            return Err(ProviderError::event(Some("input_audio_buffer_full"), message));
        }
        let heard = utterance
            .hear(&samples, self.session.transcription.as_ref())
            .await;
        self.buffer = Some(utterance);
        match heard {
            Ok(()) => Ok(Next::GoOn),
            Err(ClosedAmid { code: None }) => {
                self.outbox.send(Outgoing::Break).await;
                Ok(Next::Ends)
            }
            Err(ClosedAmid { code: Some(code) }) => Ok(self.close(code, "closed by a fault").await),
        }
    }

    async fn commit(&mut self, event_id: Option<&str>) -> Result<Next, ProviderError> {
        let buffered = self.buffer.as_ref().map_or(Duration::ZERO, Utterance::duration);
        if buffered < COMMITTED_MIN {
            let message = format!(
                "Error committing input audio buffer: buffer too small. Expected at least {}ms of audio, \
                 but buffer only has {:.2}ms of audio.",
                COMMITTED_MIN.as_millis(),
                buffered.as_secs_f64() * 1_000.0
            );
            return Err(ProviderError::event(
                Some("input_audio_buffer_commit_empty"),
                message,
            ));
        }
        let Some(utterance) = self.buffer.take() else {
            return Ok(Next::GoOn);
        };
        // The call is on the bill before the client hears of the item.
        let booked = self.session.transcription.clone().map(|transcription| {
            let permit = self.simulator.permit()?;
            let entry = NewCall {
                api: Api::Realtime,
                model: &transcription.model,
                purpose: PURPOSE,
                schema: None,
                call_id: event_id.map(str::to_owned),
            };
            let call = self.simulator.bill.start(entry, utterance.fault, permit);
            Ok((transcription, call))
        });
        if utterance.fault == Some(Fault::Hang { after_chars: None }) {
            self.outbox.send(Outgoing::Silence).await;
        }
        self.tell_item(utterance.teller.item_id().to_owned()).await;
        match booked {
            // Without a model an item is made, and never transcribed.
            None => {}
            Some(Err(error)) => {
                let mut teller = utterance.teller;
                teller.failed(&error).await;
            }
            Some(Ok((transcription, call))) => {
                let committed = Committed {
                    utterance,
                    transcription,
                    call,
                };
                let simulator = Arc::clone(&self.simulator);
                let transcribing = async move { committed.transcribe(&simulator).await };
                self.transcribing.push(transcribing.boxed());
            }
        }
        Ok(Next::GoOn)
    }

    async fn clear(&mut self) -> Result<Next, ProviderError> {
        self.buffer = None;
        let cleared = self.ids.event("input_audio_buffer.cleared", json!({}));
        self.outbox.event(&cleared).await;
        Ok(Next::GoOn)
    }

    /// The next item, with the fault that waits for it.
    fn utterance(&mut self) -> Utterance {
        let model = self
            .session
            .transcription
            .as_ref()
            .map(|transcription| transcription.model.as_str());
        let fault = model.and_then(|model| {
            self.simulator
                .faults
                .take(FaultPoint::Utterance, Api::Realtime, model, PURPOSE)
        });
        let item_id = self.ids.next("item");
        let ids = self.ids.apart(&item_id);
        Utterance::new(Teller::new(self.outbox.clone(), ids, item_id, fault), fault)
    }

    async fn tell_session(&mut self, kind: &str) {
        let session = self.session.show(&self.session_id, self.expires_at_s);
        let event = self.ids.event(kind, json!({ "session": session }));
        self.outbox.event(&event).await;
    }

    /// Tells that an item was made of what is committed.
    async fn tell_item(&mut self, item_id: String) {
        let previous = self.last_item.replace(item_id.clone());
        let fields = json!({ "previous_item_id": previous, "item_id": item_id });
        let committed = self.ids.event("input_audio_buffer.committed", fields);
        self.outbox.event(&committed).await;
        for kind in ["conversation.item.added", "conversation.item.done"] {
            let event = self.ids.item(kind, &item_id, previous.as_deref());
            self.outbox.event(&event).await;
        }
    }

    async fn refuse(&mut self, error: &ProviderError, event_id: Option<&str>) -> Next {
        let event = self.ids.error(error, event_id);
        self.outbox.event(&event).await;
        Next::GoOn
    }

    async fn expire(&mut self) -> Next {
        let minutes = SESSION_DURATION_MAX.as_secs() / 60;
        let message = format!("Your session hit the maximum duration of {minutes} minutes.");
        let error = ProviderError::event(Some("session_expired"), message.clone());
        self.refuse(&error, None).await;
        self.close(CLOSE_GOING_AWAY, &message).await
    }

    async fn close(&mut self, code: u16, reason: &str) -> Next {
        let reason = reason.to_owned();
        self.outbox.send(Outgoing::Close { code, reason }).await;
        Next::Ends
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<tungstenite::Error>());
    matches!(cause, Some(tungstenite::Error::Capacity(_)))
}

/// Samples of 24 kHz mono PCM16 from base64.
fn samples(audio: &str) -> Result<Vec<i16>, ProviderError> {
    let invalid = |got: &str| {
        let message = format!(
            "Invalid 'audio'. Expected base64-encoded audio bytes (mono PCM16 at 24kHz) but got {got}."
        );
        ProviderError::invalid("audio", "invalid_value", message)
    };
    let bytes = STANDARD.decode(audio).map_err(|_| invalid("an invalid value"))?;
    if bytes.is_empty() {
        return Err(invalid("empty bytes"));
    }
    if bytes.len() > EVENT_AUDIO_BYTES_MAX {
        return Err(invalid(&format!("more than {EVENT_AUDIO_BYTES_MAX} bytes")));
    }
    let samples = bytes.chunks_exact(2);
    if !samples.remainder().is_empty() {
        return Err(invalid("an odd number of bytes"));
    }
    Ok(samples
        .map(|sample| i16::from_le_bytes([sample[0], sample[1]]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_is_whole_samples_in_base64() {
        assert_eq!(samples("AAD/fwCA"), Ok(vec![0, i16::MAX, i16::MIN]));
        for (audio, word) in [
            ("!!!", "but got an invalid value"),
            ("AAA", "but got an invalid value"),
            ("", "but got empty bytes"),
            ("AAAA", "an odd number of bytes"),
        ] {
            let refused = samples(audio).unwrap_err();
            assert!(refused.message.contains(word), "{audio}: {}", refused.message);
        }
    }
}
