//! A scripted server of realtime transcription: a WebSocket whose every message the test decides, and sees.

use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_protocol::{CallId, Locale};
use greenroom_providers::{EndpointConfig, OpenAiLiveTranscriber, PriceTable};
use greenroom_session::ports::{
    CallFailure, LiveTranscriber as _, LiveTranscription, LiveTranscriptionEvent, LiveTranscriptionRequest,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::scripted_server::{ScriptedServer, within_patience};

/// One stream, as the server has it.
pub struct Stream {
    pub socket: WebSocketStream<TcpStream>,
    /// The path of the request that opened it, and what it asked for.
    pub target: String,
    /// Its headers, a line each, names in lower case.
    pub headers: Vec<String>,
}

impl Stream {
    /// The next stream; its request is answered, and nothing else has happened.
    #[expect(
        clippy::result_large_err,
        reason = "the signature of a handshake's callback is tungstenite's"
    )]
    pub async fn accept(server: &ScriptedServer) -> Self {
        let connection = server.accept().await;
        let (mut target, mut headers) = (String::new(), Vec::new());
        let look = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            target = request.uri().to_string();
            headers = request
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            response
                .headers_mut()
                .insert("x-request-id", "req_9".parse().unwrap());
            Ok(response)
        };
        let socket = within_patience(accept_hdr_async(connection, look)).await.unwrap();
        Self {
            socket,
            target,
            headers,
        }
    }

    /// The next message, which is text.
    pub async fn text(&mut self) -> String {
        let message = within_patience(self.socket.next()).await.unwrap().unwrap();
        message.into_text().unwrap().as_str().to_owned()
    }

    /// The next message, which is JSON.
    pub async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// What kind of event the next message is.
    pub async fn kind(&mut self) -> String {
        self.json().await["type"].as_str().unwrap().to_owned()
    }

    /// All speech up to the event that ends it, which comes along.
    pub async fn utterance(&mut self) -> (usize, Value) {
        let mut base64_bytes = 0;
        loop {
            let event = self.json().await;
            match event["audio"].as_str() {
                Some(audio) => base64_bytes += audio.len() - audio.matches('=').count(),
                None => return (base64_bytes * 3 / 4, event),
            }
        }
    }

    /// Says something.
    pub async fn say(&mut self, event: Value) {
        self.say_text(event.to_string()).await;
    }

    /// Says anything.
    pub async fn say_text(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// Says that the stream is ready, once it was asked for; answers what was asked.
    pub async fn get_ready(&mut self) -> String {
        let asked = self.text().await;
        self.say(
            json!({"type": "session.created", "event_id": "event_1", "session": {"type": "transcription"}}),
        )
        .await;
        self.say(
            json!({"type": "session.updated", "event_id": "event_2", "session": {"type": "transcription"}}),
        )
        .await;
        asked
    }

    pub async fn committed(&mut self, item: &str) {
        self.say(json!({"type": "input_audio_buffer.committed", "event_id": "e", "item_id": item}))
            .await;
    }

    pub async fn delta(&mut self, item: &str, delta: &str) {
        self.say(
            json!({"type": "conversation.item.input_audio_transcription.delta", "item_id": item, "delta": delta}),
        )
        .await;
    }

    pub async fn completed(&mut self, item: &str, transcript: &str) {
        self.say(json!({
            "type": "conversation.item.input_audio_transcription.completed", "item_id": item, "content_index": 0,
            "transcript": transcript, "usage": {"type": "duration", "seconds": 3},
        }))
        .await;
    }

    /// Ends the stream with a code.
    pub async fn close(&mut self, code: u16) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: "비밀 hunter2_key".into(),
        };
        self.socket.send(Message::Close(Some(frame))).await.unwrap();
    }

    /// Waits until the client has gone, and says with what it left.
    pub async fn left(&mut self) -> Option<u16> {
        loop {
            match within_patience(self.socket.next()).await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

/// A provider that asks this server for this model.
pub fn transcriber(server: &ScriptedServer, model: &str) -> OpenAiLiveTranscriber {
    with(server.endpoint(model))
}

pub fn with(endpoint: EndpointConfig) -> OpenAiLiveTranscriber {
    OpenAiLiveTranscriber::new(endpoint, PriceTable::built_in()).unwrap()
}

pub fn request() -> LiveTranscriptionRequest {
    LiveTranscriptionRequest {
        language: Some(Locale::Ko),
        vocabulary: vec!["루미세럼".to_owned()],
    }
}

/// A stream that is ready, both ends of it.
pub async fn opened(server: &ScriptedServer) -> (LiveTranscription, Stream) {
    let transcriber = transcriber(server, "gpt-live-transcribe");
    opened_by(&transcriber, server).await
}

pub async fn opened_by(
    transcriber: &OpenAiLiveTranscriber,
    server: &ScriptedServer,
) -> (LiveTranscription, Stream) {
    let (halves, stream) = tokio::join!(transcriber.open(request()), async {
        let mut stream = Stream::accept(server).await;
        stream.get_ready().await;
        stream
    });
    (halves.unwrap(), stream)
}

/// The failure of a stream that could not be opened.
pub fn refusal(opened: Result<LiveTranscription, CallFailure>) -> CallFailure {
    opened.err().expect("it was opened")
}

/// The calls of utterances.
pub fn call(number: u8) -> CallId {
    CallId::new(ulid::Ulid(number.into()))
}

/// Silence of this length, at 16 kHz.
pub fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 16]
}

/// The next event.
pub async fn next(halves: &mut LiveTranscription) -> LiveTranscriptionEvent {
    within_patience(halves.events.next())
        .await
        .expect("the events ended")
}

/// The failure of this call, which is the next event.
pub async fn next_failure(halves: &mut LiveTranscription, failed: CallId) -> CallFailure {
    match next(halves).await {
        LiveTranscriptionEvent::Failed { call_id, failure } if call_id == failed => failure,
        other => panic!("no failure of {failed}: {other:?}"),
    }
}

/// The words of this call, which is the next event.
pub async fn next_words(halves: &mut LiveTranscription, understood: CallId) -> String {
    match next(halves).await {
        LiveTranscriptionEvent::Final {
            call_id,
            transcription,
        } if call_id == understood => transcription.text,
        other => panic!("no words of {understood}: {other:?}"),
    }
}
