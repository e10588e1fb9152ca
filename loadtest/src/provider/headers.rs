//! The headers of every answer: the request's id, the time it took, and what is left of the rate limits.

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::author::Chance;
use super::simulator::{REQUESTS_MAX, SharedSimulator};

/// Nothing counts tokens; clients that read the header find that there are always enough.
const TOKENS_LIMIT: u64 = 2_000_000;

/// Adds what OpenAI adds to every answer.
pub(crate) async fn provider_headers(
    State(simulator): State<SharedSimulator>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let number = simulator.next_request();
    let mut response = next.run(request).await;
    let id = Chance::new(simulator.seed, "request").at(&number.to_string());
    let headers = response.headers_mut();
    // Hexadecimal digits are always a valid header value.
    if let Ok(id) = HeaderValue::from_str(&format!("req_{}{}", id.hex(), id.at("b").hex())) {
        headers.insert("x-request-id", id);
    }
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    headers.insert("openai-processing-ms", HeaderValue::from(elapsed_ms));
    headers.insert("openai-version", HeaderValue::from_static("2020-10-01"));
    headers.insert("openai-organization", HeaderValue::from_static("simulated"));
    headers.insert("x-ratelimit-limit-requests", HeaderValue::from(REQUESTS_MAX));
    headers.insert(
        "x-ratelimit-remaining-requests",
        HeaderValue::from(simulator.permits_left()),
    );
    headers.insert("x-ratelimit-reset-requests", HeaderValue::from_static("1ms"));
    headers.insert("x-ratelimit-limit-tokens", HeaderValue::from(TOKENS_LIMIT));
    headers.insert("x-ratelimit-remaining-tokens", HeaderValue::from(TOKENS_LIMIT));
    headers.insert("x-ratelimit-reset-tokens", HeaderValue::from_static("0s"));
    response
}
