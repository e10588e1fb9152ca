//! Rate limits: a bucket of tokens for each user and for each client address.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use greenroom_session::UserKey;
use tokio::time::Instant;

/// Clients remembered at once. Beyond it those whose bucket has filled up again are forgotten, and if none has,
/// a newcomer shares one bucket with all other newcomers.
const CLIENTS_MAX: usize = 50_000;
/// A bucket holds what flows in during this time, so that a page may load in one burst.
const BURST: Duration = Duration::from_secs(15);

/// Users who may share one address at their full rate: a home, an office. More of them share what these have.
const USERS_PER_ADDRESS: u32 = 10;

/// Who asks. Whoever invents user keys still comes from one address, so both are charged.
#[derive(Debug, Clone)]
pub struct Client {
    /// Where the request comes from.
    pub address: IpAddr,
    /// The user's key, if one was sent.
    pub user: Option<UserKey>,
}

/// Whose bucket it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum BucketKey {
    /// A user, wherever they come from.
    User(UserKey),
    /// Whoever comes from this address without a user key.
    Address(IpAddr),
    /// All users who come from this address.
    UsersAt(IpAddr),
    /// Newcomers while the table is full.
    Crowd,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

/// One limit over all clients.
#[derive(Debug)]
pub struct RateLimit {
    per_minute: AtomicU32,
    buckets: DashMap<BucketKey, Bucket>,
    clients_max: usize,
}

impl RateLimit {
    /// A limit of so many a minute for each client; 0 means no limit.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute: AtomicU32::new(per_minute),
            buckets: DashMap::new(),
            clients_max: CLIENTS_MAX,
        }
    }

    /// Changes the limit; buckets keep what they hold.
    pub fn set(&self, per_minute: u32) {
        self.per_minute.store(per_minute, Ordering::Relaxed);
    }

    /// Takes one token of the user and one of those that the users of an address share, or one of the address for
    /// whoever has no key; or says after how many seconds there will be one. The address comes first: keys that are
    /// invented beyond its rate do not fill the table.
    pub fn take(&self, client: &Client) -> Result<(), u32> {
        match &client.user {
            Some(user) => {
                self.take_of(BucketKey::UsersAt(client.address))?;
                self.take_of(BucketKey::User(user.clone()))
            }
            None => self.take_of(BucketKey::Address(client.address)),
        }
    }

    fn take_of(&self, client: BucketKey) -> Result<(), u32> {
        let per_minute = self.per_minute.load(Ordering::Relaxed);
        if per_minute == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let client = self.admit(client, per_minute, now);
        let rate = client.rate(per_minute);
        let mut bucket = self.buckets.entry(client).or_insert(Bucket {
            tokens: rate.capacity,
            filled_at: now,
        });
        let tokens = rate.level(&bucket, now);
        let taken = tokens >= 1.0;
        *bucket = Bucket {
            tokens: if taken { tokens - 1.0 } else { tokens },
            filled_at: now,
        };
        if taken {
            Ok(())
        } else {
            Err(rate.seconds_until_one(tokens))
        }
    }

    /// The client itself while there is room for it.
    fn admit(&self, client: BucketKey, per_minute: u32, now: Instant) -> BucketKey {
        if self.buckets.len() < self.clients_max || self.buckets.contains_key(&client) {
            return client;
        }
        self.buckets.retain(|client, bucket| {
            let rate = client.rate(per_minute);
            rate.level(bucket, now) < rate.capacity
        });
        if self.buckets.len() < self.clients_max {
            client
        } else {
            BucketKey::Crowd
        }
    }
}

impl BucketKey {
    fn rate(&self, per_minute: u32) -> Rate {
        match self {
            Self::User(_) | Self::Address(_) | Self::Crowd => Rate::new(per_minute),
            Self::UsersAt(_) => Rate::new(per_minute.saturating_mul(USERS_PER_ADDRESS)),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: f64,
    capacity: f64,
}

impl Rate {
    fn new(per_minute: u32) -> Self {
        let per_second = f64::from(per_minute) / 60.0;
        Self {
            per_second,
            capacity: (per_second * BURST.as_secs_f64()).max(1.0),
        }
    }

    fn level(self, bucket: &Bucket, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(bucket.filled_at).as_secs_f64();
        (bucket.tokens + elapsed * self.per_second).min(self.capacity)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 60, rounded up"
    )]
    fn seconds_until_one(self, tokens: f64) -> u32 {
        ((1.0 - tokens) / self.per_second).ceil().max(1.0) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Client {
        Client {
            address: IpAddr::from([127, 0, 0, last]),
            user: None,
        }
    }

    fn user(name: &str, last: u8) -> Client {
        Client {
            user: Some(name.parse().unwrap()),
            ..address(last)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_taken_then_the_rate_holds() {
        let limit = RateLimit::new(60);
        assert_eq!(
            (0..100).take_while(|_| limit.take(&address(1)).is_ok()).count(),
            15
        );
        assert_eq!(limit.take(&address(1)), Err(1));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(
            (0..100).take_while(|_| limit.take(&address(1)).is_ok()).count(),
            3
        );
    }

    #[tokio::test(start_paused = true)]
    async fn clients_do_not_share_a_bucket() {
        let limit = RateLimit::new(4);
        assert_eq!(limit.take(&address(1)), Ok(()));
        assert_eq!(limit.take(&address(1)), Err(15));
        assert_eq!(limit.take(&address(2)), Ok(()));
        assert_eq!(limit.take(&user("alice", 3)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn neither_an_invented_key_nor_another_address_makes_a_new_client() {
        let limit = RateLimit::new(4);
        let invented =
            (0..100).take_while(|number| limit.take(&user(&format!("invented-{number}"), 1)).is_ok());
        assert_eq!(
            invented.count(),
            10,
            "as many as may share an address, and no more"
        );
        assert_eq!(limit.take(&user("alice", 2)), Ok(()));
        assert_eq!(
            limit.take(&user("alice", 3)),
            Err(15),
            "a user is one wherever they come from"
        );
        assert_eq!(limit.take(&user("bob", 3)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_of_clients_is_bounded() {
        let limit = RateLimit {
            clients_max: 2,
            ..RateLimit::new(4)
        };
        for client in [1, 2] {
            assert_eq!(limit.take(&address(client)), Ok(()));
        }
        assert_eq!(
            limit.take(&address(3)),
            Ok(()),
            "the first newcomer takes the crowd's token"
        );
        assert!(limit.take(&address(4)).is_err(), "the second finds it taken");
        assert_eq!(limit.buckets.len(), 3);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(
            limit.take(&address(5)),
            Ok(()),
            "buckets that are full again are forgotten"
        );
        assert_eq!(limit.buckets.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_can_be_lifted() {
        let limit = RateLimit::new(1);
        limit.set(0);
        assert!((0..1_000).all(|_| limit.take(&address(1)).is_ok()));
    }
}
