//! A line at work: one loop over what the socket hands in, what comes of its errands, what the recogniser understands, what
//! happens to the mouth, and who has the floor. Nothing in it waits for one of them alone, and nothing is shared with any
//! other task but the two ways to the socket.
//!
//! It ends once its socket has hung up and everything that was said in full is decided.

mod acts;
mod recognition;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use greenroom_audio::ear::{DropReason, EarEvent, SpeakerPace, Utterance};
use greenroom_protocol::{CallId, ErrorBody, ErrorCode, Signal, SpeechDiscardReason};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::cursor::Listener;
use crate::voice::audio_start::Listening;
use crate::voice::desk::Desk;
use crate::voice::errands::{Done, Errands};
use crate::voice::floor::{FloorState, LineId};
use crate::voice::hearing::{Action, EndedUtterance, Hearing, Input};
use crate::voice::inlet::Inlet;
use crate::voice::intake::{Batch, Item};
use crate::voice::microphone::{Microphone, NotHeard};
use crate::voice::mouth::Standing;
use crate::voice::observe;
use crate::voice::outlet::OutletSender;
use crate::voice::recogniser::{News, Recogniser};
use crate::voice::tape::Tape;
use crate::voice::voicing::{Voicing, VoicingEvent};

/// Lost frames that the ear hears something in the place of, at most: a minute of them is one silence like another.
const LOST_HEARD_MAX: u32 = 3_000;

/// What a socket wishes of its line.
#[derive(Debug)]
pub(super) enum Wish {
    /// Listen, and speak, like this.
    Start(Box<Listening>),
    /// End the utterance now.
    Commit,
    /// Forget what was heard and makes no turn yet, and hear no more.
    Stop,
    /// End the reply that is being spoken here.
    CancelReply {
        /// Dropped once the session has answered what was heard of it.
        told: oneshot::Sender<()>,
    },
    /// The client is gone.
    HangUp,
}

/// What a line is made of.
pub(super) struct LineParts {
    pub(super) id: LineId,
    pub(super) desk: Arc<Desk>,
    /// Keeps the session in memory: one that is folded anew takes calls under way for lost.
    pub(super) presence: Listener,
    pub(super) inlet: Inlet<Wish>,
    pub(super) outlet: Arc<OutletSender>,
    pub(super) voicing: Voicing,
    /// Whether a reply is under way here, for the socket to see.
    pub(super) is_replying: Arc<AtomicBool>,
}

/// The state of the task.
pub(super) struct Line {
    id: LineId,
    desk: Arc<Desk>,
    presence: Listener,
    floor: watch::Receiver<FloorState>,
    inlet: Inlet<Wish>,
    batch: Batch<Wish>,
    outlet: Arc<OutletSender>,
    microphone: Option<Microphone>,
    /// What is known of the speaker, from one microphone to the next.
    pace: SpeakerPace,
    noticed: Vec<EarEvent>,
    hearing: Hearing,
    actions: Vec<Action>,
    recogniser: Recogniser,
    vocabulary: Vec<String>,
    /// When the utterance ended whose words the recogniser owes.
    committed: Vec<(CallId, Instant)>,
    voicing: Voicing,
    is_replying: Arc<AtomicBool>,
    cut_offs: u64,
    errands: Errands,
    tape: Tape,
    hung_up: bool,
}

/// What can happen on a line.
enum Happening {
    /// The socket handed something in.
    Received,
    /// The floor is another one.
    Floor,
    /// An errand is done.
    Errand(Done),
    /// The recogniser that listens along told something.
    Recognised(News),
    /// Something about the mouth.
    Voicing(VoicingEvent),
}

impl Line {
    pub(super) fn new(parts: LineParts) -> Self {
        let LineParts {
            id,
            desk,
            presence,
            inlet,
            outlet,
            voicing,
            is_replying,
        } = parts;
        Self {
            id,
            floor: presence.entry().floor().watch(),
            presence,
            tape: Tape::new(Arc::clone(&desk), Arc::clone(&outlet)),
            inlet,
            batch: Batch::default(),
            outlet,
            microphone: None,
            pace: SpeakerPace::default(),
            noticed: Vec::new(),
            hearing: Hearing::new(desk.locale()),
            actions: Vec::new(),
            recogniser: Recogniser::new(desk.ports.live_transcriber.clone()),
            vocabulary: Vec::new(),
            committed: Vec::new(),
            voicing,
            is_replying,
            cut_offs: 0,
            errands: Errands::new(Arc::clone(&desk)),
            hung_up: false,
            desk,
        }
    }

    /// Serves the socket until it has hung up and nothing is left to be decided.
    pub(super) async fn run(mut self) {
        while !self.is_done() {
            let happening = self.next_happening().await;
            self.handle(happening);
            self.tell_standing();
        }
    }

    fn is_done(&self) -> bool {
        self.hung_up && self.hearing.is_quiet() && self.errands.is_empty()
    }

    async fn next_happening(&mut self) -> Happening {
        tokio::select! {
            // In this order: what a person says goes before what is said to them.
            biased;
            () = self.inlet.take(&mut self.batch), if !self.hung_up => Happening::Received,
            Ok(()) = self.floor.changed(), if !self.hung_up => Happening::Floor,
            done = self.errands.next() => Happening::Errand(done),
            news = self.recogniser.next() => Happening::Recognised(news),
            event = self.voicing.next() => Happening::Voicing(event),
        }
    }

    fn handle(&mut self, happening: Happening) {
        match happening {
            Happening::Received => self.received(),
            Happening::Floor => self.look_at_floor(),
            Happening::Errand(done) => self.done(done),
            Happening::Recognised(news) => self.recognised(news),
            Happening::Voicing(event) => {
                self.voicing.handle(event);
                // A client may send nothing while it listens.
                if self.tape.follow() {
                    self.keep_recording();
                }
            }
        }
    }

    /// Takes everything that came, in its order.
    fn received(&mut self) {
        let is_reply_sounding = self.is_reply_sounding();
        if let Some(microphone) = &mut self.microphone {
            microphone.set_reply_sounding(is_reply_sounding, Instant::now());
        }
        let mut batch = std::mem::take(&mut self.batch);
        let mut bytes = batch.bytes.as_slice();
        let (mut heard, mut lost, mut refused) = (0, 0, 0);
        for item in batch.items.drain(..) {
            match item {
                Item::Frame {
                    bytes: size,
                    duration,
                    arrived_at,
                } => {
                    let (frame, rest) = bytes.split_at(size.min(bytes.len()));
                    bytes = rest;
                    if let Some(microphone) = &mut self.microphone {
                        heard += 1;
                        let result = microphone.hear(frame, duration, arrived_at, &mut self.noticed);
                        refused += u64::from(matches!(result, Err(NotHeard::Refused(_))));
                        self.tape.heard(microphone);
                        self.note_hearing(&result);
                    }
                }
                Item::Lost { frames } => {
                    if lost == 0 && self.microphone.is_some() {
                        let error =
                            ErrorBody::new(ErrorCode::SysOverloaded, self.desk.locale()).with_retry_after(1);
                        self.outlet.signal(Signal::Notice { error });
                    }
                    lost += u64::from(frames);
                    self.hear_lost(frames);
                }
                Item::Wish(wish) => {
                    self.dispatch();
                    self.wish(wish);
                }
                Item::Played { reply_id, played } => self.voicing.played(&reply_id, played),
            }
        }
        self.batch = batch;
        self.dispatch();
        observe::frames(heard, lost, refused);
    }

    fn hear_lost(&mut self, frames: u32) {
        for _ in 0..frames.min(LOST_HEARD_MAX) {
            let Some(microphone) = &mut self.microphone else {
                return;
            };
            let result = microphone.hear_lost(&mut self.noticed);
            self.tape.heard(microphone);
            self.note_hearing(&result);
        }
    }

    fn note_hearing(&mut self, result: &Result<(), NotHeard>) {
        match result {
            Ok(()) => {}
            Err(NotHeard::Refused(error)) => {
                let error = ErrorBody::new(ErrorCode::InputInvalid, self.desk.locale())
                    .with_details(error.to_string());
                self.outlet.signal(Signal::Rejected { id: None, error });
            }
            Err(NotHeard::EarPanicked) => self.renew_ear(),
        }
    }

    /// The ear has a defect: what it was hearing is lost, and it is made anew. Nobody else notices.
    fn renew_ear(&mut self) {
        observe::ear_panicked();
        self.dispatch();
        if let Some(microphone) = &mut self.microphone {
            microphone.renew(Instant::now());
        }
        let error = ErrorBody::new(ErrorCode::SysInternal, self.desk.locale());
        self.outlet.signal(Signal::Notice { error });
        if self.hearing.is_somebody_speaking() {
            self.hear(Input::Dropped(SpeechDiscardReason::Failed));
        }
    }

    /// Acts on what the ear noticed. After a burst this is done once all of it was heard, because what came last says when
    /// the rest was spoken.
    fn dispatch(&mut self) {
        let mut noticed = std::mem::take(&mut self.noticed);
        for event in noticed.drain(..) {
            match event {
                EarEvent::SpeechStarted { .. } => {
                    self.open_recogniser();
                    let streams = self.recogniser.is_open();
                    // Who began to speak before the server began to drain is heard to the end.
                    let is_draining = self.desk.directory.is_draining();
                    let refusal = is_draining
                        .then(|| Box::new(ErrorBody::new(ErrorCode::SysDraining, self.desk.locale())));
                    self.hear(Input::Started { streams, refusal });
                }
                EarEvent::SpeechPaused { .. } | EarEvent::SpeechResumed { .. } => {}
                EarEvent::Utterance(utterance) => self.utterance(utterance),
                EarEvent::Dropped { reason, .. } => {
                    self.hear(Input::Dropped(match reason {
                        DropReason::TooShort | DropReason::Noise | DropReason::NothingHeard => {
                            SpeechDiscardReason::Noise
                        }
                        DropReason::Discarded => SpeechDiscardReason::Cancelled,
                    }));
                }
            }
        }
        self.noticed = noticed;
        self.feed_recogniser();
        if let Some(microphone) = &self.microphone
            && self.tape.record(microphone)
        {
            self.keep_recording();
        }
    }

    /// Ends the recording, if there is one, and has it kept.
    fn keep_recording(&mut self) {
        if let Some(keeping) = self.tape.end() {
            self.errands.lastly(keeping);
        }
    }

    fn utterance(&mut self, utterance: Utterance) {
        let delay = utterance.endpoint_delay();
        observe::endpoint(utterance.reason, delay);
        let now = Instant::now();
        let ended = self.microphone.as_ref().map_or(now, |microphone| {
            self.pace = microphone.pace().clone();
            microphone.spoken_at(utterance.ended_at)
        });
        self.hear(Input::Ended(EndedUtterance {
            pcm: utterance.pcm,
            ended_at: self.desk.time_of(ended.min(now)),
            endpoint_at: self.desk.time_of(now),
        }));
    }

    fn wish(&mut self, wish: Wish) {
        match wish {
            Wish::Start(listening) => self.start(*listening),
            Wish::Commit => {
                if let Some(microphone) = &mut self.microphone {
                    let result = microphone.commit(&mut self.noticed);
                    self.note_hearing(&result);
                    self.dispatch();
                }
            }
            Wish::Stop => {
                self.switch_off();
                self.hear(Input::Forgotten);
            }
            Wish::CancelReply { told } => {
                self.cut_off_here();
                self.errands.lastly(async move { drop(told) });
            }
            Wish::HangUp => self.hang_up(),
        }
    }

    fn start(&mut self, listening: Listening) {
        self.switch_off();
        let Listening {
            format,
            settings,
            output,
            record,
        } = listening;
        let output_format = output.as_ref().map(|output| output.format);
        if let Some(heard) = self.voicing.order(output) {
            self.tell_heard(heard, false);
        }
        if self.holds_the_floor() {
            let microphone = Microphone::new(format, settings, self.pace.clone(), Instant::now());
            // The settings were checked when the wish was made.
            self.microphone = microphone.ok();
            if record {
                self.tape.begin(output_format);
            }
            #[cfg(debug_assertions)]
            if let Some(microphone) = &mut self.microphone {
                microphone.panic_on(self.desk.directory.shared().config.faults.panic_ear_on.clone());
            }
            if self.desk.ports.live_transcriber.is_some() {
                self.errands.vocabulary();
            }
        } else {
            // Somebody took it before this was read.
            self.outlet.signal(Signal::MicrophoneTaken {});
        }
        self.look_at_floor();
        // A mouth that is new knows nothing of what waits to be decided.
        self.hush_here();
    }

    /// Hears no more, and records no more. An utterance under way is dropped.
    fn switch_off(&mut self) {
        if let Some(microphone) = &mut self.microphone {
            let result = microphone.discard(&mut self.noticed);
            self.note_hearing(&result);
            self.dispatch();
        }
        self.keep_recording();
        self.microphone = None;
    }

    fn hang_up(&mut self) {
        self.hung_up = true;
        self.switch_off();
        self.presence.entry().floor().leave(self.id);
        if let Some(heard) = self.voicing.order(None) {
            self.tell_heard(heard, false);
        }
    }

    fn holds_the_floor(&self) -> bool {
        self.floor.borrow().holder() == Some(self.id)
    }

    fn look_at_floor(&mut self) {
        let floor = self.floor.borrow_and_update().clone();
        #[cfg(debug_assertions)]
        if floor.provoked() == Some(self.id) {
            crate::provoke::panic_as_asked();
        }
        let taken = floor.holder().is_some_and(|holder| holder != self.id);
        if taken && self.microphone.is_some() {
            self.switch_off();
            self.outlet.signal(Signal::MicrophoneTaken {});
        }
        self.voicing.set_floor(floor.speaker() == Some(self.id));
        let cut_off = std::mem::replace(&mut self.cut_offs, floor.cut_offs()) != floor.cut_offs();
        if floor.speaker() == Some(self.id) && floor.holder() != Some(self.id) {
            if cut_off {
                self.cut_off_here();
            }
            self.hush_here();
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Heard(input) => {
                if let Input::Overdue { call_id } = *input {
                    self.forget_commit(call_id);
                }
                self.hear(*input);
            }
            Done::Vocabulary(vocabulary) => {
                self.vocabulary = vocabulary;
                if self.microphone.is_some() {
                    self.open_recogniser();
                }
            }
            Done::Told => {}
        }
        self.feed_recogniser();
    }

    /// Whether a reply can be heard at the client, here or where the line is that speaks; of that one it is only known
    /// whether its question was not heard yet.
    fn is_reply_sounding(&self) -> bool {
        if self.voicing.has_the_floor() {
            return self.voicing.is_sounding();
        }
        let floor = self.floor.borrow();
        floor.is_mid_reply() && !floor.is_hushed()
    }

    /// Whether a reply is under way whose question was not heard, here or on the line that speaks.
    fn is_mid_reply(&self) -> bool {
        if self.voicing.has_the_floor() {
            is_mid_reply(self.voicing.standing())
        } else {
            self.floor.borrow().is_mid_reply()
        }
    }

    /// Says where the mouth stands, to those who cannot see it: the socket, and the line that holds the microphone.
    fn tell_standing(&mut self) {
        self.is_replying
            .store(self.voicing.is_replying(), Ordering::Relaxed);
        // Most lines hold the microphone themselves, and need not find out with every frame.
        if self.voicing.has_the_floor() && !self.holds_the_floor() {
            let floor = self.presence.entry().floor();
            floor.tell_mid_reply(self.id, is_mid_reply(self.voicing.standing()));
        }
    }
}

impl Drop for Line {
    /// However it ends, nobody waits for a line that is gone to give the microphone back.
    fn drop(&mut self) {
        self.presence.entry().floor().leave(self.id);
    }
}

fn is_mid_reply(standing: Standing) -> bool {
    match standing {
        Standing::Silent => false,
        Standing::Pending { .. } => true,
        Standing::Speaking { question_heard, .. } => !question_heard,
    }
}
