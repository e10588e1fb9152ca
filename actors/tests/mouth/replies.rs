//! What is said of replies: every sentence, in order, sample by sample, and what the session is told of it.

use std::time::Duration;

use greenroom_actors::voice::mouth::Standing;
use greenroom_protocol::{CallOutcome, Event, Millis, Segment, Seq, Signal, TurnOutcome};
use greenroom_session::ports::ModerationPolicy;
use tokio::time::Instant;

use crate::client::{Acks, Received};
use crate::model::{Step, answer, failure, pieces, whole};
use crate::speaker::{End, Twist, length_of, samples_of};
use crate::stage::{LEAD, Setting, Stage};
use crate::world::{World, pass, say};
use greenroom_protocol::ErrorCode;

pub const FIRST: &str = "The market is open until six.";
pub const SECOND: &str = "The harbour is a short walk from there.";
pub const THIRD: &str = "And the old lighthouse closes at nine.";
/// The playbook's own questions, which follow an answer that asks nothing, in the first turn and in the second.
pub const QUESTION: &str = "How many of you are there?";
pub const NEXT_QUESTION: &str = "Which two things would you love to do?";

pub fn reply() -> String {
    [FIRST, SECOND, THIRD].join(" ")
}

/// What a client gets of sentences that were spoken: their samples in a row, the last frame filled up.
pub fn sound_of(sentences: &[&str]) -> Vec<i16> {
    let mut samples: Vec<i16> = sentences.iter().flat_map(|text| samples_of(text)).collect();
    samples.resize(samples.len().next_multiple_of(480), 0);
    samples
}

/// A client got just these sentences.
#[track_caller]
pub fn same_sound(reply: &Received, sentences: &[&str]) {
    let (got, made) = (reply.samples(), sound_of(sentences));
    let same = got
        .iter()
        .zip(&made)
        .take_while(|(got, made)| got == made)
        .count();
    assert!(
        got == made,
        "{same} samples are the same of {} sent and {} made",
        got.len(),
        made.len()
    );
}

#[tokio::test(start_paused = true)]
async fn every_sentence_is_heard_sample_by_sample_and_told_word_by_word() {
    let stage = Stage::new().await;
    let turn_id = stage.ask(&reply()).await;
    stage.settle_down().await;

    let last = stage.last();
    assert_eq!(stage.replies().len(), 1);
    same_sound(&last, &[FIRST, SECOND, THIRD, QUESTION]);
    let begins = matches!(&last.signals[0], Signal::AudioBegin { turn_id: of, sample_rate: 24_000, .. } if *of == Some(turn_id));
    assert!(begins && last.is_ended);
    assert_eq!(stage.speaker.texts(), [FIRST, SECOND, THIRD, QUESTION]);
    assert!(
        stage
            .speaker
            .calls()
            .iter()
            .all(|call| call.voice == "amy" && call.end == End::Whole)
    );
    assert_eq!(stage.settled(), [CallOutcome::Ok; 4]);
    let said = length_of(&[FIRST, SECOND, THIRD].concat()).as_millis();
    let asked = length_of(QUESTION).as_millis();
    let heard = [(said, reply()), (asked, QUESTION.to_owned())];
    assert_eq!(
        stage.heard(),
        heard.map(|(ms, text)| (u64::try_from(ms).unwrap(), text))
    );
}

#[tokio::test(start_paused = true)]
async fn the_next_sentence_is_made_while_the_one_before_plays_and_no_other() {
    let stage = Stage::new().await;
    stage.ask(&reply()).await;
    stage.settle_down().await;
    let last = stage.last();
    assert_eq!(last.gaps, Duration::ZERO);
    let calls = stage.speaker.calls();
    let mut plays_at = last.began;
    for (before, call) in calls.iter().zip(&calls[1..]) {
        // A sentence is begun to be sent at most a lead before it plays.
        assert!(call.at >= plays_at - LEAD, "{} is made too early", call.text);
        plays_at += length_of(&before.text);
        assert!(call.at < plays_at, "{} is made too late", call.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_spoken_turn_is_complete_once_its_voice_was_heard_and_says_when() {
    let stage = Stage::new().await;
    stage
        .speaker
        .twist(FIRST, Twist::Late(Duration::from_millis(230)));
    let turn_id = stage.ask_aloud(&reply()).await;
    stage.until_received(Duration::from_millis(20)).await;
    pass(Duration::from_millis(100)).await;
    let completed = stage
        .completed(turn_id)
        .expect("it does not wait for the end of the sound");
    assert_eq!(completed.outcome, TurnOutcome::Ok);
    let length_of_segment = |wanted: Segment| {
        let mut segments = completed.latency.segments.iter();
        segments.find(|part| part.segment == wanted).map(|part| part.ms)
    };
    assert_eq!(length_of_segment(Segment::VoiceFirstByte), Some(Millis(230)));
    let delivery = length_of_segment(Segment::Delivery).unwrap();
    assert!(delivery < Millis(10), "{delivery:?}");
    let sum: u64 = completed.latency.segments.iter().map(|part| part.ms.0).sum();
    assert_eq!(completed.latency.total_ms, Millis(sum));
    stage.settle_down().await;
}

#[tokio::test(start_paused = true)]
async fn it_speaks_as_the_words_come_and_not_only_when_they_are_all_there() {
    let stage = Stage::new().await;
    let steps = pieces(&answer(&reply()), 8, Duration::from_millis(200));
    let began = Instant::now();
    stage.ask_scripted(steps).await;
    stage.settle_down().await;
    let last = stage.last();
    same_sound(&last, &[FIRST, SECOND, THIRD, QUESTION]);
    assert!(
        last.began - began < Duration::from_millis(1_600),
        "{:?}",
        last.began - began
    );
}

#[tokio::test(start_paused = true)]
async fn a_whole_sentence_does_not_wait_for_a_model_that_thinks() {
    let stage = Stage::new().await;
    let text = answer(&reply()).to_string();
    let (said, unsaid) = text.split_at(text.find(FIRST).unwrap() + FIRST.len());
    let steps = vec![
        Step::Text(said.to_owned()),
        Step::Pause(Duration::from_secs(3)),
        Step::Text(unsaid.to_owned()),
        Step::Done,
    ];
    let began = Instant::now();
    stage.ask_scripted(steps).await;
    stage.settle_down().await;
    let last = stage.last();
    assert!(last.began - began < Duration::from_millis(500));
    same_sound(&last, &[FIRST, SECOND, THIRD, QUESTION]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_phrases_alone_is_paid_for_once() {
    let stage = Stage::new().await;
    stage.world.fill_brief(stage.session).await;
    let phrases = ["I have everything.", "Say the word, and I'll plan the day."];
    for _ in 0..2 {
        stage.ask("").await;
        stage.settle_down().await;
        same_sound(&stage.last(), &phrases);
    }
    // The same words of a model are the same sound.
    stage.ask("Noted.").await;
    stage.settle_down().await;
    stage.ask("Noted.").await;
    stage.settle_down().await;
    assert_eq!(stage.replies().len(), 4);
    assert_eq!(stage.speaker.texts(), [phrases[0], phrases[1], "Noted."]);
    assert_eq!((stage.reserved(), stage.settled()), (3, vec![CallOutcome::Ok; 3]));
    assert_eq!(stage.heard()[3], (300, "Noted.".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_greeting_is_spoken_to_who_listens_from_the_beginning() {
    let setting = Setting {
        after: Some(Seq::ZERO),
        ..Setting::default()
    };
    let stage = Stage::with(World::new().await, setting).await;
    stage.settle_down().await;
    assert_eq!(stage.replies().len(), 1, "greeting and question are one");
    same_sound(
        &stage.last(),
        &["Welcome, this is your concierge.", "May I have your name?"],
    );
    assert_eq!(stage.heard(), [], "it belongs to no turn");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_failed_is_void_and_what_takes_its_place_is_spoken_under_another_name() {
    let stage = Stage::new().await;
    let text = answer(&reply()).to_string();
    let (said, _) = text.split_at(text.find(THIRD).unwrap());
    let steps = vec![
        Step::Text(said.to_owned()),
        Step::Pause(Duration::from_secs(1)),
        failure(ErrorCode::LlmUpstream, None),
    ];
    stage.ask_scripted(steps).await;
    stage.settle_down().await;
    let replies = stage.replies();
    let [voided, told] = replies.as_slice() else {
        panic!("{} replies", replies.len());
    };
    assert!(voided.is_cancelled && !voided.is_ended && voided.id != told.id);
    same_sound(told, &[QUESTION]);
    assert_eq!(stage.heard(), [(1_300, QUESTION.to_owned())]);
    assert_eq!(stage.reserved(), stage.settled().len());
}

#[tokio::test(start_paused = true)]
async fn where_replies_are_checked_nothing_is_said_before() {
    let setting = Setting {
        waits_for_check: true,
        ..Setting::default()
    };
    let world = World::checked(ModerationPolicy::Off, ModerationPolicy::Required).await;
    let stage = Stage::with(world, setting).await;
    let began = Instant::now();
    let mut steps = pieces(&answer(&reply()), 8, Duration::from_millis(100));
    steps.insert(steps.len() - 1, Step::Pause(Duration::from_secs(1)));
    stage.ask_scripted(steps).await;
    stage.settle_down().await;
    let last = stage.last();
    let written = stage
        .events()
        .into_iter()
        .any(|event| matches!(event, Event::PlannerDelta(_)));
    assert!(written, "it was shown before");
    assert!(last.began - began > Duration::from_secs(1));
    same_sound(&last, &[FIRST, SECOND, THIRD, QUESTION]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_whose_beginning_was_missed_is_not_taken_up() {
    let stage = Stage::new().await;
    stage.with_mouth(|mouth| mouth.set_speaking(false)).await;
    stage
        .ask_scripted(pieces(&answer(&reply()), 8, Duration::from_millis(100)))
        .await;
    pass(Duration::from_millis(400)).await;
    stage.with_mouth(|mouth| mouth.set_speaking(true)).await;
    assert_eq!(stage.standing().await, Standing::Silent);
    stage.settle_down().await;
    assert_eq!((stage.replies().len(), stage.reserved()), (0, 0));

    stage.ask(FIRST).await;
    stage.settle_down().await;
    assert_eq!(stage.replies().len(), 1, "the next one is");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_has_begun_is_spoken_by_who_speaks_when_its_words_come() {
    let stage = Stage::new().await;
    stage.with_mouth(|mouth| mouth.set_speaking(false)).await;
    let mut steps = whole(&answer(FIRST));
    steps.insert(0, Step::Pause(Duration::from_secs(1)));
    let turn_id = stage.ask_scripted(steps).await;
    pass(Duration::from_millis(500)).await;
    assert_eq!(stage.standing().await, Standing::Silent);
    stage.with_mouth(|mouth| mouth.set_speaking(true)).await;
    let pending = Standing::Pending {
        turn_id: Some(turn_id),
    };
    assert_eq!(stage.standing().await, pending);
    stage.settle_down().await;
    same_sound(&stage.last(), &[FIRST, QUESTION]);
}

#[tokio::test(start_paused = true)]
async fn a_mouth_that_may_not_speak_any_more_falls_silent_and_tells_what_was_heard() {
    let stage = Stage::new().await;
    let mut steps = pieces(&answer(&reply()), 8, Duration::from_millis(150));
    steps.insert(steps.len() - 1, Step::Pause(Duration::from_secs(2)));
    let turn_id = stage.ask_scripted(steps).await;
    stage.until_received(Duration::from_secs(1)).await;
    stage.with_mouth(|mouth| mouth.set_speaking(false)).await;
    assert_eq!(stage.standing().await, Standing::Silent);
    pass(Duration::from_millis(10)).await;
    assert!(stage.last().is_cancelled);
    assert_eq!(stage.heard(), [], "its text goes on");
    stage.settle_down().await;
    assert_eq!(stage.completed(turn_id).unwrap().outcome, TurnOutcome::Ok);
    let heard = stage.heard();
    assert!(FIRST.starts_with(&heard[0].1) && heard[0].0 > 0, "{heard:?}");
    assert_eq!(heard[1], (0, String::new()));
    assert_eq!(stage.replies().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_language_is_the_users_own() {
    let stage = Stage::new().await;
    stage.world.model.script(
        "planner",
        whole(&answer("네, 알겠습니다. 시장은 여섯 시까지 열어요.")),
    );
    stage
        .world
        .send(stage.session, say("안녕하세요, 오늘 어디로 갈까요"))
        .await
        .unwrap();
    stage.settle_down().await;
    assert!(stage.speaker.calls().iter().all(|call| call.voice == "minji"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_acks_hears_all_and_is_told_to_have_heard_nothing() {
    let setting = Setting {
        acks: Acks::Never,
        ..Setting::default()
    };
    let stage = Stage::with(World::new().await, setting).await;
    stage.ask(&reply()).await;
    stage.settle_down().await;
    same_sound(&stage.last(), &[FIRST, SECOND, THIRD, QUESTION]);
    assert_eq!(stage.heard(), [(0, String::new()), (0, String::new())]);
}
