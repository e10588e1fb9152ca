//! A server on the loopback that does what a test tells it, byte by byte, and sees what the client does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use greenroom_protocol::{CallId, Millis};
use greenroom_providers::{EndpointConfig, OpenAi, OpenAiConfig, PriceTable};
use greenroom_session::ports::{
    Background, CallFailure, LanguageModel as _, ModelEvent, ModelRequest, ModelSize, ModelStream,
    OutputSchema, PromptMessage, PromptRole,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// A key of the shape that could slip through as an error code.
pub const KEY: &str = "hunter2_key";
/// What the person said; it must never turn up in a failure.
pub const WORDS: &str = "비밀 신제품";

/// How long a test waits for what must happen, before it says that it did not.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server.
pub struct ScriptedServer {
    listener: TcpListener,
    /// The same listener, which can be asked without waiting.
    doorstep: std::net::TcpListener,
}

/// One request, and the connection that waits for its answer.
pub struct Exchange {
    /// Request line and headers, in lower case.
    pub head: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    connection: TcpStream,
}

impl ScriptedServer {
    pub fn start() -> Self {
        let doorstep = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        doorstep.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(doorstep.try_clone().unwrap()).unwrap();
        Self { listener, doorstep }
    }

    /// A configuration that points here, with a simulator's models.
    pub fn config(&self) -> OpenAiConfig {
        OpenAiConfig::new(self.endpoint("sim-large"), "sim-small")
    }

    /// A configuration of any other service that points here.
    pub fn endpoint(&self, model: &str) -> EndpointConfig {
        let address = self.listener.local_addr().unwrap();
        EndpointConfig {
            base_url: Some(format!("http://{address}/v1")),
            api_key: Some(SecretString::from(KEY)),
            ..EndpointConfig::new("scripted", model)
        }
    }

    /// The next request, on a connection of its own.
    pub async fn next(&self) -> Exchange {
        let connection = self.accept().await;
        within_patience(Exchange::read(connection)).await
    }

    /// The next connection, of which nothing has been read.
    pub async fn accept(&self) -> TcpStream {
        let (connection, _) = within_patience(self.listener.accept()).await.unwrap();
        connection
    }

    /// Whether a client has connected that nobody has received yet.
    pub fn has_visitor(&self) -> bool {
        self.doorstep.accept().is_ok()
    }
}

impl Exchange {
    async fn read(mut connection: TcpStream) -> Self {
        let mut bytes = Vec::new();
        loop {
            let read = connection.read_buf(&mut bytes).await.unwrap();
            let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(head_end) = head_end {
                let head = String::from_utf8(bytes[..head_end].to_vec())
                    .unwrap()
                    .to_lowercase();
                let length = head.split("content-length: ").nth(1).map_or(0, |rest| {
                    rest.split("\r\n").next().unwrap().parse::<usize>().unwrap()
                });
                let body = &bytes[head_end + 4..];
                if body.len() == length {
                    return Self {
                        head,
                        body: body.to_vec(),
                        connection,
                    };
                }
            }
            assert_ne!(read, 0, "the client went away in the middle of its request");
        }
    }

    /// The body, which is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Answers at once and closes.
    pub async fn answer(&mut self, status: &str, headers: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
        self.write(head).await;
        self.write(body).await;
    }

    /// Begins a stream of events.
    pub async fn begin_stream(&mut self) {
        self.begin_chunks("text/event-stream; charset=utf-8").await;
    }

    /// Begins an answer of any type and length.
    pub async fn begin_chunks(&mut self, content_type: &str) {
        self.write(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nx-request-id: req_1\r\n\
             transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        ))
        .await;
    }

    /// Sends a piece of the stream.
    pub async fn send(&mut self, piece: impl AsRef<[u8]>) {
        let piece = piece.as_ref();
        let size = format!("{:x}\r\n", piece.len());
        self.write([size.as_bytes(), piece, b"\r\n"].concat()).await;
    }

    /// Ends the stream as HTTP wants it.
    pub async fn end_stream(&mut self) {
        self.write("0\r\n\r\n").await;
    }

    /// Streams a whole reply.
    pub async fn stream(&mut self, events: &str) {
        self.begin_stream().await;
        self.send(events).await;
        self.end_stream().await;
    }

    /// Waits until the client has closed the connection.
    pub async fn closed_by_client(mut self) {
        let mut rest = Vec::new();
        // A reset is a close, too.
        let _ = within_patience(self.connection.read_to_end(&mut rest)).await;
        assert_eq!(rest, b"", "the client sent more");
    }

    /// Writes these bytes, unless the client has closed the connection.
    pub async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.connection.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Writes these bytes, whatever they mean.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.connection.write_all(bytes.as_ref()).await.unwrap();
    }
}

/// The paused clock stood still until it jumped to the first timer, and that was this one.
pub fn assert_waited(since: Instant, expected: Duration) {
    let waited = since.elapsed();
    assert!(
        waited.abs_diff(expected) < Duration::from_secs(1),
        "waited {waited:?}, not {expected:?}"
    );
}

/// What must happen, or the test fails. For stretches in which the clock is not paused.
pub async fn within_patience<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("waited in vain")
}

/// A provider by its configuration, with the built-in prices.
pub fn provider(config: OpenAiConfig) -> OpenAi {
    OpenAi::new(config, PriceTable::built_in()).unwrap()
}

/// The call that every request is.
pub fn call_id() -> CallId {
    "call_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap()
}

/// A request with generous deadlines.
pub fn request() -> ModelRequest {
    ModelRequest {
        call_id: call_id(),
        size: ModelSize::Large,
        instructions: "Answer in Korean.".to_owned(),
        messages: vec![PromptMessage {
            role: PromptRole::User,
            text: WORDS.to_owned(),
        }],
        output: Some(OutputSchema {
            name: "plan".to_owned(),
            schema: Arc::new(json!({"type": "object"})),
        }),
        search: false,
        output_tokens_max: 100,
        timeout: Millis(60_000),
        stall_timeout: Millis(30_000),
        background: Background::Never,
    }
}

/// Everything that a call yields, in the order of its arrival; the failure of one that did not begin comes alone.
pub async fn collect(model: &OpenAi, request: ModelRequest) -> Vec<Result<ModelEvent, CallFailure>> {
    match model.generate(request).await {
        Ok(stream) => stream.collect().await,
        Err(failure) => vec![Err(failure)],
    }
}

/// The failure that a call ends with.
pub async fn failure(model: &OpenAi, request: ModelRequest) -> CallFailure {
    collect(model, request).await.pop().unwrap().unwrap_err()
}

/// A call whose first text has come: the stream, and the exchange that is still open.
pub async fn call_under_way(model: &OpenAi, server: &ScriptedServer) -> (ModelStream, Exchange) {
    let (stream, mut exchange) = tokio::join!(async { model.generate(request()).await.unwrap() }, async {
        let mut exchange = server.next().await;
        exchange.begin_stream().await;
        exchange
    });
    exchange.send(&chat_text("저자")).await;
    let mut stream = stream;
    assert_eq!(stream.next().await, Some(Ok(ModelEvent::Text("저자".to_owned()))));
    (stream, exchange)
}

/// A chunk of Chat Completions with text.
pub fn chat_text(text: &str) -> String {
    format!(
        "data: {}\n\n",
        json!({"id": "c1", "model": "sim-large", "choices": [{"delta": {"content": text}}]})
    )
}
