//! Every route of the server, in one place. A route is registered together with its description, so that the two
//! cannot part.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::edge;
use super::{
    Failure, assets, documents, events, export, health, jobs, pages, playbook, recordings, runs, sessions,
    slots, turns, voice,
};
use crate::app::App;
use crate::ws;

/// Below the size of a packet, compressing an answer saves nobody anything.
const COMPRESSED_BYTES_MIN: u16 = 1_400;

/// All routes with their descriptions.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(sessions::create))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::show, sessions::erase))
        .routes(routes!(playbook::playbook))
        .routes(routes!(turns::message))
        .routes(routes!(turns::message_stream))
        .routes(routes!(voice::voice_turn))
        .routes(routes!(voice::voice_turn_stream))
        .routes(routes!(voice::assistant_voice))
        .routes(routes!(slots::edit))
        .routes(routes!(events::events))
        .routes(routes!(ws::connect))
        .routes(routes!(runs::generate))
        .routes(routes!(runs::generate_async))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::retry))
        .routes(routes!(export::export, export::export_by_post))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::show))
        .routes(routes!(assets::asset))
        .routes(routes!(recordings::recording))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(health::detailed))
        .routes(routes!(health::metrics))
        .routes(routes!(documents::openapi))
        .routes(routes!(documents::docs))
        .routes(routes!(documents::protocol))
        .routes(routes!(documents::errors))
        .routes(routes!(documents::schema))
        .routes(routes!(pages::index))
        .routes(routes!(pages::icon))
        // Not described: no part of the API.
        .route(pages::PARTS_PATH, get(pages::part))
}

/// The server as one service.
pub fn router(app: Arc<App>) -> Router {
    let (router, _) = routes().split_for_parts();
    let compressed = SizeAbove::new(COMPRESSED_BYTES_MIN)
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::const_new("application/zip"))
        .and(NotForContentType::const_new("audio/"));
    router
        .fallback(async || Failure::unrouted(StatusCode::NOT_FOUND, "there is no such path; see /docs"))
        .method_not_allowed_fallback(async || {
            Failure::unrouted(
                StatusCode::METHOD_NOT_ALLOWED,
                "the path does not take this method; see /docs",
            )
        })
        .layer(from_fn_with_state(Arc::clone(&app), edge))
        .layer(CompressionLayer::new().compress_when(compressed))
        .with_state(app)
}
