//! The bill: every call that the simulator saw, what it used and what it cost, in memory and in a file.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use greenroom_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::api::Api;
use super::fault::Fault;
use crate::wall_clock;

/// Calls that are kept in memory; older ones remain in the totals and in the file.
const CALLS_KEPT: usize = 100_000;
/// Millionths of a US dollar for one search.
const SEARCH_MICRO_USD: u64 = 10_000;
/// Millionths of a US dollar for a minute of speech that was heard.
const HEARD_MINUTE_MICRO_USD: u64 = 6_000;
/// Millionths of a US dollar for a character that was spoken.
const SPOKEN_CHARACTER_MICRO_USD: u64 = 15;
/// Millionths of a US dollar for an image.
const IMAGE_MICRO_USD: u64 = 40_000;

/// One call that the simulator saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BilledCall {
    /// 1 for the first call.
    pub n: u64,
    /// `metadata.call_id` of the request, else its `x-client-request-id`; the `event_id` of what commits an utterance.
    pub call_id: Option<String>,
    /// Which API it came by.
    pub api: Api,
    /// The model that was asked for.
    pub model: String,
    /// `planner`, the name of the schema, or `text`; else `transcription`, `speech`, `moderation` or `image`.
    pub purpose: String,
    /// The name of the output schema, if there was one.
    pub schema: Option<String>,
    /// When it came.
    pub started_at: Timestamp,
    /// When it ended; none while it is under way, or if the simulator died with it.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<BillOutcome>,
    /// The fault that it was given.
    pub fault: Option<String>,
    /// The HTTP status of a call that was refused.
    pub status: Option<u16>,
    /// What it used.
    pub usage: BilledUsage,
    /// What it cost in millionths of a US dollar.
    pub cost_micro_usd: u64,
    /// Addresses that its searches returned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search_urls: Vec<String>,
}

/// A call as it is booked when it begins.
#[derive(Debug)]
pub(crate) struct NewCall<'a> {
    pub(crate) api: Api,
    pub(crate) model: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) schema: Option<&'a str>,
    pub(crate) call_id: Option<String>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillOutcome {
    /// The whole reply was handed over, before its last part was sent.
    Completed,
    /// A fault ended it.
    Faulted,
    /// The client went away, or cancelled a response in the background.
    ClientGone,
    /// The request was refused: a wrong key, an unknown model, a bad parameter.
    Rejected,
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BilledUsage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Searches made.
    pub searches: u64,
    /// Milliseconds of speech heard.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub heard_ms: u64,
    /// Characters spoken.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spoken_chars: u64,
    /// Images drawn.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub images: u64,
}

/// All calls together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillTotals {
    /// Calls seen.
    pub calls: u64,
    /// Calls under way.
    pub open: u64,
    /// Calls that were answered whole.
    pub completed: u64,
    /// Calls that a fault ended.
    pub faulted: u64,
    /// Calls that the client left.
    pub client_gone: u64,
    /// Calls that were refused.
    pub rejected: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Searches made.
    pub searches: u64,
    /// Milliseconds of speech heard.
    #[serde(default)]
    pub heard_ms: u64,
    /// Characters spoken.
    #[serde(default)]
    pub spoken_chars: u64,
    /// Images drawn.
    #[serde(default)]
    pub images: u64,
    /// What it all cost in millionths of a US dollar.
    pub cost_micro_usd: u64,
}

/// The calls with their totals, as `GET /_sim/bill` shows them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BillStatement {
    /// The calls, oldest first.
    pub calls: Vec<BilledCall>,
    /// All calls together, those no longer kept included.
    pub totals: BillTotals,
}

impl BilledCall {
    fn new(api: Api, model: &str, purpose: &str, call_id: Option<String>) -> Self {
        Self {
            n: 0,
            call_id,
            api,
            model: model.to_owned(),
            purpose: purpose.to_owned(),
            schema: None,
            started_at: wall_clock::now(),
            ended_at: None,
            outcome: None,
            fault: None,
            status: None,
            usage: BilledUsage::default(),
            cost_micro_usd: 0,
            search_urls: Vec::new(),
        }
    }
}

impl BilledUsage {
    /// The cost by the simulator's price list: `sim-small` is cheap, every other model costs as `sim-large`.
    pub fn cost_micro_usd(self, model: &str) -> u64 {
        // Micro-dollars for a thousand tokens: read, written.
        let (read, written) = if model.starts_with("sim-small") {
            (150, 600)
        } else {
            (2_500, 10_000)
        };
        let tokens = self
            .input_tokens
            .saturating_mul(read)
            .saturating_add(self.output_tokens.saturating_mul(written));
        let priced = [
            self.searches.saturating_mul(SEARCH_MICRO_USD),
            self.heard_ms
                .saturating_mul(HEARD_MINUTE_MICRO_USD)
                .div_ceil(60_000),
            self.spoken_chars.saturating_mul(SPOKEN_CHARACTER_MICRO_USD),
            self.images.saturating_mul(IMAGE_MICRO_USD),
        ];
        priced
            .into_iter()
            .fold(tokens.div_ceil(1_000), u64::saturating_add)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Reads a bill from its file. The last line of each call counts; a torn last line is left out.
pub fn read_bill(path: &Path) -> anyhow::Result<Vec<BilledCall>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the bill {}", path.display()))?;
    let mut calls = BTreeMap::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        match serde_json::from_str::<BilledCall>(line) {
            Ok(call) => {
                calls.insert(call.n, call);
            }
            Err(_) if lines.peek().is_none() && !text.ends_with('\n') => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("line {} of {} is no call", index + 1, path.display()));
            }
        }
    }
    Ok(calls.into_values().collect())
}

/// The length of a file without a torn last line.
fn whole_lines_bytes(path: &Path) -> anyhow::Result<u64> {
    let bytes = std::fs::read(path)?;
    let len = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |last| last + 1);
    Ok(u64::try_from(len)?)
}

/// The bill of a running simulator.
#[derive(Debug)]
pub(crate) struct Bill {
    inner: Mutex<Inner>,
    /// How many calls are under way.
    open: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    calls: VecDeque<BilledCall>,
    totals: BillTotals,
    last_n: u64,
    file: Option<File>,
    /// Calls that end after this were ended by the simulator's own stop, and stay open in the bill.
    is_closed: bool,
}

impl Bill {
    /// Opens the bill, going on with what its file holds.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Arc<Self>> {
        let mut inner = Inner {
            calls: VecDeque::new(),
            totals: BillTotals::default(),
            last_n: 0,
            file: None,
            is_closed: false,
        };
        if let Some(path) = path {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.with_context(|| format!("cannot write the bill {}", path.display()))?;
            inner.take_up(read_bill(path)?);
            file.set_len(whole_lines_bytes(path)?)?;
            inner.file = Some(file);
        }
        Ok(Arc::new(Self {
            inner: Mutex::new(inner),
            open: watch::Sender::new(0),
        }))
    }

    /// Books a call that begins. The permit is held for as long as the call is under way.
    pub(crate) fn start(
        self: &Arc<Self>,
        entry: NewCall<'_>,
        fault: Option<Fault>,
        permit: OwnedSemaphorePermit,
    ) -> OpenCall {
        let mut call = BilledCall::new(entry.api, entry.model, entry.purpose, entry.call_id);
        call.fault = fault.map(|fault| fault.name().to_owned());
        call.schema = entry.schema.map(str::to_owned);
        let call = self.lock().begin(call);
        self.open.send_modify(|open| *open += 1);
        OpenCall {
            bill: Arc::clone(self),
            call,
            fault,
            has_ended: false,
            _permit: permit,
        }
    }

    /// Books a request that was refused.
    pub(crate) fn reject(&self, api: Api, model: &str, call_id: Option<String>, status: u16) {
        let mut inner = self.lock();
        let mut call = inner.begin(BilledCall::new(api, model, "unknown", call_id));
        call.status = Some(status);
        call.ended_at = Some(call.started_at);
        call.outcome = Some(BillOutcome::Rejected);
        inner.end(call);
    }

    /// The calls so far.
    pub(crate) fn statement(&self) -> BillStatement {
        let inner = self.lock();
        BillStatement {
            calls: inner.calls.iter().cloned().collect(),
            totals: inner.totals,
        }
    }

    /// Ready once no call is under way.
    pub(crate) async fn idle(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Forgets every call, in the file too. Calls under way are forgotten as well.
    pub(crate) fn reset(&self) {
        let mut inner = self.lock();
        inner.calls.clear();
        inner.totals = BillTotals::default();
        if let Some(Err(error)) = inner.file.as_ref().map(|file| file.set_len(0)) {
            tracing::error!(%error, "bill file not emptied");
        }
    }

    /// The simulator stops: calls that end from now on are not booked as left by their client.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Counters and a list: a panic elsewhere cannot leave them half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take_up(&mut self, calls: Vec<BilledCall>) {
        for call in calls {
            self.last_n = self.last_n.max(call.n);
            self.totals.calls += 1;
            self.totals.book(&call);
            self.keep(call);
        }
    }

    fn begin(&mut self, mut call: BilledCall) -> BilledCall {
        self.last_n += 1;
        call.n = self.last_n;
        self.totals.calls += 1;
        self.totals.open += 1;
        self.write(&call);
        self.keep(call.clone());
        call
    }

    fn end(&mut self, call: BilledCall) {
        // After a reset the call is unknown, and stays so.
        let Ok(index) = self.calls.binary_search_by_key(&call.n, |kept| kept.n) else {
            return;
        };
        self.totals.open = self.totals.open.saturating_sub(1);
        self.totals.book(&call);
        self.write(&call);
        if let Some(kept) = self.calls.get_mut(index) {
            *kept = call;
        }
    }

    fn keep(&mut self, call: BilledCall) {
        if self.calls.len() == CALLS_KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    /// Appends a line in one write, so that a kill cannot take what was written before.
    fn write(&mut self, call: &BilledCall) {
        let Some(file) = &mut self.file else { return };
        let line = serde_json::to_string(call).map(|line| line + "\n");
        let written = line
            .map_err(std::io::Error::from)
            .and_then(|line| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            tracing::error!(%error, "bill line not written");
        }
    }
}

impl BillTotals {
    fn book(&mut self, call: &BilledCall) {
        let counter = match call.outcome {
            None => return,
            Some(BillOutcome::Completed) => &mut self.completed,
            Some(BillOutcome::Faulted) => &mut self.faulted,
            Some(BillOutcome::ClientGone) => &mut self.client_gone,
            Some(BillOutcome::Rejected) => &mut self.rejected,
        };
        *counter += 1;
        self.input_tokens += call.usage.input_tokens;
        self.output_tokens += call.usage.output_tokens;
        self.searches += call.usage.searches;
        self.heard_ms += call.usage.heard_ms;
        self.spoken_chars += call.usage.spoken_chars;
        self.images += call.usage.images;
        self.cost_micro_usd += call.cost_micro_usd;
    }
}

/// A call under way. Dropped before it is complete, it is booked as left by its client or ended by its fault.
#[derive(Debug)]
pub(crate) struct OpenCall {
    bill: Arc<Bill>,
    call: BilledCall,
    fault: Option<Fault>,
    has_ended: bool,
    /// One of the requests that may be under way at once.
    _permit: OwnedSemaphorePermit,
}

impl OpenCall {
    /// The call's number.
    pub(crate) fn n(&self) -> u64 {
        self.call.n
    }

    /// The prompt was read and searched for.
    pub(crate) fn read(&mut self, input_tokens: u64, search_urls: Vec<String>, searches: u64) {
        self.call.usage.input_tokens = input_tokens;
        self.call.usage.searches = searches;
        self.call.search_urls = search_urls;
    }

    /// So many tokens more were written.
    pub(crate) fn wrote(&mut self, output_tokens: u64) {
        self.call.usage.output_tokens += output_tokens;
    }

    /// The whole reply is being handed over; this is its real usage.
    pub(crate) fn complete(&mut self, usage: BilledUsage) {
        self.call.usage = usage;
        self.end(BillOutcome::Completed);
    }

    /// What is known to be used before anything is handed over.
    pub(crate) fn uses(&mut self, usage: BilledUsage) {
        self.call.usage = usage;
    }

    /// The request turned out to be wrong after it was let in.
    pub(crate) fn reject(&mut self, status: u16) {
        self.call.status = Some(status);
        self.end(BillOutcome::Rejected);
    }

    /// A fault answered the request with an error.
    pub(crate) fn fail(&mut self, status: u16) {
        self.call.status = Some(status);
        self.end(BillOutcome::Faulted);
    }

    fn end(&mut self, outcome: BillOutcome) {
        self.has_ended = true;
        let call = &mut self.call;
        call.outcome = Some(outcome);
        call.ended_at = Some(wall_clock::now());
        call.cost_micro_usd = call.usage.cost_micro_usd(&call.model);
        self.bill.lock().end(call.clone());
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let ended_by_fault = self.fault.is_some_and(|fault| !fault.lets_reply_through());
        let is_closed = self.bill.lock().is_closed;
        if !self.has_ended && (ended_by_fault || !is_closed) {
            self.end(if ended_by_fault {
                BillOutcome::Faulted
            } else {
                BillOutcome::ClientGone
            });
        }
        self.bill.open.send_modify(|open| *open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::super::fault::BreachMode;
    use super::BillOutcome::{ClientGone, Completed, Faulted, Rejected};
    use super::*;

    const USAGE: BilledUsage = BilledUsage {
        input_tokens: 1_000,
        output_tokens: 100,
        searches: 1,
        heard_ms: 0,
        spoken_chars: 0,
        images: 0,
    };

    fn start(bill: &Arc<Bill>, call_id: &str, fault: Option<Fault>) -> OpenCall {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let entry = NewCall {
            api: Api::Responses,
            model: "sim-large",
            purpose: "text",
            schema: None,
            call_id: Some(call_id.to_owned()),
        };
        bill.start(entry, fault, permit)
    }

    #[test]
    fn a_call_is_booked_as_it_ended() {
        let bill = Bill::open(None).unwrap();
        start(&bill, "whole", None).complete(USAGE);
        start(
            &bill,
            "breached",
            Some(Fault::Breach {
                mode: BreachMode::Empty,
            }),
        )
        .complete(USAGE);
        drop(start(&bill, "left", None));
        drop(start(&bill, "cut", Some(Fault::Cut { after_chars: 3 })));
        start(
            &bill,
            "failed",
            Some(Fault::Status {
                code: 500,
                retry_after: None,
            }),
        )
        .fail(500);
        bill.reject(Api::Chat, "gpt", None, 404);
        let statement = bill.statement();
        let outcomes: Vec<Option<BillOutcome>> = statement.calls.iter().map(|call| call.outcome).collect();
        let expected = [Completed, Completed, ClientGone, Faulted, Faulted, Rejected];
        assert_eq!(outcomes, expected.map(Some));
        assert_eq!(
            (
                statement.totals.calls,
                statement.totals.open,
                statement.totals.completed
            ),
            (6, 0, 2)
        );
        assert_eq!(statement.totals.cost_micro_usd, 2 * (2_500 + 1_000 + 10_000));
    }

    #[test]
    fn the_file_survives_a_kill_and_is_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bill.jsonl");
        let bill = Bill::open(Some(&path)).unwrap();
        start(&bill, "first", None).complete(USAGE);
        // As if the process were killed: the call never ends, and a line is torn.
        std::mem::forget(start(&bill, "second", None));
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"n\":3,\"call_").unwrap();
        assert_eq!(read_bill(&path).unwrap(), bill.statement().calls);

        let bill = Bill::open(Some(&path)).unwrap();
        start(&bill, "third", None).complete(USAGE);
        let calls = read_bill(&path).unwrap();
        let seen: Vec<(u64, &str, Option<BillOutcome>)> = calls
            .iter()
            .map(|call| (call.n, call.call_id.as_deref().unwrap(), call.outcome))
            .collect();
        let completed = Some(BillOutcome::Completed);
        assert_eq!(
            seen,
            [
                (1, "first", completed),
                (2, "second", None),
                (3, "third", completed)
            ]
        );
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bill.jsonl");
        std::fs::write(&path, "not a call\n").unwrap();
        assert!(Bill::open(Some(&path)).is_err());
    }

    #[test]
    fn calls_that_the_stop_ends_stay_open() {
        let bill = Bill::open(None).unwrap();
        let call = start(&bill, "under way", None);
        bill.close();
        drop(call);
        assert_eq!(bill.statement().calls[0].outcome, None);
    }
}
