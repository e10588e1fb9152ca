//! Wakes the sessions that have something due and are not in memory: at start, and from then on.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use greenroom_protocol::{Millis, SessionId};
use greenroom_session::ports::ReadError;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::directory::is_lasting;
use crate::shared::Shared;
use crate::{Directory, Refused};

/// How often the index of due sessions is read. A session in memory minds its own timer.
const INTERVAL: Duration = Duration::from_secs(30);
/// How far ahead of its time a session is woken: twice the interval, so that none is missed between two reads.
/// A session that wants to be woken sooner than this stays in memory.
pub(crate) const LOOK_AHEAD: Millis = Millis(60_000);
/// The pause before the next read, when there may be more or the index could not be read.
const PAUSE: Duration = Duration::from_secs(1);
/// Sessions that one read is to find beyond those in memory, which the index names too.
const PAGE_SESSIONS: usize = 500;
/// Logs that are folded at once.
const FOLDS_AT_ONCE_MAX: usize = 16;

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, directory: Directory) {
    // Sessions that cannot be activated, as far as anybody knows: whoever asks for one still may, but it costs nothing
    // more by itself. An operator who has mended one restarts it, or the server.
    let mut hopeless = HashSet::new();
    loop {
        let pause = match wake_due(&shared, &directory, &mut hopeless).await {
            Ok(Found::All) => INTERVAL,
            Ok(Found::PerhapsMore) => PAUSE,
            Err(error) => {
                tracing::warn!(%error, "the index of due sessions cannot be read");
                PAUSE
            }
        };
        sleep(pause).await;
    }
}

/// Whether one read showed all that is due.
enum Found {
    All,
    PerhapsMore,
}

async fn wake_due(
    shared: &Shared,
    directory: &Directory,
    hopeless: &mut HashSet<SessionId>,
) -> Result<Found, ReadError> {
    let horizon = shared.ports.clock.now().after(LOOK_AHEAD);
    let limit = directory.live() + hopeless.len() + PAGE_SESSIONS;
    let due = shared.ports.journal.due(&shared.tenant, horizon, limit).await?;
    let found = if due.len() < limit {
        Found::All
    } else {
        Found::PerhapsMore
    };
    let asleep: Vec<SessionId> = due
        .into_iter()
        .filter(|session| is_asleep(shared, *session) && !hopeless.contains(session))
        .collect();
    if asleep.is_empty() {
        return Ok(found);
    }
    tracing::info!(sessions = asleep.len(), "waking sessions that have something due");
    // An interval of zero is not one.
    let mut pace = interval(shared.config.recovery_pace.max(Duration::from_micros(1)));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let paced = stream::unfold((pace, asleep.into_iter()), |(mut pace, mut asleep)| async move {
        let session = asleep.next()?;
        pace.tick().await;
        Some((session, (pace, asleep)))
    });
    let woken = paced
        // Answered once the log is folded.
        .map(async |session| (session, directory.inspect(session).await))
        .buffer_unordered(FOLDS_AT_ONCE_MAX);
    let mut woken = pin!(woken);
    while let Some((session, answer)) = woken.next().await {
        let Err(refused) = answer else { continue };
        tracing::warn!(session_id = %session, error = %refused, "session not woken");
        if matches!(&refused, Refused::Rejected(error) if is_lasting(error.code)) {
            hopeless.insert(session);
        }
    }
    Ok(found)
}

fn is_asleep(shared: &Shared, session: SessionId) -> bool {
    shared
        .registry
        .get(session)
        .is_none_or(|entry| entry.generation().is_none())
}
