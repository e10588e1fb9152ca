//! A mouth on a stage of its own: a session, a scripted voice, a driver as a line is one, and a client.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenroom_actors::Cursor;
use greenroom_actors::voice::mouth::{HeardReply, Mouth, MouthParts, PhraseSounds, Standing};
use greenroom_actors::voice::outlet::{Outlet, outlet};
use greenroom_audio::mouth::{OutputCodec, OutputFormat};
use greenroom_protocol::{
    CallOutcome, CallPurpose, ErrorEvent, Event, Locale, MessageHeard, Seq, SessionId, Timestamp,
    TurnCompleted, TurnId,
};
use greenroom_session::playbook::{Playbook, VoicePreset};
use greenroom_session::ports::{Clock, IdSource};
use greenroom_session::{CallCost, CallRecord, Caller, CommandKind, OutsideCall, Spoken};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::client::{Acks, Client, Received};
use crate::model::{Step, answer, whole};
use crate::speaker::ScriptedSpeaker;
use crate::world::{World, concierge_bundle, eventually, pass, say};

/// How far audio is sent ahead.
pub const LEAD: Duration = Duration::from_millis(400);
const ACKS_EVERY: Duration = Duration::from_millis(250);
/// Longer than any reply here takes.
const LONG: Duration = Duration::from_mins(1);

type Errand = Box<dyn FnOnce(&mut Option<Mouth>) + Send>;

/// What is set up before a mouth.
pub struct Setting {
    pub acks: Acks,
    pub waits_for_check: bool,
    /// Whether the client takes anything.
    pub takes: bool,
    /// The event behind which the mouth begins to listen.
    pub after: Option<Seq>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            acks: Acks::Honest,
            waits_for_check: false,
            takes: true,
            after: None,
        }
    }
}

pub struct Stage {
    pub world: World,
    pub session: SessionId,
    pub speaker: Arc<ScriptedSpeaker>,
    pub tasks: TaskTracker,
    pub client: Arc<Mutex<Client>>,
    clock: Arc<PausedClock>,
    takes: Arc<AtomicBool>,
    errands: mpsc::Sender<Errand>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(World::new().await, Setting::default()).await
    }

    pub async fn with(world: World, setting: Setting) -> Self {
        let tasks = TaskTracker::new();
        let phrases = Arc::new(PhraseSounds::new(world.blobs.clone(), tasks.clone()));
        let session = world.create().await;
        let speaker = Arc::new(ScriptedSpeaker::default());
        let clock = Arc::new(PausedClock(Instant::now()));
        let (sender, outlet) = outlet();
        let (cursor, _) = world
            .directory
            .cursor(session, &Caller::Client(None), setting.after)
            .await
            .unwrap();
        let mut mouth = Mouth::new(MouthParts {
            directory: world.directory.clone(),
            session,
            caller: Caller::Client(None),
            locale: Locale::En,
            playbook: Arc::new(Playbook::from_bundle(&concierge_bundle()).unwrap()),
            preset: VoicePreset {
                preset: "warm".to_owned(),
                ko: "minji".to_owned(),
                en: "amy".to_owned(),
                style: None,
            },
            speaker: speaker.clone(),
            phrases,
            output: OutputFormat::new(OutputCodec::PcmS16le, 24_000).unwrap(),
            lead: LEAD,
            outlet: Arc::new(sender),
            clock: clock.clone(),
            ids: Box::new(Counter::default()),
            tasks: tasks.clone(),
            waits_for_check: setting.waits_for_check,
        });
        mouth.set_speaking(true);
        let (errands, waiting) = mpsc::channel(16);
        let client = Arc::new(Mutex::new(Client::default()));
        let takes = Arc::new(AtomicBool::new(setting.takes));
        let driving = tokio::spawn(drive(mouth, cursor, waiting));
        let listening = tokio::spawn(listen(
            outlet,
            client.clone(),
            takes.clone(),
            setting.acks,
            errands.clone(),
        ));
        Self {
            world,
            session,
            speaker,
            tasks,
            client,
            clock,
            takes,
            errands,
            _tasks: vec![AbortOnDropHandle::new(driving), AbortOnDropHandle::new(listening)],
        }
    }

    /// Does something with the mouth, amid whatever it is at.
    pub async fn with_mouth<T: Send + 'static>(
        &self,
        errand: impl FnOnce(&mut Mouth) -> T + Send + 'static,
    ) -> T {
        self.run(|mouth| errand(mouth.as_mut().unwrap())).await
    }

    /// The socket goes, and the mouth with it.
    pub async fn close(&self) -> Option<HeardReply> {
        self.run(|mouth| mouth.take().unwrap().close()).await
    }

    async fn run<T: Send + 'static>(
        &self,
        errand: impl FnOnce(&mut Option<Mouth>) -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = oneshot::channel();
        let errand = move |mouth: &mut Option<Mouth>| {
            let _test_ended = sender.send(errand(mouth));
        };
        self.errands.send(Box::new(errand)).await.ok().unwrap();
        receiver.await.unwrap()
    }

    pub async fn standing(&self) -> Standing {
        let standing = |mouth: &mut Mouth| (mouth.standing(), mouth.is_silent());
        let (standing, is_silent) = self.with_mouth(standing).await;
        assert_eq!(is_silent, standing == Standing::Silent);
        standing
    }

    /// Cancels as a line does: what was heard is told before anything else.
    pub async fn cancel(&self) -> Option<HeardReply> {
        let heard = self.with_mouth(Mouth::cancel).await?;
        if let Some(turn_id) = heard.turn_id {
            let parts = heard.parts.clone();
            let told = CommandKind::ReplyHeard {
                turn_id,
                parts,
                cancels: true,
            };
            self.world.send(self.session, told).await.unwrap();
        }
        Some(heard)
    }

    /// A turn that the planner answers with this, and asks nothing.
    pub async fn ask(&self, reply: &str) -> TurnId {
        self.ask_scripted(whole(&answer(reply))).await
    }

    pub async fn ask_scripted(&self, steps: Vec<Step>) -> TurnId {
        self.world.model.script("planner", steps);
        let receipt = self.world.send(self.session, say("Tell me")).await.unwrap();
        receipt.turn_id.unwrap()
    }

    /// The same, spoken: the turn waits for its voice.
    pub async fn ask_aloud(&self, reply: &str) -> TurnId {
        self.world.model.script("planner", whole(&answer(reply)));
        let call = OutsideCall::Transcribe { audio_digest: None };
        let reserved = self
            .world
            .send(self.session, CommandKind::ReserveCall { call })
            .await
            .unwrap();
        let turn_id = reserved.turn_id.unwrap();
        let now = self.clock.now();
        let spoken = Spoken {
            turn_id,
            call_id: reserved.call_id.unwrap(),
            record: CallRecord {
                provider: "scripted".to_owned(),
                model: "ears".to_owned(),
                response_id: None,
                request_id: None,
                usage: None,
                cost: CallCost::Known(5),
            },
            audio_digest: None,
            ended_at: now,
            endpoint_at: Some(now),
            voiced: true,
        };
        let kind = CommandKind::UserMessage {
            text: "Tell me".to_owned(),
            spoken: Some(Box::new(spoken)),
        };
        self.world.send(self.session, kind).await.unwrap();
        turn_id
    }

    /// Whether the client takes what comes.
    pub fn set_takes(&self, takes: bool) {
        self.takes.store(takes, Ordering::Relaxed);
    }

    /// Returns once the client has begun to play, and has this much of its newest reply.
    pub async fn until_received(&self, received: Duration) {
        for _ in 0..10_000 {
            let has_it = {
                let client = self.client.lock().unwrap();
                client
                    .replies
                    .last()
                    .is_some_and(|reply| reply.received() >= received)
            };
            if has_it {
                return;
            }
            pass(Duration::from_millis(5)).await;
        }
        panic!("the client never gets so much");
    }

    /// Returns once nothing is said any more, and everything that was booked is settled.
    pub async fn until_silent(&self) {
        let began = Instant::now();
        loop {
            pass(Duration::from_millis(50)).await;
            let is_silent = self.standing().await == Standing::Silent;
            let is_done = self.client.lock().unwrap().is_done(Instant::now());
            let agents = self.world.directory.inspect(self.session).await.unwrap().children;
            if is_silent && is_done && self.tasks.is_empty() && agents.is_empty() {
                return;
            }
            assert!(
                began.elapsed() < LONG,
                "it never falls silent: {:?}, {is_done}, {} tasks, {} agents",
                self.standing().await,
                self.tasks.len(),
                agents.len()
            );
        }
    }

    /// Long enough for the last acks, and for whatever is told after them.
    pub async fn settle_down(&self) {
        self.until_silent().await;
        pass(Duration::from_secs(3)).await;
        eventually(|| self.tasks.is_empty()).await;
    }

    /// The newest reply.
    pub fn last(&self) -> Received {
        self.client.lock().unwrap().replies.last().unwrap().clone()
    }

    pub fn replies(&self) -> Vec<Received> {
        self.client.lock().unwrap().replies.clone()
    }

    pub fn events(&self) -> Vec<Event> {
        self.world.journal.events(self.session)
    }

    /// What was told to have been heard: milliseconds and words, by message.
    pub fn heard(&self) -> Vec<(u64, String)> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| match event {
                Event::MessageHeard(MessageHeard { heard_ms, text, .. }) => Some((heard_ms.0, text)),
                _ => None,
            })
            .collect()
    }

    /// How the calls for speech were settled.
    pub fn settled(&self) -> Vec<CallOutcome> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| match event {
                Event::CallSettled(settled) if settled.purpose == CallPurpose::Speak => Some(settled.outcome),
                _ => None,
            })
            .collect()
    }

    /// How many calls for speech were booked.
    pub fn reserved(&self) -> usize {
        let events = self.events().into_iter();
        events
            .filter(|event| matches!(event, Event::CallReserved(reserved) if reserved.purpose == CallPurpose::Speak))
            .count()
    }

    pub fn errors(&self) -> Vec<ErrorEvent> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| match event {
                Event::Error(error) => Some(error),
                _ => None,
            })
            .collect()
    }

    pub fn completed(&self, turn_id: TurnId) -> Option<TurnCompleted> {
        let mut events = self.events().into_iter();
        events.find_map(|event| match event {
            Event::TurnCompleted(completed) if completed.turn_id == turn_id => Some(completed),
            _ => None,
        })
    }
}

/// What a line does with its mouth, until its socket goes.
async fn drive(mouth: Mouth, mut cursor: Cursor, mut errands: mpsc::Receiver<Errand>) {
    let mut driven = Some(mouth);
    while let Some(mouth) = &mut driven {
        tokio::select! {
            page = cursor.next() => page.unwrap().iter().for_each(|frame| mouth.frame(frame)),
            event = mouth.next() => mouth.handle(event),
            errand = errands.recv() => match errand {
                Some(errand) => errand(&mut driven),
                None => return,
            },
        }
    }
}

/// What a client does with its socket.
async fn listen(
    outlet: Outlet,
    client: Arc<Mutex<Client>>,
    takes: Arc<AtomicBool>,
    acks: Acks,
    errands: mpsc::Sender<Errand>,
) {
    let mut ticks = interval(ACKS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let can_take = takes.load(Ordering::Relaxed);
        tokio::select! {
            () = outlet.ready(), if can_take => {
                let now = Instant::now();
                let mut client = client.lock().unwrap();
                if let Some(signal) = outlet.control() {
                    client.signal(signal, now);
                } else if let Some(item) = outlet.audio() {
                    client.audio(item, now);
                }
            }
            _ = ticks.tick() => {
                let ack = client.lock().unwrap().ack(acks, Instant::now());
                if let Some((reply_id, played)) = ack {
                    let errand = Box::new(move |mouth: &mut Option<Mouth>| {
                        if let Some(mouth) = mouth {
                            mouth.played(&reply_id, played);
                        }
                    });
                    if errands.send(errand).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// The time of the paused runtime.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        let passed_ms = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp::from_unix_ms(1_771_513_200_000 + passed_ms)
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl IdSource for Counter {
    fn next_ulid(&mut self) -> ulid::Ulid {
        ulid::Ulid::from_parts(1, u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn jitter(&mut self) -> f64 {
        0.5
    }
}
