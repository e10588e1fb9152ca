//! Somebody who talks: the load tester's conversation, over one connection after another. What it finds wrong with a
//! reply is not counted here, because replies break off when servers die.

use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::{AudioCodec, Locale, SessionId};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Disturbance, Disturbed, Person, Setback};
use crate::client::{Socket, SocketOptions};
use crate::load::session::{Call, Ending, Shared, Stage, converse, starting};
use crate::load::{Conversation, FrameShape, Output, Simulated, VoiceOptions};
use crate::provider::Chance;

/// What microphones send.
pub(super) const FRAMES: FrameShape = FrameShape {
    codec: AudioCodec::PcmS16le,
    sample_rate_hz: 16_000,
    frame: Duration::from_millis(20),
};
/// From the beginning of an utterance to that of the next.
const EVERY: Duration = Duration::from_secs(4);
/// Connections in one session; each is talked over until it is lost.
const CONNECTIONS: usize = 8;
/// The id of `audio.start`.
const START_ID: &str = "start";

/// Talks until all is over.
pub(super) async fn talk(person: &Person) -> anyhow::Result<()> {
    person
        .session_by_session(Locale::En, |session, chance| async move {
            let mut caller = Caller::new(person, session, chance);
            caller.session().await
        })
        .await
}

struct Caller<'a> {
    person: &'a Person,
    session: SessionId,
    shared: Shared,
    stage: watch::Sender<Stage>,
    is_recorded: bool,
}

impl<'a> Caller<'a> {
    fn new(person: &'a Person, session: SessionId, chance: Chance) -> Self {
        let (stage, stage_seen) = watch::channel(Stage::Talking);
        let options = VoiceOptions {
            url: String::new(),
            token: None,
            sessions: 1,
            duration: Duration::ZERO,
            ramp: Duration::ZERO,
            input: FRAMES,
            output: Some(Output {
                codec: AudioCodec::PcmS16le,
                sample_rate_hz: 24_000,
            }),
            every: EVERY,
            barge_in: 0.3,
            backchannel: 0.1,
            lead: Duration::from_millis(400),
            simulated: Simulated::default(),
            seed: chance.at("script").below(usize::MAX) as u64,
            server_pid: None,
            floor: false,
        };
        let recordings = Arc::clone(&person.commons.recordings);
        Self {
            shared: Shared::new(options, person.client.clone(), recordings, stage_seen),
            is_recorded: Person::is_drawn(chance, "recorded", 40),
            person,
            session,
            stage,
        }
    }

    async fn session(&mut self) -> Result<(), Setback> {
        let mut last_seq = None;
        for _ in 0..CONNECTIONS {
            if self.person.commons.is_over() {
                break;
            }
            self.person.does("calls");
            let options = SocketOptions {
                last_event_id: last_seq,
                reconnect: None,
            };
            let (client, session) = (&self.person.client, self.session);
            let mut socket = self
                .person
                .insist(move || client.connect(session, options))
                .await?;
            let start = starting(&self.shared.options, self.is_recorded);
            if socket.queue(&start, Some(START_ID)).is_err() {
                continue;
            }
            let recordings = Arc::clone(&self.shared.recordings);
            let conversation =
                Conversation::new(self.session, &self.shared.options, recordings, self.person.number);
            self.person.does("talks");
            let mut call = Call {
                socket,
                conversation,
                ends_unheard: true,
            };
            self.talk(&mut call).await?;
            last_seq = call.socket.last_seq().or(last_seq);
            let left = self.leave(call.socket).await;
            left.map_err(|error| Setback::Wrong(error.into()))?;
        }
        Ok(())
    }

    /// Talks until the connection is lost, somebody disturbs it, or all was said after the end.
    async fn talk(&self, call: &mut Call) -> Result<Ending, Setback> {
        let mut disturbances = self.person.commons.disturbances.subscribe();
        let mut is_over = self.person.commons.is_over.subscribe();
        let number = self.person.number.to_string();
        let mut is_talking = true;
        loop {
            tokio::select! {
                ending = converse(&self.shared, call) => return Ok(ending),
                () = async { is_over.wait_for(|is_over| *is_over).await.map(drop).unwrap_or_default() }, if is_talking => {
                    is_talking = false;
                    self.stage.send_replace(Stage::Closing);
                }
                disturbed = disturbances.recv() => {
                    let Ok(Disturbed { what, chance, share }) = disturbed else { continue };
                    if chance.at(&number).unit() > share {
                        continue;
                    }
                    match what {
                        Disturbance::Stall(length) => sleep(length).await,
                        Disturbance::HangUp | Disturbance::Reset => return Ok(Ending::Lost),
                    }
                }
            }
        }
    }

    /// Goes: with a goodbye when all is over, else by breaking the connection.
    async fn leave(&self, socket: Socket) -> Result<(), crate::client::ClientError> {
        if *self.stage.borrow() == Stage::Closing {
            // How the goodbye goes does not matter to whoever goes.
            let _ = socket.close().await;
            return Ok(());
        }
        socket.reset()
    }
}
