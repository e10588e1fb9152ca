//! Speech recognition: what is sent, byte for byte, and what its answers mean.

use bytes::Bytes;
use greenroom_protocol::{Locale, Millis};
use greenroom_providers::{OpenAiTranscriber, PriceTable};
use greenroom_session::ports::{
    CallFailure, CallReceipt, SpeechAudio, Transcriber, Transcription, TranscriptionRequest,
};
use greenroom_session::{CallCost, Usage};
use serde_json::json;

use crate::scripted_server::{Exchange, KEY, ScriptedServer, call_id};

const JSON: &str = "content-type: application/json\r\nx-request-id: req_7\r\n";
/// One second of samples that are all different from what stands around them.
const PCM: &[u8] = &[0xA5; 32_000];

fn transcriber(server: &ScriptedServer, model: &str) -> OpenAiTranscriber {
    OpenAiTranscriber::new(server.endpoint(model), PriceTable::built_in()).unwrap()
}

fn request() -> TranscriptionRequest {
    TranscriptionRequest {
        call_id: call_id(),
        audio: SpeechAudio {
            pcm: Bytes::from_static(PCM),
        },
        language: Some(Locale::Ko),
        vocabulary: vec!["루미세럼".to_owned(), " ".to_owned(), "히알루론산\r\n".to_owned()],
        timeout: Millis(60_000),
    }
}

/// What a model is asked, and what becomes of this answer.
async fn answered(model: &str, answer: &str) -> (Result<Transcription, CallFailure>, Exchange) {
    let server = ScriptedServer::start();
    let transcriber = transcriber(&server, model);
    tokio::join!(transcriber.transcribe(request()), async {
        let mut exchange = server.next().await;
        exchange.answer("200 OK", JSON, answer).await;
        exchange
    })
}

/// What the server must receive, but for the boundary.
fn form(boundary: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let file =
        "Content-Disposition: form-data; name=\"file\"; filename=\"speech.wav\"\r\ncontent-type: audio/wav";
    body.extend_from_slice(format!("--{boundary}\r\n{file}\r\n\r\n").as_bytes());
    // 32,036 bytes after the eighth; one channel; 16,000 samples and 32,000 bytes a second; 2 bytes, 16 bits a sample.
    body.extend_from_slice(
        b"RIFF\x24\x7d\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\x7d\0\0",
    );
    body.extend_from_slice(PCM);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

#[tokio::test]
async fn a_recording_is_sent_as_a_form_with_its_length() {
    let check = async |model: &str, fields: &[(&str, &str)]| {
        let (_, exchange) = answered(model, r#"{"text":""}"#).await;
        assert!(
            exchange
                .head
                .starts_with("post /v1/audio/transcriptions http/1.1"),
            "{}",
            exchange.head
        );
        let boundary = exchange
            .head
            .split("content-type: multipart/form-data; boundary=")
            .nth(1)
            .unwrap();
        let boundary = boundary.split("\r\n").next().unwrap();
        assert!(
            exchange.body == form(boundary, fields),
            "{}",
            String::from_utf8_lossy(&exchange.body)
        );
        for header in [
            &format!("content-length: {}", exchange.body.len()),
            &format!("authorization: bearer {KEY}"),
            "accept: application/json",
            "x-client-request-id: call_01arz3ndektsv4rrffq69g5fav",
        ] {
            assert!(exchange.head.contains(header), "{header} in {}", exchange.head);
        }
        assert!(!exchange.head.contains("transfer-encoding"), "{}", exchange.head);
    };
    let words = "루미세럼, 히알루론산";
    let (ko, json) = (("language", "ko"), ("response_format", "json"));
    check(
        "gpt-4o-mini-transcribe",
        &[("model", "gpt-4o-mini-transcribe"), json, ko, ("prompt", words)],
    )
    .await;
    check("large-v3", &[("model", "large-v3"), json, ko, ("prompt", words)]).await;
    let verbose = ("response_format", "verbose_json");
    check(
        "whisper-1",
        &[("model", "whisper-1"), verbose, ko, ("prompt", words)],
    )
    .await;
    let languages = ("languages[]", "ko");
    let (first, second) = (("keywords[]", "루미세럼"), ("keywords[]", "히알루론산"));
    check(
        "gpt-transcribe",
        &[("model", "gpt-transcribe"), json, languages, first, second],
    )
    .await;
}

#[tokio::test]
async fn hints_are_left_out_or_bounded() {
    let server = ScriptedServer::start();
    let transcriber = transcriber(&server, "sim-transcribe");
    let sent = async |request: TranscriptionRequest| {
        let (transcription, exchange) = tokio::join!(transcriber.transcribe(request), async {
            let mut exchange = server.next().await;
            exchange.answer("200 OK", JSON, r#"{"text":"a"}"#).await;
            exchange
        });
        transcription.unwrap();
        String::from_utf8_lossy(&exchange.body).into_owned()
    };
    let without = sent(TranscriptionRequest {
        language: None,
        vocabulary: Vec::new(),
        ..request()
    })
    .await;
    assert!(
        !without.contains("language") && !without.contains("prompt"),
        "{without}"
    );
    let bounded = sent(TranscriptionRequest {
        vocabulary: vec!["가".repeat(150), "나".repeat(50), "다".to_owned()],
        ..request()
    })
    .await;
    let prompt = format!("\r\n\r\n{}, {}\r\n", "가".repeat(150), "나".repeat(50));
    assert!(bounded.contains(&prompt), "{bounded}");
}

#[tokio::test]
async fn an_answer_becomes_words_and_a_receipt() {
    let answer = json!({"text": "  제품명은 루미세럼\n", "usage": {
        "type": "tokens", "input_tokens": 14, "output_tokens": 9, "total_tokens": 23,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
    }});
    let (transcription, _) = answered("gpt-4o-mini-transcribe", &answer.to_string()).await;
    let receipt = CallReceipt {
        provider: "scripted".to_owned(),
        model: "gpt-4o-mini-transcribe".to_owned(),
        simulated: false,
        response_id: None,
        request_id: Some("req_7".to_owned()),
        usage: Some(Usage {
            input_tokens: 14,
            output_tokens: 9,
            audio_ms: 1_000,
            ..Usage::default()
        }),
        // A sixtieth of 0.3 cents.
        cost: CallCost::Known(50),
    };
    let expected = Transcription {
        text: "제품명은 루미세럼".to_owned(),
        language: None,
        receipt,
    };
    assert_eq!(transcription, Ok(expected));
}

#[tokio::test]
async fn the_length_and_the_language_are_the_providers_where_it_tells_them() {
    let check = async |model: &str, answer: serde_json::Value, language: Option<&str>, audio_ms: u64| {
        let (transcription, _) = answered(model, &answer.to_string()).await;
        let transcription = transcription.unwrap();
        assert_eq!(transcription.language.as_deref(), language, "{answer}");
        assert_eq!(
            transcription.receipt.usage.unwrap().audio_ms,
            audio_ms,
            "{answer}"
        );
    };
    let duration = json!({"type": "duration", "seconds": 2});
    check(
        "whisper-1",
        json!({"text": "a", "language": "korean", "duration": 1.2, "usage": duration}),
        Some("korean"),
        2_000,
    )
    .await;
    check(
        "whisper-1",
        json!({"text": "a", "language": "korean", "duration": 1.25}),
        Some("korean"),
        1_250,
    )
    .await;
    check(
        "gpt-transcribe",
        json!({"text": "a", "languages": [{"code": "ko"}, {"code": "en"}]}),
        Some("ko"),
        1_000,
    )
    .await;
    check(
        "gpt-transcribe",
        json!({"text": "a", "languages": []}),
        None,
        1_000,
    )
    .await;
    // Nobody else's slip costs the words.
    for usage in [
        json!(7),
        json!({"type": "hours"}),
        json!({"type": "duration", "seconds": -1}),
        json!({"type": "duration", "seconds": 1e300}),
    ] {
        check(
            "m",
            json!({"text": "a", "language": 7, "usage": usage}),
            None,
            1_000,
        )
        .await;
    }
    check("m", json!({"text": "a", "language": "x".repeat(65)}), None, 1_000).await;
}

#[tokio::test]
async fn nothing_understood_is_no_error() {
    for answer in [
        r#"{"text":""}"#,
        r#"{"text":" \n"}"#,
        r#"{"text":"","error":null}"#,
    ] {
        let (transcription, _) = answered("sim-transcribe", answer).await;
        let transcription = transcription.unwrap();
        assert_eq!(transcription.text, "");
        assert!(transcription.receipt.simulated);
    }
}
