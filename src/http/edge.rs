//! The edge: what every request passes on its way in, and every answer on its way out.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use greenroom_protocol::{ErrorCode, Locale};
use greenroom_session::{Caller, UserKey};
use metrics::{counter, histogram};
use tracing::{Instrument as _, Span, field};
use ulid::Ulid;

use super::asker::{Asker, preferred_locale, user_key};
use super::failure::{Failure, render, tell_when_to_return};
use super::listen::Peer;
use super::pages::PARTS_PATH;
use crate::app::App;
use crate::rate::Client;
use crate::system::RandomIds;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes of a request id that a client chooses.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Open without a token: what answers probes of machines, the pages that ask the user for the token, and what their media
/// elements fetch, which can send none.
const OPEN_PATHS: &[&str] = &[
    "/health",
    "/ready",
    "/",
    "/favicon.svg",
    PARTS_PATH,
    "/docs",
    "/docs/protocol",
    "/docs/errors",
    "/static/assets/{name}",
];
/// Counted against no rate: probes and scrapes come from one address, often, and a page is made of many parts. Nothing is
/// done for any of them, and the page is what tells people of a rate.
const UNMETERED_PATHS: &[&str] = &[
    "/health",
    "/ready",
    "/health/detailed",
    "/metrics",
    "/",
    "/favicon.svg",
    PARTS_PATH,
];

/// Said of every answer. Scripts and styles come from files of our own, so that an injected one is not run.
static SECURITY_HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' \
             blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("microphone=(self), camera=()"),
    ),
];

/// The id that a request is known by, in its span and in its answer.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Lets a request in, or not; sees to it that its answer is whole.
pub async fn edge(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = request_id(request.headers());
    let locale = preferred_locale(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let origin = request.headers().get(header::ORIGIN);
    let allowed_origin = origin
        .filter(|_| app.access.origin_allowed(request.headers()))
        .cloned();
    let user = user_key(request.headers());
    let span = span(
        &request_id,
        &method,
        route.as_ref(),
        user.as_ref().ok().and_then(Option::as_ref),
    );

    let mut response = match admit(&app, &request, route.as_ref(), user, locale) {
        Ok(asker) if is_preflight(&request) => {
            drop(asker);
            preflight()
        }
        Ok(asker) => {
            request.extensions_mut().insert(asker);
            request.extensions_mut().insert(RequestId(request_id.clone()));
            let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
            answer.instrument(span.clone()).await.unwrap_or_else(|_| {
                span.in_scope(|| tracing::error!("a route panicked"));
                Failure::new(ErrorCode::SysInternal).into_response()
            })
        }
        Err(refusal) => refusal.into_response(),
    };

    tell_when_to_return(&mut response, || app.lifecycle.watch().retry_after_s());
    let mut response = render(response, locale);
    finish(response.headers_mut(), request_id, allowed_origin);
    observe(&span, &method, route.as_ref(), response.status(), started);
    response
}

/// Who sends the request, if they may.
fn admit(
    app: &App,
    request: &Request,
    route: Option<&MatchedPath>,
    user: Result<Option<UserKey>, Failure>,
    locale: Locale,
) -> Result<Asker, Failure> {
    let headers = request.headers();
    // Browsers name the page's origin when they load its modules. Behind a proxy that asks for another host than the browser
    // did, that origin is foreign; without its modules the page could not say so.
    let is_part = route.is_some_and(|route| route.as_str() == PARTS_PATH);
    if !app.access.host_allowed(headers) || !(is_part || app.access.origin_allowed(headers)) {
        return Err(Failure::new(ErrorCode::AuthOrigin));
    }
    // A preflight carries no credentials; the request that follows it must.
    let open = is_preflight(request) || route.is_some_and(|route| OPEN_PATHS.contains(&route.as_str()));
    if !open && !app.access.token_matches(headers) {
        return Err(Failure::new(ErrorCode::AuthRequired));
    }
    let user = user?;
    let peer = request.extensions().get::<Peer>();
    let peer_address = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.address.ip());
    let client = Client {
        address: app.access.client_address(peer_address, headers),
        user: user.clone(),
    };
    let metered = route.is_none_or(|route| !UNMETERED_PATHS.contains(&route.as_str()));
    if metered && let Err(retry_after_s) = app.limits.requests.take(&client) {
        counter!("greenroom_rate_limited_total", "what" => "request").increment(1);
        return Err(Failure::rate_limited(retry_after_s));
    }
    Ok(Asker {
        caller: Caller::Client(user),
        client,
        locale,
    })
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PATCH, DELETE"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "authorization, content-type, idempotency-key, last-event-id, x-idempotency-key, x-request-id, x-user-key",
        ),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// The client's own request id if it is a sane one, else a fresh one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    headers.get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
        let mut buffer = [0; ulid::ULID_LEN];
        let fresh: Ulid = greenroom_session::ports::IdSource::next_ulid(&mut RandomIds::default());
        HeaderValue::from_str(fresh.array_to_str(&mut buffer)).expect("a ULID is ASCII")
    })
}

/// The request's span. The route stands in it, never the path with its query, which may hold secrets.
fn span(
    request_id: &HeaderValue,
    method: &Method,
    route: Option<&MatchedPath>,
    user: Option<&UserKey>,
) -> Span {
    tracing::info_span!(
        "request",
        request_id = request_id.to_str().unwrap_or_default(),
        method = method.as_str(),
        route = route_name(route),
        user = user.map(field::display),
        session_id = field::Empty,
        run_id = field::Empty,
        job_id = field::Empty,
    )
}

fn finish(headers: &mut HeaderMap, request_id: HeaderValue, allowed_origin: Option<HeaderValue>) {
    headers.insert(REQUEST_ID, request_id);
    for (name, value) in &SECURITY_HEADERS {
        headers.insert(name.clone(), value.clone());
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed_origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("content-disposition, retry-after, x-request-id"),
        );
    }
}

fn observe(span: &Span, method: &Method, route: Option<&MatchedPath>, status: StatusCode, started: Instant) {
    let took = started.elapsed();
    let route = route_name(route).to_owned();
    let status_text = status.as_str().to_owned();
    counter!("greenroom_http_requests_total", "method" => method_label(method), "route" => route.clone(), "status" => status_text)
        .increment(1);
    histogram!("greenroom_http_request_duration_seconds", "route" => route).record(took);
    let duration_ms = took.as_secs_f64() * 1_000.0;
    span.in_scope(|| {
        if status.is_server_error() {
            tracing::warn!(status = status.as_u16(), duration_ms, "answered");
        } else {
            tracing::info!(status = status.as_u16(), duration_ms, "answered");
        }
    });
}

/// A client may make up methods; a label may not grow without bound.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn route_name(route: Option<&MatchedPath>) -> &str {
    route.map_or("none", MatchedPath::as_str)
}
