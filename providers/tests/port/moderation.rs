//! Moderation: what is sent, and what its answers mean.

use greenroom_protocol::Millis;
use greenroom_providers::{OpenAiModerator, PriceTable};
use greenroom_session::CallCost;
use greenroom_session::ports::{CallFailure, CallReceipt, ModerationRequest, Moderator, Verdict};
use serde_json::{Value, json};

use crate::scripted_server::{Exchange, KEY, ScriptedServer, WORDS, call_id};

const JSON: &str = "content-type: application/json\r\nx-request-id: req_7\r\n";

fn moderator(server: &ScriptedServer) -> OpenAiModerator {
    OpenAiModerator::new(server.endpoint("omni-moderation-latest"), PriceTable::built_in()).unwrap()
}

fn request() -> ModerationRequest {
    ModerationRequest {
        call_id: call_id(),
        texts: vec![WORDS.to_owned(), "two".to_owned()],
        timeout: Millis(10_000),
    }
}

async fn answered(answer: &Value) -> (Result<Verdict, CallFailure>, Exchange) {
    let server = ScriptedServer::start();
    let moderator = moderator(&server);
    tokio::join!(moderator.moderate(request()), async {
        let mut exchange = server.next().await;
        exchange.answer("200 OK", JSON, answer.to_string()).await;
        exchange
    })
}

fn result(flagged: bool, found: &[&str]) -> Value {
    let mut categories = json!({"hate": false, "illicit": null, "violence": false, "sexual": false});
    for name in found {
        categories[*name] = json!(true);
    }
    json!({"flagged": flagged, "categories": categories, "category_scores": {"hate": 0.4}})
}

#[tokio::test]
async fn texts_are_checked_together() {
    let results = [result(false, &[]), result(true, &["violence", "hate"])];
    let answer = json!({"id": "modr-1", "model": "omni-moderation-2024-09-26", "results": results});
    let (verdict, exchange) = answered(&answer).await;
    assert!(
        exchange.head.starts_with("post /v1/moderations http/1.1"),
        "{}",
        exchange.head
    );
    for header in [
        &format!("authorization: bearer {KEY}"),
        "content-type: application/json",
        "accept: application/json",
        "x-client-request-id: call_01arz3ndektsv4rrffq69g5fav",
    ] {
        assert!(exchange.head.contains(header), "{header} in {}", exchange.head);
    }
    assert_eq!(
        exchange.json(),
        json!({"model": "omni-moderation-latest", "input": [WORDS, "two"]})
    );
    let receipt = CallReceipt {
        provider: "scripted".to_owned(),
        model: "omni-moderation-2024-09-26".to_owned(),
        simulated: false,
        response_id: Some("modr-1".to_owned()),
        request_id: Some("req_7".to_owned()),
        usage: None,
        cost: CallCost::Known(0),
    };
    let flagged = Some(vec!["hate".to_owned(), "violence".to_owned()]);
    assert_eq!(verdict, Ok(Verdict { flagged, receipt }));
}

#[tokio::test]
async fn a_verdict_is_what_is_flagged() {
    let check = async |results: [Value; 2], expected: Option<&[&str]>| {
        let (verdict, _) = answered(&json!({"results": results})).await;
        let flagged = verdict.unwrap().flagged;
        let flagged: Option<Vec<&str>> = flagged
            .as_ref()
            .map(|names| names.iter().map(String::as_str).collect());
        assert_eq!(flagged.as_deref(), expected, "{results:?}");
    };
    let fine = || result(false, &[]);
    check([fine(), fine()], None).await;
    check(
        [result(true, &["hate"]), result(true, &["hate", "sexual"])],
        Some(&["hate", "sexual"]),
    )
    .await;
    // The provider decides what its categories add up to.
    check([result(false, &["hate"]), fine()], None).await;
    check([json!({"flagged": true}), fine()], Some(&[])).await;
    // Nobody's words become a category.
    check([result(true, &["hate", WORDS]), fine()], Some(&["hate"])).await;
}
