//! Somebody who talks to a session: a microphone that never stops, a player that acknowledges what it plays, and a diary
//! of everything that came.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use greenroom_demo::session_play::{StageSpec, within};
use greenroom_protocol::{
    AudioCodec, AudioOutput, ClientMessage, ErrorBody, Event, Locale, Seq, SessionId, Signal, TurnDetection,
    TurnId,
};
use loadtest::client::{Client, CreateSession, Incoming, Socket, SocketOptions};
use tokio::time::{Instant, sleep_until};

use crate::diary::{Diary, Told};
use crate::loudspeaker::{HeardReply, Loudspeaker, ReplyState};
use crate::microphone::{Format, Microphone, PCM_16K};

/// Whatever is waited for comes within this, on a machine with two busy cores; most of it comes at once.
const PATIENCE: Duration = Duration::from_secs(30);
/// What replies are sent as, unless a scene wants them otherwise.
pub const PCM_24K: AudioOutput = AudioOutput {
    codec: AudioCodec::PcmS16le,
    sample_rate: 24_000,
    voice_preset: None,
};

/// A server that hears and speaks by the simulator.
pub fn voiced() -> Result<StageSpec> {
    Ok(StageSpec::new()?
        .env("GREENROOM_STT__MODEL", "sim-transcribe")
        .env("GREENROOM_TTS__MODEL", "sim-tts"))
}

/// The same, with words that come while they are said.
pub fn voiced_along() -> Result<StageSpec> {
    Ok(voiced()?
        .env("GREENROOM_STT__REALTIME", "on")
        .env("GREENROOM_STT__REALTIME_MODEL", "sim-live-transcribe"))
}

/// A new session in the language of the recordings.
pub async fn english_session(client: &Client) -> Result<SessionId> {
    let new = CreateSession {
        locale: Some(Locale::En),
        ..CreateSession::default()
    };
    Ok(client.create_session(&new).await?.session.session_id)
}

/// An id that no other message of any caller has.
fn new_id() -> String {
    static IDS: AtomicU32 = AtomicU32::new(0);
    format!("caller-{}", IDS.fetch_add(1, Ordering::Relaxed))
}

/// A person on a socket.
pub struct Caller {
    socket: Socket,
    format: Format,
    began: Instant,
    microphone: Option<Microphone>,
    acknowledges: bool,
    is_closed: bool,
    pub diary: Vec<Told>,
    /// Up to where scenes have read the diary.
    read: usize,
    loudspeaker: Loudspeaker,
}

impl Caller {
    /// Opens the socket of a session and takes the snapshot; says and hears nothing yet.
    pub async fn open(client: &Client, session: SessionId, format: Format) -> Result<Self> {
        let mut caller = Self::connect(client, session, format, None).await?;
        caller
            .until_signal("the snapshot", |signal| {
                matches!(signal, Signal::SessionSnapshot { .. }).then_some(())
            })
            .await?;
        Ok(caller)
    }

    /// Opens the socket behind an event that was seen before.
    pub async fn after(client: &Client, session: SessionId, seq: Seq) -> Result<Self> {
        Self::connect(client, session, PCM_16K, Some(seq)).await
    }

    /// Opens the socket, switches the microphone on and asks to hear replies.
    pub async fn call(client: &Client, session: SessionId) -> Result<Self> {
        let mut caller = Self::open(client, session, PCM_16K).await?;
        caller.start(Some(PCM_24K)).await?;
        Ok(caller)
    }

    async fn connect(
        client: &Client,
        session: SessionId,
        format: Format,
        last_event_id: Option<Seq>,
    ) -> Result<Self> {
        let options = SocketOptions {
            last_event_id,
            ..SocketOptions::default()
        };
        Ok(Self {
            socket: client.connect(session, options).await?,
            format,
            began: Instant::now(),
            microphone: None,
            acknowledges: true,
            is_closed: false,
            diary: Vec::new(),
            read: 0,
            loudspeaker: Loudspeaker::default(),
        })
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        self.socket.session()
    }

    /// Never says what it played, from now on.
    pub fn never_acknowledge(&mut self) {
        self.acknowledges = false;
    }

    /// What `audio.start` says for this microphone.
    pub fn starting(&self, output: Option<AudioOutput>) -> ClientMessage {
        ClientMessage::AudioStart {
            codec: self.format.codec,
            sample_rate: self.format.rate_hz,
            channels: self.format.channels,
            turn_detection: TurnDetection::ServerVad,
            endpointing: None,
            noise_suppression: false,
            output,
            record: false,
        }
    }

    /// Takes the microphone, and sends the room from now on.
    pub async fn start(&mut self, output: Option<AudioOutput>) -> Result<()> {
        let start = self.starting(output);
        self.start_with(start).await
    }

    /// The same, by any `audio.start`.
    pub async fn start_with(&mut self, start: ClientMessage) -> Result<()> {
        self.command(start).await?;
        self.unmute()
    }

    /// Sends nothing from the microphone any more.
    pub fn mute(&mut self) {
        self.microphone = None;
    }

    /// Sends the room from now on.
    pub fn unmute(&mut self) -> Result<()> {
        self.microphone = Some(Microphone::new(self.format)?);
        Ok(())
    }

    /// Says a shipped recording, after whatever is being said.
    pub fn say(&mut self, id: &str) -> Result<()> {
        let frames = self.format.recording(id)?;
        self.emit(frames)
    }

    /// Lets the microphone hear these frames next.
    pub fn emit(&mut self, frames: impl IntoIterator<Item = Bytes>) -> Result<()> {
        self.switched_on()?.say(frames);
        Ok(())
    }

    /// From now on nothing leaves the microphone for so long; then everything comes at once.
    pub fn stall(&mut self, length: Duration) -> Result<()> {
        self.switched_on()?.stall(length);
        Ok(())
    }

    /// Goes on until everything was said.
    pub async fn until_said(&mut self) -> Result<()> {
        self.attend_until("the words to be said", |caller| {
            let microphone = caller.microphone.as_ref();
            microphone.is_none_or(Microphone::is_silent)
        })
        .await
    }

    /// Goes on for so many frames of the microphone.
    pub async fn listen(&mut self, frames: u64) -> Result<()> {
        let sent = |caller: &Self| {
            let microphone = caller.microphone.as_ref();
            microphone.map_or(u64::MAX, Microphone::sent)
        };
        let until = sent(self).saturating_add(frames);
        self.attend_until("frames to leave", |caller| sent(caller) >= until)
            .await
    }

    /// Sends a message and waits until it is accepted; answers with the turn that it began.
    pub async fn command(&mut self, message: ClientMessage) -> Result<Option<TurnId>> {
        let asked = self.ask(message.clone()).await?;
        asked.map_err(|error| anyhow::anyhow!("{message:?} was rejected: {error:?}"))
    }

    /// Sends a message and waits for its answer, which may be anywhere in what comes.
    pub async fn ask(&mut self, message: ClientMessage) -> Result<Result<Option<TurnId>, ErrorBody>> {
        let id = new_id();
        self.socket.queue(&message, Some(&id))?;
        let mut place = self.diary.len();
        let look = |told: &Told| match told {
            Told::Signal(signal) => match signal.as_ref() {
                Signal::Accepted { id: of, turn_id, .. } if *of == id => Some(Ok(*turn_id)),
                Signal::Rejected { id: Some(of), error } if *of == id => Some(Err(error.clone())),
                _ => None,
            },
            _ => None,
        };
        self.seek(&format!("the answer to {message:?}"), &mut place, look)
            .await
    }

    /// Sends a message that nobody answers.
    pub fn tell(&mut self, message: &ClientMessage) -> Result<()> {
        Ok(self.socket.queue(message, None)?)
    }

    /// Sends a frame as it is, past the microphone.
    pub fn send_frame(&mut self, frame: Bytes) -> Result<()> {
        Ok(self.socket.queue_audio(frame)?)
    }

    /// Sends a text frame as it is.
    pub async fn send_text(&mut self, text: &str) -> Result<()> {
        Ok(self.socket.send_text(text.to_owned()).await?)
    }

    /// Waits no longer for anything that has come already.
    pub fn look_ahead(&mut self) {
        self.read = self.diary.len();
    }

    /// Waits for a line of the diary behind those that were waited for before.
    pub async fn until<T>(&mut self, what: &str, found: impl FnMut(&Told) -> Option<T>) -> Result<T> {
        let mut place = self.read;
        let found = self.seek(what, &mut place, found).await?;
        self.read = place;
        Ok(found)
    }

    /// Waits for an event.
    pub async fn until_event<T>(
        &mut self,
        what: &str,
        mut found: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T> {
        self.until(what, |told| match told {
            Told::Event(event) => found(event),
            _ => None,
        })
        .await
    }

    /// Waits for a signal.
    pub async fn until_signal<T>(
        &mut self,
        what: &str,
        mut found: impl FnMut(&Signal) -> Option<T>,
    ) -> Result<T> {
        self.until(what, |told| match told {
            Told::Signal(signal) => found(signal),
            _ => None,
        })
        .await
    }

    /// Reads what is on its way until the connection is closed; answers with the close code.
    pub async fn until_closed(&mut self) -> Result<Option<u16>> {
        self.until("the end of the connection", |told| match told {
            Told::Closed(code) => Some(*code),
            _ => None,
        })
        .await
    }

    /// Waits until the server has read everything that was sent, and answered it.
    pub async fn settle(&mut self) -> Result<()> {
        let id = new_id();
        self.socket.queue(&ClientMessage::Ping {}, Some(&id))?;
        let mut place = self.diary.len();
        self.seek("the pong", &mut place, |told| match told {
            Told::Signal(signal) => {
                matches!(signal.as_ref(), Signal::Pong { id: Some(of) } if *of == id).then_some(())
            }
            _ => None,
        })
        .await
    }

    /// Waits until a reply, counted from 0, is no longer being sent.
    pub async fn until_reply_over(&mut self, number: usize) -> Result<ReplyState> {
        self.attend_until("the end of the reply", |caller| {
            let reply = caller.loudspeaker.replies.get(number);
            reply.is_some_and(|reply| reply.state != ReplyState::Sounding)
        })
        .await?;
        Ok(self.loudspeaker.replies[number].state)
    }

    /// Waits until so many frames of a reply have come.
    pub async fn until_sounding(&mut self, number: usize, frames: usize) -> Result<()> {
        self.attend_until("the reply to sound", |caller| {
            let reply = caller.loudspeaker.replies.get(number);
            reply.is_some_and(|reply| reply.frames.len() >= frames)
        })
        .await
    }

    /// Waits until so much of a reply was played.
    pub async fn until_played(&mut self, number: usize, length: Duration) -> Result<()> {
        self.attend_until("the reply to be played", |caller| {
            let now = caller.began.elapsed();
            let reply = caller.loudspeaker.replies.get_mut(number);
            reply.is_some_and(|reply| reply.playback.played(now) >= length)
        })
        .await
    }

    /// Goes on for ever: for whoever must not fall silent while another one acts.
    pub async fn attend(&mut self) -> Result<()> {
        loop {
            self.step().await?;
        }
    }

    /// Hangs up, whatever is under way, without a word of goodbye; answers with the last event that was seen.
    pub fn hang_up(self) -> Result<Seq> {
        self.socket.last_seq().context("something was seen")
    }

    /// Comes back with the last event that it saw; the microphone is off, and nothing is played any more.
    pub async fn resume(&mut self) -> Result<()> {
        self.microphone = None;
        self.is_closed = false;
        self.loudspeaker.fall_silent(self.began.elapsed());
        Ok(self.socket.resume().await?)
    }

    /// The replies that were heard, in their order.
    pub fn replies(&self) -> &[HeardReply] {
        &self.loudspeaker.replies
    }

    /// All events of the diary.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.diary.iter().filter_map(|told| match told {
            Told::Event(event) => Some(event.as_ref()),
            _ => None,
        })
    }

    /// All signals of the diary.
    pub fn signals(&self) -> impl Iterator<Item = &Signal> {
        self.diary.iter().filter_map(|told| match told {
            Told::Signal(signal) => Some(signal.as_ref()),
            _ => None,
        })
    }

    /// Fails unless these stand in the diary in this order, whatever stands between them.
    pub fn told_in_order(&self, names: &[&str]) -> Result<()> {
        let mut lines = self.diary.iter();
        for name in names {
            ensure!(
                lines.any(|told| told.name() == *name),
                "no {name} in its place: {self:?}"
            );
        }
        Ok(())
    }

    /// How often something of this name stands in the diary.
    pub fn count(&self, name: &str) -> usize {
        self.diary.iter().filter(|told| told.name() == name).count()
    }

    async fn seek<T>(
        &mut self,
        what: &str,
        place: &mut usize,
        mut found: impl FnMut(&Told) -> Option<T>,
    ) -> Result<T> {
        let begun = *place;
        let seeking = async {
            loop {
                while let Some(told) = self.diary.get(*place) {
                    *place += 1;
                    if let Some(found) = found(told) {
                        return Ok(found);
                    }
                    if let Told::Closed(code) = told {
                        bail!("the socket was closed ({code:?})");
                    }
                }
                self.step().await?;
            }
        };
        let sought = within(PATIENCE, seeking).await;
        sought.with_context(|| {
            format!(
                "waiting for {what}; since then came: {}",
                Diary(&self.diary[begun..])
            )
        })
    }

    async fn attend_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) -> Result<()> {
        let attending = async {
            while !is_so(self) {
                ensure!(!self.is_closed, "the socket was closed");
                self.step().await?;
            }
            Ok(())
        };
        let attended = within(PATIENCE, attending).await;
        attended.with_context(|| format!("waiting for {what}: {self:?}"))
    }

    /// Takes what comes next, or sends the next frame.
    async fn step(&mut self) -> Result<()> {
        let due = self.microphone.as_ref().map(Microphone::next_at);
        tokio::select! {
            biased;
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.send_due()?,
            incoming = self.socket.next() => self.note(incoming?)?,
        }
        let acks = self.loudspeaker.play(self.began.elapsed());
        self.acknowledge(acks)
    }

    fn send_due(&mut self) -> Result<()> {
        let frames = self.microphone.as_mut().map(Microphone::take_due);
        for frame in frames.into_iter().flatten() {
            self.socket.queue_audio(frame)?;
        }
        Ok(())
    }

    fn acknowledge(&mut self, acks: impl IntoIterator<Item = ClientMessage>) -> Result<()> {
        for ack in acks.into_iter().filter(|_| self.acknowledges) {
            self.socket.queue(&ack, None)?;
        }
        Ok(())
    }

    fn note(&mut self, incoming: Incoming) -> Result<()> {
        let now = self.began.elapsed();
        let told = match incoming {
            Incoming::Event(seen) => Told::Event(Box::new(seen.event()?)),
            Incoming::Signal(signal) => {
                let ack = self.loudspeaker.follow(now, &signal);
                let ack = ack.with_context(|| format!("{signal:?}, but {self:?}"))?;
                self.acknowledge(ack)?;
                Told::Signal(signal)
            }
            Incoming::Audio(frame) => {
                let heard = self.loudspeaker.hear(now, frame);
                heard.with_context(|| format!("{self:?}"))?;
                Told::Sound
            }
            Incoming::Closed { code } => {
                self.microphone = None;
                self.is_closed = true;
                Told::Closed(code)
            }
            Incoming::Unknown(_) | Incoming::Reconnected { .. } => bail!("unexpected: {incoming:?}"),
        };
        self.diary.push(told);
        Ok(())
    }

    fn switched_on(&mut self) -> Result<&mut Microphone> {
        self.microphone.as_mut().context("the microphone is on")
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "told {}", Diary(&self.diary))
    }
}
