//! What the simulator answers to a prompt, before it is put into the form of an API.

use std::sync::Arc;

use super::author::{self, Chance, Facts};
use super::bill::BilledUsage;
use super::error::ProviderError;
use super::fault::BreachMode;
use super::pace;
use super::prompt::{OutputFormat, Prompt, WebSearch};
use super::search::{Search, SearchHit, search};

/// Tokens that a schema and the form of a request add to its texts.
const TOKENS_OF_FORM: u64 = 8;

/// A reply.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) text: Arc<str>,
    pub(crate) searches: Vec<Search>,
    /// Whether the text was cut at the tokens that the request allows.
    pub(crate) is_cut: bool,
    pub(crate) usage: BilledUsage,
    /// How the text falls into pieces.
    pub(crate) chance: Chance,
}

impl Reply {
    /// Searches if the prompt asks for it, and writes. The same seed and prompt give the same reply.
    pub(crate) fn compose(
        prompt: &Prompt,
        seed: u64,
        breach: Option<BreachMode>,
    ) -> Result<Self, ProviderError> {
        let chance = Chance::new(seed, &prompt.fingerprint());
        let facts = Facts::of(prompt);
        let searches = match prompt.search {
            WebSearch::Off => Vec::new(),
            WebSearch::Cited | WebSearch::CitedWithSources => vec![search(&facts, chance.at("search"))],
        };
        let hits: Vec<SearchHit> = searches.iter().flat_map(|search| search.hits.clone()).collect();
        let written = author::author(prompt, &facts, &hits, chance.at("text")).map_err(|error| {
            ProviderError::invalid("text.format.schema", "invalid_json_schema", error.to_string())
        })?;
        let written = breach.map_or(written.clone(), |breach| author::break_schema(&written, breach));
        let allowed = pace::first_tokens(&written, prompt.output_tokens_max.unwrap_or(u64::MAX));
        Ok(Self {
            is_cut: allowed.len() < written.len(),
            usage: BilledUsage {
                input_tokens: input_tokens(prompt),
                output_tokens: pace::tokens(allowed),
                searches: u64::try_from(searches.len()).unwrap_or(u64::MAX),
            },
            text: Arc::from(allowed),
            searches,
            chance: chance.at("pieces"),
        })
    }

    /// Everything that the searches found and that the text names, with where it is named in characters.
    pub(crate) fn citations(&self) -> Vec<Citation<'_>> {
        self.searches
            .iter()
            .flat_map(|search| &search.hits)
            .filter_map(|hit| {
                let at_byte = self.text.find(&hit.url)?;
                let start = self.text[..at_byte].chars().count();
                Some(Citation {
                    hit,
                    start,
                    end: start + hit.url.chars().count(),
                })
            })
            .collect()
    }
}

/// A place in the text that names something found.
#[derive(Debug)]
pub(crate) struct Citation<'a> {
    pub(crate) hit: &'a SearchHit,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

fn input_tokens(prompt: &Prompt) -> u64 {
    let texts: u64 = prompt
        .messages
        .iter()
        .map(|message| pace::tokens(&message.text))
        .sum();
    let schema = match &prompt.format {
        OutputFormat::Schema { schema, .. } => pace::tokens(&schema.to_string()),
        OutputFormat::Text | OutputFormat::JsonObject => 0,
    };
    texts + pace::tokens(&prompt.instructions) + schema + TOKENS_OF_FORM
}
