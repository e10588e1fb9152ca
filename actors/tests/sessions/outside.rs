//! Calls made outside a session: what came of them is taken while the server drains, and waited for.

use std::time::Duration;

use greenroom_protocol::{
    AssetId, CallId, CallOutcome, CallPurpose, ErrorCode, Event, Role, SessionId, TurnOutcome,
};
use greenroom_session::{
    CallCost, CallRecord, CommandKind, KeptRecording, OutsideCall, Receipt, Settlement, Spoken,
};
use tokio::time::Instant;

use crate::model::Step;
use crate::world::{World, code, edit, pass, say};

const RECORDING: &str = "the digest of a recording";
const DRAIN: Duration = Duration::from_secs(30);

fn transcribe() -> CommandKind {
    CommandKind::ReserveCall {
        call: OutsideCall::Transcribe {
            audio_digest: Some(RECORDING.to_owned()),
        },
    }
}

fn record() -> CallRecord {
    CallRecord {
        provider: "scripted".to_owned(),
        model: "ears".to_owned(),
        response_id: None,
        request_id: None,
        usage: None,
        cost: CallCost::Known(5),
    }
}

/// The words of the recording whose transcription was reserved.
fn heard(reserved: &Receipt) -> CommandKind {
    CommandKind::UserMessage {
        text: "Hello there".to_owned(),
        spoken: Some(Box::new(Spoken {
            turn_id: reserved.turn_id.unwrap(),
            call_id: reserved.call_id.unwrap(),
            record: record(),
            audio_digest: Some(RECORDING.to_owned()),
            ended_at: greenroom_protocol::Timestamp::from_unix_ms(0),
            endpoint_at: None,
            voiced: false,
        })),
    }
}

/// The same, said to somebody who speaks the reply.
fn voiced(reserved: &Receipt) -> CommandKind {
    let mut said = heard(reserved);
    if let CommandKind::UserMessage {
        spoken: Some(spoken), ..
    } = &mut said
    {
        spoken.voiced = true;
    }
    said
}

fn settle(call_id: CallId) -> CommandKind {
    CommandKind::SettleCall {
        call_id,
        settlement: Box::new(Settlement {
            outcome: CallOutcome::Ok,
            record: Some(record()),
            error: None,
            reason: None,
            asset: None,
        }),
    }
}

/// How the transcriptions of a session were booked.
fn transcriptions(world: &World, session: SessionId) -> Vec<CallOutcome> {
    let events = world.journal.events(session).into_iter();
    events
        .filter_map(|event| match event {
            Event::CallSettled(settled) if settled.purpose == CallPurpose::Transcribe => {
                Some(settled.outcome)
            }
            _ => None,
        })
        .collect()
}

fn turns_ended(world: &World, session: SessionId) -> Vec<TurnOutcome> {
    let events = world.journal.events(session).into_iter();
    events
        .filter_map(|event| match event {
            Event::TurnCompleted(completed) => Some(completed.outcome),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drains_begins_nothing_goes_on_with_live_speech_and_takes_what_came_of_the_calls_before()
 {
    let world = World::new().await;
    let session = world.create().await;
    let words = world.send(session, transcribe()).await.unwrap();
    let nothing = world.send(session, transcribe()).await.unwrap();
    world.greenroom.drain();
    for begins in [transcribe(), say("Hello there"), edit("nuts")] {
        let refused = world.send(session, begins).await.unwrap_err();
        assert_eq!(code(refused), ErrorCode::SysDraining);
    }
    // Whoever speaks goes on speaking, and a reply that is being spoken is spoken to its end.
    for call in [
        OutsideCall::Transcribe { audio_digest: None },
        OutsideCall::Speak {
            turn_id: words.turn_id,
        },
    ] {
        let booked = world.send(session, CommandKind::ReserveCall { call }).await;
        let call_id = booked.unwrap().call_id.unwrap();
        world.send(session, settle(call_id)).await.unwrap();
    }
    world
        .send(session, settle(nothing.call_id.unwrap()))
        .await
        .unwrap();
    let turn = world.send(session, heard(&words)).await.unwrap();
    assert_eq!(turn.turn_id, words.turn_id);
    world.greenroom.shutdown(DRAIN).await;
    assert_eq!(
        transcriptions(&world, session),
        [CallOutcome::Ok, CallOutcome::Ok, CallOutcome::Ok]
    );
    assert_eq!(turns_ended(&world, session), [TurnOutcome::Ok]);
}

/// What is told of a reply that is being spoken: when it was first heard of, and how much of it was heard.
#[tokio::test(start_paused = true)]
async fn a_server_that_drains_is_told_of_the_reply_that_is_being_spoken() {
    let world = World::new().await;
    let session = world.create().await;
    let reserved = world.send(session, transcribe()).await.unwrap();
    let mut follower = world.follow(session).await;
    world.send(session, voiced(&reserved)).await.unwrap();
    let is_reply = |event: &Event| matches!(event, Event::MessageAdded(said) if said.role == Role::Assistant);
    follower.until(is_reply).await;
    assert_eq!(turns_ended(&world, session), [], "it waits for its voice");

    world.greenroom.drain();
    let turn_id = reserved.turn_id.unwrap();
    let at = Some(greenroom_protocol::Timestamp::from_unix_ms(1_000));
    for told in [
        CommandKind::ReplyVoiced {
            turn_id,
            first_byte_at: at,
            first_sent_at: at,
        },
        CommandKind::ReplyHeard {
            turn_id,
            parts: Vec::new(),
            cancels: true,
        },
        CommandKind::KeepRecording {
            asset: KeptRecording {
                asset_id: AssetId::new(ulid::Ulid::from(9_u128)),
                url: "/api/recordings/9.ogg".to_owned(),
                media_type: "audio/ogg".to_owned(),
                size_bytes: 4_096,
            },
        },
    ] {
        world.send(session, told).await.unwrap();
    }
    assert_eq!(turns_ended(&world, session), [TurnOutcome::Ok]);
    let events = world.journal.events(session);
    assert!(events.iter().any(|event| matches!(event, Event::MessageHeard(_))));
    assert!(events.iter().any(|event| matches!(event, Event::AssetReady(_))));
}

#[tokio::test(start_paused = true)]
async fn a_turn_whose_voice_nobody_tells_of_ends_by_itself() {
    let world = World::new().await;
    let session = world.create().await;
    let reserved = world.send(session, transcribe()).await.unwrap();
    let mut follower = world.follow(session).await;
    world.send(session, voiced(&reserved)).await.unwrap();
    follower
        .until(|event| matches!(event, Event::TurnCompleted(_)))
        .await;
    assert_eq!(turns_ended(&world, session), [TurnOutcome::Ok]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_what_is_being_heard_and_for_the_turn_of_it() {
    let world = World::new().await;
    let session = world.create().await;
    let reserved = world.send(session, transcribe()).await.unwrap();
    let hearing = async {
        pass(DRAIN / 2).await;
        world.send(session, heard(&reserved)).await.unwrap();
    };
    let began = Instant::now();
    tokio::join!(world.greenroom.shutdown(DRAIN), hearing);
    assert!(began.elapsed() < DRAIN, "it stops once the turn has ended");
    assert_eq!(transcriptions(&world, session), [CallOutcome::Ok]);
    assert_eq!(turns_ended(&world, session), [TurnOutcome::Ok]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_beyond_its_deadline_for_what_is_never_told() {
    let world = World::new().await;
    let session = world.create().await;
    world.send(session, transcribe()).await.unwrap();
    let began = Instant::now();
    world.greenroom.shutdown(DRAIN).await;
    assert_eq!(began.elapsed().as_secs(), DRAIN.as_secs());

    let world = world.restart().await;
    world.send(session, edit("nuts")).await.unwrap();
    assert_eq!(transcriptions(&world, session), [CallOutcome::Unknown]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_understood_amid_the_drain_goes_on_at_the_next_start() {
    let world = World::new().await;
    let session = world.create().await;
    let reserved = world.send(session, transcribe()).await.unwrap();
    world.model.script("planner", vec![Step::Hang]);
    world.greenroom.drain();
    world.send(session, heard(&reserved)).await.unwrap();
    world.model.until_under_way(1).await;
    world.greenroom.shutdown(Duration::from_secs(1)).await;
    assert_eq!(turns_ended(&world, session), []);

    let world = world.restart().await;
    world.greenroom.recover();
    let mut follower = world.follow(session).await;
    let ended = |event: &Event| matches!(event, Event::TurnCompleted(completed) if Some(completed.turn_id) == reserved.turn_id);
    follower.until(ended).await;
    assert_eq!(turns_ended(&world, session), [TurnOutcome::Ok]);
    assert_eq!(transcriptions(&world, session), [CallOutcome::Ok]);
}

#[tokio::test(start_paused = true)]
async fn what_was_understood_is_taken_when_the_disk_is_nearly_full() {
    let world = World::new().await;
    let session = world.create().await;
    let reserved = world.send(session, transcribe()).await.unwrap();
    world.journal.set_full(true);
    let refused = world.send(session, transcribe()).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::DbUnavailable);
    let turn = world.send(session, heard(&reserved)).await.unwrap();
    assert_eq!(turn.turn_id, reserved.turn_id);
}
