//! What the simulator answers to a prompt, before it is put into the form of an API.

use std::sync::Arc;

use super::author::{self, Chance, Facts};
use super::bill::BilledUsage;
use super::error::ProviderError;
use super::fault::{BreachMode, Fault};
use super::pace;
use super::prompt::{OutputFormat, Prompt};
use super::search::{Search, SearchHit, search};

/// Tokens that a schema and the form of a request add to its texts.
const TOKENS_OF_FORM: u64 = 8;

/// A reply.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// What is written: an answer, or why there is none. Empty if functions are called.
    pub(crate) text: Arc<str>,
    /// Whether the text says why there is no answer.
    pub(crate) is_refusal: bool,
    /// The functions that are called instead of an answer.
    pub(crate) calls: Vec<FunctionCall>,
    pub(crate) searches: Vec<Search>,
    /// Whether the reply was cut at the tokens that the request allows.
    pub(crate) is_cut: bool,
    pub(crate) usage: BilledUsage,
    /// How the text falls into pieces.
    pub(crate) chance: Chance,
}

/// A call of one of the client's functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FunctionCall {
    pub(crate) name: String,
    /// An object as JSON.
    pub(crate) arguments: Arc<str>,
}

impl Reply {
    /// Searches if the prompt asks for it, and writes. The same seed and prompt give the same reply.
    pub(crate) fn compose(prompt: &Prompt, seed: u64, fault: Option<Fault>) -> Result<Self, ProviderError> {
        let chance = Chance::new(seed, &prompt.fingerprint());
        let facts = Facts::of(prompt);
        let is_refusal = fault == Some(Fault::Refusal);
        let searches = if prompt.search.is_on && !is_refusal {
            vec![search(&facts, chance.at("search"))]
        } else {
            Vec::new()
        };
        let mut reply = Self {
            text: Arc::from(""),
            is_refusal,
            calls: Vec::new(),
            usage: BilledUsage {
                input_tokens: input_tokens(prompt),
                searches: u64::try_from(searches.len()).unwrap_or(u64::MAX),
                ..BilledUsage::default()
            },
            searches,
            is_cut: false,
            chance: chance.at("pieces"),
        };
        if is_refusal {
            reply.write(author::refusal(&facts), prompt);
            return Ok(reply);
        }
        for function in prompt.tools.wanted(&prompt.messages) {
            let chance = chance.at("call").at(&function.name);
            let arguments = author::arguments(&function.parameters, &facts, chance)
                .map_err(|error| unwritable("tools", &error.to_string()))?;
            reply.call(function.name.clone(), &arguments, prompt);
        }
        if reply.calls.is_empty() {
            let breach = match fault {
                Some(Fault::Breach { mode }) => Some(mode),
                _ => None,
            };
            let text = reply.author(prompt, &facts, breach, chance.at("text"))?;
            reply.write(&text, prompt);
        }
        Ok(reply)
    }

    /// The text that answers the prompt.
    fn author(
        &self,
        prompt: &Prompt,
        facts: &Facts,
        breach: Option<BreachMode>,
        chance: Chance,
    ) -> Result<String, ProviderError> {
        let hits: Vec<SearchHit> = self
            .searches
            .iter()
            .flat_map(|search| search.hits.clone())
            .collect();
        let written = author::author(prompt, facts, &hits, chance)
            .map_err(|error| unwritable("text.format.schema", &error.to_string()))?;
        Ok(match breach {
            Some(breach) => author::break_schema(&written, breach),
            None => written,
        })
    }

    /// Takes a text, as far as the prompt lets it go.
    fn write(&mut self, text: &str, prompt: &Prompt) {
        let first_stop = prompt.stops.iter().filter_map(|stop| text.find(stop)).min();
        let text = first_stop.map_or(text, |at| &text[..at]);
        let allowed = pace::first_tokens(text, prompt.output_tokens_max.unwrap_or(u64::MAX));
        self.is_cut = allowed.len() < text.len();
        self.usage.output_tokens = pace::tokens(allowed);
        self.text = Arc::from(allowed);
    }

    /// Takes a call of a function, unless the tokens that are allowed are used up.
    fn call(&mut self, name: String, arguments: &str, prompt: &Prompt) {
        if self.is_cut {
            return;
        }
        let left = prompt
            .output_tokens_max
            .unwrap_or(u64::MAX)
            .saturating_sub(self.usage.output_tokens);
        let allowed = pace::first_tokens(arguments, left);
        self.is_cut = allowed.len() < arguments.len();
        self.usage.output_tokens += pace::tokens(allowed);
        self.calls.push(FunctionCall {
            name,
            arguments: Arc::from(allowed),
        });
    }

    /// Everything that is written, to measure by.
    pub(crate) fn written(&self) -> String {
        let arguments = self.calls.iter().map(|call| call.arguments.as_ref());
        std::iter::once(self.text.as_ref()).chain(arguments).collect()
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

fn unwritable(param: &str, reason: &str) -> ProviderError {
    ProviderError::invalid(param, "invalid_json_schema", reason)
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
    let functions = prompt.tools.functions.iter();
    let functions: u64 = functions
        .map(|function| pace::tokens(&function.name) + pace::tokens(&function.parameters.to_string()))
        .sum();
    texts + pace::tokens(&prompt.instructions) + schema + functions + TOKENS_OF_FORM
}
