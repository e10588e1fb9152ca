//! One example of everything on the wire.

use greenroom_protocol::*;
use serde_json::{Value, json};

const ULID: &str = "01K0Z6Q7W8X9Y0ABCDEFGHJKMN";

pub fn session_id() -> SessionId {
    format!("sess_{ULID}").parse().unwrap()
}

pub fn turn_id() -> TurnId {
    format!("turn_{ULID}").parse().unwrap()
}

pub fn run_id() -> RunId {
    format!("run_{ULID}").parse().unwrap()
}

fn message_id() -> MessageId {
    format!("msg_{ULID}").parse().unwrap()
}

fn call_id() -> CallId {
    format!("call_{ULID}").parse().unwrap()
}

fn job_id() -> JobId {
    format!("job_{ULID}").parse().unwrap()
}

fn asset_id() -> AssetId {
    format!("asset_{ULID}").parse().unwrap()
}

fn path(text: &str) -> SlotPath {
    text.parse().unwrap()
}

pub fn stage(name: &str) -> StageId {
    name.parse().unwrap()
}

fn hash() -> String {
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned()
}

fn by_model() -> Provenance {
    Provenance::Model {
        provider: "openai".to_owned(),
        model: "sim-large".to_owned(),
        call_id: call_id(),
        simulated: true,
    }
}

fn by_playbook() -> Provenance {
    Provenance::Playbook {
        key: "dropped_evidence".to_owned(),
        hash: hash(),
    }
}

fn said() -> SlotSource {
    SlotSource::Turn {
        turn_id: turn_id(),
        words: "제품명은 루미세럼".to_owned(),
    }
}

fn gate_open() -> Gate {
    Gate {
        ready: true,
        missing_required: vec![],
        low_confidence: vec![],
        completeness: 1.0,
    }
}

fn gate_shut() -> Gate {
    Gate {
        ready: false,
        missing_required: vec![path("product.features"), path("goal.weekly_goal")],
        low_confidence: vec![path("target.why")],
        completeness: 0.75,
    }
}

fn timed_out() -> ErrorBody {
    ErrorBody::new(ErrorCode::LlmTimeout, Locale::Ko).with_retry_after(5)
}

fn delta(path: &str, change: DeltaChange) -> Delta {
    Delta {
        path: path.to_owned(),
        change,
    }
}

fn research_output() -> Value {
    json!({
        "market_signals": [{"signal": "저자극 수요 증가", "impact": "high"}],
        "evidence": [],
        "risk_flags": ["No evidence was found."],
    })
}

fn of_sessions_and_messages() -> Vec<Event> {
    vec![
        Event::SessionStarted(SessionStarted {
            locale: Locale::Ko,
            mode: Mode::Standard,
            playbook: PlaybookRef {
                name: "launch".to_owned(),
                hash: hash(),
            },
            state: "CHAT_COLLECTING".to_owned(),
        }),
        Event::SessionRestarted(SessionRestarted {
            from_stage: Some(stage("strategy")),
            run_id: Some(run_id()),
        }),
        Event::SessionStopped(SessionStopped {}),
        Event::TurnStarted(TurnStarted {
            turn_id: turn_id(),
            turn: 1,
            modality: Modality::Text,
        }),
        Event::MessageAdded(MessageAdded {
            message_id: message_id(),
            turn_id: Some(turn_id()),
            role: Role::Assistant,
            modality: Modality::Text,
            text: "가격대는 어떻게 되나요?".to_owned(),
            provenance: by_model(),
            truncated: false,
            asks: Some(path("product.price_band")),
            locale: Some(Locale::Ko),
        }),
        Event::MessageHeard(MessageHeard {
            message_id: message_id(),
            turn_id: turn_id(),
            heard_ms: Millis(840),
            text: "가격대는".to_owned(),
        }),
    ]
}

fn of_replies_and_the_brief() -> Vec<Event> {
    vec![
        Event::PlannerDelta(PlannerDelta {
            turn_id: turn_id(),
            attempt: 1,
            asks: Some("product.price_band".parse().unwrap()),
            delta: delta("/reply", DeltaChange::Append("가격대는 ".to_owned())),
        }),
        Event::SlotUpdated(SlotUpdated {
            turn_id: Some(turn_id()),
            path: path("product.name"),
            value: json!("루미세럼"),
            confidence: 0.95,
            source: said(),
        }),
        Event::GateReady(GateJudged {
            turn_id: Some(turn_id()),
            gate: gate_open(),
        }),
        Event::GateChanged(GateJudged {
            turn_id: None,
            gate: gate_shut(),
        }),
        Event::GateWaived(GateWaived {
            run_id: run_id(),
            missing_required: vec![path("goal.weekly_goal")],
            low_confidence: vec![],
        }),
        Event::TurnCompleted(TurnCompleted {
            turn_id: turn_id(),
            outcome: TurnOutcome::Ok,
            latency: TurnLatency {
                total_ms: Millis(1_250),
                segments: vec![
                    SegmentLatency {
                        segment: Segment::PlannerFirstToken,
                        ms: Millis(400),
                    },
                    SegmentLatency {
                        segment: Segment::Delivery,
                        ms: Millis(850),
                    },
                ],
            },
        }),
    ]
}

fn of_runs() -> Vec<Event> {
    vec![
        Event::RunStarted(RunStarted {
            run_id: run_id(),
            job_id: Some(job_id()),
            mode: Mode::Fast,
            locale: Locale::En,
            brief: vec![FrozenSlot {
                path: path("product.features"),
                value: json!(["저자극", "빠른흡수", "비건"]),
                confidence: 0.9,
                source: SlotSource::Edit,
            }],
            draft: false,
            stages: vec![stage("research"), stage("strategy")],
            budget_ms: Millis(600_000),
            from_run: Some(run_id()),
            from_stage: Some(stage("strategy")),
        }),
        Event::StageChanged(StageChanged {
            state: "FAILED".to_owned(),
            run_id: Some(run_id()),
            failures: vec![StageFailure {
                stage: stage("research"),
                attempt: 2,
                error: timed_out(),
            }],
        }),
        Event::StageStarted(StageStarted {
            run_id: run_id(),
            stage: stage("research"),
            attempt: 1,
        }),
        stage_completed(),
        Event::AssetReady(AssetReady {
            asset_id: asset_id(),
            run_id: Some(run_id()),
            kind: "poster".to_owned(),
            url: format!("/static/assets/asset_{ULID}.png"),
            media_type: "image/png".to_owned(),
            size_bytes: 48_213,
            provenance: by_model(),
        }),
        Event::JobUpdated(JobUpdated {
            job_id: job_id(),
            job_type: JobType::Run,
            status: JobStatus::Failed,
            progress: 25,
            run_id: run_id(),
            retry_count: 3,
            last_retry_at: Some("2026-02-19T14:45:00.123Z".parse().unwrap()),
            error: Some(timed_out()),
        }),
        Event::RunCancelled(RunCancelled { run_id: run_id() }),
        Event::RunCompleted(RunCompleted {
            run_id: run_id(),
            draft: true,
        }),
        Event::BudgetWarning(BudgetWarning {
            budget: "run".to_owned(),
            used: 0.8,
        }),
    ]
}

fn stage_completed() -> Event {
    Event::StageCompleted(StageCompleted {
        run_id: run_id(),
        stage: stage("research"),
        attempt: 1,
        output: research_output(),
        provenance: by_model(),
        dropped: 2,
        sources: vec![SupportingSource {
            url: "https://example.org/market".to_owned(),
            title: Some("The market in 2026".to_owned()),
            passage: Some("It grew by a tenth.".to_owned()),
        }],
        notes: vec![CheckNote {
            path: "/risk_flags/0".to_owned(),
            provenance: by_playbook(),
        }],
    })
}

fn of_calls_and_failures() -> Vec<Event> {
    vec![
        Event::CallReserved(CallReserved {
            call_id: call_id(),
            purpose: CallPurpose::Stage,
            scope: CallScope::Stage {
                run_id: run_id(),
                stage: stage("research"),
                attempt: 1,
            },
        }),
        Event::CallSettled(CallSettled {
            call_id: call_id(),
            purpose: CallPurpose::Stage,
            scope: CallScope::Stage {
                run_id: run_id(),
                stage: stage("research"),
                attempt: 1,
            },
            outcome: CallOutcome::Ok,
        }),
        Event::Error(ErrorEvent {
            turn_id: None,
            run_id: Some(run_id()),
            stage: Some(stage("research")),
            attempt: Some(1),
            will_retry: true,
            error: timed_out(),
        }),
        // A repair starts by voiding what was shown.
        Event::StageDelta(StageDelta {
            run_id: run_id(),
            stage: stage("research"),
            attempt: 1,
            delta: delta("", DeltaChange::Value(Value::Null)),
        }),
    ]
}

/// One event of every type, in the order of the contract; the delta of a stage is the last.
pub fn events() -> Vec<Event> {
    [
        of_sessions_and_messages(),
        of_replies_and_the_brief(),
        of_runs(),
        of_calls_and_failures(),
    ]
    .concat()
}

fn of_state() -> Vec<Signal> {
    let brief_slots = json!({"product": {"name": "루미세럼", "features": null}});
    vec![
        Signal::SessionSnapshot {
            as_of_seq: Seq(7),
            session_id: session_id(),
            state: "CHAT_COLLECTING".to_owned(),
            mode: Mode::Standard,
            locale: Locale::Ko,
            brief_slots: brief_slots.as_object().cloned().unwrap(),
            gate: gate_shut(),
            messages: vec![MessageAdded {
                message_id: message_id(),
                turn_id: None,
                role: Role::Assistant,
                modality: Modality::Voice,
                text: "어떤 제품인가요?".to_owned(),
                provenance: by_playbook(),
                truncated: true,
                asks: None,
                locale: None,
            }],
            turn_id: Some(turn_id()),
            run_id: None,
            heard: vec![MessageHeard {
                message_id: message_id(),
                turn_id: turn_id(),
                heard_ms: Millis(400),
                text: "어떤".to_owned(),
            }],
        },
        Signal::ReplayDone { seq: Seq(124) },
        Signal::Accepted {
            id: "c-1".to_owned(),
            turn_id: Some(turn_id()),
            run_id: None,
            seq: Seq(125),
            duplicate: false,
        },
        Signal::Rejected {
            id: Some("c-2".to_owned()),
            error: ErrorBody::new(ErrorCode::GateNotReady, Locale::En)
                .with_details(json!({"missing_required": ["product.name"]})),
        },
        Signal::Notice {
            error: ErrorBody::new(ErrorCode::DbUnavailable, Locale::Ko),
        },
        Signal::ServerDraining {
            reconnect_after_ms: Millis(1_500),
        },
        Signal::Pong {
            id: Some("c-3".to_owned()),
        },
    ]
}

fn of_audio() -> Vec<Signal> {
    let reply_id = || "reply-1".to_owned();
    vec![
        Signal::SpeechStarted {},
        Signal::SpeechStopped {},
        Signal::TranscriptPartial {
            text: "제품명은".to_owned(),
        },
        Signal::SpeechDiscarded {
            reason: SpeechDiscardReason::Backchannel,
        },
        Signal::AudioBegin {
            reply_id: reply_id(),
            turn_id: Some(turn_id()),
            codec: AudioCodec::PcmS16le,
            sample_rate: 24_000,
        },
        Signal::AudioPause {
            reply_id: reply_id(),
            at_ms: Millis(640),
        },
        Signal::AudioResume {
            reply_id: reply_id(),
            at_ms: Millis(640),
        },
        Signal::AudioCancel {
            reply_id: reply_id(),
            at_ms: Millis(700),
        },
        Signal::AudioEnd { reply_id: reply_id() },
        Signal::MicrophoneTaken {},
    ]
}

/// One signal of every type.
pub fn signals() -> Vec<Signal> {
    [of_state(), of_audio()].concat()
}

/// One message of every type, every other one with an id.
pub fn messages() -> Vec<ClientFrame> {
    let messages = [
        ClientMessage::UserMessage {
            text: "가격은 29,000원이에요".to_owned(),
        },
        ClientMessage::AudioStart {
            codec: AudioCodec::PcmS16le,
            sample_rate: 16_000,
            channels: 1,
            turn_detection: TurnDetection::Manual,
            endpointing: Some(Endpointing {
                delay_floor_ms: Some(300),
                delay_ceiling_ms: Some(1_200),
                ..Endpointing::default()
            }),
            noise_suppression: true,
            output: Some(AudioOutput {
                codec: AudioCodec::Opus,
                sample_rate: 24_000,
                voice_preset: Some("warm".to_owned()),
            }),
            record: true,
        },
        ClientMessage::AudioCommit {},
        ClientMessage::AudioStop {},
        ClientMessage::PlaybackAck {
            reply_id: "reply-1".to_owned(),
            played_ms: Millis(250),
        },
        ClientMessage::ResponseCancel {},
        ClientMessage::SlotSet {
            path: path("product.name"),
            value: Value::Null,
        },
        ClientMessage::RunGenerate { draft: true },
        ClientMessage::RunCancel {},
        ClientMessage::RunRetry {},
        ClientMessage::Ping {},
    ];
    let with_id = |(at, message): (usize, ClientMessage)| {
        let id = (at % 2 == 0).then(|| format!("c-{at}").parse().unwrap());
        ClientFrame { id, message }
    };
    messages.into_iter().enumerate().map(with_id).collect()
}
