//! A recogniser that listens along.

use std::time::Duration;

use greenroom_protocol::{CallOutcome, TurnOutcome};

use crate::call::{Exchange, Phone, headset, microphone};
use crate::ears::{Answer, Given};
use crate::hearing::PAUSE;
use crate::model::{answer, whole};
use crate::sounds::{length_of, recorded};

async fn listening(exchange: &Exchange) -> Phone {
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    phone.listen(Duration::from_millis(100)).await;
    phone
}

#[tokio::test(start_paused = true)]
async fn it_hears_what_is_said_while_it_is_said_and_its_words_are_the_turn() {
    let exchange = Exchange::listening_along().await;
    let mut phone = listening(&exchange).await;
    let name = recorded("brief-02-name");
    let (first, second) = name.split_at(name.len() / 2 / 320 * 320);
    phone.say(first).await;
    let given = exchange.live.given();
    assert!(
        matches!(given[..], [Given::Begun(_), Given::Heard(samples)] if samples > first.len() / 2),
        "{given:?}"
    );
    exchange.live.partial("It is");
    phone.say(second).await;
    phone.listen(PAUSE).await;
    let given = exchange.live.given();
    let [Given::Begun(call), Given::Heard(samples), Given::Committed] = given[..] else {
        panic!("{given:?}");
    };
    assert!(samples > name.len() * 8 / 10 && samples < name.len() + 16_000);
    exchange.live.complete(call, "It is called Morning Glow.");
    phone.listen(PAUSE).await;
    assert_eq!(phone.names(), ["started", "partial", "stopped"]);
    assert_eq!(exchange.said(), ["It is called Morning Glow."]);
    assert_eq!(exchange.ears.requests().len(), 0, "it is not transcribed twice");
    assert_eq!(exchange.transcriptions(), [CallOutcome::Ok]);
    assert_eq!(exchange.outcomes(), [TurnOutcome::Ok]);
}

#[tokio::test(start_paused = true)]
async fn what_it_does_not_understand_is_transcribed_under_another_call() {
    for fails_amid_speech in [true, false] {
        let exchange = Exchange::listening_along().await;
        exchange.ears.next(Answer::Words("It is called Morning Glow."));
        let mut phone = listening(&exchange).await;
        let name = recorded("brief-02-name");
        phone.say(&name[..name.len() / 2]).await;
        if fails_amid_speech {
            exchange.live.fail(exchange.live.call());
        }
        phone.say(&name[name.len() / 2..]).await;
        phone.listen(PAUSE).await;
        if !fails_amid_speech {
            exchange.live.fail(exchange.live.call());
        }
        phone.listen(PAUSE).await;
        assert_eq!(exchange.said(), ["It is called Morning Glow."]);
        let [request] = exchange.ears.requests().try_into().unwrap();
        assert!(Duration::from(request.audio.duration()) > length_of(&name).mul_f32(0.8));
        assert_eq!(exchange.transcriptions(), [CallOutcome::Unknown, CallOutcome::Ok]);
        assert_eq!(phone.errors(), [], "nobody needs to know");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_falls_silent_or_never_opens_is_made_good() {
    for case in ["ends", "falls silent", "never opens"] {
        let exchange = Exchange::listening_along().await;
        *exchange.live.refuses.lock().unwrap() = case == "never opens";
        exchange.ears.next(Answer::Words("Yes."));
        exchange.ears.next(Answer::Words("Okay."));
        let mut phone = listening(&exchange).await;
        phone.say(&recorded("yes")).await;
        if case == "ends" {
            exchange.live.hang_up();
        }
        phone.listen(6 * PAUSE).await;
        assert_eq!(exchange.said(), ["Yes."], "{case}");
        *exchange.live.refuses.lock().unwrap() = false;
        phone.say(&recorded("okay")).await;
        phone.listen(6 * PAUSE).await;
        assert_eq!(exchange.said(), ["Yes.", "Okay."], "{case}");
        let opened = *exchange.live.opened.lock().unwrap();
        assert_eq!(opened, if case == "falls silent" { 1 } else { 2 }, "{case}");
        assert!(exchange.transcriptions().ends_with(&[CallOutcome::Ok]));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_settled_once_its_price_is_known() {
    let exchange = Exchange::listening_along().await;
    let mut phone = listening(&exchange).await;
    phone.say(&recorded("long-story")[..16_000 * 2]).await;
    let call = exchange.live.call();
    phone.line.stop().unwrap();
    phone.stall(Duration::from_secs(1)).await;
    assert_eq!(exchange.live.given().last(), Some(&Given::Discarded));
    assert_eq!(phone.names(), ["started", "stopped", "cancelled"]);
    exchange.live.complete(call, "");
    phone.stall(Duration::from_secs(1)).await;
    assert_eq!(exchange.transcriptions(), [CallOutcome::Failed]);
    assert!(exchange.said().is_empty());
}

#[tokio::test(start_paused = true)]
async fn words_that_are_surely_a_turn_end_the_reply_before_the_utterance_ends() {
    let exchange = Exchange::listening_along().await;
    exchange.world.fill_brief(exchange.session).await;
    exchange.world.model.script(
        "planner",
        whole(&answer(
            "This is a reply that takes its time. It has more than one sentence. It goes on and on.",
        )),
    );
    let mut phone = exchange.phone();
    phone.line.start(&headset()).unwrap();
    phone.listen(Duration::from_millis(100)).await;
    phone.say(&recorded("what-do-you-need")).await;
    phone.listen(PAUSE).await;
    exchange.live.complete(exchange.live.call(), "Tell me more.");
    while phone.played < Duration::from_secs(1) {
        phone.listen(Duration::from_millis(20)).await;
    }
    phone.told.clear();
    let story = recorded("long-story");
    phone.say(&story[..16_000 * 2]).await;
    exchange.live.partial("uh");
    phone.say(&story[16_000 * 2..16_000 * 3]).await;
    assert_eq!(
        phone.names(),
        ["pause", "started", "partial"],
        "that may be anything"
    );
    exchange.live.partial("well I wanted to say that we");
    phone.say(&story[16_000 * 3..16_000 * 4]).await;
    assert_eq!(phone.names()[3..], ["cancel", "partial"]);
    assert_eq!(exchange.heard().len(), 1);
}
