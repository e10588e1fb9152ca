//! The support rule by its table of labelled examples: its precision and recall on values that a model may propose.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its own data has failed"
)]

#[path = "data/launch.rs"]
mod launch;

use std::sync::LazyLock;

use greenroom_session::playbook::Playbook;
use greenroom_session::support::{Support, Unsupported, support};
use proptest::prelude::{any, prop, prop_assert, proptest};
use serde::Deserialize;
use serde_json::{Value, json};

/// A value that gets in without support is worse than a question too many.
const PRECISION_FLOOR: f64 = 0.95;
const RECALL_FLOOR: f64 = 0.9;

static PLAYBOOK: LazyLock<Playbook> = LazyLock::new(launch::playbook);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    example: Vec<Example>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    kind: String,
    language: String,
    slot: String,
    /// Oldest first, as they were said.
    utterances: Vec<String>,
    value: Value,
    quote: String,
    supported: bool,
    becomes: Option<Value>,
    #[serde(default)]
    held_out: bool,
}

#[derive(Default)]
struct Score {
    right: f64,
    accepted: f64,
    supported: f64,
    mistakes: Vec<String>,
}

impl Score {
    fn precision(&self) -> f64 {
        self.right / self.accepted
    }

    fn recall(&self) -> f64 {
        self.right / self.supported
    }
}

fn examples() -> Vec<Example> {
    toml::from_str::<Table>(include_str!("data/support.toml"))
        .unwrap()
        .example
}

fn judge(slot: &str, value: &Value, quote: &str, utterances: &[&str]) -> Result<Support, Unsupported> {
    let slot = PLAYBOOK.slot(&slot.parse().unwrap()).unwrap();
    support(
        &PLAYBOOK.slots,
        slot,
        PLAYBOOK.price_table.as_ref(),
        value,
        quote,
        utterances,
    )
}

fn score(examples: &[Example]) -> Score {
    let mut score = Score::default();
    for example in examples {
        let newest_first: Vec<&str> = example.utterances.iter().rev().map(String::as_str).collect();
        let verdict = judge(&example.slot, &example.value, &example.quote, &newest_first);
        let expected = example.becomes.as_ref().unwrap_or(&example.value);
        let right = example.supported && verdict.as_ref().is_ok_and(|support| support.value == *expected);
        score.right += f64::from(u8::from(right));
        score.accepted += f64::from(u8::from(verdict.is_ok()));
        score.supported += f64::from(u8::from(example.supported));
        if right != example.supported || verdict.is_ok() != example.supported {
            let Example {
                kind,
                language,
                slot,
                value,
                utterances,
                ..
            } = example;
            let verdict = verdict.map(|support| support.value);
            score.mistakes.push(format!(
                "{kind} {language} {slot} {value} from {utterances:?}: {verdict:?}"
            ));
        }
    }
    score
}

#[test]
fn precision_and_recall_on_the_labelled_examples() {
    let (held_out, fitted): (Vec<_>, Vec<_>) = examples().into_iter().partition(|example| example.held_out);
    assert!(fitted.len() + held_out.len() >= 60 && held_out.len() * 4 >= fitted.len());
    for (name, examples) in [("fitted", fitted), ("held out", held_out)] {
        let score = score(&examples);
        let (precision, recall) = (score.precision(), score.recall());
        println!(
            "{name}: {} examples, precision {precision:.3}, recall {recall:.3}",
            examples.len()
        );
        println!("{}", score.mistakes.join("\n"));
        assert!(
            precision >= PRECISION_FLOOR && recall >= RECALL_FLOOR,
            "{name}: {}",
            score.mistakes.join("\n")
        );
    }
}

#[test]
fn the_words_are_the_users_own_and_the_utterance_is_named() {
    let utterances = ["네, 그걸로 할게요", "제품 이름은요,  Lumi   Serum 이에요"];
    let found = judge("product.name", &json!("Lumi Serum"), "lumi serum", &utterances).unwrap();
    assert_eq!(
        (found.words.as_str(), found.utterance, found.value),
        ("Lumi   Serum", 1, json!("Lumi Serum"))
    );
}

#[test]
fn a_reworded_an_incomplete_and_a_doubtful_value_are_less_sure() {
    let cap = |slot, value, said: &str| judge(slot, &value, said, &[said]).unwrap().confidence_cap;
    let same = cap("target.who", json!("20대 여성"), "20대 여성이요");
    let reworded = cap("target.who", json!("예민한 피부"), "피부가 예민하신 분들");
    let incomplete = cap("product.features", json!(["비건", "무향"]), "비건이에요");
    let doubtful = cap("target.who", json!("20대 여성"), "아마 20대 여성 같아요");
    assert!(same > reworded && reworded > incomplete);
    assert!(doubtful < PLAYBOOK.gate_min_confidence);
}

#[test]
fn what_has_not_the_form_of_the_slot_is_refused() {
    let verdict = |slot, value| judge(slot, &value, "10초 루미", &["10초 루미"]).unwrap_err();
    assert_eq!(verdict("product.name", json!(10)), Unsupported::Shape);
    assert_eq!(verdict("product.name", json!("  ")), Unsupported::Shape);
    assert_eq!(verdict("product.features", json!([])), Unsupported::Shape);
    assert_eq!(verdict("goal.weekly_goal", json!("fame")), Unsupported::Shape);
    assert_eq!(verdict("goal.video_seconds", json!(7)), Unsupported::Shape);
    assert_eq!(verdict("product.price_band", json!(null)), Unsupported::Shape);
}

#[test]
fn a_list_grows_over_turns_but_something_must_come_from_the_quote() {
    let utterances = ["그리고 무향이에요", "저자극이고 비건이에요"];
    let grown = judge(
        "product.features",
        &json!(["저자극", "비건", "무향"]),
        "무향",
        &utterances,
    )
    .unwrap();
    assert_eq!(grown.value, json!(["저자극", "비건", "무향"]));
    let unrelated = judge(
        "product.features",
        &json!(["저자극", "비건"]),
        "무향",
        &utterances,
    );
    assert_eq!(unrelated, Err(Unsupported::NotSaid));
}

#[test]
fn words_that_answer_for_one_slot_support_no_other() {
    let said = "제품명은 루미앰플이고 채널은 인스타예요";
    assert!(judge("channel.channels", &json!(["인스타"]), said, &[said]).is_ok());
    assert_eq!(
        judge("product.category", &json!("루미앰플"), said, &[said]),
        Err(Unsupported::OtherSlot)
    );
    let whole = judge("channel.channels", &json!(["제품명은 루미앰플"]), said, &[said]);
    assert_eq!(whole, Err(Unsupported::OtherSlot));
}

proptest! {
    #[test]
    fn judging_never_panics_and_quotes_an_utterance(
        said in prop::collection::vec("[가-힣a-z0-9 ,.?!'$-]{0,24}|\\PC{0,24}", 1..4),
        cut in any::<(prop::sample::Index, prop::sample::Index)>(),
        value in "[가-힣a-z0-9 ]{0,12}|\\PC{0,16}",
        slot in 0..12_usize,
        listed in any::<bool>(),
    ) {
        let utterances: Vec<&str> = said.iter().map(String::as_str).collect();
        let chars: Vec<char> = said[0].chars().collect();
        let (one, other) = (cut.0.index(chars.len() + 1), cut.1.index(chars.len() + 1));
        let quote: String = chars[one.min(other)..one.max(other)].iter().collect();
        let value = if listed { json!([value, quote]) } else { json!(value) };
        let Some(slot) = PLAYBOOK.slots.get(slot) else { return Ok(()) };
        let verdict = support(&PLAYBOOK.slots, slot, PLAYBOOK.price_table.as_ref(), &value, &quote, &utterances);
        if let Ok(support) = verdict {
            prop_assert!(!support.words.is_empty() && utterances[support.utterance].contains(&support.words));
            prop_assert!((0.0..=1.0).contains(&support.confidence_cap));
        }
    }
}
