//! The files of the web client, as browsers ask for them.

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde_json::Value;
use url::Url;

use super::request;
use crate::http::pages;
use crate::testing::TestServer;

/// A file that compresses well.
const PART: &str = "/web/vendor/lit-html/lit-html.js";

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn ask(server: &TestServer, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let response = server.send(request(method, path, headers)).await;
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: axum::body::to_bytes(response.into_body(), 10_000_000)
            .await
            .unwrap(),
    }
}

#[tokio::test]
async fn a_file_is_sent_in_the_smallest_form_that_the_client_takes() {
    let server = TestServer::new().await;
    let mut tags = Vec::new();
    let mut sizes = Vec::new();
    for (accepted, encoding) in [
        ("", ""),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
    ] {
        let answer = ask(&server, "GET", PART, &[("accept-encoding", accepted)]).await;
        assert_eq!(answer.status, 200, "{accepted}");
        assert_eq!(answer.header(header::CONTENT_ENCODING), encoding);
        assert_eq!(
            answer.header(header::CONTENT_TYPE),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(
            answer.header(header::CONTENT_LENGTH),
            answer.body.len().to_string()
        );
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-cache");
        assert_eq!(answer.header(header::VARY), "accept-encoding", "{accepted}");
        tags.push(answer.header(header::ETAG).to_owned());
        sizes.push(answer.body.len());
    }
    assert!(
        sizes.is_sorted_by(|larger, smaller| larger > smaller),
        "{sizes:?}"
    );
    tags.dedup();
    assert!(
        tags.len() == 3 && tags.iter().all(|tag| tag.starts_with('"')),
        "{tags:?}"
    );
}

#[tokio::test]
async fn who_has_a_file_is_told_so_and_who_asks_for_its_head_gets_no_more() {
    let server = TestServer::new().await;
    let brotli = ("accept-encoding", "br");
    for path in ["/", "/favicon.svg", PART] {
        let whole = ask(&server, "GET", path, &[brotli]).await;
        let tag = whole.header(header::ETAG);
        let again = ask(&server, "GET", path, &[brotli, ("if-none-match", tag)]).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header(header::ETAG), tag);
        let other = [brotli, ("if-none-match", "\"another\"")];
        assert_eq!(ask(&server, "GET", path, &other).await.status, 200);
        let head = ask(&server, "HEAD", path, &[brotli]).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header(header::CONTENT_LENGTH), whole.body.len().to_string());
        assert_eq!(ask(&server, "POST", path, &[]).await.status, 405);
    }
}

#[tokio::test]
async fn nothing_else_can_be_had_by_their_paths() {
    let server = TestServer::new().await;
    for path in [
        "/web/../Cargo.toml",
        "/web/%2e%2e/Cargo.toml",
        "/web/..%2fCargo.toml",
        "/web//etc/passwd",
        "/web/",
        "/web/app/",
        "/web/vendor/lit-html",
        "/web/vendor/lit-html/lit-html.d.ts",
        "/web/package.json",
        "/web/client/package.json",
        "/web/node_modules/lit-html/lit-html.js",
        "/web/tests/dev_server.mjs",
        "/web/%ff",
    ] {
        let answer = ask(&server, "GET", path, &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(
            body["error"]["details"]
                .as_str()
                .unwrap()
                .contains("no such path"),
            "{path}: {body}"
        );
    }
}

#[tokio::test]
async fn the_page_needs_no_token_and_counts_against_no_rate() {
    let limits = [
        ("GREENROOM_SERVER__TOKEN", "s3cret"),
        ("GREENROOM_LIMITS__REQUESTS_PER_MINUTE", "1"),
    ];
    let server = TestServer::with(&limits).await;
    for _ in 0..3 {
        for path in ["/", "/favicon.svg", PART] {
            assert_eq!(ask(&server, "GET", path, &[]).await.status, 200, "{path}");
        }
    }
    assert_eq!(ask(&server, "GET", "/api/jobs", &[]).await.status, 401);
}

/// The paths that a script, a style or a page names in its own text, as it stands at a path.
fn named_in(path: &str, text: &str) -> Vec<String> {
    let base = Url::parse("http://localhost").unwrap().join(path).unwrap();
    let code = text.lines().filter(|line| {
        let line = line.trim_start();
        !["*", "//", "/*"].iter().any(|comment| line.starts_with(comment))
    });
    let mut named = Vec::new();
    for line in code {
        for lead in [
            "from ", "from", "import ", "import", "import(", "new URL(", "href=", "src=", "url(",
        ] {
            for (place, _) in line.match_indices(lead) {
                let rest = &line[place + lead.len()..];
                let quoted = rest
                    .strip_prefix('"')
                    .and_then(|rest| rest.split_once('"'))
                    .map(|(quoted, _)| quoted);
                let own = quoted.filter(|quoted| quoted.starts_with(['.', '/']));
                named.extend(own.map(|own| base.join(own).unwrap().path().to_owned()));
            }
        }
    }
    named
}

#[tokio::test]
async fn whatever_the_page_is_made_of_is_served() {
    let server = TestServer::new().await;
    let mut count = 0;
    for path in pages::paths() {
        let answer = ask(&server, "GET", path, &[]).await;
        let text = std::str::from_utf8(&answer.body).unwrap();
        for named in named_in(path, text) {
            let found = ask(&server, "GET", &named, &[]).await;
            assert_eq!(found.status, 200, "{path} names {named}");
            count += 1;
        }
    }
    assert!(count > 0);
}
