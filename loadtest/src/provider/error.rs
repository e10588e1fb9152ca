//! Failures in the form that OpenAI gives them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A failure as an OpenAI client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
    retry_after_s: Option<u32>,
}

impl ProviderError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            kind,
            param: None,
            code: None,
            retry_after_s: None,
        }
    }

    fn with_code(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// 400 for a parameter that is wrong.
    pub(crate) fn invalid(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message).with_code(code);
        Self {
            param: Some(param.to_owned()),
            ..error
        }
    }

    /// 400 for a body that is not JSON.
    pub(crate) fn unreadable() -> Self {
        let message =
            "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// 401 with the key masked.
    pub(crate) fn unauthorized(given: Option<&str>) -> Self {
        match given {
            None => Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid_request_error",
                "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.",
            ),
            Some(key) => {
                let shown: String = key.chars().take(3).collect();
                Self::new(
                    StatusCode::UNAUTHORIZED,
                    "invalid_request_error",
                    format!("Incorrect API key provided: {shown}***."),
                )
                .with_code("invalid_api_key")
            }
        }
    }

    /// 404 for a model that is not simulated.
    pub(crate) fn unknown_model(model: &str) -> Self {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message).with_code("model_not_found")
    }

    /// 404 for a path that does not exist.
    pub(crate) fn unknown_url(method: &str, path: &str) -> Self {
        let message = format!("Invalid URL ({method} {path})");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
    }

    /// 404 for a response that is not kept.
    pub(crate) fn unknown_response(id: &str) -> Self {
        let message = format!("Response with id '{id}' not found.");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
    }

    /// 405 for a path that is not asked in this way.
    pub(crate) fn wrong_method(method: &str, path: &str) -> Self {
        let message = format!("Not allowed to {method} on {path}.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", message)
            .with_code("method_not_supported")
    }

    /// 400 for a query that cannot be read.
    pub(crate) fn query(rejection: &QueryRejection) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            rejection.body_text(),
        )
    }

    /// 400 for a file that is no recording.
    pub(crate) fn undecodable() -> Self {
        let message = "Audio file might be corrupted or unsupported";
        Self::invalid("file", "invalid_value", message)
    }

    /// 413 for a file beyond the limit.
    pub(crate) fn file_too_large(bytes_max: usize) -> Self {
        let message = format!("Maximum content size limit ({bytes_max}) exceeded.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message)
    }

    /// 500 for what should not happen.
    pub(crate) fn internal() -> Self {
        Self::of_status(StatusCode::INTERNAL_SERVER_ERROR, None)
    }

    /// An event over a WebSocket that says nothing of a parameter.
    pub(crate) fn event(code: Option<&'static str>, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message);
        Self { code, ..error }
    }

    /// What was said and could not be transcribed.
    pub(crate) fn transcription(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "transcription_error", message).with_code(code)
    }

    /// The same of a parameter within the object at `path`.
    pub(crate) fn under(mut self, path: &str) -> Self {
        if let Some(param) = self.param.take() {
            let whole = format!("{path}.{param}");
            self.message = self.message.replace(&format!("'{param}'"), &format!("'{whole}'"));
            self.param = Some(whole);
        }
        self
    }

    /// The failure as an object, as it is told over HTTP and over a WebSocket.
    pub(crate) fn object(&self) -> Value {
        json!({ "message": self.message, "type": self.kind, "param": self.param, "code": self.code })
    }

    /// Why a WebSocket is closed after the failure was told.
    pub(crate) fn close_reason(&self) -> String {
        let parts = [Some(self.kind), self.code];
        parts.into_iter().flatten().collect::<Vec<_>>().join(".")
    }

    /// 426 or its like for a request that is no WebSocket handshake.
    pub(crate) fn no_handshake(status: StatusCode, message: String) -> Self {
        Self::new(status, "invalid_request_error", message)
    }

    /// 413 for a body beyond the limit.
    pub(crate) fn too_large() -> Self {
        let message = "Request body is too large.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message)
    }

    /// 503 when too many requests are under way.
    pub(crate) fn overloaded() -> Self {
        let message = "The server is currently overloaded with other requests. Please retry your request.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", message)
    }

    /// The failure that goes with a status that a fault asks for.
    pub(crate) fn of_status(status: StatusCode, retry_after_s: Option<u32>) -> Self {
        let error = match status.as_u16() {
            401 => Self::unauthorized(Some("sim")),
            429 => Self::new(
                status,
                "requests",
                "Rate limit reached for requests. Please try again later.",
            )
            .with_code("rate_limit_exceeded"),
            503 => Self::overloaded(),
            400..=499 => Self::new(
                status,
                "invalid_request_error",
                "The request was refused (simulated).",
            ),
            _ => Self::new(
                status,
                "server_error",
                "The server had an error while processing your request. Sorry about that!",
            ),
        };
        Self {
            status,
            retry_after_s,
            ..error
        }
    }
}

impl IntoResponse for ProviderError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.object() });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
