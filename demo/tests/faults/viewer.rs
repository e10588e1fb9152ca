//! A client on a WebSocket that waits for what it was promised, and forgets nothing that came meanwhile.

use std::collections::VecDeque;

use anyhow::{Context as _, bail, ensure};
use greenroom_protocol::{
    ClientMessage, ErrorBody, Event, RunId, Seq, SessionId, Signal, StageChanged, TurnId, TurnOutcome,
};
use loadtest::client::{Client, Incoming, Socket, SocketOptions};

/// What a message was answered with.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub turn_id: Option<TurnId>,
    pub run_id: Option<RunId>,
    pub seq: Seq,
    pub duplicate: bool,
}

/// Somebody who looks at a session.
#[derive(Debug)]
pub struct Viewer {
    socket: Socket,
    /// What came while something else was waited for.
    passed: VecDeque<Incoming>,
}

impl Viewer {
    /// Opens the socket and takes the snapshot.
    pub async fn open(client: &Client, session: SessionId) -> anyhow::Result<Self> {
        let socket = client.connect(session, SocketOptions::default()).await?;
        let mut viewer = Self {
            socket,
            passed: VecDeque::new(),
        };
        viewer
            .until_signal("the snapshot", |signal| {
                matches!(signal, Signal::SessionSnapshot { .. }).then_some(())
            })
            .await?;
        Ok(viewer)
    }

    /// Opens the socket behind an event that was seen before.
    pub async fn after(client: &Client, session: SessionId, seq: Seq) -> anyhow::Result<Self> {
        let options = SocketOptions {
            last_event_id: Some(seq),
            ..SocketOptions::default()
        };
        Ok(Self {
            socket: client.connect(session, options).await?,
            passed: VecDeque::new(),
        })
    }

    /// Sends a message under an id and waits until it is accepted.
    pub async fn command(&mut self, message: ClientMessage, id: &str) -> anyhow::Result<Accepted> {
        match self.ask(message, id).await? {
            Ok(accepted) => Ok(accepted),
            Err(error) => bail!("{id} was rejected: {error:?}"),
        }
    }

    /// Sends a message under an id and waits for its answer.
    pub async fn ask(
        &mut self,
        message: ClientMessage,
        id: &str,
    ) -> anyhow::Result<Result<Accepted, ErrorBody>> {
        self.socket.send(&message, Some(id)).await?;
        loop {
            let incoming = self.socket.next().await?;
            let Incoming::Signal(signal) = &incoming else {
                ensure!(
                    !matches!(incoming, Incoming::Closed { .. }),
                    "{incoming:?} before {id} was answered"
                );
                self.passed.push_back(incoming);
                continue;
            };
            match signal.as_ref() {
                Signal::Accepted {
                    id: of,
                    turn_id,
                    run_id,
                    seq,
                    duplicate,
                } if of == id => {
                    let (turn_id, run_id, seq, duplicate) = (*turn_id, *run_id, *seq, *duplicate);
                    return Ok(Ok(Accepted {
                        turn_id,
                        run_id,
                        seq,
                        duplicate,
                    }));
                }
                Signal::Rejected { id: Some(of), error } if of == id => return Ok(Err(error.clone())),
                _ => self.passed.push_back(incoming),
            }
        }
    }

    /// What comes next.
    pub async fn next(&mut self) -> anyhow::Result<Incoming> {
        match self.passed.pop_front() {
            Some(passed) => Ok(passed),
            None => Ok(self.socket.next().await?),
        }
    }

    /// Waits for an event that `found` looks for.
    pub async fn until<T>(
        &mut self,
        what: &str,
        mut found: impl FnMut(&Event) -> Option<T>,
    ) -> anyhow::Result<T> {
        loop {
            match self.next().await.with_context(|| format!("waiting for {what}"))? {
                Incoming::Event(seen) => {
                    if let Some(found) = found(&seen.event()?) {
                        return Ok(found);
                    }
                }
                Incoming::Closed { code } => bail!("the socket was closed ({code:?}) before {what}"),
                Incoming::Signal(_)
                | Incoming::Unknown(_)
                | Incoming::Audio(_)
                | Incoming::Reconnected { .. } => {}
            }
        }
    }

    /// Waits for a signal that `found` looks for.
    pub async fn until_signal<T>(
        &mut self,
        what: &str,
        mut found: impl FnMut(&Signal) -> Option<T>,
    ) -> anyhow::Result<T> {
        loop {
            match self.next().await.with_context(|| format!("waiting for {what}"))? {
                Incoming::Signal(signal) => {
                    if let Some(found) = found(&signal) {
                        return Ok(found);
                    }
                }
                Incoming::Closed { code } => bail!("the socket was closed ({code:?}) before {what}"),
                Incoming::Event(_)
                | Incoming::Unknown(_)
                | Incoming::Audio(_)
                | Incoming::Reconnected { .. } => {}
            }
        }
    }

    /// Waits until a stage shows something of its output.
    pub async fn until_delta(&mut self, stage: &str) -> anyhow::Result<()> {
        self.until(&format!("a delta of {stage}"), |event| match event {
            Event::StageDelta(delta) if delta.stage.as_str() == stage => Some(()),
            _ => None,
        })
        .await
    }

    /// Waits until a turn has ended.
    pub async fn until_turn_ends(&mut self, turn: TurnId) -> anyhow::Result<TurnOutcome> {
        self.until("the end of the turn", |event| match event {
            Event::TurnCompleted(completed) if completed.turn_id == turn => Some(completed.outcome),
            _ => None,
        })
        .await
    }

    /// Waits until the run has ended, well or not.
    pub async fn until_run_ends(&mut self) -> anyhow::Result<StageChanged> {
        self.until("the end of the run", |event| match event {
            Event::StageChanged(changed) if ["DONE", "FAILED"].contains(&changed.state.as_str()) => {
                Some(changed.clone())
            }
            _ => None,
        })
        .await
    }

    /// Waits until the run has ended, and says so unless it is `DONE`.
    pub async fn until_done(&mut self) -> anyhow::Result<()> {
        let end = self.until_run_ends().await?;
        ensure!(end.state == "DONE", "{end:?}");
        Ok(())
    }

    /// Reads what is still on its way, until the connection is closed; answers with the close code.
    pub async fn drain(&mut self) -> anyhow::Result<Option<u16>> {
        loop {
            if let Incoming::Closed { code } = self.next().await? {
                return Ok(code);
            }
        }
    }

    /// Comes back with the last event that it saw.
    pub async fn resume(&mut self) -> anyhow::Result<()> {
        Ok(self.socket.resume().await?)
    }

    /// Goes, whatever is under way.
    pub async fn leave(self) -> anyhow::Result<Seq> {
        let last_seq = self.socket.last_seq().context("something was seen")?;
        self.socket.close().await?;
        Ok(last_seq)
    }
}
