//! Each sentence of the conversation rules in PRODUCT.md, as a test.

use crate::play::{Play, path, plan_reply, types};
use greenroom_protocol::{ErrorCode, Event, Locale, Provenance, Role, SlotSource, TurnOutcome};
use greenroom_session::{AgentReport, CommandKind};
use serde_json::{Value, json};

const WHOLE_BRIEF: &str = "제품명은 런치부스터, 카테고리는 스킨케어, 특징은 저자극, 빠른흡수, 비건, 가격은 29000원, 타겟은 20대 여성, \
     이유는 트러블 진정, 채널은 인스타와 네이버, 목표는 구매, 영상 길이는 10초";

#[test]
fn a_session_begins_with_a_greeting_and_the_first_question() {
    let play = Play::launch();
    assert_eq!(
        play.said(0),
        [play.phrase("greeting"), play.phrase("question.product.name")]
    );
    assert_eq!(play.state.wire_state, "CHAT_COLLECTING");
    assert_eq!(play.state.gate.missing_required.len(), 8);
}

#[test]
fn an_explicit_brief_fills_every_slot_in_one_turn_without_any_model() {
    let mut play = Play::launch_without_model();
    play.say(WHOLE_BRIEF);
    for (slot, value) in [
        ("product.name", json!("런치부스터")),
        ("product.category", json!("스킨케어")),
        ("product.features", json!(["저자극", "빠른흡수", "비건"])),
        ("product.price_band", json!("mid")),
        ("target.who", json!("20대 여성")),
        ("target.why", json!("트러블 진정")),
        ("channel.channels", json!(["인스타", "네이버"])),
        ("goal.weekly_goal", json!("purchase")),
        ("goal.video_seconds", json!(10)),
    ] {
        assert_eq!(play.value(slot), Some(value), "{slot}");
    }
    assert_eq!(play.state.wire_state, "BRIEF_READY");
    assert!(
        play.log
            .iter()
            .any(|fact| matches!(&fact.event, Event::GateReady(judged) if judged.gate.ready))
    );
    assert_eq!(play.said(0).last(), Some(&play.phrase("turn.ready")));
}

#[test]
fn a_bare_answer_fills_the_slot_just_asked_for() {
    let mut play = Play::launch_without_model();
    play.say("아이폰");
    assert_eq!(play.value("product.name"), Some(json!("아이폰")));
    play.say("스마트폰");
    play.say("가볍다, 빠르다, 예쁘다");
    play.say("39000");
    assert_eq!(play.value("product.price_band"), Some(json!("mid")));
}

#[test]
fn every_value_carries_the_turn_and_the_words_that_it_came_from() {
    let mut play = Play::launch_without_model();
    let turn_id = play.say("제품명은 루미세럼이에요").turn_id.expect("a turn");
    let slot = play
        .state
        .brief
        .get(&path("product.name"))
        .expect("filled")
        .clone();
    let SlotSource::Turn {
        turn_id: said_in,
        words,
    } = slot.source
    else {
        panic!("from a turn")
    };
    assert_eq!(said_in, turn_id);
    assert!("제품명은 루미세럼이에요".contains(&words) && words.contains("루미세럼"));

    play.set("product.name", json!("루미앰플")).expect("an edit");
    assert_eq!(
        play.state
            .brief
            .get(&path("product.name"))
            .expect("filled")
            .source,
        SlotSource::Edit
    );
}

#[test]
fn the_users_own_question_is_answered_before_one_question_is_asked() {
    let mut play = Play::launch();
    play.say("인스타 광고가 요즘도 효과 있어요?");
    let from = play.log.len();
    play.plan(&plan_reply(
        "네, 아직 그렇습니다.",
        Some("product.name"),
        "제품 이름이 무엇인가요?",
    ));
    assert_eq!(play.said(from), ["네, 아직 그렇습니다. 제품 이름이 무엇인가요?"]);
    assert_eq!(play.outcomes(), [TurnOutcome::Ok]);
}

#[test]
fn a_question_for_a_slot_that_is_filled_is_never_shown() {
    let mut play = Play::launch();
    play.say("제품명은 루미세럼");
    let from = play.log.len();
    let events = play.plan(&plan_reply(
        "좋은 이름이네요.",
        Some("product.name"),
        "제품 이름이 뭐예요?",
    ));
    assert_eq!(
        play.said(from),
        [
            "좋은 이름이네요.".to_owned(),
            play.phrase("question.product.category")
        ]
    );
    let shown: String = events
        .iter()
        .filter_map(|event| match event {
            Event::PlannerDelta(delta) => Some(format!("{:?}", delta.delta.change)),
            _ => None,
        })
        .collect();
    assert!(
        !shown.contains('뭐'),
        "not a letter of the withheld question was streamed: {shown}"
    );
}

#[test]
fn at_most_one_question_is_asked_a_turn() {
    let mut play = Play::launch();
    for (ask, question) in [
        (Some("product.name"), "이름이 뭐예요?"),
        (None, ""),
        (Some("goal.weekly_goal"), "목표는요?"),
    ] {
        play.say("음");
        let from = play.log.len();
        play.plan(&plan_reply("네.", ask, question));
        let questions: usize = play.said(from).iter().map(|text| text.matches('?').count()).sum();
        assert!(questions <= 1, "{:?}", play.said(from));
        let asked = play.log[from..]
            .iter()
            .filter(|fact| matches!(&fact.event, Event::MessageAdded(message) if message.asks.is_some()));
        assert_eq!(asked.count(), 1, "the conversation goes on");
    }
}

#[test]
fn an_unclear_slot_is_asked_for_twice_then_left_and_come_back_to() {
    let mut play = Play::launch_without_model();
    let mut asked = Vec::new();
    for _ in 0..18 {
        asked.push(
            play.state
                .conversation
                .asked
                .as_ref()
                .expect("a question")
                .to_string(),
        );
        play.say("글쎄요, 잘 모르겠어요");
    }
    let expected_first: Vec<&str> = vec![
        "product.name",
        "product.name",
        "product.category",
        "product.category",
        "product.features",
        "product.features",
        "product.price_band",
        "product.price_band",
        "target.who",
        "target.who",
    ];
    assert_eq!(asked[..10], expected_first);
    assert_eq!(
        asked[16..],
        ["product.name", "product.name"],
        "after all others it comes back"
    );
}

#[test]
fn after_twenty_turns_the_user_is_offered_a_draft_once_and_may_go_on() {
    let mut play = Play::launch_without_model();
    for turn in 1..=21 {
        play.say("글쎄요, 잘 모르겠어요");
        let offered = play.said(0).last() == Some(&play.phrase("turn.offer_draft"));
        assert_eq!(offered, turn == 20, "turn {turn}");
    }
}

#[test]
fn the_planner_may_not_ask_in_the_turn_that_offers_the_draft() {
    let mut play = Play::launch();
    for _ in 0..19 {
        play.say("글쎄요");
        play.plan(&plan_reply("괜찮아요.", None, ""));
    }
    play.say("글쎄요");
    let from = play.log.len();
    play.plan(&plan_reply("괜찮아요.", Some("product.name"), "이름이 뭐예요?"));
    assert_eq!(
        play.said(from),
        ["괜찮아요.".to_owned(), play.phrase("turn.offer_draft")]
    );
}

#[test]
fn a_draft_is_a_durable_waiver_for_that_run_only() {
    let mut play = Play::launch();
    play.say("제품명은 루미세럼");
    play.plan(&plan_reply("네.", Some("product.category"), "카테고리는요?"));
    let refused = play.generate().expect_err("the gate is closed");
    assert_eq!(refused.code, ErrorCode::GateNotReady);
    assert_eq!(
        refused.details["missing_required"].as_array().map(Vec::len),
        Some(7)
    );

    let receipt = play
        .send(CommandKind::Generate {
            draft: true,
            background: false,
        })
        .expect("waived");
    let waived = play.log.iter().find_map(|fact| match &fact.event {
        Event::GateWaived(waived) => Some(waived.clone()),
        _ => None,
    });
    let waived = waived.expect("a waiver");
    assert_eq!(Some(waived.run_id), receipt.run_id);
    assert_eq!(waived.missing_required.len(), 7);
    let request = play.request(&play.stage_stamp("research"));
    assert!(request.messages[0].text.contains("\"draft\": true"));

    play.send(CommandKind::CancelRun { run_id: None })
        .expect("cancelled");
    assert_eq!(
        play.generate().expect_err("the waiver is gone").code,
        ErrorCode::GateNotReady
    );
}

#[test]
fn a_slot_is_corrected_by_voice_text_or_edit_and_a_correction_can_close_the_gate_again() {
    let mut play = Play::launch_without_model();
    play.say(WHOLE_BRIEF);
    play.say("아니, 제품명은 루미앰플이야");
    assert_eq!(play.value("product.name"), Some(json!("루미앰플")));
    assert_eq!(play.state.wire_state, "BRIEF_READY");
    play.set("target.who", Value::Null).expect("an edit");
    assert_eq!(play.state.wire_state, "CHAT_COLLECTING");
    assert_eq!(play.state.gate.missing_required, [path("target.who")]);
    play.set("target.who", json!("30대 남성")).expect("an edit");
    assert_eq!(play.state.wire_state, "BRIEF_READY");
}

#[test]
fn after_brief_ready_more_detail_still_enriches_the_brief() {
    let mut play = Play::launch_without_model();
    play.say(WHOLE_BRIEF);
    play.say("영상 길이는 15초로 해주세요");
    assert_eq!(play.value("goal.video_seconds"), Some(json!(15)));
}

#[test]
fn the_run_starts_only_when_the_user_asks() {
    let mut play = Play::launch();
    play.fill_launch_brief();
    assert_eq!(play.state.wire_state, "BRIEF_READY");
    play.say("좋네요");
    play.plan(&plan_reply("준비됐어요.", None, ""));
    assert_eq!(play.state.wire_state, "BRIEF_READY");
    play.say("이제 만들어줘");
    let events = play.plan(
        &json!({ "answer": "네, 시작할게요.", "slot_updates": [], "ask": null, "question": "", "intent": "generate" }),
    );
    assert!(types(&events).contains(&"run.started".to_owned()));
    assert_eq!(play.state.wire_state, "RUN_RESEARCH");
}

#[test]
fn saying_so_does_not_start_a_run_while_the_gate_is_closed() {
    let mut play = Play::launch();
    play.say("이제 만들어줘");
    play.plan(
        &json!({ "answer": "아직 이름이 필요해요.", "slot_updates": [], "ask": "product.name", "question": "이름이 뭐예요?", "intent": "generate" }),
    );
    assert_eq!(play.state.wire_state, "CHAT_COLLECTING");
}

#[test]
fn while_a_run_is_under_way_turns_are_answered_and_slots_are_frozen() {
    let mut play = Play::launch();
    play.fill_launch_brief();
    play.generate().expect("started");
    assert_eq!(
        play.set("product.name", json!("X")).expect_err("frozen").code,
        ErrorCode::GateRunActive
    );
    play.say("제품명은 다른이름");
    let from = play.log.len();
    play.plan(
        &json!({ "answer": "지금은 만드는 중이에요.", "slot_updates": [{ "path": "product.name", "value": "다른이름", "confidence": 0.9, "words": "제품명은 다른이름" }], "ask": null, "question": "", "intent": "none" }),
    );
    assert_eq!(play.said(from), ["지금은 만드는 중이에요."]);
    assert_eq!(play.value("product.name"), Some(json!("루미세럼")));
}

#[test]
fn a_new_turn_ends_the_current_one_and_the_next_planner_reads_what_was_interrupted() {
    let mut play = Play::launch();
    let first = play.say("타겟은 음 그러니까 우리 동네 러너들인데").turn_id;
    let stamp = play.plan_stamp();
    play.stream(&stamp, r#"{"answer":"러너분들이군요, 그럼"#, &[]);
    let from = play.log.len();
    play.say("아 잠깐, 가격은 5만원이에요");
    let truncated: Vec<_> = play.log[from..]
        .iter()
        .filter_map(|fact| match &fact.event {
            Event::MessageAdded(message) if message.role == Role::Assistant => Some(message.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(truncated.len(), 1);
    assert!(truncated[0].truncated && truncated[0].turn_id == first);
    assert_eq!(truncated[0].text, "러너분들이군요, 그럼");
    assert!(matches!(&truncated[0].provenance, Provenance::Model { model, .. } if model == "sim-large"));
    assert_eq!(play.outcomes(), [TurnOutcome::Interrupted]);

    let request = play.request(&play.plan_stamp());
    assert!(
        request.instructions.contains("우리 동네 러너들인데"),
        "the interrupted words are in the context"
    );
    // What the interrupted planner still says is late, and dropped.
    assert!(
        play.report(
            &stamp,
            AgentReport::Crashed {
                reason: "late".into()
            }
        )
        .is_empty()
    );
    play.plan(
        &json!({ "answer": "네.", "slot_updates": [{ "path": "target.who", "value": "동네 러너들", "confidence": 0.9, "words": "우리 동네 러너들" }], "ask": null, "question": "", "intent": "none" }),
    );
    let slot = play
        .state
        .brief
        .get(&path("target.who"))
        .expect("filled from the interrupted words")
        .clone();
    assert!(matches!(slot.source, SlotSource::Turn { turn_id, .. } if Some(turn_id) == first));
}

#[test]
fn a_value_that_the_users_words_do_not_support_is_rejected_whoever_proposes_it() {
    let mut play = Play::launch();
    play.say("스킨케어 브랜드를 준비하고 있어요");
    play.plan(&json!({ "answer": "네.", "slot_updates": [
            { "path": "product.name", "value": "글로우마스터", "confidence": 1.0, "words": "글로우마스터" },
            { "path": "target.who", "value": "30대 직장인", "confidence": 1.0, "words": "스킨케어 브랜드" },
        ], "ask": "product.name", "question": "이름이 뭐예요?", "intent": "none" }));
    assert_eq!(play.value("product.name"), None);
    assert_eq!(play.value("target.who"), None);
}

#[test]
fn an_explicit_answer_to_one_slot_does_not_fill_another() {
    let mut play = Play::launch();
    play.say("제품명은 루미앰플이야");
    play.plan(
        &json!({ "answer": "네.", "slot_updates": [{ "path": "channel.channels", "value": ["제품명은 루미앰플이야"], "confidence": 0.9, "words": "제품명은 루미앰플이야" }], "ask": "product.category", "question": "카테고리는요?", "intent": "none" }),
    );
    assert_eq!(play.value("channel.channels"), None);
    assert_eq!(play.value("product.name"), Some(json!("루미앰플")));
}

#[test]
fn a_greeting_and_small_talk_fill_nothing() {
    for text in [
        "안녕하세요",
        "안녕하세요, 다음 주에 제품을 하나 출시하려고 해요",
        "Hello there, I want to launch a product next week",
    ] {
        let mut play = Play::launch_without_model();
        play.say(text);
        assert_eq!(play.state.brief.iter().count(), 0, "{text}");
    }
}

#[test]
fn a_slot_that_is_answered_is_asked_for_no_more_so_a_bare_answer_leaves_it_alone() {
    let mut play = Play::launch();
    play.say("루미세럼");
    play.say("스킨케어");
    assert_eq!(
        play.value("product.name"),
        Some(json!("루미세럼")),
        "the reply was interrupted before it asked"
    );

    let mut play = Play::launch();
    play.say("루미세럼");
    let stamp = play.plan_stamp();
    let reply = plan_reply("네.", Some("product.category"), "카테고리는 무엇인가요?").to_string();
    play.stream(&stamp, &reply, &[]);
    play.say("스킨케어");
    assert_eq!(play.value("product.name"), Some(json!("루미세럼")));
    assert_eq!(
        play.value("product.category"),
        Some(json!("스킨케어")),
        "its question was shown"
    );

    let mut play = Play::launch_without_model();
    play.set("product.name", json!("루미세럼")).expect("an edit");
    play.say("스킨케어");
    assert_eq!(play.value("product.name"), Some(json!("루미세럼")));
}

#[test]
fn an_edit_or_a_clear_is_not_undone_by_words_from_before_it() {
    let mut play = Play::launch();
    let propose = json!({ "answer": "네.", "slot_updates": [{ "path": "product.name", "value": "루미세럼", "confidence": 1.0, "words": "제품명은 루미세럼" }], "ask": null, "question": "", "intent": "none" });
    play.say("제품명은 루미세럼이에요");
    play.set("product.name", json!("루미앰플"))
        .expect("an edit while the planner is at work");
    play.plan(&propose);
    assert_eq!(play.value("product.name"), Some(json!("루미앰플")));

    play.set("product.name", Value::Null).expect("cleared");
    play.say("타겟은 20대 여성");
    play.plan(&propose);
    assert_eq!(play.value("product.name"), None);
    play.say("제품명은 루미세럼이라고 해요");
    assert_eq!(
        play.value("product.name"),
        Some(json!("루미세럼")),
        "new words fill it again"
    );
}

#[test]
fn what_was_shown_before_a_call_failed_becomes_the_message_when_the_turn_is_interrupted_then() {
    let mut play = Play::launch();
    play.say("안녕하세요");
    let stamp = play.plan_stamp();
    play.stream(&stamp, r#"{"answer":"반갑습니다, 제품 이야기를"#, &[]);
    play.fail(&stamp, ErrorCode::LlmUpstream, true);
    let from = play.log.len();
    play.say("제품명은 루미세럼");
    assert_eq!(play.said(from), ["반갑습니다, 제품 이야기를"]);
}

#[test]
fn an_order_that_cannot_be_carried_out_is_followed_by_the_question_that_is_next() {
    for intent in ["generate", "cancel_run"] {
        let mut play = Play::launch();
        play.say("이제 만들어 주세요");
        let from = play.log.len();
        play.plan(&json!({ "answer": "아직 조금 더 들어야 해요.", "slot_updates": [], "ask": null, "question": "", "intent": intent }));
        assert_eq!(
            play.said(from),
            [
                "아직 조금 더 들어야 해요.".to_owned(),
                play.phrase("question.product.name")
            ]
        );
    }
}

#[test]
fn a_question_is_held_until_it_is_known_what_it_asks_for_whatever_the_order_of_the_fields() {
    let mut play = Play::launch();
    play.say("음");
    let from = play.log.len();
    let stamp = play.plan_stamp();
    let reply = r#"{"answer":"네.","question":"제품 이름이 뭐예요?","ask":"product.name","intent":"none","slot_updates":[]}"#;
    play.reply(&stamp, reply, &[]);
    assert_eq!(play.said(from), ["네. 제품 이름이 뭐예요?"]);
    assert_eq!(play.state.conversation.asked, Some(path("product.name")));

    play.say("제품명은 루미세럼");
    let from = play.log.len();
    let stamp = play.plan_stamp();
    play.reply(&stamp, reply, &[]);
    assert_eq!(
        play.said(from),
        ["네.".to_owned(), play.phrase("question.product.category")]
    );
}

#[test]
fn words_from_before_a_correction_never_undo_it() {
    let mut play = Play::launch();
    play.say("제품명은 루미세럼");
    play.plan(&plan_reply("네.", Some("product.category"), "카테고리는요?"));
    play.set("product.name", json!("루미앰플")).expect("an edit");
    play.say("카테고리는 스킨케어");
    play.plan(
        &json!({ "answer": "네.", "slot_updates": [{ "path": "product.name", "value": "루미세럼", "confidence": 1.0, "words": "제품명은 루미세럼" }], "ask": "product.features", "question": "특징은요?", "intent": "none" }),
    );
    assert_eq!(play.value("product.name"), Some(json!("루미앰플")));
}

#[test]
fn when_the_model_is_unreachable_the_conversation_goes_on_with_the_playbooks_questions() {
    let mut play = Play::launch();
    play.say("제품명은 루미세럼");
    let stamp = play.plan_stamp();
    play.fail(&stamp, ErrorCode::LlmUpstream, true);
    play.wait(2_400);
    let stamp = play.plan_stamp();
    let from = play.log.len();
    play.fail(&stamp, ErrorCode::LlmUpstream, true);
    assert_eq!(play.value("product.name"), Some(json!("루미세럼")));
    assert_eq!(play.said(from), [play.phrase("question.product.category")]);
    assert_eq!(play.outcomes(), [TurnOutcome::Ok]);
    let errors = play
        .log
        .iter()
        .filter(|fact| matches!(&fact.event, Event::Error(error) if !error.will_retry));
    assert_eq!(errors.count(), 1);
}

#[test]
fn a_reply_that_is_no_document_costs_an_attempt_and_leaves_nothing_invented() {
    let mut play = Play::launch();
    play.say("안녕하세요");
    let stamp = play.plan_stamp();
    play.reply(&stamp, "Sure! What is it called?", &[]);
    play.wait(2_400);
    let stamp = play.plan_stamp();
    let from = play.log.len();
    play.reply(&stamp, r#"{"answer":"hi"}"#, &[]);
    assert_eq!(play.said(from), [play.phrase("question.product.name")]);
    assert!(play.state.open_calls.is_empty());
}

#[test]
fn the_locale_follows_the_user() {
    let mut play = Play::launch_without_model();
    assert_eq!(play.state.locale, Locale::Ko);
    play.say("The product is called Lumi Serum");
    assert_eq!(play.state.locale, Locale::En);
    play.say("39000");
    assert_eq!(play.state.locale, Locale::En, "a bare number says nothing");
}

#[test]
fn blank_and_overlong_messages_are_refused_and_change_nothing() {
    let mut play = Play::launch();
    let before = play.state.clone();
    for (text, code) in [
        ("  \n ".to_owned(), ErrorCode::InputBlank),
        ("\u{200b}\u{3164}\u{feff}\u{7}".to_owned(), ErrorCode::InputBlank),
        ("가".repeat(3_001), ErrorCode::InputTooLong),
    ] {
        let refused = play
            .send(CommandKind::UserMessage { text, spoken: None })
            .expect_err("refused");
        assert_eq!(refused.code, code);
    }
    assert_eq!(play.state, before);
    play.say(&"가".repeat(3_000));
}

#[test]
fn a_repeated_command_is_recognised_and_one_reused_for_something_else_is_refused() {
    let mut play = Play::launch();
    let message = |text: &str| CommandKind::UserMessage {
        text: text.into(),
        spoken: None,
    };
    let first = play.send_as(Some("k1"), message("안녕하세요")).expect("taken");
    let again = play.send_as(Some("k1"), message("안녕하세요")).expect("known");
    assert!(!first.duplicate && again.duplicate);
    assert_eq!((first.seq, first.turn_id), (again.seq, again.turn_id));
    let reused = play.send_as(Some("k1"), message("다른 말")).expect_err("reused");
    assert_eq!(reused.code, ErrorCode::InputIdReused);
}

#[test]
fn latency_segments_sum_to_the_whole() {
    let mut play = Play::launch();
    play.say("안녕하세요");
    let stamp = play.plan_stamp();
    play.now = play.now.after(greenroom_protocol::Millis(130));
    play.stream(&stamp, r#"{"answer":"반가"#, &[]);
    play.now = play.now.after(greenroom_protocol::Millis(70));
    play.reply(
        &stamp,
        &plan_reply("반가워요.", Some("product.name"), "이름은요?").to_string(),
        &[],
    );
    let completed = play.log.iter().find_map(|fact| match &fact.event {
        Event::TurnCompleted(completed) => Some(completed.latency.clone()),
        _ => None,
    });
    let latency = completed.expect("completed");
    assert_eq!(latency.total_ms.0, 200);
    assert_eq!(
        latency.segments.iter().map(|segment| segment.ms.0).sum::<u64>(),
        200
    );
    assert_eq!(latency.segments[0].ms.0, 130);
}
