//! Whatever happens in whatever order: nothing hangs, nothing is paid for twice, flagged words are read by nothing, and
//! nothing was heard that was not said.

use std::collections::{BTreeMap, BTreeSet};

use greenroom_protocol::{
    AssetId, CallId, CallOutcome, CallPurpose, CallScope, ErrorCode, Event, Locale, Millis, Role, Timestamp,
    TurnId,
};
use greenroom_session::ports::{ModerationPolicy, SearchSource, Verdict};
use greenroom_session::state::Turn;
use greenroom_session::{
    AgentOutput, AgentReport, AgentTask, CommandKind, Due, HeardPart, KeptRecording, OutsideCall, Receipt,
    Settlement, Spoken, Stamp, agent_task, due,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::outputs;
use crate::play::{Play, plan_reply, receipt, scripted, transcribed};

const BAD: &str = "나쁜말";
const RECORDING: &str = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// What happens next.
#[derive(Debug, Clone, Copy)]
pub enum Move {
    Says {
        is_bad: bool,
    },
    Listens,
    Hears {
        is_bad: bool,
        is_live: bool,
    },
    HearsNothing,
    /// The mouth tells of one of the latest turns when its reply was first heard of.
    Voiced {
        which: usize,
        is_spoken: bool,
        /// By a clock of its own.
        ms_ago: i64,
    },
    /// The mouth tells of one of the latest turns how much of its reply was heard.
    Heard {
        which: usize,
        characters: usize,
        cancels: bool,
    },
    KeepsRecording,
    Edits,
    Generates {
        draft: bool,
    },
    CancelsRun,
    CancelsResponse,
    Retries,
    /// An operator restarts the session; from one of the playbook's stages, if it is to be from a certain one.
    Restarts {
        from: Option<usize>,
    },
    /// An operator stops the session.
    Stops,
    /// One of the calls that are due ends.
    Ends {
        which: usize,
        how: End,
    },
    Waits {
        ms: u64,
    },
    Crashes {
        away_ms: u64,
    },
}

/// How a call ends.
#[derive(Debug, Clone, Copy)]
pub enum End {
    Well,
    Badly,
    Crashed,
    Failed { retryable: bool },
}

pub fn moves() -> impl Strategy<Value = Move> {
    // Long enough, now and then, for a job to count as stuck.
    let wait_ms = prop_oneof![8 => 0_u64..15_000, 1 => Just(900_000_u64)];
    let end = prop_oneof![
        6 => Just(End::Well),
        1 => Just(End::Badly),
        1 => Just(End::Crashed),
        1 => any::<bool>().prop_map(|retryable| End::Failed { retryable }),
    ];
    let away_ms = prop_oneof![Just(1_000_u64), Just(60_000), Just(400_000)];
    prop_oneof![
        4 => any::<bool>().prop_map(|is_bad| Move::Says { is_bad }),
        2 => Just(Move::Listens),
        2 => any::<[bool; 2]>().prop_map(|[is_bad, is_live]| Move::Hears { is_bad, is_live }),
        1 => Just(Move::HearsNothing),
        2 => (0_usize..3, any::<bool>(), -2_000_i64..20_000)
            .prop_map(|(which, is_spoken, ms_ago)| Move::Voiced { which, is_spoken, ms_ago }),
        2 => (0_usize..3, 0_usize..40, any::<bool>())
            .prop_map(|(which, characters, cancels)| Move::Heard { which, characters, cancels }),
        1 => Just(Move::KeepsRecording),
        1 => Just(Move::Edits),
        2 => any::<bool>().prop_map(|draft| Move::Generates { draft }),
        1 => Just(Move::CancelsRun),
        1 => Just(Move::CancelsResponse),
        1 => Just(Move::Retries),
        1 => prop::option::of(0_usize..4).prop_map(|from| Move::Restarts { from }),
        1 => Just(Move::Stops),
        12 => (0_usize..4, end).prop_map(|(which, how)| Move::Ends { which, how }),
        2 => wait_ms.prop_map(|ms| Move::Waits { ms }),
        2 => away_ms.prop_map(|away_ms| Move::Crashes { away_ms }),
    ]
}

pub struct Story {
    pub play: Play,
    heard: Vec<Receipt>,
    said: usize,
}

impl Story {
    pub fn begin(input: ModerationPolicy, output: ModerationPolicy) -> Self {
        let mut play = Play::launch_checked(input, output);
        play.capabilities.stt = Some(scripted("sim-ear"));
        play.fill_launch_brief();
        Self {
            play,
            heard: Vec::new(),
            said: 0,
        }
    }

    fn words(&mut self, is_bad: bool) -> String {
        self.said += 1;
        let mark = if is_bad { BAD } else { "좋은말" };
        format!("이름은 루미{}{mark}", self.said)
    }

    pub fn happens(&mut self, what: Move) {
        // A refusal is an answer like any other.
        match what {
            Move::Says { is_bad } => {
                let text = self.words(is_bad);
                self.command(CommandKind::UserMessage { text, spoken: None });
            }
            Move::Listens => {
                let audio_digest = Some(RECORDING.to_owned());
                let call = OutsideCall::Transcribe { audio_digest };
                self.heard
                    .extend(self.play.send(CommandKind::ReserveCall { call }));
            }
            Move::Hears { is_bad, is_live } => self.hears(is_bad, is_live),
            Move::Voiced {
                which,
                is_spoken,
                ms_ago,
            } => self.voiced(which, is_spoken, ms_ago),
            Move::Heard {
                which,
                characters,
                cancels,
            } => self.is_heard(which, characters, cancels),
            Move::KeepsRecording => self.command(recording()),
            Move::HearsNothing => {
                if let Some(call_id) = self.heard.pop().and_then(|receipt| receipt.call_id) {
                    let settlement = Box::new(Settlement {
                        outcome: CallOutcome::Failed,
                        record: None,
                        error: Some(ErrorCode::SttFailed),
                        reason: None,
                        asset: None,
                    });
                    self.command(CommandKind::SettleCall { call_id, settlement });
                }
            }
            Move::Edits => {
                let _refused_during_a_run = self.play.set("target.who", json!(format!("고객{}", self.said)));
            }
            Move::Generates { draft } => self.command(CommandKind::Generate {
                draft,
                background: true,
            }),
            Move::CancelsRun => self.command(CommandKind::CancelRun { run_id: None }),
            Move::CancelsResponse => self.command(CommandKind::CancelResponse),
            Move::Retries => self.command(CommandKind::RetryRun { run_id: None }),
            Move::Restarts { from } => self.restarts(from),
            Move::Stops => {
                let reason = "stopped by chance".to_owned();
                let (_, answer) = self.play.operate(CommandKind::Stop { reason });
                answer.expect("whatever is under way can be stopped");
                assert_eq!(due(&self.play.state), Due::default(), "nothing goes on by itself");
                assert!(self.play.state.open_calls.is_empty());
            }
            Move::Ends { which, how } => {
                let calls = due(&self.play.state).calls;
                if let Some(call) = calls.get(which % calls.len().max(1)) {
                    self.ends(&call.stamp.clone(), how);
                }
            }
            Move::Waits { ms } => {
                self.play.wait(ms);
            }
            Move::Crashes { away_ms } => {
                self.play.crash_and_return(away_ms);
            }
        }
        self.check();
    }

    fn restarts(&mut self, from: Option<usize>) {
        let from_stage = from.map(|index| self.play.playbook.stages[index].id.clone());
        let reason = "restarted by chance".to_owned();
        let (_, answer) = self.play.operate(CommandKind::Restart { from_stage, reason });
        if answer.is_ok_and(|receipt| receipt.run_id.is_none()) {
            // The next generation is built from the log.
            self.play.crash_and_return(0);
        }
    }

    fn command(&mut self, kind: CommandKind) {
        let _refused = self.play.send(kind);
    }

    fn hears(&mut self, is_bad: bool, is_live: bool) {
        let text = self.words(is_bad);
        let Some(reserved) = self.heard.pop() else { return };
        let spoken = Spoken {
            turn_id: reserved.turn_id.expect("a turn"),
            call_id: reserved.call_id.expect("a call"),
            record: transcribed(),
            audio_digest: (!is_live).then(|| RECORDING.to_owned()),
            ended_at: self.play.now,
            endpoint_at: is_live.then_some(self.play.now),
            voiced: is_live,
        };
        let spoken = Some(Box::new(spoken));
        self.command(CommandKind::UserMessage { text, spoken });
    }

    /// One of the latest turns, the newest first.
    fn turn(&self, which: usize) -> Option<TurnId> {
        let turns = self.play.log.iter().rev().filter_map(|fact| match &fact.event {
            Event::TurnStarted(started) => Some(started.turn_id),
            _ => None,
        });
        turns.take(3).nth(which)
    }

    fn voiced(&mut self, which: usize, is_spoken: bool, ms_ago: i64) {
        let Some(turn_id) = self.turn(which) else { return };
        let at = Timestamp::from_unix_ms(self.play.now.unix_ms() - ms_ago);
        self.command(CommandKind::ReplyVoiced {
            turn_id,
            first_byte_at: is_spoken.then_some(at),
            first_sent_at: is_spoken.then_some(at),
        });
    }

    fn is_heard(&mut self, which: usize, characters: usize, cancels: bool) {
        let Some(turn_id) = self.turn(which) else { return };
        let said = self.play.log.iter().filter_map(|fact| match &fact.event {
            Event::MessageAdded(message) => Some(message),
            _ => None,
        });
        let replies = said.filter(|said| said.role == Role::Assistant && said.turn_id == Some(turn_id));
        let parts = replies.map(|reply| HeardPart {
            heard_ms: Millis(characters as u64 * 100),
            text: reply.text.chars().take(characters).collect(),
        });
        let parts = parts.collect();
        self.command(CommandKind::ReplyHeard {
            turn_id,
            parts,
            cancels,
        });
    }

    fn ends(&mut self, stamp: &Stamp, how: End) {
        match (how, stamp.purpose) {
            (End::Failed { retryable }, _) => {
                self.play.fail(stamp, ErrorCode::LlmTimeout, retryable);
            }
            (End::Crashed, _) => {
                let reason = "panicked".to_owned();
                self.play.report(stamp, AgentReport::Crashed { reason });
            }
            (End::Well | End::Badly, CallPurpose::Moderate) => {
                let texts = self.play.check_request(stamp).texts.concat();
                let is_flagged = texts.contains(BAD) || matches!(how, End::Badly);
                let flagged = is_flagged.then(|| vec!["violence".to_owned()]);
                let verdict = Verdict {
                    flagged,
                    receipt: receipt(),
                };
                self.play.report(stamp, AgentReport::Checked(verdict));
            }
            (End::Well, CallPurpose::Plan) => {
                let reply = plan_reply("네, 알겠어요.", None, "").to_string();
                self.play.reply(stamp, &reply, &[]);
            }
            (End::Badly, CallPurpose::Plan) => {
                self.play.stream(stamp, r#"{"answer":"네, 그런데"#, &[]);
            }
            (End::Well, _) => self.finishes(stamp, &output(stamp)),
            (End::Badly, _) => self.finishes(stamp, &json!({ "evidence": 3 })),
        }
    }

    fn finishes(&mut self, stamp: &Stamp, output: &Value) {
        let source = SearchSource {
            url: "https://news.example/serum".to_owned(),
            title: None,
            passage: None,
        };
        let output = AgentOutput {
            reply: output.to_string(),
            sources: vec![source],
            receipt: receipt(),
        };
        self.play.report(stamp, AgentReport::Finished(output));
    }

    /// What holds at any time.
    fn check(&self) {
        let state = &self.play.state;
        let due = due(state);
        let is_due = |call_id: &CallId| due.calls.iter().any(|call| call.stamp.call_id == *call_id);
        for (call_id, call) in &state.open_calls {
            assert!(call.is_outside() || is_due(call_id), "nobody makes {call:?}");
        }
        for call in &due.calls {
            assert!(state.open_calls.contains_key(&call.stamp.call_id));
            let task = agent_task(state, &self.play.playbook, &call.stamp, self.play.now);
            let task = task.expect("what is due can be done");
            if let AgentTask::Model(task) = task
                && self.play.capabilities.moderate_input == ModerationPolicy::Required
            {
                let said = task.request.messages.iter().map(|message| message.text.as_str());
                let read: Vec<&str> = said.chain([task.request.instructions.as_str()]).collect();
                assert!(!read.concat().contains(BAD), "a model reads what was flagged");
            }
        }
        let has_call = |of_turn: bool| {
            let mut calls = due.calls.iter();
            calls.any(|call| matches!(call.stamp.scope, CallScope::Turn { .. }) == of_turn)
        };
        let turn_moves = state.turn == Turn::Idle || has_call(true) || due.wake_at.is_some();
        assert!(turn_moves, "a turn waits for nothing: {:?}", state.turn);
        let run_moves = state.active_run().is_none() || has_call(false) || due.wake_at.is_some();
        assert!(run_moves, "a run waits for nothing: {:?}", state.phase);
    }

    /// Lets everything that is under way come to its end.
    fn comes_to_rest(&mut self) {
        for _ in 0..100 {
            let due = due(&self.play.state);
            match (due.calls.first(), due.wake_at) {
                (Some(call), _) => self.ends(&call.stamp.clone(), End::Well),
                (None, Some(wake_at)) => {
                    let ms = wake_at.since(self.play.now).0;
                    self.play.wait(ms);
                }
                (None, None) => return,
            }
            self.check();
        }
        panic!("it never comes to rest: {:?}", due(&self.play.state));
    }

    /// What the log may never say.
    fn check_log(&self) {
        let (mut reserved, mut settled, mut completed) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        let mut before = Timestamp::from_unix_ms(0);
        for fact in &self.play.log {
            assert!(fact.at >= before, "time runs on");
            before = fact.at;
            match &fact.event {
                Event::CallReserved(call) => {
                    assert!(reserved.insert(call.call_id), "reserved twice");
                    if let CallScope::Stage { run_id, stage, .. } = &call.scope {
                        let is_over = completed.contains(&(*run_id, stage.clone()));
                        assert!(!is_over, "{stage} is complete, and is paid for again");
                    }
                }
                Event::CallSettled(call) => {
                    assert!(reserved.contains(&call.call_id), "never reserved");
                    assert!(settled.insert(call.call_id), "settled twice");
                }
                Event::StageCompleted(stage) => completed.push((stage.run_id, stage.stage.clone())),
                _ => {}
            }
        }
        assert_eq!(reserved, settled, "every call has an end");
    }

    /// Turns end once, and where their time went is told in full; what was heard was said before, and is told once.
    fn check_turns(&self) {
        let (mut begun, mut ended, mut said) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        for fact in &self.play.log {
            match &fact.event {
                Event::TurnStarted(turn) => {
                    assert_eq!(begun, ended, "one turn at a time");
                    assert!(begun.insert(turn.turn_id), "begun twice");
                }
                Event::TurnCompleted(turn) => {
                    assert!(ended.insert(turn.turn_id), "ended twice");
                    let parts = turn.latency.segments.iter().map(|part| part.ms.0);
                    assert_eq!(parts.sum::<u64>(), turn.latency.total_ms.0);
                }
                Event::MessageAdded(message) if message.role == Role::Assistant => {
                    said.insert(message.message_id, message.clone());
                }
                Event::MessageHeard(heard) => {
                    let message = said.remove(&heard.message_id).expect("said, and told of once");
                    assert_eq!(message.turn_id, Some(heard.turn_id));
                    assert!(message.text.starts_with(&heard.text));
                }
                _ => {}
            }
        }
        assert_eq!(begun, ended, "every turn has an end");
    }
}

fn recording() -> CommandKind {
    CommandKind::KeepRecording {
        asset: KeptRecording {
            asset_id: AssetId::new(ulid::Ulid::from(9_u128)),
            url: "/api/recordings/9.ogg".to_owned(),
            media_type: "audio/ogg".to_owned(),
            size_bytes: 4_096,
        },
    }
}

fn output(stamp: &Stamp) -> Value {
    let CallScope::Stage { stage, .. } = &stamp.scope else {
        panic!("a stage's call: {stamp:?}");
    };
    match stage.as_str() {
        "research" => outputs::research(),
        "strategy" => outputs::strategy(),
        "creative" => outputs::creative(),
        _ => outputs::voice(),
    }
}

pub fn policy() -> impl Strategy<Value = ModerationPolicy> {
    prop_oneof![
        1 => Just(ModerationPolicy::Off),
        1 => Just(ModerationPolicy::BestEffort),
        3 => Just(ModerationPolicy::Required),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_everything_has_an_end(
        input in policy(),
        output in policy(),
        moves in prop::collection::vec(moves(), 1..40),
    ) {
        let mut story = Story::begin(input, output);
        for what in moves {
            story.happens(what);
        }
        story.comes_to_rest();
        // Whoever listened and went away without a word is noticed at the latest when the session lives again.
        story.play.crash_and_return(400_000);
        story.comes_to_rest();
        story.check_log();
        story.check_turns();
        prop_assert_eq!(&story.play.state.turn, &Turn::Idle);
        prop_assert!(story.play.state.active_run().is_none());
        prop_assert_eq!(story.play.state.locale, Locale::Ko);
    }
}
