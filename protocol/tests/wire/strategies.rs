//! Arbitrary things on the wire.

use greenroom_protocol::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::Value;
use ulid::Ulid;

macro_rules! any_id {
    ($($name:ident: $id:ident,)+) => {
        $(pub fn $name() -> impl Strategy<Value = $id> + Clone {
            any::<u128>().prop_map(|bits| $id::new(Ulid::from(bits)))
        })+
    };
}

any_id! {
    session_id: SessionId,
    turn_id: TurnId,
    message_id: MessageId,
    run_id: RunId,
    job_id: JobId,
    asset_id: AssetId,
    call_id: CallId,
}

pub fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof!["[ -~]{0,20}", "[가-힣 ]{0,8}", any::<String>()]
}

pub fn timestamp() -> impl Strategy<Value = Timestamp> + Clone {
    // Years 0 to 9999: RFC 3339, and so the schema, knows no others.
    (-62_167_219_200_000..253_402_207_200_000_i64).prop_map(Timestamp::from_unix_ms)
}

pub fn slot_path() -> impl Strategy<Value = SlotPath> + Clone {
    "[a-z][a-z0-9_]{0,20}\\.[a-z][a-z0-9_]{0,20}".prop_map(|text| text.parse().unwrap())
}

pub fn stage() -> impl Strategy<Value = StageId> + Clone {
    "[a-z][a-z0-9_]{0,63}".prop_filter_map("planner is reserved", |text| text.parse().ok())
}

pub fn command_id() -> impl Strategy<Value = CommandId> + Clone {
    "[!-~]{1,128}".prop_map(|text| text.parse().unwrap())
}

/// Any JSON, numbers of every kind included.
pub fn json() -> impl Strategy<Value = Value> + Clone {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn millis() -> impl Strategy<Value = Millis> + Clone {
    any::<u64>().prop_map(Millis)
}

fn share() -> impl Strategy<Value = f64> + Clone {
    0.0..=1.0
}

fn locale() -> impl Strategy<Value = Locale> + Clone {
    prop_oneof![Just(Locale::Ko), Just(Locale::En)]
}

fn mode() -> impl Strategy<Value = Mode> + Clone {
    prop_oneof![Just(Mode::Fast), Just(Mode::Standard)]
}

fn modality() -> impl Strategy<Value = Modality> + Clone {
    prop_oneof![Just(Modality::Text), Just(Modality::Voice)]
}

fn provenance() -> impl Strategy<Value = Provenance> + Clone {
    prop_oneof![
        (text(), text(), call_id(), any::<bool>()).prop_map(|(provider, model, call_id, simulated)| {
            Provenance::Model {
                provider,
                model,
                call_id,
                simulated,
            }
        }),
        turn_id().prop_map(|turn_id| Provenance::User { turn_id }),
        (text(), text()).prop_map(|(key, hash)| Provenance::Playbook { key, hash }),
        Just(Provenance::Operator),
    ]
}

fn slot_source() -> impl Strategy<Value = SlotSource> + Clone {
    prop_oneof![
        (turn_id(), text()).prop_map(|(turn_id, words)| SlotSource::Turn { turn_id, words }),
        Just(SlotSource::Edit),
        asset_id().prop_map(|asset_id| SlotSource::Picture { asset_id }),
    ]
}

fn gate() -> impl Strategy<Value = Gate> + Clone {
    (
        any::<bool>(),
        vec(slot_path(), 0..3),
        vec(slot_path(), 0..3),
        share(),
    )
        .prop_map(|(ready, missing_required, low_confidence, completeness)| Gate {
            ready,
            missing_required,
            low_confidence,
            completeness,
        })
}

fn judged() -> impl Strategy<Value = GateJudged> + Clone {
    (of(turn_id()), gate()).prop_map(|(turn_id, gate)| GateJudged { turn_id, gate })
}

pub fn error_body() -> impl Strategy<Value = ErrorBody> + Clone {
    (
        proptest::sample::select(ErrorCode::ALL),
        text(),
        json(),
        any::<bool>(),
        any::<Option<u32>>(),
    )
        .prop_map(|(code, message, details, retryable, retry_after)| ErrorBody {
            code,
            message,
            details,
            retryable,
            retry_after,
        })
}

pub fn delta() -> impl Strategy<Value = Delta> + Clone {
    let change = prop_oneof![
        text().prop_map(DeltaChange::Append),
        json().prop_map(DeltaChange::Value)
    ];
    (text(), change).prop_map(|(path, change)| Delta { path, change })
}

fn message_added() -> impl Strategy<Value = MessageAdded> + Clone {
    let role = prop_oneof![Just(Role::User), Just(Role::Assistant)];
    (
        message_id(),
        of(turn_id()),
        role,
        modality(),
        text(),
        provenance(),
        any::<bool>(),
        of(slot_path()),
        of(locale()),
    )
        .prop_map(
            |(message_id, turn_id, role, modality, text, provenance, truncated, asks, locale)| MessageAdded {
                message_id,
                turn_id,
                role,
                modality,
                text,
                provenance,
                truncated,
                asks,
                locale,
            },
        )
}

fn session_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (locale(), mode(), text(), text(), text()).prop_map(|(locale, mode, name, hash, state)| {
            let playbook = PlaybookRef { name, hash };
            Event::SessionStarted(SessionStarted {
                locale,
                mode,
                playbook,
                state,
            })
        }),
        (of(stage()), of(run_id())).prop_map(|(from_stage, run_id)| {
            Event::SessionRestarted(SessionRestarted { from_stage, run_id })
        }),
        Just(Event::SessionStopped(SessionStopped {})),
        (of(turn_id()), slot_path(), json(), share(), slot_source()).prop_map(
            |(turn_id, path, value, confidence, source)| {
                Event::SlotUpdated(SlotUpdated {
                    turn_id,
                    path,
                    value,
                    confidence,
                    source,
                })
            }
        ),
        judged().prop_map(Event::GateReady),
        judged().prop_map(Event::GateChanged),
        (run_id(), vec(slot_path(), 0..3), vec(slot_path(), 0..3)).prop_map(
            |(run_id, missing_required, low_confidence)| {
                Event::GateWaived(GateWaived {
                    run_id,
                    missing_required,
                    low_confidence,
                })
            }
        ),
    ]
}

fn turn_latency() -> impl Strategy<Value = TurnLatency> {
    let segment = prop_oneof![
        Just(Segment::Endpointing),
        Just(Segment::Transcription),
        Just(Segment::PlannerFirstToken),
        Just(Segment::FirstSentence),
        Just(Segment::VoiceFirstByte),
        Just(Segment::Delivery),
    ];
    let segment = (segment, millis()).prop_map(|(segment, ms)| SegmentLatency { segment, ms });
    (millis(), vec(segment, 0..6)).prop_map(|(total_ms, segments)| TurnLatency { total_ms, segments })
}

fn turn_event() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        Just(TurnOutcome::Ok),
        Just(TurnOutcome::Interrupted),
        Just(TurnOutcome::Failed),
        Just(TurnOutcome::Abandoned),
    ];
    prop_oneof![
        (turn_id(), any::<u32>(), modality()).prop_map(|(turn_id, turn, modality)| Event::TurnStarted(
            TurnStarted {
                turn_id,
                turn,
                modality
            }
        )),
        message_added().prop_map(Event::MessageAdded),
        message_heard().prop_map(Event::MessageHeard),
        (turn_id(), any::<u32>(), of(slot_path()), delta()).prop_map(|(turn_id, attempt, asks, delta)| {
            Event::PlannerDelta(PlannerDelta {
                turn_id,
                attempt,
                asks,
                delta,
            })
        }),
        (turn_id(), outcome, turn_latency()).prop_map(|(turn_id, outcome, latency)| {
            Event::TurnCompleted(TurnCompleted {
                turn_id,
                outcome,
                latency,
            })
        }),
    ]
}

fn run_started() -> impl Strategy<Value = RunStarted> {
    let slot = (slot_path(), json(), share(), slot_source()).prop_map(|(path, value, confidence, source)| {
        FrozenSlot {
            path,
            value,
            confidence,
            source,
        }
    });
    let stages = vec(stage(), 0..4);
    (
        run_id(),
        of(job_id()),
        mode(),
        locale(),
        vec(slot, 0..3),
        any::<bool>(),
        stages,
        millis(),
        of((run_id(), stage())),
    )
        .prop_map(
            |(run_id, job_id, mode, locale, brief, draft, stages, budget_ms, from)| RunStarted {
                run_id,
                job_id,
                mode,
                locale,
                brief,
                draft,
                stages,
                budget_ms,
                from_run: from.as_ref().map(|(run_id, _)| *run_id),
                from_stage: from.map(|(_, stage)| stage),
            },
        )
}

fn run_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        run_started().prop_map(Event::RunStarted),
        job_updated().prop_map(Event::JobUpdated),
        run_id().prop_map(|run_id| Event::RunCancelled(RunCancelled { run_id })),
        (run_id(), any::<bool>())
            .prop_map(|(run_id, draft)| Event::RunCompleted(RunCompleted { run_id, draft })),
        (text(), share()).prop_map(|(budget, used)| Event::BudgetWarning(BudgetWarning { budget, used })),
        (
            asset_id(),
            of(run_id()),
            text(),
            text(),
            text(),
            any::<u64>(),
            provenance()
        )
            .prop_map(
                |(asset_id, run_id, kind, url, media_type, size_bytes, provenance)| {
                    Event::AssetReady(AssetReady {
                        asset_id,
                        run_id,
                        kind,
                        url,
                        media_type,
                        size_bytes,
                        provenance,
                    })
                }
            ),
    ]
}

fn job_updated() -> impl Strategy<Value = JobUpdated> {
    let status = prop_oneof![
        Just(JobStatus::Queued),
        Just(JobStatus::Running),
        Just(JobStatus::Completed),
        Just(JobStatus::Failed),
    ];
    let retries = (any::<u32>(), of(timestamp()));
    (job_id(), status, 0..=100_u8, run_id(), retries, of(error_body())).prop_map(
        |(job_id, status, progress, run_id, (retry_count, last_retry_at), error)| JobUpdated {
            job_id,
            job_type: JobType::Run,
            status,
            progress,
            run_id,
            retry_count,
            last_retry_at,
            error,
        },
    )
}

fn stage_event() -> impl Strategy<Value = Event> {
    let failure = (stage(), any::<u32>(), error_body()).prop_map(|(stage, attempt, error)| StageFailure {
        stage,
        attempt,
        error,
    });
    let source = (text(), of(text()), of(text())).prop_map(|(url, title, passage)| SupportingSource {
        url,
        title,
        passage,
    });
    let note = (text(), provenance()).prop_map(|(path, provenance)| CheckNote { path, provenance });
    prop_oneof![
        (text(), of(run_id()), vec(failure, 0..3)).prop_map(|(state, run_id, failures)| {
            Event::StageChanged(StageChanged {
                state,
                run_id,
                failures,
            })
        }),
        (run_id(), stage(), any::<u32>()).prop_map(|(run_id, stage, attempt)| Event::StageStarted(
            StageStarted {
                run_id,
                stage,
                attempt
            }
        )),
        (run_id(), stage(), any::<u32>(), delta()).prop_map(|(run_id, stage, attempt, delta)| {
            Event::StageDelta(StageDelta {
                run_id,
                stage,
                attempt,
                delta,
            })
        }),
        (
            run_id(),
            stage(),
            any::<u32>(),
            json(),
            provenance(),
            any::<u32>(),
            vec(source, 0..3),
            vec(note, 0..3)
        )
            .prop_map(
                |(run_id, stage, attempt, output, provenance, dropped, sources, notes)| {
                    Event::StageCompleted(StageCompleted {
                        run_id,
                        stage,
                        attempt,
                        output,
                        provenance,
                        dropped,
                        sources,
                        notes,
                    })
                }
            ),
    ]
}

fn call_event() -> impl Strategy<Value = Event> {
    let purpose = prop_oneof![
        Just(CallPurpose::Plan),
        Just(CallPurpose::Stage),
        Just(CallPurpose::Repair),
        Just(CallPurpose::Moderate),
        Just(CallPurpose::Transcribe),
        Just(CallPurpose::Speak),
    ];
    let outcome = prop_oneof![
        Just(CallOutcome::Ok),
        Just(CallOutcome::Failed),
        Just(CallOutcome::Unknown)
    ];
    let scope = prop_oneof![
        (run_id(), stage(), any::<u32>()).prop_map(|(run_id, stage, attempt)| CallScope::Stage {
            run_id,
            stage,
            attempt
        }),
        (turn_id(), any::<u32>()).prop_map(|(turn_id, attempt)| CallScope::Turn { turn_id, attempt }),
        Just(CallScope::Session {}),
    ];
    prop_oneof![
        (call_id(), purpose.clone(), scope.clone()).prop_map(|(call_id, purpose, scope)| {
            Event::CallReserved(CallReserved {
                call_id,
                purpose,
                scope,
            })
        }),
        (call_id(), purpose, scope, outcome).prop_map(|(call_id, purpose, scope, outcome)| {
            Event::CallSettled(CallSettled {
                call_id,
                purpose,
                scope,
                outcome,
            })
        }),
        (
            of(turn_id()),
            of(run_id()),
            of(stage()),
            any::<Option<u32>>(),
            any::<bool>(),
            error_body()
        )
            .prop_map(|(turn_id, run_id, stage, attempt, will_retry, error)| {
                Event::Error(ErrorEvent {
                    turn_id,
                    run_id,
                    stage,
                    attempt,
                    will_retry,
                    error,
                })
            }),
    ]
}

/// Boxed, because the strategies for all events together would not fit on a test's stack.
pub fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => session_event().boxed(),
        5 => turn_event().boxed(),
        6 => run_event().boxed(),
        4 => stage_event().boxed(),
        3 => call_event().boxed(),
    ]
}

fn message_heard() -> impl Strategy<Value = MessageHeard> {
    (message_id(), turn_id(), millis(), text()).prop_map(|(message_id, turn_id, heard_ms, text)| {
        MessageHeard {
            message_id,
            turn_id,
            heard_ms,
            text,
        }
    })
}

fn snapshot() -> impl Strategy<Value = Signal> {
    let brief_slots = vec((text(), json()), 0..3).prop_map(|slots| slots.into_iter().collect::<BriefSlots>());
    let about = (any::<u64>(), session_id(), text(), mode(), locale());
    let now = (
        brief_slots,
        gate(),
        vec(message_added(), 0..3),
        of(turn_id()),
        of(run_id()),
        vec(message_heard(), 0..2),
    );
    (about, now).prop_map(
        |((seq, session_id, state, mode, locale), (brief_slots, gate, messages, turn_id, run_id, heard))| {
            let as_of_seq = Seq(seq);
            Signal::SessionSnapshot {
                as_of_seq,
                session_id,
                state,
                mode,
                locale,
                brief_slots,
                gate,
                messages,
                turn_id,
                run_id,
                heard,
            }
        },
    )
}

fn audio_signal() -> impl Strategy<Value = Signal> {
    let place = || (text(), millis());
    prop_oneof![
        Just(Signal::SpeechStarted {}),
        Just(Signal::SpeechStopped {}),
        text().prop_map(|text| Signal::TranscriptPartial { text }),
        discard_reason().prop_map(|reason| Signal::SpeechDiscarded { reason }),
        (text(), of(turn_id()), codec(), any::<u32>()).prop_map(|(reply_id, turn_id, codec, sample_rate)| {
            Signal::AudioBegin {
                reply_id,
                turn_id,
                codec,
                sample_rate,
            }
        }),
        place().prop_map(|(reply_id, at_ms)| Signal::AudioPause { reply_id, at_ms }),
        place().prop_map(|(reply_id, at_ms)| Signal::AudioResume { reply_id, at_ms }),
        place().prop_map(|(reply_id, at_ms)| Signal::AudioCancel { reply_id, at_ms }),
        text().prop_map(|reply_id| Signal::AudioEnd { reply_id }),
        Just(Signal::MicrophoneTaken {}),
    ]
}

pub fn signal() -> impl Strategy<Value = Signal> {
    let accepted = (text(), of(turn_id()), of(run_id()), any::<u64>(), any::<bool>());
    prop_oneof![
        snapshot().boxed(),
        any::<u64>().prop_map(|seq| Signal::ReplayDone { seq: Seq(seq) }),
        accepted.prop_map(|(id, turn_id, run_id, seq, duplicate)| {
            Signal::Accepted {
                id,
                turn_id,
                run_id,
                seq: Seq(seq),
                duplicate,
            }
        }),
        (of(text()), error_body()).prop_map(|(id, error)| Signal::Rejected { id, error }),
        error_body().prop_map(|error| Signal::Notice { error }),
        millis().prop_map(|reconnect_after_ms| Signal::ServerDraining { reconnect_after_ms }),
        of(text()).prop_map(|id| Signal::Pong { id }),
        audio_signal(),
    ]
}

fn codec() -> impl Strategy<Value = AudioCodec> {
    prop_oneof![Just(AudioCodec::PcmS16le), Just(AudioCodec::Opus)]
}

fn discard_reason() -> impl Strategy<Value = SpeechDiscardReason> {
    proptest::sample::select(vec![
        SpeechDiscardReason::Noise,
        SpeechDiscardReason::NothingUnderstood,
        SpeechDiscardReason::Backchannel,
        SpeechDiscardReason::Failed,
        SpeechDiscardReason::Cancelled,
    ])
}

fn endpointing() -> impl Strategy<Value = Endpointing> {
    let delays = (of(any::<u32>()), of(any::<u32>()), of(any::<u32>()));
    let bounds = (of(any::<u32>()), of(any::<u32>()), of(any::<u32>()));
    (delays, bounds).prop_map(|(delays, bounds)| Endpointing {
        delay_floor_ms: delays.0,
        delay_initial_ms: delays.1,
        delay_ceiling_ms: delays.2,
        min_speech_ms: bounds.0,
        max_utterance_ms: bounds.1,
        pre_roll_ms: bounds.2,
    })
}

fn audio_start() -> impl Strategy<Value = ClientMessage> {
    let turn_detection = prop_oneof![Just(TurnDetection::ServerVad), Just(TurnDetection::Manual)];
    let output =
        (codec(), any::<u32>(), of(text())).prop_map(|(codec, sample_rate, voice_preset)| AudioOutput {
            codec,
            sample_rate,
            voice_preset,
        });
    (
        codec(),
        any::<u32>(),
        1..=2_u8,
        turn_detection,
        of(endpointing()),
        any::<bool>(),
        of(output),
        any::<bool>(),
    )
        .prop_map(
            |(
                codec,
                sample_rate,
                channels,
                turn_detection,
                endpointing,
                noise_suppression,
                output,
                record,
            )| {
                ClientMessage::AudioStart {
                    codec,
                    sample_rate,
                    channels,
                    turn_detection,
                    endpointing,
                    noise_suppression,
                    output,
                    record,
                }
            },
        )
}

pub fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let said = text().prop_map(|text| format!("말 {text}"));
    let bare = proptest::sample::select(vec![
        ClientMessage::AudioCommit {},
        ClientMessage::AudioStop {},
        ClientMessage::ResponseCancel {},
        ClientMessage::RunCancel {},
        ClientMessage::RunRetry {},
        ClientMessage::Ping {},
    ]);
    let message = prop_oneof![
        said.prop_map(|text| ClientMessage::UserMessage { text }),
        audio_start(),
        (text(), millis())
            .prop_map(|(reply_id, played_ms)| ClientMessage::PlaybackAck { reply_id, played_ms }),
        (slot_path(), json()).prop_map(|(path, value)| ClientMessage::SlotSet { path, value }),
        any::<bool>().prop_map(|draft| ClientMessage::RunGenerate { draft }),
        bare,
    ];
    (of(command_id()), message).prop_map(|(id, message)| ClientFrame { id, message })
}
