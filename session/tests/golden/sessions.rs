//! The sessions whose journals are recorded: one of each kind, played through the decider of this release.

use greenroom_protocol::{
    ErrorBody, ErrorCode, ErrorEvent, Event, Locale, Millis, Mode, SessionRestarted, StageChanged,
};
use greenroom_session::ports::{ModerationPolicy, SearchSource};
use greenroom_session::{AgentReport, CommandKind};
use serde_json::{Value, json};

use crate::outputs;
use crate::play::{Play, load, plan_reply, stage};
use crate::speech;

/// Where searches find something.
const NEWS: &str = "https://news.example/serum";
/// How long a user thinks.
const THINKING_MS: u64 = 4_000;

/// Each kind of session with its play.
pub fn all() -> Vec<(&'static str, Play)> {
    vec![
        ("typed", typed()),
        ("spoken-live", spoken_live()),
        ("spoken-recordings", spoken_recordings()),
        ("run-done", run_done()),
        ("run-failed-and-retried", run_failed_and_retried()),
        ("run-failed", run_failed()),
        ("run-cancelled", run_cancelled()),
        ("draft-under-way", draft_under_way()),
        ("interrupted", interrupted()),
        ("background", background()),
        ("moderated", moderated()),
        ("restarted", restarted()),
        ("restarted-from-stage", restarted_from_stage()),
        ("given-up-and-restarted", given_up_and_restarted()),
        ("stuck-job", stuck_job()),
        ("other-playbook", other_playbook()),
    ]
}

fn say(play: &mut Play, id: &str, text: &str) {
    play.wait(THINKING_MS);
    let message = CommandKind::UserMessage {
        text: text.to_owned(),
        spoken: None,
    };
    play.send_as(Some(id), message).expect("the message is taken");
}

fn plan(play: &mut Play, answer: &str, ask: Option<&str>, question: &str) {
    play.wait(700);
    play.plan(&plan_reply(answer, ask, question));
}

fn generate(play: &mut Play, id: &str, draft: bool, background: bool) {
    play.wait(THINKING_MS);
    let generate = CommandKind::Generate { draft, background };
    play.send_as(Some(id), generate).expect("the run starts");
}

fn finish(play: &mut Play, name: &str) {
    let output = match name {
        "research" => outputs::research(),
        "strategy" => outputs::strategy(),
        "creative" => outputs::creative(),
        _ => outputs::voice(),
    };
    play.wait(8_000);
    play.stage(name, &output);
}

fn finish_all(play: &mut Play, names: &[&str]) {
    for name in names {
        finish(play, name);
    }
}

/// Slots from words, by the model and by the user's own edits; an answer that was interrupted, one at the second
/// attempt, one that the playbook gave. Ends while the next reply is being written.
fn typed() -> Play {
    let mut play = Play::launch();
    say(
        &mut play,
        "turn-1",
        "안녕하세요, 제품명은 루미세럼, 가격은 29000원이에요",
    );
    plan(
        &mut play,
        "루미세럼, 좋은 이름이네요.",
        Some("product.category"),
        "어떤 종류의 제품인가요?",
    );
    say(&mut play, "turn-2", "스킨케어예요. 저자극이고 빠르게 흡수돼요");
    let reply = json!({
        "answer": "저자극 스킨케어군요.",
        "slot_updates": [{
            "path": "product.features", "value": ["저자극", "빠른흡수", "비건"], "confidence": 0.8,
            "words": "저자극이고 빠르게 흡수돼요",
        }],
        "ask": "target.who", "question": "누가 쓰면 좋을까요?", "intent": "none",
    });
    play.plan(&reply);
    play.set("target.who", json!("20대 여성")).expect("an edit");
    play.set("target.who", Value::Null)
        .expect("a slot may be cleared");
    say(&mut play, "turn-3", "그건 잘 모르겠어요");
    let stamp = play.plan_stamp();
    play.stream(&stamp, r#"{"answer":"괜찮아요. 그럼 우선"#, &[]);
    say(&mut play, "turn-4", "아, 20대 여성이요");
    let stamp = play.plan_stamp();
    play.fail(&stamp, ErrorCode::LlmUpstream, true);
    play.wait(5_000);
    plan(
        &mut play,
        "20대 여성이군요.",
        Some("target.why"),
        "왜 필요로 할까요?",
    );
    say(&mut play, "turn-5", "트러블 진정이요");
    let stamp = play.plan_stamp();
    play.fail(&stamp, ErrorCode::SafetyOutput, false);
    say(&mut play, "turn-6", "그만 말해요");
    let stamp = play.plan_stamp();
    play.stream(&stamp, r#"{"answer":"알겠어요"#, &[]);
    play.send(CommandKind::CancelResponse).expect("cancelled");
    say(&mut play, "turn-7", "인스타에서 팔 거예요");
    let stamp = play.plan_stamp();
    play.stream(&stamp, r#"{"answer":"인스타 좋네요. 그"#, &[]);
    play
}

/// Turns that were spoken: heard in part, cut off, recorded, not understood; one that is being heard.
fn spoken_live() -> Play {
    let mut play = speech::with_voice(Play::launch());
    let turn_id = speech::speak(&mut play, "안녕하세요");
    plan(&mut play, "반갑습니다.", Some("product.name"), "이름이 뭐예요?");
    speech::voice(&mut play, turn_id, 11);
    play.wait(1_500);
    speech::hear(&mut play, turn_id, &["반갑습니다. 이름이"], false);

    let turn_id = speech::speak(&mut play, "루미세럼이요");
    plan(
        &mut play,
        "루미세럼이군요.",
        Some("product.category"),
        "어떤 종류의 제품인가요?",
    );
    speech::voice(&mut play, turn_id, 12);
    speech::hear(
        &mut play,
        turn_id,
        &["루미세럼이군요. 어떤 종류의 제품인가요?"],
        false,
    );

    let nothing = speech::listen(&mut play, true);
    play.wait(600);
    speech::hear_nothing(&mut play, &nothing);

    let turn_id = speech::speak(&mut play, "스킨케어요");
    let stamp = play.plan_stamp();
    play.stream(&stamp, r#"{"answer":"스킨케어는 요즘 많이들"#, &[]);
    speech::hear(&mut play, turn_id, &["스킨케어는"], true);
    speech::speak(&mut play, "잠깐만요, 가격은 이만구천원이에요");
    plan(&mut play, "네, 적었어요.", None, "");
    play.wait(10_000);
    speech::keep_recording(&mut play);
    // A line that nobody heard of again is given up; what comes of it later still counts.
    speech::listen(&mut play, true);
    play.crash_and_return(400_000);
    speech::listen(&mut play, true);
    play
}

/// Recordings that were sent as a whole, and a reply that was asked to be spoken.
fn spoken_recordings() -> Play {
    let mut play = speech::with_voice(Play::launch());
    let reserved = speech::listen(&mut play, false);
    play.wait(1_200);
    let turn_id = speech::understand(&mut play, &reserved, false, "제품명은 루미세럼이에요");
    plan(
        &mut play,
        "루미세럼이군요.",
        Some("product.category"),
        "어떤 종류의 제품인가요?",
    );
    speech::voice(&mut play, turn_id, 21);
    let abandoned = speech::listen(&mut play, false);
    play.crash_and_return(400_000);
    let turn_id = speech::understand(&mut play, &abandoned, false, "스킨케어예요");
    plan(
        &mut play,
        "좋아요.",
        Some("product.features"),
        "특징은 무엇인가요?",
    );
    speech::voice(&mut play, turn_id, 22);
    play
}

fn with_brief() -> Play {
    let mut play = Play::launch();
    play.fill_launch_brief();
    play
}

/// A run with searches, evidence that was refused, a repair, and talk beside it; the brief was edited afterwards.
fn run_done() -> Play {
    let mut play = with_brief();
    generate(&mut play, "run-1", false, true);
    let found = |url: &str, passage: Option<&str>| SearchSource {
        url: url.to_owned(),
        title: Some("Serum".to_owned()),
        passage: passage.map(str::to_owned),
    };
    let sources = [
        found(NEWS, Some("Demand for gentle serums is rising.")),
        found("https://b.example/", None),
    ];
    let stamp = play.stage_stamp("research");
    play.wait(8_000);
    let output = outputs::research_with_evidence(&[NEWS, "https://nobody-found.example/"]);
    play.reply_found(&stamp, &output.to_string(), &sources);
    let stamp = play.stage_stamp("strategy");
    play.wait(3_000);
    play.reply(&stamp, r#"{"market_assessment":{}}"#, &[]);
    finish(&mut play, "strategy");
    say(&mut play, "turn-1", "얼마나 걸려요?");
    plan(&mut play, "곧 끝나요.", None, "");
    finish_all(&mut play, &["creative", "voice"]);
    play.wait(60_000);
    play.set("product.name", json!("루미앰플")).expect("an edit");
    play
}

/// A run that failed at strategy after all of its attempts, and went on when it was taken up again.
fn run_failed_and_retried() -> Play {
    let mut play = with_brief();
    generate(&mut play, "run-1", false, true);
    finish(&mut play, "research");
    fail_for_good(&mut play, "strategy");
    play.wait(THINKING_MS);
    play.send_as(Some("retry-1"), CommandKind::RetryRun { run_id: None })
        .expect("it is taken up again");
    finish_all(&mut play, &["strategy", "creative", "voice"]);
    play
}

/// Fails every attempt of a stage.
fn fail_for_good(play: &mut Play, name: &str) {
    for _ in 0..10 {
        let stamp = play.stage_stamp(name);
        play.wait(2_000);
        play.fail(&stamp, ErrorCode::LlmUpstream, true);
        if play.state.active_run().is_none() {
            return;
        }
        play.wait(60_000);
    }
    panic!("{name} never fails for good");
}

/// A run that failed and was left so.
fn run_failed() -> Play {
    let mut play = with_brief();
    generate(&mut play, "run-1", false, false);
    finish(&mut play, "research");
    let stamp = play.stage_stamp("strategy");
    let reason = "the agent panicked".to_owned();
    play.report(&stamp, AgentReport::Crashed { reason });
    play.wait(60_000);
    let stamp = play.stage_stamp("strategy");
    play.fail(&stamp, ErrorCode::SafetyOutput, false);
    play
}

/// A run that was cancelled by its key and one that was cancelled with words; the gate is open.
fn run_cancelled() -> Play {
    let mut play = with_brief();
    generate(&mut play, "run-1", false, false);
    finish(&mut play, "research");
    let stamp = play.stage_stamp("strategy");
    play.stream(&stamp, r#"{"market_assessment":{"strengths":["순하다"]"#, &[]);
    play.wait(THINKING_MS);
    play.send_as(Some("cancel-1"), CommandKind::CancelRun { run_id: None })
        .expect("cancelled");
    generate(&mut play, "run-2", false, true);
    play.wait(THINKING_MS);
    play.send(CommandKind::CancelRun { run_id: None })
        .expect("cancelled");
    play.set("target.who", json!("30대 여성")).expect("an edit");
    play
}

/// A draft with gaps, beside which somebody talks.
fn draft_under_way() -> Play {
    let mut play = Play::launch();
    for (slot, value) in [
        ("product.name", json!("루미세럼")),
        ("product.features", json!(["저자극", "빠른흡수", "비건"])),
    ] {
        play.set(slot, value).expect("an edit");
    }
    generate(&mut play, "run-1", true, true);
    finish(&mut play, "research");
    let stamp = play.stage_stamp("strategy");
    play.fail(&stamp, ErrorCode::LlmTimeout, true);
    say(&mut play, "turn-1", "어디까지 됐어요?");
    play
}

/// Crashes of the server in a turn and in a stage; one after which the turn is too old to be answered.
fn interrupted() -> Play {
    let mut play = with_brief();
    say(&mut play, "turn-1", "안녕하세요");
    let stamp = play.plan_stamp();
    play.stream(&stamp, r#"{"answer":"안녕"#, &[]);
    play.crash_and_return(20_000);
    plan(&mut play, "안녕하세요.", None, "");
    say(&mut play, "turn-2", "계세요?");
    play.crash_and_return(3_600_000);
    generate(&mut play, "run-1", false, true);
    finish(&mut play, "research");
    let stamp = play.stage_stamp("strategy");
    play.stream(&stamp, r#"{"market_assessment":{"strengths":["순하"#, &[]);
    play.crash_and_return(90_000);
    play.crash_and_return(30_000);
    finish(&mut play, "strategy");
    let stamp = play.stage_stamp("creative");
    play.wait(2_000);
    play.fail(&stamp, ErrorCode::LlmUpstream, true);
    play.crash_and_return(500);
    play
}

/// Replies that a provider went on with while the server was away: one was there, one was lost, one is being made.
fn background() -> Play {
    let mut play = with_brief();
    play.capabilities.take_up = true;
    generate(&mut play, "run-1", false, true);
    begin(&mut play, "research");
    play.crash_and_return(20_000);
    finish(&mut play, "research");
    begin(&mut play, "strategy");
    play.crash_and_return(20_000);
    let stamp = play.stage_stamp("strategy");
    let reason = "the provider does not know it any more".to_owned();
    play.report(&stamp, AgentReport::Lost { reason });
    finish(&mut play, "strategy");
    begin(&mut play, "creative");
    play
}

/// The provider tells which response the call is.
fn begin(play: &mut Play, name: &str) {
    let stamp = play.stage_stamp(name);
    let response_id = format!("resp_of_{name}");
    play.report(&stamp, AgentReport::Begun { response_id });
}

/// Words, a reply and an output that were checked; flagged ones; a check that failed, one that a crash interrupted.
fn moderated() -> Play {
    let mut play = Play::launch_checked(ModerationPolicy::Required, ModerationPolicy::BestEffort);
    play.fill_launch_brief();
    say(&mut play, "turn-1", "안녕하세요");
    play.pass();
    plan(&mut play, "반갑습니다.", None, "");
    play.pass();
    say(&mut play, "turn-2", "나쁜 말이에요");
    play.check(Some(&["violence"]));
    say(&mut play, "turn-3", "그럼 다른 말");
    say(&mut play, "turn-4", "먼저 한 말까지 읽어 주세요");
    play.crash_and_return(5_000);
    play.pass();
    plan(&mut play, "이건 보여 주면 안 되는 말이에요.", None, "");
    play.check(Some(&["hate"]));
    generate(&mut play, "run-1", false, false);
    finish(&mut play, "research");
    let stamp = play.check_stamp();
    play.fail(&stamp, ErrorCode::LlmUpstream, false);
    finish(&mut play, "strategy");
    say(&mut play, "turn-5", "지금 뭐 해요?");
    play
}

fn operator(play: &mut Play, kind: CommandKind) {
    play.wait(30_000);
    play.operate(kind).1.expect("an operator may");
}

/// An operator built a session anew that had not failed, stopped it in the middle of everything, and took up a run.
fn restarted() -> Play {
    let mut play = with_brief();
    let reason = || "looked wrong".to_owned();
    let anew = || CommandKind::Restart {
        from_stage: None,
        reason: reason(),
    };
    say(&mut play, "turn-1", "안녕하세요");
    operator(&mut play, anew());
    play.crash_and_return(100);
    plan(&mut play, "안녕하세요.", None, "");
    generate(&mut play, "run-1", false, true);
    finish(&mut play, "research");
    say(&mut play, "turn-2", "잘 돼요?");
    operator(&mut play, CommandKind::Stop { reason: reason() });
    play.crash_and_return(60_000);
    generate(&mut play, "run-2", false, true);
    finish(&mut play, "research");
    fail_for_good(&mut play, "strategy");
    operator(&mut play, anew());
    finish_all(&mut play, &["strategy", "creative"]);
    play
}

/// A run that failed at creative, and that an operator had done again from strategy on.
fn restarted_from_stage() -> Play {
    let mut play = with_brief();
    generate(&mut play, "run-1", false, true);
    finish_all(&mut play, &["research", "strategy"]);
    fail_for_good(&mut play, "creative");
    let restart = CommandKind::Restart {
        from_stage: Some(stage("strategy")),
        reason: "the strategy was poor".to_owned(),
    };
    operator(&mut play, restart);
    finish(&mut play, "strategy");
    play
}

/// A session that crashed too often: its supervisor gave it up, and an operator restarted it.
fn given_up_and_restarted() -> Play {
    let mut play = with_brief();
    generate(&mut play, "run-1", false, false);
    finish(&mut play, "research");
    play.supervisor_writes([
        Event::StageChanged(StageChanged {
            state: "FAILED".to_owned(),
            run_id: None,
            failures: Vec::new(),
        }),
        Event::Error(ErrorEvent {
            turn_id: None,
            run_id: None,
            stage: None,
            attempt: None,
            will_retry: false,
            error: ErrorBody::new(ErrorCode::SessionRestartLimit, Locale::Ko),
        }),
    ]);
    play.now = play.now.after(Millis(600_000));
    let anew = SessionRestarted {
        from_stage: None,
        run_id: None,
    };
    play.supervisor_writes([Event::SessionRestarted(anew)]);
    play.crash_and_return(100);
    finish(&mut play, "strategy");
    play
}

/// A job that made no progress was begun again, and again.
fn stuck_job() -> Play {
    let mut play = with_brief();
    generate(&mut play, "run-1", false, true);
    finish(&mut play, "research");
    for _ in 0..2 {
        play.wait(15 * 60 * 1_000);
    }
    play
}

/// A quick session by another playbook, with stages side by side.
fn other_playbook() -> Play {
    let mut play = Play::of(load("tests/playbooks/concierge"), Mode::Fast);
    for (slot, value) in [
        ("guest.name", json!("Kim")),
        ("guest.party", json!(2)),
        ("stay.wishes", json!(["sea", "food"])),
        ("stay.pace", json!("calm")),
    ] {
        play.set(slot, value).expect("an edit");
    }
    say(&mut play, "turn-1", "We are two, and we like the sea");
    plan(&mut play, "Noted.", None, "");
    generate(&mut play, "run-1", false, true);
    play.wait(5_000);
    play.stage("scout", &outputs::concierge("scout"));
    let stamp = play.stage_stamp("menu");
    let menu = outputs::concierge("menu").to_string();
    let half: String = menu.chars().take(menu.chars().count() / 2).collect();
    play.stream(&stamp, &half, &[]);
    play
}
