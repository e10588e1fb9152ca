//! The moderation of texts: a documented list of words stands in for a classifier.

mod words;

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::admission::{Admission, Visitor};
use super::api::Api;
use super::author::Chance;
use super::bill::BilledUsage;
use super::error::ProviderError;
use super::fault::Fault;
use super::generate::{read_object, reply_with_document};
use super::pace;
use super::parameters::{self, Rule};
use super::simulator::SharedSimulator;
use words::WORDS;

/// Texts that one request may have checked.
const INPUTS_MAX: usize = 32;
/// Below this a text is not flagged.
const SCORE_FLAGGED: f64 = 0.5;
/// The score of a category that a word of the list stands for, and what each further word adds.
const SCORE_NAMED: f64 = 0.9;
const SCORE_EACH_MORE: f64 = 0.02;
const SCORE_MAX: f64 = 0.99;

const PARAMETERS: &[(&str, Rule)] = &[("input", Rule::Read), ("model", Rule::Read)];

/// `POST /v1/moderations`
pub(super) async fn create(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ProviderError> {
    let mut visitor = Visitor::arrive(&simulator, Api::Moderations, &headers)?;
    let request = read_object(body).map_err(|error| visitor.refuse(error))?;
    let model =
        parameters::given(&request, "model").map_or("sim-moderation", |model| model.as_str().unwrap_or(""));
    visitor.name_model(model)?;
    let prompt = ModerationPrompt::read(&request).map_err(|error| visitor.refuse(error))?;
    let admitted = match visitor.admit("moderation", None).await {
        Admission::Admitted(admitted) => *admitted,
        Admission::Answered(response) => return Ok(response),
    };
    let flagged = match admitted.fault {
        Some(Fault::Flag { category }) => Some(category),
        _ => None,
    };
    let id = format!(
        "modr-{}",
        simulator.serial(admitted.call.n()).at("moderation").hex()
    );
    let document = document(&prompt, model, &id, simulator.seed, flagged);
    let usage = BilledUsage {
        input_tokens: prompt.tokens(),
        ..BilledUsage::default()
    };
    Ok(reply_with_document(&document, admitted, usage).await)
}

/// What a text can be flagged as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are OpenAI's")]
pub enum Category {
    #[serde(rename = "harassment")]
    Harassment,
    #[serde(rename = "harassment/threatening")]
    HarassmentThreatening,
    #[serde(rename = "hate")]
    Hate,
    #[serde(rename = "hate/threatening")]
    HateThreatening,
    #[serde(rename = "illicit")]
    Illicit,
    #[serde(rename = "illicit/violent")]
    IllicitViolent,
    #[serde(rename = "self-harm")]
    SelfHarm,
    #[serde(rename = "self-harm/intent")]
    SelfHarmIntent,
    #[serde(rename = "self-harm/instructions")]
    SelfHarmInstructions,
    #[serde(rename = "sexual")]
    Sexual,
    #[serde(rename = "sexual/minors")]
    SexualMinors,
    #[serde(rename = "violence")]
    #[default]
    Violence,
    #[serde(rename = "violence/graphic")]
    ViolenceGraphic,
}

impl Category {
    /// All of them, in the order in which OpenAI lists them.
    pub(crate) const ALL: [Self; 13] = [
        Self::Harassment,
        Self::HarassmentThreatening,
        Self::Hate,
        Self::HateThreatening,
        Self::Illicit,
        Self::IllicitViolent,
        Self::SelfHarm,
        Self::SelfHarmIntent,
        Self::SelfHarmInstructions,
        Self::Sexual,
        Self::SexualMinors,
        Self::Violence,
        Self::ViolenceGraphic,
    ];

    /// Its name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Harassment => "harassment",
            Self::HarassmentThreatening => "harassment/threatening",
            Self::Hate => "hate",
            Self::HateThreatening => "hate/threatening",
            Self::Illicit => "illicit",
            Self::IllicitViolent => "illicit/violent",
            Self::SelfHarm => "self-harm",
            Self::SelfHarmIntent => "self-harm/intent",
            Self::SelfHarmInstructions => "self-harm/instructions",
            Self::Sexual => "sexual",
            Self::SexualMinors => "sexual/minors",
            Self::Violence => "violence",
            Self::ViolenceGraphic => "violence/graphic",
        }
    }
}

/// Texts to be checked: one result each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModerationPrompt {
    pub(crate) texts: Vec<String>,
}

impl ModerationPrompt {
    /// Reads a request: a text, a list of texts, or a list of parts that are checked together.
    pub(crate) fn read(request: &Map<String, Value>) -> Result<Self, ProviderError> {
        parameters::check(PARAMETERS, request)?;
        let input = parameters::required(request, "input")?;
        let texts = match input {
            Value::String(text) => vec![text.clone()],
            Value::Array(items) if items.iter().all(Value::is_string) => items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            Value::Array(parts) => vec![multimodal(parts)?],
            other => return Err(parameters::wrong_type("input", "a string or an array", other)),
        };
        if texts.is_empty() || texts.len() > INPUTS_MAX {
            let message = format!("Invalid 'input': expected 1 to {INPUTS_MAX} items.");
            return Err(ProviderError::invalid("input", "invalid_value", message));
        }
        Ok(Self { texts })
    }

    /// Tokens that are read.
    pub(crate) fn tokens(&self) -> u64 {
        self.texts.iter().map(|text| pace::tokens(text)).sum()
    }
}

/// The texts of parts of several kinds. Pictures are refused: nothing here could see them.
fn multimodal(parts: &[Value]) -> Result<String, ProviderError> {
    let mut texts = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let param = format!("input[{index}]");
        match (part["type"].as_str(), part["text"].as_str()) {
            (Some("text"), Some(text)) => texts.push(text),
            (Some("image_url"), _) => {
                let message = format!("Invalid '{param}': this model does not support image input.");
                return Err(ProviderError::invalid(&param, "unsupported_value", message));
            }
            _ => {
                let message = format!("Invalid '{param}': expected a text part.");
                return Err(ProviderError::invalid(&param, "invalid_value", message));
            }
        }
    }
    Ok(texts.join("\n"))
}

/// The answer to a request. `flagged` is what a fault has every text flagged as.
pub(crate) fn document(
    prompt: &ModerationPrompt,
    model: &str,
    id: &str,
    seed: u64,
    flagged: Option<Category>,
) -> Value {
    let results: Vec<Value> = prompt
        .texts
        .iter()
        .map(|text| verdict(text, seed, flagged))
        .collect();
    json!({ "id": id, "model": model, "results": results })
}

/// What is said of one text.
fn verdict(text: &str, seed: u64, flagged: Option<Category>) -> Value {
    let folded = text.to_lowercase();
    let chance = Chance::new(seed, &folded);
    let (mut categories, mut scores, mut inputs) = (Map::new(), Map::new(), Map::new());
    let mut is_flagged = false;
    for category in Category::ALL {
        let forced = usize::from(flagged == Some(category));
        let score = score(count(&folded, category) + forced, chance.at(category.name()));
        let is_hit = score >= SCORE_FLAGGED;
        is_flagged |= is_hit;
        categories.insert(category.name().to_owned(), is_hit.into());
        scores.insert(category.name().to_owned(), score.into());
        inputs.insert(category.name().to_owned(), json!(["text"]));
    }
    json!({
        "flagged": is_flagged,
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": inputs,
    })
}

/// How many words of the list for a category are in a text.
fn count(folded: &str, category: Category) -> usize {
    let listed = WORDS.iter().filter(|(of, _)| *of == category);
    listed
        .flat_map(|(_, words)| words.iter())
        .filter(|word| contains(folded, word))
        .count()
}

/// Whether a text contains a word. One of Latin letters must not stand within a longer one; Korean ones take endings.
fn contains(folded: &str, word: &str) -> bool {
    let is_latin = |letter: char| letter.is_ascii_alphanumeric();
    folded.match_indices(word).any(|(at, _)| {
        let before = folded[..at].chars().next_back();
        let after = folded[at + word.len()..].chars().next();
        !word.is_ascii() || !(before.is_some_and(is_latin) || after.is_some_and(is_latin))
    })
}

fn score(words: usize, chance: Chance) -> f64 {
    if words == 0 {
        // Real classifiers never say zero.
        return (chance.unit() * 1_000.0).round() / 1_000_000.0;
    }
    let more = f64::from(u32::try_from(words - 1).unwrap_or(u32::MAX));
    (SCORE_NAMED + SCORE_EACH_MORE * more).min(SCORE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(input: &Value) -> Value {
        let Value::Object(request) = json!({ "input": input }) else {
            unreachable!()
        };
        let prompt = ModerationPrompt::read(&request).unwrap();
        document(&prompt, "sim-moderation", "modr-1", 7, None)["results"].take()
    }

    #[test]
    fn every_listed_word_is_flagged_as_what_it_is_listed_for() {
        for (category, words) in WORDS {
            for word in *words {
                let result = &results(&json!(format!("well, {word} and so on")))[0];
                assert_eq!(result["flagged"], true, "{word}");
                assert_eq!(result["categories"][category.name()], true, "{word}");
                assert!(result["category_scores"][category.name()].as_f64().unwrap() >= SCORE_FLAGGED);
            }
        }
    }

    #[test]
    fn the_document_of_the_simulator_lists_every_word() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/simulator.md");
        let text = std::fs::read_to_string(path).unwrap();
        for (category, words) in WORDS {
            let row = format!("| `{}` | {} |", category.name(), words.join(" · "));
            assert!(text.contains(&row), "{row}");
        }
    }

    #[test]
    fn every_category_has_words_in_both_languages() {
        for category in Category::ALL {
            let words = || {
                WORDS
                    .iter()
                    .filter(move |(of, _)| *of == category)
                    .flat_map(|(_, words)| *words)
            };
            assert!(words().any(|word| word.is_ascii()), "{category:?}");
            assert!(words().any(|word| !word.is_ascii()), "{category:?}");
        }
    }

    #[test]
    fn flags_and_scores_agree_and_everyday_talk_passes() {
        let talk = [
            "제품명은 루미세럼, 카테고리는 스킨케어, 가격은 29000원이에요.",
            "A killer deal for skilled buyers in Essex and Scunthorpe",
            "피부 자극이 적은 비건 세럼, 20대 여성에게 알리고 싶어요",
        ];
        for result in results(&json!(talk)).as_array().unwrap() {
            assert_eq!(result["flagged"], false, "{result}");
            for (name, score) in result["category_scores"].as_object().unwrap() {
                assert_eq!(
                    score.as_f64().unwrap() >= SCORE_FLAGGED,
                    result["categories"][name] == true
                );
            }
        }
    }

    #[test]
    fn parts_are_checked_together_and_pictures_refused() {
        let parts =
            json!([{ "type": "text", "text": "fine" }, { "type": "text", "text": "I will kill you" }]);
        let results = results(&parts);
        assert_eq!(results.as_array().unwrap().len(), 1);
        assert_eq!(results[0]["categories"]["harassment/threatening"], true);
        let picture =
            json!({ "input": [{ "type": "image_url", "image_url": { "url": "https://example.com/a" } }] });
        let error = ModerationPrompt::read(picture.as_object().unwrap()).unwrap_err();
        assert!(error.message.contains("image"), "{}", error.message);
    }

    #[test]
    fn a_fault_flags_what_is_harmless() {
        let prompt = ModerationPrompt {
            texts: vec!["hello".to_owned()],
        };
        let document = document(&prompt, "sim-moderation", "modr-1", 7, Some(Category::Hate));
        assert_eq!(document["results"][0]["categories"]["hate"], true);
        assert_eq!(document["results"][0]["categories"]["violence"], false);
    }
}
