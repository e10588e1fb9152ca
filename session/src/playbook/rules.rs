//! What a stage's output must obey beyond what a JSON Schema can say.

use serde_json::Value;

use super::StageSpec;

/// A rule on a stage's output. Paths are JSON pointers of lists; times are seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// A list of `{start, end}`: the first starts at 0, each ends after it starts, none starts before the one
    /// before it has ended.
    Timeline {
        /// The list.
        path: String,
    },
    /// A list of `{start, end}` in rising order that lies within a timeline.
    Within {
        /// The list.
        path: String,
        /// The list that bounds it.
        timeline: String,
    },
    /// A list in which each of these texts occurs.
    Contains {
        /// The list.
        path: String,
        /// The field of an element that is compared; none if the elements are texts themselves.
        field: Option<String>,
        /// What must occur.
        values: Vec<String>,
    },
}

/// An element of a list of times.
struct Span {
    start: f64,
    end: f64,
}

impl StageSpec {
    /// What is wrong with an output that obeys the stage's schema already, each told so that the model can mend it:
    /// blank texts anywhere, then the breaches of the stage's rules.
    pub fn violations(&self, output: &Value) -> Vec<String> {
        let mut violations = Vec::new();
        report_blank_texts(output, &mut String::new(), &mut violations);
        for rule in &self.rules {
            violations.extend(rule.violations(output));
        }
        violations
    }
}

impl Rule {
    fn violations(&self, output: &Value) -> Vec<String> {
        match self {
            Self::Timeline { path } => timeline_violations(path, &spans(output, path)),
            Self::Within { path, timeline } => {
                within_violations(path, &spans(output, path), timeline, &spans(output, timeline))
            }
            Self::Contains { path, field, values } => {
                let present: Vec<&str> = elements(output, path)
                    .iter()
                    .filter_map(|element| field.as_ref().map_or(Some(element), |field| element.get(field)))
                    .filter_map(Value::as_str)
                    .collect();
                let missing = values.iter().filter(|value| !present.contains(&value.as_str()));
                missing
                    .map(|value| format!("{path} lacks `{value}`; add it"))
                    .collect()
            }
        }
    }
}

fn timeline_violations(path: &str, spans: &[Span]) -> Vec<String> {
    let mut violations = order_violations(path, spans);
    // The exact zero is what the contract asks for; a model writes it as the literal 0.0.
    if let Some(first) = spans.first().filter(|first| first.start != 0.0) {
        violations.push(format!(
            "{path}/0 starts at {}; the first must start at 0.0",
            first.start
        ));
    }
    violations
}

fn within_violations(path: &str, spans: &[Span], timeline: &str, bounds: &[Span]) -> Vec<String> {
    let mut violations = order_violations(path, spans);
    let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else {
        violations.push(format!("{timeline} is empty, so nothing can lie within it"));
        return violations;
    };
    for (index, span) in spans.iter().enumerate() {
        if span.start < first.start || span.end > last.end {
            violations.push(format!(
                "{path}/{index} lasts from {} to {}; it must lie within {timeline}, from {} to {}",
                span.start, span.end, first.start, last.end
            ));
        }
    }
    violations
}

fn order_violations(path: &str, spans: &[Span]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut previous_end = None;
    for (index, span) in spans.iter().enumerate() {
        if span.end <= span.start {
            violations.push(format!(
                "{path}/{index} ends at {}, not after its start {}",
                span.end, span.start
            ));
        }
        if let Some(previous_end) = previous_end.filter(|previous_end| span.start < *previous_end) {
            violations.push(format!(
                "{path}/{index} starts at {}, before the one before it has ended at {previous_end}",
                span.start
            ));
        }
        previous_end = Some(span.end);
    }
    violations
}

fn elements<'a>(output: &'a Value, path: &str) -> &'a [Value] {
    output
        .pointer(path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn spans(output: &Value, path: &str) -> Vec<Span> {
    let seconds = |element: &Value, field| element.get(field).and_then(Value::as_f64);
    elements(output, path)
        .iter()
        .filter_map(|element| {
            Some(Span {
                start: seconds(element, "start")?,
                end: seconds(element, "end")?,
            })
        })
        .collect()
}

/// A schema of the strict subset cannot ask for a text that says something.
fn report_blank_texts(value: &Value, path: &mut String, violations: &mut Vec<String>) {
    let path_len = path.len();
    let mut descend = |segment: &str, child: &Value| {
        path.push('/');
        path.push_str(segment);
        report_blank_texts(child, path, violations);
        path.truncate(path_len);
    };
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                descend(&index.to_string(), item);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                descend(name, field);
            }
        }
        Value::String(text) if text.trim().is_empty() => {
            violations.push(format!("{path} is blank; write its text"));
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}
