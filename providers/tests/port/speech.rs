//! Speech synthesis: what is sent, what its answers mean, and what becomes of a stream that goes wrong.

use std::time::Duration;

use futures_util::StreamExt as _;
use greenroom_protocol::{ErrorCode, Millis};
use greenroom_providers::{OpenAiSpeaker, PriceTable, SPEECH_TEXT_CHARS_MAX};
use greenroom_session::ports::{
    CallFailure, CallReceipt, Speaker, SpeechEvent, SpeechFormat, SpeechRequest, SpeechStream,
};
use greenroom_session::{CallCost, Usage};
use serde_json::json;
use tokio::time::Instant;

use crate::scripted_server::{Exchange, KEY, ScriptedServer, WORDS, assert_waited, call_id};

/// A frame of MPEG-2 layer III, 48 kbit/s at 24 kHz: 144 bytes that play 24 ms.
const FRAME: &[u8] = &{
    let mut frame = [0x55; 144];
    frame[0] = 0xFF;
    frame[1] = 0xF3;
    frame[2] = 0x64;
    frame
};

fn speaker(server: &ScriptedServer, model: &str) -> OpenAiSpeaker {
    OpenAiSpeaker::new(server.endpoint(model), PriceTable::built_in()).unwrap()
}

fn request(format: SpeechFormat) -> SpeechRequest {
    SpeechRequest {
        call_id: call_id(),
        text: WORDS.to_owned(),
        voice: "coral".to_owned(),
        style: Some("warmly".to_owned()),
        format,
        timeout: Millis(60_000),
        stall_timeout: Millis(8_000),
    }
}

/// Everything that a call yields; the failure of one that did not begin comes alone.
async fn collect(speaker: &OpenAiSpeaker, request: SpeechRequest) -> Vec<Result<SpeechEvent, CallFailure>> {
    match speaker.speak(request).await {
        Ok(stream) => stream.collect().await,
        Err(failure) => vec![Err(failure)],
    }
}

fn audio(events: &[Result<SpeechEvent, CallFailure>]) -> Vec<u8> {
    let pieces = events.iter().filter_map(|event| match event {
        Ok(SpeechEvent::Audio(bytes)) => Some(bytes.as_ref()),
        _ => None,
    });
    pieces.collect::<Vec<&[u8]>>().concat()
}

fn receipt(events: &[Result<SpeechEvent, CallFailure>]) -> CallReceipt {
    match events.last() {
        Some(Ok(SpeechEvent::Completed(receipt))) => receipt.clone(),
        other => panic!("not completed: {other:?}"),
    }
}

#[tokio::test]
async fn a_text_is_sent_and_its_speech_streamed() {
    let server = ScriptedServer::start();
    let speaker = speaker(&server, "gpt-4o-mini-tts");
    let (events, exchange) = tokio::join!(collect(&speaker, request(SpeechFormat::Mp3)), async {
        let mut exchange = server.next().await;
        exchange.begin_chunks("audio/mpeg").await;
        // The first pieces are too short to tell what they are.
        exchange.send(&FRAME[..1]).await;
        exchange.send(&FRAME[1..3]).await;
        exchange.send(&FRAME[3..]).await;
        exchange.send(FRAME.repeat(249)).await;
        exchange.end_stream().await;
        exchange
    });
    assert!(
        exchange.head.starts_with("post /v1/audio/speech http/1.1"),
        "{}",
        exchange.head
    );
    for header in [
        &format!("authorization: bearer {KEY}"),
        "content-type: application/json",
        "accept: application/octet-stream",
        "x-client-request-id: call_01arz3ndektsv4rrffq69g5fav",
    ] {
        assert!(exchange.head.contains(header), "{header} in {}", exchange.head);
    }
    let expected = json!({
        "model": "gpt-4o-mini-tts", "input": WORDS, "voice": "coral", "instructions": "warmly", "response_format": "mp3",
    });
    assert_eq!(exchange.json(), expected);
    assert_eq!(audio(&events), FRAME.repeat(250));
    let expected = CallReceipt {
        provider: "scripted".to_owned(),
        model: "gpt-4o-mini-tts".to_owned(),
        simulated: false,
        response_id: None,
        request_id: Some("req_1".to_owned()),
        usage: Some(Usage {
            characters: 6,
            audio_ms: 6_000,
            ..Usage::default()
        }),
        // A tenth of 1.5 cents.
        cost: CallCost::Known(1_500),
    };
    assert_eq!(receipt(&events), expected);
}

#[tokio::test]
async fn a_direction_goes_only_to_models_that_take_one() {
    let check = async |model: &str, style: Option<&str>, expected: Option<&str>| {
        let server = ScriptedServer::start();
        let speaker = speaker(&server, model);
        let request = SpeechRequest {
            style: style.map(str::to_owned),
            ..request(SpeechFormat::Pcm)
        };
        let (_, exchange) = tokio::join!(collect(&speaker, request), async {
            let mut exchange = server.next().await;
            exchange.answer("200 OK", "", "four").await;
            exchange
        });
        let instructions = exchange.json().get("instructions").cloned();
        assert_eq!(instructions, expected.map(|text| json!(text)), "{model}");
    };
    check("gpt-4o-mini-tts-2025-12-15", Some("warmly"), Some("warmly")).await;
    check("gpt-4o-mini-tts", None, None).await;
    check("tts-1", Some("warmly"), None).await;
    check("tts-1-hd", Some("warmly"), None).await;
    check("tts-1-1106", Some("warmly"), None).await;
    check("sim-tts", Some("warmly"), Some("warmly")).await;
}

#[tokio::test]
async fn each_format_is_asked_for_and_recognised() {
    let wav = |rate: &[u8; 4]| {
        let head = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\xc0\x5d\0\0";
        [
            &head[..],
            rate,
            b"\x02\0\x10\0data\xff\xff\xff\xff",
            &vec![0; 24_000],
        ]
        .concat()
    };
    let check = async |format, name: &str, content_type: &str, bytes: Vec<u8>, audio_ms: u64| {
        let server = ScriptedServer::start();
        let speaker = speaker(&server, "tts-1");
        let (events, exchange) = tokio::join!(collect(&speaker, request(format)), async {
            let mut exchange = server.next().await;
            exchange.answer("200 OK", content_type, &bytes).await;
            exchange
        });
        assert_eq!(exchange.json()["response_format"], name);
        assert_eq!(audio(&events), bytes);
        let usage = receipt(&events).usage.unwrap();
        assert_eq!((usage.characters, usage.audio_ms), (6, audio_ms), "{name}");
        // 6 of a million characters for 15 dollars.
        assert_eq!(receipt(&events).cost, CallCost::Known(90));
    };
    let octets = "content-type: application/octet-stream\r\n";
    check(
        SpeechFormat::Pcm,
        "pcm",
        "content-type: audio/pcm\r\n",
        vec![0; 48_000],
        1_000,
    )
    .await;
    check(SpeechFormat::Pcm, "pcm", octets, vec![0x7B; 4_800], 100).await;
    check(
        SpeechFormat::Wav,
        "wav",
        "content-type: Audio/X-Wav\r\n",
        wav(b"\x80\xbb\0\0"),
        500,
    )
    .await;
    // Zero bytes a second: how long that plays, nobody knows.
    check(SpeechFormat::Wav, "wav", "", wav(&[0; 4]), 0).await;
    let tagged = [&b"ID3\x04\0\0\0\0\0\x05title"[..], FRAME, FRAME].concat();
    check(
        SpeechFormat::Mp3,
        "mp3",
        "content-type: audio/mpeg\r\n",
        tagged,
        48,
    )
    .await;
    // Whatever follows the frames: from there on nothing is known.
    check(SpeechFormat::Mp3, "mp3", octets, [FRAME, b"trailer"].concat(), 0).await;
}

/// A call whose first sound has come: the stream, and the exchange that is still open.
async fn speech_under_way(server: &ScriptedServer) -> (SpeechStream, Exchange) {
    let speaker = speaker(server, "tts-1");
    let (stream, mut exchange) = tokio::join!(speaker.speak(request(SpeechFormat::Mp3)), async {
        let mut exchange = server.next().await;
        exchange.begin_chunks("audio/mpeg").await;
        exchange
    });
    let mut stream = stream.unwrap();
    exchange.send(FRAME).await;
    assert_eq!(stream.next().await, Some(Ok(SpeechEvent::Audio(FRAME.into()))));
    (stream, exchange)
}

#[tokio::test]
async fn speech_cut_in_mid_word_keeps_what_came_and_fails() {
    let server = ScriptedServer::start();
    let (mut stream, exchange) = speech_under_way(&server).await;
    drop(exchange);
    let failure = stream.next().await.unwrap().unwrap_err();
    assert_eq!((failure.code, failure.retryable), (ErrorCode::TtsFailed, true));
    let receipt = failure.receipt.unwrap();
    assert_eq!(
        (receipt.request_id.as_deref(), receipt.usage, receipt.cost),
        (Some("req_1"), None, CallCost::Unknown)
    );
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn speech_that_falls_silent_is_given_up() {
    let server = ScriptedServer::start();
    let (mut stream, exchange) = speech_under_way(&server).await;
    tokio::time::pause();
    let silent_since = Instant::now();
    let failure = stream.next().await.unwrap().unwrap_err();
    assert_waited(silent_since, Duration::from_secs(8));
    assert_eq!((failure.code, failure.retryable), (ErrorCode::TtsTimeout, true));
    assert_eq!(failure.reason, "the provider was silent for 8000 ms");
    tokio::time::resume();
    // The stream is still held: its end alone closes the connection.
    exchange.closed_by_client().await;
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let server = ScriptedServer::start();
    let (stream, exchange) = speech_under_way(&server).await;
    drop(stream);
    exchange.closed_by_client().await;
}

#[tokio::test]
async fn what_is_not_in_the_format_that_was_asked_for_is_never_passed_on() {
    let check = async |format, bytes: &[u8], retryable| {
        let server = ScriptedServer::start();
        let speaker = speaker(&server, "tts-1");
        let (events, ()) = tokio::join!(collect(&speaker, request(format)), async {
            let mut exchange = server.next().await;
            exchange
                .answer("200 OK", "content-type: audio/mpeg\r\n", bytes)
                .await;
        });
        assert_eq!(events.len(), 1, "{events:?}");
        let failure = events[0].clone().unwrap_err();
        assert_eq!(
            (failure.code, failure.retryable),
            (ErrorCode::TtsFailed, retryable)
        );
    };
    check(SpeechFormat::Mp3, br#"{"error":{"message":"no"}}"#, false).await;
    check(SpeechFormat::Mp3, b"RIFF\0\0\0\0WAVE", false).await;
    check(SpeechFormat::Wav, FRAME, false).await;
    check(SpeechFormat::Pcm, b"RIFF\0\0\0\0WAVE", false).await;
    check(SpeechFormat::Pcm, b"ID3\x04", false).await;
    // Too short to be anything.
    check(SpeechFormat::Mp3, &FRAME[..3], true).await;
}

#[tokio::test]
async fn speech_without_end_is_not_read_without_end() {
    let server = ScriptedServer::start();
    let speaker = speaker(&server, "tts-1");
    let (events, ()) = tokio::join!(collect(&speaker, request(SpeechFormat::Pcm)), async {
        let mut exchange = server.next().await;
        exchange.begin_chunks("audio/pcm").await;
        let piece = vec![0; 1024 * 1024];
        for _ in 0..25 {
            exchange.send(&piece).await;
        }
        exchange.send("!").await;
        exchange.closed_by_client().await;
    });
    assert_eq!(audio(&events).len(), 25 * 1024 * 1024);
    let failure = events.last().unwrap().clone().unwrap_err();
    assert_eq!((failure.code, failure.retryable), (ErrorCode::TtsFailed, false));
    assert_eq!(failure.reason, "the speech has more than 26214400 bytes");
}

#[tokio::test]
async fn a_text_that_no_provider_takes_is_not_sent() {
    let server = ScriptedServer::start();
    let speaker = speaker(&server, "tts-1");
    for text in [String::new(), "가".repeat(SPEECH_TEXT_CHARS_MAX + 1)] {
        let request = SpeechRequest {
            text,
            ..request(SpeechFormat::Mp3)
        };
        let failure = collect(&speaker, request).await.pop().unwrap().unwrap_err();
        assert_eq!((failure.code, failure.retryable), (ErrorCode::TtsFailed, false));
        assert!(!failure.reason.contains('가'), "{}", failure.reason);
        assert_eq!(failure.receipt.unwrap().cost, CallCost::Known(0));
    }
    assert!(!server.has_visitor());
    assert_eq!(
        speaker.status().circuit.calls,
        0,
        "what was not sent says nothing of the provider"
    );
    let longest = SpeechRequest {
        text: "가".repeat(SPEECH_TEXT_CHARS_MAX),
        ..request(SpeechFormat::Pcm)
    };
    let (events, ()) = tokio::join!(collect(&speaker, longest), async {
        server.next().await.answer("200 OK", "", "four").await;
    });
    assert_eq!(receipt(&events).usage.unwrap().characters, 4_096);
}
