//! The user speaks while a reply is spoken: it stops at once, and goes on or is cut off.

use std::time::Duration;

use greenroom_actors::voice::mouth::{Mouth, Standing};
use greenroom_protocol::{CallOutcome, Signal, TurnOutcome};
use tokio::time::Instant;

use crate::model::{answer, pieces, whole};
use crate::replies::{FIRST, NEXT_QUESTION, QUESTION, SECOND, THIRD, reply, same_sound, sound_of};
use crate::speaker::{End, Twist};
use crate::stage::Stage;
use crate::world::{eventually, pass, say};

#[tokio::test(start_paused = true)]
async fn a_cough_stops_the_sound_at_once_and_it_goes_on_without_a_gap_or_an_overlap() {
    let stage = Stage::new().await;
    stage.ask(&reply()).await;
    for received_ms in [300, 1_000, 2_500] {
        stage.until_received(Duration::from_millis(received_ms)).await;
        stage.with_mouth(Mouth::hold).await;
        stage.with_mouth(Mouth::hold).await;
        pass(Duration::from_millis(700)).await;
        stage.with_mouth(Mouth::release).await;
        stage.with_mouth(Mouth::release).await;
    }
    stage.settle_down().await;
    let last = stage.last();
    // The client itself has checked that nothing came while it was paused, and every `at_ms`.
    let pauses = last
        .signals
        .iter()
        .filter(|signal| matches!(signal, Signal::AudioPause { .. }));
    assert_eq!(pauses.count(), 3);
    assert_eq!(last.signals.len(), 8);
    same_sound(&last, &[FIRST, SECOND, THIRD, QUESTION]);
    assert_eq!(last.gaps, Duration::ZERO);
    assert_eq!(stage.heard()[0].1, reply());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_reply_can_be_held_too() {
    let stage = Stage::new().await;
    stage.ask(&reply()).await;
    let whole = sound_of(&[FIRST, SECOND, THIRD, QUESTION]).len();
    let length = Duration::from_millis(u64::try_from(whole).unwrap() / 24);
    stage.until_received(length).await;
    stage.with_mouth(Mouth::hold).await;
    pass(Duration::from_secs(5)).await;
    assert!(matches!(stage.standing().await, Standing::Speaking { .. }));
    assert_eq!(stage.heard(), []);
    stage.with_mouth(Mouth::release).await;
    stage.settle_down().await;
    let last = stage.last();
    assert!(last.is_ended && !last.is_cancelled && last.samples().len() == whole);
    assert_eq!(stage.heard()[1].1, QUESTION);
}

#[tokio::test(start_paused = true)]
async fn a_reply_does_not_begin_while_the_user_speaks() {
    let stage = Stage::new().await;
    let turn_id = stage
        .ask_scripted(pieces(&answer(&reply()), 8, Duration::from_millis(100)))
        .await;
    stage.with_mouth(Mouth::hold).await;
    pass(Duration::from_secs(5)).await;
    let pending = Standing::Pending {
        turn_id: Some(turn_id),
    };
    assert_eq!((stage.standing().await, stage.replies().len()), (pending, 0));
    assert_eq!(stage.reserved(), 0, "what may not be wanted is not paid for");
    stage.with_mouth(Mouth::release).await;
    stage.settle_down().await;
    let last = stage.last();
    assert_eq!(last.signals.len(), 2, "it was never paused");
    same_sound(&last, &[FIRST, SECOND, THIRD, QUESTION]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_reply_tells_exactly_the_words_that_were_heard_and_pays_for_no_more() {
    let stage = Stage::new().await;
    let turn_id = stage
        .ask_scripted(pieces(&answer(&reply()), 8, Duration::from_millis(150)))
        .await;
    stage.until_received(Duration::from_millis(1_300)).await;
    stage.with_mouth(Mouth::hold).await;
    let acked = Duration::from_millis(300);
    pass(acked).await;
    let told = stage.cancel().await.unwrap();
    assert_eq!(told.turn_id, Some(turn_id));
    let played_ms = u64::try_from(stage.last().played(Instant::now()).as_millis()).unwrap();
    assert_eq!(
        stage.heard(),
        [(played_ms, told.parts[0].text.clone())],
        "the client acked at the pause"
    );
    let (said, unsaid) = FIRST.split_at(told.parts[0].text.len());
    assert_eq!(said, told.parts[0].text);
    assert!(
        said.ends_with(char::is_alphabetic) && unsaid.starts_with(' '),
        "{said}|{unsaid}"
    );
    let completed = stage.completed(turn_id).unwrap();
    assert_eq!(completed.outcome, TurnOutcome::Interrupted);
    let calls_then = stage.reserved();
    stage.settle_down().await;
    let last = stage.last();
    assert!(last.is_cancelled && matches!(last.signals.last(), Some(Signal::AudioCancel { .. })));
    assert_eq!((stage.reserved(), stage.replies().len()), (calls_then, 1));
    assert_eq!(stage.settled().len(), calls_then);
}

#[tokio::test(start_paused = true)]
async fn cancelling_drops_the_call_upstream_and_books_it_as_unknown() {
    let stage = Stage::new().await;
    stage.speaker.twist(FIRST, Twist::Hangs(24_000));
    stage.ask(&reply()).await;
    stage.until_received(Duration::from_millis(900)).await;
    stage.cancel().await.unwrap();
    eventually(|| stage.speaker.calls()[0].end == End::Dropped).await;
    stage.settle_down().await;
    assert_eq!(stage.settled(), [CallOutcome::Unknown]);
    assert_eq!(stage.errors().len(), 0, "it is no fault");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_while_it_is_booked_never_leaves() {
    let stage = Stage::new().await;
    let steps = pieces(&answer(&reply()), 40, Duration::from_secs(1));
    stage.ask_scripted(steps).await;
    // The words are there; the booking is not.
    stage.with_mouth(Mouth::hold).await;
    pass(Duration::from_millis(1_500)).await;
    stage.world.journal.hold();
    stage.with_mouth(Mouth::release).await;
    stage.world.journal.until_appends_wait(1).await;
    let heard = stage.with_mouth(Mouth::cancel).await.unwrap();
    assert!(heard.parts.iter().all(|part| part.text.is_empty()));
    assert_eq!(
        stage.standing().await,
        Standing::Silent,
        "nobody waits for the cancelled"
    );
    stage.world.journal.release();
    stage.settle_down().await;
    assert_eq!(
        (stage.reserved(), stage.settled()),
        (1, vec![CallOutcome::Failed])
    );
    assert_eq!(stage.speaker.texts(), [""; 0]);
    assert_eq!(stage.replies().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_next_reply_is_spoken_while_the_calls_of_the_last_are_still_being_settled() {
    let stage = Stage::new().await;
    stage.speaker.twist(FIRST, Twist::Hangs(24_000));
    stage.ask(&reply()).await;
    stage.until_received(Duration::from_millis(600)).await;
    stage.world.journal.hold();
    stage.with_mouth(Mouth::cancel).await.unwrap();
    eventually(|| stage.speaker.calls()[0].end == End::Dropped).await;
    stage.world.model.script("planner", whole(&answer(SECOND)));
    let (asked, ()) = tokio::join!(stage.world.send(stage.session, say("And then?")), async {
        stage.world.journal.until_appends_wait(1).await;
        stage.world.journal.release();
    });
    asked.unwrap();
    stage.settle_down().await;
    same_sound(&stage.last(), &[SECOND, NEXT_QUESTION]);
    assert_eq!(stage.reserved(), stage.settled().len());
    assert_eq!(stage.settled()[0], CallOutcome::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_typed_turn_cuts_off_what_is_being_said_and_is_answered_aloud() {
    let stage = Stage::new().await;
    stage.ask(&reply()).await;
    stage.until_received(Duration::from_millis(2_300)).await;
    stage.ask(THIRD).await;
    stage.settle_down().await;
    let replies = stage.replies();
    assert!(replies[0].is_cancelled && replies[1].is_ended);
    same_sound(&replies[1], &[THIRD, QUESTION]);
    let heard = stage.heard();
    assert!(
        heard[0].1.starts_with(FIRST) && heard[0].1.len() < reply().len(),
        "{heard:?}"
    );
    assert_eq!(heard[1], (0, String::new()), "its question was not heard");
    assert_eq!(heard[2].1, THIRD);
}

#[tokio::test(start_paused = true)]
async fn a_pending_reply_can_be_cancelled_before_a_word_of_it_is_there() {
    let stage = Stage::new().await;
    let turn_id = stage
        .ask_scripted(pieces(&answer(&reply()), 8, Duration::from_secs(1)))
        .await;
    pass(Duration::from_millis(100)).await;
    let told = stage.cancel().await.unwrap();
    assert_eq!((told.turn_id, told.parts.len()), (Some(turn_id), 0));
    stage.settle_down().await;
    assert_eq!(
        stage.completed(turn_id).unwrap().outcome,
        TurnOutcome::Interrupted
    );
    assert_eq!((stage.replies().len(), stage.reserved()), (0, 0));
    assert_eq!(stage.with_mouth(Mouth::cancel).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_question_counts_as_heard_when_it_was_played() {
    let stage = Stage::new().await;
    let turn_id = stage.ask(FIRST).await;
    stage.until_received(Duration::from_secs(1)).await;
    let speaking = |question_heard| Standing::Speaking {
        turn_id: Some(turn_id),
        question_heard,
    };
    assert_eq!(stage.standing().await, speaking(false));
    let whole = sound_of(&[FIRST, QUESTION]).len();
    let whole = Duration::from_millis(u64::try_from(whole).unwrap() / 24);
    stage
        .until_received(whole.saturating_sub(Duration::from_millis(500)))
        .await;
    stage.with_mouth(Mouth::hold).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(stage.standing().await, speaking(false), "its end was not played");
    stage.with_mouth(Mouth::release).await;
    pass(Duration::from_millis(800)).await;
    stage.with_mouth(Mouth::hold).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(stage.standing().await, speaking(true));
    let told = stage.cancel().await.unwrap();
    assert_eq!(told.parts[0].text, FIRST);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_goes_tells_what_was_heard_and_settles_what_was_booked() {
    let stage = Stage::new().await;
    stage.speaker.twist(SECOND, Twist::Hangs(12_000));
    stage.ask(&reply()).await;
    stage.until_received(Duration::from_millis(1_800)).await;
    let heard = stage.close().await.unwrap();
    assert!(heard.parts[0].heard_ms.0 >= 1_000 && FIRST.starts_with(&heard.parts[0].text));
    eventually(|| stage.tasks.is_empty()).await;
    assert_eq!(stage.settled(), [CallOutcome::Ok, CallOutcome::Unknown]);
    assert!(
        stage.completed(heard.turn_id.unwrap()).is_some(),
        "its text went on"
    );
}
