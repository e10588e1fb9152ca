//! Live voice: each connection that sends audio has a line, with its ear and its mouth, beside the session.
//!
//! ```text
//!  socket ──frames, wishes──▶ inlet ─▶ ear ─▶ hearing ─words─▶ session
//!     ▲                                          │ hush, cut off   │
//!     └──signals, sound── outlet ◀─────────── mouth ◀──events──────┘
//! ```
//!
//! A session sees words and decisions, never sound. Everything on a line is local to one task: frames go in by the
//! inlet, sound and signals come out by the outlet, and the session is reached through its directory like by anybody
//! else. A line outlives its socket by as long as it takes to decide about what was said in full.

mod audio_start;
mod desk;
mod errands;
mod floor;
mod hearing;
mod inlet;
mod intake;
mod line;
mod microphone;
pub mod mouth;
mod observe;
pub mod outlet;
mod recogniser;
mod recording;
mod speech_clock;
mod tape;
mod voicing;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use greenroom_audio::ear;
use greenroom_protocol::{ErrorBody, ErrorCode, Locale, Millis, SessionId, Signal};
use greenroom_session::Caller;
use greenroom_session::playbook::Playbook;
use greenroom_session::ports::{LiveTranscriber, Speaker, Transcriber};
use tokio::sync::{oneshot, watch};
use tokio_util::task::TaskTracker;

use self::desk::Desk;
use self::inlet::{InletSender, inlet};
use self::intake::NotTaken;
use self::line::{Line, LineParts, Wish};
use self::mouth::PhraseSounds;
use self::voicing::Voicing;
use crate::Directory;
use crate::cursor::Listener;
use crate::registry::Pinned;

pub use self::audio_start::AudioStart;
pub(crate) use self::floor::Floor;
use self::floor::LineId;
pub use self::observe::describe;
pub use self::outlet::{AudioItem, Outlet};

/// Who hears and who speaks.
#[derive(Clone)]
pub struct VoicePorts {
    /// Turns whole utterances into words.
    pub transcriber: Arc<dyn Transcriber>,
    /// Turns speech into words while it is spoken, if somebody can.
    pub live_transcriber: Option<Arc<dyn LiveTranscriber>>,
    /// Turns words into speech.
    pub speaker: Arc<dyn Speaker>,
}

/// How lines behave.
#[derive(Debug, Clone, PartialEq)]
pub struct VoiceSettings {
    /// How far audio is sent ahead of its playback.
    pub lead: Duration,
    /// Lines at once to begin with; more are refused with `SYS_OVERLOADED`.
    pub lines_max: usize,
    /// How the beginning and the end of utterances are found where a client asks for nothing.
    pub endpointing: ear::Endpointing,
    /// How long a recording of both sides may be.
    pub recording_max: Duration,
}

/// Whom a line works for.
pub struct LineOwner {
    /// The session.
    pub session: SessionId,
    /// Who speaks.
    pub caller: Caller,
    /// The language of the session, for errors and as a hint for recognition.
    pub locale: Locale,
    /// The playbook that the session is pinned to.
    pub playbook: Arc<Playbook>,
    /// Whether another turn may begin now, asked before its transcription is booked; if not, seconds until it may.
    pub admit: Box<dyn Fn() -> Result<(), u32> + Send + Sync>,
}

/// Live voice of a server: what all lines share.
pub struct Voice {
    directory: Directory,
    ports: Arc<VoicePorts>,
    settings: VoiceSettings,
    phrases: Arc<PhraseSounds>,
    lines: Arc<watch::Sender<usize>>,
    lines_max: AtomicUsize,
    lines_made: AtomicU64,
    /// Calls of mouths, which end by themselves.
    calls: TaskTracker,
}

/// A socket's line. Dropping it hangs up: what was said in full still becomes its turn, an utterance under way is dropped,
/// and what was heard of the reply is told.
///
/// Nothing on it waits. What it hands over is acted upon in the order in which it was handed over.
pub struct VoiceLine {
    id: LineId,
    desk: Arc<Desk>,
    pinned: Pinned,
    inlet: InletSender<Wish>,
    outlet: Outlet,
    is_replying: Arc<AtomicBool>,
    format: Option<ear::FrameFormat>,
}

/// A reply that was cancelled, until its session knows.
#[derive(Debug)]
pub struct CancelledReply {
    told: oneshot::Receiver<()>,
}

/// A line that is there. The count is undone however its task ends.
struct LineMark {
    lines: Arc<watch::Sender<usize>>,
}

impl Default for VoiceSettings {
    /// For a conversation over a mobile network.
    fn default() -> Self {
        Self {
            lead: Duration::from_millis(400),
            lines_max: 10_000,
            endpointing: ear::Endpointing::default(),
            recording_max: Duration::from_mins(30),
        }
    }
}

impl Voice {
    /// Live voice over these ports. Blobs, clock and ids are the directory's.
    pub fn new(directory: Directory, ports: VoicePorts, settings: VoiceSettings) -> Self {
        let calls = TaskTracker::new();
        let blobs = Arc::clone(&directory.shared().ports.blobs);
        Self {
            directory,
            ports: Arc::new(ports),
            phrases: Arc::new(PhraseSounds::new(blobs, calls.clone())),
            lines: Arc::new(watch::Sender::new(0)),
            lines_max: AtomicUsize::new(settings.lines_max),
            settings,
            lines_made: AtomicU64::new(0),
            calls,
        }
    }

    /// A line for a socket that wants to send audio; `SYS_OVERLOADED` when there are too many.
    pub fn line(&self, owner: LineOwner) -> Result<VoiceLine, Box<ErrorBody>> {
        let mark = LineMark::new(&self.lines, self.lines_max.load(Ordering::Relaxed)).ok_or_else(|| {
            let error = ErrorBody::new(ErrorCode::SysOverloaded, owner.locale);
            Box::new(error.with_retry_after(1))
        })?;
        let id = LineId(self.lines_made.fetch_add(1, Ordering::Relaxed));
        let shared = self.directory.shared();
        let presence = Listener::new(Arc::clone(shared), owner.session);
        let pinned = Pinned::new(shared, owner.session);
        let desk = Arc::new(Desk {
            directory: self.directory.clone(),
            ports: Arc::clone(&self.ports),
            settings: self.settings.clone(),
            owner,
        });
        let (inlet, line_inlet) = inlet();
        let (outlet_sender, outlet) = outlet::outlet();
        let outlet_sender = Arc::new(outlet_sender);
        let last_words = Arc::clone(&outlet_sender);
        let is_replying = Arc::new(AtomicBool::new(false));
        let voicing = Voicing::new(
            Arc::clone(&desk),
            Arc::clone(&outlet_sender),
            Arc::clone(&self.phrases),
            self.calls.clone(),
        );
        let line = Line::new(LineParts {
            id,
            desk: Arc::clone(&desk),
            presence,
            inlet: line_inlet,
            outlet: outlet_sender,
            voicing,
            is_replying: Arc::clone(&is_replying),
        });
        let (session_id, locale) = (desk.session(), desk.locale());
        // Ends once the handle is dropped and what was said is decided, which every port's deadline bounds.
        tokio::spawn(async move {
            let _mark = mark;
            if AssertUnwindSafe(line.run()).catch_unwind().await.is_err() {
                // Where it panicked is in the log already.
                tracing::error!(%session_id, "a voice line has ended by a defect");
                let error = ErrorBody::new(ErrorCode::SysInternal, locale);
                last_words.signal(Signal::Notice { error });
            }
        });
        Ok(VoiceLine {
            id,
            desk,
            pinned,
            inlet,
            outlet,
            is_replying,
            format: None,
        })
    }

    /// Changes how many lines there may be at once. Those that are there stay.
    pub fn set_lines_max(&self, lines_max: usize) {
        self.lines_max.store(lines_max, Ordering::Relaxed);
    }

    /// Lines there are, those included that finish.
    pub fn lines(&self) -> usize {
        *self.lines.borrow()
    }

    /// Returns once no line is left, and no call of one: all sockets must have gone, or this waits for them.
    pub async fn quiet(&self) {
        let mut lines = self.lines.subscribe();
        // The sender lives in `self`, so waiting can only end with the condition.
        let _still_open = lines.wait_for(|count| *count == 0).await;
        self.calls.close();
        self.calls.wait().await;
        self.calls.reopen();
    }
}

impl VoiceLine {
    /// Listens, and speaks if that is asked for, from the next frame on; takes the session's microphone.
    pub fn start(&mut self, start: &AudioStart) -> Result<(), Box<ErrorBody>> {
        let desk = &self.desk;
        if desk.directory.is_draining() {
            return Err(Box::new(ErrorBody::new(ErrorCode::SysDraining, desk.locale())));
        }
        let listening = start.check(desk.settings.endpointing, &desk.owner.playbook, desk.locale())?;
        let hears = desk.ports.transcriber.identity().is_some();
        let missing = match &listening.output {
            _ if !hears => Some(ErrorCode::SttNotConfigured),
            Some(_) if desk.ports.speaker.identity().is_none() => Some(ErrorCode::TtsNotConfigured),
            Some(_) | None => None,
        };
        if let Some(code) = missing {
            return Err(Box::new(ErrorBody::new(code, desk.locale())));
        }
        let format = listening.format;
        let speaks = listening.output.is_some();
        // First, so that the line finds itself on the floor when it reads the wish.
        let floor = self.pinned.entry.floor();
        floor.take(self.id, speaks);
        self.wish(Wish::Start(Box::new(listening)))
            .inspect_err(|_| floor.release(self.id))?;
        self.format = Some(format);
        Ok(())
    }

    /// Hears a frame. One that finds no room is lost, and a notice says so; one that turns out to be damaged is rejected in
    /// the control lane; after the microphone was taken by another line, or a defect has ended this one, which a notice
    /// says, frames mean nothing.
    pub fn frame(&mut self, frame: &[u8]) -> Result<(), Box<ErrorBody>> {
        let format = self.format.ok_or_else(|| self.not_started())?;
        let duration = format.duration_of(frame).map_err(|error| {
            let error =
                ErrorBody::new(ErrorCode::InputInvalid, self.desk.locale()).with_details(error.to_string());
            Box::new(error)
        })?;
        let duration = duration.unwrap_or(ear::FRAME_DURATION_MIN);
        match self.inlet.frame(frame, duration) {
            Ok(()) | Err(NotTaken::Nobody) => Ok(()),
            Err(not_taken @ (NotTaken::TooFast | NotTaken::TooMuch)) => Err(self.not_taken(not_taken)),
        }
    }

    /// Ends the utterance now.
    pub fn commit(&mut self) -> Result<(), Box<ErrorBody>> {
        self.format.ok_or_else(|| self.not_started())?;
        self.wish(Wish::Commit)
    }

    /// Discards what was heard and makes no turn yet, and gives the microphone back.
    pub fn stop(&mut self) -> Result<(), Box<ErrorBody>> {
        self.format.ok_or_else(|| self.not_started())?;
        self.wish(Wish::Stop)?;
        self.format = None;
        self.pinned.entry.floor().release(self.id);
        Ok(())
    }

    /// The client has played so much of a reply.
    pub fn playback(&mut self, reply_id: &str, played: Millis) {
        self.inlet.played(reply_id, played);
    }

    /// Ends the reply that is spoken here, and tells the session what was heard of it. None if nothing is spoken here: what
    /// else there is to be ended, the session is to be told by [`greenroom_session::CommandKind::CancelResponse`].
    pub fn cancel_reply(&mut self) -> Option<CancelledReply> {
        if !self.is_replying.load(Ordering::Relaxed) {
            return None;
        }
        let (sender, told) = oneshot::channel();
        let wished = self.inlet.wish(Wish::CancelReply { told: sender });
        wished.ok().map(|()| CancelledReply { told })
    }

    /// What is to be sent to the client.
    pub fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    fn wish(&self, wish: Wish) -> Result<(), Box<ErrorBody>> {
        let wished = self.inlet.wish(wish);
        wished.map_err(|not_taken| self.not_taken(not_taken))
    }

    fn not_taken(&self, not_taken: NotTaken) -> Box<ErrorBody> {
        let code = match not_taken {
            NotTaken::TooFast => ErrorCode::SysRateLimit,
            NotTaken::TooMuch => ErrorCode::SysOverloaded,
            NotTaken::Nobody => ErrorCode::SysInternal,
        };
        Box::new(ErrorBody::new(code, self.desk.locale()).with_retry_after(1))
    }

    fn not_started(&self) -> Box<ErrorBody> {
        let error = ErrorBody::new(ErrorCode::InputInvalid, self.desk.locale());
        Box::new(error.with_details("audio came without audio.start"))
    }
}

impl CancelledReply {
    /// Returns once the session has answered what was heard of the reply, or nobody is left to tell it.
    pub async fn told(self) {
        // Nothing is ever sent: the other end is dropped.
        self.told.await.ok();
    }
}

impl Drop for VoiceLine {
    fn drop(&mut self) {
        self.inlet.last_wish(Wish::HangUp);
    }
}

impl LineMark {
    fn new(lines: &Arc<watch::Sender<usize>>, lines_max: usize) -> Option<Self> {
        let counted = lines.send_if_modified(|count| {
            let has_room = *count < lines_max;
            *count += usize::from(has_room);
            has_room
        });
        counted.then(|| {
            observe::lines(*lines.borrow());
            Self {
                lines: Arc::clone(lines),
            }
        })
    }
}

impl Drop for LineMark {
    fn drop(&mut self) {
        self.lines.send_modify(|count| *count -= 1);
        observe::lines(*self.lines.borrow());
    }
}
