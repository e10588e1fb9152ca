//! Calls made outside the session, and the turns that come of them.

use greenroom_protocol::{
    AssetId, AssetReady, CallId, CallOutcome, CallPurpose, CallScope, ErrorCode, Event, Millis, Modality,
    Provenance, Segment, TurnCompleted, TurnId, TurnOutcome,
};
use greenroom_session::{Answer, CommandKind, OutsideCall, Receipt, Settlement, Spoken, due};
use proptest::prelude::*;

use crate::play::{Play, plan_reply, scripted, transcribed, types};

const RECORDING: &str = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

fn listening() -> Play {
    let mut play = Play::launch();
    play.capabilities.stt = Some(scripted("sim-ear"));
    play.capabilities.tts = Some(scripted("sim-mouth"));
    play
}

fn transcribe() -> CommandKind {
    CommandKind::ReserveCall {
        call: OutsideCall::Transcribe {
            audio_digest: Some(RECORDING.into()),
        },
    }
}

fn speak(turn_id: Option<TurnId>) -> CommandKind {
    CommandKind::ReserveCall {
        call: OutsideCall::Speak { turn_id },
    }
}

fn spoken(play: &Play, reserved: &Receipt, text: &str) -> CommandKind {
    CommandKind::UserMessage {
        text: text.into(),
        spoken: Some(Box::new(Spoken {
            turn_id: reserved.turn_id.expect("a turn"),
            call_id: reserved.call_id.expect("a call"),
            record: transcribed(),
            audio_digest: Some(RECORDING.into()),
            ended_at: play.now,
            endpoint_at: None,
            voiced: false,
        })),
    }
}

fn settlement(outcome: CallOutcome) -> Settlement {
    Settlement {
        outcome,
        record: Some(transcribed()),
        error: None,
        reason: None,
        asset: None,
    }
}

fn settle(play: &mut Play, call_id: CallId, settlement: Settlement) -> Vec<String> {
    let from = play.log.len();
    play.send(CommandKind::SettleCall {
        call_id,
        settlement: Box::new(settlement),
    })
    .expect("settling is never refused");
    since(play, from)
}

fn speech_by(call_id: CallId) -> AssetReady {
    AssetReady {
        asset_id: AssetId::new(ulid::Ulid::from(9_u128)),
        run_id: None,
        kind: "speech".into(),
        url: "/static/assets/9.mp3".into(),
        media_type: "audio/mpeg".into(),
        size_bytes: 4_096,
        provenance: Provenance::Model {
            provider: "scripted".into(),
            model: "sim-mouth".into(),
            call_id,
            simulated: true,
        },
    }
}

fn since(play: &Play, from: usize) -> Vec<String> {
    let events: Vec<Event> = play.log[from..].iter().map(|fact| fact.event.clone()).collect();
    types(&events)
}

fn code(answer: Answer) -> ErrorCode {
    answer.expect_err("refused").code
}

fn completed(play: &Play) -> TurnCompleted {
    let turns = play.log.iter().rev().find_map(|fact| match &fact.event {
        Event::TurnCompleted(completed) => Some(completed.clone()),
        _ => None,
    });
    turns.expect("a turn ended")
}

// ---------------------------------------------------------------- speech heard

#[test]
fn a_spoken_turn_begins_with_the_words_of_its_transcription() {
    let mut play = listening();
    let reserved = play.send(transcribe()).expect("reserved");
    let waiting = due(&play.state);
    assert!(waiting.calls.is_empty(), "nobody here makes that call");
    assert_eq!(
        waiting.wake_index(play.now),
        Some(play.now),
        "a process that comes after this one books it at once"
    );
    let from = play.log.len();
    let said = spoken(&play, &reserved, "제품명은 루미세럼");
    let receipt = play.send(said).expect("a turn");
    assert_eq!(receipt.turn_id, reserved.turn_id);
    assert_eq!(
        since(&play, from)[..3],
        ["call.settled", "turn.started", "message.added"]
    );
    let modality = play.log[from..].iter().find_map(|fact| match &fact.event {
        Event::TurnStarted(started) => Some(started.modality),
        _ => None,
    });
    assert_eq!(modality, Some(Modality::Voice));
    assert!(play.value("product.name").is_some());
}

#[test]
fn the_same_recording_under_the_same_key_is_the_same_turn_at_every_step() {
    let mut play = listening();
    let first = play.send_as(Some("k"), transcribe()).expect("reserved");
    // Sent again before the words are there: nobody can know the turn yet, so it is made out a second time.
    let second = play.send_as(Some("k"), transcribe()).expect("reserved");
    assert!(!second.duplicate);
    let said = spoken(&play, &first, "제품명은 루미세럼");
    play.send_as(Some("k"), said).expect("a turn");

    let from = play.log.len();
    let said = spoken(&play, &second, "제품명은 누미세럼");
    let again = play.send_as(Some("k"), said).expect("known");
    assert!(again.duplicate && again.turn_id == first.turn_id);
    assert_eq!(
        since(&play, from),
        ["call.settled"],
        "what was paid for is booked"
    );

    let known = play.send_as(Some("k"), transcribe()).expect("known");
    assert!(known.duplicate && known.turn_id == first.turn_id && known.call_id.is_none());
    let other = CommandKind::ReserveCall {
        call: OutsideCall::Transcribe {
            audio_digest: Some("another".into()),
        },
    };
    assert_eq!(code(play.send_as(Some("k"), other)), ErrorCode::InputIdReused);
}

#[test]
fn four_transcriptions_may_be_open_and_the_fifth_is_refused() {
    let mut play = listening();
    let open: Vec<Receipt> = (0..4)
        .map(|_| play.send(transcribe()).expect("reserved"))
        .collect();
    let from = play.log.len();
    assert_eq!(code(play.send(transcribe())), ErrorCode::SysOverloaded);
    assert!(since(&play, from).is_empty());
    play.send(speak(None)).expect("speech is counted by itself");
    settle(
        &mut play,
        open[0].call_id.expect("a call"),
        settlement(CallOutcome::Failed),
    );
    play.send(transcribe()).expect("there is room again");
}

#[test]
fn calls_whose_maker_went_away_are_booked_and_block_nobody() {
    let mut play = listening();
    for _ in 0..4 {
        play.send(transcribe()).expect("reserved");
    }
    assert!(play.state.awaits_outside(play.now));
    play.now = play.now.after(Millis(10 * 60_000));
    assert!(!play.state.awaits_outside(play.now), "nobody waits for ever");
    let from = play.log.len();
    play.send(transcribe()).expect("there is room");
    assert_eq!(
        since(&play, from),
        [
            "call.settled",
            "call.settled",
            "call.settled",
            "call.settled",
            "call.reserved"
        ]
    );
}

#[test]
fn a_call_whose_maker_went_away_is_booked_though_nobody_comes() {
    let mut play = listening();
    play.send(transcribe()).expect("reserved");
    let given_up_at = due(&play.state).wake_at.expect("the session looks after it");
    let age = given_up_at.since(play.now);
    assert!(play.wait(age.0 - 1).is_empty(), "somebody may still be making it");
    let booked = play.wait(1);
    assert!(
        matches!(&booked[..], [Event::CallSettled(settled)] if settled.outcome == CallOutcome::Unknown),
        "{booked:?}"
    );
    assert_eq!(due(&play.state).wake_index(play.now), None);
}

#[test]
fn words_whose_call_was_given_up_begin_their_turn_once() {
    let mut play = listening();
    let reserved = play.send(transcribe()).expect("reserved");
    let events = play.crash_and_return(1_000);
    assert!(matches!(&events[..], [Event::CallSettled(settled)] if settled.outcome == CallOutcome::Unknown));
    let from = play.log.len();
    let said = spoken(&play, &reserved, "제품명은 루미세럼");
    let receipt = play.send(said.clone()).expect("a turn");
    assert_eq!(receipt.turn_id, reserved.turn_id);
    assert_eq!(since(&play, from)[0], "turn.started", "it stays booked as it was");
    let again = play.send(said).expect("said again");
    assert_ne!(again.turn_id, reserved.turn_id, "two turns are never one");
}

#[test]
fn words_whose_call_nobody_knows_begin_a_turn_of_their_own() {
    let mut play = listening();
    let unknown = Receipt {
        turn_id: Some(TurnId::new(ulid::Ulid::from(1_u128))),
        call_id: Some(CallId::new(ulid::Ulid::from(2_u128))),
        ..Receipt::default()
    };
    let said = spoken(&play, &unknown, "제품명은 루미세럼");
    let receipt = play.send(said).expect("a turn");
    assert!(receipt.turn_id.is_some() && receipt.turn_id != unknown.turn_id);
    assert!(play.value("product.name").is_some());
}

#[test]
fn an_edit_stands_against_words_of_any_turn_begun_before_it() {
    let mut play = listening();
    // Its words come only after the turn that is typed meanwhile, whose id is higher.
    let reserved = play.send(transcribe()).expect("reserved");
    play.say("제품명은 첫이름");
    let said = spoken(&play, &reserved, "안녕하세요");
    play.send(said).expect("a turn");
    play.set("product.name", serde_json::json!("고친이름"))
        .expect("an edit");
    let mut reply = plan_reply("네.", None, "");
    reply["slot_updates"] = serde_json::json!([
        { "path": "product.name", "value": "첫이름", "confidence": 0.9, "words": "제품명은 첫이름" },
    ]);
    play.plan(&reply);
    assert_eq!(play.value("product.name"), Some(serde_json::json!("고친이름")));
}

#[test]
fn what_stt_tts_and_moderation_are_not_configured_for_is_refused_by_name() {
    let mut play = Play::launch();
    let moderate = CommandKind::ReserveCall {
        call: OutsideCall::Moderate,
    };
    assert_eq!(code(play.send(transcribe())), ErrorCode::SttNotConfigured);
    assert_eq!(code(play.send(speak(None))), ErrorCode::TtsNotConfigured);
    assert_eq!(code(play.send(moderate.clone())), ErrorCode::SafetyUnavailable);
    play.capabilities.moderation = Some(scripted("sim-guard"));
    let reserved = play.send(moderate).expect("reserved");
    let scope = &play.state.open_calls[&reserved.call_id.expect("a call")].scope;
    assert_eq!(*scope, CallScope::Session {});
    assert!(
        due(&play.state).calls.is_empty(),
        "a check outside is nobody's here"
    );
}

// ---------------------------------------------------------------- speech made, and how calls end

#[test]
fn speech_that_fails_is_told_and_the_text_stands() {
    let mut play = listening();
    let reserved = play.send(speak(None)).expect("reserved");
    let failed = Settlement {
        error: Some(ErrorCode::TtsFailed),
        ..settlement(CallOutcome::Failed)
    };
    let made = settle(&mut play, reserved.call_id.expect("a call"), failed);
    assert_eq!(made, ["call.settled", "error"]);
}

#[test]
fn an_asset_counts_once_also_when_its_call_was_given_up() {
    for crashes in [false, true] {
        let mut play = listening();
        let call_id = play.send(speak(None)).expect("reserved").call_id.expect("a call");
        if crashes {
            play.crash_and_return(1_000);
        }
        let spoken = Settlement {
            asset: Some(speech_by(call_id)),
            ..settlement(CallOutcome::Ok)
        };
        let expected: &[&str] = if crashes {
            &["asset.ready"]
        } else {
            &["call.settled", "asset.ready"]
        };
        assert_eq!(settle(&mut play, call_id, spoken.clone()), expected);
        assert!(
            settle(&mut play, call_id, spoken).is_empty(),
            "told twice is told once"
        );
    }
}

#[test]
fn how_a_call_ended_is_told_once_also_when_nobody_knows_what_it_cost() {
    let mut play = listening();
    let call_id = play.send(speak(None)).expect("reserved").call_id.expect("a call");
    let silent = Settlement {
        error: Some(ErrorCode::TtsTimeout),
        ..settlement(CallOutcome::Unknown)
    };
    assert_eq!(
        settle(&mut play, call_id, silent.clone()),
        ["call.settled", "error"]
    );
    assert!(settle(&mut play, call_id, silent).is_empty(), "its end was told");
}

#[test]
fn what_is_not_this_sessions_changes_nothing() {
    let mut play = listening();
    let foreign = CallId::new(ulid::Ulid::from(2_u128));
    let told = Settlement {
        error: Some(ErrorCode::TtsFailed),
        asset: Some(speech_by(foreign)),
        ..settlement(CallOutcome::Ok)
    };
    assert!(settle(&mut play, foreign, told.clone()).is_empty());

    let own = play.send(speak(None)).expect("reserved").call_id.expect("a call");
    let lent = Settlement { error: None, ..told };
    assert_eq!(
        settle(&mut play, own, lent),
        ["call.settled"],
        "an asset names the call that made it"
    );

    play.say("안녕하세요");
    let own_call = play.plan_stamp();
    assert_eq!(own_call.purpose, CallPurpose::Plan);
    assert!(
        settle(&mut play, own_call.call_id, settlement(CallOutcome::Ok)).is_empty(),
        "nobody settles it from outside"
    );
}

// ---------------------------------------------------------------- where the time goes

#[test]
fn a_spoken_turns_time_begins_when_the_user_had_finished_speaking() {
    let mut play = listening();
    let reserved = play.send(transcribe()).expect("reserved");
    let said = spoken(&play, &reserved, "안녕하세요");
    play.now = play.now.after(Millis(700));
    play.send(said).expect("a turn");
    play.now = play.now.after(Millis(300));
    play.plan(&plan_reply("반갑습니다.", None, ""));
    let completed = completed(&play);
    assert_eq!(completed.latency.total_ms, Millis(1_000));
    let first = &completed.latency.segments[..2];
    assert_eq!(
        (first[0].segment, first[0].ms),
        (Segment::Transcription, Millis(700))
    );
    assert_eq!(
        (first[1].segment, first[1].ms),
        (Segment::PlannerFirstToken, Millis(300))
    );
    assert_eq!(completed.outcome, TurnOutcome::Ok);
}

proptest! {
    #[test]
    fn the_segments_of_a_turn_are_contiguous_and_sum_to_the_whole(
        is_spoken in any::<bool>(),
        // Clocks disagree: the end of speech may lie after the turn's beginning.
        ended_ms_ago in -5_000_i64..60_000,
        is_checked in any::<bool>(),
        waits in prop::collection::vec(0_u64..4_000, 4),
        is_cut_off in any::<bool>(),
    ) {
        use greenroom_session::ports::ModerationPolicy;
        let mut play = listening();
        if is_checked {
            play.capabilities.moderate_input = ModerationPolicy::BestEffort;
            play.capabilities.moderate_output = ModerationPolicy::BestEffort;
        }
        let ended_at = greenroom_protocol::Timestamp::from_unix_ms(play.now.unix_ms() - ended_ms_ago);
        if is_spoken {
            let reserved = play.send(transcribe()).expect("reserved");
            let mut said = spoken(&play, &reserved, "안녕하세요");
            if let CommandKind::UserMessage { spoken: Some(spoken), .. } = &mut said {
                spoken.ended_at = ended_at;
            }
            play.send(said).expect("a turn");
        } else {
            play.say("안녕하세요");
        }
        let began_at = play.now;
        play.now = play.now.after(Millis(waits[0]));
        if is_checked {
            play.pass();
        }
        play.now = play.now.after(Millis(waits[1]));
        let stamp = play.plan_stamp();
        let reply = plan_reply("반갑습니다. 하나 더.", None, "").to_string();
        let half = reply.floor_char_boundary(30);
        play.stream(&stamp, &reply[..half], &[]);
        play.now = play.now.after(Millis(waits[2]));
        if !is_cut_off {
            play.reply(&stamp, &reply, &[]);
            play.now = play.now.after(Millis(waits[3]));
            if is_checked {
                play.pass();
            }
        }
        play.send(CommandKind::CancelResponse).expect("ended, if it had not");
        let completed = completed(&play);
        let sum: u64 = completed.latency.segments.iter().map(|part| part.ms.0).sum();
        prop_assert_eq!(sum, completed.latency.total_ms.0);
        let heard = completed.latency.segments.iter().find(|part| part.segment == Segment::Transcription);
        let expected = is_spoken.then(|| Millis(began_at.since(ended_at).0));
        prop_assert_eq!(heard.map(|part| part.ms), expected);
        let order: Vec<Segment> = completed.latency.segments.iter().map(|part| part.segment).collect();
        prop_assert_eq!(
            &order[order.len() - 3..],
            &[Segment::PlannerFirstToken, Segment::FirstSentence, Segment::Delivery]
        );
    }
}
