//! Percentiles, of values that are kept and of values that are only counted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// The width of a bucket of [`LagCounts`].
const BUCKET: Duration = Duration::from_micros(100);
/// Buckets of [`LagCounts`]: a second of them; the last one holds everything beyond.
const BUCKETS: usize = 10_000;

/// What is told of many values, in their unit. Percentiles are of the nearest rank: always one of the values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Distribution {
    /// How many there are; with none, everything else is zero.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half of them are at most this.
    pub p50: f64,
    /// 95 of 100 are at most this.
    pub p95: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Distribution {
    /// Of these values, none of which may be NaN.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let Some(max) = values.last().copied() else {
            return Self::default();
        };
        let percentile = |percent: usize| values[nearest_rank(values.len() as u64, percent) as usize - 1];
        Self {
            count: values.len() as u64,
            mean: values.iter().sum::<f64>() / values.len() as f64,
            p50: percentile(50),
            p95: percentile(95),
            p99: percentile(99),
            max,
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>9.1} {:>9.1} {:>9.1} {:>9.1}  ({})",
            self.p50, self.p95, self.p99, self.max, self.count
        )
    }
}

/// The place, counted from 1, of the percentile among `count` sorted values (at least one).
fn nearest_rank(count: u64, percent: usize) -> u64 {
    (count * percent as u64).div_ceil(100).max(1)
}

/// Counts how late frames left, without keeping each: many threads count at once.
#[derive(Debug)]
pub(super) struct LagCounts {
    buckets: Vec<AtomicU64>,
}

impl LagCounts {
    pub(super) fn new() -> Self {
        Self {
            buckets: std::iter::repeat_with(AtomicU64::default).take(BUCKETS).collect(),
        }
    }

    /// Counts one.
    pub(super) fn add(&self, lag: Duration) {
        let bucket = (lag.as_micros() / BUCKET.as_micros()) as usize;
        self.buckets[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted, in milliseconds, each value as the upper end of its bucket.
    pub(super) fn distribution(&self) -> Distribution {
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .collect();
        let count = counts.iter().sum();
        if count == 0 {
            return Distribution::default();
        }
        let upper_ms = |bucket: usize| (bucket + 1) as f64 * BUCKET.as_secs_f64() * 1_000.0;
        let at_rank = |rank: u64| {
            let mut below = 0;
            let reaches = |counted: &u64| {
                below += counted;
                below >= rank
            };
            upper_ms(counts.iter().position(reaches).unwrap_or(BUCKETS - 1))
        };
        let sum: f64 = counts
            .iter()
            .enumerate()
            .map(|(bucket, counted)| upper_ms(bucket) * *counted as f64)
            .sum();
        Distribution {
            count,
            mean: sum / count as f64,
            p50: at_rank(nearest_rank(count, 50)),
            p95: at_rank(nearest_rank(count, 95)),
            p99: at_rank(nearest_rank(count, 99)),
            max: at_rank(count),
        }
    }
}

/// Milliseconds, with their fraction.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values_by_its_nearest_rank() {
        // The textbook's example: 15, 20, 35, 40, 50 have the 50th percentile 35 and the 95th 50.
        let few = Distribution::of(vec![50.0, 15.0, 40.0, 20.0, 35.0]);
        assert_eq!((few.p50, few.p95, few.p99, few.max), (35.0, 50.0, 50.0, 50.0));
        assert_eq!((few.count, few.mean), (5, 32.0));

        let hundred = Distribution::of((1..=100).map(f64::from).collect());
        assert_eq!(
            (hundred.p50, hundred.p95, hundred.p99, hundred.max),
            (50.0, 95.0, 99.0, 100.0)
        );
        let two = Distribution::of(vec![-3.0, 7.0]);
        assert_eq!((two.p50, two.p95), (-3.0, 7.0));
        assert_eq!(Distribution::of(Vec::new()), Distribution::default());
    }

    #[test]
    fn counted_values_have_the_percentiles_of_kept_ones_to_a_bucket() {
        let lags_us: Vec<u64> = (0..1_000).map(|index| index * index % 90_000).collect();
        let counted = LagCounts::new();
        for lag_us in &lags_us {
            counted.add(Duration::from_micros(*lag_us));
        }
        let kept = Distribution::of(lags_us.iter().map(|lag_us| *lag_us as f64 / 1_000.0).collect());
        let counted = counted.distribution();
        assert_eq!(counted.count, kept.count);
        for (counted, kept) in [
            (counted.p50, kept.p50),
            (counted.p95, kept.p95),
            (counted.p99, kept.p99),
            (counted.max, kept.max),
            (counted.mean, kept.mean),
        ] {
            assert!((0.0..=0.1001).contains(&(counted - kept)), "{counted} {kept}");
        }
    }

    #[test]
    fn what_is_later_than_the_last_bucket_is_counted_there() {
        let counted = LagCounts::new();
        counted.add(Duration::from_mins(1));
        assert!((counted.distribution().max - 1_000.0).abs() < 1e-6);
        assert_eq!(LagCounts::new().distribution(), Distribution::default());
    }
}
