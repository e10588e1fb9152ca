//! What goes wrong, and when: drawn from one seed, counted by kind, so that a seed is a whole history.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Odds are in thousandths.
const CERTAIN: u64 = 1_000;

/// What a port, an actor or a server may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    AppendFailed,
    /// The outcome of an append is not known, and it was written.
    AppendUnknownWritten,
    /// The outcome of an append is not known, and it was not written.
    AppendUnknownLost,
    AppendSlow,
    OpenUnavailable,
    ReadUnavailable,
    /// Reading the log panics, as folding it might.
    ReadPanics,
    JournalDown,
    DiskFull,
    /// Another writer takes the session over.
    WriterStolen,
    /// The fold of a part of the log was kept.
    SnapshotKept,
    /// What was kept is not what it was.
    SnapshotDamaged,
    ModelSlow,
    /// The stream ends before the reply does.
    ModelCut,
    ModelHangs,
    ModelFails,
    ModelRefuses,
    ModelUnreachable,
    /// The reply is whole and breaks its contract.
    ModelBreaksContract,
    ModelPanics,
    /// The provider has forgotten a response that it went on with.
    ResponseLost,
    ModeratorFlags,
    ModeratorDown,
    ModeratorHangs,
    ModeratorPanics,
    /// A session panics in the middle of a decision.
    SessionPanics,
    BlobUnavailable,
    ClockSetBack,
    ClockSetForward,
    /// The process is gone at once.
    ServerKilled,
    /// The server drains and stops.
    ServerDrained,
}

impl Fault {
    pub const ALL: [Self; 31] = [
        Self::AppendFailed,
        Self::AppendUnknownWritten,
        Self::AppendUnknownLost,
        Self::AppendSlow,
        Self::OpenUnavailable,
        Self::ReadUnavailable,
        Self::ReadPanics,
        Self::JournalDown,
        Self::DiskFull,
        Self::WriterStolen,
        Self::SnapshotKept,
        Self::SnapshotDamaged,
        Self::ModelSlow,
        Self::ModelCut,
        Self::ModelHangs,
        Self::ModelFails,
        Self::ModelRefuses,
        Self::ModelUnreachable,
        Self::ModelBreaksContract,
        Self::ModelPanics,
        Self::ResponseLost,
        Self::ModeratorFlags,
        Self::ModeratorDown,
        Self::ModeratorHangs,
        Self::ModeratorPanics,
        Self::SessionPanics,
        Self::BlobUnavailable,
        Self::ClockSetBack,
        Self::ClockSetForward,
        Self::ServerKilled,
        Self::ServerDrained,
    ];

    /// How often it strikes where it is enabled, in thousandths of the occasions.
    fn odds(self) -> u64 {
        match self {
            Self::AppendFailed | Self::AppendUnknownWritten | Self::AppendUnknownLost => 15,
            Self::SessionPanics => 12,
            Self::BlobUnavailable | Self::ResponseLost => 600,
            Self::ReadPanics | Self::OpenUnavailable | Self::ReadUnavailable => 40,
            Self::JournalDown | Self::ServerDrained | Self::ServerKilled => 15,
            Self::ClockSetBack
            | Self::ClockSetForward
            | Self::DiskFull
            | Self::WriterStolen
            | Self::SnapshotKept
            | Self::SnapshotDamaged => 20,
            Self::AppendSlow
            | Self::ModelRefuses
            | Self::ModelUnreachable
            | Self::ModelPanics
            | Self::ModeratorDown
            | Self::ModeratorHangs
            | Self::ModeratorPanics => 50,
            Self::ModelSlow
            | Self::ModelCut
            | Self::ModelHangs
            | Self::ModelFails
            | Self::ModelBreaksContract
            | Self::ModeratorFlags => 100,
        }
    }
}

/// Numbers that look random and follow from a seed alone: `SplitMix64`, so that no release of any crate changes what a
/// seed means.
#[derive(Debug)]
pub struct Chance(Mutex<u64>);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    pub fn draw(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.draw() % bound
    }

    pub fn index(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    pub fn one_in(&self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// One of the choices, each as often as its weight says.
    pub fn weigh<T: Copy>(&self, choices: &[(u64, T)]) -> T {
        let total: u64 = choices.iter().map(|(weight, _)| weight).sum();
        let mut at = self.below(total);
        for (weight, choice) in choices {
            match at.checked_sub(*weight) {
                None => return *choice,
                Some(rest) => at = rest,
            }
        }
        unreachable!("the weights sum to the total")
    }

    pub fn up_to(&self, longest: Duration) -> Duration {
        let longest_ms = u64::try_from(longest.as_millis()).unwrap();
        Duration::from_millis(self.below(longest_ms + 1))
    }

    /// A number between 0 and 1.
    pub fn fraction(&self) -> f64 {
        f64::from(u32::try_from(self.below(1_001)).unwrap()) / 1_000.0
    }
}

/// What one history has in store, and what was found out about the product in it.
#[derive(Debug)]
pub struct Fate {
    pub chance: Chance,
    /// How many times its usual odds each fault has. Each history has its own mixture, so that no fault always hides
    /// behind another.
    mixture: BTreeMap<Fault, u64>,
    calm: AtomicBool,
    counts: Mutex<BTreeMap<String, u64>>,
    findings: Mutex<Vec<String>>,
}

impl Fate {
    pub fn new(seed: u64) -> Self {
        let chance = Chance::new(seed);
        let mixture = Fault::ALL.map(|fault| (fault, chance.weigh(&[(6, 0), (5, 1), (1, 4)])));
        Self {
            chance,
            mixture: mixture.into(),
            calm: AtomicBool::new(false),
            counts: Mutex::default(),
            findings: Mutex::default(),
        }
    }

    /// Whether a fault strikes now. One that does is counted.
    pub fn strikes(&self, fault: Fault) -> bool {
        let odds = fault.odds() * self.mixture[&fault];
        let strikes = !self.is_calm() && self.chance.below(CERTAIN) < odds;
        if strikes {
            self.count(format!("{fault:?}"));
        }
        strikes
    }

    /// Nothing goes wrong from now on.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub fn count(&self, what: impl Into<String>) {
        *self.counts.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().unwrap().clone()
    }

    /// The product broke a rule.
    pub fn find(&self, finding: String) {
        self.findings.lock().unwrap().push(finding);
    }

    /// The first rule that was broken.
    pub fn found(&self) -> Option<String> {
        self.findings.lock().unwrap().first().cloned()
    }
}
