//! The web client: the files of `web/` that a browser asks for, built into the binary by `build.rs`.

use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

use super::Failure;

/// The route of what the pages are made of.
pub(super) const PARTS_PATH: &str = "/web/{*path}";

/// Says who may embed an answer without asking.
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// All files, in the order of their paths.
static WEB_FILES: &[WebFile] = include!(concat!(env!("OUT_DIR"), "/web/files.rs"));

/// A file of the web client, in each form in which it may be sent. A form that is no smaller than the file is left out.
struct WebFile {
    /// The path that it is served under.
    path: &'static str,
    media_type: &'static str,
    /// The beginning of the SHA-256 of what is in it.
    hash: &'static str,
    identity: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// One form of a file.
struct Form {
    bytes: &'static [u8],
    /// Its name in `Content-Encoding`; none of the file as it is.
    encoding: Option<&'static str>,
}

/// The web client.
#[utoipa::path(
    get, path = "/", tag = "pages", security(()),
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
pub(super) async fn index(headers: HeaderMap) -> Result<Response, Failure> {
    page_file("/", &headers)
}

/// The icon of the pages.
#[utoipa::path(
    get, path = "/favicon.svg", tag = "pages", security(()),
    responses((status = 200, description = "The icon", body = String, content_type = "image/svg+xml")),
)]
pub(super) async fn icon(headers: HeaderMap) -> Result<Response, Failure> {
    page_file("/favicon.svg", &headers)
}

/// What the pages are made of: everything below `/web/`.
pub(super) async fn part(uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    page_file(uri.path(), &headers)
}

/// The file that is served under a path: in the smallest form that the client takes, or 304 if it has that already.
/// Browsers ask each time, so that a page never outlives its server.
pub(super) fn page_file(path: &str, headers: &HeaderMap) -> Result<Response, Failure> {
    let place = WEB_FILES.binary_search_by(|file| file.path.cmp(path));
    let unknown = |_| Failure::unrouted(StatusCode::NOT_FOUND, "there is no such path; see /docs");
    let file = &WEB_FILES[place.map_err(unknown)?];
    let form = file.form_for(headers);
    let entity_tag = file.entity_tag(&form);
    let validators = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, entity_tag.as_str()),
        (header::VARY, "accept-encoding"),
    ];
    if has_already(headers, &entity_tag) {
        return Ok((StatusCode::NOT_MODIFIED, validators).into_response());
    }
    let about = [
        (header::CONTENT_TYPE, file.media_type),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ];
    let encoding = form
        .encoding
        .map(|encoding| [(header::CONTENT_ENCODING, encoding)]);
    let body = Bytes::from_static(form.bytes);
    Ok(match encoding {
        Some(encoding) => (validators, about, encoding, body).into_response(),
        None => (validators, about, body).into_response(),
    })
}

impl WebFile {
    /// The smallest form that the client takes. All modern browsers take brotli, unless somebody between could read along.
    fn form_for(&self, headers: &HeaderMap) -> Form {
        let forms = [("br", self.brotli), ("gzip", self.gzip)];
        let accepted = forms
            .into_iter()
            .filter(|(encoding, _)| accepts(headers, encoding));
        let compressed = accepted.filter_map(|(encoding, bytes)| {
            Some(Form {
                bytes: bytes?,
                encoding: Some(encoding),
            })
        });
        compressed.min_by_key(|form| form.bytes.len()).unwrap_or(Form {
            bytes: self.identity,
            encoding: None,
        })
    }

    /// A strong validator: each form has its own.
    fn entity_tag(&self, form: &Form) -> String {
        match form.encoding {
            Some(encoding) => format!("\"{}-{encoding}\"", self.hash),
            None => format!("\"{}\"", self.hash),
        }
    }
}

/// Whether a client takes an encoding: it names it, or `*`, and gives it a weight.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let weight_of = |name: &str| {
        let mut named = members(headers, header::ACCEPT_ENCODING).map(|member| {
            let (coding, weight) = member.split_once(';').unwrap_or((member, "q=1"));
            (coding.trim(), weight.trim())
        });
        let (_, weight) = named.find(|(coding, _)| coding.eq_ignore_ascii_case(name))?;
        weight.strip_prefix("q=")?.trim().parse::<f32>().ok()
    };
    weight_of(encoding)
        .or_else(|| weight_of("*"))
        .is_some_and(|weight| weight > 0.0)
}

/// Whether a client has this form of the file. Proxies may have made the validator a weak one.
fn has_already(headers: &HeaderMap, entity_tag: &str) -> bool {
    members(headers, header::IF_NONE_MATCH)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == entity_tag)
}

/// What a header lists.
fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// The paths that the files are served under.
#[cfg(test)]
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    WEB_FILES.iter().map(|file| file.path)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::http::HeaderValue;
    use brotli::Decompressor;
    use flate2::read::GzDecoder;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn an_encoding_is_sent_to_who_takes_it() {
        let check = |accepted, brotli, gzip| {
            let headers = headers(header::ACCEPT_ENCODING, accepted);
            let found = (accepts(&headers, "br"), accepts(&headers, "gzip"));
            assert_eq!(found, (brotli, gzip), "{accepted}");
        };
        check("gzip, deflate, br, zstd", true, true);
        check("GZIP;q=0.5", false, true);
        check("br;q=0, *", false, true);
        check("*;q=0", false, false);
        check("gzip;q=nonsense", false, false);
        check("identity", false, false);
        check("", false, false);
        assert!(!accepts(&HeaderMap::new(), "br"));
    }

    #[test]
    fn what_a_client_has_is_known_by_its_tag() {
        let check = |known, expected| {
            let headers = headers(header::IF_NONE_MATCH, known);
            assert_eq!(has_already(&headers, "\"a-br\""), expected, "{known}");
        };
        check("\"a-br\"", true);
        check("\"b\", W/\"a-br\"", true);
        check("*", true);
        check("\"a\"", false);
        check("\"a-gzip\"", false);
        check("", false);
    }

    #[test]
    fn paths_are_in_order_and_none_leads_to_what_no_page_needs() {
        assert!(WEB_FILES.is_sorted_by(|one, next| one.path < next.path));
        for file in WEB_FILES {
            let path = file.path;
            assert!(
                ["/", "/favicon.svg"].contains(&path) || path.starts_with("/web/"),
                "{path}"
            );
            for left_out in ["/node_modules/", "/test/", "/tests/", "package", "/."] {
                assert!(!path.contains(left_out), "{path}");
            }
        }
    }

    #[test]
    fn every_form_of_a_file_is_the_same_file() {
        for file in WEB_FILES {
            let path = file.path;
            assert!(!file.identity.is_empty(), "{path}");
            let gzip = file.gzip.map(|bytes| unpacked(GzDecoder::new(bytes)));
            let brotli = file.brotli.map(|bytes| unpacked(Decompressor::new(bytes, 4_096)));
            for form in [gzip, brotli].into_iter().flatten() {
                assert!(form == file.identity, "{path}");
            }
        }
    }

    fn unpacked(mut form: impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        form.read_to_end(&mut bytes).unwrap();
        bytes
    }
}
