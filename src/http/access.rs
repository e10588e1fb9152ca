//! Who may come in: the token, the origin of the page, the host that was asked for, and the address behind proxies.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::config::{Origin, ServerSettings, origin_host};

/// The rules of the door.
#[derive(Debug)]
pub struct Access {
    token: Option<SecretString>,
    allowed_origins: Vec<Origin>,
    trusted_proxies: Vec<IpNet>,
    listens_on_loopback: bool,
}

/// What a browser's socket offers as subprotocols, because it can send no headers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct OfferedProtocols<'a> {
    /// `token.<t>`
    pub token: Option<&'a str>,
    /// `user.<k>`
    pub user: Option<&'a str>,
}

impl Access {
    /// The configured rules.
    pub fn new(settings: &ServerSettings) -> Self {
        Self {
            token: settings.token.clone(),
            allowed_origins: settings.allowed_origins.clone(),
            trusted_proxies: settings.trusted_proxies.clone(),
            listens_on_loopback: settings.listen.ip().is_loopback(),
        }
    }

    /// Whether the request carries the token, if one is needed.
    pub fn token_matches(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let bearer = text(headers, header::AUTHORIZATION).and_then(|value| {
            let (scheme, credentials) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| credentials.trim())
        });
        let offered = bearer.or_else(|| OfferedProtocols::of(headers).token);
        offered.is_some_and(|offered| bool::from(offered.as_bytes().ct_eq(token.expose_secret().as_bytes())))
    }

    /// Whether the page that sends the request, if a page does, may use the server.
    pub fn origin_allowed(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::ORIGIN) else {
            return true;
        };
        let Some(origin) = value.to_str().ok().and_then(|text| text.parse::<Origin>().ok()) else {
            return false;
        };
        self.allowed_origins.contains(&origin) || self.is_own(&origin, headers)
    }

    /// Whether the host that was asked for is one of this server's. On loopback a foreign name means that somebody
    /// made their own name point here, so that their page passes for ours (DNS rebinding).
    pub fn host_allowed(&self, headers: &HeaderMap) -> bool {
        let Some(host) = text(headers, header::HOST).filter(|_| self.listens_on_loopback) else {
            return true;
        };
        let host = origin_host(host);
        is_loopback(host)
            || self
                .allowed_origins
                .iter()
                .any(|origin| origin.host().eq_ignore_ascii_case(host))
    }

    /// Where the request comes from: the peer, or what the proxies that are trusted say.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: &IpAddr| {
            self.trusted_proxies
                .iter()
                .any(|network| network.contains(address))
        };
        if !trusted(&peer) {
            return peer;
        }
        let forwarded = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok());
        let hops: Vec<IpAddr> = forwarded
            .flat_map(|value| value.split(','))
            .filter_map(|hop| hop.trim().parse().ok())
            .collect();
        // Each proxy appends whom it heard from: the last one that is not a proxy of ours is the client.
        hops.into_iter().rev().find(|hop| !trusted(hop)).unwrap_or(peer)
    }

    fn is_own(&self, origin: &Origin, headers: &HeaderMap) -> bool {
        let Some(host) = text(headers, header::HOST) else {
            return false;
        };
        // A proxy may speak TLS for us, so both schemes are the server's own.
        let same_place = ["http", "https"].iter().any(|scheme| {
            format!("{scheme}://{host}")
                .parse::<Origin>()
                .is_ok_and(|own| own == *origin)
        });
        same_place && (!self.listens_on_loopback || is_loopback(origin.host()))
    }
}

impl<'a> OfferedProtocols<'a> {
    /// Reads `Sec-WebSocket-Protocol`.
    pub fn of(headers: &'a HeaderMap) -> Self {
        let mut offered = Self::default();
        let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
        for protocol in values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
        {
            let protocol = protocol.trim();
            if let Some(token) = protocol.strip_prefix("token.") {
                offered.token = Some(token);
            } else if let Some(user) = protocol.strip_prefix("user.") {
                offered.user = Some(user);
            }
        }
        offered
    }
}

/// A header as text, if it is there and is text.
pub(super) fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn is_loopback(host: &str) -> bool {
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (
                name.parse::<HeaderName>().unwrap(),
                value.parse::<HeaderValue>().unwrap(),
            )
        };
        pairs.iter().map(pair).collect()
    }

    fn local(allowed: &[&str]) -> Access {
        Access {
            token: None,
            allowed_origins: allowed.iter().map(|origin| origin.parse().unwrap()).collect(),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            listens_on_loopback: true,
        }
    }

    #[test]
    fn no_foreign_page_drives_a_local_server() {
        let access = local(&["https://app.example"]);
        let check = |host: &str, origin: &str, expected: bool| {
            let headers = headers(&[("host", host), ("origin", origin)]);
            assert_eq!(access.origin_allowed(&headers), expected, "{host} {origin}");
        };
        check("127.0.0.1:8080", "http://127.0.0.1:8080", true);
        check("localhost:8080", "http://localhost:8080", true);
        check("localhost:8080", "http://LOCALHOST:8080", true);
        check("localhost:8080", "https://app.example", true);
        check("localhost:8080", "http://localhost:3000", false);
        check("localhost:8080", "https://evil.example", false);
        check("localhost:8080", "null", false);
        check("evil.example:8080", "http://evil.example:8080", false);
    }

    #[test]
    fn a_request_that_no_page_sends_has_no_origin() {
        assert!(local(&[]).origin_allowed(&headers(&[("host", "localhost")])));
    }

    #[test]
    fn a_rebound_name_is_refused_on_loopback_and_allowed_names_are_not() {
        let access = local(&["https://app.example"]);
        let check = |host: &str, expected| {
            assert_eq!(
                access.host_allowed(&headers(&[("host", host)])),
                expected,
                "{host}"
            );
        };
        check("localhost:8080", true);
        check("[::1]:8080", true);
        check("app.example", true);
        check("evil.example:8080", false);
        let public = Access {
            listens_on_loopback: false,
            ..local(&[])
        };
        assert!(public.host_allowed(&headers(&[("host", "any.example")])));
    }

    #[test]
    fn beyond_loopback_the_servers_own_origin_is_the_host_that_was_asked_for() {
        let access = Access {
            listens_on_loopback: false,
            ..local(&[])
        };
        assert!(access.origin_allowed(&headers(&[
            ("host", "green.example"),
            ("origin", "https://green.example")
        ])));
        assert!(!access.origin_allowed(&headers(&[
            ("host", "green.example"),
            ("origin", "https://x.example")
        ])));
    }

    #[test]
    fn the_token_comes_as_a_header_or_as_a_subprotocol() {
        let access = Access {
            token: Some("s3cret".to_owned().into()),
            ..local(&[])
        };
        let check = |name: &str, value: &str, expected| {
            assert_eq!(
                access.token_matches(&headers(&[(name, value)])),
                expected,
                "{value}"
            );
        };
        check("authorization", "Bearer s3cret", true);
        check("authorization", "bearer s3cret", true);
        check("authorization", "Bearer s3cre", false);
        check("authorization", "Basic s3cret", false);
        check(
            "sec-websocket-protocol",
            "greenroom.v1, token.s3cret, user.u",
            true,
        );
        check("sec-websocket-protocol", "greenroom.v1", false);
        assert!(local(&[]).token_matches(&HeaderMap::new()));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let access = local(&[]);
        let forwarded = headers(&[("x-forwarded-for", "9.9.9.9, 1.2.3.4, 10.0.0.7")]);
        let check = |peer: &str, expected: &str| {
            let address = access.client_address(peer.parse().unwrap(), &forwarded);
            assert_eq!(address, expected.parse::<IpAddr>().unwrap(), "{peer}");
        };
        check("10.1.1.1", "1.2.3.4");
        check("8.8.8.8", "8.8.8.8");
    }
}
