//! Drives one session: its conversation, its socket and its clock.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use greenroom_protocol::{ClientMessage, Locale, SessionId, Signal, TurnDetection};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::conversation::Conversation;
use super::options::VoiceOptions;
use super::recordings::Recordings;
use super::statistics::LagCounts;
use super::tally::Tally;
use super::violation::{Found, Violation};
use crate::client::{Client, CreateSession, Incoming, Socket, SocketOptions};

/// The id of `audio.start`, so that the server says whether it took it.
const START_ID: &str = "start";

/// How far the test is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// People come and talk.
    Talking,
    /// Nobody begins anything new.
    Closing,
    /// Everybody leaves at once.
    Aborted,
}

/// What all sessions of a test share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: VoiceOptions,
    pub(super) client: Client,
    pub(crate) recordings: Arc<Recordings>,
    /// The moment that all times are counted from.
    pub(super) epoch: Instant,
    /// How late frames left.
    pub(super) lag: LagCounts,
    pub(super) stage: watch::Receiver<Stage>,
}

impl Shared {
    /// From now on, until the stage says otherwise.
    pub(crate) fn new(
        options: VoiceOptions,
        client: Client,
        recordings: Arc<Recordings>,
        stage: watch::Receiver<Stage>,
    ) -> Self {
        Self {
            options,
            client,
            recordings,
            epoch: Instant::now(),
            lag: LagCounts::new(),
            stage,
        }
    }
}

/// Somebody on a socket who talks.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) socket: Socket,
    pub(crate) conversation: Conversation,
    /// Whether it is over once a frame is rejected: nobody listens then.
    pub(crate) ends_unheard: bool,
}

/// Why nobody talks any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All was said and heard, or the test was aborted.
    Talked,
    /// The connection ended, or nobody listens any more.
    Lost,
}

/// What became of a session.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) tally: Tally,
    /// From when until when it was connected; none if it never was.
    pub(super) connected: Option<(Duration, Duration)>,
}

/// Talks until the test is closed. Tells over `is_there` once it is connected; dropping it tells that it never will be.
pub(super) async fn talk(shared: Arc<Shared>, number: usize, is_there: mpsc::Sender<()>) -> Outcome {
    let mut outcome = Outcome::default();
    let (session, socket) = match enter(&shared, number).await {
        Ok(entered) => entered,
        Err(error) => {
            outcome.tally.book(Found {
                session_id: None,
                at_ms: super::statistics::ms(shared.epoch.elapsed()),
                utterance: None,
                violation: Violation::NotConnected {
                    reason: format!("{error:#}"),
                },
            });
            return outcome;
        }
    };
    let connected_at = shared.epoch.elapsed();
    // Nobody waits any more if the test was ended meanwhile.
    let _ = is_there.send(()).await;
    drop(is_there);
    let recordings = Arc::clone(&shared.recordings);
    let conversation = Conversation::new(session, &shared.options, recordings, number);
    let mut call = Call {
        socket,
        conversation,
        ends_unheard: false,
    };
    if converse(&shared, &mut call).await == Ending::Talked {
        // The measurement is over; how the goodbye goes is no part of it.
        let _ = call.socket.close().await;
    }
    outcome.tally = call.conversation.finish();
    outcome.connected = Some((connected_at, shared.epoch.elapsed()));
    outcome
}

/// Creates a session and opens its microphone.
async fn enter(shared: &Shared, number: usize) -> anyhow::Result<(SessionId, Socket)> {
    let options = &shared.options;
    let client = shared
        .client
        .clone()
        .with_user_key(format!("loadtest-{}-{number}", options.seed));
    if options.floor {
        // A floor takes any session.
        let session = format!("sess_{number:026}").parse()?;
        let socket = client.connect(session, SocketOptions::default()).await;
        return Ok((session, socket.context("cannot open the socket")?));
    }
    let new = CreateSession {
        locale: Some(Locale::En),
        ..CreateSession::default()
    };
    let created = client
        .create_session(&new)
        .await
        .context("cannot create a session")?;
    let session = created.session.session_id;
    let socket = client.connect(session, SocketOptions::default()).await;
    let mut socket = socket.context("cannot open the socket")?;
    socket
        .queue(&starting(options, false), Some(START_ID))
        .context("cannot open the microphone")?;
    Ok((session, socket))
}

/// Opens a microphone, and a loudspeaker if replies are to be spoken.
pub(crate) fn starting(options: &VoiceOptions, record: bool) -> ClientMessage {
    ClientMessage::AudioStart {
        codec: options.input.codec,
        sample_rate: options.input.sample_rate_hz,
        channels: 1,
        turn_detection: TurnDetection::ServerVad,
        endpointing: None,
        noise_suppression: false,
        output: options.output.map(super::options::Output::on_the_wire),
        record,
    }
}

/// Sends each frame at its time, whatever comes back and whenever: frame k leaves k frames after the first. Whoever
/// cancels it may go on with the same call.
pub(crate) async fn converse(shared: &Shared, call: &mut Call) -> Ending {
    let Call {
        socket,
        conversation,
        ends_unheard,
    } = call;
    let frame = shared.options.input.frame;
    let mut stage = shared.stage.clone();
    let mut due = Instant::now();
    let timer = sleep_until(due);
    tokio::pin!(timer);
    loop {
        let step = tokio::select! {
            biased;
            () = timer.as_mut() => Step::FrameDue,
            incoming = socket.next() => Step::Came(incoming.unwrap_or(Incoming::Closed { code: None })),
        };
        let now = shared.epoch.elapsed();
        let sent = match step {
            Step::FrameDue => {
                match *stage.borrow_and_update() {
                    Stage::Talking => {}
                    Stage::Closing => conversation.close(),
                    Stage::Aborted => break,
                }
                let mut sent = Ok(());
                // What could not leave in time leaves now, all of it.
                while due <= shared.epoch + now && sent.is_ok() {
                    shared.lag.add((shared.epoch + now).duration_since(due));
                    sent = socket.queue_audio(conversation.frame(now));
                    due += frame;
                }
                timer.as_mut().reset(due);
                sent
            }
            Step::Came(incoming) => {
                let is_over =
                    matches!(incoming, Incoming::Closed { .. }) || (*ends_unheard && is_rejection(&incoming));
                conversation.hear(now, incoming);
                if is_over {
                    return Ending::Lost;
                }
                Ok(())
            }
        };
        let messages = conversation.take_messages();
        let sent = sent.and_then(|()| {
            messages
                .iter()
                .try_for_each(|message| socket.queue(message, None))
        });
        if sent.is_err() {
            conversation.lose(now, None);
            return Ending::Lost;
        }
        if *stage.borrow() == Stage::Closing && conversation.is_settled() {
            break;
        }
    }
    Ending::Talked
}

/// Whether a frame without an id was not taken, as every frame of audio is that nobody listens to.
fn is_rejection(incoming: &Incoming) -> bool {
    matches!(incoming, Incoming::Signal(signal) if matches!(signal.as_ref(), Signal::Rejected { id: None, .. }))
}

enum Step {
    FrameDue,
    Came(Incoming),
}
