//! The simulated web search: what it finds lies under domains reserved for examples.

use serde::{Deserialize, Serialize};

use super::author::{Chance, Facts, mark, wording};

/// Results of one search.
const HITS: usize = 5;
/// Domains that nobody can own (RFC 2606).
const HOSTS: [&str; 3] = ["example.com", "example.org", "example.net"];

/// One search with what it found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// What was searched for.
    pub query: String,
    /// What was found.
    pub hits: Vec<SearchHit>,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchHit {
    /// Its address, always `https`.
    pub url: String,
    /// Its title.
    pub title: String,
    /// What it says of what was searched for.
    pub passage: String,
}

impl SearchHit {
    /// The host of its address.
    pub(crate) fn host(&self) -> &str {
        self.url.split('/').nth(2).unwrap_or_default()
    }
}

/// Searches for what the brief is about. The same brief and chance find the same.
pub(crate) fn search(facts: &Facts, chance: Chance) -> Search {
    let query = match facts.choose("ko", "en") {
        "ko" => format!("{} {} 시장 동향", facts.category, facts.name),
        _ => format!("{} {} market trends", facts.category, facts.name),
    };
    let subjects = [
        facts.choose("동향 메모", "trend note"),
        facts.choose("고객 인터뷰 예시", "sample customer interview"),
        facts.choose("채널 운영 예시", "sample channel notes"),
        facts.choose("가격 비교 예시", "sample price comparison"),
        facts.choose("후기 모음 예시", "sample reviews"),
    ];
    let hits = (0..HITS)
        .map(|index| {
            let chance = chance.at(&format!("hit {index}"));
            SearchHit {
                url: format!(
                    "https://{}/sim/{}",
                    HOSTS[index % HOSTS.len()],
                    &chance.hex()[..10]
                ),
                title: format!(
                    "{}{}: {}",
                    mark(facts.locale),
                    facts.category,
                    subjects[index % subjects.len()]
                ),
                passage: wording::text(facts, "signal", index, chance.below(64)),
            }
        })
        .collect();
    Search { query, hits }
}
