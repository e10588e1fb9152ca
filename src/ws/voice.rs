//! The microphone and the loudspeaker of one socket: a line of live voice, once the client has asked for one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, join};
use greenroom_actors::voice::{LineOwner, Outlet, VoiceLine};
use greenroom_protocol::{ErrorBody, ErrorCode, Locale, SessionId};
use greenroom_session::playbook::Playbook;
use metrics::counter;
use tokio::time::{Instant, timeout_at};

use super::inbound::VoiceAsk;
use crate::app::App;
use crate::http::Asker;

/// How long what follows a cancelled reply waits for the session to know what was heard of it. A commit takes
/// milliseconds; a session that takes longer learns of it in the wrong order.
const CANCELLED_WITHIN: Duration = Duration::from_secs(1);

/// Returns once the session knows what was heard of the replies that were cancelled, or after a second.
pub type Cancelling = Shared<BoxFuture<'static, ()>>;

/// What a socket has to do with live voice. Dropping it hangs up.
pub struct SocketVoice {
    app: Arc<App>,
    asker: Asker,
    session: SessionId,
    locale: Locale,
    /// The playbook of the session, or why it cannot be had.
    playbook: Result<Arc<Playbook>, Box<ErrorBody>>,
    line: Option<VoiceLine>,
    cancelling: Option<Cancelling>,
}

impl SocketVoice {
    /// A socket that has not asked for anything yet.
    pub fn new(
        app: Arc<App>,
        asker: Asker,
        session: SessionId,
        locale: Locale,
        playbook: Result<Arc<Playbook>, Box<ErrorBody>>,
    ) -> Self {
        Self {
            app,
            asker,
            session,
            locale,
            playbook,
            line: None,
            cancelling: None,
        }
    }

    /// What is to be sent to the client, if it asked for live voice.
    pub fn outlet(&self) -> Option<&Outlet> {
        self.line.as_ref().map(VoiceLine::outlet)
    }

    /// Whether the client asked for live voice. Its frames have a meter of their own then, by how long they last.
    pub fn is_open(&self) -> bool {
        self.line.is_some()
    }

    /// A frame of the microphone.
    pub fn frame(&mut self, frame: &[u8]) -> Result<(), Box<ErrorBody>> {
        match &mut self.line {
            Some(line) => line.frame(frame),
            None => Err(self.no_microphone()),
        }
    }

    /// What the client asks of its microphone or loudspeaker.
    pub fn ask(&mut self, ask: VoiceAsk) -> Result<(), Box<ErrorBody>> {
        match (ask, &mut self.line) {
            (VoiceAsk::Start(start), Some(line)) => line.start(&start),
            (VoiceAsk::Start(start), None) => {
                let mut line = self.open_line()?;
                line.start(&start)?;
                self.line = Some(line);
                Ok(())
            }
            (VoiceAsk::Commit, Some(line)) => line.commit(),
            (VoiceAsk::Stop, Some(line)) => line.stop(),
            (VoiceAsk::Played { reply_id, played }, Some(line)) => {
                line.playback(&reply_id, played);
                Ok(())
            }
            (VoiceAsk::Commit | VoiceAsk::Stop | VoiceAsk::Played { .. }, None) => Err(self.no_microphone()),
        }
    }

    /// The client ends the reply: its sound, if it is spoken here, ends at once.
    pub fn cancel_reply(&mut self) {
        let Some(cancelled) = self.line.as_mut().and_then(VoiceLine::cancel_reply) else {
            return;
        };
        let deadline = Instant::now() + CANCELLED_WITHIN;
        let before = self.cancelling();
        let told = async move {
            let all = join(cancelled.told(), async {
                if let Some(before) = before {
                    before.await;
                }
            });
            if timeout_at(deadline, all).await.is_err() {
                tracing::warn!("a session takes long to learn what was heard of a reply");
            }
        };
        self.cancelling = Some(told.boxed().shared());
    }

    /// What every command of this socket waits for before it is sent, so that they keep their order.
    pub fn cancelling(&mut self) -> Option<Cancelling> {
        self.cancelling.take_if(|cancelling| cancelling.peek().is_some());
        self.cancelling.clone()
    }

    fn open_line(&self) -> Result<VoiceLine, Box<ErrorBody>> {
        let playbook = self.playbook.as_ref().map_err(Clone::clone)?;
        let (app, client) = (Arc::clone(&self.app), self.asker.client.clone());
        let admit = move || {
            let taken = app.limits.turns.take(&client);
            taken.inspect_err(|_| counter!("greenroom_rate_limited_total", "what" => "turn").increment(1))
        };
        self.app.live_voice.line(LineOwner {
            session: self.session,
            caller: self.asker.caller.clone(),
            locale: self.locale,
            playbook: Arc::clone(playbook),
            admit: Box::new(admit),
        })
    }

    fn no_microphone(&self) -> Box<ErrorBody> {
        let error = ErrorBody::new(ErrorCode::InputInvalid, self.locale);
        Box::new(error.with_details("audio.start comes first"))
    }
}
