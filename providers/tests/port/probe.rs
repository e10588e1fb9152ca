//! Probes: whether a provider is there, found out at no cost.

use std::time::Duration;

use greenroom_providers::{
    CircuitPhase, OpenAi, OpenAiModerator, OpenAiSpeaker, OpenAiTranscriber, PriceTable, ProbeFinding,
};
use tokio::time::Instant;

use crate::scripted_server::{Exchange, KEY, ScriptedServer, assert_waited, provider};

const JSON: &str = "content-type: application/json\r\n";

async fn found(script: impl AsyncFnOnce(&mut Exchange)) -> ProbeFinding {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let (report, ()) = tokio::join!(model.probe(), async {
        let mut exchange = server.next().await;
        script(&mut exchange).await;
    });
    report.finding
}

async fn answered(status: &str, body: &str) -> ProbeFinding {
    found(async |exchange| exchange.answer(status, JSON, body).await).await
}

#[tokio::test]
async fn the_models_are_asked_for_with_the_key() {
    let server = ScriptedServer::start();
    let model = provider(server.config());
    let (report, exchange) = tokio::join!(model.probe(), async {
        let mut exchange = server.next().await;
        let list =
            r#"{"object":"list","data":[{"id":"sim-small"},{"id":"sim-large:latest","object":"model"}]}"#;
        exchange.answer("200 OK", JSON, list).await;
        exchange
    });
    assert_eq!(report.finding, ProbeFinding::Ready);
    assert!(
        exchange.head.starts_with("get /v1/models http/1.1"),
        "{}",
        exchange.head
    );
    assert!(exchange.head.contains(&format!("authorization: bearer {KEY}")));
    assert_eq!(exchange.body, b"");
}

#[tokio::test]
async fn each_provider_asks_for_its_own_model() {
    let server = ScriptedServer::start();
    let prices = PriceTable::built_in;
    let transcriber = OpenAiTranscriber::new(server.endpoint("sim-ear"), prices()).unwrap();
    let speaker = OpenAiSpeaker::new(server.endpoint("sim-mouth"), prices()).unwrap();
    let moderator = OpenAiModerator::new(server.endpoint("sim-judge"), prices()).unwrap();
    let answer = async || {
        let mut exchange = server.next().await;
        exchange
            .answer("200 OK", JSON, r#"{"data":[{"id":"sim-ear"}]}"#)
            .await;
    };
    let (report, ()) = tokio::join!(transcriber.probe(), answer());
    assert_eq!(report.finding, ProbeFinding::Ready);
    let (report, ()) = tokio::join!(speaker.probe(), answer());
    assert_eq!(
        report.finding,
        ProbeFinding::ModelNotListed(vec!["sim-mouth".to_owned()])
    );
    let (report, ()) = tokio::join!(moderator.probe(), answer());
    assert_eq!(
        report.finding,
        ProbeFinding::ModelNotListed(vec!["sim-judge".to_owned()])
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_apart() {
    let missing = |models: &[&str]| {
        ProbeFinding::ModelNotListed(models.iter().map(|model| (*model).to_owned()).collect())
    };
    assert_eq!(
        answered("200 OK", r#"{"data":null}"#).await,
        missing(&["sim-large", "sim-small"])
    );
    assert_eq!(
        answered("200 OK", r#"{"data":[{"id":"sim-large-2"},{"id":"sim-small"}]}"#).await,
        missing(&["sim-large"])
    );
    let said = |status: u16| format!("the provider answered {status}");
    for (status, code) in [("401 Unauthorized", 401), ("403 Forbidden", 403)] {
        assert_eq!(answered(status, KEY).await, ProbeFinding::KeyRefused(said(code)));
    }
    for (status, code) in [
        ("404 Not Found", 404),
        ("405 Method Not Allowed", 405),
        ("302 Found", 302),
    ] {
        assert_eq!(
            answered(status, "<html>").await,
            ProbeFinding::NoSuchEndpoint(said(code))
        );
    }
    for (status, code) in [
        ("429 Too Many Requests", 429),
        ("500 Oops", 500),
        ("503 Gone", 503),
    ] {
        assert_eq!(answered(status, "").await, ProbeFinding::Failing(said(code)));
    }
    for body in ["<html>", "[]", r#"{"data":7}"#, ""] {
        let finding = answered("200 OK", body).await;
        assert!(
            matches!(finding, ProbeFinding::NoSuchEndpoint(_)),
            "{body}: {finding:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let cut = found(async |exchange| {
        exchange
            .write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")
            .await;
    })
    .await;
    assert!(matches!(cut, ProbeFinding::Unreachable(_)), "{cut:?}");
    let server = ScriptedServer::start();
    let model: OpenAi = provider(server.config());
    drop(server);
    let ProbeFinding::Unreachable(reason) = model.probe().await.finding else {
        panic!("nothing is there")
    };
    assert!(reason.starts_with("could not connect: "), "{reason}");
    let circuit = model.status().circuit;
    assert_eq!((circuit.phase, circuit.calls), (CircuitPhase::Closed, 0));
}

#[tokio::test]
async fn a_server_that_hangs_or_drips_is_given_up() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"] {
        let server = ScriptedServer::start();
        let model = provider(server.config());
        let started = Instant::now();
        let (report, exchange) = tokio::join!(model.probe(), async {
            let mut exchange = server.next().await;
            exchange.write(answer).await;
            tokio::time::pause();
            exchange
        });
        assert_waited(started, Duration::from_secs(3));
        assert_eq!(
            report.finding,
            ProbeFinding::Unreachable("no answer within 3000 ms".to_owned())
        );
        tokio::time::resume();
        exchange.closed_by_client().await;
    }
}

#[tokio::test]
async fn a_list_without_end_is_not_read_without_end() {
    let finding = found(async |exchange| {
        exchange.begin_chunks("application/json").await;
        let piece = " ".repeat(64 * 1024);
        for _ in 0..=32 {
            exchange.send(&piece).await;
        }
    })
    .await;
    assert_eq!(
        finding,
        ProbeFinding::NoSuchEndpoint("its answer is larger than 2097152 bytes".to_owned())
    );
}
