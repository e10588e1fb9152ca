//! What a mouth needs from the outside.

use std::sync::Arc;
use std::time::Duration;

use greenroom_audio::mouth::OutputFormat;
use greenroom_protocol::{Locale, SessionId};
use greenroom_session::Caller;
use greenroom_session::playbook::{Playbook, VoicePreset};
use greenroom_session::ports::{Clock, IdSource, Speaker};
use tokio_util::task::TaskTracker;

use super::PhraseSounds;
use crate::Directory;
use crate::voice::outlet::OutletSender;

/// What a mouth is made of.
pub struct MouthParts {
    /// The way to the session.
    pub directory: Directory,
    /// The session.
    pub session: SessionId,
    /// In whose name calls are booked.
    pub caller: Caller,
    /// The language to begin with.
    pub locale: Locale,
    /// The playbook of the session.
    pub playbook: Arc<Playbook>,
    /// The voice.
    pub preset: VoicePreset,
    /// Who makes its sound.
    pub speaker: Arc<dyn Speaker>,
    /// The sound of phrases.
    pub phrases: Arc<PhraseSounds>,
    /// How frames are coded.
    pub output: OutputFormat,
    /// How far audio is sent ahead of its playback.
    pub lead: Duration,
    /// Where audio and its signals go.
    pub outlet: Arc<OutletSender>,
    /// Where the time is read.
    pub clock: Arc<dyn Clock>,
    /// Names for replies.
    pub ids: Box<dyn IdSource>,
    /// Who owns the calls; they end by themselves, within a few minutes at most.
    pub tasks: TaskTracker,
    /// Whether replies are only said once they were checked, so message by message.
    pub waits_for_check: bool,
}
