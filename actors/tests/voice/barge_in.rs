//! Somebody speaks while a reply is spoken.

use std::time::Duration;

use greenroom_protocol::{CallOutcome, Endpointing, Event, Role, TurnOutcome};
use serde_json::json;

use crate::call::{Exchange, Phone, headset};
use crate::ears::Answer;
use crate::hearing::PAUSE;
use crate::model::{answer, whole};
use crate::sounds::recorded;
use crate::speaker::length_of;
use crate::world::say;

const REPLY: &str = "This is a reply that takes its time. It has more than one sentence. It goes on for quite a while \
    after that. Nobody has to hear all of it. Here it ends.";

/// A call amid a spoken reply of which 1.5 s were played.
async fn amid_reply(exchange: &Exchange, mut start: greenroom_actors::voice::AudioStart) -> Phone {
    // Nothing is left to be asked.
    exchange.world.fill_brief(exchange.session).await;
    exchange.ears.next(Answer::Words("Tell me more."));
    exchange.world.model.script("planner", whole(&answer(REPLY)));
    let mut phone = exchange.phone();
    // Nobody waits for long here.
    let endpointing = start.endpointing.get_or_insert_with(Endpointing::default);
    endpointing.delay_ceiling_ms = Some(400);
    phone.line.start(&start).unwrap();
    phone.say(&recorded("what-do-you-need")).await;
    while phone.played < Duration::from_millis(1_500) {
        phone.listen(Duration::from_millis(20)).await;
    }
    phone.told.clear();
    phone
}

#[tokio::test(start_paused = true)]
async fn a_sound_that_is_no_utterance_only_pauses_the_reply() {
    let exchange = Exchange::new().await;
    let mut start = headset();
    start.endpointing = Some(Endpointing {
        min_speech_ms: Some(500),
        ..Endpointing::default()
    });
    let mut phone = amid_reply(&exchange, start).await;
    phone.say(&recorded("yes")).await;
    phone.listen(PAUSE).await;
    assert_eq!(phone.names(), ["pause", "started", "stopped", "noise", "resume"]);
    phone.listen(length_of(REPLY) + PAUSE * 2).await;
    assert_eq!(exchange.heard(), [REPLY]);
    assert_eq!(exchange.outcomes(), [TurnOutcome::Ok]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_of_a_reply_does_not_pause_it() {
    let exchange = Exchange::new().await;
    let mut phone = amid_reply(&exchange, headset()).await;
    // 26 dB fainter, for three seconds.
    let echo: Vec<i16> = recorded("long-story").iter().map(|sample| sample / 20).collect();
    phone.say(&echo[..48_000]).await;
    assert_eq!(phone.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_backchannel_lets_the_reply_go_on_and_so_does_what_nobody_understands() {
    for (words, reason) in [("Uh-huh.", "backchannel"), ("", "nothing")] {
        let exchange = Exchange::new().await;
        let mut phone = amid_reply(&exchange, headset()).await;
        exchange.ears.next(Answer::Words(words));
        phone.say(&recorded("uh-huh")).await;
        phone.listen(length_of(REPLY) + PAUSE * 2).await;
        let told = phone.names();
        for expected in ["pause", "started", "stopped", reason, "resume", "end"] {
            assert!(told.contains(&expected), "{expected}: {told:?}");
        }
        assert!(!told.contains(&"cancel"));
        assert_eq!(exchange.said().len(), 1);
        assert_eq!(exchange.heard(), [REPLY]);
        assert_eq!(exchange.transcriptions(), [CallOutcome::Ok; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_real_turn_cancels_the_reply_of_which_only_what_was_heard_counts() {
    let exchange = Exchange::new().await;
    let mut phone = amid_reply(&exchange, headset()).await;
    exchange.ears.next(Answer::Words("No, wait, stop."));
    exchange
        .world
        .model
        .script("planner", whole(&answer("As you wish.")));
    phone.say(&recorded("wait-stop")).await;
    phone.listen(PAUSE * 3).await;
    let told = phone.names();
    let place = |wanted: &str| told.iter().position(|name| *name == wanted).unwrap();
    assert!(
        place("pause") < place("started") && place("started") < place("stopped"),
        "{told:?}"
    );
    assert!(
        place("stopped") < place("cancel") && place("cancel") < place("begin"),
        "{told:?}"
    );
    assert_eq!(exchange.said(), ["Tell me more.", "No, wait, stop."]);

    let events = exchange.events();
    let turn = |number| {
        let is_it = |event: &Event| matches!(event, Event::TurnStarted(turn) if turn.turn == number);
        events.iter().position(is_it).unwrap()
    };
    let heard = events
        .iter()
        .position(|event| matches!(event, Event::MessageHeard(_)))
        .unwrap();
    assert!(
        turn(1) < heard && heard < turn(2),
        "what was heard is known before the next turn"
    );
    let first = &exchange.heard()[0];
    assert!(
        REPLY.starts_with(first.as_str()) && first.len() > 10 && first.len() < 80,
        "{first}"
    );
    assert_eq!(exchange.heard()[1..], ["As you wish."]);
}

#[tokio::test(start_paused = true)]
async fn a_yes_is_an_answer_once_the_question_was_heard() {
    for (waits, is_turn) in [
        (Duration::from_millis(200), false),
        (Duration::from_secs(5), true),
    ] {
        let exchange = Exchange::new().await;
        exchange.ears.next(Answer::Words("Tell me more."));
        let question = "Shall we put you down for two?";
        let asking = json!({
            "answer": "There is a table by the window, and it is free this evening.",
            "slot_updates": [], "ask": "guest.party", "question": question, "intent": "none",
        });
        exchange.world.model.script("planner", whole(&asking));
        let mut phone = exchange.phone();
        phone.line.start(&headset()).unwrap();
        phone.say(&recorded("what-do-you-need")).await;
        while phone.played < Duration::from_millis(500) {
            phone.listen(Duration::from_millis(20)).await;
        }
        phone.listen(waits).await;
        exchange.ears.next(Answer::Words("Yes."));
        phone.say(&recorded("yes")).await;
        phone.listen(PAUSE * 3).await;
        assert_eq!(
            exchange.said().len(),
            1 + usize::from(is_turn),
            "{:?}",
            phone.names()
        );
        assert!(
            exchange
                .messages(Role::Assistant)
                .iter()
                .any(|text| text.contains(question))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_pause_comes_within_the_moment_in_which_speech_is_certain() {
    let exchange = Exchange::new().await;
    let mut phone = amid_reply(&exchange, headset()).await;
    phone.say(&recorded("wait-stop")).await;
    phone.listen(PAUSE).await;
    assert_eq!(phone.when("pause"), phone.when("started"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cancels_is_told_what_it_heard() {
    let exchange = Exchange::new().await;
    let mut phone = amid_reply(&exchange, headset()).await;
    let cancelled = phone.line.cancel_reply().unwrap();
    cancelled.told().await;
    assert_eq!(
        exchange.heard().len(),
        1,
        "whoever waited may say something else now"
    );
    phone.listen(PAUSE).await;
    assert_eq!(phone.names(), ["cancel"]);
    let [heard] = exchange.heard().try_into().unwrap();
    assert!(REPLY.starts_with(heard.as_str()) && heard.len() < REPLY.len());
    assert!(phone.line.cancel_reply().is_none(), "nothing is spoken any more");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_cancelled_while_somebody_speaks_lets_none_begin_before_they_are_done() {
    let exchange = Exchange::new().await;
    let mut phone = amid_reply(&exchange, headset()).await;
    let story = recorded("long-story");
    phone.say(&story[..16_000 * 2]).await;
    phone.line.cancel_reply().unwrap().told().await;
    exchange
        .world
        .model
        .script("planner", whole(&answer("As you wish.")));
    let typed = say("Something else.");
    exchange.world.send(exchange.session, typed).await.unwrap();
    phone.say(&story[16_000 * 2..16_000 * 4]).await;
    assert_eq!(phone.names(), ["pause", "started", "cancel"]);
    phone.line.stop().unwrap();
    phone.stall(PAUSE).await;
    assert!(
        phone.names().ends_with(&["cancelled", "begin", "end"]),
        "{:?}",
        phone.names()
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_has_heard_what_it_said_it_played() {
    let exchange = Exchange::new().await;
    let phone = amid_reply(&exchange, headset()).await;
    drop(phone);
    exchange.voice.quiet().await;
    let [heard] = exchange.heard().try_into().unwrap();
    assert!(
        REPLY.starts_with(&heard) && heard.len() > 10 && heard.len() < REPLY.len(),
        "{heard}"
    );
}
