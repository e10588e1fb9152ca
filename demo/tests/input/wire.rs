//! Requests as they stand on the wire, for what no well-behaved client sends.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_demo::session_play::Stage;
use greenroom_protocol::{ApiError, ErrorBody, SessionId};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Sends any request to the server.
#[derive(Debug, Clone)]
pub struct Wire {
    http: reqwest::Client,
    base: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Wire {
    pub fn to(stage: &Stage) -> Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder().no_proxy().build()?,
            base: stage.world.server_url(),
        })
    }

    /// A request to be completed and given to [`Wire::answer`].
    pub fn request(&self, method: &str, path: &str) -> Result<RequestBuilder> {
        Ok(self.http.request(
            Method::from_bytes(method.as_bytes())?,
            format!("{}{path}", self.base),
        ))
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        answer(self.request("GET", path)?).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        answer(self.request("POST", path)?.json(body)).await
    }
}

/// Sends a request and reads the whole answer.
pub async fn answer(request: RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer {
        status,
        headers,
        body: response.bytes().await?,
    })
}

/// Asks for a path with these headers.
pub async fn get(wire: &Wire, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    send(wire, "GET", path, headers).await
}

/// Sends a request without a body.
pub async fn send(wire: &Wire, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let mut request = wire.request(method, path)?;
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| self.text())
    }

    /// The document of an answer that must be a success.
    pub fn ok(&self) -> Result<Value> {
        ensure!(
            (200..300).contains(&self.status),
            "{}: {}",
            self.status,
            self.text()
        );
        self.json()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The error of an answer that must be this refusal, in the form that every failure has.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Result<ErrorBody> {
        let body = self.text();
        let error: ApiError = serde_json::from_slice(&self.body)
            .with_context(|| format!("not the body of a failure: {}: {body}", self.status))?;
        let error = error.error;
        ensure!(
            (self.status, error.code.as_str()) == (status, code),
            "expected {status} {code}, found {} {body}",
            self.status
        );
        ensure!(
            self.header("content-type") == "application/json",
            "{:?}",
            self.headers
        );
        Ok(error)
    }
}

/// The bare socket of a session.
pub struct RawSocket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The subprotocol that the server chose.
    pub subprotocol: Option<String>,
}

impl RawSocket {
    /// Opens the socket of a session with these headers; a server that refuses is the `Err` within.
    pub async fn open(
        stage: &Stage,
        session: impl std::fmt::Display,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Result<Self, Answer>> {
        let url = format!(
            "ws://{}/api/chat/session/{session}/ws{query}",
            stage.world.server.address()
        );
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, response)) => {
                let subprotocol = response.headers().get("sec-websocket-protocol");
                let subprotocol = subprotocol
                    .and_then(|value| value.to_str().ok())
                    .map(str::to_owned);
                Ok(Ok(Self { stream, subprotocol }))
            }
            Err(tungstenite::Error::Http(response)) => {
                let (parts, body) = response.into_parts();
                let body = body.unwrap_or_default().into();
                Ok(Err(Answer {
                    status: parts.status.as_u16(),
                    headers: parts.headers,
                    body,
                }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the socket of a session, past its snapshot.
    pub async fn enter(stage: &Stage, session: SessionId) -> Result<Self> {
        let opened = Self::open(stage, session, "", &[("sec-websocket-protocol", "greenroom.v1")]).await?;
        let mut socket = opened.map_err(|answer| anyhow::anyhow!("refused: {}", answer.text()))?;
        let first = socket.next().await?;
        ensure!(
            first["type"] == "session.snapshot",
            "a connection begins with the snapshot: {first}"
        );
        Ok(socket)
    }

    pub async fn send(&mut self, message: Message) -> Result<()> {
        Ok(self.stream.send(message).await?)
    }

    pub async fn send_text(&mut self, text: impl Into<String>) -> Result<()> {
        self.send(Message::text(text.into())).await
    }

    /// Sends a whole text frame whose bytes are not UTF-8, masked with zeros.
    pub async fn send_not_utf8(&mut self) -> Result<()> {
        let MaybeTlsStream::Plain(stream) = self.stream.get_mut() else {
            bail!("loopback has no TLS")
        };
        Ok(stream
            .write_all(&[0x81, 0x84, 0, 0, 0, 0, b'{', 0xff, 0xfe, b'}'])
            .await?)
    }

    /// The next text frame as JSON.
    pub async fn next(&mut self) -> Result<Value> {
        loop {
            match self.stream.next().await.context("the connection broke")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(frame) => bail!("closed: {frame:?}"),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// The next text frame that is a signal of this type.
    pub async fn signal(&mut self, signal_type: &str) -> Result<Value> {
        loop {
            let frame = self
                .next()
                .await
                .with_context(|| format!("waiting for {signal_type}"))?;
            if frame["type"] == signal_type {
                return Ok(frame);
            }
        }
    }

    /// Reads to the end; answers with the close code.
    pub async fn closed(&mut self) -> Result<u16> {
        loop {
            match self
                .stream
                .next()
                .await
                .context("the connection broke without a close frame")??
            {
                Message::Close(frame) => {
                    return Ok(frame.map_or(CloseCode::Status, |frame| frame.code).into());
                }
                Message::Text(_)
                | Message::Binary(_)
                | Message::Ping(_)
                | Message::Pong(_)
                | Message::Frame(_) => {}
            }
        }
    }

    /// Whether the server still answers on this connection.
    pub async fn answers(&mut self) -> Result<()> {
        self.send_text(r#"{"type":"ping","id":"alive?"}"#).await?;
        loop {
            if self.signal("pong").await?["id"] == "alive?" {
                return Ok(());
            }
        }
    }

    /// The connection below.
    pub fn into_inner(self) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        self.stream
    }
}
