//! A simulator that runs within the test, and what tests ask of it.

use loadtest::provider::{self, BillStatement, BilledCall, ProviderConfig};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A simulator that runs within the test.
pub(crate) struct Simulator {
    pub(crate) url: String,
    pub(crate) http: Client,
    stop: oneshot::Sender<()>,
    served: JoinHandle<anyhow::Result<()>>,
}

impl Simulator {
    pub(crate) async fn start(config: ProviderConfig) -> Self {
        // Several tests of one process may come here; the first one installs.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(provider::serve(config, listener, async {
            let _ = stopped.await;
        }));
        Self {
            url,
            http: Client::builder().no_proxy().build().unwrap(),
            stop,
            served,
        }
    }

    pub(crate) async fn fast() -> Self {
        Self::start(ProviderConfig {
            speed: 1_000.0,
            ..ProviderConfig::default()
        })
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Result<Response> {
        self.http
            .post(format!("{}{path}", self.url))
            .bearer_auth("key")
            .json(body)
            .send()
            .await
    }

    pub(crate) async fn respond(&self, extra: Value) -> reqwest::Result<Response> {
        self.post(
            "/v1/responses",
            &merged(json!({ "model": "sim-large", "input": "hello" }), extra),
        )
        .await
    }

    pub(crate) async fn faults(&self, rules: Value) {
        let set = self.post("/_sim/faults", &rules).await.unwrap();
        assert_eq!(set.status(), StatusCode::OK);
    }

    /// The bill once no call is under way.
    pub(crate) async fn bill(&self) -> BillStatement {
        let url = format!("{}/_sim/bill?idle_within_ms=5000", self.url);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn last_call(&self) -> BilledCall {
        self.bill().await.calls.pop().unwrap()
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }
}

pub(crate) fn merged(mut request: Value, extra: Value) -> Value {
    let Value::Object(extra) = extra else {
        panic!("extra fields are an object")
    };
    request.as_object_mut().unwrap().extend(extra);
    request
}

/// The data of each event of a stream.
pub(crate) fn events(body: &str) -> Vec<Value> {
    let data = body
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}
