//! What a call cost, by an editable table.

use std::collections::BTreeMap;
use std::path::Path;

use greenroom_session::{CallCost, Usage};
use serde::Deserialize;

/// The table that ships with the server.
const BUILT_IN: &str = include_str!("../prices.toml");

/// No model costs this much; a larger price is a slip of the pen.
const USD_MAX: f64 = 1_000_000.0;

/// Costs are summed up in parts of a millionth of a dollar that divide every unit of the table.
const SHARES_PER_MICRO_USD: u128 = 3_000_000;
const PER_MILLION: u128 = SHARES_PER_MICRO_USD / 1_000_000;
const PER_THOUSAND: u128 = SHARES_PER_MICRO_USD / 1_000;
const PER_MINUTE_IN_MS: u128 = SHARES_PER_MICRO_USD / 60_000;

/// Prices by model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTable {
    prices: Vec<(NamePattern, Price)>,
}

/// Why a price table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceTableError {
    /// The file cannot be read.
    #[error("the price table cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is not a price table.
    #[error("the price table is malformed: {0}")]
    Malformed(#[from] toml::de::Error),
    /// A price is not one.
    #[error(
        "the price table says that `{field}` of `{model}` is {price}; it must be from 0 to {USD_MAX} dollars"
    )]
    Price {
        /// Of which model.
        model: String,
        /// Which price.
        field: &'static str,
        /// What stands there.
        price: f64,
    },
    /// A row says nothing, or half of what it must.
    #[error(
        "the price table says too little of `{0}`: it must have `input` and `output`, `audio_minute`, `characters`, \
         or `free = true` alone"
    )]
    Incomplete(String),
    /// A pattern has a `*` where there may be none, or no name.
    #[error("the price table names a model `{0}`; a name is not empty, and a `*` may only end it")]
    Pattern(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceFile {
    models: BTreeMap<String, PriceRow>,
}

/// US dollars per million tokens, per thousand searches, per minute of audio, and per million characters.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PriceRow {
    input: Option<f64>,
    cached_input: Option<f64>,
    output: Option<f64>,
    search: Option<f64>,
    audio_minute: Option<f64>,
    characters: Option<f64>,
    free: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum NamePattern {
    /// The model and its dated snapshots.
    Model(String),
    /// Every model that begins so.
    Prefix(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Price {
    Free,
    Metered(Rates),
}

/// What a model is paid for. What it uses beyond that is included, searches excepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rates {
    tokens: Option<TokenPrice>,
    /// A thousand of them.
    search: Option<MicroUsd>,
    audio_minute: Option<MicroUsd>,
    /// A million of them.
    characters: Option<MicroUsd>,
}

/// What a million tokens cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TokenPrice {
    input: MicroUsd,
    cached_input: MicroUsd,
    output: MicroUsd,
}

/// Whole millionths of a dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MicroUsd(u64);

impl PriceTable {
    /// The table that ships with the server.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the built-in table is read by a test")
    }

    /// Reads a table from a file; for the start of the server, since it blocks.
    pub fn read(path: &Path) -> Result<Self, PriceTableError> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// Reads a table from TOML, in the form of `prices.toml`.
    pub fn parse(text: &str) -> Result<Self, PriceTableError> {
        let file: PriceFile = toml::from_str(text)?;
        let prices = file.models.into_iter().map(|(model, row)| {
            let price = Price::of(&model, &row)?;
            Ok((NamePattern::parse(model)?, price))
        });
        Ok(Self {
            prices: prices.collect::<Result<_, PriceTableError>>()?,
        })
    }

    /// What a call to a model cost: exact, then rounded up to a whole millionth of a dollar. Without a usage it is
    /// known only of a model that is free.
    pub fn cost(&self, model: &str, usage: Option<&Usage>) -> CallCost {
        let fitting = self.prices.iter().filter(|(pattern, _)| pattern.matches(model));
        let price = fitting
            .max_by_key(|(pattern, _)| pattern.specificity())
            .map(|(_, price)| price);
        price.map_or(CallCost::Unknown, |price| price.of_call(usage))
    }
}

impl NamePattern {
    fn parse(text: String) -> Result<Self, PriceTableError> {
        let (name, is_prefix) = text
            .strip_suffix('*')
            .map_or((text.as_str(), false), |name| (name, true));
        if name.is_empty() || name.contains('*') {
            Err(PriceTableError::Pattern(text))
        } else if is_prefix {
            Ok(Self::Prefix(name.to_owned()))
        } else {
            Ok(Self::Model(text))
        }
    }

    fn matches(&self, model: &str) -> bool {
        match self {
            Self::Model(name) => model.strip_prefix(name.as_str()).is_some_and(is_snapshot_suffix),
            Self::Prefix(prefix) => model.starts_with(prefix.as_str()),
        }
    }

    /// The longer name wins; of two that are equally long, the one without `*`.
    fn specificity(&self) -> (usize, bool) {
        match self {
            Self::Model(name) => (name.len(), true),
            Self::Prefix(prefix) => (prefix.len(), false),
        }
    }
}

/// Whether what follows a model's name is nothing, or the date of a snapshot: `-2024-08-06` or `-0613`.
fn is_snapshot_suffix(suffix: &str) -> bool {
    let shape: String = suffix
        .chars()
        .map(|char| if char.is_ascii_digit() { '0' } else { char })
        .collect();
    matches!(shape.as_str(), "" | "-0000-00-00" | "-00000000" | "-0000")
}

impl Price {
    fn of(model: &str, row: &PriceRow) -> Result<Self, PriceTableError> {
        let micro_usd = |field: &'static str, price: Option<f64>| {
            let refusal = |price: f64| PriceTableError::Price {
                model: model.to_owned(),
                field,
                price,
            };
            let read = price.map(|price| MicroUsd::of_usd(price).ok_or_else(|| refusal(price)));
            read.transpose()
        };
        let input = micro_usd("input", row.input)?;
        let cached_input = micro_usd("cached_input", row.cached_input)?;
        let output = micro_usd("output", row.output)?;
        let search = micro_usd("search", row.search)?;
        let audio_minute = micro_usd("audio_minute", row.audio_minute)?;
        let characters = micro_usd("characters", row.characters)?;
        let incomplete = || PriceTableError::Incomplete(model.to_owned());
        let tokens = match (input, output) {
            (Some(input), Some(output)) => Some(TokenPrice {
                input,
                cached_input: cached_input.unwrap_or(input),
                output,
            }),
            (None, None) if cached_input.is_none() => None,
            _ => return Err(incomplete()),
        };
        let says_a_price = tokens.is_some() || audio_minute.is_some() || characters.is_some();
        match (row.free, says_a_price) {
            (true, false) if search.is_none() => Ok(Self::Free),
            (false, true) => Ok(Self::Metered(Rates {
                tokens,
                search,
                audio_minute,
                characters,
            })),
            _ => Err(incomplete()),
        }
    }

    fn of_call(&self, usage: Option<&Usage>) -> CallCost {
        match (self, usage) {
            (Self::Free, _) => CallCost::Known(0),
            (Self::Metered(_), None) => CallCost::Unknown,
            (Self::Metered(rates), Some(usage)) => rates.of_call(usage),
        }
    }
}

impl Rates {
    fn of_call(&self, usage: &Usage) -> CallCost {
        let cached_tokens = usage.cached_tokens.min(usage.input_tokens);
        let tokens = self.tokens.map(|price| {
            shares(usage.input_tokens - cached_tokens, price.input, PER_MILLION)
                + shares(cached_tokens, price.cached_input, PER_MILLION)
                + shares(usage.output_tokens, price.output, PER_MILLION)
        });
        let searches = self
            .search
            .map(|price| shares(usage.searches.into(), price, PER_THOUSAND));
        let audio = self
            .audio_minute
            .map(|price| shares(usage.audio_ms, price, PER_MINUTE_IN_MS));
        let characters = self
            .characters
            .map(|price| shares(usage.characters, price, PER_MILLION));
        let meters = [
            (usage.input_tokens > 0 || usage.output_tokens > 0, tokens),
            (usage.audio_ms > 0, audio),
            (usage.characters > 0, characters),
        ];
        let is_used = meters.iter().any(|(used, _)| *used);
        let is_paid_for = meters.iter().any(|(used, cost)| *used && cost.is_some());
        if is_used && !is_paid_for || usage.searches > 0 && searches.is_none() {
            return CallCost::Unknown;
        }
        let costs = meters.into_iter().filter_map(|(_, cost)| cost);
        let cost = costs.chain(searches).sum::<u128>().div_ceil(SHARES_PER_MICRO_USD);
        CallCost::Known(u64::try_from(cost).unwrap_or(u64::MAX))
    }
}

/// What a number of units cost, in shares of a millionth of a dollar.
fn shares(count: u64, MicroUsd(price): MicroUsd, shares_per_unit: u128) -> u128 {
    u128::from(count) * u128::from(price) * shares_per_unit
}

impl MicroUsd {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked"
    )]
    fn of_usd(usd: f64) -> Option<Self> {
        (0.0..=USD_MAX)
            .contains(&usd)
            .then(|| Self((usd * 1e6).round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input_tokens: u64, cached_tokens: u64, output_tokens: u64, searches: u32) -> Usage {
        Usage {
            input_tokens,
            cached_tokens,
            output_tokens,
            searches,
            ..Usage::default()
        }
    }

    #[test]
    fn the_built_in_table_prices_a_call_to_the_millionth() {
        let check = |model: &str, usage: Usage, micro_usd: u64| {
            assert_eq!(
                PriceTable::built_in().cost(model, Some(&usage)),
                CallCost::Known(micro_usd),
                "{model}"
            );
        };
        check("gpt-4o", usage(1_000_000, 0, 0, 0), 2_500_000);
        check("gpt-4o-mini", usage(1_000, 400, 200, 0), 90 + 30 + 120);
        check("gpt-4.1-mini", usage(0, 0, 1_000_000, 0), 1_600_000);
        check("gpt-5", usage(2_000, 1_000, 100, 3), 1_250 + 125 + 1_000 + 30_000);
        check("o4-mini", usage(10, 0, 10, 0), 11 + 44);
        check("sim-large", usage(1_000, 0, 1_000, 1), 10 + 40 + 100);
        check("gpt-6.1-terra", usage(2_000, 1_000, 100, 0), 1_000 + 50 + 500);
        check("gpt-5-nano", usage(0, 0, 0, 0), 0);
    }

    #[test]
    fn speech_is_paid_for_by_the_minute_or_by_the_character_and_moderation_is_free() {
        let check = |model: &str, audio_ms: u64, characters: u64, micro_usd: Option<u64>| {
            let usage = Usage {
                audio_ms,
                characters,
                ..Usage::default()
            };
            let expected = micro_usd.map_or(CallCost::Unknown, CallCost::Known);
            assert_eq!(
                PriceTable::built_in().cost(model, Some(&usage)),
                expected,
                "{model}"
            );
        };
        check("whisper-1", 60_000, 0, Some(6_000));
        check("gpt-4o-transcribe", 30_000, 0, Some(3_000));
        check("gpt-4o-mini-transcribe-2025-12-15", 1, 0, Some(1));
        check("gpt-transcribe", 20_000, 0, Some(1_500));
        check("tts-1", 0, 1_000, Some(15_000));
        check("tts-1-hd", 90_000, 1_000, Some(30_000));
        check("gpt-4o-mini-tts", 4_000, 80, Some(1_000));
        // Nobody told how long it plays, and the characters have no price.
        check("gpt-4o-mini-tts", 0, 80, None);
        check("gpt-4o", 1_000, 0, None);
        check("omni-moderation-2024-09-26", 0, 0, Some(0));
        check("sim-ear", 60_000, 0, Some(100));
        check("sim-mouth", 0, 1_000_000, Some(10_000));
    }

    #[test]
    fn what_has_no_price_is_included_in_what_has_one() {
        let table = PriceTable::built_in();
        let usage = Usage {
            audio_ms: 60_000,
            ..usage(700, 0, 200, 0)
        };
        assert_eq!(
            table.cost("gpt-4o-mini-transcribe", Some(&usage)),
            CallCost::Known(3_000)
        );
        assert_eq!(table.cost("sim-large", Some(&usage)), CallCost::Known(115));
    }

    #[test]
    fn without_a_usage_only_what_is_free_has_a_cost() {
        let table = PriceTable::built_in();
        assert_eq!(table.cost("omni-moderation-latest", None), CallCost::Known(0));
        assert_eq!(table.cost("sim-moderation", None), CallCost::Known(0));
        assert_eq!(table.cost("whisper-1", None), CallCost::Unknown);
        assert_eq!(table.cost("my-own", None), CallCost::Unknown);
    }

    #[test]
    fn a_cost_is_rounded_up_and_never_overflows() {
        let table = PriceTable::built_in();
        assert_eq!(
            table.cost("gpt-5-nano", Some(&usage(1, 0, 0, 0))),
            CallCost::Known(1)
        );
        assert_eq!(
            table.cost("gpt-4o", Some(&usage(1, 5, 0, 0))),
            CallCost::Known(2),
            "more cached than read"
        );
        assert_eq!(
            table.cost("gpt-4o", Some(&usage(u64::MAX, 0, u64::MAX, u32::MAX))),
            CallCost::Known(u64::MAX)
        );
    }

    #[test]
    fn a_name_is_the_model_and_its_snapshots() {
        let table = PriceTable::built_in();
        let million_written = usage(0, 0, 1_000_000, 0);
        let check = |model: &str, expected| {
            assert_eq!(table.cost(model, Some(&million_written)), expected, "{model}");
        };
        check("gpt-4o-2024-08-06", CallCost::Known(10_000_000));
        check("gpt-4o-mini-2024-07-18", CallCost::Known(600_000));
        check("gpt-5.1-2025-11-13", CallCost::Known(10_000_000));
        // Kin of a listed model that costs something else.
        for unknown in [
            "gpt-5-pro",
            "gpt-5.9",
            "gpt-4o-audio-preview",
            "gpt-4",
            "qwen3:8b",
            "",
            "my-gpt-4o",
        ] {
            check(unknown, CallCost::Unknown);
        }
    }

    #[test]
    fn the_longest_name_that_fits_counts() {
        let row = |name: &str, output: u32| format!("[models.\"{name}\"]\ninput = 0\noutput = {output}\n");
        let table = [row("a*", 1), row("a-b*", 2), row("a-b-c", 3), row("a-b-c*", 4)].concat();
        let table = PriceTable::parse(&table).unwrap();
        let check = |model: &str, usd: u64| {
            assert_eq!(
                table.cost(model, Some(&usage(0, 0, 1, 0))),
                CallCost::Known(usd),
                "{model}"
            );
        };
        check("a-x", 1);
        check("a-b", 2);
        check("a-b-c", 3);
        check("a-b-c-2025-01-01", 3);
        check("a-b-c-d", 4);
    }

    #[test]
    fn searches_without_a_price_make_the_cost_unknown() {
        let table = PriceTable::parse("[models.m]\ninput = 1\noutput = 1\n").unwrap();
        assert_eq!(
            table.cost("m", Some(&usage(1, 1, 0, 0))),
            CallCost::Known(1),
            "cached tokens cost what others do"
        );
        assert_eq!(table.cost("m", Some(&usage(1, 0, 0, 1))), CallCost::Unknown);
    }

    #[test]
    fn a_bad_table_is_refused_with_what_is_wrong() {
        let check = |text: &str, expected: &str| {
            let message = PriceTable::parse(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        check("[models.m]\ninput = 1\n", "output");
        check("[models.m]\ninput = 1\noutput = 1\noutptu = 1\n", "outptu");
        check("[models.m]\ninput = -1\noutput = 1\n", "`input` of `m` is -1");
        check("[models.m]\ninput = 1\noutput = nan\n", "`output` of `m`");
        check(
            "[models.m]\ninput = 1\noutput = 1\nsearch = inf\n",
            "`search` of `m`",
        );
        for too_little in [
            "",
            "search = 1\n",
            "cached_input = 1\naudio_minute = 1\n",
            "free = true\naudio_minute = 1\n",
            "free = true\nsearch = 1\n",
            "free = false\n",
        ] {
            check(&format!("[models.m]\n{too_little}"), "too little of `m`");
        }
        check("[models.m]\naudio_minute = -1\n", "`audio_minute` of `m` is -1");
        check("[models.m]\ncharacters = inf\n", "`characters` of `m`");
        check("[models.\"*\"]\ninput = 1\noutput = 1\n", "`*`");
        check("[models.\"a*b\"]\ninput = 1\noutput = 1\n", "`a*b`");
        assert!(matches!(
            PriceTable::read(Path::new("no/such/file")),
            Err(PriceTableError::Unreadable(_))
        ));
    }
}
