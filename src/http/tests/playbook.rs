//! What a page is told of a session's playbook.

use axum::body::Body;
use serde_json::{Value, json};

use super::{error_of, request, status_of};
use crate::testing::TestServer;

async fn playbook(server: &TestServer, session: &str, query: &str) -> Value {
    let path = format!("/api/chat/session/{session}/playbook{query}");
    let (status, playbook) = server.ask("GET", &path, None).await;
    assert_eq!(status, 200, "{playbook}");
    playbook
}

fn slot<'a>(playbook: &'a Value, path: &str) -> &'a Value {
    let slots = playbook["slots"].as_array().unwrap();
    slots.iter().find(|slot| slot["path"] == path).unwrap()
}

#[tokio::test]
async fn it_is_told_in_the_sessions_language_or_in_the_one_that_is_asked_for() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let korean = playbook(&server, &session, "").await;
    assert_eq!(
        (&korean["name"], &korean["locale"], &korean["title_slot"]),
        (&json!("launch"), &json!("ko"), &json!("product.name"))
    );
    assert_eq!(
        slot(&korean, "product.name"),
        &json!({
            "path": "product.name", "kind": "text", "required": true, "label": "제품명", "options": [],
            "items_min": null, "items_max": null,
            "question": "어떤 제품을 알리고 싶으세요? 제품 이름부터 알려주세요.",
        })
    );
    let english = playbook(&server, &session, "?locale=en").await;
    assert_eq!(english["hash"], korean["hash"]);
    assert_eq!(slot(&english, "product.name")["label"], "Product name");
    let channels = slot(&english, "channel.channels");
    assert_eq!(
        (&channels["items_min"], &channels["items_max"]),
        (&json!(1), &json!(2))
    );
    let seconds = slot(&english, "goal.video_seconds");
    assert_eq!(
        (&seconds["required"], &seconds["question"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(seconds["options"][1], json!({ "value": 10, "label": "10" }));
    assert_eq!(
        slot(&english, "goal.weekly_goal")["options"],
        json!([
            { "value": "reach", "label": "Reach" },
            { "value": "inquiry", "label": "Inquiries" },
            { "value": "purchase", "label": "Purchases" },
        ])
    );
    assert_eq!(english["voices"][0], json!({ "id": "warm", "label": "Warm" }));
    assert_eq!(english["fields"]["weekly_plan"], "The week");
    assert_eq!(korean["values"]["slow"], "느리게");
    let unknown = format!("/api/chat/session/{session}/playbook?locale=fr");
    assert_eq!(
        error_of(&server, "GET", &unknown, None).await,
        (422, "INPUT_INVALID".to_owned())
    );
}

#[tokio::test]
async fn stages_say_what_they_need_and_what_they_write() {
    let server = TestServer::new().await;
    let playbook = playbook(&server, &server.session().await, "?locale=en").await;
    let stages = playbook["stages"].as_array().unwrap();
    let line: Vec<_> = stages
        .iter()
        .map(|stage| {
            (
                stage["id"].as_str().unwrap(),
                stage["label"].as_str().unwrap(),
                stage["needs"].clone(),
            )
        })
        .collect();
    assert_eq!(
        line,
        [
            ("research", "Market research", json!([])),
            ("strategy", "Strategy", json!(["research"])),
            ("creative", "Creative", json!(["research", "strategy"])),
            ("voice", "Voice", json!(["strategy", "creative"])),
        ]
    );
    assert_eq!(stages[0]["verify"], json!(["/evidence"]));
    assert_eq!(stages[0]["schema"]["type"], "object");
    let times = stages
        .iter()
        .map(|stage| stage["budget_ms"].as_u64().unwrap())
        .sum::<u64>();
    assert!((1..=playbook["run_budget_ms"].as_u64().unwrap()).contains(&times));
}

#[tokio::test]
async fn every_part_of_the_built_in_playbook_has_a_name_in_both_languages() {
    let server = TestServer::new().await;
    let session = server.session().await;
    for locale in ["ko", "en"] {
        let playbook = playbook(&server, &session, &format!("?locale={locale}")).await;
        let named = |list: &str| {
            for part in playbook[list].as_array().unwrap() {
                assert!(part["label"].is_string(), "{locale}: {part}");
            }
        };
        ["slots", "stages", "voices"].into_iter().for_each(named);
        for slot in playbook["slots"].as_array().unwrap() {
            assert!(
                slot["required"] == false || slot["question"].is_string(),
                "{slot}"
            );
            for option in slot["options"].as_array().unwrap() {
                assert!(
                    option["value"].is_i64() || option["label"] != option["value"],
                    "{slot}"
                );
            }
        }
    }
}

#[tokio::test]
async fn it_is_only_for_those_who_may_see_the_session_and_goes_with_it() {
    let server = TestServer::new().await;
    let alice = ("x-user-key", "alice");
    let created = server.send(request("POST", "/api/chat/session", &[alice])).await;
    let bytes = axum::body::to_bytes(Body::new(created.into_body()), 100_000)
        .await
        .unwrap();
    let created: Value = serde_json::from_slice(&bytes).unwrap();
    let session = format!("/api/chat/session/{}", created["session_id"].as_str().unwrap());
    let path = format!("{session}/playbook");
    assert_eq!(status_of(&server, "GET", &path, &[alice]).await, 200);
    assert_eq!(
        status_of(&server, "GET", &path, &[("x-user-key", "bob")]).await,
        404
    );
    assert_eq!(status_of(&server, "GET", &path, &[]).await, 404);
    assert_eq!(status_of(&server, "DELETE", &session, &[alice]).await, 204);
    assert_eq!(status_of(&server, "GET", &path, &[alice]).await, 410);
}
