//! The simulated planner: an honest reader of the last utterance, that fills what was said and asks for what is missing.

use greenroom_protocol::Locale;
use serde_json::{Map, Value, json};

use super::facts::{choose, first_json, has_hangul};
use super::labels;
use super::wording::mark;
use crate::provider::prompt::Prompt;

/// An utterance of at most so many characters may be a bare answer to the question just asked.
const BARE_ANSWER_CHARS_MAX: usize = 80;
/// How sure the planner is of a value that was named with its label, and of a bare answer.
const CONFIDENCE_LABELLED: f64 = 0.9;
const CONFIDENCE_BARE: f64 = 0.8;

const GENERATE: &[&str] = &[
    "생성해줘",
    "생성해 줘",
    "시작해",
    "만들어줘",
    "만들어 줘",
    "start",
    "generate",
    "go ahead",
];
const DRAFT: &[&str] = &["초안", "draft"];
const CANCEL: &[&str] = &["취소", "그만", "cancel"];
const CORRECTION: &[&str] = &[
    "바꿔",
    "수정",
    "정정",
    "아니라",
    "change",
    "correct",
    "instead",
    "actually",
];
/// What begins a conversation and answers no question.
const GREETINGS: &[&str] = &[
    "안녕",
    "반가",
    "hello",
    "hi ",
    "hi,",
    "good morning",
    "good evening",
];
const LIST_BREAKS: &[&str] = &[
    ",",
    "、",
    " 그리고 ",
    " 하고 ",
    "와 ",
    "과 ",
    "랑 ",
    " and ",
    " & ",
];

/// Words for the choices of a launch brief.
const CHOICE_WORDS: &[(&str, &[&str])] = &[
    ("reach", &["도달", "인지도", "알리", "reach", "awareness"]),
    ("inquiry", &["문의", "상담", "inquiry", "inquiries", "leads"]),
    ("purchase", &["구매", "판매", "매출", "purchase", "sales", "buy"]),
    ("low", &["저가", "저렴", "low", "cheap"]),
    ("mid", &["중가", "중간", "mid", "medium"]),
    ("premium", &["고가", "프리미엄", "premium", "luxury"]),
];

/// Whether a schema asks for a planner's turn.
pub(crate) fn is_planner_schema(schema: &Value) -> bool {
    ["answer", "slot_updates", "ask", "question"]
        .iter()
        .all(|field| schema["properties"].get(field).is_some())
}

/// Fills the planner's document, written as an example by the schema, with what the last utterance says.
pub(super) fn plan(prompt: &Prompt, schema: &Value, example: Value) -> Value {
    let Value::Object(mut document) = example else {
        return example;
    };
    let turn = Turn::read(prompt);
    let updates = turn.slot_updates(schema);
    let filled: Vec<&str> = updates
        .iter()
        .filter_map(|update| update["path"].as_str())
        .collect();
    let ask = turn.ask(&filled);
    let fields = [
        ("answer", Value::from(turn.answer(!updates.is_empty()))),
        ("ask", ask.map_or(Value::Null, Value::from)),
        ("question", turn.question(ask).map_or(Value::Null, Value::from)),
        ("intent", Value::from(turn.intent())),
        ("slot_updates", Value::Array(updates.clone())),
    ];
    for (field, value) in fields {
        if document.contains_key(field) {
            let value = conform(&schema["properties"][field], value);
            document.insert(field.to_owned(), value);
        }
    }
    Value::Object(document)
}

/// One slot as the context tells it.
#[derive(Debug)]
struct Slot<'a> {
    path: &'a str,
    kind: &'a str,
    options: Vec<Choice>,
    is_filled: bool,
}

/// One value that a slot may have, and the words for it.
#[derive(Debug)]
struct Choice {
    value: Value,
    words: Vec<String>,
}

struct Turn {
    context: Value,
    utterance: String,
    locale: Locale,
}

impl Turn {
    fn read(prompt: &Prompt) -> Self {
        let context = prompt
            .instructions
            .rsplit_once("## Context")
            .and_then(|(_, rest)| first_json(rest))
            .unwrap_or_else(|| json!({}));
        let utterance = prompt.last_user_text().trim().to_owned();
        let locale = match context["locale"].as_str() {
            Some("ko") => Locale::Ko,
            Some("en") => Locale::En,
            _ if has_hangul(&utterance) => Locale::Ko,
            _ => Locale::En,
        };
        Self {
            context,
            utterance,
            locale,
        }
    }

    fn slots(&self) -> Vec<Slot<'_>> {
        let Some(slots) = self.context["slots"].as_array() else {
            return Vec::new();
        };
        slots
            .iter()
            .filter_map(|slot| {
                Some(Slot {
                    path: slot["path"].as_str()?,
                    kind: slot["kind"]
                        .as_str()
                        .or_else(|| slot["kind"]["type"].as_str())
                        .unwrap_or("text"),
                    options: options(slot),
                    is_filled: !slot["value"].is_null(),
                })
            })
            .collect()
    }

    fn says(&self, words: &[&str]) -> bool {
        let lowercase = self.utterance.to_lowercase();
        words.iter().any(|word| lowercase.contains(word))
    }

    fn is_question(&self) -> bool {
        let trimmed = self.utterance.trim_end_matches(['.', '!', ' ']);
        ["?", "까", "나요", "가요", "은지", "는지"]
            .iter()
            .any(|ending| trimmed.ends_with(ending))
    }

    fn intent(&self) -> &'static str {
        if self.is_question() {
            "none"
        } else if self.says(CANCEL) {
            "cancel_run"
        } else if self.says(DRAFT) {
            "draft"
        } else if self.says(GENERATE) {
            "generate"
        } else {
            "none"
        }
    }

    fn slot_updates(&self, schema: &Value) -> Vec<Value> {
        if self.context["run_active"] == true {
            return Vec::new();
        }
        let slots = self.slots();
        let paths: Vec<&str> = slots.iter().map(|slot| slot.path).collect();
        let mut updates = Vec::new();
        let interrupted = self.context["interrupted"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(said);
        for text in std::iter::once(self.utterance.as_str()).chain(interrupted) {
            for labels::Labelled { slot, words, value } in labels::find(text, &paths) {
                let slot = &slots[slot];
                let is_news = !slot.is_filled || self.says(CORRECTION);
                let is_first = !updates.iter().any(|update: &Value| update["path"] == slot.path);
                if let Some(value) = slot.read(value).filter(|_| is_news && is_first) {
                    updates.push(update(slot, &value, CONFIDENCE_LABELLED, words));
                }
            }
        }
        if updates.is_empty() {
            updates.extend(self.bare_answer(&slots));
        }
        let item = &schema["properties"]["slot_updates"]["items"];
        updates.into_iter().map(|update| conform(item, update)).collect()
    }

    /// A short statement after a question is its answer.
    fn bare_answer(&self, slots: &[Slot<'_>]) -> Option<Value> {
        let asked = self.context["asked"].as_str()?;
        let slot = slots.iter().find(|slot| slot.path == asked && !slot.is_filled)?;
        let is_short = (1..=BARE_ANSWER_CHARS_MAX).contains(&self.utterance.chars().count());
        let is_greeting = GREETINGS
            .iter()
            .any(|greeting| self.utterance.to_lowercase().starts_with(greeting));
        if !is_short || is_greeting || self.is_question() || self.intent() != "none" {
            return None;
        }
        let value = slot.read(&self.utterance)?;
        Some(update(slot, &value, CONFIDENCE_BARE, &self.utterance))
    }

    /// The first open slot that was not just filled.
    fn ask(&self, filled: &[&str]) -> Option<&str> {
        let order = self.context["ask_order"].as_array()?;
        if self.context["offer_draft"] == true
            || self.intent() != "none"
            || self.context["run_active"] == true
        {
            return None;
        }
        order
            .iter()
            .filter_map(Value::as_str)
            .find(|path| !filled.contains(path))
    }

    fn question(&self, ask: Option<&str>) -> Option<String> {
        if let Some(path) = ask {
            let label = labels::label_of(path, self.locale);
            let ko = format!("{label} 항목을 알려 주시겠어요?");
            let en = format!("Could you tell me about the {label}?");
            return Some(choose(self.locale, &ko, &en).to_owned());
        }
        let offers = self.context["offer_draft"] == true && self.intent() == "none";
        offers.then(|| {
            choose(
                self.locale,
                "지금까지의 내용으로 초안을 만들까요, 아니면 더 알려 주시겠어요?",
                "Shall we draft with what we have, or would you like to add more?",
            )
            .to_owned()
        })
    }

    fn answer(&self, has_updates: bool) -> String {
        let (ko, en) = if self.is_question() {
            (
                "질문에 대한 모의 답변입니다. 저는 시뮬레이터라서 실제 조언은 드릴 수 없습니다.",
                "This is a simulated answer: a simulator gives no real advice.",
            )
        } else if self.context["run_active"] == true {
            (
                "지금 만드는 중입니다. 끝나면 바로 보여 드릴게요.",
                "It is being made right now; you will see it as it comes.",
            )
        } else {
            match self.intent() {
                "generate" => ("네, 시작하겠습니다.", "Alright, starting."),
                "draft" => (
                    "네, 지금까지의 내용으로 초안을 만들겠습니다.",
                    "Alright, a draft with what we have.",
                ),
                "cancel_run" => ("네, 취소하겠습니다.", "Alright, cancelling."),
                _ if has_updates => ("네, 적어 두었습니다.", "Noted."),
                _ => ("네, 알겠습니다.", "I see."),
            }
        };
        format!("{}{}", mark(self.locale), choose(self.locale, ko, en))
    }
}

/// The values that a slot may have: its `options`, or those that `expects` counts up ("one of low, mid").
fn options(slot: &Value) -> Vec<Choice> {
    if let Some(options) = slot["options"].as_array() {
        return options.iter().map(Choice::read).collect();
    }
    let counted = slot["expects"]
        .as_str()
        .and_then(|expects| expects.strip_prefix("one of "))
        .unwrap_or_default();
    let values = counted.split(", ").filter(|value| !value.is_empty());
    values
        .map(|value| {
            Choice::read(
                &value
                    .parse::<i64>()
                    .map_or_else(|_| Value::from(value), Value::from),
            )
        })
        .collect()
}

impl Choice {
    /// An option is its value alone, or `{value, words}`.
    fn read(option: &Value) -> Self {
        let value = option.get("value").unwrap_or(option).clone();
        let mut words: Vec<String> = option["words"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_lowercase)
            .collect();
        if let Some(text) = value.as_str() {
            let known = CHOICE_WORDS
                .iter()
                .find(|(choice, _)| *choice == text)
                .map_or(&[][..], |(_, words)| *words);
            words.extend(known.iter().map(|word| (*word).to_owned()));
            words.push(text.to_lowercase());
        }
        Self { value, words }
    }
}

impl Slot<'_> {
    /// The value that a text means for this slot, if it means one.
    fn read(&self, text: &str) -> Option<Value> {
        let text = text.trim().trim_end_matches(['.', '!', ',']).trim();
        if text.is_empty() {
            return None;
        }
        if !self.options.is_empty() {
            let lowercase = text.to_lowercase();
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let number = digits.parse::<i64>().ok();
            return self
                .options
                .iter()
                .find(|choice| {
                    let is_number = number.is_some() && choice.value.as_i64() == number;
                    is_number || choice.words.iter().any(|word| lowercase.contains(word.as_str()))
                })
                .map(|choice| choice.value.clone());
        }
        match self.kind {
            "text" => Some(Value::from(text)),
            kind if kind.contains("list") => {
                let unified = LIST_BREAKS
                    .iter()
                    .fold(text.to_owned(), |text, mark| text.replace(mark, "\n"));
                let items: Vec<&str> = unified
                    .lines()
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .collect();
                Some(json!(items))
            }
            _ => None,
        }
    }
}

fn said(interrupted: &Value) -> Option<&str> {
    interrupted.as_str().or_else(|| interrupted["text"].as_str())
}

fn update(slot: &Slot<'_>, value: &Value, confidence: f64, words: &str) -> Value {
    json!({ "path": slot.path, "value": value, "confidence": confidence, "words": words })
}

/// Brings a value into a form that the schema allows: as it is, as a text, as a list, or its nearest enum member.
fn conform(schema: &Value, value: Value) -> Value {
    if let (Some(properties), Value::Object(fields)) = (schema["properties"].as_object(), &value) {
        let conformed: Map<String, Value> = properties
            .iter()
            .map(|(name, property)| {
                (
                    name.clone(),
                    conform(property, fields.get(name).cloned().unwrap_or(Value::Null)),
                )
            })
            .collect();
        return Value::Object(conformed);
    }
    let as_text = match &value {
        Value::Null => Value::from(""),
        Value::String(_) => value.clone(),
        Value::Array(items) => Value::from(
            items
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(", "),
        ),
        other => Value::from(other.to_string()),
    };
    let as_list = json!([as_text]);
    let none = Value::from("none");
    [value, as_text, as_list, none, Value::Null]
        .into_iter()
        .find(|candidate| accepts(schema, candidate))
        .unwrap_or(Value::Null)
}

/// Whether a schema accepts a plain value, as far as a planner's fields go.
fn accepts(schema: &Value, value: &Value) -> bool {
    if let Some(branches) = schema["anyOf"].as_array() {
        return branches.iter().any(|branch| accepts(branch, value));
    }
    if let Some(choices) = schema["enum"].as_array() {
        return choices.contains(value);
    }
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64(),
        "array" => value
            .as_array()
            .is_some_and(|items| items.iter().all(|item| accepts(&schema["items"], item))),
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        _ => value.is_object(),
    };
    match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::author;
    use super::super::chance::Chance;
    use super::super::facts::Facts;
    use super::*;
    use crate::provider::prompt::testing::planner_prompt;

    fn plan_for(context: &Value, utterance: &str) -> Value {
        let prompt = planner_prompt(context, utterance);
        let text = author(&prompt, &Facts::of(&prompt), &[], Chance::new(0, "planner")).unwrap();
        let planned: Value = serde_json::from_str(&text).unwrap();
        let fields: Vec<&String> = planned.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["answer", "slot_updates", "ask", "question", "intent"]);
        for update in planned["slot_updates"].as_array().unwrap() {
            assert!(
                utterance.contains(update["words"].as_str().unwrap()),
                "{update} does not quote {utterance}"
            );
        }
        planned
    }

    fn context() -> Value {
        json!({
            "locale": "ko", "run_active": false, "asked": "product.name", "offer_draft": false, "interrupted": [],
            "ask_order": ["product.name", "product.features", "goal.weekly_goal"],
            "slots": [
                { "path": "product.name", "kind": "text", "value": null },
                { "path": "product.features", "kind": "list of text", "value": null },
                { "path": "goal.weekly_goal", "kind": "choice", "expects": "one of reach, inquiry, purchase", "value": null },
                { "path": "goal.video_seconds", "kind": "number", "options": [5, 10], "value": null },
            ],
        })
    }

    fn updates(planned: &Value) -> Vec<(&str, &Value)> {
        let updates = planned["slot_updates"].as_array().unwrap();
        updates
            .iter()
            .map(|update| (update["path"].as_str().unwrap(), &update["value"]))
            .collect()
    }

    #[test]
    fn a_short_statement_answers_the_question_just_asked() {
        let planned = plan_for(&context(), "루미세럼");
        assert_eq!(updates(&planned), [("product.name", &json!("루미세럼"))]);
        assert_eq!(planned["ask"], "product.features");
        assert!(planned["question"].as_str().unwrap().contains("특징"));
    }

    #[test]
    fn a_greeting_answers_nothing() {
        for greeting in [
            "안녕하세요, 제품을 출시하려고 해요",
            "Hello, I want to launch a product",
        ] {
            assert_eq!(updates(&plan_for(&context(), greeting)), [], "{greeting}");
        }
    }

    #[test]
    fn labelled_values_are_read_with_their_words() {
        let planned = plan_for(
            &context(),
            "제품명은 루미세럼, 특징은 저자극, 비건, 목표는 구매, 영상 길이는 10초.",
        );
        assert_eq!(
            updates(&planned),
            [
                ("product.name", &json!("루미세럼")),
                ("product.features", &json!(["저자극", "비건"])),
                ("goal.weekly_goal", &json!("purchase")),
                ("goal.video_seconds", &json!(10)),
            ]
        );
        assert_eq!(planned["slot_updates"][1]["words"], "특징은 저자극, 비건");
        assert_eq!(planned["ask"], Value::Null);
        assert_eq!(planned["question"], "");
    }

    #[test]
    fn a_filled_slot_changes_only_by_a_correction() {
        let mut context = context();
        context["slots"][0]["value"] = "루미세럼".into();
        context["asked"] = Value::Null;
        context["locale"] = "en".into();
        assert_eq!(updates(&plan_for(&context, "name is Lumi")), []);
        assert_eq!(
            updates(&plan_for(&context, "please change it, name is Lumi")),
            [("product.name", &json!("Lumi"))]
        );
    }

    #[test]
    fn a_question_is_answered_and_fills_nothing() {
        let planned = plan_for(&context(), "이건 얼마나 걸리나요?");
        assert_eq!(updates(&planned), []);
        assert!(planned["answer"].as_str().unwrap().contains("모의 답변"));
        assert_eq!(planned["ask"], "product.name");
    }

    #[test]
    fn wishes_are_recognised() {
        for (utterance, intent) in [
            ("이제 생성해줘", "generate"),
            ("go ahead", "generate"),
            ("그냥 초안으로 만들어줘", "draft"),
            ("생성 취소해줘", "cancel_run"),
            ("생성해줘 라고 하면 되나요?", "none"),
        ] {
            let planned = plan_for(&context(), utterance);
            assert_eq!(planned["intent"], intent, "{utterance}");
            assert!(intent == "none" || planned["question"] == "", "{utterance}");
        }
    }

    #[test]
    fn a_frozen_brief_is_left_alone() {
        let mut context = context();
        context["run_active"] = true.into();
        let planned = plan_for(&context, "제품명은 루미세럼");
        assert_eq!((updates(&planned), &planned["ask"]), (vec![], &Value::Null));
    }
}
