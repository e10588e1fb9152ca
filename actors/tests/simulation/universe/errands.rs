//! What is asked of a session, on its way, and what the answer must say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenroom_actors::{Directory, Refused, Restart};
use greenroom_protocol::SessionId;
use greenroom_session::{Caller, Command, CommandKind, OutsideCall, Receipt};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::fate::Fate;
use super::journal::Disk;
use super::ledger::ensure;

/// Far longer than anything may take to be answered.
pub const PATIENCE: Duration = Duration::from_hours(1);

/// What somebody was answered.
#[derive(Default)]
pub struct Told {
    pub receipts: BTreeMap<String, Receipt>,
    /// Transcriptions that are reserved, and whose words are not known.
    pub hearing: Vec<Receipt>,
    /// Speech that is reserved, and not told of.
    pub speaking: Vec<Receipt>,
}

/// A command on its way, or something else that is asked.
pub struct Errand {
    pub directory: Directory,
    pub disk: Arc<Disk>,
    pub fate: Arc<Fate>,
    pub session: SessionId,
    pub asked: Asked,
    pub told: Arc<Mutex<Told>>,
    /// Whether who asks has any right to.
    pub may: bool,
}

/// What is asked of the directory.
#[derive(Debug, Clone)]
pub enum Asked {
    Command(Command),
    Restart(Restart),
    Stop,
    Delete(Caller),
}

impl Errand {
    pub async fn run(self) {
        let (directory, session) = (&self.directory, self.session);
        let answer = match self.asked.clone() {
            Asked::Command(command) => timeout(PATIENCE, directory.send(session, command)).await,
            Asked::Restart(restart) => timeout(PATIENCE, directory.restart(session, restart)).await,
            Asked::Stop => timeout(PATIENCE, directory.stop(session, "it was asked for".to_owned())).await,
            Asked::Delete(caller) => {
                let deleted = timeout(PATIENCE, directory.delete(session, &caller)).await;
                return self.deleted(deleted);
            }
        };
        let Ok(answer) = answer else {
            self.fate
                .find(format!("{session} never answers to {:?}", self.asked));
            return;
        };
        match (answer, &self.asked) {
            (Ok(receipt), Asked::Command(command)) => self.taken(command, receipt),
            (Ok(receipt), Asked::Restart(_) | Asked::Stop | Asked::Delete(_)) => self.is_told(receipt),
            (Err(refused), _) => self.fate.count(format!("refused: {refused}")),
        }
    }

    fn deleted(&self, deleted: Result<Result<(), Refused>, Elapsed>) {
        let is_deleted = self.disk.deleted().contains(&self.session);
        match deleted {
            Ok(Ok(())) if !is_deleted => {
                self.fate
                    .find(format!("{} is said to be deleted, and is not", self.session));
            }
            Ok(Ok(())) if !self.may => self
                .fate
                .find(format!("{} was deleted by a stranger", self.session)),
            Ok(Ok(())) => self.fate.count("session deleted"),
            Ok(Err(refused)) => self.fate.count(format!("not deleted: {refused}")),
            Err(_elapsed) => self.fate.find(format!("{} is never deleted", self.session)),
        }
    }

    fn is_told(&self, receipt: Receipt) {
        self.disk.check(self.session, &self.fate, |_, rows| {
            ensure(receipt.seq.0 <= rows.len() as u64, || {
                format!(
                    "{} answered for event {}, which is not committed",
                    self.session, receipt.seq
                )
            })
        });
    }

    /// What is answered is committed, and the same command counts once.
    fn taken(&self, command: &Command, receipt: Receipt) {
        let (id, kind) = (command.id.as_ref().map(ToString::to_string), &command.kind);
        self.is_told(receipt);
        if !self.may {
            self.fate
                .find(format!("{} took {kind:?} from a stranger", self.session));
        }
        self.disk.check(self.session, &self.fate, |ledger, _| {
            let known = id.as_ref().and_then(|id| ledger.command(id));
            let is_there = known == Some(receipt.seq) || id.is_none() || !always_tells(kind);
            ensure(is_there, || {
                format!("{} answered {id:?} and has not done it: {known:?}", self.session)
            })
        });
        let mut told = self.told.lock().unwrap();
        match kind {
            CommandKind::ReserveCall { call } => {
                match call {
                    OutsideCall::Transcribe { .. } => told.hearing.push(receipt),
                    OutsideCall::Speak { .. } => told.speaking.push(receipt),
                    OutsideCall::Moderate => {}
                }
                return;
            }
            kind if !always_tells(kind) => return,
            _ => {}
        }
        let Some(id) = id else { return };
        if let Some(first) = told.receipts.get(&id) {
            let is_same = receipt.duplicate
                && (first.seq, first.turn_id, first.run_id) == (receipt.seq, receipt.turn_id, receipt.run_id);
            if !is_same {
                self.fate
                    .find(format!("{id} was taken as {first:?}, then as {receipt:?}"));
            }
        } else {
            told.receipts.insert(id, receipt);
        }
    }
}

/// Whether a command of this kind leaves its mark in the log whenever it is taken.
fn always_tells(kind: &CommandKind) -> bool {
    matches!(
        kind,
        CommandKind::UserMessage { .. } | CommandKind::Generate { .. }
    )
}
