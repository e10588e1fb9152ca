//! One session in virtual time: what is said, what is counted, and each violation by the server that commits it.

use std::collections::BTreeSet;
use std::time::Duration;

use greenroom_protocol::{ClientFrame, SessionId, Signal};
use loadtest::client::{Incoming, SeenEvent};
use loadtest::load::{Conversation, Tally, VoiceOptions};

use super::fake::{Fake, INPUT_FRAME, Out, Wrong};
use super::{options, recordings};

/// How long people talk.
const TALK: Duration = Duration::from_secs(40);
/// By then everything that was begun must be over: the longest wait is half a minute.
const PATIENCE: Duration = Duration::from_mins(1);
const STEP: Duration = Duration::from_millis(1);

fn session() -> SessionId {
    "sess_00000000000000000000000001".parse().unwrap()
}

/// Talks for a while to a server that does this wrong.
fn talk(options: &VoiceOptions, wrong: Wrong) -> Tally {
    let mut conversation = Conversation::new(session(), options, recordings(), 0);
    let mut fake = Fake::new(session(), recordings(), wrong);
    let mut now = Duration::ZERO;
    let mut frame_due = Duration::ZERO;
    while now < TALK || !conversation.is_settled() {
        assert!(now < TALK + PATIENCE, "it waits forever: {conversation:?}");
        if now >= TALK {
            conversation.close();
        }
        if now >= frame_due {
            let frame = conversation.frame(now);
            fake.frame(now, &frame);
            frame_due += INPUT_FRAME;
        }
        for out in fake.poll(now) {
            conversation.hear(now, incoming(out));
        }
        for message in conversation.take_messages() {
            fake.text(&serde_json::to_string(&ClientFrame { id: None, message }).unwrap());
        }
        now += STEP;
    }
    conversation.finish()
}

fn incoming(out: Out) -> Incoming {
    match out {
        Out::Audio(frame) => Incoming::Audio(frame),
        Out::Text(text) => match (
            SeenEvent::from_envelope(&text),
            serde_json::from_str::<Signal>(&text),
        ) {
            (Ok(event), _) => Incoming::Event(event),
            (_, Ok(signal)) => Incoming::Signal(Box::new(signal)),
            _ => Incoming::Unknown(text),
        },
    }
}

fn kinds(tally: &Tally) -> BTreeSet<&str> {
    tally.violations_by_kind.keys().map(String::as_str).collect()
}

#[test]
fn whoever_listens_is_answered_every_time_and_hears_each_reply_to_its_end() {
    let tally = talk(&options(), Wrong::Nothing);
    assert!(tally.violations.is_empty(), "{:?}", tally.violations);
    let counts = tally.counts;
    assert!(counts.utterances >= 4, "{counts:?}");
    assert_eq!(
        (
            counts.turns,
            counts.answered,
            counts.replies_spoken,
            counts.replies_played
        ),
        (
            counts.utterances,
            counts.utterances,
            counts.utterances,
            counts.utterances
        )
    );
    assert_eq!(
        (counts.frames_received, counts.audio_received_ms),
        (150 * counts.utterances, 3_000 * counts.utterances)
    );
    assert_eq!(
        (counts.barge_ins, counts.backchannels, counts.unfinished),
        (0, 0, 0)
    );
}

#[test]
fn whoever_interrupts_cuts_each_reply_off_and_is_answered() {
    let tally = talk(
        &VoiceOptions {
            barge_in: 1.0,
            ..options()
        },
        Wrong::Nothing,
    );
    assert!(tally.violations.is_empty(), "{:?}", tally.violations);
    let counts = tally.counts;
    assert!(counts.barge_ins >= 5, "{counts:?}");
    assert_eq!(counts.barge_ins, counts.barge_ins_cancelled);
    assert_eq!(counts.answered, counts.utterances);
    // The last one is heard to its end, because nobody says anything new.
    assert_eq!(
        (counts.barge_ins, counts.replies_played),
        (counts.utterances - 1, 1)
    );
}

#[test]
fn whoever_only_shows_that_they_listen_hears_each_reply_to_its_end() {
    let tally = talk(
        &VoiceOptions {
            backchannel: 1.0,
            ..options()
        },
        Wrong::Nothing,
    );
    assert!(tally.violations.is_empty(), "{:?}", tally.violations);
    let counts = tally.counts;
    assert!(counts.backchannels >= 3, "{counts:?}");
    assert_eq!(counts.backchannels, counts.backchannels_resumed);
    assert_eq!(counts.replies_played, counts.utterances);
}

#[test]
fn text_alone_is_an_answer_to_those_who_want_nothing_spoken() {
    let silent = VoiceOptions {
        output: None,
        ..options()
    };
    let tally = talk(&silent, Wrong::DoesNotSpeak);
    assert!(tally.violations.is_empty(), "{:?}", tally.violations);
    assert!(tally.counts.answered > 4);
}

#[test]
fn a_floor_is_only_sent_frames() {
    let floor = VoiceOptions {
        floor: true,
        ..options()
    };
    let tally = talk(&floor, Wrong::IsDeaf);
    assert!(tally.violations.is_empty(), "{:?}", tally.violations);
    assert!(tally.counts.utterances > 4, "{:?}", tally.counts);
    assert!(tally.counts.frames_sent >= 2_000);
}

/// Whoever listens; whoever interrupts; whoever says "uh-huh".
#[derive(Clone, Copy)]
enum Person {
    Listener,
    Interrupter,
    Nodder,
}

fn check(person: Person, wrong: Wrong, expected: &[&str]) {
    let (barge_in, backchannel) = match person {
        Person::Listener => (0.0, 0.0),
        Person::Interrupter => (1.0, 0.0),
        Person::Nodder => (0.0, 1.0),
    };
    let tally = talk(
        &VoiceOptions {
            barge_in,
            backchannel,
            ..options()
        },
        wrong,
    );
    let expected: BTreeSet<&str> = expected.iter().copied().collect();
    assert_eq!(kinds(&tally), expected, "{wrong:?}: {:?}", tally.violations);
}

#[test]
fn what_is_wrong_with_turns_is_found() {
    use Person::Listener;
    check(Listener, Wrong::SkipsASeq, &["seq_broken"]);
    check(Listener, Wrong::IsDeaf, &["speech_missed"]);
    check(Listener, Wrong::BeginsNoTurn, &["turn_missing"]);
    check(Listener, Wrong::Mishears, &["words_differ"]);
    check(Listener, Wrong::FailsTurns, &["reply_missing"]);
    check(Listener, Wrong::NeverCompletes, &["reply_missing"]);
    check(Listener, Wrong::MiscountsLatency, &["latency_inconsistent"]);
    check(Listener, Wrong::HearsVoices, &["speech_imagined"]);
    check(Listener, Wrong::BeginsTurnsByItself, &["turn_imagined"]);
    check(Listener, Wrong::GivesNotice, &["error_reported"]);
    check(Listener, Wrong::ReportsErrors, &["error_reported"]);
    check(Listener, Wrong::RejectsAcks, &["frame_rejected"]);
    check(Listener, Wrong::TalksGibberish, &["frame_unreadable"]);
}

#[test]
fn what_is_wrong_with_audio_is_found() {
    use Person::Listener;
    check(Listener, Wrong::DoesNotSpeak, &["reply_not_spoken"]);
    check(Listener, Wrong::SpeaksNothing, &["reply_not_spoken"]);
    check(Listener, Wrong::NeverEndsAudio, &["audio_endless"]);
    check(Listener, Wrong::SendsAllAtOnce, &["too_far_ahead"]);
    check(Listener, Wrong::Stalls, &["underrun"]);
    check(Listener, Wrong::WaitsForSynthesis, &[]);
    check(Listener, Wrong::TalksAfterEnd, &["audio_misplaced"]);
    check(Listener, Wrong::TalksBeforeBegin, &["audio_misplaced"]);
    check(Listener, Wrong::SendsHalfSamples, &["audio_unreadable"]);
    check(Listener, Wrong::NamesAnotherReply, &["reply_unknown"]);
    check(Listener, Wrong::PausesForNothing, &["speech_imagined"]);
    check(Listener, Wrong::ForgetsWhatWasHeard, &["heard_missing"]);
    check(Listener, Wrong::HeardMoreThanWasPlayed, &["heard_too_much"]);
}

#[test]
fn what_is_wrong_when_people_talk_at_once_is_found() {
    use Person::{Interrupter, Nodder};
    check(Interrupter, Wrong::TalksOn, &["not_paused"]);
    check(Interrupter, Wrong::NeverCancels, &["not_cancelled"]);
    check(
        Interrupter,
        Wrong::ResumesAfterTurns,
        &["audio_endless", "not_cancelled"],
    );
    check(Interrupter, Wrong::TalksAfterCancel, &["audio_misplaced"]);
    check(Interrupter, Wrong::TalksWhilePaused, &["audio_misplaced"]);
    check(Interrupter, Wrong::MiscountsPositions, &["position_differs"]);
    check(Interrupter, Wrong::HeardMoreThanWasPlayed, &["heard_too_much"]);
    check(Interrupter, Wrong::ForgetsWhatWasHeard, &["heard_missing"]);
    check(Nodder, Wrong::TakesBackchannelsForTurns, &["not_resumed"]);
    check(Nodder, Wrong::TalksOn, &["not_paused"]);
}

#[test]
fn a_lost_connection_is_found() {
    let mut conversation = Conversation::new(session(), &options(), recordings(), 0);
    conversation.hear(Duration::from_secs(1), Incoming::Closed { code: Some(1013) });
    let tally = conversation.finish();
    assert_eq!(kinds(&tally), BTreeSet::from(["connection_lost"]));
}
