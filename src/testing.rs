//! A whole server for tests, without a network: the router over a database in a folder of its own, and no model.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::app::App;
use crate::cli::ServeArgs;
use crate::config::{Config, load_from};
use crate::engine::Engine;
use crate::http::{self, Peer, WriteProgress};
use crate::lifecycle::Phase;
use crate::playbooks::Playbooks;
use crate::providers::{ProviderPorts, Providers};

/// A message that fills every slot of the launch playbook.
pub const WHOLE_BRIEF: &str = "제품명은 런치부스터, 카테고리는 스킨케어, 특징은 저자극, 빠른흡수, 비건, 가격은 29000원, 타겟은 20대 여성, \
                               이유는 트러블 진정, 채널은 인스타와 네이버, 목표는 구매, 영상 길이는 10초";

/// A server that nobody listens for.
pub struct TestServer {
    pub app: Arc<App>,
    router: Router,
    engine: Engine,
    _folder: tempfile::TempDir,
}

impl TestServer {
    /// A server with these environment variables.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        Self::with_ports(variables, |_| {}).await
    }

    /// A server with these environment variables, and providers of the test's own.
    pub async fn with_ports(variables: &[(&str, &str)], replace: impl FnOnce(&mut ProviderPorts)) -> Self {
        Self::start(variables, |_| {}, replace).await
    }

    /// A server whose disk counts as nearly full.
    pub async fn without_room() -> Self {
        Self::start(&[], |config| config.store.min_free_disk_bytes = u64::MAX, |_| {}).await
    }

    async fn start(
        variables: &[(&str, &str)],
        change: impl FnOnce(&mut Config),
        replace: impl FnOnce(&mut ProviderPorts),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let args = ServeArgs {
            data_dir: Some(data_dir),
            ..ServeArgs::default()
        };
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut config = load_from(&args, variables, Path::new("/nonexistent")).unwrap();
        change(&mut config);
        let playbooks = Playbooks::load(&config.playbook).unwrap();
        let (providers, faults) = Providers::from_settings(&config);
        assert!(faults.is_empty(), "{faults:?}");
        let mut ports = providers.ports();
        replace(&mut ports);
        let engine = Engine::start(&config, &playbooks, providers, ports, None)
            .await
            .unwrap();
        let app = Arc::clone(&engine.app);
        Self {
            router: http::router(Arc::clone(&app)),
            app,
            engine,
            _folder: folder,
        }
    }

    /// A server with everything at its defaults.
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// Takes no more work, as a server that was told to stop; does not wait for what is under way.
    pub fn drain(&self) {
        self.engine.greenroom.drain();
        self.app.lifecycle.advance(Phase::Draining);
    }

    /// Sends a request as it is.
    pub async fn send(&self, mut request: Request<Body>) -> Response<Body> {
        let peer = Peer {
            address: ([127, 0, 0, 1], 1).into(),
            progress: WriteProgress::default(),
        };
        request.extensions_mut().insert(peer);
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request with a JSON body, or none, and reads the JSON answer.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let response = self.send(request.unwrap()).await;
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 10_000_000)
            .await
            .unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Begins a session without an owner.
    pub async fn session(&self) -> String {
        let (status, created) = self.ask("POST", "/api/chat/session", None).await;
        assert_eq!(status, 200, "{created}");
        created["session_id"].as_str().unwrap().to_owned()
    }
}
