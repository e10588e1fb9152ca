//! Responses that are kept: gone on from, written in the background, cancelled.

use loadtest::provider::BillOutcome;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{Simulator, events};

async fn get(simulator: &Simulator, path: &str) -> reqwest::Response {
    let url = format!("{}/v1/responses/{path}", simulator.url);
    simulator.http.get(url).send().await.unwrap()
}

async fn create(simulator: &Simulator, extra: Value) -> Value {
    simulator.respond(extra).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_response_is_kept_until_it_is_deleted() {
    let simulator = Simulator::fast().await;
    let made = create(&simulator, json!({})).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(get(&simulator, id).await.json::<Value>().await.unwrap(), made);
    let next = create(&simulator, json!({ "previous_response_id": id })).await;
    assert!(next["usage"]["input_tokens"].as_u64() > made["usage"]["input_tokens"].as_u64());
    let url = format!("{}/v1/responses/{id}", simulator.url);
    let deleted = simulator.http.delete(url).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::OK);
    assert_eq!(get(&simulator, id).await.status(), StatusCode::NOT_FOUND);
    let unstored = create(&simulator, json!({ "store": false })).await;
    let id = unstored["id"].as_str().unwrap();
    assert_eq!(get(&simulator, id).await.status(), StatusCode::NOT_FOUND);
    simulator.stop().await;
}

#[tokio::test]
async fn a_stream_that_was_cut_off_by_its_reader_goes_on_in_the_background() {
    let simulator = Simulator::fast().await;
    let request = json!({ "background": true, "stream": true });
    let mut answer = simulator.respond(request).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("response.queued\"") || !seen.ends_with("\n\n") {
        seen += std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap();
    }
    drop(answer);
    let mut all = events(&seen);
    let id = all[0]["response"]["id"].as_str().unwrap().to_owned();
    let last = all.last().unwrap()["sequence_number"].as_u64().unwrap();
    let rest = get(&simulator, &format!("{id}?stream=true&starting_after={last}")).await;
    all.extend(events(&rest.text().await.unwrap()));
    let numbers: Vec<usize> = (0..all.len()).collect();
    let seen: Vec<usize> = all
        .iter()
        .map(|event| usize::try_from(event["sequence_number"].as_u64().unwrap()).unwrap())
        .collect();
    assert_eq!(seen, numbers);
    assert_eq!(all.last().unwrap()["type"], "response.completed");
    assert_eq!(simulator.last_call().await.outcome, Some(BillOutcome::Completed));
    simulator.stop().await;
}

#[tokio::test]
async fn what_hangs_in_the_background_can_be_cancelled_and_what_breaks_has_failed() {
    let simulator = Simulator::fast().await;
    let fault = json!([{ "fault": { "kind": "hang", "after_chars": 5 } }, { "fault": { "kind": "cut", "after_chars": 5 } }]);
    simulator.faults(fault).await;
    let hanging = create(&simulator, json!({ "background": true })).await;
    assert_eq!(hanging["status"], "queued");
    let path = format!("/v1/responses/{}/cancel", hanging["id"].as_str().unwrap());
    let cancelled: Value = simulator
        .post(&path, &json!({}))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(cancelled["status"], "cancelled");

    let broken = simulator
        .respond(json!({ "background": true, "stream": true }))
        .await
        .unwrap();
    let told = events(&broken.text().await.unwrap());
    let last = told.last().unwrap();
    assert_eq!(
        (&last["type"], &last["response"]["status"]),
        (&json!("response.failed"), &json!("failed"))
    );
    assert_eq!(
        last["sequence_number"],
        told.len() - 1,
        "no half of an event is told"
    );
    let broken = &last["response"];
    assert_eq!(simulator.last_call().await.outcome, Some(BillOutcome::Faulted));
    let path = format!("/v1/responses/{}/cancel", broken["id"].as_str().unwrap());
    // Cancelling waits for the end, and changes nothing once it has come.
    let ended: Value = simulator
        .post(&path, &json!({}))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(ended["status"], "failed");
    simulator.stop().await;
}

#[tokio::test]
async fn what_was_included_is_shown_again_and_nothing_else() {
    let simulator = Simulator::fast().await;
    let included = "web_search_call.action.sources";
    let request = json!({ "tools": [{ "type": "web_search" }], "include": [included] });
    let made = create(&simulator, request).await;
    let id = made["id"].as_str().unwrap();
    let again = get(&simulator, &format!("{id}?include[]={included}")).await;
    assert_eq!(again.json::<Value>().await.unwrap(), made);
    let more = get(&simulator, &format!("{id}?include[]=web_search_call.results")).await;
    assert_eq!(more.status(), StatusCode::BAD_REQUEST);
    simulator.stop().await;
}
