//! The mouth of a line, if it has one: made and unmade as the client asks, and shown the session's events.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use greenroom_protocol::{Frame, Millis};
use greenroom_session::ports::{ModerationPolicy, ReadError};
use tokio::time::{Sleep, sleep};
use tokio_util::task::TaskTracker;

use super::audio_start::OutputOrder;
use super::desk::Desk;
use super::mouth::{HeardReply, Mouth, MouthEvent, MouthParts, PhraseSounds, Standing};
use super::outlet::OutletSender;
use crate::{Cursor, Refused};

/// How long after the session's events could not be read they are read again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The mouth and what it speaks from.
pub(super) struct Voicing {
    desk: Arc<Desk>,
    outlet: Arc<OutletSender>,
    phrases: Arc<PhraseSounds>,
    tasks: TaskTracker,
    speaking: Option<Speaking>,
}

struct Speaking {
    mouth: Mouth,
    order: OutputOrder,
    has_the_floor: bool,
    events: Events,
}

/// The session's events, from when the client asked for output.
enum Events {
    Opening(BoxFuture<'static, Result<Cursor, Refused>>),
    Open(Cursor),
    /// They could not be read.
    Resting(Pin<Box<Sleep>>, Option<Cursor>),
}

/// What can happen to a mouth.
pub(super) enum VoicingEvent {
    /// In itself.
    Mouth(MouthEvent),
    /// The session said something.
    Frames(Vec<Frame>),
    /// The session's events can be followed, or not.
    Opened(Result<Cursor, Refused>),
    /// They could not be read.
    Unread(ReadError),
    /// They are to be read again.
    Rested,
}

impl Voicing {
    /// No mouth yet.
    pub(super) fn new(
        desk: Arc<Desk>,
        outlet: Arc<OutletSender>,
        phrases: Arc<PhraseSounds>,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            desk,
            outlet,
            phrases,
            tasks,
            speaking: None,
        }
    }

    /// Speaks like this from now on, or not at all. Answers what was heard of a reply that was being spoken otherwise.
    pub(super) fn order(&mut self, order: Option<OutputOrder>) -> Option<HeardReply> {
        if self.speaking.as_ref().map(|speaking| &speaking.order) == order.as_ref() {
            return None;
        }
        let before = self.speaking.take();
        self.speaking = order.map(|order| Speaking {
            mouth: self.mouth(&order),
            order,
            has_the_floor: false,
            events: Events::open(&self.desk),
        });
        before.and_then(|before| before.mouth.close())
    }

    /// Whether this line is the one that speaks for the session.
    pub(super) fn set_floor(&mut self, has_the_floor: bool) {
        if let Some(speaking) = &mut self.speaking
            && speaking.has_the_floor != has_the_floor
        {
            speaking.has_the_floor = has_the_floor;
            speaking.mouth.set_speaking(has_the_floor);
        }
    }

    /// Whether this line speaks for the session.
    pub(super) fn has_the_floor(&self) -> bool {
        self.speaking
            .as_ref()
            .is_some_and(|speaking| speaking.has_the_floor)
    }

    /// Falls silent, or goes on.
    pub(super) fn hush(&mut self, hushed: bool) {
        if let Some(speaking) = &mut self.speaking {
            if hushed {
                speaking.mouth.hold();
            } else {
                speaking.mouth.release();
            }
        }
    }

    /// Ends what is being said; what was heard of it.
    pub(super) fn cut_off(&mut self) -> Option<HeardReply> {
        self.speaking
            .as_mut()
            .and_then(|speaking| speaking.mouth.cancel())
    }

    /// The client says how much it has played.
    pub(super) fn played(&mut self, reply_id: &str, played: Millis) {
        if let Some(speaking) = &mut self.speaking {
            speaking.mouth.played(reply_id, played);
        }
    }

    /// Whether a reply is being spoken here, or will be.
    pub(super) fn is_replying(&self) -> bool {
        self.speaking
            .as_ref()
            .is_some_and(|speaking| !speaking.mouth.is_silent())
    }

    /// Whether the client plays something of a reply now.
    pub(super) fn is_sounding(&self) -> bool {
        self.speaking
            .as_ref()
            .is_some_and(|speaking| speaking.mouth.is_sounding())
    }

    /// What the mouth is at.
    pub(super) fn standing(&self) -> Standing {
        self.speaking
            .as_ref()
            .map_or(Standing::Silent, |speaking| speaking.mouth.standing())
    }

    /// What happens next; nothing while there is no mouth. Cancel safe.
    pub(super) async fn next(&mut self) -> VoicingEvent {
        let Some(speaking) = &mut self.speaking else {
            return std::future::pending().await;
        };
        tokio::select! {
            event = speaking.mouth.next() => VoicingEvent::Mouth(event),
            event = speaking.events.next() => event,
        }
    }

    /// Acts on what happened.
    pub(super) fn handle(&mut self, event: VoicingEvent) {
        let Some(speaking) = &mut self.speaking else {
            return;
        };
        match event {
            VoicingEvent::Mouth(event) => speaking.mouth.handle(event),
            VoicingEvent::Frames(frames) => {
                for frame in &frames {
                    speaking.mouth.frame(frame);
                }
            }
            VoicingEvent::Opened(Ok(cursor)) => speaking.events = Events::Open(cursor),
            VoicingEvent::Opened(Err(error)) => {
                tracing::warn!(session_id = %self.desk.session(), %error, "a voice cannot follow its session");
                speaking.events.rest();
            }
            VoicingEvent::Unread(error) => {
                tracing::warn!(session_id = %self.desk.session(), %error, "a voice cannot read its session");
                speaking.events.rest();
            }
            VoicingEvent::Rested => speaking.events.resume(&self.desk),
        }
    }

    fn mouth(&self, order: &OutputOrder) -> Mouth {
        let desk = &self.desk;
        let ports = &desk.directory.shared().ports;
        Mouth::new(MouthParts {
            directory: desk.directory.clone(),
            session: desk.session(),
            caller: desk.owner.caller.clone(),
            locale: desk.locale(),
            playbook: Arc::clone(&desk.owner.playbook),
            preset: order.preset.clone(),
            speaker: Arc::clone(&desk.ports.speaker),
            phrases: Arc::clone(&self.phrases),
            output: order.format,
            lead: desk.settings.lead,
            outlet: Arc::clone(&self.outlet),
            clock: Arc::clone(&ports.clock),
            ids: (ports.ids)(),
            tasks: self.tasks.clone(),
            waits_for_check: ports.capabilities.moderate_output == ModerationPolicy::Required,
        })
    }
}

impl Events {
    /// From now on.
    fn open(desk: &Arc<Desk>) -> Self {
        let desk = Arc::clone(desk);
        let opening = async move {
            let opened = desk.directory.cursor(desk.session(), &desk.owner.caller, None);
            opened.await.map(|(cursor, _)| cursor)
        };
        Self::Opening(opening.boxed())
    }

    async fn next(&mut self) -> VoicingEvent {
        match self {
            Self::Opening(opening) => VoicingEvent::Opened(opening.await),
            Self::Open(cursor) => match cursor.next().await {
                Ok(frames) => VoicingEvent::Frames(frames),
                Err(error) => VoicingEvent::Unread(error),
            },
            Self::Resting(pause, _) => {
                pause.await;
                VoicingEvent::Rested
            }
        }
    }

    fn rest(&mut self) {
        let before = std::mem::replace(self, Self::Resting(Box::pin(sleep(RETRY_PAUSE)), None));
        if let (Self::Resting(_, kept), Self::Open(cursor)) = (self, before) {
            *kept = Some(cursor);
        }
    }

    /// From where they were left.
    fn resume(&mut self, desk: &Arc<Desk>) {
        let cursor = match self {
            Self::Resting(_, cursor) => cursor.take(),
            Self::Opening(_) | Self::Open(_) => return,
        };
        *self = cursor.map_or_else(|| Self::open(desk), Self::Open);
    }
}
