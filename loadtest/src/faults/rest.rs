//! Waits until nothing is under way any more, and looks at what is still there when nobody is.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::finding::Finding;
use crate::client::Client;
use crate::world::World;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks in a row that have to show the same before it counts as rest.
const QUIET_LOOKS: usize = 3;
/// How long a session stays in memory that nobody needs, and some more for a busy machine.
const PASSIVATED_WITHIN: Duration = Duration::from_secs(90);
/// Gauges that count what belongs to somebody who is there.
const OF_SOMEBODY: [&str; 2] = ["greenroom_sockets", "greenroom_voice_lines"];
/// TCP connections, of which those who look here keep some open themselves.
const CONNECTIONS: (&str, f64) = ("greenroom_connections", 4.0);

/// What can be seen of the server's work from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    sessions: usize,
    /// Events of all sessions together.
    heads: u64,
    /// Sessions that mean to wake by themselves.
    waking: usize,
    /// Calls that the simulator is answering.
    calls_open: u64,
}

impl Look {
    async fn at(world: &World) -> anyhow::Result<Self> {
        let rows = world.session_rows().await?;
        Ok(Self {
            sessions: rows.len(),
            heads: rows.iter().filter_map(|row| row["head"].as_u64()).sum(),
            waking: rows.iter().filter(|row| !row["wake_at"].is_null()).count(),
            calls_open: world.statement().await?.totals.open,
        })
    }

    fn is_quiet(&self) -> bool {
        self.waking == 0 && self.calls_open == 0
    }
}

/// Waits until several looks in a row show no work, but no longer than this.
pub(super) async fn at_rest(world: &World, within: Duration) -> anyhow::Result<Vec<Finding>> {
    let until = Instant::now() + within;
    let mut last = Look::at(world).await?;
    let mut quiet = 0;
    while quiet < QUIET_LOOKS {
        if Instant::now() > until {
            return Ok(vec![Finding::NotAtRest {
                what: format!("{last:?} after {within:?}"),
            }]);
        }
        sleep(LOOK_EVERY).await;
        let look = Look::at(world).await?;
        quiet = if look == last && look.is_quiet() {
            quiet + 1
        } else {
            0
        };
        last = look;
    }
    Ok(Vec::new())
}

/// Waits until the server has forgotten everybody, and names what it has not.
pub(super) async fn nobody_left(world: &World) -> anyhow::Result<Vec<Finding>> {
    let until = Instant::now() + PASSIVATED_WITHIN;
    loop {
        let left = left_over(world).await?;
        if left.is_empty() || Instant::now() > until {
            return Ok(left);
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn left_over(world: &World) -> anyhow::Result<Vec<Finding>> {
    let metrics = Client::new(&world.server_url())?.text("/metrics").await?;
    let gauges = OF_SOMEBODY
        .map(|name| (name, 0.0))
        .into_iter()
        .chain([CONNECTIONS]);
    let left = gauges.filter_map(|(name, may_be)| {
        let value = gauge(&metrics, name)?;
        (value > may_be).then(|| Finding::TaskLeft {
            gauge: name.to_owned(),
            value,
        })
    });
    let (_, page): (u16, Value) = world.admin("/sessions?limit=1").await?;
    let live = page["live"]
        .as_f64()
        .context("the operator is told how many are live")?;
    let live = (live != 0.0).then(|| Finding::TaskLeft {
        gauge: "sessions live".to_owned(),
        value: live,
    });
    Ok(left.chain(live).collect())
}

/// The sum of a metric over its labels; none if there is none of the name.
fn gauge(metrics: &str, name: &str) -> Option<f64> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let is_it = rest.starts_with([' ', '{']);
        let value = rest.rsplit(' ').next().filter(|_| is_it)?;
        value.parse::<f64>().ok()
    });
    values.reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_not_taken_for_one_with_a_longer_name() {
        let metrics =
            "# HELP a_b what\n# TYPE a_b gauge\na_b{kind=\"x\"} 2\na_b{kind=\"y z\"} 3\na_bc 7\na 1\n";
        assert_eq!(gauge(metrics, "a_b"), Some(5.0));
        assert_eq!(gauge(metrics, "a"), Some(1.0));
        assert_eq!(gauge(metrics, "b"), None);
    }
}
