//! `greenroom health`: does the server answer? For a container's health check, where there is no shell and no `curl`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::cli::HealthArgs;
use crate::config::{self, ConfigFaults};

/// How long the server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of an answer; the server's own has a few dozen.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why the server cannot be called healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The address is to be read from the configuration, which is wrong.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// The address is none.
    #[error("--url: `{0}` is not an address such as http://127.0.0.1:8080")]
    Address(String),
    /// Nobody answers, or not in HTTP.
    #[error(
        "{address} does not answer: {reason}; start it by `greenroom serve`, or name its address by --url"
    )]
    NoAnswer {
        /// Who was asked.
        address: String,
        /// Why.
        reason: String,
    },
    /// Somebody answers something else.
    #[error(
        "{address} answers {status}, and not that it is well; is it this server? Name its address by --url"
    )]
    Unwell {
        /// Who was asked.
        address: String,
        /// The status.
        status: u16,
    },
}

/// Asks the server of `--url`, or else of the configuration.
pub async fn ask(args: &HealthArgs) -> Result<(), HealthError> {
    let address = match &args.url {
        Some(url) => authority_of(url).ok_or_else(|| HealthError::Address(url.clone()))?,
        None => reachable(config::load(&args.serve)?.server.listen).to_string(),
    };
    let no_answer = |reason: String| HealthError::NoAnswer {
        address: address.clone(),
        reason,
    };
    let asked = tokio::time::timeout(ANSWER_TIMEOUT, get(&address)).await;
    let late = || no_answer(format!("nothing came within {} s", ANSWER_TIMEOUT.as_secs()));
    let (status, answer) = asked
        .map_err(|_| late())?
        .map_err(|error| no_answer(error.to_string()))?;
    if status == 200 && answer["status"] == "ok" {
        Ok(())
    } else {
        Err(HealthError::Unwell { address, status })
    }
}

/// Host and port of an address. The check is for the machine that the server runs on, so nothing is encrypted.
fn authority_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
    let host = url.host_str()?;
    Some(format!("{host}:{}", url.port_or_known_default()?))
}

/// Where a server that listens on all addresses is found from its own machine.
fn reachable(mut listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    listen
}

/// The status and the document of `GET /health`; null for what is no document.
async fn get(address: &str) -> Result<(u16, Value), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = hyper::Request::get("/health")
        .header("host", address)
        .body(Body::empty())?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await?
        .to_bytes();
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_things() {
        for (url, authority) in [
            ("http://127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("http://localhost/", Some("localhost:80")),
            ("http://[::1]:9/x", Some("[::1]:9")),
            ("https://localhost", None),
            ("127.0.0.1:8080", None),
            ("", None),
        ] {
            assert_eq!(authority_of(url).as_deref(), authority, "{url}");
        }
    }

    #[test]
    fn a_server_on_all_addresses_is_asked_on_its_own_machine() {
        for (listen, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("10.0.0.7:80", "10.0.0.7:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
