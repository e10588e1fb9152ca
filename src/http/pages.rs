//! The web client: one plain page, built into the binary.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};

/// A file of the page. Browsers ask again each time, so that a page never outlives its server.
type File = ([(HeaderName, &'static str); 2], &'static str);

const fn file(media_type: &'static str, text: &'static str) -> File {
    ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-cache")], text)
}

/// The web client.
#[utoipa::path(
    get, path = "/", tag = "pages", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(super) async fn index() -> File {
    file("text/html; charset=utf-8", include_str!("../../web/index.html"))
}

/// The web client's script.
#[utoipa::path(
    get, path = "/app.js", tag = "pages", security(()),
    responses((status = 200, description = "The script", body = String, content_type = "text/javascript")),
)]
pub(super) async fn script() -> File {
    file("text/javascript; charset=utf-8", include_str!("../../web/app.js"))
}

/// The style of the pages.
#[utoipa::path(
    get, path = "/app.css", tag = "pages", security(()),
    responses((status = 200, description = "The style", body = String, content_type = "text/css")),
)]
pub(super) async fn style() -> File {
    file("text/css; charset=utf-8", include_str!("../../web/app.css"))
}

/// The icon of the pages.
#[utoipa::path(
    get, path = "/favicon.svg", tag = "pages", security(()),
    responses((status = 200, description = "The icon", body = String, content_type = "image/svg+xml")),
)]
pub(super) async fn icon() -> File {
    file("image/svg+xml", include_str!("../../web/favicon.svg"))
}
