//! Turns that are spoken live: they wait for their reply to be heard of, and what was not heard was not said.

use greenroom_protocol::{
    AssetId, ErrorCode, Event, MessageHeard, Millis, Provenance, Segment, Timestamp, TurnCompleted, TurnId,
    TurnOutcome,
};
use greenroom_session::ports::ModerationPolicy;
use greenroom_session::state::Turn;
use greenroom_session::{CommandKind, HeardPart, KeptRecording, OutsideCall, Private, Receipt, Spoken, due};
use serde_json::json;

use crate::play::{Play, path, plan_reply, scripted, transcribed, types};

/// How long a turn waits to hear of its voice.
const WAIT_MS: u64 = 10_000;
const QUESTION: &str = "이름이 뭐예요?";

fn listening(mut play: Play) -> Play {
    play.capabilities.stt = Some(scripted("sim-ear"));
    play.capabilities.tts = Some(scripted("sim-mouth"));
    play
}

fn transcribe() -> CommandKind {
    let audio_digest = None;
    CommandKind::ReserveCall {
        call: OutsideCall::Transcribe { audio_digest },
    }
}

/// Says it live: speech ended 900 ms ago, and was noticed to have 300 ms later.
fn speak(play: &mut Play, text: &str) -> TurnId {
    let reserved = play.send(transcribe()).expect("reserved");
    let said = spoken(play, &reserved, text);
    play.send(said).expect("a turn").turn_id.expect("its id")
}

fn spoken(play: &Play, reserved: &Receipt, text: &str) -> CommandKind {
    CommandKind::UserMessage {
        text: text.into(),
        spoken: Some(Box::new(Spoken {
            turn_id: reserved.turn_id.expect("a turn"),
            call_id: reserved.call_id.expect("a call"),
            record: transcribed(),
            audio_digest: None,
            ended_at: ago(play, 900),
            endpoint_at: Some(ago(play, 600)),
            voiced: true,
        })),
    }
}

fn ago(play: &Play, ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(play.now.unix_ms() - ms)
}

fn voiced(turn_id: TurnId, at: Option<Timestamp>) -> CommandKind {
    CommandKind::ReplyVoiced {
        turn_id,
        first_byte_at: at,
        first_sent_at: at,
    }
}

fn heard(turn_id: TurnId, texts: &[&str], cancels: bool) -> CommandKind {
    let parts = texts.iter().map(|text| HeardPart {
        heard_ms: Millis(100 * text.chars().count() as u64),
        text: (*text).to_owned(),
    });
    CommandKind::ReplyHeard {
        turn_id,
        parts: parts.collect(),
        cancels,
    }
}

/// What a command makes.
fn made(play: &mut Play, kind: CommandKind) -> Vec<String> {
    let from = play.log.len();
    play.send(kind).expect("never refused");
    since(play, from)
}

fn since(play: &Play, from: usize) -> Vec<String> {
    let events: Vec<Event> = play.log[from..].iter().map(|fact| fact.event.clone()).collect();
    types(&events)
}

fn told(play: &Play) -> Vec<MessageHeard> {
    let heard = play.log.iter().filter_map(|fact| match &fact.event {
        Event::MessageHeard(heard) => Some(heard.clone()),
        _ => None,
    });
    heard.collect()
}

fn told_texts(play: &Play) -> Vec<String> {
    told(play).into_iter().map(|heard| heard.text).collect()
}

fn completed(play: &Play) -> TurnCompleted {
    let turns = play.log.iter().rev().find_map(|fact| match &fact.event {
        Event::TurnCompleted(completed) => Some(completed.clone()),
        _ => None,
    });
    turns.expect("a turn ended")
}

fn segments(completed: &TurnCompleted) -> Vec<(Segment, u64)> {
    let segments = completed.latency.segments.iter();
    segments.map(|part| (part.segment, part.ms.0)).collect()
}

// ---------------------------------------------------------------- turns that wait for their voice

/// What a reply is made of.
#[derive(Debug, Clone, Copy)]
enum Reply {
    Model,
    /// The model asks nothing, so the playbook's question follows in the same batch.
    ModelAndPlaybook,
    /// The model fails, and the playbook's question takes its place.
    ModelFailed,
    /// There is no model.
    Playbook,
    /// What is said and what is written is checked.
    Checked,
    /// What is written is flagged.
    Flagged,
}

/// How a turn comes to its end that waits for its voice.
#[derive(Debug, Clone, Copy)]
enum End {
    Voiced,
    NotSpoken,
    NothingTold,
    NewTurn,
    Cancelled,
    HeardAndCancelled,
    Heard,
    Crashed,
}

const REPLIES: [Reply; 6] = [
    Reply::Model,
    Reply::ModelAndPlaybook,
    Reply::ModelFailed,
    Reply::Playbook,
    Reply::Checked,
    Reply::Flagged,
];
const ENDS: [End; 8] = [
    End::Voiced,
    End::NotSpoken,
    End::NothingTold,
    End::NewTurn,
    End::Cancelled,
    End::HeardAndCancelled,
    End::Heard,
    End::Crashed,
];

/// A spoken turn up to where its text is complete.
fn replied(reply: Reply) -> (Play, TurnId) {
    let play = match reply {
        Reply::Model | Reply::ModelAndPlaybook | Reply::ModelFailed => Play::launch(),
        Reply::Playbook => Play::launch_without_model(),
        Reply::Checked | Reply::Flagged => {
            Play::launch_checked(ModerationPolicy::Required, ModerationPolicy::Required)
        }
    };
    let mut play = listening(play);
    let turn_id = speak(&mut play, "안녕하세요");
    let asking = plan_reply("반갑습니다.", Some("product.name"), QUESTION);
    match reply {
        Reply::Model => {
            play.plan(&asking);
        }
        Reply::ModelAndPlaybook => {
            play.plan(&plan_reply("반갑습니다.", None, ""));
        }
        Reply::ModelFailed => {
            let stamp = play.plan_stamp();
            play.fail(&stamp, ErrorCode::LlmUpstream, false);
        }
        Reply::Playbook => {}
        Reply::Checked => {
            play.pass();
            play.plan(&asking);
            assert!(due(&play.state).wake_at.is_none(), "the check comes first");
            play.pass();
        }
        Reply::Flagged => {
            play.pass();
            play.plan(&asking);
            play.check(Some(&["hate"]));
        }
    }
    (play, turn_id)
}

#[test]
fn a_voiced_turn_waits_for_its_voice_and_ends_well_however_it_ends() {
    for (reply, end) in REPLIES.into_iter().flat_map(|reply| ENDS.map(|end| (reply, end))) {
        let (mut play, turn_id) = replied(reply);
        assert!(play.outcomes().is_empty(), "{reply:?} waits");
        assert!(!play.said(2).is_empty(), "{reply:?}: its text stands");
        let waiting = due(&play.state);
        assert!(waiting.calls.is_empty());
        assert_eq!(waiting.wake_at, Some(play.now.after(Millis(WAIT_MS))));
        assert!(play.wait(WAIT_MS - 1).is_empty(), "it is not over yet");

        let from = play.log.len();
        match end {
            End::Voiced => {
                let at = Some(play.now);
                play.send(voiced(turn_id, at)).expect("taken");
            }
            End::NotSpoken => {
                play.send(voiced(turn_id, None)).expect("taken");
            }
            End::NothingTold => {
                play.wait(1);
            }
            End::NewTurn => {
                play.say("그런데요");
            }
            End::Cancelled => {
                play.send(CommandKind::CancelResponse).expect("taken");
            }
            End::HeardAndCancelled => {
                play.send(heard(turn_id, &["반갑"], true)).expect("taken");
            }
            End::Heard => {
                play.send(heard(turn_id, &["반갑"], false)).expect("taken");
            }
            End::Crashed => {
                play.crash_and_return(1);
            }
        }
        let texts = play.log.iter().filter(|fact| match &fact.event {
            Event::MessageAdded(message) => {
                message.turn_id == Some(turn_id) && message.role == greenroom_protocol::Role::Assistant
            }
            _ => false,
        });
        let is_heard = matches!(end, End::HeardAndCancelled | End::Heard);
        let heard = if is_heard { texts.count() } else { 0 };
        let mut expected = vec!["message.heard"; heard];
        expected.push("turn.completed");
        let facts = since(&play, from);
        assert_eq!(facts[..expected.len()], expected, "{reply:?}, {end:?}");
        assert_eq!(play.outcomes()[..1], [TurnOutcome::Ok], "{reply:?}, {end:?}");
        assert!(
            play.state.conversation.interrupted.is_empty(),
            "its words were answered to"
        );
        if !matches!(end, End::NewTurn) {
            assert_eq!(facts.len(), expected.len());
            assert_eq!(play.state.turn, Turn::Idle);
            assert_eq!(due(&play.state), greenroom_session::Due::default());
        }
        let late = voiced(turn_id, Some(play.now));
        assert!(made(&mut play, late).is_empty(), "a turn ends once");
    }
}

#[test]
fn while_a_reply_is_made_nobody_can_tell_of_its_voice_and_no_other_turn_has_one() {
    let mut play = listening(Play::launch());
    let turn_id = speak(&mut play, "안녕하세요");
    let stamp = play.plan_stamp();
    play.stream(&stamp, r#"{"answer":"반갑습니다."#, &[]);
    let early = voiced(turn_id, Some(play.now));
    assert!(made(&mut play, early).is_empty());
    assert!(
        made(&mut play, heard(turn_id, &["반갑습니다."], false)).is_empty(),
        "there is no message yet that could have been heard"
    );
    play.plan(&plan_reply("반갑습니다.", Some("product.name"), QUESTION));
    assert!(play.outcomes().is_empty());
    let foreign = TurnId::new(ulid::Ulid::from(3_u128));
    for kind in [
        voiced(foreign, Some(play.now)),
        heard(foreign, &["반갑습니다."], true),
    ] {
        assert!(made(&mut play, kind).is_empty(), "it is another turn that waits");
    }

    let typed = play.say("안녕하세요").turn_id.expect("a turn");
    let asks_category = plan_reply("또 뵙네요.", Some("product.category"), "종류가 뭐예요?");
    play.plan(&asks_category);
    assert_eq!(play.outcomes(), [TurnOutcome::Ok, TurnOutcome::Ok], "at once");
    let at = Some(play.now);
    assert!(made(&mut play, voiced(typed, at)).is_empty());
    assert_eq!(
        made(&mut play, heard(typed, &["또 뵙네요."], true)),
        ["message.heard"],
        "it was spoken all the same"
    );
}

#[test]
fn a_run_that_the_user_asks_for_does_not_wait_for_the_voice() {
    let mut play = listening(Play::launch());
    play.fill_launch_brief();
    let turn_id = speak(&mut play, "이제 시작해줘");
    let mut reply = plan_reply("시작할게요.", None, "");
    reply["intent"] = json!("generate");
    let events = types(&play.plan(&reply));
    assert!(events.contains(&"run.started".to_owned()) && !events.contains(&"turn.completed".to_owned()));
    assert!(play.state.active_run().is_some());
    let at = Some(play.now);
    assert_eq!(made(&mut play, voiced(turn_id, at)), ["turn.completed"]);
    assert!(play.state.active_run().is_some());
}

#[test]
fn a_turn_without_a_reply_waits_for_no_voice() {
    let mut play = listening(Play::launch_checked(
        ModerationPolicy::Required,
        ModerationPolicy::Off,
    ));
    speak(&mut play, "나쁜말");
    play.check(Some(&["hate"]));
    assert_eq!(play.outcomes(), [TurnOutcome::Failed]);
}

// ---------------------------------------------------------------- what was heard

#[test]
fn a_reply_that_is_cancelled_ends_as_far_as_it_was_written_and_was_said_as_far_as_it_was_heard() {
    let mut play = listening(Play::launch());
    let turn_id = speak(&mut play, "제품명은 루미세럼");
    let stamp = play.plan_stamp();
    play.stream(&stamp, r#"{"answer":"좋은 이름이네요. 그러면 이제 다음으로"#, &[]);
    let cancelled = made(&mut play, heard(turn_id, &["좋은 이름이네요."], true));
    assert_eq!(
        cancelled,
        ["call.settled", "message.added", "message.heard", "turn.completed"]
    );
    assert_eq!(play.outcomes(), [TurnOutcome::Interrupted]);
    let message = play.state.conversation.messages.back().expect("a message");
    assert!(message.truncated);
    let [heard_of_it] = &told(&play)[..] else {
        panic!("told once")
    };
    assert_eq!(heard_of_it.message_id, message.message_id);
    assert_eq!(heard_of_it.turn_id, turn_id);
    assert_eq!(heard_of_it.heard_ms, Millis(900));
    assert_eq!(heard_of_it.text, "좋은 이름이네요.");
    let words = |play: &Play| play.state.conversation.interrupted.clone();
    assert_eq!(words(&play), [(turn_id, "제품명은 루미세럼".to_owned())]);
    assert!(
        made(&mut play, heard(turn_id, &["좋은"], true)).is_empty(),
        "told once"
    );

    play.say("계속하세요");
    let read = play.request(&play.plan_stamp()).messages;
    assert_eq!(
        read.iter().rev().nth(1).map(|message| message.text.as_str()),
        Some("좋은 이름이네요. […]")
    );
}

#[test]
fn of_a_reply_that_has_no_text_nothing_is_told() {
    let mut play = listening(Play::launch());
    let turn_id = speak(&mut play, "안녕하세요");
    assert_eq!(
        made(&mut play, heard(turn_id, &["네"], true)),
        ["call.settled", "turn.completed"]
    );
    assert_eq!(play.outcomes(), [TurnOutcome::Interrupted]);

    let mut play = listening(Play::launch_checked(
        ModerationPolicy::Off,
        ModerationPolicy::Required,
    ));
    let turn_id = speak(&mut play, "안녕하세요");
    let stamp = play.plan_stamp();
    play.stream(&stamp, r#"{"answer":"반갑습니다. 저는"#, &[]);
    assert_eq!(
        made(&mut play, heard(turn_id, &[], true)),
        ["call.settled", "turn.completed"],
        "what was not checked does not stand"
    );
}

#[test]
fn cancelling_a_reply_leaves_the_turn_alone_that_came_after_it() {
    let mut play = listening(Play::launch());
    let turn_id = speak(&mut play, "안녕하세요");
    play.plan(&plan_reply("반갑습니다.", Some("product.name"), QUESTION));
    play.say("제품명은 루미세럼");
    assert_eq!(
        made(&mut play, heard(turn_id, &["반갑습니다."], true)),
        ["message.heard"]
    );
    assert!(!due(&play.state).calls.is_empty(), "the planner is still at work");
}

#[test]
fn every_text_of_a_reply_is_told_of_in_its_order() {
    for (parts, expected) in [
        (&["반갑습니다.", "이 제품은"][..], ["반갑습니다.", ""]),
        (&["반갑습니다."][..], ["반갑습니다.", ""]),
        (&[][..], ["", ""]),
        (&["반갑습니까?"][..], ["", ""]),
        (&["반갑습니다.", "", "셋째"][..], ["반갑습니다.", ""]),
    ] {
        let (mut play, turn_id) = replied(Reply::ModelAndPlaybook);
        let question = play.phrase("question.product.name");
        let at = Some(play.now);
        play.send(voiced(turn_id, at)).expect("taken");
        assert_eq!(
            made(&mut play, heard(turn_id, parts, false)),
            ["message.heard", "message.heard"]
        );
        let texts = told_texts(&play);
        assert_eq!(texts[0], expected[0], "{parts:?}");
        assert!(question.starts_with(&texts[1]), "{parts:?}");
        assert!(texts[1].is_empty() || parts.len() == 2, "{parts:?}");
    }
}

#[test]
fn a_told_reply_under_a_key_is_the_same_when_it_is_told_again() {
    let (mut play, turn_id) = replied(Reply::Model);
    let kind = heard(turn_id, &["반갑습니다."], true);
    let first = play.send_as(Some("heard-1"), kind.clone()).expect("taken");
    let again = play.send_as(Some("heard-1"), kind).expect("known");
    assert!(again.duplicate && !first.duplicate);
    assert_eq!((again.seq, again.turn_id), (first.seq, first.turn_id));
    assert_eq!(told(&play).len(), 1);
    let other = heard(turn_id, &["반갑"], true);
    let reused = play.send_as(Some("heard-1"), other).expect_err("another");
    assert_eq!(reused.code, ErrorCode::InputIdReused);
}

#[test]
fn a_question_that_was_not_heard_to_its_end_was_not_asked() {
    for (text, is_asked) in [
        ("", false),
        ("반갑습니다.", false),
        ("반갑습니다. 이름이", false),
        ("반갑습니다. 이름이 뭐예요?", true),
    ] {
        let mut play = listening(Play::launch());
        play.set("product.name", json!("루미세럼")).expect("an edit");
        play.set("product.name", json!(null)).expect("cleared");
        assert_eq!(play.state.conversation.asked, None, "nothing is asked any more");
        let turn_id = speak(&mut play, "안녕하세요");
        play.plan(&plan_reply("반갑습니다.", Some("product.name"), QUESTION));
        let asked = path("product.name");
        assert_eq!(play.state.conversation.asked, Some(asked.clone()));
        assert_eq!(play.state.conversation.asks.get(&asked), Some(&1));

        play.send(heard(turn_id, &[text], true)).expect("taken");
        let conversation = &play.state.conversation;
        assert_eq!(conversation.asked, is_asked.then(|| asked.clone()), "{text:?}");
        assert_eq!(conversation.asks.get(&asked), is_asked.then_some(&1), "{text:?}");
        speak(&mut play, "아이폰");
        let filled = play.value("product.name");
        assert_eq!(filled, is_asked.then(|| json!("아이폰")), "{text:?}");
    }
}

#[test]
fn a_question_that_was_not_heard_leaves_the_one_before_it_open() {
    let name = Some(path("product.name"));
    for (parts, asked) in [
        // Nothing of the reply was heard, or not the end of what came before its question.
        (&[][..], name.clone()),
        (&["반갑"][..], name.clone()),
        // A reply that asks nothing closes the question before it, and the one that followed was not heard.
        (&["반갑습니다."][..], None),
    ] {
        let (mut play, turn_id) = replied(Reply::ModelAndPlaybook);
        assert_eq!(play.state.conversation.asks.get(&path("product.name")), Some(&2));
        play.send(heard(turn_id, parts, true)).expect("taken");
        assert_eq!(play.state.conversation.asked, asked, "{parts:?}");
        assert_eq!(
            play.state.conversation.asks.get(&path("product.name")),
            Some(&1),
            "the one of the greeting"
        );
    }
}

#[test]
fn a_question_taken_back_late_takes_back_only_itself() {
    let mut play = listening(Play::launch());
    let first = speak(&mut play, "안녕하세요");
    play.plan(&plan_reply("반갑습니다.", Some("product.name"), QUESTION));
    // Typed while it is spoken; only then is told what was heard.
    let second = play.say("제품명은 루미세럼").turn_id.expect("a turn");
    let asks_category = plan_reply("좋네요.", Some("product.category"), "종류가 뭐예요?");
    play.plan(&asks_category);
    play.send(heard(first, &[], true)).expect("taken");
    let category = path("product.category");
    assert_eq!(play.state.conversation.asked, Some(category.clone()));
    assert_eq!(play.state.conversation.asks.get(&category), Some(&1));
    assert_eq!(
        play.state.conversation.asks.get(&path("product.name")),
        None,
        "it is filled"
    );
    play.send(heard(second, &["좋네요."], true)).expect("taken");
    assert_eq!(play.state.conversation.asked, None, "the name is filled");
    assert!(play.state.conversation.asks.is_empty());
}

#[test]
fn an_agreement_is_a_wish_only_for_an_offer_that_was_heard() {
    for (text, starts) in [
        ("다 됐어요. 이제 시작할까요?", true),
        ("다 됐어요.", false),
        ("", false),
    ] {
        let mut play = listening(Play::launch());
        play.fill_launch_brief();
        let turn_id = speak(&mut play, "안녕하세요");
        play.plan(&plan_reply("다 됐어요.", None, "이제 시작할까요?"));
        play.send(heard(turn_id, &[text], true)).expect("taken");
        speak(&mut play, "네");
        let mut reply = plan_reply("그럴게요.", None, "");
        reply["intent"] = json!("generate");
        play.plan(&reply);
        assert_eq!(play.state.active_run().is_some(), starts, "{text:?}");
    }
}

#[test]
fn the_planner_reads_what_was_heard() {
    for (text, read) in [
        ("반갑습니다. 이름이 뭐예요?", "반갑습니다. 이름이 뭐예요?"),
        ("반갑습니다.", "반갑습니다. […]"),
        ("", "[…]"),
    ] {
        let (mut play, turn_id) = replied(Reply::Model);
        play.send(heard(turn_id, &[text], true)).expect("taken");
        speak(&mut play, "그런데요");
        let messages = play.request(&play.plan_stamp()).messages;
        let before = messages.iter().rev().nth(1).expect("the reply before");
        assert_eq!(before.text, read);
    }
}

// ---------------------------------------------------------------- where the time goes

#[test]
fn the_time_of_a_voiced_turn_ends_with_its_first_sound() {
    let mut play = listening(Play::launch());
    let turn_id = speak(&mut play, "안녕하세요");
    let stamp = play.plan_stamp();
    play.now = play.now.after(Millis(250));
    play.stream(&stamp, r#"{"answer":"반가"#, &[]);
    play.now = play.now.after(Millis(50));
    let reply = plan_reply("반가워요. 또 뵙네요.", Some("product.name"), QUESTION).to_string();
    play.stream(&stamp, &reply[..reply.find("또").expect("there")], &[]);
    let (first_byte_at, first_sent_at) = (play.now.after(Millis(140)), play.now.after(Millis(160)));
    // The first sentence is heard long before the last is written.
    play.now = play.now.after(Millis(2_000));
    play.reply(&stamp, &reply, &[]);
    play.now = play.now.after(Millis(500));
    play.send(CommandKind::ReplyVoiced {
        turn_id,
        first_byte_at: Some(first_byte_at),
        first_sent_at: Some(first_sent_at),
    })
    .expect("taken");
    let completed = completed(&play);
    assert_eq!(completed.latency.total_ms, Millis(900 + 250 + 50 + 160));
    assert_eq!(
        segments(&completed),
        [
            (Segment::Endpointing, 300),
            (Segment::Transcription, 600),
            (Segment::PlannerFirstToken, 250),
            (Segment::FirstSentence, 50),
            (Segment::VoiceFirstByte, 140),
            (Segment::Delivery, 20),
        ]
    );
}

#[test]
fn the_time_of_a_turn_that_was_not_spoken_ends_with_its_text() {
    for (end, waited_ms) in [(End::NotSpoken, 4_000), (End::NothingTold, WAIT_MS)] {
        let mut play = listening(Play::launch());
        let turn_id = speak(&mut play, "안녕하세요");
        play.now = play.now.after(Millis(200));
        play.plan(&plan_reply("반갑습니다.", Some("product.name"), QUESTION));
        play.wait(waited_ms);
        if matches!(end, End::NotSpoken) {
            play.send(voiced(turn_id, None)).expect("taken");
        }
        let completed = completed(&play);
        assert_eq!(completed.latency.total_ms, Millis(1_100), "{end:?}");
        assert_eq!(
            segments(&completed),
            [
                (Segment::Endpointing, 300),
                (Segment::Transcription, 600),
                (Segment::PlannerFirstToken, 200),
                (Segment::FirstSentence, 0),
                (Segment::Delivery, 0),
            ],
            "{end:?}"
        );
    }
}

// ---------------------------------------------------------------- recordings, keys, the log

#[test]
fn a_recording_is_kept_with_the_newest_turn_and_belongs_to_no_run() {
    let mut play = listening(Play::launch());
    let recording = CommandKind::KeepRecording {
        asset: KeptRecording {
            asset_id: AssetId::new(ulid::Ulid::from(9_u128)),
            url: "/api/recordings/9.ogg".into(),
            media_type: "audio/ogg".into(),
            size_bytes: 4_096,
        },
    };
    let refused = play.send(recording.clone()).expect_err("nothing was said");
    assert_eq!(refused.code, ErrorCode::InputInvalid);
    play.fill_launch_brief();
    let turn_id = play.say("시작해줘").turn_id.expect("a turn");
    play.generate().expect("a run");
    let first = play.send_as(Some("rec-1"), recording.clone()).expect("kept");
    let again = play.send_as(Some("rec-1"), recording).expect("known");
    assert!(again.duplicate && again.seq == first.seq);
    let kept: Vec<_> = play
        .log
        .iter()
        .filter_map(|fact| match &fact.event {
            Event::AssetReady(asset) => Some(asset),
            _ => None,
        })
        .collect();
    let [asset] = kept[..] else { panic!("kept once") };
    assert_eq!((asset.kind.as_str(), asset.run_id), ("recording", None));
    assert_eq!(asset.provenance, Provenance::User { turn_id });
}

#[test]
fn live_speech_is_known_by_its_words_and_a_recording_by_its_sound() {
    let mut play = listening(Play::launch());
    let reserved = play.send(transcribe()).expect("reserved");
    let said = |text: &str| spoken(&play, &reserved, text).digest();
    assert_eq!(said("루미세럼"), said("루미세럼"));
    assert_ne!(said("루미세럼"), said("누미세럼"));
    let recorded = |text: &str| {
        let mut kind = spoken(&play, &reserved, text);
        if let CommandKind::UserMessage {
            spoken: Some(spoken), ..
        } = &mut kind
        {
            spoken.audio_digest = Some("5f70bf18".into());
        }
        kind.digest()
    };
    assert_eq!(recorded("루미세럼"), recorded("누미세럼"));
}

#[test]
fn that_a_turn_waits_for_its_voice_is_stored_and_read_back() {
    let (play, _) = replied(Reply::Model);
    let began = play
        .log
        .iter()
        .find(|fact| matches!(fact.event, Event::TurnStarted(_)))
        .expect("a turn");
    let text = serde_json::to_string(&began.private).expect("serializable");
    let read: Private = serde_json::from_str(&text).expect("readable");
    assert_eq!(read, began.private);
    assert!(read.voiced && read.endpoint_at == Some(ago(&play, 600)));
    let old: Private = serde_json::from_value(json!({ "speech_ended_at": "2026-02-19T15:00:00.000Z" }))
        .expect("an older journal's");
    assert!(!old.voiced && old.endpoint_at.is_none());
    let typed = serde_json::to_value(Private::none()).expect("serializable");
    assert_eq!(typed, json!({}), "a typed turn's row says nothing of it");
}
