//! What a schema allows of a number, a text or a list, and values brought within it.

use serde_json::{Number, Value};

use super::chance::Chance;

/// Steps beyond this are not found exactly by floating-point numbers.
const INTEGER_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Fewest and most of something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub(super) min: usize,
    pub(super) max: usize,
}

impl Count {
    pub(super) fn of(schema: &Value, min_key: &str, max_key: &str) -> Self {
        let read = |key: &str| schema[key].as_u64().and_then(|count| usize::try_from(count).ok());
        Self {
            min: read(min_key).unwrap_or(0),
            max: read(max_key).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn clamp(self, wanted: usize) -> usize {
        wanted.max(self.min).min(self.max)
    }
}

/// The number nearest to the wanted one that the schema allows.
pub(super) fn number(schema: &Value, wanted: f64, chance: Chance) -> Option<Number> {
    let is_integer = schema["type"] == "integer"
        || schema["type"].as_array().is_some_and(|types| {
            types.contains(&Value::from("integer")) && !types.contains(&Value::from("number"))
        });
    let step = match schema["multipleOf"].as_f64() {
        Some(step) if is_integer => least_common_step(step),
        Some(step) => step,
        None if is_integer => 1.0,
        None => 0.0,
    };
    let lower = schema["minimum"].as_f64().unwrap_or(f64::NEG_INFINITY);
    let upper = schema["maximum"].as_f64().unwrap_or(f64::INFINITY);
    let above = schema["exclusiveMinimum"].as_f64().unwrap_or(f64::NEG_INFINITY);
    let below = schema["exclusiveMaximum"].as_f64().unwrap_or(f64::INFINITY);
    let allowed = |value: &f64| *value >= lower && *value <= upper && *value > above && *value < below;
    let (floor, ceiling) = (lower.max(above), upper.min(below));

    let candidates: Vec<f64> = if step > 0.0 {
        let nearest = (wanted.max(floor).min(ceiling) / step).round() * step;
        vec![
            nearest,
            nearest + step,
            nearest - step,
            (floor / step).ceil() * step,
            (floor / step).floor() * step + step,
        ]
    } else {
        let inside = floor + (ceiling - floor) * (0.25 + chance.unit() / 2.0);
        vec![wanted, inside, floor, ceiling, floor + 1.0, ceiling - 1.0]
    };
    let value = candidates
        .into_iter()
        .filter(|value| value.is_finite())
        .find(allowed)?;
    if is_integer {
        integer(value)
    } else {
        Number::from_f64(value)
    }
}

/// Whole numbers that are multiples of a step: the step itself if it is whole, else the first multiple that is.
fn least_common_step(step: f64) -> f64 {
    (1..=1_000u16)
        .map(|times| step * f64::from(times))
        .find(|multiple| multiple.fract() == 0.0)
        .unwrap_or(step)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be whole and exactly representable"
)]
fn integer(value: f64) -> Option<Number> {
    (value.fract() == 0.0 && value.abs() <= INTEGER_EXACT_MAX).then(|| Number::from(value as i64))
}

/// A text cut or continued until it has a length, in characters, within the bounds.
pub(super) fn fit(text: &str, length: Count) -> String {
    let mut fitted: String = text.chars().take(length.max).collect();
    let missing = length.min.saturating_sub(fitted.chars().count());
    fitted.extend(std::iter::once(' ').chain(text.chars()).cycle().take(missing));
    fitted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, wanted: f64) -> Value {
        let value = Value::Number(number(schema, wanted, Chance::new(1, "n")).unwrap());
        assert!(jsonschema::is_valid(schema, &value), "{value} against {schema}");
        value
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        assert_eq!(
            check(&json!({ "type": "number", "minimum": 0, "maximum": 1 }), 0.7),
            json!(0.7)
        );
        check(
            &json!({ "type": "number", "exclusiveMinimum": 0.0, "exclusiveMaximum": 0.01 }),
            5.0,
        );
        assert_eq!(
            check(&json!({ "type": "integer", "minimum": 3, "maximum": 3 }), 9.0),
            json!(3)
        );
        assert_eq!(
            check(
                &json!({ "type": "integer", "multipleOf": 7, "minimum": 50 }),
                10.0
            ),
            json!(56)
        );
        check(
            &json!({ "type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6 }),
            100.0,
        );
        check(&json!({ "type": ["integer", "null"], "maximum": -3 }), 2.0);
    }

    #[test]
    fn an_empty_range_has_no_number() {
        assert_eq!(
            number(
                &json!({ "type": "number", "minimum": 2, "maximum": 1 }),
                1.5,
                Chance::new(1, "n")
            ),
            None
        );
    }

    #[test]
    fn texts_get_the_length_that_is_asked_for() {
        for (min, max) in [(0, 3), (40, 60), (8, 8), (0, 0), (9, 9)] {
            let length = fit("여덟 글자 문장", Count { min, max }).chars().count();
            assert!(
                (min..=max).contains(&length),
                "{length} is not within {min} to {max}"
            );
        }
    }
}
