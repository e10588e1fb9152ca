//! Voices that die, hang and panic: the text stands, the session is told why, and the next reply is spoken.

use std::time::Duration;

use greenroom_actors::voice::mouth::Standing;
use greenroom_protocol::{CallOutcome, ErrorCode, Signal, TurnOutcome};

use crate::model::{Step, answer, pieces, whole};
use crate::replies::{FIRST, NEXT_QUESTION, QUESTION, SECOND, THIRD, reply, same_sound};
use crate::speaker::{Twist, length_of, samples_of};
use crate::stage::Stage;
use crate::world::pass;

/// The voice fails in the second sentence; the next turn is spoken as if nothing had been.
async fn check_broken(twist: Twist, made: usize, code: ErrorCode, booked: CallOutcome) {
    let stage = Stage::new().await;
    stage.speaker.twist(SECOND, twist);
    let turn_id = stage.ask_aloud(&reply()).await;
    stage.settle_down().await;
    let last = stage.last();
    let mut sound = samples_of(FIRST);
    sound.extend_from_slice(&samples_of(SECOND)[..made]);
    sound.resize(sound.len().next_multiple_of(480), 0);
    assert!(last.samples() == sound && last.is_ended && !last.is_cancelled);
    assert_eq!(stage.settled(), [CallOutcome::Ok, booked]);
    let errors = stage.errors();
    assert_eq!(errors.len(), 1);
    assert_eq!(
        (errors[0].error.code, errors[0].turn_id, errors[0].will_retry),
        (code, Some(turn_id), false)
    );
    assert_eq!(stage.completed(turn_id).unwrap().outcome, TurnOutcome::Ok);
    assert_eq!(stage.heard(), [], "its text stands");

    stage.ask(FIRST).await;
    stage.settle_down().await;
    same_sound(&stage.last(), &[FIRST, NEXT_QUESTION]);
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_dies_amid_a_sentence() {
    check_broken(
        Twist::BreaksOff(9_999),
        9_999,
        ErrorCode::TtsFailed,
        CallOutcome::Unknown,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_hangs_amid_a_sentence() {
    check_broken(
        Twist::Hangs(4_800),
        4_800,
        ErrorCode::TtsTimeout,
        CallOutcome::Unknown,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_panics() {
    check_broken(
        Twist::Panics(4_800),
        4_800,
        ErrorCode::SysInternal,
        CallOutcome::Unknown,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_whose_voice_never_sounds_does_not_wait_for_it() {
    let stage = Stage::new().await;
    stage.speaker.twist(FIRST, Twist::BreaksOff(0));
    let turn_id = stage.ask_aloud(&reply()).await;
    pass(Duration::from_millis(100)).await;
    assert_eq!(stage.completed(turn_id).unwrap().outcome, TurnOutcome::Ok);
    assert_eq!(stage.standing().await, Standing::Silent);
    stage.settle_down().await;
    assert_eq!((stage.replies().len(), stage.heard().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_never_answers_is_given_up() {
    let stage = Stage::new().await;
    stage.speaker.twist(FIRST, Twist::Late(Duration::from_hours(1)));
    stage.ask(&reply()).await;
    stage.settle_down().await;
    assert_eq!(stage.errors()[0].error.code, ErrorCode::TtsTimeout);
    assert_eq!(stage.settled(), [CallOutcome::Unknown]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_book_a_call_is_told_by_a_notice() {
    let stage = Stage::new().await;
    let mut steps = whole(&answer(&reply()));
    steps.insert(0, Step::Pause(Duration::from_secs(1)));
    stage.ask_scripted(steps).await;
    stage.world.journal.set_full(true);
    stage.settle_down().await;
    assert_eq!((stage.replies().len(), stage.reserved()), (0, 0));
    let signals = &stage.client.lock().unwrap().other_signals;
    let told = signals
        .iter()
        .any(|signal| matches!(signal, Signal::Notice { error } if error.code == ErrorCode::DbUnavailable));
    assert!(told, "{signals:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drains_speaks_what_is_being_said_to_its_end() {
    let stage = Stage::new().await;
    stage.ask(&reply()).await;
    stage.until_received(length_of(FIRST) / 2).await;
    stage.world.greenroom.drain();
    stage.settle_down().await;
    same_sound(&stage.last(), &[FIRST, SECOND, THIRD, QUESTION]);
    assert_eq!(stage.settled(), [CallOutcome::Ok; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_folded_anew_amid_a_reply_begins_it_anew() {
    let stage = Stage::new().await;
    let turn_id = stage
        .ask_scripted(pieces(&answer(&reply()), 8, Duration::from_millis(50)))
        .await;
    stage.world.model.script("planner", whole(&answer(SECOND)));
    stage.until_received(length_of(FIRST) / 2).await;
    stage.world.journal.steal(stage.session);
    stage.settle_down().await;
    let replies = stage.replies();
    assert!(replies.len() == 2 && replies[0].is_cancelled);
    same_sound(&replies[1], &[SECOND, QUESTION]);
    assert_eq!(stage.completed(turn_id).unwrap().outcome, TurnOutcome::Ok);
    assert_eq!(stage.heard()[0].1, SECOND);
}
