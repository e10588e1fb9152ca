//! Recognition while somebody speaks: what is sent, byte for byte, whose words are whose, and what becomes of a stream
//! that goes wrong.

mod faults;

use greenroom_protocol::{CallId, ErrorCode};
use greenroom_session::ports::{
    CallReceipt, LiveTranscriber as _, LiveTranscription, LiveTranscriptionEvent, Transcription,
};
use greenroom_session::{CallCost, Usage};
use serde_json::json;

use crate::realtime_server::{
    Stream, call, next, next_failure, next_words, opened, opened_by, request, silence, transcriber,
};
use crate::scripted_server::{KEY, ScriptedServer};

fn partial(call_id: CallId, text: &str) -> LiveTranscriptionEvent {
    LiveTranscriptionEvent::Partial {
        call_id,
        text: text.to_owned(),
    }
}

/// An utterance that is complete, to its commit.
fn say(halves: &mut LiveTranscription, call_id: CallId, ms: usize) {
    halves.audio.begin(call_id);
    halves.audio.append(&silence(ms));
    halves.audio.commit();
}

#[tokio::test]
async fn a_stream_is_opened_with_the_key_and_asked_to_end_no_utterance_by_itself() {
    let server = ScriptedServer::start();
    let transcriber = transcriber(&server, "gpt-live-transcribe");
    let (halves, (stream, asked)) = tokio::join!(transcriber.open(request()), async {
        let mut stream = Stream::accept(&server).await;
        let asked = stream.get_ready().await;
        (stream, asked)
    });
    halves.unwrap();
    assert_eq!(stream.target, "/v1/realtime?intent=transcription");
    for header in [
        &format!("authorization: Bearer {KEY}"),
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
    ] {
        let headers = &stream.headers;
        assert!(
            headers.iter().any(|line| line == header),
            "{header} in {headers:?}"
        );
    }
    assert_eq!(
        asked,
        "{\"type\":\"session.update\",\"session\":{\"type\":\"transcription\",\"audio\":{\"input\":{\
         \"format\":{\"type\":\"audio/pcm\",\"rate\":24000},\
         \"transcription\":{\"model\":\"gpt-live-transcribe\",\"languages\":[\"ko\"],\"keywords\":[\"루미세럼\"]},\
         \"turn_detection\":null}}}}"
    );
}

#[tokio::test]
async fn an_utterance_is_sent_as_it_is_spoken_and_committed_under_its_call() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    halves.audio.begin(call(1));
    // A tenth of a second goes out at once, less than that with what follows.
    halves.audio.append(&silence(100));
    halves.audio.append(&silence(20));
    let first = stream.text().await;
    halves.audio.append(&silence(20));
    halves.audio.commit();
    // 140 ms are 3,360 samples at 24 kHz, 6,720 bytes.
    let (head, audio) = first.split_at(45);
    assert_eq!(head, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"");
    let zeros = audio.strip_suffix("\"}").unwrap();
    assert!(zeros.trim_end_matches('=').bytes().all(|digit| digit == b'A'));
    let first_bytes = zeros.trim_end_matches('=').len() * 3 / 4;
    assert!((4_800..6_720).contains(&first_bytes), "{first_bytes}");
    let (rest_bytes, end) = stream.utterance().await;
    assert_eq!(first_bytes + rest_bytes, 6_720);
    assert_eq!(
        end,
        json!({"type": "input_audio_buffer.commit", "event_id": "call_00000000000000000000000001"})
    );
}

#[tokio::test]
async fn words_come_while_somebody_speaks_and_the_last_of_them_with_a_receipt() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    halves.audio.begin(call(1));
    halves.audio.append(&silence(3_000));
    assert_eq!(stream.kind().await, "input_audio_buffer.append");
    stream.delta("item_1", " 제품").await;
    assert_eq!(next(&mut halves).await, partial(call(1), "제품"));
    stream.delta("item_1", "명은").await;
    assert_eq!(next(&mut halves).await, partial(call(1), "제품명은"));
    halves.audio.commit();
    stream.committed("item_1").await;
    stream.delta("item_1", " 루미세럼").await;
    assert_eq!(next(&mut halves).await, partial(call(1), "제품명은 루미세럼"));
    stream.completed("item_1", "제품명은 루미세럼.\n").await;
    let expected = LiveTranscriptionEvent::Final {
        call_id: call(1),
        transcription: Transcription {
            text: "제품명은 루미세럼.".to_owned(),
            language: None,
            receipt: CallReceipt {
                provider: "scripted".to_owned(),
                model: "gpt-live-transcribe".to_owned(),
                simulated: false,
                response_id: Some("item_1".to_owned()),
                request_id: Some("req_9".to_owned()),
                usage: Some(Usage {
                    audio_ms: 3_000,
                    ..Usage::default()
                }),
                // A twentieth of 1.7 cents.
                cost: CallCost::Known(850),
            },
        },
    };
    assert_eq!(next(&mut halves).await, expected);
}

#[tokio::test]
async fn what_was_used_is_the_providers_where_it_tells_it() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    for (number, usage, expected) in [
        (
            1,
            json!({"type": "tokens", "input_tokens": 14, "output_tokens": 9, "total_tokens": 23}),
            Usage {
                input_tokens: 14,
                output_tokens: 9,
                audio_ms: 500,
                ..Usage::default()
            },
        ),
        (
            2,
            json!({"type": "duration", "seconds": 0.6}),
            Usage {
                audio_ms: 600,
                ..Usage::default()
            },
        ),
        (
            3,
            json!(null),
            Usage {
                audio_ms: 500,
                ..Usage::default()
            },
        ),
    ] {
        say(&mut halves, call(number), 500);
        stream.utterance().await;
        let item = format!("item_{number}");
        stream.committed(&item).await;
        stream
            .say(json!({
                "type": "conversation.item.input_audio_transcription.completed", "item_id": item,
                "transcript": "a", "usage": usage, "languages": [{"code": "ko"}],
            }))
            .await;
        let LiveTranscriptionEvent::Final { transcription, .. } = next(&mut halves).await else {
            panic!("no words")
        };
        assert_eq!(transcription.language.as_deref(), Some("ko"));
        assert_eq!(transcription.receipt.usage, Some(expected));
    }
}

#[tokio::test]
async fn words_that_come_late_are_those_of_their_own_utterance() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    say(&mut halves, call(1), 200);
    stream.utterance().await;
    say(&mut halves, call(2), 200);
    stream.utterance().await;
    // An item that nobody has heard of is the first one's that has none, also before any acknowledgement.
    stream.delta("item_1", "하나").await;
    assert_eq!(next(&mut halves).await, partial(call(1), "하나"));
    stream.committed("item_1").await;
    stream.committed("item_2").await;
    stream.delta("item_2", "셋").await;
    assert_eq!(next(&mut halves).await, partial(call(2), "셋"));
    stream.delta("item_1", " 둘").await;
    assert_eq!(next(&mut halves).await, partial(call(1), "하나 둘"));
    // The third speaks, and the second is done first.
    halves.audio.begin(call(3));
    halves.audio.append(&silence(200));
    stream.kind().await;
    stream.completed("item_2", "셋").await;
    assert_eq!(next_words(&mut halves, call(2)).await, "셋");
    stream.delta("item_2", "late").await;
    stream.delta("item_3", "넷").await;
    assert_eq!(next(&mut halves).await, partial(call(3), "넷"));
    stream.completed("item_1", "하나 둘").await;
    assert_eq!(next_words(&mut halves, call(1)).await, "하나 둘");
    halves.audio.commit();
    // What the acknowledgement says overrules what was taken for granted.
    stream.committed("item_4").await;
    stream.completed("item_4", "넷").await;
    assert_eq!(next_words(&mut halves, call(3)).await, "넷");
}

#[tokio::test]
async fn what_is_discarded_is_cleared_costs_nothing_and_leaks_into_nothing() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    halves.audio.begin(call(1));
    halves.audio.append(&silence(200));
    assert_eq!(stream.kind().await, "input_audio_buffer.append");
    stream.delta("item_1", "콜록").await;
    assert_eq!(next(&mut halves).await, partial(call(1), "콜록"));
    halves.audio.discard();
    let LiveTranscriptionEvent::Final { transcription, .. } = next(&mut halves).await else {
        panic!("no end")
    };
    assert_eq!(transcription.text, "");
    assert_eq!(transcription.receipt.usage, Some(Usage::default()));
    assert_eq!(transcription.receipt.cost, CallCost::Known(0));
    assert_eq!(stream.text().await, "{\"type\":\"input_audio_buffer.clear\"}");

    say(&mut halves, call(2), 200);
    // Of the first, before and after the provider has forgotten it.
    stream.delta("item_1", " 콜록").await;
    stream.say(json!({"type": "input_audio_buffer.cleared"})).await;
    stream.delta("item_1", " 콜록").await;
    stream.delta("item_2", "네").await;
    assert_eq!(next(&mut halves).await, partial(call(2), "네"));
    stream.utterance().await;
    stream.committed("item_2").await;
    stream.completed("item_2", "네").await;
    assert_eq!(next_words(&mut halves, call(2)).await, "네");
}

#[tokio::test]
async fn what_has_no_speech_is_not_sent_at_all() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    halves.audio.begin(call(1));
    halves.audio.commit();
    assert_eq!(next_words(&mut halves, call(1)).await, "");
    halves.audio.begin(call(2));
    halves.audio.append(&silence(200));
    halves.audio.discard();
    assert_eq!(next_words(&mut halves, call(2)).await, "");
    // Whoever begins anew has given up what was open.
    halves.audio.begin(call(3));
    halves.audio.append(&silence(200));
    say(&mut halves, call(4), 60);
    assert_eq!(next_words(&mut halves, call(3)).await, "");
    // Less than a tenth of a second is made up for by silence.
    let (bytes, end) = stream.utterance().await;
    assert_eq!(bytes, 4_800);
    assert_eq!(end["event_id"], call(4).to_string());
}

#[tokio::test]
async fn a_commit_of_too_little_is_an_utterance_without_words() {
    let server = ScriptedServer::start();
    let (mut halves, mut stream) = opened(&server).await;
    say(&mut halves, call(1), 200);
    let (_, end) = stream.utterance().await;
    stream
        .say(json!({"type": "error", "error": {
            "type": "invalid_request_error", "code": "input_audio_buffer_commit_empty",
            "message": "buffer too small", "event_id": end["event_id"],
        }}))
        .await;
    assert_eq!(next_words(&mut halves, call(1)).await, "");
    say(&mut halves, call(2), 200);
    stream.committed("item_2").await;
    stream.completed("item_2", "네").await;
    assert_eq!(next_words(&mut halves, call(2)).await, "네");
}

#[tokio::test]
async fn one_connection_serves_many_utterances_and_one_failure_is_its_own() {
    let server = ScriptedServer::start();
    let transcriber = transcriber(&server, "gpt-live-transcribe");
    let (mut halves, mut stream) = opened_by(&transcriber, &server).await;
    say(&mut halves, call(1), 200);
    stream.utterance().await;
    stream.committed("item_1").await;
    stream
        .say(json!({
            "type": "conversation.item.input_audio_transcription.failed", "item_id": "item_1",
            "error": {"type": "server_error", "code": "audio_unintelligible", "message": "비밀 hunter2_key"},
        }))
        .await;
    let failure = next_failure(&mut halves, call(1)).await;
    assert_eq!((failure.code, failure.retryable), (ErrorCode::SttFailed, true));
    assert_eq!(
        failure.reason,
        "the provider reported a failure (server_error, audio_unintelligible)"
    );
    assert_eq!(failure.receipt.unwrap().request_id.as_deref(), Some("req_9"));
    for number in 2..6 {
        say(&mut halves, call(number), 200);
        stream.utterance().await;
        let item = format!("item_{number}");
        stream.committed(&item).await;
        stream.completed(&item, &item).await;
        assert_eq!(next_words(&mut halves, call(number)).await, item);
    }
    assert!(!server.has_visitor());
    let circuit = transcriber.status().circuit;
    // The opening counts, too.
    assert_eq!((circuit.calls, circuit.last_error), (6, None));
}

#[tokio::test]
async fn dropping_either_half_says_goodbye() {
    let server = ScriptedServer::start();
    let (halves, mut stream) = opened(&server).await;
    drop(halves.audio);
    assert_eq!(stream.left().await, Some(1000));
    let (halves, mut stream) = opened(&server).await;
    drop(halves.events);
    assert_eq!(stream.left().await, Some(1000));
}
