//! Who uses a session: what they ask, what they were answered, and what they saw of it.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use greenroom_actors::{Cursor, Directory, Refused, Restart};
use greenroom_protocol::{
    AssetId, CallOutcome, ErrorCode, Event, Millis, Role, Seq, SessionId, StageId, Timestamp, TurnId,
};
use greenroom_session::{
    CallCost, CallRecord, Caller, Command, CommandKind, HeardPart, KeptRecording, OutsideCall, Receipt,
    Settlement, Spoken, UserKey,
};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::fate::{Chance, Fate};
use super::journal::Disk;
use super::ledger::ensure;
use super::words;

/// Far longer than anything may take to be answered.
const PATIENCE: Duration = Duration::from_hours(1);
/// Of so many of the latest turns it is told how they were heard.
const TURNS_TOLD: usize = 3;

/// What somebody does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Types,
    Edits,
    FillsBrief,
    ClearsSlot,
    Generates {
        draft: bool,
    },
    CancelsRun,
    RetriesRun,
    CancelsResponse,
    Listens,
    Hears,
    HearsNothing,
    Speaks,
    EndsSpeech,
    IsVoiced,
    IsHeard,
    KeepsRecording,
    /// A command that was sent before is sent again.
    Repeats,
    /// Somebody who may not.
    Trespasses,
    /// An operator restarts the session.
    IsRestarted,
    /// An operator stops it.
    IsStopped,
    Deletes,
}

impl Deed {
    pub const WEIGHTS: [(u64, Self); 22] = [
        (8, Self::Types),
        (4, Self::Edits),
        (5, Self::FillsBrief),
        (1, Self::ClearsSlot),
        (6, Self::Generates { draft: false }),
        (2, Self::Generates { draft: true }),
        (1, Self::CancelsRun),
        (3, Self::RetriesRun),
        (1, Self::CancelsResponse),
        (3, Self::Listens),
        (4, Self::Hears),
        (1, Self::HearsNothing),
        (2, Self::Speaks),
        (2, Self::EndsSpeech),
        (3, Self::IsVoiced),
        (2, Self::IsHeard),
        (1, Self::KeepsRecording),
        (3, Self::Repeats),
        (1, Self::Trespasses),
        (2, Self::IsRestarted),
        (1, Self::IsStopped),
        (1, Self::Deletes),
    ];
}

/// One session's people.
pub struct People {
    pub session: SessionId,
    pub playbook: String,
    user: Option<UserKey>,
    /// Commands sent under an id.
    keyed: Vec<(String, CommandKind)>,
    sent: u64,
    told: Arc<Mutex<Told>>,
    cursor: Option<Cursor>,
    /// How far the log was seen.
    seen: Option<Seq>,
}

/// What they were answered.
#[derive(Default)]
struct Told {
    receipts: BTreeMap<String, Receipt>,
    /// Transcriptions that are reserved, and whose words are not known.
    hearing: Vec<Receipt>,
    /// Speech that is reserved, and not told of.
    speaking: Vec<Receipt>,
}

/// A command on its way.
pub struct Errand {
    pub directory: Directory,
    pub disk: Arc<Disk>,
    pub fate: Arc<Fate>,
    session: SessionId,
    asked: Asked,
    told: Arc<Mutex<Told>>,
    may: bool,
}

/// What is asked of the directory.
#[derive(Debug, Clone)]
enum Asked {
    Command(Command),
    Restart(Restart),
    Stop,
    Delete(Caller),
}

impl People {
    pub fn new(session: SessionId, playbook: String, user: Option<UserKey>) -> Self {
        Self {
            session,
            playbook,
            user,
            keyed: Vec::new(),
            sent: 0,
            told: Arc::default(),
            cursor: None,
            seen: None,
        }
    }

    pub fn caller(&self) -> Caller {
        Caller::Client(self.user.clone())
    }

    /// Sets about doing something, if there is anything to do of that kind.
    pub fn set_about(
        &mut self,
        deed: Deed,
        directory: &Directory,
        disk: &Arc<Disk>,
        fate: &Arc<Fate>,
        now: Timestamp,
    ) -> Option<Errand> {
        let asked = match deed {
            Deed::IsRestarted => Asked::Restart(Restart {
                from_stage: self.stage(&fate.chance),
                reason: "it was asked for".to_owned(),
            }),
            Deed::IsStopped => Asked::Stop,
            Deed::Deletes if fate.chance.one_in(3) => Asked::Delete(self.caller()),
            Deed::Deletes => return None,
            Deed::Trespasses if self.user.is_none() => return None,
            Deed::Trespasses if fate.chance.one_in(3) => Asked::Delete(stranger()),
            deed => Asked::Command(self.command(deed, disk, fate, now)?),
        };
        fate.count(format!("asked: {deed:?}"));
        Some(Errand {
            directory: directory.clone(),
            disk: disk.clone(),
            fate: fate.clone(),
            session: self.session,
            asked,
            told: self.told.clone(),
            may: deed != Deed::Trespasses,
        })
    }

    fn command(&mut self, deed: Deed, disk: &Disk, fate: &Fate, now: Timestamp) -> Option<Command> {
        let is_strange = deed == Deed::Trespasses;
        let (id, kind) = if deed == Deed::Repeats {
            let (id, kind) = self
                .keyed
                .get(fate.chance.index(self.keyed.len().max(1)))?
                .clone();
            (Some(id), kind)
        } else {
            let kind = self.kind(deed, disk, fate, now)?;
            self.sent += 1;
            // Some clients have no use for ids.
            let id = (is_strange || !fate.chance.one_in(5)).then(|| format!("c{}", self.sent));
            if let Some(id) = id.as_ref().filter(|_| !is_strange) {
                self.keyed.push((id.clone(), kind.clone()));
            }
            (id, kind)
        };
        Some(Command {
            id: id.map(|id| id.parse().unwrap()),
            caller: if is_strange { stranger() } else { self.caller() },
            kind,
        })
    }

    /// A stage of the session's runs, or none, or one that is not.
    fn stage(&self, chance: &Chance) -> Option<StageId> {
        let names: &[&str] = match self.playbook.as_str() {
            "concierge" => &["scout", "itinerary", "menu", "postcard", "nonsense"],
            _ => &["research", "strategy", "creative", "voice", "nonsense"],
        };
        chance.one_in(2).then(|| chance.pick(names).parse().unwrap())
    }

    fn kind(&self, deed: Deed, disk: &Disk, fate: &Fate, now: Timestamp) -> Option<CommandKind> {
        let chance = &fate.chance;
        let mut told = self.told.lock().unwrap();
        Some(match deed {
            Deed::Types | Deed::Trespasses => words::typed(chance),
            Deed::Edits => words::edited(&self.playbook, chance),
            Deed::FillsBrief => words::whole_brief(&self.playbook),
            Deed::ClearsSlot => words::cleared(&self.playbook),
            Deed::Generates { draft } => CommandKind::Generate {
                draft,
                background: chance.one_in(2),
            },
            Deed::CancelsRun => CommandKind::CancelRun { run_id: None },
            Deed::RetriesRun => CommandKind::RetryRun { run_id: None },
            Deed::CancelsResponse => CommandKind::CancelResponse,
            Deed::Listens => CommandKind::ReserveCall {
                call: OutsideCall::Transcribe { audio_digest: None },
            },
            Deed::Hears => {
                let heard = told.hearing.pop()?;
                let is_live = chance.one_in(2);
                let spoken = Spoken {
                    turn_id: heard.turn_id?,
                    call_id: heard.call_id?,
                    record: record(),
                    audio_digest: None,
                    ended_at: now,
                    endpoint_at: is_live.then_some(now),
                    voiced: is_live,
                };
                CommandKind::UserMessage {
                    text: words::said(chance),
                    spoken: Some(Box::new(spoken)),
                }
            }
            Deed::HearsNothing => settled(
                told.hearing.pop()?,
                CallOutcome::Failed,
                Some(ErrorCode::SttFailed),
            )?,
            Deed::Speaks => {
                let turn_id = latest_turn(disk, self.session, 0);
                CommandKind::ReserveCall {
                    call: OutsideCall::Speak { turn_id },
                }
            }
            Deed::EndsSpeech => settled(told.speaking.pop()?, CallOutcome::Ok, None)?,
            Deed::IsVoiced => CommandKind::ReplyVoiced {
                turn_id: latest_turn(disk, self.session, chance.index(TURNS_TOLD))?,
                first_byte_at: chance.one_in(2).then_some(now),
                first_sent_at: chance.one_in(2).then_some(now),
            },
            Deed::IsHeard => {
                let turn_id = latest_turn(disk, self.session, chance.index(TURNS_TOLD))?;
                CommandKind::ReplyHeard {
                    turn_id,
                    parts: heard(disk, self.session, turn_id, chance.index(60)),
                    cancels: chance.one_in(3),
                }
            }
            Deed::KeepsRecording => CommandKind::KeepRecording {
                asset: KeptRecording {
                    asset_id: AssetId::new(ulid::Ulid::from(u128::from(chance.draw()))),
                    url: "/api/recordings/9.ogg".to_owned(),
                    media_type: "audio/ogg".to_owned(),
                    size_bytes: 4_096,
                },
            },
            Deed::Repeats | Deed::IsRestarted | Deed::IsStopped | Deed::Deletes => return None,
        })
    }

    /// Comes back to the log where it was left, or for the first time anywhere in it.
    pub async fn follow(&mut self, directory: &Directory, fate: &Fate) {
        let after = self.seen;
        let caller = self.caller();
        let asked = timeout(PATIENCE, directory.cursor(self.session, &caller, after));
        // Whoever reads a log that cannot be read without a panic loses the connection, and no more.
        let Ok(answer) = AssertUnwindSafe(asked).catch_unwind().await else {
            return fate.count("connection lost to a panic");
        };
        match answer {
            Ok(Ok((cursor, view))) => {
                let begins_at = after.unwrap_or(view.as_of_seq);
                if cursor.position() != begins_at {
                    fate.find(format!(
                        "a cursor on {} begins elsewhere than asked",
                        self.session
                    ));
                }
                self.seen = Some(begins_at);
                self.cursor = Some(cursor);
            }
            Ok(Err(Refused::Rejected(error))) if error.code == ErrorCode::SessionEventAhead => {
                fate.find(format!(
                    "{} has forgotten what was seen: event {after:?}",
                    self.session
                ));
            }
            Ok(Err(refused)) => fate.count(format!("no cursor: {refused}")),
            Err(_elapsed) => fate.find(format!("nobody ever gave a cursor on {}", self.session)),
        }
    }

    pub fn leave(&mut self) {
        self.cursor = None;
    }

    /// Reads what there is, at most so many pages.
    pub async fn read(&mut self, pages: usize, disk: &Disk, fate: &Fate) {
        for _ in 0..pages {
            let Some(cursor) = self.cursor.as_mut().filter(|cursor| cursor.behind()) else {
                return;
            };
            let before = cursor.position();
            let Ok(page) = timeout(PATIENCE, cursor.next()).await else {
                fate.find(format!(
                    "a reader of {} is behind and is shown nothing",
                    self.session
                ));
                return;
            };
            // The journal cannot be read now; it may be later.
            let Ok(page) = page else { return };
            let shown_to = Seq(before.0 + page.len() as u64);
            disk.check(self.session, fate, |_, rows| {
                let from = usize::try_from(before.0).unwrap();
                let stored = rows.get(from..from + page.len());
                let is_stored = stored.is_some_and(|stored| stored.iter().map(|row| &row.frame).eq(&page));
                ensure(is_stored && cursor.position() == shown_to, || {
                    format!(
                        "a reader of {} behind {before} was shown something else",
                        self.session
                    )
                })
            });
            self.seen = Some(shown_to);
        }
    }

    /// Whether a reader has seen everything, if there is one.
    pub fn has_seen_all(&self) -> bool {
        self.cursor.as_ref().is_none_or(|cursor| !cursor.behind())
    }

    /// Everything that was answered for is in the log.
    pub fn check_answers(&self, disk: &Disk, fate: &Fate) {
        let told = self.told.lock().unwrap();
        disk.check(self.session, fate, |ledger, _| {
            for (id, receipt) in &told.receipts {
                if let Some(seq) = ledger.command(id) {
                    ensure(seq == receipt.seq, || {
                        format!("{id} was answered for at {}, and is {seq}", receipt.seq)
                    })?;
                }
            }
            Ok(())
        });
    }
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

fn stranger() -> Caller {
    Caller::Client(Some("somebody-else".parse().unwrap()))
}

/// Whether a command of this kind leaves its mark in the log whenever it is taken.
fn always_tells(kind: &CommandKind) -> bool {
    matches!(
        kind,
        CommandKind::UserMessage { .. } | CommandKind::Generate { .. }
    )
}

fn record() -> CallRecord {
    CallRecord {
        provider: "scripted".to_owned(),
        model: "ears".to_owned(),
        response_id: None,
        request_id: None,
        usage: None,
        cost: CallCost::Known(3),
    }
}

fn settled(receipt: Receipt, outcome: CallOutcome, error: Option<ErrorCode>) -> Option<CommandKind> {
    let settlement = Settlement {
        outcome,
        record: Some(record()),
        error,
        reason: None,
        asset: None,
    };
    Some(CommandKind::SettleCall {
        call_id: receipt.call_id?,
        settlement: Box::new(settlement),
    })
}

/// One of the latest turns of a session, the newest first.
fn latest_turn(disk: &Disk, session: SessionId, which: usize) -> Option<TurnId> {
    disk.rows.with_rows(session, |rows| {
        let turns = rows.iter().rev().filter_map(|row| match &row.fact.event {
            Event::TurnStarted(started) => Some(started.turn_id),
            _ => None,
        });
        turns.take(TURNS_TOLD).nth(which)
    })
}

/// So many characters of each text of a turn's reply, as they were heard.
fn heard(disk: &Disk, session: SessionId, turn_id: TurnId, characters: usize) -> Vec<HeardPart> {
    disk.rows.with_rows(session, |rows| {
        let replies = rows.iter().filter_map(|row| match &row.fact.event {
            Event::MessageAdded(said) if said.role == Role::Assistant && said.turn_id == Some(turn_id) => {
                Some(said)
            }
            _ => None,
        });
        let parts = replies.map(|reply| HeardPart {
            heard_ms: Millis(characters as u64 * 60),
            text: reply.text.chars().take(characters).collect(),
        });
        parts.collect()
    })
}
