//! What a prompt tells of the product: the brief, the language and the outputs of earlier stages.

use greenroom_protocol::Locale;
use serde_json::{Map, Value};

use crate::provider::prompt::Prompt;

/// Length of a video when neither the brief nor an earlier stage says one.
const VIDEO_SECONDS_DEFAULT: f64 = 10.0;

/// The words that simulated texts are made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    pub(crate) locale: Locale,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) features: Vec<String>,
    pub(crate) who: String,
    pub(crate) why: String,
    pub(crate) channels: Vec<String>,
    pub(crate) video_seconds: f64,
    /// Every text and number of the brief; a choice that occurs here is preferred to others.
    pub(crate) values: Vec<Value>,
}

impl Facts {
    /// Reads the first fenced JSON block of the user's messages. What is not told is named neutrally.
    pub(crate) fn of(prompt: &Prompt) -> Self {
        let context = prompt.user_texts().find_map(fenced_json).unwrap_or(Value::Null);
        let locale = match context["locale"].as_str() {
            Some("ko") => Locale::Ko,
            Some("en") => Locale::En,
            _ if prompt.user_texts().any(has_hangul) => Locale::Ko,
            _ => Locale::En,
        };
        let brief = &context["brief"];
        let text = |pointer: &str| {
            brief
                .pointer(pointer)
                .map(texts)
                .filter(|texts| !texts.is_empty())
        };
        let one = |pointer: &str, ko: &str, en: &str| match text(pointer) {
            Some(texts) => texts.join(", "),
            None => choose(locale, ko, en).to_owned(),
        };
        Self {
            locale,
            name: match text("/product/name") {
                Some(texts) => texts.join(", "),
                None => scalars(brief)
                    .iter()
                    .find_map(Value::as_str)
                    .unwrap_or(choose(locale, "이 제품", "this product"))
                    .to_owned(),
            },
            category: one("/product/category", "같은 분야", "its category"),
            features: text("/product/features")
                .unwrap_or_else(|| vec![choose(locale, "주요 특징", "its main feature").to_owned()]),
            who: one("/target/who", "관심 고객", "interested people"),
            why: one("/target/why", "필요한 이유", "what they need"),
            channels: text("/channel/channels")
                .unwrap_or_else(|| vec![choose(locale, "대표", "the main channel").to_owned()]),
            video_seconds: video_seconds(&context),
            values: scalars(brief),
        }
    }

    pub(crate) fn choose<'a>(&self, ko: &'a str, en: &'a str) -> &'a str {
        choose(self.locale, ko, en)
    }
}

pub(crate) fn choose<'a>(locale: Locale, ko: &'a str, en: &'a str) -> &'a str {
    match locale {
        Locale::Ko => ko,
        Locale::En => en,
    }
}

/// The first block fenced as JSON within a text.
pub(crate) fn fenced_json(text: &str) -> Option<Value> {
    let (_, rest) = text.split_once("```json")?;
    first_json(rest)
}

/// The JSON value that begins with the first brace of a text; what follows it does not matter.
pub(crate) fn first_json(text: &str) -> Option<Value> {
    let start = text.find('{')?;
    serde_json::Deserializer::from_str(&text[start..])
        .into_iter::<Value>()
        .next()?
        .ok()
}

pub(crate) fn has_hangul(text: &str) -> bool {
    text.chars().any(|letter| ('가'..='힣').contains(&letter))
}

/// The video's length: what the creative stage decided, else what the brief wishes.
fn video_seconds(context: &Value) -> f64 {
    let decided = context["inputs"].as_object().and_then(|inputs| {
        inputs
            .values()
            .find_map(|output| output.pointer("/video_prompt_package/duration_sec")?.as_f64())
    });
    decided
        .or_else(|| context.pointer("/brief/goal/video_seconds")?.as_f64())
        .filter(|seconds| *seconds > 0.0)
        .unwrap_or(VIDEO_SECONDS_DEFAULT)
}

/// A text, or each text of a list.
fn texts(value: &Value) -> Vec<String> {
    scalars(value)
        .into_iter()
        .map(|scalar| match scalar {
            Value::String(text) => text,
            other => other.to_string(),
        })
        .filter(|text| !text.trim().is_empty())
        .collect()
}

fn scalars(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().flat_map(scalars).collect(),
        Value::Object(fields) => fields_of(fields),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => vec![value.clone()],
    }
}

fn fields_of(fields: &Map<String, Value>) -> Vec<Value> {
    fields.values().flat_map(scalars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::prompt::testing::prompt_of;

    #[test]
    fn the_brief_is_read_from_the_first_fenced_block() {
        let prompt = prompt_of(
            "be brief",
            "Context:\n```json\n{\"locale\":\"ko\",\"brief\":{\"product\":{\"name\":\"루미세럼\",\"features\":[\"저자극\",\"비건\"]},\
             \"goal\":{\"video_seconds\":15}},\"inputs\":{}}\n```\nthen ```json\n{\"locale\":\"en\"}\n```",
        );
        let facts = Facts::of(&prompt);
        assert_eq!(facts.locale, Locale::Ko);
        assert_eq!(facts.name, "루미세럼");
        assert_eq!(facts.features, ["저자극", "비건"]);
        assert!((facts.video_seconds - 15.0).abs() < f64::EPSILON);
        assert_eq!(facts.values.len(), 4);
    }

    #[test]
    fn what_the_creative_stage_decided_goes_before_the_brief() {
        let prompt = prompt_of(
            "",
            "```json\n{\"brief\":{\"goal\":{\"video_seconds\":15}},\"inputs\":{\"creative\":{\"video_prompt_package\":{\"duration_sec\":20}}}}\n```",
        );
        assert!((Facts::of(&prompt).video_seconds - 20.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_prompt_without_a_brief_has_neutral_words() {
        let facts = Facts::of(&prompt_of("", "안녕하세요"));
        assert_eq!((facts.locale, facts.name.as_str()), (Locale::Ko, "이 제품"));
    }
}
