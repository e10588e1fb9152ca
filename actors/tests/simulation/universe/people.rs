//! Who uses a session: what they ask, what they were answered, and what they saw of it.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use greenroom_actors::{Cursor, Directory, Refused, Restart};
use greenroom_protocol::{
    AssetId, CallOutcome, ErrorCode, Event, Millis, Role, Seq, SessionId, StageId, Timestamp, TurnId,
};
use greenroom_session::{
    CallCost, CallRecord, Caller, Command, CommandKind, HeardPart, KeptRecording, OutsideCall, Receipt,
    Settlement, Spoken, UserKey,
};
use tokio::time::timeout;

use super::errands::{Asked, Errand, PATIENCE, Told};
use super::fate::{Chance, Fate};
use super::journal::Disk;
use super::ledger::ensure;
use super::words;

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

fn stranger() -> Caller {
    Caller::Client(Some("somebody-else".parse().unwrap()))
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
