//! Two devices on one session.

use std::time::Duration;

use crate::call::{Exchange, headset, microphone};
use crate::ears::Answer;
use crate::hearing::PAUSE;
use crate::model::{answer, whole};
use crate::sounds::{frames, recorded};
use crate::world::say;

#[tokio::test(start_paused = true)]
async fn the_microphone_is_whose_start_came_last() {
    let exchange = Exchange::new().await;
    let (mut first, mut second) = (exchange.phone(), exchange.phone());
    first.line.start(&microphone()).unwrap();
    first.say(&recorded("long-story")[..16_000 * 2]).await;
    second.line.start(&microphone()).unwrap();
    exchange.ears.next(Answer::Words("From the second"));
    // The first one has not heard of it yet, and goes on.
    for frame in frames(&recorded("yes")) {
        first.line.frame(&frame).unwrap();
    }
    second.say(&recorded("okay")).await;
    second.listen(PAUSE).await;
    first.take();
    assert_eq!(first.names(), ["started", "stopped", "cancelled", "taken"]);
    assert_eq!(exchange.said(), ["From the second"]);

    exchange.ears.next(Answer::Words("From the first"));
    first.line.start(&microphone()).unwrap();
    first.say(&recorded("okay")).await;
    first.listen(PAUSE).await;
    second.take();
    assert_eq!(second.names(), ["started", "stopped", "taken"]);
    assert_eq!(exchange.said(), ["From the second", "From the first"]);
}

#[tokio::test(start_paused = true)]
async fn two_that_fight_for_it_end_with_one_that_has_it() {
    let exchange = Exchange::new().await;
    let (mut first, mut second) = (exchange.phone(), exchange.phone());
    for _ in 0..20 {
        first.line.start(&microphone()).unwrap();
        second.line.start(&microphone()).unwrap();
    }
    tokio::task::yield_now().await;
    exchange.ears.next(Answer::Words("From the second"));
    second.say(&recorded("okay")).await;
    second.listen(PAUSE).await;
    first.take();
    assert!(first.names().iter().all(|name| *name == "taken") && !first.names().is_empty());
    assert_eq!(exchange.said(), ["From the second"]);
}

#[tokio::test(start_paused = true)]
async fn who_has_the_microphone_silences_the_one_that_speaks() {
    let exchange = Exchange::new().await;
    exchange.world.fill_brief(exchange.session).await;
    let (mut speaker, mut phone) = (exchange.phone(), exchange.phone());
    speaker.line.start(&headset()).unwrap();
    speaker.stall(Duration::from_millis(100)).await;
    phone.line.start(&microphone()).unwrap();
    exchange.ears.next(Answer::Words("Tell me more."));
    let reply =
        "This is a reply that takes its time. It has more than one sentence. It goes on for quite a while.";
    exchange.world.model.script("planner", whole(&answer(reply)));
    phone.say(&recorded("what-do-you-need")).await;
    phone.listen(PAUSE).await;
    while speaker.played < Duration::from_secs(1) {
        speaker.stall(Duration::from_millis(20)).await;
    }
    speaker.told.clear();

    // Somebody just listens.
    exchange.ears.next(Answer::Words("Uh-huh."));
    let both = async |phone: &mut crate::call::Phone, speaker: &mut crate::call::Phone, samples: &[i16]| {
        for frame in samples.chunks(320) {
            phone.say(frame).await;
            speaker.take();
        }
    };
    both(&mut phone, &mut speaker, &recorded("uh-huh")).await;
    both(&mut phone, &mut speaker, &vec![0; 16_000]).await;
    assert_eq!(speaker.names(), ["pause", "resume"]);
    assert!(phone.names().contains(&"backchannel"));

    // Somebody wants to say something.
    exchange.ears.next(Answer::Words("No, wait, stop."));
    both(&mut phone, &mut speaker, &recorded("wait-stop")).await;
    both(&mut phone, &mut speaker, &vec![0; 32_000]).await;
    let told = speaker.names();
    assert_eq!(told[2..4], ["pause", "cancel"], "{told:?}");
    assert_eq!(exchange.said().len(), 2);
    assert_eq!(exchange.heard().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_gives_the_loudspeaker_back_leaves_nobody_silenced() {
    let exchange = Exchange::new().await;
    exchange.world.fill_brief(exchange.session).await;
    let (mut speaker, mut phone) = (exchange.phone(), exchange.phone());
    speaker.line.start(&headset()).unwrap();
    speaker.stall(Duration::from_millis(100)).await;
    phone.line.start(&microphone()).unwrap();
    exchange.ears.next(Answer::Late(Duration::from_secs(2), ""));
    phone.say(&recorded("okay")).await;
    phone.listen(PAUSE).await;
    // It would speak itself when it turns out that nothing was said, and then no more.
    phone.line.start(&headset()).unwrap();
    phone.listen(Duration::from_secs(3)).await;
    assert_eq!(phone.names(), ["started", "stopped", "nothing"]);
    phone.line.start(&microphone()).unwrap();
    phone.listen(PAUSE).await;
    exchange
        .world
        .model
        .script("planner", whole(&answer("There is room.")));
    exchange
        .world
        .send(exchange.session, say("Is there room?"))
        .await
        .unwrap();
    speaker.stall(PAUSE).await;
    assert_eq!(speaker.names(), ["taken", "begin", "end"]);
}
