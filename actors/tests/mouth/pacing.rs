//! How far ahead of its playback a reply is sent, whatever the client does.

use std::time::Duration;

use crate::client::Acks;
use crate::replies::{FIRST, QUESTION, SECOND, THIRD, reply, same_sound, sound_of};
use crate::speaker::{Twist, length_of};
use crate::stage::{LEAD, Setting, Stage};
use crate::world::{World, pass};

async fn stage_of(acks: Acks) -> Stage {
    let setting = Setting {
        acks,
        ..Setting::default()
    };
    Stage::with(World::new().await, setting).await
}

#[tokio::test(start_paused = true)]
async fn an_honest_client_is_never_further_behind_than_the_lead_and_never_runs_dry() {
    for acks in [Acks::Honest, Acks::Never] {
        let stage = stage_of(acks).await;
        stage.ask(&reply()).await;
        stage.settle_down().await;
        let last = stage.last();
        assert!(last.ahead_max <= LEAD, "{acks:?}: {:?} ahead", last.ahead_max);
        assert!(last.ahead_max + Duration::from_millis(20) >= LEAD, "{acks:?}");
        assert_eq!(last.gaps, Duration::ZERO, "{acks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_acks_nonsense_is_sent_no_more_than_it_was_sent_and_a_lead() {
    let stage = stage_of(Acks::Nonsense).await;
    stage.ask(&reply()).await;
    stage.settle_down().await;
    let last = stage.last();
    assert!(last.is_ended || last.is_cancelled);
    let whole = sound_of(&[FIRST, SECOND, THIRD, QUESTION]);
    assert!(whole.starts_with(&last.samples()), "what it gets is in order");
    // Each lie is worth one lead.
    let played = last.ahead_max;
    assert!(
        played <= LEAD * 2 + Duration::from_millis(500),
        "{played:?} ahead"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_plays_nothing_is_given_up() {
    let stage = stage_of(Acks::Zero).await;
    stage.ask(&reply()).await;
    pass(Duration::from_secs(9)).await;
    assert!(!stage.last().is_cancelled);
    assert!(stage.last().received() <= LEAD + Duration::from_secs(1));
    stage.settle_down().await;
    assert!(stage.last().is_cancelled);
    assert_eq!(stage.heard(), [(0, String::new()), (0, String::new())]);
    assert_eq!(stage.reserved(), stage.settled().len());
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_takes_nothing_stops_the_voice_upstream() {
    let setting = Setting {
        takes: false,
        ..Setting::default()
    };
    let stage = Stage::with(World::new().await, setting).await;
    let long = "The market by the harbour is open until six, ".repeat(6) + "as ever.";
    stage.ask(&format!("{FIRST} {long}")).await;
    pass(Duration::from_secs(8)).await;
    let calls = stage.speaker.calls();
    let made: usize = calls.iter().map(|call| call.bytes).sum();
    // Two seconds wait to be sent, a lead was sent, and a few pieces are in hand.
    let seconds = Duration::from_secs_f64(f64::from(u32::try_from(made).unwrap()) / 48_000.0);
    assert!(seconds < Duration::from_millis(3_300), "{seconds:?} were made");
    assert!(seconds > Duration::from_secs(2), "{seconds:?} were made");
    assert_eq!(stage.replies().len(), 0);

    pass(Duration::from_secs(3)).await;
    stage.set_takes(true);
    stage.settle_down().await;
    assert_eq!(
        stage.replies().len(),
        0,
        "nobody is left to hear it, and nothing stale is sent"
    );
    assert_eq!(stage.reserved(), stage.settled().len());
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_slow_gets_everything_late() {
    let setting = Setting {
        takes: false,
        ..Setting::default()
    };
    let stage = Stage::with(World::new().await, setting).await;
    stage.ask(&reply()).await;
    for _ in 0..3 {
        pass(Duration::from_secs(4)).await;
        stage.set_takes(true);
        pass(Duration::from_millis(600)).await;
        stage.set_takes(false);
    }
    stage.set_takes(true);
    stage.settle_down().await;
    let last = stage.last();
    same_sound(&last, &[FIRST, SECOND, THIRD, QUESTION]);
    assert!(last.ahead_max <= LEAD);
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_is_late_leaves_a_gap_and_loses_nothing() {
    let stage = Stage::new().await;
    stage.speaker.twist(SECOND, Twist::Late(length_of(FIRST) * 2));
    stage.ask(&reply()).await;
    stage.settle_down().await;
    let last = stage.last();
    assert!(
        last.gaps > length_of(FIRST) / 2 && last.gaps < length_of(FIRST) * 2,
        "{:?}",
        last.gaps
    );
    same_sound(&last, &[FIRST, SECOND, THIRD, QUESTION]);
    assert!(last.ahead_max <= LEAD);
}
