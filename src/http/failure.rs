//! Every failure of a route, on its way to the one error body.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use greenroom_actors::{PlaybookUnavailable, Refused};
use greenroom_protocol::{ApiError, ErrorBody, ErrorCode, Locale};
use greenroom_session::ports::ReadError;
use greenroom_store::OperatorStoreError;
use serde_json::Value;

/// Why a request was not done. As a response it is empty until the edge, which knows the client's language,
/// writes the body with [`render`].
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// Told by its code alone.
    Coded {
        /// From the table.
        code: ErrorCode,
        /// What the developer of the client needs to know.
        details: Value,
        /// Seconds after which it is worth trying again.
        retry_after: Option<u32>,
        /// A status other than the table's, for routes that do not exist.
        status: Option<StatusCode>,
    },
    /// Told by the session, in the session's language.
    Told(Box<ErrorBody>),
}

impl Failure {
    /// A failure with nothing to add to its code.
    pub fn new(code: ErrorCode) -> Self {
        Self::Coded {
            code,
            details: Value::Null,
            retry_after: None,
            status: None,
        }
    }

    /// A failure with what the developer of the client needs to know.
    pub fn with_details(code: ErrorCode, details: impl Into<Value>) -> Self {
        Self::Coded {
            code,
            details: details.into(),
            retry_after: None,
            status: None,
        }
    }

    /// Too many requests.
    pub fn rate_limited(retry_after_s: u32) -> Self {
        let code = ErrorCode::SysRateLimit;
        Self::Coded {
            code,
            details: Value::Null,
            retry_after: Some(retry_after_s),
            status: None,
        }
    }

    /// Too much is under way at once.
    pub fn overloaded(retry_after_s: u32) -> Self {
        Self::Coded {
            code: ErrorCode::SysOverloaded,
            details: Value::Null,
            retry_after: Some(retry_after_s),
            status: None,
        }
    }

    /// The server closes before what was asked for is over. It was taken, and is taken up again at the next start.
    pub fn closing() -> Self {
        let details =
            "it goes on at the next start; send again under the same Idempotency-Key, or read the events";
        Self::with_details(ErrorCode::SysDraining, details)
    }

    /// The path or method does not exist; there is no code for it but that of a request nobody understands.
    pub fn unrouted(status: StatusCode, reason: &str) -> Self {
        let code = ErrorCode::InputInvalid;
        Self::Coded {
            code,
            details: reason.into(),
            retry_after: None,
            status: Some(status),
        }
    }

    /// The same for a reader of their own, in whose language the session does not speak.
    pub fn retold(self) -> Self {
        match self {
            Self::Coded { .. } => self,
            Self::Told(body) => Self::Coded {
                code: body.code,
                details: body.details,
                retry_after: body.retry_after,
                status: None,
            },
        }
    }

    /// Its code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Coded { code, .. } => *code,
            Self::Told(body) => body.code,
        }
    }

    /// The body, in a language if the session has not chosen one already.
    pub fn into_body(self, locale: Locale) -> ErrorBody {
        match self {
            Self::Coded {
                code,
                details,
                retry_after,
                ..
            } => ErrorBody {
                details,
                retry_after,
                ..ErrorBody::new(code, locale)
            },
            Self::Told(body) => *body,
        }
    }

    fn status(&self) -> StatusCode {
        let table =
            || StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match self {
            Self::Coded { status, .. } => status.unwrap_or_else(table),
            Self::Told(_) => table(),
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Rejected(body) if told_by_no_session(body.code) => {
                let ErrorBody {
                    code,
                    details,
                    retry_after,
                    ..
                } = *body;
                Self::Coded {
                    code,
                    details,
                    retry_after,
                    status: None,
                }
            }
            Refused::Rejected(body) => Self::Told(body),
            // Nobody knows whether it was done, so it must not be said that it was not.
            Refused::Lost => Self::with_details(
                ErrorCode::SysInternal,
                "the outcome is unknown; send again under the same Idempotency-Key, or read the events",
            ),
        }
    }
}

impl From<PlaybookUnavailable> for Failure {
    fn from(error: PlaybookUnavailable) -> Self {
        match error {
            PlaybookUnavailable::Unreachable(reason) => ReadError::Unavailable(reason).into(),
            PlaybookUnavailable::Damaged(reason) => ReadError::Damaged(reason).into(),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(reason) => {
                tracing::warn!(reason, "a read from the store failed");
                Self::new(ErrorCode::DbUnavailable)
            }
            ReadError::Gone => Self::new(ErrorCode::SessionGone),
            ReadError::Damaged(reason) => {
                tracing::error!(reason, "stored data cannot be understood");
                Self::new(ErrorCode::SysInternal)
            }
        }
    }
}

impl From<OperatorStoreError> for Failure {
    fn from(error: OperatorStoreError) -> Self {
        tracing::error!(%error, "the operator's store cannot be used");
        Self::new(ErrorCode::DbUnavailable)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

/// Whether a refusal comes from before the session, whose language nobody knew: then the client's own is better.
const fn told_by_no_session(code: ErrorCode) -> bool {
    use ErrorCode::{DbUnavailable, SessionGone, SessionNotFound, SysDraining, SysOverloaded};
    matches!(
        code,
        DbUnavailable | SessionGone | SessionNotFound | SysDraining | SysOverloaded
    )
}

/// Tells whoever is refused because the server drains when to come back.
pub fn tell_when_to_return(response: &mut Response, after_s: impl FnOnce() -> u32) {
    if let Some(failure) = response.extensions_mut().get_mut::<Failure>()
        && failure.code() == ErrorCode::SysDraining
    {
        match failure {
            Failure::Coded { retry_after, .. } => *retry_after = Some(after_s()),
            Failure::Told(body) => body.retry_after = Some(after_s()),
        }
    }
}

/// Writes the error body of a response that is a failure; leaves others alone.
pub fn render(mut response: Response, locale: Locale) -> Response {
    let Some(failure) = response.extensions_mut().remove::<Failure>() else {
        return response;
    };
    let error = failure.into_body(locale);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code == ErrorCode::AuthRequired {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let json = serde_json::to_vec(&ApiError { error }).expect("an error body is always JSON");
    *response.body_mut() = Body::from(json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rendered(failure: Failure, locale: Locale) -> (Response<()>, ApiError) {
        rendered_response(failure.into_response(), locale).await
    }

    async fn rendered_response(response: Response, locale: Locale) -> (Response<()>, ApiError) {
        let (parts, body) = render(response, locale).into_parts();
        let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
        (
            Response::from_parts(parts, ()),
            serde_json::from_slice(&bytes).unwrap(),
        )
    }

    #[tokio::test]
    async fn a_code_becomes_a_body_in_the_clients_language() {
        let (response, body) = rendered(Failure::rate_limited(7), Locale::En).await;
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
        assert_eq!(body.error.retry_after, Some(7));
        assert_eq!(
            body.error.message,
            ErrorCode::SysRateLimit.user_message(Locale::En)
        );
    }

    #[tokio::test]
    async fn whoever_is_refused_by_a_server_that_drains_is_told_when_to_return() {
        let told = async |failure: Failure| {
            let mut response = failure.into_response();
            tell_when_to_return(&mut response, || 9);
            let (_, body) = rendered_response(response, Locale::En).await;
            body.error.retry_after
        };
        let draining = ErrorCode::SysDraining;
        assert_eq!(told(Failure::new(draining)).await, Some(9));
        let from_session = Box::new(ErrorBody::new(draining, Locale::Ko).with_retry_after(1));
        assert_eq!(told(Failure::Told(from_session)).await, Some(9));
        assert_eq!(told(Failure::rate_limited(2)).await, Some(2));
    }

    #[tokio::test]
    async fn what_a_session_said_is_passed_on_as_it_is() {
        let told = ErrorBody::new(ErrorCode::GateNotReady, Locale::Ko).with_details("why");
        let (response, body) = rendered(Failure::Told(Box::new(told.clone())), Locale::En).await;
        assert_eq!(response.status(), 409);
        assert_eq!(body.error, told);
    }

    #[test]
    fn what_a_session_said_can_be_retold_to_another_reader() {
        let told = ErrorBody::new(ErrorCode::GateNotReady, Locale::Ko).with_details("why");
        let retold = Failure::Told(Box::new(told)).retold().into_body(Locale::En);
        let expected = ErrorBody::new(ErrorCode::GateNotReady, Locale::En).with_details("why");
        assert_eq!(retold, expected);
    }

    #[test]
    fn a_refusal_that_no_session_told_is_told_in_the_clients_language() {
        let refused = |code| Refused::Rejected(Box::new(ErrorBody::new(code, Locale::Ko)));
        let told = |code| Failure::from(refused(code)).into_body(Locale::En).message;
        let draining = ErrorCode::SysDraining;
        assert_eq!(told(draining), draining.user_message(Locale::En));
        let not_ready = ErrorCode::GateNotReady;
        assert_eq!(told(not_ready), not_ready.user_message(Locale::Ko));
    }

    #[tokio::test]
    async fn an_unknown_path_keeps_its_own_status() {
        let failure = Failure::unrouted(StatusCode::NOT_FOUND, "there is no such path");
        let (response, body) = rendered(failure, Locale::Ko).await;
        assert_eq!(
            (response.status().as_u16(), body.error.code),
            (404, ErrorCode::InputInvalid)
        );
    }

    #[tokio::test]
    async fn whoever_must_authenticate_is_told_how() {
        let (response, _) = rendered(Failure::new(ErrorCode::AuthRequired), Locale::Ko).await;
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
