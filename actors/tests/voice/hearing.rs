//! What somebody says becomes a turn, or does not, and says why.

use std::sync::atomic::Ordering;
use std::time::Duration;

use greenroom_protocol::{CallOutcome, ErrorCode, Event, Segment, TurnDetection, TurnOutcome};

use crate::call::{Exchange, microphone};
use crate::ears::Answer;
use crate::sounds::{hiss, length_of, recorded, silence};

/// Longer than any endpoint delay, and shorter than it takes to wonder.
pub const PAUSE: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn what_somebody_says_becomes_a_turn_whose_time_begins_with_the_real_end_of_speech() {
    let exchange = Exchange::new().await;
    exchange.ears.next(Answer::Late(
        Duration::from_millis(300),
        "It is called Morning Glow.",
    ));
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    phone.say(&recorded("brief-02-name")).await;
    phone.listen(PAUSE).await;
    assert_eq!(phone.names(), ["started", "stopped"]);
    assert_eq!(exchange.said(), ["It is called Morning Glow."]);
    assert_eq!(exchange.transcriptions(), [CallOutcome::Ok]);

    let [request] = exchange.ears.requests().try_into().unwrap();
    let spoken = length_of(&recorded("brief-02-name"));
    let transcribed = Duration::from(request.audio.duration());
    assert!(transcribed > spoken.mul_f32(0.8) && transcribed < spoken + Duration::from_millis(900));

    let [turn] = exchange.completed().try_into().unwrap();
    assert_eq!(turn.outcome, TurnOutcome::Ok);
    let of = |wanted| {
        let segments = turn.latency.segments.iter();
        segments
            .filter(|part| part.segment == wanted)
            .map(|part| part.ms.0)
            .sum::<u64>()
    };
    // Nobody is known to the ear yet: it waits for 700 ms of silence, in windows of 16.
    assert!(
        (690..=760).contains(&of(Segment::Endpointing)),
        "{:?}",
        turn.latency
    );
    assert!(
        (300..=320).contains(&of(Segment::Transcription)),
        "{:?}",
        turn.latency
    );
    let sum: u64 = turn.latency.segments.iter().map(|part| part.ms.0).sum();
    assert_eq!(turn.latency.total_ms.0, sum);
}

#[tokio::test(start_paused = true)]
async fn the_brief_tells_the_recogniser_which_names_may_be_said() {
    let exchange = Exchange::new().await;
    exchange.world.fill_brief(exchange.session).await;
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    phone.say(&recorded("yes")).await;
    phone.listen(PAUSE).await;
    let [request] = exchange.ears.requests().try_into().unwrap();
    assert!(
        request.vocabulary.contains(&"Kim".to_owned()),
        "{:?}",
        request.vocabulary
    );
}

#[tokio::test(start_paused = true)]
async fn noise_and_what_nobody_understands_make_no_turn() {
    let exchange = Exchange::new().await;
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    phone.say(&hiss(PAUSE)).await;
    phone.listen(PAUSE).await;
    assert_eq!(exchange.ears.requests().len(), 0, "noise is not paid for");
    exchange.ears.next(Answer::Words("   "));
    // Signs that nobody can see: the recogniser finds words, the session none.
    exchange.ears.next(Answer::Words("\u{200b}"));
    for _ in 0..2 {
        phone.say(&recorded("yes")).await;
        phone.listen(PAUSE).await;
    }
    let told = phone.names().join(" ");
    assert!(
        told.ends_with("started stopped nothing started stopped nothing"),
        "{told}"
    );
    assert!(exchange.said().is_empty());
    assert_eq!(exchange.transcriptions(), [CallOutcome::Ok; 2]);
}

#[tokio::test(start_paused = true)]
async fn recognition_that_fails_is_told_with_the_turn_that_it_cost() {
    for answer in [Answer::Fails(ErrorCode::SttFailed), Answer::Panics] {
        let exchange = Exchange::new().await;
        exchange.ears.next(answer);
        exchange.ears.next(Answer::Words("Okay then"));
        let mut phone = exchange.phone();
        phone.line.start(&microphone()).unwrap();
        phone.say(&recorded("yes")).await;
        phone.listen(PAUSE).await;
        assert_eq!(
            phone.names(),
            ["started", "stopped", "notice", "failed"],
            "{answer:?}"
        );
        let errors = exchange.events().into_iter().filter_map(|event| match event {
            Event::Error(error) => Some(error),
            _ => None,
        });
        let [error] = errors.collect::<Vec<_>>().try_into().unwrap();
        assert!(error.turn_id.is_some());
        assert_eq!(phone.errors(), [error.error.code]);
        phone.say(&recorded("okay")).await;
        phone.listen(PAUSE).await;
        assert_eq!(exchange.said(), ["Okay then"], "the next one is understood");
        assert_eq!(exchange.transcriptions(), [CallOutcome::Unknown, CallOutcome::Ok]);
    }
}

#[tokio::test(start_paused = true)]
async fn recognition_that_hangs_is_given_up_and_holds_up_nobody_for_good() {
    let exchange = Exchange::new().await;
    exchange.ears.next(Answer::Hangs);
    exchange.ears.next(Answer::Words("Okay then"));
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    phone.say(&recorded("yes")).await;
    phone.listen(PAUSE).await;
    phone.say(&recorded("okay")).await;
    phone.listen(PAUSE).await;
    assert!(
        exchange.said().is_empty(),
        "what is said later waits for what was said before"
    );
    phone.listen(Duration::from_secs(30)).await;
    assert_eq!(phone.errors(), [ErrorCode::SttTimeout]);
    assert_eq!(exchange.said(), ["Okay then"]);
    let given_up = exchange
        .transcriptions()
        .into_iter()
        .filter(|outcome| *outcome == CallOutcome::Unknown);
    assert_eq!(given_up.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_utterances_are_said_in_the_order_of_speech_whichever_is_understood_first() {
    let exchange = Exchange::new().await;
    exchange.ears.next(Answer::Late(Duration::from_secs(6), "First"));
    exchange.ears.next(Answer::Words("Second"));
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    for word in ["yes", "okay"] {
        phone.say(&recorded(word)).await;
        phone.listen(PAUSE).await;
    }
    assert!(exchange.said().is_empty());
    phone.listen(Duration::from_secs(5)).await;
    assert_eq!(exchange.said(), ["First", "Second"]);
}

#[tokio::test(start_paused = true)]
async fn more_utterances_than_may_wait_are_refused_and_never_paid_for() {
    let exchange = Exchange::new().await;
    for _ in 0..4 {
        exchange.ears.next(Answer::Late(Duration::from_secs(15), "Words"));
    }
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    for _ in 0..5 {
        phone.say(&recorded("yes")).await;
        phone.listen(PAUSE).await;
    }
    assert_eq!(phone.errors(), [ErrorCode::SysOverloaded]);
    phone.listen(Duration::from_secs(40)).await;
    assert_eq!(exchange.said(), ["Words"; 4]);
    assert_eq!(exchange.transcriptions().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn speech_that_never_ends_is_cut_and_goes_on_as_the_next() {
    let exchange = Exchange::new().await;
    exchange.ears.next(Answer::Words("One"));
    exchange.ears.next(Answer::Words("Two"));
    let mut phone = exchange.phone();
    let mut start = microphone();
    start.endpointing = Some(greenroom_protocol::Endpointing {
        max_utterance_ms: Some(5_000),
        ..greenroom_protocol::Endpointing::default()
    });
    phone.line.start(&start).unwrap();
    let story = recorded("long-story");
    assert!(length_of(&story) > Duration::from_secs(6));
    phone.say(&story[..16_000 * 7]).await;
    assert_eq!(phone.names(), ["started", "stopped", "started"]);
    phone.listen(PAUSE).await;
    assert_eq!(exchange.said()[..2], ["One", "Two"]);
    let samples: usize = exchange
        .ears
        .requests()
        .iter()
        .map(|request| request.audio.pcm.len() / 2)
        .sum();
    assert!(samples > 16_000 * 6, "nothing is lost between them");
}

#[tokio::test(start_paused = true)]
async fn by_hand_an_utterance_ends_when_the_client_says_so() {
    let exchange = Exchange::new().await;
    exchange.ears.next(Answer::Words("Yes okay"));
    let mut phone = exchange.phone();
    let mut start = microphone();
    start.turn_detection = TurnDetection::Manual;
    phone.line.start(&start).unwrap();
    phone.say(&recorded("yes")).await;
    phone.listen(4 * PAUSE).await;
    phone.say(&recorded("okay")).await;
    assert_eq!(phone.names(), ["started"]);
    phone.line.commit().unwrap();
    phone.listen(PAUSE).await;
    assert_eq!(exchange.said(), ["Yes okay"]);
    phone.line.commit().unwrap();
    phone.listen(PAUSE).await;
    assert_eq!(
        phone.names(),
        ["started", "stopped", "noise"],
        "a commit of nothing is answered too"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_forgets_what_makes_no_turn_yet_and_what_it_cost_is_booked() {
    let exchange = Exchange::new().await;
    exchange
        .ears
        .next(Answer::Late(Duration::from_secs(5), "Too late"));
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    phone.say(&recorded("yes")).await;
    phone.listen(PAUSE).await;
    let half = recorded("long-story");
    phone.say(&half[..16_000 * 2]).await;
    phone.line.stop().unwrap();
    phone.stall(10 * PAUSE).await;
    assert_eq!(
        phone.names(),
        [
            "started",
            "stopped",
            "started",
            "stopped",
            "cancelled",
            "cancelled"
        ]
    );
    assert!(exchange.said().is_empty());
    assert_eq!(
        exchange.transcriptions(),
        [CallOutcome::Ok],
        "the answer came, and was paid for"
    );
    let refused = phone.line.frame(&[0; 640]).unwrap_err();
    assert_eq!(refused.code, ErrorCode::InputInvalid);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_drops_in_mid_word_loses_that_word_and_nothing_before() {
    let exchange = Exchange::new().await;
    exchange
        .ears
        .next(Answer::Late(Duration::from_secs(3), "Said in full"));
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    phone.say(&recorded("yes")).await;
    phone.listen(PAUSE).await;
    let half = recorded("long-story");
    phone.say(&half[..16_000]).await;
    assert_eq!(exchange.voice.lines(), 1);
    drop(phone);
    exchange.voice.quiet().await;
    assert_eq!(exchange.voice.lines(), 0);
    assert_eq!(exchange.said(), ["Said in full"]);
    assert_eq!(exchange.transcriptions(), [CallOutcome::Ok]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drains_takes_what_was_begun_and_begins_nothing_more() {
    let exchange = Exchange::new().await;
    exchange
        .ears
        .next(Answer::Late(Duration::from_secs(3), "Said before"));
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    phone.say(&recorded("yes")).await;
    phone.listen(PAUSE).await;
    exchange.world.greenroom.drain();
    phone.say(&recorded("okay")).await;
    phone.listen(2 * PAUSE).await;
    assert_eq!(exchange.said(), ["Said before"]);
    assert_eq!(phone.errors(), [ErrorCode::SysDraining]);
    assert_eq!(*phone.names().last().unwrap(), "failed");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_too_soon_is_refused_before_it_is_paid_for() {
    let exchange = Exchange::new().await;
    exchange.wait_s.store(7, Ordering::Relaxed);
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    phone.say(&recorded("yes")).await;
    phone.listen(PAUSE).await;
    assert_eq!(phone.errors(), [ErrorCode::SysRateLimit]);
    assert_eq!(exchange.transcriptions(), []);
    assert_eq!(exchange.ears.requests().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stall_and_the_burst_after_it_leave_the_utterance_whole_and_its_end_where_it_was() {
    let exchange = Exchange::new().await;
    exchange.ears.next(Answer::Words("All of it"));
    let mut phone = exchange.phone();
    phone.line.start(&microphone()).unwrap();
    let story = recorded("brief-01-hello");
    let whole = [story.clone(), silence(3 * PAUSE)].concat();
    // The network hands nothing over for three seconds, from the middle of the utterance on, then everything.
    let middle = story.len() / 2;
    let stalled = 3 * 16_000;
    phone.say(&whole[..middle]).await;
    phone.stall(Duration::from_secs(3)).await;
    phone.pour(&whole[middle..middle + stalled]);
    phone.say(&whole[middle + stalled..]).await;
    assert_eq!(phone.names(), ["started", "stopped"]);
    assert_eq!(exchange.said(), ["All of it"]);
    let [request] = exchange.ears.requests().try_into().unwrap();
    assert!(Duration::from(request.audio.duration()) > length_of(&story).mul_f32(0.9));
    let [turn] = exchange.completed().try_into().unwrap();
    let endpointing = turn
        .latency
        .segments
        .iter()
        .find(|part| part.segment == Segment::Endpointing);
    let rest = length_of(&story[middle..]).as_millis();
    let stalled_ms = 3_000 - u64::try_from(rest).unwrap();
    let ms = endpointing.unwrap().ms.0;
    assert!(
        ms >= stalled_ms.max(690) && ms < stalled_ms.max(690) + 300,
        "{ms} ms, {stalled_ms}"
    );
}
