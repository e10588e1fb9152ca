//! What a mouth tells its session: when a reply was first heard of, and how much of it was heard.

use std::sync::Arc;

use futures_util::FutureExt as _;
use greenroom_protocol::{SessionId, Timestamp, TurnId};
use greenroom_session::ports::Clock;
use greenroom_session::speaking::SpeakingPace;
use greenroom_session::{Caller, Command, CommandKind, HeardPart};
use tokio_util::task::TaskTracker;

use super::reply::{Reply, Voice, millis};
use crate::{Directory, outside};

/// How much of a turn's reply was heard: what [`CommandKind::ReplyHeard`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardReply {
    /// The turn; the greeting answers none, and there is nobody to tell.
    pub turn_id: Option<TurnId>,
    /// What was heard of its messages.
    pub parts: Vec<HeardPart>,
}

/// Tells one session.
pub(super) struct Teller {
    pub(super) directory: Directory,
    pub(super) session: SessionId,
    pub(super) caller: Caller,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: TaskTracker,
}

impl HeardReply {
    /// What was heard of a reply by now.
    pub(super) fn of(reply: &Reply, pace: &SpeakingPace) -> Self {
        let heard = millis(reply.playback.heard());
        Self {
            turn_id: reply.turn_id,
            parts: reply.lines.heard(heard, pace),
        }
    }
}

impl Teller {
    /// Tells how much of a reply was heard. One that could not be spoken was read, if at all: its text stands.
    pub(super) fn heard(&self, reply: &Reply, pace: &SpeakingPace) {
        if let (Some(turn_id), Voice::Sounding | Voice::Silenced) = (reply.turn_id, reply.voice) {
            let HeardReply { parts, .. } = HeardReply::of(reply, pace);
            self.tell(CommandKind::ReplyHeard {
                turn_id,
                parts,
                cancels: false,
            });
        }
    }

    /// Tells when a reply was first heard of, once that and its text are known.
    pub(super) fn voiced(&self, reply: &mut Reply) {
        let Some(turn_id) = reply.turn_id.filter(|_| !reply.is_voiced && reply.messages > 0) else {
            return;
        };
        let first_sent_at = reply.first_sent_at.map(|at| {
            let ago_ms = i64::try_from(at.elapsed().as_millis()).unwrap_or_default();
            Timestamp::from_unix_ms(self.clock.now().unix_ms() - ago_ms)
        });
        if first_sent_at.is_none() && !reply.is_mute() {
            return;
        }
        reply.is_voiced = true;
        self.tell(CommandKind::ReplyVoiced {
            turn_id,
            first_byte_at: first_sent_at.and(reply.first_byte_at),
            first_sent_at,
        });
    }

    /// Tells the session something. It is on its way when this returns, ahead of what is told later.
    fn tell(&self, kind: CommandKind) {
        let command = Command {
            id: None,
            caller: self.caller.clone(),
            kind,
        };
        let (directory, session) = (self.directory.clone(), self.session);
        let mut telling = Box::pin(async move {
            if let Err(error) = outside::send(&directory, session, command).await {
                tracing::warn!(session_id = %session, %error, "what was heard of a reply could not be told");
            }
        });
        if telling.as_mut().now_or_never().is_none() {
            self.tasks.spawn(telling);
        }
    }
}
