//! The limits that can be changed while the server runs: the configuration's, and in their place those that an operator
//! set, which outlive a restart.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use greenroom_protocol::Timestamp;
use greenroom_store::{Act, OperatorStore, OperatorStoreError, SetLimit};
use serde::Serialize;

use crate::config::LimitSettings;
use crate::rate::RateLimit;

/// A limit by the name that it has in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitName {
    /// Connections at once.
    Connections,
    /// Sessions in memory at once.
    Sessions,
    /// Recordings in memory at once.
    Uploads,
    /// Sockets with a microphone or a loudspeaker at once.
    VoiceLines,
    /// Requests a minute of one client; 0 means no limit.
    RequestsPerMinute,
    /// Turns a minute of one client; 0 means no limit.
    TurnsPerMinute,
}

impl LimitName {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Connections,
        Self::Sessions,
        Self::Uploads,
        Self::VoiceLines,
        Self::RequestsPerMinute,
        Self::TurnsPerMinute,
    ];

    /// Its name below `limits.`
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Sessions => "sessions",
            Self::Uploads => "uploads",
            Self::VoiceLines => "voice_lines",
            Self::RequestsPerMinute => "requests_per_minute",
            Self::TurnsPerMinute => "turns_per_minute",
        }
    }

    /// The limit of this name, if there is one.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.as_str() == name)
    }

    /// What it may be.
    pub const fn range(self) -> RangeInclusive<u64> {
        match self {
            Self::Connections | Self::Sessions | Self::VoiceLines => 1..=1_000_000,
            Self::Uploads => 1..=10_000,
            Self::RequestsPerMinute | Self::TurnsPerMinute => 0..=1_000_000,
        }
    }

    fn of(self, settings: &LimitSettings) -> u64 {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        match self {
            Self::Connections => count(settings.connections),
            Self::Sessions => count(settings.sessions),
            Self::Uploads => count(settings.uploads),
            Self::VoiceLines => count(settings.voice_lines),
            Self::RequestsPerMinute => settings.requests_per_minute.into(),
            Self::TurnsPerMinute => settings.turns_per_minute.into(),
        }
    }

    /// `value` lies in [`Self::range`], so it fits.
    fn put(self, settings: &mut LimitSettings, value: u64) {
        let count = usize::try_from(value).unwrap_or(usize::MAX);
        let rate = u32::try_from(value).unwrap_or(u32::MAX);
        match self {
            Self::Connections => settings.connections = count,
            Self::Sessions => settings.sessions = count,
            Self::Uploads => settings.uploads = count,
            Self::VoiceLines => settings.voice_lines = count,
            Self::RequestsPerMinute => settings.requests_per_minute = rate,
            Self::TurnsPerMinute => settings.turns_per_minute = rate,
        }
    }
}

/// Where a limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitSource {
    /// The configuration, or its default.
    Configuration,
    /// An operator.
    Operator,
}

/// A limit as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitStatus {
    /// What holds.
    pub value: u64,
    /// What the configuration says.
    pub configured: u64,
    /// Whose value holds.
    pub source: LimitSource,
    /// Why an operator set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When an operator set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_at: Option<Timestamp>,
    /// The user who set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

/// What one client, and all together, may ask for; changed while the server runs.
#[derive(Debug)]
pub struct Limits {
    /// Requests of one client.
    pub requests: RateLimit,
    /// Turns of one client.
    pub turns: RateLimit,
    connections: AtomicUsize,
    known: Mutex<Known>,
    /// Held while a change is kept and then applied, so that two changes are applied in the order in which they are kept.
    changing: tokio::sync::Mutex<()>,
}

/// Where the limits come from.
#[derive(Debug)]
struct Known {
    configured: LimitSettings,
    set: BTreeMap<LimitName, SetLimit>,
}

impl Known {
    fn effective(&self) -> LimitSettings {
        let mut settings = self.configured;
        for (name, limit) in &self.set {
            name.put(&mut settings, limit.value);
        }
        settings
    }
}

impl Limits {
    /// The configured limits, and those that operators have set.
    pub fn new(configured: LimitSettings, set: Vec<SetLimit>) -> Self {
        let known = Known {
            configured,
            set: understood(set),
        };
        let effective = known.effective();
        Self {
            requests: RateLimit::new(effective.requests_per_minute),
            turns: RateLimit::new(effective.turns_per_minute),
            connections: AtomicUsize::new(effective.connections),
            known: Mutex::new(known),
            changing: tokio::sync::Mutex::new(()),
        }
    }

    /// Takes over changed settings. `apply` is told what holds now.
    pub fn configure(&self, configured: LimitSettings, apply: impl FnOnce(LimitSettings)) {
        let mut known = self.known();
        known.configured = configured;
        apply(self.hold(&known));
    }

    /// Sets limits, or with `None` gives them back to the configuration, once that is kept. `apply` is told what holds
    /// then.
    pub async fn change(
        &self,
        store: &OperatorStore,
        changes: &BTreeMap<LimitName, Option<u64>>,
        act: &Act,
        apply: impl FnOnce(LimitSettings),
    ) -> Result<(), OperatorStoreError> {
        let _in_order = self.changing.lock().await;
        let named: Vec<(&str, Option<u64>)> = changes
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        store.set_limits(&named, act).await?;
        let set = understood(store.limits().await?);
        let mut known = self.known();
        known.set = set;
        apply(self.hold(&known));
        Ok(())
    }

    /// Every limit with where it comes from, by name.
    pub fn statuses(&self) -> Vec<(LimitName, LimitStatus)> {
        let known = self.known();
        let status = |name: LimitName| {
            let configured = name.of(&known.configured);
            match known.set.get(&name) {
                None => LimitStatus {
                    value: configured,
                    configured,
                    source: LimitSource::Configuration,
                    reason: None,
                    set_at: None,
                    uid: None,
                },
                Some(set) => LimitStatus {
                    value: set.value,
                    configured,
                    source: LimitSource::Operator,
                    reason: set.reason.clone(),
                    set_at: Some(set.set_at),
                    uid: Some(set.uid),
                },
            }
        };
        LimitName::ALL.map(|name| (name, status(name))).into()
    }

    /// What holds now.
    pub fn effective(&self) -> LimitSettings {
        self.known().effective()
    }

    /// Connections at once.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Makes what is known hold, as far as it is held here. What is known is locked until the rest is told of it too, so
    /// that of two changes the later one holds everywhere.
    fn hold(&self, known: &Known) -> LimitSettings {
        let effective = known.effective();
        self.requests.set(effective.requests_per_minute);
        self.turns.set(effective.turns_per_minute);
        self.connections.store(effective.connections, Ordering::Relaxed);
        effective
    }

    /// A panic while it was locked leaves what was set before.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The limits that this release has, with values that it takes: another one may have kept them.
fn understood(set: Vec<SetLimit>) -> BTreeMap<LimitName, SetLimit> {
    let understood = |limit: SetLimit| {
        let name = LimitName::by_name(&limit.name).filter(|name| name.range().contains(&limit.value));
        if name.is_none() {
            tracing::warn!(
                limit = limit.name,
                value = limit.value,
                "a limit that an operator set is not one of this release, and does not hold"
            );
        }
        Some((name?, limit))
    };
    set.into_iter().filter_map(understood).collect()
}

#[cfg(test)]
mod tests {
    use greenroom_store::Operator;

    use super::*;

    const CONFIGURED: LimitSettings = LimitSettings {
        connections: 100,
        sessions: 200,
        uploads: 3,
        voice_lines: 400,
        requests_per_minute: 500,
        turns_per_minute: 600,
    };

    fn act() -> Act {
        Act {
            at: Timestamp::from_unix_ms(5),
            by: Operator { uid: 7, pid: None },
            reason: Some("a crowd".to_owned()),
        }
    }

    fn set(name: &str, value: u64) -> SetLimit {
        SetLimit {
            name: name.to_owned(),
            value,
            uid: 0,
            reason: None,
            set_at: Timestamp::default(),
        }
    }

    #[test]
    fn every_limit_has_a_name_and_a_place_of_its_own() {
        let mut settings = CONFIGURED;
        for (number, name) in (1_000..).zip(LimitName::ALL) {
            assert_eq!(LimitName::by_name(name.as_str()), Some(name));
            name.put(&mut settings, number);
        }
        let read = LimitName::ALL.map(|name| name.of(&settings));
        assert_eq!(read, [1_000, 1_001, 1_002, 1_003, 1_004, 1_005]);
        assert_eq!(LimitName::by_name("pages"), None);
    }

    #[test]
    fn what_another_release_has_kept_does_not_hold() {
        let limits = Limits::new(CONFIGURED, vec![set("pages", 1), set("connections", 0)]);
        assert_eq!(limits.effective(), CONFIGURED);
    }

    #[tokio::test]
    async fn a_limit_that_an_operator_set_holds_until_it_is_given_back_whatever_the_configuration_says() {
        let folder = tempfile::tempdir().unwrap();
        let store = OperatorStore::open(folder.path()).await.unwrap();
        let limits = Limits::new(CONFIGURED, Vec::new());
        let mut told = None;
        let changes = BTreeMap::from([
            (LimitName::Connections, Some(1)),
            (LimitName::TurnsPerMinute, Some(0)),
        ]);
        let apply = |settings| told = Some(settings);
        limits.change(&store, &changes, &act(), apply).await.unwrap();
        let expected = LimitSettings {
            connections: 1,
            turns_per_minute: 0,
            ..CONFIGURED
        };
        assert_eq!((told, limits.connections()), (Some(expected), 1));
        let (_, status) = &limits.statuses()[0];
        assert_eq!((status.value, status.configured, status.uid), (1, 100, Some(7)));
        assert_eq!(status.reason.as_deref(), Some("a crowd"));

        let reread = LimitSettings {
            connections: 50,
            sessions: 51,
            ..CONFIGURED
        };
        limits.configure(reread, |settings| told = Some(settings));
        let expected_now = LimitSettings {
            connections: 1,
            turns_per_minute: 0,
            ..reread
        };
        assert_eq!(told, Some(expected_now));
        let after_restart = Limits::new(CONFIGURED, store.limits().await.unwrap());
        assert_eq!(after_restart.effective(), expected);

        let back = BTreeMap::from([(LimitName::Connections, None)]);
        limits.change(&store, &back, &act(), |_| {}).await.unwrap();
        assert_eq!(limits.connections(), 50);
        assert_eq!(limits.statuses()[0].1.source, LimitSource::Configuration);
    }
}
