//! The extractor by its table: what it reads from a text for the launch playbook, and what it leaves to the planner.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its own data has failed"
)]

#[path = "data/launch.rs"]
mod launch;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use greenroom_session::extractor::{Proposal, extract, language_of};
use greenroom_session::playbook::Playbook;
use greenroom_session::support::support;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_oneof, proptest};
use serde::Deserialize;
use serde_json::Value;

/// Share of lines read exactly as expected, of those that the rules were fitted to and of those held out.
const FITTED_FLOOR: f64 = 1.0;
const HELD_OUT_FLOOR: f64 = 0.9;

static PLAYBOOK: LazyLock<Playbook> = LazyLock::new(launch::playbook);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    line: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: String,
    asked: Option<String>,
    expect: BTreeMap<String, Value>,
    #[serde(default)]
    held_out: bool,
}

fn lines() -> Vec<Line> {
    toml::from_str::<Table>(include_str!("data/extractor.toml"))
        .unwrap()
        .line
}

fn read(text: &str, asked: Option<&str>) -> Vec<Proposal> {
    let asked = asked.map(|asked| asked.parse().unwrap());
    extract(
        text,
        &PLAYBOOK.slots,
        PLAYBOOK.price_table.as_ref(),
        asked.as_ref(),
    )
}

fn values(proposals: &[Proposal]) -> BTreeMap<String, Value> {
    proposals
        .iter()
        .map(|proposal| (proposal.path.to_string(), proposal.value.clone()))
        .collect()
}

#[test]
fn the_table_is_read_as_expected() {
    let (mut right, mut all) = ([0.0, 0.0], [0.0, 0.0]);
    let mut wrong = Vec::new();
    for line in lines() {
        let found = values(&read(&line.text, line.asked.as_deref()));
        let group = usize::from(line.held_out);
        all[group] += 1.0;
        if found == line.expect {
            right[group] += 1.0;
        } else {
            wrong.push(format!(
                "{} [{:?}]\n  found    {found:?}\n  expected {:?}",
                line.text, line.asked, line.expect
            ));
        }
    }
    let shares = [right[0] / all[0], right[1] / all[1]];
    println!(
        "fitted {:.3} of {}, held out {:.3} of {}",
        shares[0], all[0], shares[1], all[1]
    );
    println!("{}", wrong.join("\n"));
    assert!(all[0] + all[1] >= 60.0);
    assert!(
        shares[0] >= FITTED_FLOOR && shares[1] >= HELD_OUT_FLOOR,
        "{shares:?}\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_proposal_is_supported_by_its_own_words() {
    for line in lines() {
        for proposal in read(&line.text, line.asked.as_deref()) {
            let slot = PLAYBOOK.slot(&proposal.path).unwrap();
            let table = PLAYBOOK.price_table.as_ref();
            let support = support(
                &PLAYBOOK.slots,
                slot,
                table,
                &proposal.value,
                &proposal.words,
                &[&line.text],
            );
            let support = support.unwrap_or_else(|why| panic!("{proposal:?} of {}: {why}", line.text));
            assert_eq!(support.value, proposal.value, "{}", line.text);
        }
    }
}

#[test]
fn an_explicit_answer_is_surer_than_a_doubtful_or_incomplete_one() {
    let confidence = |text: &str, asked| {
        read(text, asked)
            .first()
            .map(|proposal| proposal.confidence)
            .unwrap()
    };
    assert!(confidence("제품명은 루미세럼", None) > confidence("아마 루미세럼 같아요", Some("product.name")));
    assert!(confidence("특징은 저자극, 비건, 무향", None) > confidence("특징은 저자극, 비건", None));
    assert!(confidence("maybe Lumi Serum", Some("product.name")) < PLAYBOOK.gate_min_confidence);
}

#[test]
fn the_words_of_a_proposal_are_the_users_own() {
    let proposals = read("제품명은  Lumi   Serum 이에요", None);
    assert_eq!(proposals[0].value, "Lumi Serum");
    assert_eq!(proposals[0].words, "제품명은  Lumi   Serum");
}

/// Arbitrary text, and text made of the words that the rules look for.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        Just("제품명은 ".to_owned()),
        Just("가격은 ".to_owned()),
        Just("because ".to_owned()),
        Just("not ".to_owned()),
        Just("아니 ".to_owned()),
        Just("3만9천원".to_owned()),
        Just("$25 ".to_owned()),
        Just(", ".to_owned()),
        Just("features: ".to_owned()),
        Just("인스타와 ".to_owned()),
        Just("?".to_owned()),
        Just("\u{1112}\u{1161}\u{11ab}".to_owned()),
        "[가-힣0-9만천원 ,.~-]{0,12}",
        "[a-z '$0-9,.-]{0,16}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn extracting_never_panics_and_quotes_the_text(text in texts(), asked in 0..12_usize) {
        let asked = PLAYBOOK.slots.get(asked).map(|slot| slot.path.clone());
        let _ = language_of(&text);
        for proposal in extract(&text, &PLAYBOOK.slots, PLAYBOOK.price_table.as_ref(), asked.as_ref()) {
            prop_assert!(!proposal.words.is_empty() && text.contains(&proposal.words));
            prop_assert!((0.0..=1.0).contains(&proposal.confidence));
            let slot = PLAYBOOK.slot(&proposal.path).unwrap();
            prop_assert!(slot.accepts(&proposal.value) || proposal.value.as_array().is_some_and(|items| !items.is_empty()));
        }
    }
}
