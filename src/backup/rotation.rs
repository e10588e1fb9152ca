//! Which backups are kept: the newest of each hour and of each day, for so many of them.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Says what it is to who looks into the folder.
const PREFIX: &str = "greenroom-";
const FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// The name of a backup's folder: when it was begun, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupName(DateTime);

/// A folder that is no backup.
#[derive(Debug, PartialEq, Eq)]
pub struct NotABackup;

impl BackupName {
    /// Of a backup that begins now.
    pub fn of(now: Timestamp) -> Self {
        let at = TimeZone::UTC.to_datetime(now);
        // A name has whole seconds.
        Self(at.with().subsec_nanosecond(0).build().unwrap_or(at))
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0.strftime(FORMAT))
    }
}

impl FromStr for BackupName {
    type Err = NotABackup;

    fn from_str(name: &str) -> Result<Self, NotABackup> {
        let time = name.strip_prefix(PREFIX).ok_or(NotABackup)?;
        DateTime::strptime(FORMAT, time).map(Self).map_err(|_| NotABackup)
    }
}

/// Those of all backups, oldest first, that need not be kept. The newest always is.
pub fn outdated(backups: &[BackupName], hours_kept: usize, days_kept: usize) -> Vec<BackupName> {
    let mut kept: HashSet<String> = backups.last().map(ToString::to_string).into_iter().collect();
    kept.extend(newest_of_each(backups, hours_kept, |at| (at.date(), at.hour())));
    kept.extend(newest_of_each(backups, days_kept, DateTime::date));
    let all = backups.iter().copied();
    all.filter(|backup| !kept.contains(&backup.to_string())).collect()
}

/// The newest backups of the newest spans of time.
fn newest_of_each<K: Eq + Hash>(
    backups: &[BackupName],
    spans_max: usize,
    span_of: impl Fn(DateTime) -> K,
) -> Vec<String> {
    let mut spans = HashSet::new();
    let newest_first = backups.iter().rev();
    let newest = newest_first.filter(|backup| spans.insert(span_of(backup.0)));
    newest.take(spans_max).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(time: &str) -> BackupName {
        format!("{PREFIX}{time}").parse().unwrap()
    }

    #[track_caller]
    fn check(hours: usize, days: usize, all: &[&str], expected: &[&str]) {
        let all: Vec<BackupName> = all.iter().map(|time| backup(time)).collect();
        let expected: Vec<BackupName> = expected.iter().map(|time| backup(time)).collect();
        assert_eq!(outdated(&all, hours, days), expected);
    }

    #[test]
    fn a_name_tells_when() {
        let now: Timestamp = "2026-11-21T19:05:09.7Z".parse().unwrap();
        let name = BackupName::of(now);
        assert_eq!(name.to_string(), "greenroom-20261121T190509Z");
        assert_eq!(name.to_string().parse(), Ok(name));
        for other in [
            "",
            "greenroom-",
            "greenroom-20261121",
            "data",
            ".partial-greenroom-20261121T190509Z",
        ] {
            assert_eq!(other.parse::<BackupName>(), Err(NotABackup), "{other}");
        }
    }

    #[test]
    fn the_newest_of_each_hour_and_of_each_day_are_kept() {
        let all = [
            "20261118T235900Z",
            "20261119T100000Z",
            "20261119T235900Z",
            "20261121T080000Z",
            "20261121T090000Z",
            "20261121T093000Z",
            "20261121T100000Z",
        ];
        check(
            2,
            2,
            &all,
            &[
                "20261118T235900Z",
                "20261119T100000Z",
                "20261121T080000Z",
                "20261121T090000Z",
            ],
        );
        check(24, 30, &all, &["20261121T090000Z"]);
        check(0, 1, &all, &all[..6]);
    }

    #[test]
    fn the_newest_is_kept_whatever_is_asked() {
        check(
            0,
            0,
            &["20261119T100000Z", "20261121T100000Z"],
            &["20261119T100000Z"],
        );
        check(24, 30, &[], &[]);
    }

    #[test]
    fn a_year_of_hourly_backups_comes_down_to_a_day_of_hours_and_a_month_of_days() {
        let start: Timestamp = "2026-01-01T00:30:00Z".parse().unwrap();
        let hours = (0..365 * 24).map(|hour| start + jiff::SignedDuration::from_hours(hour));
        let all: Vec<BackupName> = hours.map(BackupName::of).collect();
        // The newest of today is among the hours.
        assert_eq!(all.len() - outdated(&all, 24, 30).len(), 24 + 29);
    }
}
