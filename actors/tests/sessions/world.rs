//! A server's actors over scripted ports, with paused time.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use greenroom_actors::{
    ActorsConfig, CreateSession, Cursor, Directory, Greenroom, PlaybookLibrary, Ports, Refused,
};
use greenroom_protocol::{ErrorCode, Event, Frame, Locale, Mode, Seq, SessionId, Timestamp};
use greenroom_session::playbook::{Bundle, Playbook};
use greenroom_session::ports::{
    BlobEntry, BlobError, BlobStream, Blobs, Capabilities, Clock, IdSource, LanguageModel as _,
    ModelIdentity, ModerationPolicy, Moderator as _,
};
use greenroom_session::{Caller, Command, CommandKind, Receipt, SlotEdit};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::journal::MemoryJournal;
use crate::model::{FOUND_URL, ScriptedModel, answer};
use crate::moderator::ScriptedModerator;

/// Far longer than anything here takes; time is paused, so waiting for it costs nothing.
const LONG: Duration = Duration::from_hours(1);

pub struct World {
    pub journal: Arc<MemoryJournal>,
    pub model: Arc<ScriptedModel>,
    pub moderator: Arc<ScriptedModerator>,
    pub blobs: Arc<MemoryBlobs>,
    pub greenroom: Greenroom,
    pub directory: Directory,
    config: ActorsConfig,
    policies: Policies,
    pub clock: Arc<PausedClock>,
    ids: Arc<AtomicU64>,
}

/// Whether what is said is checked, and what is written.
#[derive(Clone, Copy, Default)]
struct Policies {
    input: ModerationPolicy,
    output: ModerationPolicy,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(configure: impl FnOnce(&mut ActorsConfig)) -> Self {
        Self::of(
            concierge_bundle(),
            concierge_output,
            configure,
            Policies::default(),
        )
        .await
    }

    /// A server that has what is said and what is written checked.
    pub async fn checked(input: ModerationPolicy, output: ModerationPolicy) -> Self {
        let policies = Policies { input, output };
        Self::of(concierge_bundle(), concierge_output, |_| {}, policies).await
    }

    pub async fn launch() -> Self {
        Self::of(
            launch_bundle(),
            crate::outputs::launch,
            |_| {},
            Policies::default(),
        )
        .await
    }

    async fn of(
        bundle: Bundle,
        usual: fn(&str) -> Value,
        configure: impl FnOnce(&mut ActorsConfig),
        policies: Policies,
    ) -> Self {
        let mut config = ActorsConfig::default();
        config.faults.panic_session_on = Some("__panic_session__".to_owned());
        config.faults.panic_agent_on = Some("__panic_agent__".to_owned());
        configure(&mut config);
        let journal = Arc::new(MemoryJournal::default());
        let model = Arc::new(ScriptedModel::new(usual));
        let moderator = Arc::new(ScriptedModerator::default());
        let blobs = Arc::new(MemoryBlobs::default());
        let clock = Arc::new(PausedClock(Instant::now()));
        let ids = Arc::new(AtomicU64::new(0));
        let playbook = Playbook::from_bundle(&bundle).unwrap();
        let name = greenroom_session::blob_names::playbook_blob(&playbook.reference.hash);
        blobs.put(&name, Bytes::from(bundle.to_json())).await.unwrap();
        let remains = Remains {
            journal,
            model,
            moderator,
            blobs,
            config,
            policies,
            clock,
            ids,
        };
        remains.start(vec![Arc::new(playbook)]).await
    }

    /// The server is gone at once, and another one starts on what it left. It knows `playbooks` only.
    pub async fn restart_with(self, playbooks: Vec<Arc<Playbook>>) -> Self {
        let Self {
            journal,
            model,
            moderator,
            blobs,
            greenroom,
            config,
            policies,
            clock,
            ids,
            ..
        } = self;
        drop(greenroom);
        let remains = Remains {
            journal,
            model,
            moderator,
            blobs,
            config,
            policies,
            clock,
            ids,
        };
        remains.start(playbooks).await
    }

    pub async fn restart(self) -> Self {
        self.restart_with(Vec::new()).await
    }

    pub async fn create(&self) -> SessionId {
        let new = CreateSession {
            user: None,
            locale: Locale::En,
            mode: Mode::Standard,
            playbook: None,
        };
        self.directory.create(new).await.unwrap().session_id
    }

    pub async fn send(&self, session: SessionId, kind: CommandKind) -> Result<Receipt, Refused> {
        self.send_as(session, None, kind).await
    }

    pub async fn send_as(
        &self,
        session: SessionId,
        id: Option<&str>,
        kind: CommandKind,
    ) -> Result<Receipt, Refused> {
        let id = id.map(|id| id.parse().unwrap());
        let command = Command {
            id,
            caller: Caller::Client(None),
            kind,
        };
        timeout(LONG, self.directory.send(session, command))
            .await
            .expect("a command is answered")
    }

    /// Fills all slots, so that a run may start.
    pub async fn fill_brief(&self, session: SessionId) {
        let edits = [
            ("guest.name", json!("Kim")),
            ("guest.party", json!(2)),
            ("stay.wishes", json!(["sea", "food"])),
            ("stay.pace", json!("calm")),
        ];
        self.send(session, set_slots(&edits)).await.unwrap();
    }

    /// Follows a session from its first event.
    pub async fn follow(&self, session: SessionId) -> Follower {
        self.follow_from(session, Some(Seq::ZERO)).await
    }

    pub async fn follow_from(&self, session: SessionId, after: Option<Seq>) -> Follower {
        let (cursor, _) = self
            .directory
            .cursor(session, &Caller::Client(None), after)
            .await
            .unwrap();
        Follower::new(cursor)
    }

    /// Returns once time has made every session leave memory.
    pub async fn until_gone_idle(&self) {
        for _ in 0..20 {
            pass(Duration::from_secs(30)).await;
            if self.directory.live() == 0 {
                return;
            }
        }
        panic!("a session stays for ever");
    }

    /// Returns once so many sessions are in memory.
    pub async fn until_live(&self, count: usize) {
        eventually(|| self.directory.live() == count).await;
    }
}

/// Waits, without letting time pass, until what other tasks are doing has come about.
pub async fn eventually(condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came about");
}

/// Lets paused time pass.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

pub fn say(text: &str) -> CommandKind {
    CommandKind::UserMessage {
        spoken: None,
        text: text.to_owned(),
    }
}

pub fn set_slots(edits: &[(&str, Value)]) -> CommandKind {
    let edits = edits.iter().map(|(path, value)| SlotEdit {
        path: path.parse().unwrap(),
        value: value.clone(),
    });
    CommandKind::SetSlots {
        edits: edits.collect(),
    }
}

/// An edit that makes one event and starts nothing.
pub fn edit(value: impl std::fmt::Display) -> CommandKind {
    set_slots(&[("stay.allergies", json!(value.to_string()))])
}

pub const GENERATE: CommandKind = CommandKind::Generate {
    draft: false,
    background: false,
};

pub fn code(refused: Refused) -> ErrorCode {
    match refused {
        Refused::Rejected(error) => error.code,
        Refused::Lost => panic!("the answer was lost"),
    }
}

/// A cursor with everything that it has shown.
pub struct Follower {
    pub cursor: Cursor,
    pub seen: Vec<Frame>,
    /// Events that [`Self::until`] has looked at.
    looked_at: usize,
}

impl Follower {
    pub fn new(cursor: Cursor) -> Self {
        Self {
            cursor,
            seen: Vec::new(),
            looked_at: 0,
        }
    }

    /// Reads on until an event is of this kind; that event.
    pub async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            while let Some(frame) = self.seen.get(self.looked_at) {
                self.looked_at += 1;
                let event = event(frame);
                if wanted(&event) {
                    return event;
                }
            }
            let page = timeout(LONG, self.cursor.next())
                .await
                .expect("the event comes")
                .unwrap();
            assert!(!page.is_empty() && page.len() <= 256);
            self.seen.extend(page);
        }
    }

    /// Reads until the session is in this state on the wire.
    pub async fn until_state(&mut self, state: &str) {
        self.until(|event| matches!(event, Event::StageChanged(changed) if changed.state == state))
            .await;
    }

    /// Everything up to event `last` was shown, each once and in order, byte for byte as it is stored.
    pub async fn assert_saw_all(&mut self, journal: &MemoryJournal, session: SessionId) {
        let stored: Vec<Frame> = journal.rows(session).into_iter().map(|row| row.frame).collect();
        while self.cursor.position().0 < stored.len() as u64 {
            self.seen.extend(self.cursor.next().await.unwrap());
        }
        assert_eq!(self.seen, stored);
    }
}

fn event(frame: &Frame) -> Event {
    Event::from_json(frame.event_type(), frame.data_json()).unwrap()
}

/// What outlives a server.
struct Remains {
    journal: Arc<MemoryJournal>,
    model: Arc<ScriptedModel>,
    moderator: Arc<ScriptedModerator>,
    blobs: Arc<MemoryBlobs>,
    config: ActorsConfig,
    policies: Policies,
    clock: Arc<PausedClock>,
    ids: Arc<AtomicU64>,
}

impl Remains {
    async fn start(self, playbooks: Vec<Arc<Playbook>>) -> World {
        let greenroom = Greenroom::start(self.config.clone(), self.ports(playbooks))
            .await
            .unwrap();
        let directory = greenroom.directory();
        let Self {
            journal,
            model,
            moderator,
            blobs,
            config,
            policies,
            clock,
            ids,
        } = self;
        World {
            journal,
            model,
            moderator,
            blobs,
            greenroom,
            directory,
            config,
            policies,
            clock,
            ids,
        }
    }

    fn ports(&self, playbooks: Vec<Arc<Playbook>>) -> Ports {
        let default_name = playbooks
            .first()
            .map_or("none", |playbook| playbook.reference.name.as_str())
            .to_owned();
        let ids = self.ids.clone();
        Ports {
            journal: self.journal.clone(),
            erasures: self.journal.clone(),
            blobs: self.blobs.clone(),
            model: self.model.clone(),
            moderator: self.moderator.clone(),
            capabilities: Capabilities {
                llm: self.model.identity(),
                search: self.model.can_search(),
                take_up: self.model.can_take_up(),
                stt: Some(ModelIdentity {
                    provider: "scripted".to_owned(),
                    model: "ears".to_owned(),
                    simulated: true,
                }),
                tts: Some(ModelIdentity {
                    provider: "scripted".to_owned(),
                    model: "voice".to_owned(),
                    simulated: true,
                }),
                moderation: self.moderator.identity(),
                moderate_input: self.policies.input,
                moderate_output: self.policies.output,
            },
            clock: self.clock.clone(),
            ids: Arc::new(move || Box::new(Counter(ids.clone()))),
            playbooks: Arc::new(PlaybookLibrary::new(default_name, playbooks, self.blobs.clone())),
        }
    }
}

/// The time of a paused runtime.
pub struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        let passed_ms = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp::from_unix_ms(1_771_513_200_000 + passed_ms)
    }
}

/// Ids that count up over all sessions.
struct Counter(Arc<AtomicU64>);

impl IdSource for Counter {
    fn next_ulid(&mut self) -> ulid::Ulid {
        ulid::Ulid::from_parts(1, u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn jitter(&mut self) -> f64 {
        0.5
    }
}

#[derive(Default)]
pub struct MemoryBlobs {
    blobs: Mutex<HashMap<String, Bytes>>,
    /// When blobs were stored; those that are not in it are old.
    stored_at: Mutex<HashMap<String, Timestamp>>,
    /// Reading one panics, as folding a log might.
    pub poisoned: AtomicBool,
    /// None can be removed.
    pub undeletable: AtomicBool,
}

impl MemoryBlobs {
    /// The names of all, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.blobs.lock().unwrap().keys().cloned().collect();
        names.sort();
        names
    }

    pub fn set_stored_at(&self, name: &str, at: Timestamp) {
        self.stored_at.lock().unwrap().insert(name.to_owned(), at);
    }

    pub fn forget_all(&self) {
        self.blobs.lock().unwrap().clear();
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError> {
        self.blobs.lock().unwrap().insert(name.to_owned(), bytes);
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Bytes, BlobError> {
        assert!(!self.poisoned.load(Ordering::Relaxed), "asked to panic");
        self.blobs
            .lock()
            .unwrap()
            .get(name)
            .cloned()
            .ok_or(BlobError::NotFound)
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        if self.undeletable.load(Ordering::Relaxed) {
            return Err(BlobError::Unavailable("asked to be".to_owned()));
        }
        self.blobs.lock().unwrap().remove(name);
        Ok(())
    }

    fn list(&self, folder: &str) -> BlobStream {
        let stored_at = self.stored_at.lock().unwrap();
        let blobs = self.blobs.lock().unwrap();
        let within = |name: &&String| {
            let rest = name.strip_prefix(folder);
            rest.is_some_and(|rest| folder.is_empty() || rest.starts_with('/'))
        };
        let entries: Vec<_> = blobs
            .keys()
            .filter(within)
            .map(|name| {
                Ok(BlobEntry {
                    name: name.clone(),
                    size_bytes: blobs[name].len() as u64,
                    modified: stored_at.get(name).copied().unwrap_or_default(),
                })
            })
            .collect();
        Box::pin(futures_util::stream::iter(entries))
    }
}

pub fn concierge_bundle() -> Bundle {
    read_bundle("../session/tests/playbooks/concierge")
}

pub fn launch_bundle() -> Bundle {
    read_bundle("../playbooks/launch")
}

pub fn concierge_output(name: &str) -> Value {
    match name {
        "planner" => answer("Noted."),
        "scout" => json!({ "places": [{ "name": "Market", "url": FOUND_URL }], "cautions": [] }),
        "itinerary" => json!({ "hours": [
            { "place": "Market", "start": 0.0, "end": 1.0 }, { "place": "Sea", "start": 1.0, "end": 2.0 },
        ] }),
        "menu" => json!({ "dishes": ["Soup"], "house_rules": ["Slowly"] }),
        "postcard" => json!({ "text": "From Busan" }),
        other => panic!("no output is called {other}"),
    }
}

fn read_bundle(folder: &str) -> Bundle {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_string_lossy()
                    .replace('\\', "/");
                files.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    Bundle { files }
}
