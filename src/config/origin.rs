//! The origin of a page: scheme, host and port, as browsers send it.

use std::fmt;
use std::str::FromStr;

/// An origin such as `https://app.example.org`, lowercase, without a default port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: &'static str,
    authority: String,
}

/// Why a text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an origin is a scheme and a host, such as https://app.example.org")]
pub struct OriginError;

impl Origin {
    /// The host without its port.
    pub fn host(&self) -> &str {
        host_of(&self.authority)
    }
}

/// The host of `host:port`, brackets of an IPv6 address kept.
pub fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest, default_port) = match text.split_once("://") {
            Some(("http", rest)) => ("http", rest, ":80"),
            Some(("https", rest)) => ("https", rest, ":443"),
            Some(_) | None => return Err(OriginError),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        if rest.is_empty() || !rest.bytes().all(plain) {
            return Err(OriginError);
        }
        let authority = rest
            .strip_suffix(default_port)
            .unwrap_or(rest)
            .to_ascii_lowercase();
        Ok(Self { scheme, authority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_as_browsers_mean_them() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), expected, "{text}");
        };
        check("https://App.Example.org", "https://app.example.org");
        check("https://app.example.org:443", "https://app.example.org");
        check("http://localhost:3000", "http://localhost:3000");
        check("http://[::1]:8080", "http://[::1]:8080");
    }

    #[test]
    fn a_path_a_bare_host_and_null_are_no_origins() {
        for text in [
            "https://a.example/",
            "a.example",
            "null",
            "ftp://a",
            "https://",
            "https://me@a",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_host_is_told_from_the_port() {
        assert_eq!(host_of("localhost:80"), "localhost");
        assert_eq!(host_of("[::1]:80"), "[::1]");
        assert_eq!(host_of("[::1]"), "[::1]");
        assert_eq!(host_of("example.org"), "example.org");
    }
}
