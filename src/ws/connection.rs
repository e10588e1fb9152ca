//! A connection: one loop over what the session commits, what the client sends, what is to be written, and the time.
//!
//! It is a cursor over the log, not a queue: a slow client is only further behind. Commands are awaited beside the
//! loop, so that a cancel can be read while a message waits for its commit. Disconnecting cancels nothing.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Error;
use axum::extract::ws::Message;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use greenroom_actors::voice::Outlet;
use greenroom_actors::{Cursor, Refused};
use greenroom_protocol::{CommandId, ErrorBody, ErrorCode, Frame, Locale, Seq, SessionId, Signal, limits};
use greenroom_session::SessionView;
use greenroom_session::playbook::Playbook;
use greenroom_session::ports::ReadError;
use greenroom_session::{Command, CommandKind, Receipt};
use metrics::counter;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::close::CloseReason;
use super::inbound::{Inbound, VoiceAsk};
use super::outbox::Outbox;
use super::voice::SocketVoice;
use super::watch::{FloodMeter, PingTracker, StallWatch};
use crate::app::App;
use crate::http::{Asker, Failure, WriteProgress, send};
use crate::lifecycle::{Phase, PhaseWatch};

/// Commands of one socket that may wait for their commit, turns included.
const COMMANDS_WAITING_MAX: usize = 32;
/// How long the client may take to hear the last word and say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// One client on one session.
pub(super) struct Connection<S> {
    app: Arc<App>,
    asker: Asker,
    session: SessionId,
    locale: Locale,
    socket: S,
    cursor: Cursor,
    outbox: Outbox,
    commands: FuturesUnordered<BoxFuture<'static, Answered>>,
    turns_waiting: usize,
    progress: WriteProgress,
    stall: StallWatch,
    pings: PingTracker,
    flood: FloodMeter,
    phase: PhaseWatch,
    /// The phase that is waited for.
    awaited_phase: Phase,
    writable: watch::Receiver<bool>,
    voice: SocketVoice,
}

/// Where a client comes in.
pub(super) struct Entrance {
    /// Behind what it has seen, or behind the view.
    pub(super) cursor: Cursor,
    /// The session as it is.
    pub(super) view: SessionView,
    /// The playbook of the session, or why it cannot be had.
    pub(super) playbook: Result<Arc<Playbook>, Box<ErrorBody>>,
    /// The event behind which it is told what it missed; without one it begins with a snapshot.
    pub(super) replay_from: Option<Seq>,
}

/// What can happen on a connection.
enum Happening {
    /// The session committed something.
    Committed(Result<Vec<Frame>, ReadError>),
    /// A command was answered.
    Answered(Answered),
    /// The client sent something.
    Received(Message),
    /// Everything that waited has been written.
    Written,
    /// The line of live voice has something to say.
    Voice,
    /// The socket ended.
    Ended(CloseReason),
    /// A ping is due.
    PingDue,
    /// A write does not end.
    StallCheckDue,
    /// The server drains or closes.
    Phase(Phase),
    /// The journal can no longer be written, or can again.
    JournalChanged,
}

/// A command that is over.
struct Answered {
    id: Option<CommandId>,
    is_turn: bool,
    answer: Result<Receipt, Refused>,
}

impl<S> Connection<S>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin + Send,
{
    /// A connection that begins now.
    pub(super) fn new(
        app: Arc<App>,
        asker: Asker,
        progress: WriteProgress,
        socket: S,
        entrance: Entrance,
    ) -> Self {
        let Entrance {
            cursor,
            view,
            playbook,
            replay_from,
        } = entrance;
        let now = Instant::now();
        let (session, locale) = (view.session_id, view.locale);
        let mut outbox = Outbox::default();
        match replay_from {
            Some(after) => outbox.replay(after, cursor.committed()),
            None => outbox.signal(&view.snapshot_signal()),
        }
        let voice = SocketVoice::new(Arc::clone(&app), asker.clone(), session, locale, playbook);
        Self {
            voice,
            session,
            locale,
            phase: app.lifecycle.watch(),
            awaited_phase: Phase::Draining,
            writable: app.writable.clone(),
            app,
            asker,
            socket,
            cursor,
            outbox,
            commands: FuturesUnordered::new(),
            turns_waiting: 0,
            progress,
            stall: StallWatch::new(now),
            pings: PingTracker::new(now),
            flood: FloodMeter::new(now),
        }
    }

    /// Serves the client until one of the two ends it.
    pub(super) async fn run(mut self) -> CloseReason {
        // A client that comes while the journal cannot be written is told at once.
        self.note_journal();
        let reason = loop {
            self.stall.writing(!self.outbox.is_idle(), self.progress.bytes());
            let happening = self.next_happening().await;
            if let Some(reason) = self.handle(happening) {
                break reason;
            }
        };
        self.settle().await;
        if reason == CloseReason::Restarting {
            // What cannot be delivered in time is delivered when the client comes back.
            timeout(GOODBYE, self.catch_up()).await.ok();
        }
        self.close(reason).await;
        reason
    }

    async fn next_happening(&mut self) -> Happening {
        let Self {
            socket,
            cursor,
            outbox,
            commands,
            stall,
            pings,
            phase,
            writable,
            voice,
            ..
        } = self;
        let outlet = voice.outlet();
        // What waits already is written as soon as the socket takes it.
        let quiet_outlet = outlet.filter(|outlet| outlet.is_empty());
        let wants_events = outbox.wants_events();
        let stall_check_at = stall.check_at();
        let awaited_phase = self.awaited_phase;
        tokio::select! {
            happening = poll_fn(|context| poll_socket(socket, outbox, outlet, context)) => happening,
            frames = cursor.next(), if wants_events => Happening::Committed(frames),
            Some(answered) = commands.next(), if !commands.is_empty() => Happening::Answered(answered),
            () = sleep_until(pings.next_at()) => Happening::PingDue,
            () = sleep_until(stall_check_at.unwrap_or_else(Instant::now)), if stall_check_at.is_some() => {
                Happening::StallCheckDue
            }
            () = phase.reached(awaited_phase) => Happening::Phase(awaited_phase),
            Ok(()) = writable.changed() => Happening::JournalChanged,
            () = said(quiet_outlet) => Happening::Voice,
        }
    }

    /// Acts on what happened. Answers with the reason if the connection is to end.
    fn handle(&mut self, happening: Happening) -> Option<CloseReason> {
        match happening {
            Happening::Committed(Ok(frames)) => self.outbox.events(frames),
            Happening::Committed(Err(ReadError::Gone)) => {
                self.outbox.clear();
                return Some(CloseReason::NoSession);
            }
            Happening::Committed(Err(error)) => {
                self.outbox.clear();
                let error = Failure::from(error).into_body(self.locale);
                self.outbox.signal(&Signal::Notice { error });
                return Some(CloseReason::Overloaded);
            }
            Happening::Answered(answered) => self.answered(answered),
            Happening::Received(message) => return self.received(message),
            Happening::Written => {
                let refused = self.outbox.take_refused_frames();
                return (0..refused).find_map(|_| self.misbehaved());
            }
            Happening::Voice => {}
            Happening::Ended(reason) => return Some(reason),
            Happening::PingDue => {
                if !self.pings.due(Instant::now()) {
                    return Some(CloseReason::Silent);
                }
                self.outbox.control(Message::Ping(Bytes::new()));
            }
            Happening::StallCheckDue => {
                if self.stall.stalled(Instant::now(), self.progress.bytes()) {
                    return Some(CloseReason::TooSlow);
                }
            }
            Happening::Phase(Phase::Closing) => return Some(CloseReason::Restarting),
            Happening::Phase(Phase::Serving | Phase::Draining) => {
                self.awaited_phase = Phase::Closing;
                self.outbox.signal(&Signal::ServerDraining {
                    reconnect_after_ms: self.phase.reconnect_after(),
                });
            }
            Happening::JournalChanged => self.note_journal(),
        }
        None
    }

    fn received(&mut self, message: Message) -> Option<CloseReason> {
        self.pings.heard();
        let inbound = match message {
            Message::Text(text) => self
                .metered()
                .unwrap_or_else(|| Inbound::of_text(&text, self.locale)),
            // The line has a meter of its own, by the time that the frames last.
            Message::Binary(audio) if self.voice.is_open() => Inbound::of_binary(audio, self.locale),
            Message::Binary(audio) => self
                .metered()
                .unwrap_or_else(|| Inbound::of_binary(audio, self.locale)),
            // The library has answered already; the answer waits below the outbox.
            Message::Ping(_) => {
                self.outbox.touch();
                return self.metered().and_then(|_| self.misbehaved());
            }
            Message::Pong(_) => return None,
            Message::Close(_) => return Some(CloseReason::ClientLeft),
        };
        match inbound {
            Inbound::Command { id, kind } => {
                self.command(id, kind);
                None
            }
            Inbound::Voice { id, ask } => self.voice(id, ask),
            Inbound::Audio(frame) => self.audio(&frame),
            Inbound::Ping { id } => {
                self.outbox.signal(&Signal::Pong { id });
                None
            }
            Inbound::Reject { id, error } => {
                self.reject(id, error);
                self.misbehaved()
            }
        }
    }

    /// The rejection of a frame that comes too soon.
    fn metered(&mut self) -> Option<Inbound> {
        let allowed = self.flood.frame(Instant::now());
        let error = || ErrorBody::new(ErrorCode::SysRateLimit, self.locale).with_retry_after(1);
        (!allowed).then(|| Inbound::Reject {
            id: None,
            error: error(),
        })
    }

    /// A frame of the microphone.
    fn audio(&mut self, frame: &[u8]) -> Option<CloseReason> {
        let error = self.voice.frame(frame).err()?;
        self.reject(None, *error);
        self.misbehaved()
    }

    /// Something of this socket's microphone or loudspeaker.
    fn voice(&mut self, id: Option<CommandId>, ask: VoiceAsk) -> Option<CloseReason> {
        let id = id.map(|id| id.to_string());
        match (self.voice.ask(ask), id) {
            (Ok(()), Some(id)) => {
                let seq = self.cursor.committed();
                self.outbox.signal(&Signal::Accepted {
                    id,
                    turn_id: None,
                    run_id: None,
                    seq,
                    duplicate: false,
                });
                None
            }
            (Ok(()), None) => None,
            (Err(error), id) => {
                self.reject(id, *error);
                self.misbehaved()
            }
        }
    }

    fn misbehaved(&mut self) -> Option<CloseReason> {
        self.flood.rejected(Instant::now()).then_some(CloseReason::Abuse)
    }

    /// Sends a command on its way; its answer comes as a happening.
    fn command(&mut self, id: Option<CommandId>, kind: CommandKind) {
        let is_turn = matches!(kind, CommandKind::UserMessage { .. });
        let refusal = |error| Answered {
            id: id.clone(),
            is_turn: false,
            answer: Err(Refused::Rejected(Box::new(error))),
        };
        let full = self.commands.len() >= COMMANDS_WAITING_MAX
            || (is_turn && self.turns_waiting >= limits::TURNS_WAITING_MAX);
        if full {
            let error = ErrorBody::new(ErrorCode::SysOverloaded, self.locale).with_retry_after(1);
            return self.answered(refusal(error));
        }
        if is_turn && let Err(retry_after_s) = self.app.limits.turns.take(&self.asker.client) {
            counter!("greenroom_rate_limited_total", "what" => "turn").increment(1);
            let error = ErrorBody::new(ErrorCode::SysRateLimit, self.locale).with_retry_after(retry_after_s);
            return self.answered(refusal(error));
        }
        if is_turn || matches!(kind, CommandKind::CancelResponse) {
            self.voice.cancel_reply();
        }
        self.turns_waiting += usize::from(is_turn);
        let command = Command {
            id: id.clone(),
            caller: self.asker.caller.clone(),
            kind,
        };
        let (directory, session) = (self.app.directory.clone(), self.session);
        let cancelling = self.voice.cancelling();
        self.commands.push(Box::pin(async move {
            if let Some(cancelling) = cancelling {
                cancelling.await;
            }
            let answer = send(&directory, session, command).await;
            Answered { id, is_turn, answer }
        }));
    }

    fn answered(&mut self, Answered { id, is_turn, answer }: Answered) {
        self.turns_waiting -= usize::from(is_turn);
        let id = id.map(|id| id.to_string());
        match answer {
            Ok(Receipt {
                seq,
                turn_id,
                run_id,
                duplicate,
                ..
            }) => {
                if let Some(id) = id {
                    self.outbox.signal(&Signal::Accepted {
                        id,
                        turn_id,
                        run_id,
                        seq,
                        duplicate,
                    });
                }
            }
            Err(refused) => self.reject(id, Failure::from(refused).into_body(self.locale)),
        }
    }

    fn reject(&mut self, id: Option<String>, mut error: ErrorBody) {
        if error.code == ErrorCode::SysDraining {
            error.retry_after = Some(self.phase.retry_after_s());
        }
        counter!("greenroom_socket_rejects_total", "code" => error.code.as_str()).increment(1);
        self.outbox.signal(&Signal::Rejected { id, error });
    }

    fn note_journal(&mut self) {
        if !*self.writable.borrow_and_update() {
            let error = ErrorBody::new(ErrorCode::DbUnavailable, self.locale);
            self.outbox.signal(&Signal::Notice { error });
        }
    }

    /// Lets the commands that were read reach the session: disconnecting cancels nothing.
    async fn settle(&mut self) {
        let deadline = Instant::now() + GOODBYE;
        while let Ok(Some(answered)) = timeout_at(deadline, self.commands.next()).await {
            self.answered(answered);
        }
    }

    /// Delivers everything that is committed: what ended in the drain is not to wait until the client is back.
    async fn catch_up(&mut self) {
        loop {
            let Self { socket, outbox, .. } = self;
            if poll_fn(|context| outbox.poll_write(socket, None, context))
                .await
                .is_err()
            {
                return;
            }
            if !self.cursor.behind() {
                return;
            }
            match self.cursor.next().await {
                Ok(frames) => self.outbox.events(frames),
                Err(_) => return,
            }
        }
    }

    /// Says why, if anybody is there to hear it.
    async fn close(&mut self, reason: CloseReason) {
        let Some(message) = reason.message() else {
            if reason == CloseReason::ClientLeft {
                // The library has an answer to the client's goodbye ready. A browser that does not get it takes the
                // connection for broken.
                timeout(GOODBYE, self.socket.flush()).await.ok();
            }
            return;
        };
        // A client that took nothing for so long may wake up as late again, and then learns where to resume.
        let patience = if reason == CloseReason::TooSlow {
            self.outbox.clear();
            limits::WRITE_STALL_MAX.into()
        } else {
            GOODBYE
        };
        self.outbox.last_word(message);
        let Self { socket, outbox, .. } = self;
        let written = timeout(
            patience,
            poll_fn(|context| outbox.poll_write(socket, None, context)),
        )
        .await;
        if matches!(written, Ok(Ok(()))) {
            wait_for_goodbye(socket).await;
        }
    }
}

/// Waits until a line has something to say; for ever without one.
async fn said(outlet: Option<&Outlet>) {
    match outlet {
        Some(outlet) => outlet.ready().await,
        None => std::future::pending().await,
    }
}

/// Writes what waits and reads what came. Reading stops while answers to what was read before pile up.
fn poll_socket<S>(
    socket: &mut S,
    outbox: &mut Outbox,
    outlet: Option<&Outlet>,
    context: &mut Context<'_>,
) -> Poll<Happening>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    if !outbox.is_idle() || outlet.is_some_and(|outlet| !outlet.is_empty()) {
        match outbox.poll_write(socket, outlet, context) {
            Poll::Ready(Ok(())) => return Poll::Ready(Happening::Written),
            Poll::Ready(Err(error)) => {
                return Poll::Ready(Happening::Ended(CloseReason::of_read_error(error)));
            }
            Poll::Pending => {}
        }
    }
    if !outbox.has_room() {
        return Poll::Pending;
    }
    Pin::new(socket).poll_next(context).map(|item| match item {
        Some(Ok(message)) => Happening::Received(message),
        Some(Err(error)) => Happening::Ended(CloseReason::of_read_error(error)),
        None => Happening::Ended(CloseReason::ClientLeft),
    })
}

/// Reads until the client has closed its side too: what it sent meanwhile would otherwise break the connection off
/// before the last word arrives.
pub(super) async fn wait_for_goodbye<S: Stream<Item = Result<Message, Error>> + Unpin>(socket: &mut S) {
    let goodbye = async { while let Some(Ok(_)) = socket.next().await {} };
    // However it ends, nothing more can be done for this client.
    timeout(GOODBYE, goodbye).await.ok();
}
