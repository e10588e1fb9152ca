//! Who may ask what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use greenroom_protocol::{ErrorCode, Locale};
use greenroom_session::ports::Clock as _;
use metrics::counter;
use serde_json::json;

use super::peer::{Peer, own_uid};
use super::{controls, overview, sessions};
use crate::app::App;
use crate::http::{Failure, render};
use crate::system::SystemClock;

/// The operator's routes. Errors are in English, as the log is.
pub(super) fn router(app: Arc<App>) -> Router {
    let router = Router::new();
    #[cfg(debug_assertions)]
    let router = router.merge(super::faults::routes());
    router
        .route("/sessions", get(sessions::list))
        .route("/sessions/{session_id}", get(sessions::show))
        .route("/sessions/{session_id}/events", get(sessions::events))
        .route("/sessions/{session_id}/restart", post(sessions::restart))
        .route("/sessions/{session_id}/stop", post(sessions::stop))
        .route("/jobs", get(overview::jobs))
        .route("/top", get(overview::top))
        .route("/audit", get(overview::audit))
        .route("/providers", get(controls::providers))
        .route("/providers/{name}/reset", post(controls::reset_provider))
        .route("/limits", get(controls::limits).put(controls::change_limits))
        .route("/drain", post(controls::drain))
        .fallback(async || Failure::unrouted(StatusCode::NOT_FOUND, "there is no such question"))
        .method_not_allowed_fallback(async || {
            Failure::unrouted(
                StatusCode::METHOD_NOT_ALLOWED,
                "what is asked about takes GET, what is done POST, and limits are PUT",
            )
        })
        .layer(from_fn_with_state(Arc::clone(&app), admit))
        .layer(from_fn(async |request: Request, next: Next| -> Response {
            render(next.run(request).await, Locale::En)
        }))
        .with_state(app)
}

/// Lets operators in. Whoever else could open the socket, because somebody loosened its permissions, is told so, and the
/// audit knows of it.
async fn admit(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    if let Some(operator) = peer.operator(own_uid()) {
        request.extensions_mut().insert(operator);
        return Ok(next.run(request).await);
    }
    counter!("greenroom_admin_refusals_total").increment(1);
    let stranger = peer.stranger();
    tracing::warn!(
        uid = stranger.map(|stranger| stranger.uid),
        "an operator's question was refused"
    );
    if let Some(stranger) = stranger
        && let Err(error) = app.operator.record_refusal(stranger, SystemClock.now()).await
    {
        tracing::error!(%error, "a refusal is not in the audit");
    }
    Err(Failure::with_details(
        ErrorCode::AuthForbidden,
        json!({
            "uid": stranger.map(|stranger| stranger.uid),
            "reason": format!("the socket answers user {} and root", own_uid()),
        }),
    ))
}
