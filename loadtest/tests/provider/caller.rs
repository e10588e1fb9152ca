//! A client of the realtime API that says recordings, and what tests ask of it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_audio::MonoResampler;
use greenroom_audio::pcm::{extend_f32, extend_i16};
use loadtest::voice::utterances::shipped;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::Simulator;

/// Samples of 20 ms.
const FRAME: usize = 480;
/// A test that hangs fails after this.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connection to a simulator.
pub(crate) struct Caller {
    pub(crate) stream: Stream,
}

/// What came last.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Came {
    Event(Value),
    /// Text that is no JSON.
    Garbage(String),
    /// The close frame's code and reason.
    Closed(u16, String),
    /// The end without a close frame.
    Broken,
}

/// Tries to connect; headers beyond the handshake's are the caller's.
pub(crate) async fn connect(
    simulator: &Simulator,
    query: &str,
    headers: &[(HeaderName, &str)],
) -> Result<(Stream, HeaderMap), tungstenite::Error> {
    let url = simulator.url.replace("http://", "ws://");
    let mut request = format!("{url}/v1/realtime{query}").into_client_request().unwrap();
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().insert(name, value);
    }
    let (stream, response) = connect_async(request).await?;
    Ok((stream, response.headers().clone()))
}

impl Caller {
    /// A connection whose `session.created` has come.
    pub(crate) async fn connected(simulator: &Simulator) -> Self {
        let (stream, _) = connect(simulator, "?intent=transcription", &[]).await.unwrap();
        let mut caller = Self { stream };
        assert_eq!(caller.event().await["type"], "session.created");
        caller
    }

    /// A session with a model.
    pub(crate) async fn with_model(simulator: &Simulator, model: &str) -> Self {
        let mut caller = Self::connected(simulator).await;
        let transcription = if model.contains("live") {
            json!({ "model": model, "delay": "minimal" })
        } else {
            json!({ "model": model })
        };
        caller
            .update(json!({ "transcription": transcription, "turn_detection": null }))
            .await;
        assert_eq!(caller.event().await["type"], "session.updated");
        caller
    }

    pub(crate) async fn update(&mut self, input: Value) {
        let session = json!({ "type": "transcription", "audio": { "input": input } });
        self.send(json!({ "type": "session.update", "session": session }))
            .await;
    }

    pub(crate) async fn send(&mut self, event: Value) {
        self.stream.send(Message::text(event.to_string())).await.unwrap();
    }

    /// Says samples in frames of 20 ms, as fast as it can.
    pub(crate) async fn say(&mut self, samples: &[i16]) {
        for frame in samples.chunks(FRAME) {
            self.send(append(frame)).await;
        }
    }

    pub(crate) async fn commit(&mut self, event_id: &str) {
        self.send(json!({ "type": "input_audio_buffer.commit", "event_id": event_id }))
            .await;
    }

    pub(crate) async fn came(&mut self) -> Came {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.stream.next())
                .await
                .expect("something comes");
            return match message {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(event) => Came::Event(event),
                    Err(_) => Came::Garbage(text.to_string()),
                },
                Some(Ok(Message::Close(Some(frame)))) => {
                    Came::Closed(frame.code.into(), frame.reason.to_string())
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                None | Some(Err(_)) => Came::Broken,
                Some(Ok(other)) => panic!("{other:?}"),
            };
        }
    }

    pub(crate) async fn event(&mut self) -> Value {
        match self.came().await {
            Came::Event(event) => event,
            other => panic!("no event but {other:?}"),
        }
    }

    /// Everything until a transcript is complete or has failed.
    pub(crate) async fn item(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await;
            let kind = event["type"].as_str().unwrap().to_owned();
            events.push(event);
            if kind.ends_with(".completed") || kind.ends_with(".failed") {
                return events;
            }
        }
    }
}

pub(crate) fn append(samples: &[i16]) -> Value {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    json!({ "type": "input_audio_buffer.append", "audio": STANDARD.encode(bytes) })
}

/// A recording that ships, at 24 kHz, and what it says.
pub(crate) fn recording(id: &str) -> (Vec<i16>, &'static str) {
    let utterance = shipped().iter().find(|utterance| utterance.id == id).unwrap();
    let mut floats = Vec::new();
    extend_f32(&mut floats, &utterance.pcm());
    let mut resampler = MonoResampler::new(16_000, 24_000).unwrap();
    let mut streamed = Vec::new();
    resampler.push(&floats, &mut streamed);
    resampler.finish(&mut streamed);
    let mut samples = Vec::new();
    extend_i16(&mut samples, &streamed);
    (samples, &utterance.text)
}

pub(crate) fn silence(milliseconds: usize) -> Vec<i16> {
    vec![0; milliseconds * 24]
}

/// The types of events, without what they share.
pub(crate) fn kinds(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| {
            let kind = event["type"].as_str().unwrap();
            kind.strip_prefix("conversation.item.input_audio_transcription.")
                .unwrap_or(kind)
        })
        .collect()
}

/// What all deltas say together.
pub(crate) fn told(events: &[Value]) -> String {
    events
        .iter()
        .filter_map(|event| event["delta"].as_str())
        .collect()
}
