//! Speech synthesis: what is sent, and what its answers mean.

use bytes::Bytes;
use futures_util::StreamExt as _;
use greenroom_protocol::{ErrorCode, Millis};
use greenroom_providers::{OpenAiSpeaker, PriceTable, SPEECH_TEXT_CHARS_MAX, Unconfigured};
use greenroom_session::ports::{
    CallFailure, CallReceipt, ModelIdentity, Speaker, SpeechEvent, SpeechFormat, SpeechRequest, SpeechStream,
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
        [&head[..], rate, b"\x02\0\x10\0data\xff\xff\xff\xff", &[0; 24_000]].concat()
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
    use SpeechFormat::{Mp3, Pcm, Wav};
    let octets = "content-type: application/octet-stream\r\n";
    check(Pcm, "pcm", "content-type: audio/pcm\r\n", vec![0; 48_000], 1_000).await;
    check(Pcm, "pcm", octets, vec![0x7B; 4_800], 100).await;
    check(
        Wav,
        "wav",
        "content-type: Audio/X-Wav\r\n",
        wav(b"\x80\xbb\0\0"),
        500,
    )
    .await;
    // Zero bytes a second: how long that plays, nobody knows.
    check(Wav, "wav", "", wav(&[0; 4]), 0).await;
    let tagged = [&b"ID3\x04\0\0\0\0\0\x05title"[..], FRAME, FRAME].concat();
    check(Mp3, "mp3", "content-type: audio/mpeg\r\n", tagged, 48).await;
    // Whatever follows the frames: from there on nothing is known.
    check(Mp3, "mp3", octets, [FRAME, b"trailer"].concat(), 0).await;
}
