//! The task that talks to the provider: sends what is said, tells what is heard, and notices when nobody is there.
//!
//! Reading and writing go on side by side, so that a provider that does not read is still heard, and the other way round.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_session::ports::LiveTranscriptionEvent;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

use super::encoder::Encoder;
use super::handshake::{Opened, Socket, closed, fault};
use super::line::{Command, Line};
use super::utterances::Utterances;
use super::wire;
use crate::endpoint::Endpoint;
use crate::failure::Fault;

/// How often the provider is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long it may be silent altogether: two pings went unanswered.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long a message may take to be taken by the system.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a goodbye may.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// One stream's exchange with the provider. However it ends, by a panic too, whoever listens is told by then.
pub(super) struct Exchange {
    endpoint: Arc<Endpoint>,
    line: Arc<Line>,
    shared: Mutex<Shared>,
    /// Why it ended, once it has.
    ended: Option<Ended>,
}

struct Shared {
    utterances: Utterances,
    heard_at: Instant,
}

/// Why an exchange ended.
enum Ended {
    /// Nobody speaks, or nobody listens, any more.
    HungUp,
    /// The stream is of no more use.
    By(Fault),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::By(fault)
    }
}

impl Exchange {
    /// Carries the exchange on until somebody hangs up or the stream ends. The socket is closed by then.
    pub(super) async fn run(endpoint: Arc<Endpoint>, line: Arc<Line>, opened: Opened) {
        let utterances = Utterances::new(Arc::clone(&endpoint), opened.request_id);
        let mut exchange = Self {
            endpoint,
            line,
            shared: Mutex::new(Shared {
                utterances,
                heard_at: Instant::now(),
            }),
            ended: None,
        };
        let (sink, stream) = opened.socket.split();
        let ended = tokio::select! {
            ended = exchange.listen(stream) => ended,
            ended = exchange.speak(sink) => ended,
        };
        exchange.ended = Some(ended);
    }

    /// Tells what the provider says.
    async fn listen(&self, mut stream: SplitStream<Socket>) -> Ended {
        loop {
            let message = stream.next().await.unwrap_or(Err(Error::ConnectionClosed));
            let mut events = Vec::new();
            let heard = message
                .map_err(|error| fault(&error))
                .and_then(|message| self.hear(message, &mut events));
            self.tell(events);
            if let Err(fault) = heard {
                return fault.into();
            }
        }
    }

    fn hear(&self, message: Message, events: &mut Vec<LiveTranscriptionEvent>) -> Result<(), Fault> {
        let mut shared = self.shared();
        shared.heard_at = Instant::now();
        match message {
            Message::Text(text) => shared.utterances.hear(wire::read(&text)?, events),
            Message::Close(frame) => Err(closed(frame.as_ref())),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    /// Sends what is said, and looks at the clock.
    async fn speak(&self, sink: SplitSink<Socket, Message>) -> Ended {
        let mut voice = Voice { sink, encoder: None };
        let mut ping_at = Instant::now() + PING_INTERVAL;
        loop {
            let due = self.shared().utterances.due();
            let wake_at = due.map_or(ping_at, |due| due.min(ping_at));
            let command = tokio::select! {
                command = self.line.next_command() => Some(command),
                () = tokio::time::sleep_until(wake_at) => None,
            };
            let done = match command {
                Some(command) => self.obey(command, &mut voice).await,
                None => self.watch(&mut ping_at, &mut voice).await,
            };
            if let Err(ended) = done {
                if matches!(ended, Ended::HungUp) {
                    voice.say_goodbye().await;
                }
                return ended;
            }
        }
    }

    async fn obey(&self, command: Command, voice: &mut Voice) -> Result<(), Ended> {
        match command {
            Command::Begin(call_id) => {
                self.change(|utterances, events| utterances.begin(call_id, events));
                voice.encoder = Some(Encoder::new());
                Ok(())
            }
            Command::Speech(speech) => {
                let pieces = voice.encoder.as_mut().map(|encoder| encoder.push(&speech));
                self.send_speech(pieces.unwrap_or_default(), voice).await
            }
            Command::Commit => {
                let rest = voice.encoder.take().map(Encoder::finish);
                self.send_speech(rest.unwrap_or_default(), voice).await?;
                match self.change(Utterances::commit) {
                    Some(call_id) => voice.send(wire::commit(call_id)).await,
                    None => Ok(()),
                }
            }
            Command::Discard => {
                let is_known = self.change(Utterances::discard);
                voice.forget(is_known).await
            }
            Command::Overflow => {
                let fault = Fault::upstream(true, "the provider takes speech more slowly than it is spoken");
                let is_known = self.change(|utterances, events| utterances.fail_open(fault, events));
                voice.forget(is_known).await
            }
            Command::Overrun => {
                let reason = "more utterances were begun than can wait for their words";
                Err(Fault::upstream(true, reason).blameless().into())
            }
            Command::HangUp => Err(Ended::HungUp),
        }
    }

    /// Sends speech of the open utterance, if that has not failed.
    async fn send_speech(&self, pieces: Vec<Vec<i16>>, voice: &mut Voice) -> Result<(), Ended> {
        for piece in pieces {
            let is_open = self.change(|utterances, _| {
                utterances.spoke(piece.len());
                utterances.is_open()
            });
            if is_open {
                voice.send(wire::append(&piece)).await?;
            }
        }
        Ok(())
    }

    /// The time has come to fail somebody, to ask whether the provider is there, or to give it up.
    async fn watch(&self, ping_at: &mut Instant, voice: &mut Voice) -> Result<(), Ended> {
        let now = Instant::now();
        self.change(|utterances, events| utterances.expire(now, events))?;
        if now < *ping_at {
            return Ok(());
        }
        *ping_at = now + PING_INTERVAL;
        let silence = now.duration_since(self.shared().heard_at);
        if silence > SILENCE_MAX {
            let reason = format!("the provider was silent for {} ms", silence.as_millis());
            return Err(Fault::timeout(reason).into());
        }
        voice.write(Message::Ping(Bytes::new())).await
    }

    /// Changes the utterances, and tells what comes of it.
    fn change<T>(&self, change: impl FnOnce(&mut Utterances, &mut Vec<LiveTranscriptionEvent>) -> T) -> T {
        let mut events = Vec::new();
        let result = change(&mut self.shared().utterances, &mut events);
        self.tell(events);
        result
    }

    fn tell(&self, events: Vec<LiveTranscriptionEvent>) {
        if !events.is_empty() {
            self.line.tell(events);
        }
    }

    /// After a panic while it was locked, the task ends, and with it all that is in there.
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let fault = match self.ended.take() {
            Some(Ended::By(fault)) => fault,
            Some(Ended::HungUp) => Fault::upstream(true, "the stream was hung up").blameless(),
            None => Fault::upstream(true, "the stream was given up").blameless(),
        };
        let failure = self.endpoint.failure(&fault);
        tracing::info!(
            provider = self.endpoint.name,
            model = self.endpoint.model,
            reason = failure.reason,
            "live stream ended"
        );
        self.change(|utterances, events| utterances.fail_all(&fault, events));
        self.line.end(failure);
    }
}

/// The writing half.
struct Voice {
    sink: SplitSink<Socket, Message>,
    /// Present while an utterance is spoken.
    encoder: Option<Encoder>,
}

impl Voice {
    async fn send(&mut self, text: String) -> Result<(), Ended> {
        self.write(Message::text(text)).await
    }

    /// The utterance has ended before its words were wanted.
    async fn forget(&mut self, is_known: bool) -> Result<(), Ended> {
        self.encoder = None;
        if is_known {
            self.send(wire::clear()).await?;
        }
        Ok(())
    }

    async fn say_goodbye(&mut self) {
        let goodbye = Message::Close(Some(CloseFrame {
            code: CloseCode::Normal,
            reason: Utf8Bytes::default(),
        }));
        // Whether it is heard makes no difference.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.sink.send(goodbye)).await;
    }

    async fn write(&mut self, message: Message) -> Result<(), Ended> {
        match tokio::time::timeout(WRITE_TIMEOUT, self.sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(fault(&error).into()),
            Err(_) => {
                let reason = format!("the provider took nothing for {} ms", WRITE_TIMEOUT.as_millis());
                Err(Fault::timeout(reason).into())
            }
        }
    }
}
