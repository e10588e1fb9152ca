//! What is done about what is heard, case by case: a row is what happens, and what is done in short.

use greenroom_session::CallCost;
use greenroom_session::ports::CallReceipt;
use ulid::Ulid;

use super::*;
use greenroom_protocol::{CallOutcome, Timestamp, TurnId};

/// A hearing, and the calls that its session reserves.
struct Scene {
    hearing: Hearing,
    mid_reply: bool,
}

impl Scene {
    fn new() -> Self {
        Self {
            hearing: Hearing::new(Locale::En),
            mid_reply: false,
        }
    }

    fn amid_reply() -> Self {
        Self {
            mid_reply: true,
            ..Self::new()
        }
    }

    fn on(&mut self, input: Input) -> String {
        let mut actions = Vec::new();
        self.hearing.handle(input, self.mid_reply, &mut actions);
        let words: Vec<String> = actions.iter().filter_map(in_short).collect();
        words.join(" ")
    }

    fn started(&mut self, streams: bool) -> String {
        self.on(Input::Started {
            streams,
            refusal: None,
        })
    }

    fn ended(&mut self) -> String {
        self.on(Input::Ended(EndedUtterance {
            pcm: vec![1; 320],
            ended_at: Timestamp::from_unix_ms(1_000),
            endpoint_at: Timestamp::from_unix_ms(1_700),
        }))
    }

    /// The session reserves call `number` for utterance `number`.
    fn reserved(&mut self, number: u64) -> String {
        let (call_id, turn_id) = (call(number), TurnId::new(Ulid::from(u128::from(number))));
        let answer = Ok(Reserved { call_id, turn_id });
        self.on(Input::Reserved {
            utterance: UtteranceId(number),
            answer,
        })
    }

    fn refused(&mut self, number: u64) -> String {
        let answer = Err(Box::new(ErrorBody::new(ErrorCode::SysDraining, Locale::En)));
        self.on(Input::Reserved {
            utterance: UtteranceId(number),
            answer,
        })
    }

    fn transcribed(&mut self, number: u64, text: &str) -> String {
        let result = Ok(Transcription {
            text: text.to_owned(),
            language: None,
            receipt: CallReceipt {
                provider: "scripted".to_owned(),
                model: "ears".to_owned(),
                simulated: true,
                response_id: None,
                request_id: None,
                usage: None,
                cost: CallCost::Known(1),
            },
        });
        self.on(Input::Transcribed {
            call_id: call(number),
            result,
        })
    }

    fn failed(&mut self, number: u64) -> String {
        let result = Err(overdue());
        self.on(Input::Transcribed {
            call_id: call(number),
            result,
        })
    }

    fn partial(&mut self, number: u64, text: &str) -> String {
        self.on(Input::Partial {
            call_id: call(number),
            text: text.to_owned(),
        })
    }

    fn said(&mut self, number: u64, code: Option<ErrorCode>) -> String {
        let answer = match code {
            None => Ok(()),
            Some(code) => Err(Box::new(ErrorBody::new(code, Locale::En))),
        };
        self.on(Input::Said {
            utterance: UtteranceId(number),
            answer,
        })
    }
}

fn call(number: u64) -> CallId {
    CallId::new(Ulid::from(1_000 + u128::from(number)))
}

fn number(call_id: CallId) -> u64 {
    (0..100).find(|number| call(*number) == call_id).unwrap()
}

fn in_short(action: &Action) -> Option<String> {
    Some(match action {
        Action::Tell(signal) => match signal.as_ref() {
            Signal::SpeechStarted {} => "started".to_owned(),
            Signal::SpeechStopped {} => "stopped".to_owned(),
            Signal::SpeechDiscarded { reason } => format!("{reason:?}").to_lowercase(),
            Signal::TranscriptPartial { text } => format!("({text})"),
            Signal::Notice { error } => error.code.to_string(),
            other => panic!("a hearing does not tell this: {other:?}"),
        },
        Action::Hush => "HUSH".to_owned(),
        Action::Unhush => "UNHUSH".to_owned(),
        Action::CutOff => "CUT".to_owned(),
        Action::Reserve { utterance } => format!("reserve{}", utterance.0),
        Action::BeginStream { call_id } => format!("begin{}", number(*call_id)),
        Action::CommitStream { call_id, .. } => format!("commit{}", number(*call_id)),
        Action::DiscardStream { call_id, .. } => format!("discard{}", number(*call_id)),
        Action::Transcribe { call_id, .. } => format!("transcribe{}", number(*call_id)),
        Action::Settle { call_id, settlement } => {
            let outcome = match (settlement.outcome, &settlement.record) {
                (CallOutcome::Ok, Some(_)) => "ok",
                (CallOutcome::Ok, None) => "free",
                (CallOutcome::Failed, _) => "failed",
                (CallOutcome::Unknown, _) => "unknown",
            };
            format!("settle{}:{outcome}", number(*call_id))
        }
        Action::Say { utterance, words } => format!("say{}:{}", utterance.0, words.text),
        Action::Count(_) => return None,
    })
}

#[test]
fn an_utterance_becomes_a_turn() {
    let mut scene = Scene::new();
    assert_eq!(scene.started(false), "HUSH started");
    assert_eq!(scene.ended(), "stopped reserve0");
    assert_eq!(scene.reserved(0), "transcribe0");
    assert_eq!(scene.transcribed(0, "Hello"), "CUT say0:Hello UNHUSH");
    assert!(!scene.hearing.is_quiet());
    assert_eq!(scene.said(0, None), "");
    assert!(scene.hearing.is_quiet());
}

#[test]
fn with_a_recogniser_that_listens_along_its_words_count() {
    let mut scene = Scene::new();
    assert_eq!(scene.started(true), "HUSH started reserve0");
    assert_eq!(scene.reserved(0), "begin0");
    assert_eq!(scene.partial(0, "uh"), "(uh)");
    assert_eq!(scene.ended(), "stopped commit0");
    assert_eq!(scene.transcribed(0, "Hello"), "CUT say0:Hello UNHUSH");
}

#[test]
fn a_stream_is_begun_for_what_has_ended_already_and_committed_at_once() {
    let mut scene = Scene::new();
    scene.started(true);
    assert_eq!(scene.ended(), "stopped");
    // Speech that was cut at its longest goes on as the next.
    assert_eq!(scene.started(true), "started reserve1");
    assert_eq!(scene.reserved(0), "begin0 commit0");
    assert_eq!(scene.reserved(1), "begin1");
}

#[test]
fn what_only_shows_that_somebody_listens_counts_only_before_the_question_was_heard() {
    for (mid_reply, text, done) in [
        (true, "Uh-huh.", "settle0:ok backchannel UNHUSH"),
        (true, "네", "settle0:ok backchannel UNHUSH"),
        (false, "네", "CUT say0:네 UNHUSH"),
        (true, "No, wait.", "CUT say0:No, wait. UNHUSH"),
        (true, " ", "settle0:ok nothingunderstood UNHUSH"),
        (false, "", "settle0:ok nothingunderstood UNHUSH"),
    ] {
        let mut scene = Scene::new();
        scene.mid_reply = mid_reply;
        scene.started(false);
        scene.ended();
        scene.reserved(0);
        assert_eq!(scene.transcribed(0, text), done, "{text}");
    }
}

#[test]
fn two_utterances_over_one_reply_end_it_once_and_the_second_answers_nothing_that_was_said() {
    let mut scene = Scene::amid_reply();
    scene.started(false);
    scene.ended();
    scene.started(false);
    scene.ended();
    scene.reserved(0);
    scene.reserved(1);
    assert_eq!(
        scene.transcribed(1, "네"),
        "",
        "it waits for what was said before"
    );
    assert_eq!(
        scene.transcribed(0, "No, wait."),
        "CUT say0:No, wait. CUT say1:네 UNHUSH"
    );
}

#[test]
fn the_output_stays_silent_until_everything_is_decided() {
    let mut scene = Scene::amid_reply();
    scene.started(false);
    scene.ended();
    assert_eq!(scene.started(false), "started", "it is silent already");
    scene.reserved(0);
    assert_eq!(scene.transcribed(0, "uh-huh"), "settle0:ok backchannel");
    assert_eq!(
        scene.on(Input::Dropped(SpeechDiscardReason::Noise)),
        "stopped noise UNHUSH"
    );
}

#[test]
fn words_that_are_surely_a_turn_end_the_reply_once_and_at_once() {
    let mut scene = Scene::amid_reply();
    scene.started(true);
    scene.reserved(0);
    assert_eq!(scene.partial(0, "uh huh"), "(uh huh)");
    let sure = "no I would rather have a table";
    assert_eq!(scene.partial(0, sure), format!("CUT ({sure})"));
    assert_eq!(scene.partial(0, sure), format!("({sure})"));
    scene.ended();
    assert_eq!(
        scene.transcribed(0, "okay"),
        "say0:okay UNHUSH",
        "the reply is over"
    );
}

#[test]
fn a_stream_that_fails_is_made_good_under_another_call() {
    // While somebody speaks, and afterwards.
    let mut scene = Scene::new();
    scene.started(true);
    scene.reserved(0);
    assert_eq!(scene.failed(0), "settle0:unknown");
    assert_eq!(scene.ended(), "stopped reserve0");

    let mut scene = Scene::new();
    scene.started(true);
    scene.reserved(0);
    scene.ended();
    assert_eq!(
        scene.on(Input::Overdue { call_id: call(0) }),
        "settle0:unknown reserve0"
    );
    assert_eq!(
        scene.transcribed(0, "too late"),
        "",
        "what was given up is told of once"
    );
}

#[test]
fn what_cannot_be_understood_is_told_in_its_place() {
    let mut scene = Scene::new();
    scene.started(false);
    scene.ended();
    scene.started(false);
    scene.ended();
    scene.reserved(0);
    assert_eq!(scene.refused(1), "", "the first is not decided");
    assert_eq!(
        scene.failed(0),
        "settle0:unknown STT_TIMEOUT failed SYS_DRAINING failed UNHUSH"
    );
}

#[test]
fn words_that_the_session_refuses_are_paid_for() {
    for (code, told) in [
        (ErrorCode::InputBlank, "settle0:ok nothingunderstood"),
        (ErrorCode::InputTooLong, "settle0:ok INPUT_TOO_LONG failed"),
    ] {
        let mut scene = Scene::new();
        scene.started(false);
        scene.ended();
        scene.reserved(0);
        scene.transcribed(0, "words");
        assert_eq!(scene.said(0, Some(code)), told);
        assert!(scene.hearing.is_quiet());
    }
}

#[test]
fn whatever_is_forgotten_is_settled_wherever_it_stands() {
    let forget = |scene: &mut Scene| scene.on(Input::Forgotten);
    // Nothing was reserved.
    let mut scene = Scene::new();
    scene.started(false);
    assert_eq!(forget(&mut scene), "stopped cancelled UNHUSH");
    assert!(scene.hearing.is_quiet());
    // It is being reserved.
    let mut scene = Scene::new();
    scene.started(true);
    assert_eq!(forget(&mut scene), "stopped cancelled UNHUSH");
    assert_eq!(scene.reserved(0), "settle0:failed");
    assert!(scene.hearing.is_quiet());
    // A recogniser hears it.
    let mut scene = Scene::new();
    scene.started(true);
    scene.reserved(0);
    assert_eq!(forget(&mut scene), "stopped discard0 cancelled UNHUSH");
    assert_eq!(scene.partial(0, "I would rather have a table"), "");
    assert_eq!(scene.transcribed(0, ""), "settle0:failed");
    assert!(scene.hearing.is_quiet());
    // It has heard it, and never answers.
    let mut scene = Scene::new();
    scene.started(true);
    scene.reserved(0);
    scene.ended();
    assert_eq!(forget(&mut scene), "cancelled UNHUSH");
    assert_eq!(scene.on(Input::Overdue { call_id: call(0) }), "settle0:unknown");
    assert!(scene.hearing.is_quiet());
    // It is understood, but waits for the one before, which is being said.
    let mut scene = Scene::new();
    for number in [0, 1] {
        scene.started(false);
        scene.ended();
        scene.reserved(number);
    }
    scene.transcribed(1, "Second");
    assert_eq!(forget(&mut scene), "cancelled settle1:ok cancelled UNHUSH");
    assert_eq!(scene.transcribed(0, "First"), "settle0:ok");
    // What is being said is said.
    let mut scene = Scene::new();
    scene.started(false);
    scene.ended();
    scene.reserved(0);
    scene.transcribed(0, "First");
    assert_eq!(forget(&mut scene), "");
    assert!(!scene.hearing.is_quiet());
}

#[test]
fn more_than_may_wait_are_refused_and_not_paid_for() {
    let mut scene = Scene::new();
    for number in 0..limits::TURNS_WAITING_MAX as u64 {
        scene.started(true);
        scene.reserved(number);
        scene.ended();
    }
    assert_eq!(scene.started(true), "started", "nothing is reserved for it");
    assert_eq!(scene.ended(), "stopped SYS_OVERLOADED failed");
}

#[test]
fn a_commit_of_what_did_not_seem_to_begin_is_an_utterance_all_the_same() {
    let mut scene = Scene::new();
    assert_eq!(scene.ended(), "HUSH started stopped reserve0");
    let mut scene = Scene::new();
    assert_eq!(scene.on(Input::Dropped(SpeechDiscardReason::Noise)), "noise");
}
