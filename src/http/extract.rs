//! Reads paths, queries and bodies of requests, and says what is wrong with them in the one error body.

use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use greenroom_protocol::{ErrorCode, JobId, RunId, SessionId, limits};
use greenroom_session::ports::Paging;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::Failure;
use super::access::text;

/// How long a request body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Rows of a list if the client does not say.
const LIST_LIMIT_DEFAULT: u32 = 50;

/// Something that a path names by its id.
pub trait Named: FromStr + std::fmt::Display {
    /// The code for an id that names nothing.
    const MISSING: ErrorCode;
    /// The field of the request's span that holds the id.
    const FIELD: &'static str;
}

impl Named for SessionId {
    const MISSING: ErrorCode = ErrorCode::SessionNotFound;
    const FIELD: &'static str = "session_id";
}

impl Named for RunId {
    const MISSING: ErrorCode = ErrorCode::RunNotFound;
    const FIELD: &'static str = "run_id";
}

impl Named for JobId {
    const MISSING: ErrorCode = ErrorCode::JobNotFound;
    const FIELD: &'static str = "job_id";
}

/// The id in the path. What is no id names nothing: 404, like an id that nobody has.
#[derive(Debug, Clone, Copy)]
pub struct InPath<T>(pub T);

impl<T: Named, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let missing = || Failure::new(T::MISSING);
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| missing())?;
        let id: T = id.parse().map_err(|_| missing())?;
        tracing::Span::current().record(T::FIELD, tracing::field::display(&id));
        Ok(Self(id))
    }
}

/// The query of a request.
#[derive(Debug, Clone, Copy)]
pub struct InQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for InQuery<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = without_empty(parts.uri.query().unwrap_or_default());
        // Parts of a query that was one make a query again.
        let uri = Uri::try_from(format!("/?{query}")).unwrap_or_else(|_| parts.uri.clone());
        match Query::<T>::try_from_uri(&uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => Err(Failure::with_details(ErrorCode::InputInvalid, error.body_text())),
        }
    }
}

/// The query without names that have no value: a form sends the fields that nobody filled, too.
fn without_empty(query: &str) -> String {
    let has_value = |pair: &&str| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty());
    query.split('&').filter(has_value).collect::<Vec<_>>().join("&")
}

/// Which rows of a list. Beyond the limit it is cut, not refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListQuery {
    /// Rows at most, if the client says so.
    pub limit: Option<u32>,
    /// Rows to skip, if the client says so.
    pub offset: Option<u32>,
}

impl ListQuery {
    /// The page that is meant.
    pub fn paging(self) -> Paging {
        Paging {
            limit: self
                .limit
                .unwrap_or(LIST_LIMIT_DEFAULT)
                .clamp(1, limits::LIST_PAGE_MAX),
            offset: self.offset.unwrap_or(0),
        }
    }
}

/// A JSON body.
#[derive(Debug)]
pub struct InBody<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for InBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Failure::with_details(
                ErrorCode::InputUnsupportedMedia,
                "the body must be sent as Content-Type: application/json",
            ));
        }
        parse(&read(body).await?).map(Self)
    }
}

/// A JSON body that may be left out.
#[derive(Debug)]
pub struct InOptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Sync> FromRequest<S> for InOptionalBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let declared = request.headers().get(header::CONTENT_TYPE).is_some();
        if declared {
            let (parts, body) = request.into_parts();
            let bytes = read(body).await?;
            if bytes.is_empty() {
                return Ok(Self(T::default()));
            }
            let request = Request::from_parts(parts, Body::from(bytes));
            return InBody::from_request(request, state)
                .await
                .map(|InBody(value)| Self(value));
        }
        let bytes = read(request.into_body()).await?;
        if bytes.is_empty() {
            Ok(Self(T::default()))
        } else {
            let reason = "a body must be sent as Content-Type: application/json";
            Err(Failure::with_details(ErrorCode::InputUnsupportedMedia, reason))
        }
    }
}

async fn read(body: Body) -> Result<bytes::Bytes, Failure> {
    let limited = Limited::new(body, limits::JSON_BODY_BYTES_MAX);
    match tokio::time::timeout(BODY_TIMEOUT, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Failure::with_details(
            ErrorCode::InputTooLarge,
            format!("a body has at most {} bytes", limits::JSON_BODY_BYTES_MAX),
        )),
        Ok(Err(_)) => Err(Failure::with_details(
            ErrorCode::InputInvalid,
            "the body broke off",
        )),
        Err(_) => Err(Failure::unrouted(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive",
        )),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    // Said apart from other faults, because "invalid unicode code point" helps nobody to find a wrong charset.
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Failure::with_details(ErrorCode::InputInvalid, format!("the body is not UTF-8: {error}"))
    })?;
    serde_json::from_str(text)
        .map_err(|error| Failure::with_details(ErrorCode::InputInvalid, format!("the body: {error}")))
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = text(headers, header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Message {
        message: String,
    }

    fn request(content_type: Option<&str>, body: impl Into<Body>) -> Request {
        let mut builder = Request::builder();
        if let Some(content_type) = content_type {
            builder = builder.header(header::CONTENT_TYPE, content_type);
        }
        builder.body(body.into()).unwrap()
    }

    async fn check(content_type: Option<&str>, body: impl Into<Body>, expected: Result<&str, ErrorCode>) {
        let read = InBody::<Message>::from_request(request(content_type, body), &()).await;
        let read = read
            .map(|InBody(body)| body.message)
            .map_err(|failure| failure.code());
        assert_eq!(read, expected.map(str::to_owned));
    }

    #[tokio::test]
    async fn a_body_is_json_in_utf8_of_bounded_size() {
        let json = Some("application/json; charset=utf-8");
        check(json, r#"{"message":"안녕"}"#, Ok("안녕")).await;
        check(json, r#"{"massage":"x"}"#, Err(ErrorCode::InputInvalid)).await;
        check(json, "{", Err(ErrorCode::InputInvalid)).await;
        check(
            json,
            &b"{\"message\":\"\xff\xfe\"}"[..],
            Err(ErrorCode::InputInvalid),
        )
        .await;
        check(
            json,
            " ".repeat(limits::JSON_BODY_BYTES_MAX + 1),
            Err(ErrorCode::InputTooLarge),
        )
        .await;
        check(
            Some("text/plain"),
            r#"{"message":"x"}"#,
            Err(ErrorCode::InputUnsupportedMedia),
        )
        .await;
        check(None, r#"{"message":"x"}"#, Err(ErrorCode::InputUnsupportedMedia)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_not_waited_for() {
        let stalled = Body::from_stream(futures_util::stream::pending::<
            Result<bytes::Bytes, std::io::Error>,
        >());
        let failure = InBody::<Message>::from_request(request(Some("application/json"), stalled), &()).await;
        assert!(matches!(
            failure,
            Err(Failure::Coded {
                status: Some(StatusCode::REQUEST_TIMEOUT),
                ..
            })
        ));
    }

    #[tokio::test]
    async fn an_optional_body_may_be_missing_but_not_of_another_type() {
        let read = async |content_type, body: &'static str| {
            let read = InOptionalBody::<Message>::from_request(request(content_type, body), &()).await;
            read.map(|InOptionalBody(body)| body.message)
                .map_err(|failure| failure.code())
        };
        assert_eq!(read(None, "").await, Ok(String::new()));
        assert_eq!(read(Some("application/json"), "").await, Ok(String::new()));
        assert_eq!(
            read(Some("application/json"), r#"{"message":"x"}"#).await,
            Ok("x".to_owned())
        );
        assert_eq!(read(None, "x").await, Err(ErrorCode::InputUnsupportedMedia));
        assert_eq!(
            read(Some("text/plain"), "x").await,
            Err(ErrorCode::InputUnsupportedMedia)
        );
    }

    #[test]
    fn a_page_is_cut_to_the_limit() {
        let check = |limit, offset, expected| assert_eq!(ListQuery { limit, offset }.paging(), expected);
        check(None, None, Paging { limit: 50, offset: 0 });
        check(Some(0), Some(7), Paging { limit: 1, offset: 7 });
        check(
            Some(10_000),
            None,
            Paging {
                limit: limits::LIST_PAGE_MAX,
                offset: 0,
            },
        );
    }
}
