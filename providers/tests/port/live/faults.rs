//! What becomes of a stream that goes wrong, and of the utterances that are under way on it.

use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use greenroom_protocol::{ErrorCode, Millis};
use greenroom_providers::{CircuitLimits, CircuitPhase, EndpointConfig, ProbeFinding};
use greenroom_session::ports::{CallFailure, LiveTranscriber as _, LiveTranscription};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::say;
use crate::realtime_server::{
    Stream, call, next_failure, next_words, opened, opened_by, refusal, request, silence, transcriber, with,
};
use crate::scripted_server::{Exchange, KEY, ScriptedServer, assert_waited};

/// What becomes of an utterance that is waited for, and of one that is being spoken, when this happens. Afterwards the
/// events have ended.
async fn ended_by(happens: impl AsyncFnOnce(Stream)) -> CallFailure {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    say(&mut halves, call(1), 200);
    stream.utterance().await;
    stream.committed("item_1").await;
    halves.audio.begin(call(2));
    halves.audio.append(&silence(200));
    stream.kind().await;
    happens(stream).await;
    let failure = next_failure(&mut halves, call(1)).await;
    let open = next_failure(&mut halves, call(2)).await;
    assert_eq!((failure.code, &failure.reason), (open.code, &open.reason));
    assert!(failure.receipt.is_some());
    assert!(halves.events.next().await.is_none());
    // Whatever comes after the end is said into the void.
    say(&mut halves, call(3), 200);
    for secret in ["비밀", KEY] {
        assert!(!failure.reason.contains(secret), "{}", failure.reason);
    }
    failure
}

/// That the stream understands an utterance like any other.
async fn assert_understands(halves: &mut LiveTranscription, stream: &mut Stream, number: u8) {
    let item = format!("item_{number}");
    say(halves, call(number), 200);
    stream.utterance().await;
    stream.committed(&item).await;
    stream.completed(&item, "네").await;
    assert_eq!(next_words(halves, call(number)).await, "네");
}

async fn ended_by_saying(event: Value) -> CallFailure {
    ended_by(async |mut stream| stream.say(event).await).await
}

fn error(kind: &str, code: &str) -> Value {
    json!({"type": "error", "event_id": "event_7", "error": {
        "type": kind, "code": code, "message": "비밀 hunter2_key", "param": null, "event_id": null,
    }})
}

/// How opening a stream ends that is answered so.
async fn refused_by(script: impl AsyncFnOnce(&mut Exchange)) -> CallFailure {
    let server = ScriptedServer::start();
    let transcriber = transcriber(&server, "gpt-live-transcribe");
    let (halves, ()) = tokio::join!(transcriber.open(request()), async {
        let mut exchange = server.next().await;
        script(&mut exchange).await;
    });
    refusal(halves)
}

/// How opening a stream ends whose server does this once it is connected.
async fn unconfigured_by(script: impl AsyncFnOnce(&mut Stream)) -> CallFailure {
    let server = ScriptedServer::start();
    let transcriber = transcriber(&server, "gpt-live-transcribe");
    let (halves, ()) = tokio::join!(transcriber.open(request()), async {
        let mut stream = Stream::accept(&server).await;
        stream.text().await;
        script(&mut stream).await;
    });
    refusal(halves)
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_classified_like_any_other_request() {
    let check = async |status: &str, headers: &str, retryable: bool, reason: &str| {
        let headers = format!("content-type: application/json\r\n{headers}");
        let body = r#"{"error":{"message":"Incorrect API key provided: hunter2_key","type":"t","code":"c"}}"#;
        let failure = refused_by(async |exchange| exchange.answer(status, &headers, body).await).await;
        assert_eq!(
            (failure.code, failure.retryable),
            (ErrorCode::SttFailed, retryable)
        );
        assert_eq!(failure.reason, reason);
        assert_eq!(failure.receipt, None, "no call was made");
        failure.retry_after
    };
    let wait = check("401 Unauthorized", "", false, "the provider answered 401 (t, c)").await;
    assert_eq!(wait, None);
    let wait = check(
        "429 Too Many Requests",
        "retry-after: 7\r\n",
        true,
        "the provider answered 429 (t, c)",
    )
    .await;
    assert_eq!(wait, Some(Millis(7_000)));
    check("503 Gone", "", true, "the provider answered 503 (t, c)").await;
    check("404 Not Found", "", false, "the provider answered 404 (t, c)").await;
    let other = "the provider answered with something else than a stream";
    check("200 OK", "", false, other).await;
}

#[tokio::test]
async fn who_switches_to_something_else_or_never_gets_ready_is_refused() {
    let switched = refused_by(async |exchange| {
        let accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        exchange
            .write(format!(
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n{accept}\r\n\r\n"
            ))
            .await;
    })
    .await;
    assert_eq!(
        switched.reason,
        "the provider switched to something else than WebSocket"
    );
    let said = unconfigured_by(async |stream| {
        stream
            .say(error("invalid_request_error", "model_not_found"))
            .await;
    })
    .await;
    assert_eq!(
        (said.retryable, said.reason.as_str()),
        (
            false,
            "the provider reported a failure (invalid_request_error, model_not_found)"
        )
    );
    let closed = unconfigured_by(async |stream| stream.close(1011).await).await;
    assert_eq!(closed.reason, "the provider closed the stream (1011)");
    let chatter = unconfigured_by(async |stream| {
        for _ in 0..16 {
            stream.say(json!({"type": "session.created"})).await;
        }
    })
    .await;
    assert_eq!(
        chatter.reason,
        "the provider says much, and never that the stream is ready"
    );
}

#[tokio::test]
async fn a_server_that_does_not_open_a_stream_in_time_is_given_up() {
    let server = ScriptedServer::start();
    let transcriber = transcriber(&server, "gpt-live-transcribe");
    let (halves, _exchange) = tokio::join!(transcriber.open(request()), async {
        let mut exchange = server.next().await;
        exchange.write("HTTP/1.1 101").await;
        tokio::time::pause();
        exchange
    });
    let hung = refusal(halves);
    assert_eq!(hung.code, ErrorCode::SttTimeout);
    assert_eq!(hung.reason, "the call took longer than 10000 ms");
    tokio::time::resume();

    let (halves, _stream) = tokio::join!(transcriber.open(request()), async {
        let mut stream = Stream::accept(&server).await;
        stream.text().await;
        tokio::time::pause();
        stream
    });
    assert_eq!(refusal(halves).code, ErrorCode::SttTimeout);
}

#[tokio::test]
async fn a_server_that_is_not_there_opens_the_circuit() {
    let server = ScriptedServer::start();
    let transcriber = with(EndpointConfig {
        circuit: CircuitLimits {
            consecutive_failures_max: 1,
            ..CircuitLimits::default()
        },
        ..server.endpoint("sim-ears")
    });
    drop(server);
    let failure = refusal(transcriber.open(request()).await);
    assert!(failure.reason.starts_with("could not connect: "), "{failure:?}");
    let circuit = transcriber.status().circuit;
    assert_eq!(
        (circuit.phase, circuit.last_error),
        (CircuitPhase::Open, Some(ErrorCode::SttFailed))
    );
    let suspended = refusal(transcriber.open(request()).await);
    assert_eq!(
        suspended.reason,
        "calls are suspended: the provider keeps failing"
    );
    assert!(suspended.retry_after.is_some());
}

#[tokio::test]
async fn an_open_circuit_lets_no_utterance_begin_on_a_stream_that_is_there() {
    let server = ScriptedServer::start();
    let transcriber = with(EndpointConfig {
        circuit: CircuitLimits {
            consecutive_failures_max: 1,
            ..CircuitLimits::default()
        },
        ..server.endpoint("sim-ears")
    });
    let (mut halves, mut stream) = opened_by(&transcriber, &server).await;
    say(&mut halves, call(1), 200);
    stream.utterance().await;
    stream.committed("item_1").await;
    let failed = "conversation.item.input_audio_transcription.failed";
    stream
        .say(json!({"type": failed, "item_id": "item_1", "error": {"code": "server_error"}}))
        .await;
    next_failure(&mut halves, call(1)).await;
    say(&mut halves, call(2), 200);
    let suspended = next_failure(&mut halves, call(2)).await;
    assert!(suspended.retry_after.is_some());
    assert_eq!(
        stream.socket.next().now_or_never().map(|_| ()),
        None,
        "nothing was sent"
    );
}

#[tokio::test]
async fn an_error_of_nobody_in_particular_ends_the_stream_with_all_that_is_under_way() {
    let failure = ended_by_saying(error("server_error", "internal")).await;
    assert!(failure.retryable);
    assert_eq!(
        failure.reason,
        "the provider reported a failure (server_error, internal)"
    );
    let failure = ended_by_saying(error("invalid_request_error", "unsupported_content")).await;
    assert!(!failure.retryable);
    let failure = ended_by_saying(error("insufficient_quota", "insufficient_quota")).await;
    assert!(!failure.retryable);
    let failure = ended_by_saying(json!({"type": "error"})).await;
    assert_eq!(failure.reason, "the provider reported a failure");
}

#[tokio::test]
async fn a_stream_that_has_lasted_long_enough_ends_and_is_nobodys_fault() {
    let server = ScriptedServer::start();
    let transcriber = transcriber(&server, "gpt-live-transcribe");
    let (mut halves, mut stream) = opened_by(&transcriber, &server).await;
    halves.audio.begin(call(1));
    stream
        .say(error("invalid_request_error", "session_expired"))
        .await;
    let failure = next_failure(&mut halves, call(1)).await;
    assert!(failure.retryable);
    assert!(halves.events.next().await.is_none());
    let (mut halves, mut stream) = opened_by(&transcriber, &server).await;
    stream.close(1001).await;
    assert!(halves.events.next().await.is_none());
    assert_eq!(transcriber.status().circuit.last_error, None);
    opened_by(&transcriber, &server).await;
}

#[tokio::test]
async fn a_close_says_by_its_code_whether_it_is_worth_a_retry() {
    for (code, retryable) in [
        (1000, true),
        (1001, true),
        (1003, false),
        (1007, false),
        (1008, false),
        (1009, false),
        (1011, true),
        (1012, true),
        (1013, true),
        (4000, true),
    ] {
        let failure = ended_by(async |mut stream| stream.close(code).await).await;
        assert_eq!(failure.retryable, retryable, "{code}");
        assert_eq!(failure.reason, format!("the provider closed the stream ({code})"));
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_fails_what_is_under_way_for_another_try() {
    let failure = ended_by(async |stream| drop(stream)).await;
    assert_eq!((failure.code, failure.retryable), (ErrorCode::SttFailed, true));
    assert_eq!(failure.reason, "the stream was cut before the reply was complete");
    // In the middle of a frame.
    let failure = ended_by(async |stream| {
        let mut connection = stream.socket.into_inner();
        connection.write_all(&[0x81, 0x7E, 0x01]).await.unwrap();
    })
    .await;
    assert!(failure.retryable, "{failure:?}");
}

#[tokio::test]
async fn what_is_no_protocol_ends_the_stream() {
    let says = async |text: &str| ended_by(async |mut stream| stream.say_text(text).await).await;
    let failure = says("{\"type\": 비밀").await;
    assert_eq!(
        failure.reason,
        "an event is malformed (Syntax error at column 10)"
    );
    let nameless =
        says(r#"{"type":"conversation.item.input_audio_transcription.delta","delta":"비밀"}"#).await;
    assert_eq!(nameless.reason, "an event names no item");
    let by_itself = says(r#"{"type":"input_audio_buffer.committed","item_id":"item_2"}"#).await;
    assert_eq!(
        (by_itself.retryable, by_itself.reason.as_str()),
        (
            false,
            "the provider ends utterances by itself, though it was asked not to"
        )
    );
    let huge = says(&"x".repeat(256 * 1024 + 1)).await;
    assert_eq!(
        (huge.retryable, huge.reason.as_str()),
        (false, "an event is larger than 262144 bytes")
    );
    let garbage = ended_by(async |mut stream| {
        stream.socket.get_mut().write_all(&[0xFF; 64]).await.unwrap();
        // Until it has been read.
        stream.left().await;
    })
    .await;
    assert!(
        garbage.reason.starts_with("the connection broke: "),
        "{garbage:?}"
    );
}

#[tokio::test]
async fn what_is_unknown_is_ignored() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    say(&mut halves, call(1), 200);
    stream.utterance().await;
    for event in [
        json!({"type": "rate_limits.updated", "rate_limits": []}),
        json!({"type": "conversation.item.added", "item": {"id": "item_1"}}),
        json!({"type": "input_audio_buffer.cleared"}),
        json!({}),
        json!(7),
    ] {
        stream.say(event).await;
    }
    stream.socket.send(Message::binary(vec![0; 9])).await.unwrap();
    stream.socket.send(Message::Ping(vec![1].into())).await.unwrap();
    stream.committed("item_1").await;
    stream.completed("item_1", "네").await;
    assert_eq!(next_words(&mut halves, call(1)).await, "네");
}

#[tokio::test]
async fn words_without_end_are_not_kept_without_end() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    say(&mut halves, call(1), 200);
    stream.utterance().await;
    stream.committed("item_1").await;
    // White space is no words yet, so that nothing else is told.
    stream.delta("item_1", &" ".repeat(60_000)).await;
    stream.delta("item_1", &" ".repeat(60_000)).await;
    let failure = next_failure(&mut halves, call(1)).await;
    assert_eq!(failure.reason, "the words have more than 65536 bytes");
    assert_understands(&mut halves, &mut stream, 2).await;
}

#[tokio::test]
async fn an_utterance_that_is_never_understood_fails_in_time_and_the_stream_goes_on() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    say(&mut halves, call(1), 200);
    stream.utterance().await;
    stream.committed("item_1").await;
    stream.delta("item_1", "네").await;
    halves.events.next().await;
    let started = Instant::now();
    tokio::time::pause();
    let failure = stalled(&mut halves).await;
    assert_waited(started, Duration::from_secs(15));
    tokio::time::resume();
    assert_eq!((failure.code, failure.retryable), (ErrorCode::SttTimeout, true));
    assert_eq!(failure.reason, "the provider was silent for 15000 ms");
    // Too late; and the next is understood.
    stream.completed("item_1", "네").await;
    assert_understands(&mut halves, &mut stream, 2).await;
}

/// The failure of the first call; no deadline of the test's own stands in the way of a paused clock.
async fn stalled(halves: &mut LiveTranscription) -> CallFailure {
    use greenroom_session::ports::LiveTranscriptionEvent::Failed;
    match halves.events.next().await {
        Some(Failed { call_id, failure }) if call_id == call(1) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

#[tokio::test]
async fn a_stream_on_which_not_even_a_commit_is_acknowledged_is_given_up() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    say(&mut halves, call(1), 200);
    stream.utterance().await;
    let started = Instant::now();
    tokio::time::pause();
    let failure = stalled(&mut halves).await;
    assert_waited(started, Duration::from_secs(15));
    assert_eq!(failure.code, ErrorCode::SttTimeout);
    assert!(halves.events.next().await.is_none());
}

#[tokio::test]
async fn a_provider_that_is_gone_without_a_word_is_noticed_while_nobody_speaks() {
    let server = ScriptedServer::start();
    let (mut halves, _stream) = opened(&server).await;
    let started = Instant::now();
    tokio::time::pause();
    assert!(halves.events.next().await.is_none());
    assert_waited(started, Duration::from_mins(1));
}

#[tokio::test]
async fn a_provider_that_answers_its_pings_is_kept() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    tokio::time::pause();
    let pings = async {
        for _ in 0..12 {
            let ping = stream.socket.next().await.unwrap().unwrap();
            assert!(ping.is_ping(), "{ping:?}");
        }
    };
    tokio::select! {
        event = halves.events.next() => panic!("the stream ended: {event:?}"),
        () = pings => {}
    }
    tokio::time::resume();
    assert_understands(&mut halves, &mut stream, 1).await;
}

#[tokio::test]
async fn speech_that_comes_faster_than_it_is_taken_costs_its_utterance() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    halves.audio.begin(call(1));
    halves.audio.append(&silence(1_000));
    assert_eq!(stream.kind().await, "input_audio_buffer.append");
    // Nobody sends anything until the test waits for something.
    for _ in 0..11 {
        halves.audio.append(&silence(1_000));
    }
    halves.audio.commit();
    let failure = next_failure(&mut halves, call(1)).await;
    assert_eq!((failure.code, failure.retryable), (ErrorCode::SttFailed, true));
    assert_eq!(
        failure.reason,
        "the provider takes speech more slowly than it is spoken"
    );
    // What it has of it is forgotten.
    let (_, end) = stream.utterance().await;
    assert_eq!(end["type"], "input_audio_buffer.clear");
    assert_understands(&mut halves, &mut stream, 2).await;
}

#[tokio::test]
async fn a_provider_that_takes_nothing_any_more_is_given_up() {
    let server = ScriptedServer::start();
    let (mut halves, _stream) = opened(&server).await;
    halves.audio.begin(call(1));
    let five_seconds = silence(5_000);
    // More than the buffers of two sockets hold: 64 kB a second.
    for _ in 0..60 {
        halves.audio.append(&five_seconds);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::pause();
    let failure = stalled(&mut halves).await;
    assert_eq!(failure.code, ErrorCode::SttTimeout);
    assert_eq!(failure.reason, "the provider took nothing for 10000 ms");
    assert!(halves.events.next().await.is_none());
}

#[tokio::test]
async fn a_probe_opens_a_stream_and_says_nothing() {
    let server = ScriptedServer::start();
    let transcriber = transcriber(&server, "gpt-live-transcribe");
    let (report, left) = tokio::join!(transcriber.probe(), async {
        let mut stream = Stream::accept(&server).await;
        stream.get_ready().await;
        stream.left().await
    });
    assert_eq!((report.finding, left), (ProbeFinding::Ready, None));
    let found = async |status: &str| {
        let (report, ()) = tokio::join!(transcriber.probe(), async {
            server.next().await.answer(status, "", KEY).await;
        });
        report.finding
    };
    let said = |status: u16| format!("the provider answered {status}");
    assert_eq!(
        found("401 Unauthorized").await,
        ProbeFinding::KeyRefused(said(401))
    );
    assert_eq!(
        found("404 Not Found").await,
        ProbeFinding::NoSuchEndpoint(said(404))
    );
    assert_eq!(found("503 Gone").await, ProbeFinding::Failing(said(503)));
    let (report, ()) = tokio::join!(transcriber.probe(), async {
        let mut stream = Stream::accept(&server).await;
        stream.text().await;
        stream
            .say(error("invalid_request_error", "model_not_found"))
            .await;
    });
    let told = "the provider reported a failure (invalid_request_error, model_not_found)";
    assert_eq!(report.finding, ProbeFinding::NoSuchEndpoint(told.to_owned()));
    let circuit = transcriber.status().circuit;
    assert_eq!((circuit.calls, circuit.last_error), (0, None));
}
