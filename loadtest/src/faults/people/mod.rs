//! Those who live through it: they write, talk, ask, listen and look on, and come back whatever happens to them.

mod caller;
mod device;
mod listener;
mod requester;
mod viewer;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use greenroom_protocol::{ErrorBody, ErrorCode, Locale, RunId, SessionId};
use serde::Serialize;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::checker::Promise;
use crate::client::{Client, ClientError, CreateSession, Recorder};
use crate::load::Recordings;
use crate::provider::Chance;

/// How long whoever got no answer waits until they ask again.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// The longest that anybody waits because they were told to.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// Disturbances that may wait for somebody who is busy; whoever misses one is not disturbed by it.
const DISTURBANCES_WAITING: usize = 64;

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// Types on a socket, and has runs made.
    Writer,
    /// Does the same by single requests.
    Requester,
    /// Talks.
    Caller,
    /// Is connected and says next to nothing.
    Listener,
    /// Looks at the sessions of others.
    Viewer,
}

/// What happens to somebody's connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Disturbance {
    /// It breaks.
    Reset,
    /// They drop it.
    HangUp,
    /// They do not read for so long.
    Stall(Duration),
}

/// A disturbance of some of them.
#[derive(Debug, Clone, Copy)]
struct Disturbed {
    what: Disturbance,
    /// Who is meant: each by their own chance.
    chance: Chance,
    share: f64,
}

/// Why somebody does not go on as they meant to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Setback {
    /// The session was erased.
    #[error("the session is gone")]
    Gone,
    /// The session was given up.
    #[error("the session was given up")]
    GivenUp,
    /// It was refused, and asking again would not change that.
    #[error("refused: {0}")]
    Refused(ErrorCode),
    /// The server answered what no server may, or the record cannot be written.
    #[error(transparent)]
    Wrong(#[from] anyhow::Error),
}

/// A session of somebody's, as others know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presence {
    /// What its owner does.
    pub(super) role: Role,
    /// Its owner.
    pub(super) number: usize,
    /// Whether a run was begun that has not been seen to end.
    pub(super) is_running: bool,
}

/// How a connection that was lost came back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Return {
    /// From the loss until there was a connection again.
    pub(super) away: Duration,
    /// From then until everything that was missed had come.
    pub(super) caught_up: Duration,
}

/// What all people share.
#[derive(Debug)]
pub(super) struct Commons {
    pub(super) chance: Chance,
    client: Client,
    records: PathBuf,
    recordings: Arc<Recordings>,
    is_over: watch::Sender<bool>,
    disturbances: broadcast::Sender<Disturbed>,
    sessions: Mutex<BTreeMap<SessionId, Presence>>,
    promises: Mutex<Vec<Promise>>,
    returns: Mutex<Vec<Return>>,
    /// What each of them does at present, for whoever wonders why they do not come to an end.
    doing: Mutex<BTreeMap<usize, &'static str>>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) number: usize,
    pub(super) role: Role,
    pub(super) client: Client,
    pub(super) chance: Chance,
    pub(super) commons: Arc<Commons>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) commons: Arc<Commons>,
    people: JoinSet<(usize, Role, anyhow::Result<()>)>,
}

/// Somebody who did not come to an end, or not to a good one.
#[derive(Debug, Clone)]
pub(super) struct Casualty {
    pub(super) number: usize,
    pub(super) role: Role,
    pub(super) reason: String,
}

impl Role {
    /// What the person with this number does: of a hundred, 36 write, 20 ask, 12 talk, 12 listen and 20 look on.
    pub(super) fn of(number: usize) -> Self {
        const TURN: [Role; 25] = {
            use Role::{Caller, Listener, Requester, Viewer, Writer};
            [
                Writer, Requester, Viewer, Caller, Writer, Writer, Viewer, Listener, Requester, Writer,
                Writer, Viewer, Requester, Caller, Writer, Listener, Writer, Requester, Viewer, Writer,
                Caller, Requester, Writer, Viewer, Listener,
            ]
        };
        TURN[number % TURN.len()]
    }
}

impl Crowd {
    /// Lets them come.
    pub(super) async fn gather(
        url: &str,
        records: PathBuf,
        people: usize,
        seed: u64,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&records).with_context(|| format!("cannot create {}", records.display()))?;
        let recordings = tokio::task::spawn_blocking(|| Recordings::shipped(caller::FRAMES))
            .await
            .context("the recordings were not encoded")??;
        let commons = Arc::new(Commons {
            chance: Chance::new(seed, "people"),
            client: Client::new(url)?,
            records,
            recordings: Arc::new(recordings),
            is_over: watch::Sender::new(false),
            disturbances: broadcast::Sender::new(DISTURBANCES_WAITING),
            sessions: Mutex::default(),
            promises: Mutex::default(),
            returns: Mutex::default(),
            doing: Mutex::default(),
        });
        let mut crowd = Self {
            commons,
            people: JoinSet::new(),
        };
        for number in 0..people {
            let person = Person::new(Arc::clone(&crowd.commons), number)?;
            let role = person.role;
            crowd
                .people
                .spawn(async move { (number, role, Box::pin(person.live()).await) });
        }
        Ok(crowd)
    }

    /// Lets them finish what they do, and waits until all have gone. Whoever has not gone by then is a casualty.
    pub(super) async fn disperse(&mut self, within: Duration) -> Vec<Casualty> {
        self.commons.is_over.send_replace(true);
        let until = Instant::now() + within;
        let mut casualties = Vec::new();
        while let Ok(Some(joined)) = tokio::time::timeout_at(until, self.people.join_next()).await {
            match joined {
                Ok((_, _, Ok(()))) => {}
                Ok((number, role, Err(error))) => casualties.push(Casualty {
                    number,
                    role,
                    reason: format!("{error:#}"),
                }),
                Err(error) => casualties.push(Casualty {
                    number: usize::MAX,
                    role: Role::Listener,
                    reason: format!("the load tester itself broke: {error}"),
                }),
            }
        }
        if !self.people.is_empty() {
            let stuck = lock(&self.commons.doing);
            casualties.extend(stuck.iter().map(|(number, doing)| Casualty {
                number: *number,
                role: Role::of(*number),
                reason: format!("is still there after {within:?}: {doing}"),
            }));
        }
        self.people.abort_all();
        casualties
    }
}

impl Commons {
    /// Whether nobody begins anything new.
    pub(super) fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }

    /// Disturbs a share of the connections.
    pub(super) fn disturb(&self, what: Disturbance, share: f64, chance: Chance) {
        // Nobody has a connection, so nobody is disturbed.
        let _ = self.disturbances.send(Disturbed { what, chance, share });
    }

    /// The sessions that somebody is in, with what is known of them.
    pub(super) fn present(&self) -> Vec<(SessionId, Presence)> {
        lock(&self.sessions)
            .iter()
            .map(|(session, presence)| (*session, *presence))
            .collect()
    }

    /// What was promised until now.
    pub(super) fn promises(&self) -> Vec<Promise> {
        lock(&self.promises).clone()
    }

    /// How connections came back until now.
    pub(super) fn returns(&self) -> Vec<Return> {
        lock(&self.returns).clone()
    }

    fn promise(&self, promise: Promise) {
        lock(&self.promises).push(promise);
    }
}

impl Person {
    fn new(commons: Arc<Commons>, number: usize) -> anyhow::Result<Self> {
        let role = Role::of(number);
        let name = format!("{number:04}-{role:?}.jsonl").to_lowercase();
        let record = Recorder::create(&commons.records.join(name)).context("no record can be written")?;
        Ok(Self {
            number,
            role,
            client: commons.client.clone().with_recorder(record),
            chance: commons.chance.at(&number.to_string()),
            commons,
        })
    }

    async fn live(self) -> anyhow::Result<()> {
        // They come one after another, as people do.
        tokio::time::sleep(Duration::from_millis(15) * u32::try_from(self.number).unwrap_or(u32::MAX)).await;
        let lived = match self.role {
            Role::Writer => writer::write(&self).await,
            Role::Requester => requester::request(&self).await,
            Role::Caller => caller::talk(&self).await,
            Role::Listener => listener::listen(&self).await,
            Role::Viewer => viewer::look_on(&self).await,
        };
        lock(&self.commons.doing).remove(&self.number);
        lived
    }

    /// Notes what is done now.
    fn does(&self, what: &'static str) {
        lock(&self.commons.doing).insert(self.number, what);
    }

    /// Lives one session after another until all is over. Whatever ends a session early, the next one begins.
    async fn session_by_session<F>(
        &self,
        locale: Locale,
        mut one: impl FnMut(SessionId, Chance) -> F,
    ) -> anyhow::Result<()>
    where
        F: Future<Output = Result<(), Setback>>,
    {
        for life in 0.. {
            if self.commons.is_over() {
                break;
            }
            let session = self.create(locale).await?;
            let chance = self.chance.at(&format!("life-{life}"));
            let lived = one(session, chance).await;
            lock(&self.commons.sessions).remove(&session);
            match lived {
                Ok(()) | Err(Setback::Gone | Setback::GivenUp | Setback::Refused(_)) => {}
                Err(Setback::Wrong(error)) => return Err(error.context(format!("in {session}"))),
            }
        }
        Ok(())
    }

    /// Begins a session. An answer that got lost leaves one behind that nobody knows.
    async fn create(&self, locale: Locale) -> anyhow::Result<SessionId> {
        let (client, new) = (
            &self.client,
            &CreateSession {
                locale: Some(locale),
                ..CreateSession::default()
            },
        );
        self.does("begins a session");
        let created = self
            .insist(move || client.create_session(new))
            .await
            .map_err(|setback| anyhow::anyhow!("no session can be begun: {setback}"))?;
        let session = created.session.session_id;
        let presence = Presence {
            role: self.role,
            number: self.number,
            is_running: false,
        };
        lock(&self.commons.sessions).insert(session, presence);
        Ok(session)
    }

    /// Asks until there is an answer that asking again would not change.
    async fn insist<T, F>(&self, mut ask: impl FnMut() -> F) -> Result<T, Setback>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        loop {
            let wait = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(ClientError::Refused { error, .. }) => match error.code {
                    ErrorCode::SessionGone | ErrorCode::SessionNotFound => return Err(Setback::Gone),
                    ErrorCode::SessionRestartLimit => return Err(Setback::GivenUp),
                    code if error.retryable && passes(code) && !tells_of_a_run(&error) => {
                        told_to_wait(error.retry_after)
                    }
                    code => return Err(Setback::Refused(code)),
                },
                Err(ClientError::Unreachable(_) | ClientError::Socket(_)) => ASK_AGAIN,
                Err(
                    error @ (ClientError::Unreadable { .. }
                    | ClientError::Record(_)
                    | ClientError::Unusable(_)),
                ) => return Err(Setback::Wrong(error.into())),
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Notes that a run of a session was begun, or has ended.
    fn runs(&self, session: SessionId, is_running: bool) {
        if let Some(presence) = lock(&self.commons.sessions).get_mut(&session) {
            presence.is_running = is_running;
        }
    }

    /// Notes that a text was sent; it may count once at most, and once it was answered, exactly once.
    fn said(&self, session: SessionId, text: &str, is_answered: bool) {
        self.commons.promise(Promise::Said {
            session,
            text: text.to_owned(),
            is_answered,
        });
    }

    /// Notes that a run was promised.
    fn promised_run(&self, session: SessionId, run: RunId) {
        self.commons.promise(Promise::Run { session, run });
    }

    /// Whether this happens, by a chance of its own.
    fn is_drawn(chance: Chance, what: &str, percent: usize) -> bool {
        chance.at(what).below(100) < percent
    }
}

/// Whether what was refused with this code may be taken a moment later, though nothing else has changed.
fn passes(code: ErrorCode) -> bool {
    ["DB_", "SYS_", "SESSION_", "INPUT_TIMEOUT"]
        .iter()
        .any(|kind| code.as_str().starts_with(kind))
}

/// Whether this is how a run ended: the answer to whoever waited for it, the same however often it is asked for.
fn tells_of_a_run(error: &ErrorBody) -> bool {
    error.details.get("run_id").is_some()
}

/// For how long whoever was told to come back in so many seconds stays away.
fn told_to_wait(retry_after_s: Option<u32>) -> Duration {
    retry_after_s.map_or(ASK_AGAIN, |seconds| {
        Duration::from_secs(seconds.into()).clamp(ASK_AGAIN, WAIT_MAX)
    })
}

/// What is under the locks is plain data, which no panic leaves half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn how_a_run_ended_is_an_answer_though_its_code_passes() {
        let mut error = ErrorBody::new(ErrorCode::SysInternal, Locale::Ko);
        assert!(error.retryable && passes(error.code));
        assert!(!tells_of_a_run(&error));
        error.details =
            json!({ "run_id": "run_01M806YXH4R904S6ZB95J7CM1G", "stage": "strategy", "attempt": 4 });
        assert!(tells_of_a_run(&error));
    }
}
