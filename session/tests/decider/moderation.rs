//! Checks: of what users say, before anything reads it; of what models write, before it stands.

use greenroom_protocol::{CallOutcome, CallPurpose, ErrorCode, Event, Millis, Role, TurnOutcome};
use greenroom_session::ports::{ModerationPolicy, ModerationPolicy::*};
use greenroom_session::{AgentReport, Checked, CommandKind, Held, Private, due};
use serde_json::json;

use crate::outputs;
use crate::play::{Play, plan_reply, stage, types};

const BAD: &str = "제품명은 나쁜말";

fn input(policy: ModerationPolicy) -> Play {
    Play::launch_checked(policy, Off)
}

/// A launch run whose outputs are checked, with its research whole.
fn researched(policy: ModerationPolicy) -> Play {
    let mut play = Play::launch_checked(Off, policy);
    play.fill_launch_brief();
    play.generate().expect("started");
    play.stage("research", &outputs::research());
    play
}

fn crashed() -> AgentReport {
    AgentReport::Crashed {
        reason: "panicked".into(),
    }
}

fn errors(events: &[Event]) -> Vec<(ErrorCode, bool)> {
    let told = |event: &Event| match event {
        Event::Error(told) => Some((told.error.code, told.will_retry)),
        _ => None,
    };
    events.iter().filter_map(told).collect()
}

/// Everything that the planner's call under way reads.
fn read_by_planner(play: &Play) -> String {
    let request = play.request(&play.plan_stamp());
    let messages = request.messages.iter().map(|message| message.text.as_str());
    messages
        .chain([request.instructions.as_str()])
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the settlements say of the checks, oldest first.
fn checks(play: &Play) -> Vec<(CallOutcome, Option<Checked>)> {
    let settled = play.log.iter().filter_map(|fact| match &fact.event {
        Event::CallSettled(settled) if settled.purpose == CallPurpose::Moderate => {
            Some((settled.outcome, fact.private.checked.clone()))
        }
        _ => None,
    });
    settled.collect()
}

// ---------------------------------------------------------------- what users say

#[test]
fn a_check_has_the_time_that_the_playbook_gives_it() {
    let mut play = input(Required);
    let mut playbook = play.playbook.as_ref().clone();
    playbook.check_budget = Millis(2_500);
    play.playbook = playbook.into();
    play.say("안녕하세요");
    assert_eq!(play.check_request(&play.check_stamp()).timeout, Millis(2_500));
    play.crash_and_return(1_000);
    let again = play.check_request(&play.check_stamp());
    assert_eq!(again.timeout, Millis(2_500), "the time away is not the check's");
}

#[test]
fn nothing_reads_what_the_user_said_before_it_passed() {
    let mut play = input(Required);
    let from = play.log.len();
    let turn_id = play
        .say("제품명은 루미세럼, 카테고리는 스킨케어")
        .turn_id
        .expect("a turn");
    let events: Vec<Event> = play.log[from..].iter().map(|fact| fact.event.clone()).collect();
    assert_eq!(types(&events), ["turn.started", "message.added", "call.reserved"]);
    assert_eq!(play.value("product.name"), None);
    let stamp = play.check_stamp();
    let request = play.check_request(&stamp);
    assert_eq!(request.texts, ["제품명은 루미세럼, 카테고리는 스킨케어"]);
    assert_eq!(
        (request.call_id, request.timeout),
        (stamp.call_id, Millis(10_000))
    );

    let events = play.pass();
    assert_eq!(types(&events)[0], "call.settled");
    assert_eq!(play.value("product.name"), Some(json!("루미세럼")));
    assert_eq!(play.plan_stamp().purpose, CallPurpose::Plan);
    play.plan(&plan_reply("좋아요.", Some("product.features"), "특징은요?"));
    assert_eq!(play.outcomes(), [TurnOutcome::Ok]);
    assert_eq!(checks(&play), [(CallOutcome::Ok, Some(Checked::Passed))]);
    assert_eq!(play.state.conversation.last_turn, Some(turn_id));
}

#[test]
fn flagged_words_end_their_turn_and_are_never_read_again() {
    let mut play = input(Required);
    play.say(BAD);
    let events = play.check(Some(&["violence"]));
    assert_eq!(types(&events), ["call.settled", "error", "turn.completed"]);
    assert_eq!(errors(&events), [(ErrorCode::SafetyInput, false)]);
    assert_eq!(play.outcomes(), [TurnOutcome::Failed]);
    assert!(play.value("product.name").is_none() && due(&play.state).calls.is_empty());
    let flagged = Checked::Flagged {
        categories: vec!["violence".into()],
    };
    assert_eq!(checks(&play), [(CallOutcome::Ok, Some(flagged))]);
    assert!(
        play.state
            .conversation
            .messages
            .iter()
            .all(|message| message.role == Role::Assistant)
    );

    play.say("카테고리는 스킨케어예요");
    assert_eq!(
        play.check_request(&play.check_stamp()).texts,
        ["카테고리는 스킨케어예요"]
    );
    play.pass();
    assert!(!read_by_planner(&play).contains("나쁜말"));
    let mut reply = plan_reply("네.", None, "");
    reply["slot_updates"] =
        json!([{ "path": "product.name", "value": "나쁜말", "confidence": 0.9, "words": BAD }]);
    play.plan(&reply);
    assert_eq!(
        play.value("product.name"),
        None,
        "no value rests on words that were refused"
    );
}

#[test]
fn words_that_cannot_be_checked_are_refused_or_pass_as_the_policy_says() {
    for (policy, passes) in [(Required, false), (BestEffort, true)] {
        for crashes in [false, true] {
            let mut play = input(policy);
            play.say("제품명은 별나라");
            let stamp = play.check_stamp();
            let events = if crashes {
                play.report(&stamp, crashed())
            } else {
                play.fail(&stamp, ErrorCode::SafetyUnavailable, true)
            };
            let settled = play
                .log
                .iter()
                .rev()
                .find(|fact| matches!(fact.event, Event::CallSettled(_)));
            let private = &settled.expect("settled").private;
            let reason = private.reason.as_deref().expect("a reason");
            if passes {
                assert_eq!(errors(&events), []);
                assert_eq!(play.value("product.name"), Some(json!("별나라")));
                assert_eq!(play.plan_stamp().purpose, CallPurpose::Plan);
                assert!(reason.starts_with("passed unchecked"), "{reason}");
                assert_eq!(private.checked, Some(Checked::Unchecked));
            } else {
                assert_eq!(errors(&events), [(ErrorCode::SafetyUnavailable, false)]);
                assert_eq!(play.outcomes(), [TurnOutcome::Failed]);
                assert_eq!(private.checked, None);
                assert_eq!(play.value("product.name"), None);
                play.say("네");
                play.pass();
                assert!(!read_by_planner(&play).contains("별나라"));
            }
        }
    }
}

#[test]
fn words_that_were_interrupted_unchecked_are_checked_with_the_next_and_then_read() {
    let mut play = input(Required);
    play.say("제품명은 루미세럼");
    let first = play.check_stamp();
    play.say("카테고리는 스킨케어");
    assert!(!play.state.open_calls.contains_key(&first.call_id));
    assert!(
        play.report(&first, crashed()).is_empty(),
        "what is late is dropped"
    );
    assert_eq!(play.outcomes(), [TurnOutcome::Interrupted]);
    assert_eq!(
        play.check_request(&play.check_stamp()).texts,
        ["제품명은 루미세럼\n카테고리는 스킨케어"]
    );
    play.pass();
    assert_eq!(play.value("product.name"), Some(json!("루미세럼")));
    assert_eq!(play.value("product.category"), Some(json!("스킨케어")));
    let context = play.request(&play.plan_stamp()).instructions;
    assert!(
        context.contains("제품명은 루미세럼"),
        "the planner reads what was interrupted"
    );
}

#[test]
fn what_is_flagged_together_is_withheld_together() {
    let mut play = input(Required);
    play.say(BAD);
    play.send(CommandKind::CancelResponse).expect("ended");
    play.say("카테고리는 별나라");
    play.check(Some(&["violence"]));
    play.say("안녕하세요");
    assert_eq!(play.check_request(&play.check_stamp()).texts, ["안녕하세요"]);
    play.pass();
    let read = read_by_planner(&play);
    assert!(!read.contains("나쁜말") && !read.contains("별나라"));
}

#[test]
fn what_is_interrupted_unchecked_is_bounded_and_the_oldest_is_given_up() {
    let mut play = input(Required);
    for number in 0..10 {
        play.say(&format!("말 {number}"));
    }
    let texts = play.check_request(&play.check_stamp()).texts;
    assert_eq!(texts, ["말 5\n말 6\n말 7\n말 8\n말 9"]);
    play.pass();
    let read = read_by_planner(&play);
    assert!(
        !read.contains("말 4") && read.contains("말 5"),
        "what was never checked is never read"
    );
}

#[test]
fn what_was_interrupted_after_its_check_outlives_a_turn_that_is_flagged() {
    let mut play = input(Required);
    play.say("제품명은 루미세럼");
    play.pass();
    play.say(BAD);
    play.check(Some(&["violence"]));
    play.say("네");
    play.pass();
    let context = play.request(&play.plan_stamp()).instructions;
    assert!(
        context.contains("제품명은 루미세럼"),
        "no planner has read it yet"
    );
}

#[test]
fn a_check_that_a_crash_interrupts_is_made_again_three_times_and_no_more() {
    let mut play = input(BestEffort);
    play.say("제품명은 루미세럼");
    for _ in 0..3 {
        let before = play.check_stamp();
        let events = play.crash_and_return(1_000);
        assert_eq!(types(&events), ["call.settled", "call.reserved"]);
        assert_ne!(play.check_stamp(), before);
        assert_eq!(play.check_request(&play.check_stamp()).timeout, Millis(10_000));
    }
    let events = play.crash_and_return(1_000);
    assert_eq!(
        errors(&events),
        [(ErrorCode::SafetyUnavailable, false)],
        "what crashes the server must end"
    );
    assert_eq!(play.outcomes(), [TurnOutcome::Failed]);
    assert!(due(&play.state).calls.is_empty() && play.state.open_calls.is_empty());
}

#[test]
fn a_check_that_is_found_too_late_abandons_its_turn_unread() {
    let mut play = input(Required);
    play.say(BAD);
    play.crash_and_return(6 * 60_000);
    assert_eq!(play.outcomes(), [TurnOutcome::Abandoned]);
    play.say("네");
    play.pass();
    assert!(!read_by_planner(&play).contains("나쁜말"));
}

#[test]
fn a_server_that_came_back_without_checks_goes_on_without() {
    let mut play = input(Required);
    play.say("제품명은 루미세럼");
    play.capabilities.moderate_input = Off;
    play.crash_and_return(1_000);
    assert_eq!(play.value("product.name"), Some(json!("루미세럼")));
    assert_eq!(play.plan_stamp().purpose, CallPurpose::Plan);
}

#[test]
fn without_a_model_words_are_checked_all_the_same() {
    let mut play = input(Required);
    play.capabilities.llm = None;
    play.say(BAD);
    play.crash_and_return(1_000);
    play.check(Some(&["violence"]));
    play.say("제품명은 루미세럼");
    play.pass();
    assert_eq!(play.value("product.name"), Some(json!("루미세럼")));
    assert_eq!(play.outcomes(), [TurnOutcome::Failed, TurnOutcome::Ok]);
}

#[test]
fn a_wish_by_button_has_no_words_to_check() {
    let mut play = input(Required);
    play.fill_launch_brief();
    play.generate().expect("started");
    assert!(checks(&play).is_empty());
    assert_eq!(play.stage_stamp("research").purpose, CallPurpose::Stage);
}

#[test]
fn what_is_said_while_a_run_is_under_way_is_checked_and_fills_nothing() {
    let mut play = input(Required);
    play.fill_launch_brief();
    play.generate().expect("started");
    play.say("제품명은 다른이름");
    play.pass();
    assert_eq!(play.value("product.name"), Some(json!("루미세럼")));
    assert_eq!(due(&play.state).calls.len(), 2, "the stage and the planner");
}

// ---------------------------------------------------------------- what the planner writes

#[test]
fn a_reply_becomes_a_message_only_once_it_passed() {
    let mut play = Play::launch_checked(Off, Required);
    play.say("안녕하세요");
    let from = play.log.len();
    play.plan(&plan_reply("반갑습니다.", Some("product.name"), "이름은요?"));
    assert!(play.said(from).is_empty() && play.outcomes().is_empty());
    let stamp = play.check_stamp();
    let request = play.check_request(&stamp);
    assert_eq!(request.texts, ["반갑습니다. 이름은요?"]);
    assert!(request.timeout <= Millis(10_000));
    play.pass();
    assert_eq!(play.said(from), ["반갑습니다. 이름은요?"]);
    assert_eq!(play.outcomes(), [TurnOutcome::Ok]);
    assert_eq!(
        play.state
            .conversation
            .asked
            .as_ref()
            .map(ToString::to_string)
            .as_deref(),
        Some("product.name")
    );
}

#[test]
fn a_flagged_reply_is_no_message_and_the_playbooks_own_question_takes_its_place() {
    let mut play = Play::launch_checked(Off, Required);
    play.say("안녕하세요");
    let from = play.log.len();
    let mut reply = plan_reply("나쁜 대답.", Some("goal.weekly_goal"), "목표는요?");
    reply["intent"] = json!("draft");
    play.plan(&reply);
    let events = play.check(Some(&["hate"]));
    assert_eq!(errors(&events), [(ErrorCode::SafetyOutput, false)]);
    assert_eq!(play.said(from), [play.phrase("question.product.name")]);
    assert_eq!(
        play.outcomes(),
        [TurnOutcome::Ok],
        "as when the planner fails: the conversation goes on"
    );
    assert!(
        play.state.active_run().is_none(),
        "nothing that it says is acted upon"
    );
    play.say("네");
    assert!(!read_by_planner(&play).contains("나쁜 대답"));
}

#[test]
fn a_reply_that_cannot_be_checked_is_refused_or_passes_as_the_policy_says() {
    for (policy, passes) in [(Required, false), (BestEffort, true)] {
        let mut play = Play::launch_checked(Off, policy);
        play.say("안녕하세요");
        let from = play.log.len();
        play.plan(&plan_reply("반갑습니다.", Some("product.name"), "이름은요?"));
        let stamp = play.check_stamp();
        let events = play.fail(&stamp, ErrorCode::SafetyUnavailable, true);
        if passes {
            assert_eq!(play.said(from), ["반갑습니다. 이름은요?"]);
        } else {
            assert_eq!(errors(&events), [(ErrorCode::SafetyUnavailable, false)]);
            assert_eq!(play.said(from), [play.phrase("question.product.name")]);
        }
    }
}

#[test]
fn a_reply_cut_off_unchecked_stands_only_where_checks_are_not_required() {
    for (policy, stands) in [(Required, false), (BestEffort, true), (Off, true)] {
        for whole in [true, false] {
            let mut play = Play::launch_checked(Off, policy);
            play.say("안녕하세요");
            let from = play.log.len();
            let stamp = play.plan_stamp();
            let reply = plan_reply("반갑습니다.", None, "").to_string();
            if whole && policy != Off {
                play.reply(&stamp, &reply, &[]);
            } else {
                play.stream(&stamp, &reply, &[]);
            }
            play.send(CommandKind::CancelResponse).expect("ended");
            let expected: &[&str] = if stands { &["반갑습니다."] } else { &[] };
            assert_eq!(play.said(from), expected, "{policy:?}");
            assert_eq!(play.outcomes(), [TurnOutcome::Interrupted]);
            assert!(due(&play.state).calls.is_empty() && play.state.open_calls.is_empty());
        }
    }
}

#[test]
fn the_check_of_a_reply_that_a_crash_interrupts_is_made_again_and_the_reply_is_not() {
    let mut play = Play::launch_checked(Off, Required);
    play.say("안녕하세요");
    let from = play.log.len();
    play.plan(&plan_reply("반갑습니다.", Some("product.name"), "이름은요?"));
    for _ in 0..2 {
        let events = play.crash_and_return(1_000);
        assert_eq!(types(&events), ["call.settled", "call.reserved"]);
    }
    play.pass();
    assert_eq!(play.said(from), ["반갑습니다. 이름은요?"]);
    let plans = play
        .log
        .iter()
        .filter(|fact| matches!(&fact.event, Event::CallReserved(call) if call.purpose == CallPurpose::Plan));
    assert_eq!(plans.count(), 1);
}

// ---------------------------------------------------------------- what stages write

#[test]
fn an_output_completes_its_stage_only_once_it_passed() {
    let mut play = researched(Required);
    assert!(
        play.state
            .active_run()
            .expect("running")
            .output(&stage("research"))
            .is_none()
    );
    let request = play.check_request(&play.check_stamp());
    let text = request.texts.join("\n");
    assert!(text.contains("저자극 제품 검색이 늘고 있다") && text.contains("https://news.example/serum"));
    assert!(
        !text.contains("market_signals"),
        "names of fields are not the model's words"
    );
    let events = play.pass();
    assert_eq!(types(&events)[..2], ["call.settled", "stage.completed"]);
    let completed = events.iter().find_map(|event| match event {
        Event::StageCompleted(completed) => Some(completed),
        _ => None,
    });
    assert_eq!(
        completed.expect("complete").sources.len(),
        1,
        "all that was checked stands in it"
    );
    assert_eq!(play.state.wire_state, "GEN_STRATEGY");
}

#[test]
fn a_flagged_output_is_a_failed_attempt_and_its_retries_are_the_stages() {
    let mut play = researched(Required);
    let events = play.check(Some(&["hate"]));
    assert_eq!(errors(&events), [(ErrorCode::SafetyOutput, true)]);
    play.wait(2_400);
    assert_eq!(
        play.state
            .active_run()
            .expect("running")
            .attempt(&stage("research"))
            .map(|attempt| attempt.number),
        Some(2)
    );
    play.stage("research", &outputs::research());
    let events = play.check(Some(&["hate"]));
    assert_eq!(errors(&events), [(ErrorCode::SafetyOutput, false)]);
    assert_eq!(play.state.wire_state, "FAILED");
    assert!(
        !play
            .log
            .iter()
            .any(|fact| matches!(fact.event, Event::StageCompleted(_)))
    );
    assert!(play.state.open_calls.is_empty());
}

#[test]
fn an_output_that_cannot_be_checked_is_a_failed_attempt_or_passes() {
    for (policy, passes) in [(Required, false), (BestEffort, true)] {
        let mut play = researched(policy);
        let stamp = play.check_stamp();
        let events = play.report(&stamp, crashed());
        if passes {
            assert_eq!(play.state.wire_state, "GEN_STRATEGY");
        } else {
            assert_eq!(errors(&events), [(ErrorCode::SafetyUnavailable, true)]);
        }
    }
}

#[test]
fn the_check_has_ten_seconds_of_its_own_and_never_more_than_its_run() {
    for (spent_ms, expected_ms) in [(0, 10_000), (19_999, 10_000), (595_000, 5_000), (599_999, 1)] {
        let mut play = Play::launch_checked(Off, Required);
        play.fill_launch_brief();
        play.generate().expect("started");
        play.now = play.now.after(Millis(spent_ms));
        play.stage("research", &outputs::research());
        let timeout = play.check_request(&play.check_stamp()).timeout;
        assert_eq!(timeout, Millis(expected_ms), "research has 20 s, the run 600 s");
    }
}

#[test]
fn the_check_of_an_output_that_a_crash_interrupts_is_made_again_and_the_stage_is_not_paid_twice() {
    let mut play = researched(Required);
    for _ in 0..3 {
        let events = play.crash_and_return(3_600_000);
        assert_eq!(types(&events), ["call.settled", "call.reserved"]);
        assert_eq!(play.check_request(&play.check_stamp()).timeout, Millis(10_000));
    }
    let left = play.state.active_run().expect("running").deadline.since(play.now);
    assert!(
        left > Millis(500_000),
        "the hours away are not the run's: {left:?}"
    );
    play.pass();
    assert_eq!(play.state.wire_state, "GEN_STRATEGY");
    let attempts = play.log.iter().filter(
        |fact| matches!(&fact.event, Event::StageStarted(started) if started.stage == stage("research")),
    );
    assert_eq!(attempts.count(), 1);

    let mut play = researched(Required);
    for _ in 0..4 {
        play.crash_and_return(1_000);
    }
    assert_eq!(play.state.wire_state, "FAILED");
    assert!(play.state.open_calls.is_empty());
}

#[test]
fn cancelling_the_run_ends_a_check_that_is_under_way() {
    let mut play = researched(Required);
    let stamp = play.check_stamp();
    play.send(CommandKind::CancelRun { run_id: None })
        .expect("cancelled");
    assert!(due(&play.state).calls.is_empty() && play.state.open_calls.is_empty());
    assert!(play.report(&stamp, crashed()).is_empty());
    assert_eq!(play.state.wire_state, "BRIEF_READY");
}

#[test]
fn texts_that_do_not_fit_one_request_are_checked_part_by_part() {
    let mut play = Play::launch_checked(Off, Required);
    play.fill_launch_brief();
    play.generate().expect("started");
    let mut long = outputs::research();
    long["market_signals"][0]["signal"] = json!("word ".repeat(50_000));
    play.stage("research", &long);
    let first = play.check_request(&play.check_stamp());
    let events = play.pass();
    assert_eq!(types(&events), ["call.settled", "call.reserved"]);
    play.crash_and_return(1_000);
    let second = play.check_request(&play.check_stamp());
    assert_ne!(
        first.texts, second.texts,
        "a part that passed is not checked again"
    );
    let all = [first.texts, second.texts].concat();
    assert_eq!(all.join(" ").matches("word").count(), 50_000);
    play.pass();
    assert_eq!(play.state.wire_state, "GEN_STRATEGY");
}

#[test]
fn a_repair_is_checked_like_a_first_reply() {
    let mut play = Play::launch_checked(Off, Required);
    play.fill_launch_brief();
    play.generate().expect("started");
    let mut broken = outputs::research();
    broken["market_signals"] = json!([]);
    play.stage("research", &broken);
    play.stage("research", &outputs::research());
    play.pass();
    assert_eq!(play.state.wire_state, "GEN_STRATEGY");
}

// ---------------------------------------------------------------- in the log

#[test]
fn what_waits_for_a_check_and_what_it_found_are_stored_and_read_back() {
    let mut play = researched(Required);
    play.check(Some(&["hate"]));
    play.say("안녕하세요");
    play.plan(&plan_reply("반갑습니다.", None, ""));
    let mut held = 0;
    for fact in &play.log {
        let text = serde_json::to_string(&fact.private).expect("serializable");
        let read: Private = serde_json::from_str(&text).expect("readable");
        assert_eq!(read, fact.private);
        held += usize::from(fact.private.held.is_some());
    }
    assert_eq!(held, 2, "an output and a reply");
    let reply = play.log.iter().find_map(|fact| match &fact.private.held {
        Some(held @ Held::Reply { .. }) => Some(serde_json::to_value(held).expect("serializable")),
        Some(Held::Output { .. }) | None => None,
    });
    let reply = reply.expect("held");
    assert_eq!(
        (&reply["kind"], &reply["reply"]["answer"]),
        (&json!("reply"), &json!("반갑습니다."))
    );
    let old: Private = serde_json::from_value(json!({ "budget": 8_000 })).expect("an older journal's");
    assert_eq!((old.held, old.checked), (None, None));
}
