//! What a world is asked beside what clients ask: the simulator's rules and bill, and the operator's socket.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use greenroom_protocol::{Seq, SessionId};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::World;
use crate::client::{EventsPage, SeenEvent};
use crate::provider::BillStatement;

/// How long the simulator is waited for until no call is under way.
const IDLE_WITHIN_MS: u64 = 10_000;

impl World {
    /// Replaces the simulator's rules of what goes wrong (`loadtest/src/provider/fault.rs`).
    pub async fn simulate(&self, rules: &Value) -> anyhow::Result<()> {
        let url = format!("{}/_sim/faults", self.simulator_url());
        let answer = http()?.post(url).json(rules).send().await?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "the rules are refused: {status}: {}",
            answer.text().await?
        );
        Ok(())
    }

    /// The simulator's statement, once no call is under way any more; it says itself if one still is.
    pub async fn statement(&self) -> anyhow::Result<BillStatement> {
        let url = format!(
            "{}/_sim/bill?idle_within_ms={IDLE_WITHIN_MS}",
            self.simulator_url()
        );
        Ok(http()?.get(url).send().await?.error_for_status()?.json().await?)
    }

    /// The server's admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.data_dir().join("admin.sock")
    }

    /// Asks the admin socket; answers with the status and the document.
    pub async fn admin<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<(u16, T)> {
        self.operate(Method::GET, path, None).await
    }

    /// Tells the admin socket to do something; answers with the status and the document.
    pub async fn operate<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, T)> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .unix_socket(self.admin_socket())
            .build()?;
        let mut request = client.request(method, format!("http://admin{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        let document = serde_json::from_str(&text).with_context(|| format!("{path}: {status}: {text}"))?;
        Ok((status, document))
    }

    /// The whole log of a session, read by the operator.
    pub async fn journal(&self, session: SessionId) -> anyhow::Result<Vec<SeenEvent>> {
        let mut journal = Vec::new();
        loop {
            let after = journal.last().map_or(Seq::ZERO, |event: &SeenEvent| event.seq);
            let path = format!("/sessions/{session}/events?after={after}&limit=1000");
            let (_, page): (_, EventsPage) = self.admin(&path).await?;
            if page.events.is_empty() {
                return Ok(journal);
            }
            for event in page.events {
                journal.push(SeenEvent::from_envelope(event.get())?);
            }
        }
    }

    /// The row of every session that the server knows.
    pub async fn session_rows(&self) -> anyhow::Result<Vec<Value>> {
        let mut rows = Vec::new();
        loop {
            let path = format!("/sessions?limit=200&offset={}", rows.len());
            let (status, page): (_, Value) = self.admin(&path).await?;
            ensure!(status == 200, "{path}: {status}: {page}");
            let items = page["items"].as_array().context("a page has items")?;
            if items.is_empty() {
                return Ok(rows);
            }
            rows.extend(items.iter().cloned());
        }
    }

    /// Every session that the server knows.
    pub async fn sessions(&self) -> anyhow::Result<Vec<SessionId>> {
        let rows = self.session_rows().await?;
        let id = |row: &Value| {
            let id = row["session_id"].as_str().context("a session has an id")?;
            Ok(id.parse()?)
        };
        rows.iter().map(id).collect()
    }
}

fn http() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}
