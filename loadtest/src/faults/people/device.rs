//! A socket of somebody who always comes back, asks again what was not answered, and knows what has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use greenroom_protocol::{ClientMessage, ErrorCode, Event, RunId, Seq, SessionId, Signal, TurnId};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Disturbance, Disturbed, Person, Return, Setback, lock, passes, told_to_wait};
use crate::client::{Incoming, Socket, SocketOptions};

/// The close code of a socket whose session there is not, or not any more.
const NO_SUCH_SESSION: u16 = 4004;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunState {
    Open,
    Done,
    Failed,
    Cancelled,
}

/// What the events told.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) turns_ended: BTreeSet<TurnId>,
    pub(super) runs: BTreeMap<RunId, RunState>,
    pub(super) is_given_up: bool,
    pub(super) has_text_of_reply: bool,
}

/// What a message was answered with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accepted {
    pub(super) turn_id: Option<TurnId>,
    pub(super) run_id: Option<RunId>,
}

/// A socket on a session.
pub(super) struct Device<'a> {
    person: &'a Person,
    session: SessionId,
    /// None between a loss and the return.
    socket: Option<Socket>,
    last_seq: Option<Seq>,
    disturbances: broadcast::Receiver<Disturbed>,
    /// When the connection was lost, and from when on the server wants to see us again.
    lost_at: Option<Instant>,
    back_at: Option<Instant>,
    /// How long we were away, while what was missed is still coming.
    returning: Option<(Instant, Duration)>,
    pub(super) seen: Seen,
}

impl<'a> Device<'a> {
    /// Connects, however long that takes.
    pub(super) async fn open(person: &'a Person, session: SessionId) -> Result<Self, Setback> {
        let mut device = Self {
            person,
            session,
            socket: None,
            last_seq: None,
            disturbances: person.commons.disturbances.subscribe(),
            lost_at: None,
            back_at: None,
            returning: None,
            seen: Seen::default(),
        };
        device.connected().await?;
        Ok(device)
    }

    /// The connection, which is opened if there is none.
    async fn connected(&mut self) -> Result<&mut Socket, Setback> {
        if self.socket.is_none() {
            if let Some(back_at) = self.back_at.take() {
                sleep_until(back_at).await;
            }
            let options = SocketOptions {
                last_event_id: self.last_seq,
                reconnect: None,
            };
            let client = &self.person.client;
            let session = self.session;
            let socket = self
                .person
                .insist(move || client.connect(session, options))
                .await?;
            if let Some(lost_at) = self.lost_at.take() {
                self.returning = Some((Instant::now(), lost_at.elapsed()));
            }
            self.socket = Some(socket);
        }
        match &mut self.socket {
            Some(socket) => Ok(socket),
            None => Err(Setback::Wrong(anyhow::anyhow!(
                "a socket that was opened is gone"
            ))),
        }
    }

    /// What comes next; comes back first if need be. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Result<Incoming, Setback> {
        let number = self.person.number.to_string();
        self.connected().await?;
        let Self {
            socket: Some(socket),
            disturbances,
            ..
        } = self
        else {
            return Err(Setback::Wrong(anyhow::anyhow!(
                "a socket that was opened is gone"
            )));
        };
        let incoming = tokio::select! {
            incoming = socket.next() => incoming.map_err(|error| Setback::Wrong(error.into()))?,
            disturbed = disturbances.recv() => {
                if let Ok(Disturbed { what, chance, share }) = disturbed
                    && chance.at(&number).unit() <= share
                {
                    return self.disturb(what).await;
                }
                // Whoever was too busy to be disturbed was not.
                return Ok(Incoming::Unknown(String::new()));
            }
        };
        self.note(&incoming)?;
        Ok(incoming)
    }

    async fn disturb(&mut self, what: Disturbance) -> Result<Incoming, Setback> {
        match what {
            Disturbance::Stall(length) => sleep(length).await,
            Disturbance::HangUp => {
                self.lose();
            }
            Disturbance::Reset => {
                if let Some(socket) = self.lose() {
                    socket.reset().map_err(|error| Setback::Wrong(error.into()))?;
                }
            }
        }
        Ok(Incoming::Unknown(String::new()))
    }

    fn lose(&mut self) -> Option<Socket> {
        self.lost_at = Some(Instant::now());
        self.returning = None;
        let socket = self.socket.take();
        self.last_seq = socket.as_ref().and_then(Socket::last_seq).or(self.last_seq);
        socket
    }

    fn note(&mut self, incoming: &Incoming) -> Result<(), Setback> {
        match incoming {
            Incoming::Event(event) => {
                let event = event.event().map_err(|error| Setback::Wrong(error.into()))?;
                self.note_event(&event);
            }
            Incoming::Signal(signal) => match signal.as_ref() {
                Signal::ServerDraining { reconnect_after_ms } => {
                    self.back_at = Some(Instant::now() + Duration::from_millis(reconnect_after_ms.0));
                }
                Signal::ReplayDone { .. } | Signal::SessionSnapshot { .. } => {
                    if let Some((since, away)) = self.returning.take() {
                        lock(&self.person.commons.returns).push(Return {
                            away,
                            caught_up: since.elapsed(),
                        });
                    }
                }
                _ => {}
            },
            Incoming::Closed { code } => {
                self.lose();
                if *code == Some(NO_SUCH_SESSION) {
                    return Err(Setback::Gone);
                }
            }
            Incoming::Audio(_) | Incoming::Unknown(_) | Incoming::Reconnected { .. } => {}
        }
        Ok(())
    }

    fn note_event(&mut self, event: &Event) {
        let seen = &mut self.seen;
        match event {
            Event::TurnStarted(_) => seen.has_text_of_reply = false,
            Event::PlannerDelta(_) => seen.has_text_of_reply = true,
            Event::TurnCompleted(completed) => {
                seen.turns_ended.insert(completed.turn_id);
            }
            Event::RunStarted(started) => {
                seen.runs.insert(started.run_id, RunState::Open);
            }
            Event::RunCancelled(cancelled) => {
                seen.runs.insert(cancelled.run_id, RunState::Cancelled);
            }
            Event::StageChanged(changed) => {
                let Some(run) = changed.run_id else { return };
                let state = match changed.state.as_str() {
                    "DONE" => RunState::Done,
                    "FAILED" => RunState::Failed,
                    _ if seen.runs.get(&run) == Some(&RunState::Failed) => RunState::Open,
                    _ => return,
                };
                seen.runs.insert(run, state);
            }
            Event::Error(error) if error.error.code == ErrorCode::SessionRestartLimit => {
                seen.is_given_up = true;
            }
            Event::SessionRestarted(_) => seen.is_given_up = false,
            _ => {}
        }
    }

    /// Sends a message until it is answered, always under the same id.
    pub(super) async fn ask(&mut self, message: &ClientMessage, id: &str) -> Result<Accepted, Setback> {
        loop {
            let was_sent = self.connected().await?.send(message, Some(id)).await.is_ok();
            if !was_sent {
                // Reading tells what has become of the connection.
                self.next().await?;
                continue;
            }
            match self.answer(id).await? {
                Some(Ok(accepted)) => return Ok(accepted),
                Some(Err(wait)) => self.pause(wait).await?,
                None => {}
            }
        }
    }

    /// The answer to a message: taken, or to be sent again after so long. None once the connection was lost.
    async fn answer(&mut self, id: &str) -> Result<Option<Result<Accepted, Duration>>, Setback> {
        loop {
            let incoming = self.next().await?;
            if self.socket.is_none() {
                return Ok(None);
            }
            let Incoming::Signal(signal) = incoming else {
                continue;
            };
            match *signal {
                Signal::Accepted {
                    id: of,
                    turn_id,
                    run_id,
                    ..
                } if of == id => return Ok(Some(Ok(Accepted { turn_id, run_id }))),
                Signal::Rejected { id: Some(of), error } if of == id => {
                    return match error.code {
                        ErrorCode::SessionGone | ErrorCode::SessionNotFound => Err(Setback::Gone),
                        ErrorCode::SessionRestartLimit => Err(Setback::GivenUp),
                        code if error.retryable && passes(code) => {
                            Ok(Some(Err(told_to_wait(error.retry_after))))
                        }
                        code => Err(Setback::Refused(code)),
                    };
                }
                _ => {}
            }
        }
    }

    /// Reads on until the events have told what is waited for. A session that was given up is not waited for.
    pub(super) async fn until(&mut self, mut has_come: impl FnMut(&Seen) -> bool) -> Result<(), Setback> {
        while !has_come(&self.seen) {
            if self.seen.is_given_up {
                return Err(Setback::GivenUp);
            }
            self.next().await?;
        }
        Ok(())
    }

    /// The same, but for so long at most. Whether it has come.
    pub(super) async fn until_or(
        &mut self,
        patience: Duration,
        has_come: impl FnMut(&Seen) -> bool,
    ) -> Result<bool, Setback> {
        match tokio::time::timeout(patience, self.until(has_come)).await {
            Ok(come) => come.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Reads on for so long.
    pub(super) async fn pause(&mut self, length: Duration) -> Result<(), Setback> {
        self.until_or(length, |_| false).await.map(drop)
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        if let Some(socket) = self.socket.take() {
            // Whoever leaves does not care how that goes.
            let _ = socket.close().await;
        }
    }
}
