//! Support for values that are chosen, priced or counted: only the words for them, or the numbers, count.

use serde_json::{Number, Value};

use super::{Judge, REWORDED, SAME_WORDS, Text, UNSURE, Unsupported, amounts, tokens};
use crate::extractor::lexis::{
    Amount, Span, asserted_amounts, asserted_numbers, common_band, equals, is_number, numerals, options_said,
};
use crate::playbook::ChoiceOption;

impl Judge<'_, '_> {
    /// A choice is said by its own words.
    pub(super) fn choice(
        &self,
        value: &Value,
        options: &[ChoiceOption],
    ) -> Result<(Value, f64), Unsupported> {
        let wanted = option_of(value, options).ok_or(Unsupported::Shape)?;
        let cap = self.option_cap(wanted, options)?;
        Ok((Value::String(options[wanted].value.clone()), cap))
    }

    /// A band follows from the amounts that were said, or is said by its own words.
    pub(super) fn price(&self, value: &Value, options: &[ChoiceOption]) -> Result<(Value, f64), Unsupported> {
        let Some(table) = self.price_table else {
            return self.choice(value, options);
        };
        let said: Vec<Amount> = self
            .sentences
            .iter()
            .flat_map(|sentence| {
                asserted_amounts(self.text, sentence.span, &tokens(self.text, *sentence), table)
            })
            .collect();
        let quoted: Vec<Amount> = said
            .iter()
            .filter(|amount| amount.span.overlaps(self.quote))
            .copied()
            .collect();
        if option_of(value, options).is_none() {
            let proposed = proposed_amount(value)?;
            let proposed = Text::new(&proposed);
            let proposed = amounts(&proposed, proposed.span(), table);
            let [proposed] = proposed.as_slice() else {
                return Err(Unsupported::Shape);
            };
            let same = |amount: &&Amount| (amount.value - proposed.value).abs() < f64::EPSILON;
            let said = said.iter().find(same).ok_or(Unsupported::NumberDiffers)?;
            let band = common_band(table, &[*said]).ok_or(Unsupported::NumberDiffers)?;
            return Ok((Value::String(band.to_owned()), SAME_WORDS));
        }
        let wanted = option_of(value, options).ok_or(Unsupported::Shape)?;
        let band = common_band(table, &said).or_else(|| common_band(table, &quoted));
        match band {
            Some(band) if band == options[wanted].value => Ok((Value::String(band.to_owned()), SAME_WORDS)),
            Some(_) => Err(Unsupported::NumberDiffers),
            None => self.choice(value, options),
        }
    }

    /// A number is said as this number.
    pub(super) fn number(
        &self,
        value: &Value,
        options: &[i64],
        units: &[String],
    ) -> Result<(Value, f64), Unsupported> {
        let wanted = proposed_number(value).ok_or(Unsupported::Shape)?;
        let option = *options
            .iter()
            .find(|option| is_number(wanted, **option))
            .ok_or(Unsupported::Shape)?;
        let said: Vec<(f64, Span)> = self
            .sentences
            .iter()
            .flat_map(|sentence| {
                asserted_numbers(self.text, sentence.span, &tokens(self.text, *sentence), units)
            })
            .collect();
        let quoted: Vec<_> = said
            .iter()
            .filter(|(_, words)| words.overlaps(self.quote))
            .collect();
        let says = if quoted.is_empty() {
            said.iter().any(|(value, _)| is_number(*value, option))
        } else {
            quoted.iter().all(|(value, _)| is_number(*value, option))
        };
        if says {
            Ok((Value::Number(Number::from(option)), SAME_WORDS))
        } else {
            Err(Unsupported::NumberDiffers)
        }
    }

    fn option_cap(&self, wanted: usize, options: &[ChoiceOption]) -> Result<f64, Unsupported> {
        let said: Vec<(usize, Span)> = self
            .sentences
            .iter()
            .flat_map(|sentence| {
                options_said(self.text, sentence.span, &tokens(self.text, *sentence), options)
            })
            .collect();
        if !said.iter().any(|(option, _)| *option == wanted) {
            return Err(Unsupported::NotSaid);
        }
        // When two options were named, only the planner's reading tells them apart.
        Ok(if said.iter().all(|(option, _)| *option == wanted) {
            REWORDED
        } else {
            UNSURE
        })
    }
}

/// The option that a value names, by itself or by one of its words.
fn option_of(value: &Value, options: &[ChoiceOption]) -> Option<usize> {
    let value = value.as_str()?.trim();
    let by_value = options.iter().position(|option| option.value == value);
    by_value.or_else(|| {
        let text = Text::new(value);
        options
            .iter()
            .position(|option| option.words.iter().any(|word| equals(text.chars(), word)))
    })
}

fn proposed_amount(value: &Value) -> Result<String, Unsupported> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(Unsupported::Shape),
    }
}

fn proposed_number(value: &Value) -> Option<f64> {
    if let Some(number) = value.as_f64() {
        return Some(number);
    }
    let text = Text::new(value.as_str()?);
    match numerals(&text, text.span()).as_slice() {
        [numeral] => Some(numeral.value),
        _ => None,
    }
}
