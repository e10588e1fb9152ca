//! A scenario file tells its faults by line, and a scenario that does not hold says so.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Scenario, play};
use crate::playbook::{Bundle, Playbook};

fn launch() -> Playbook {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/launch");
    let mut files = BTreeMap::new();
    for folder in ["", "prompts/", "schemas/"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("the playbook's folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                files.insert(
                    format!("{folder}{name}"),
                    std::fs::read_to_string(&path).expect("a text"),
                );
            }
        }
    }
    Playbook::from_bundle(&Bundle { files }).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// A scenario of one step, whose first line is the file's sixth.
fn with_step(step: &str) -> String {
    format!("[[scenario]]\nname = \"one\"\nlocale = \"en\"\n\n[[scenario.step]]\n{step}\n")
}

/// What a scenario of one step finds: line, what was expected, what was found.
fn mismatches(step: &str) -> Vec<String> {
    let scenarios =
        Scenario::read("file.toml", &with_step(step)).unwrap_or_else(|faults| panic!("{step}: {faults:?}"));
    let played = play(&scenarios[0], &launch());
    let told = played.mismatches.iter();
    told.map(|mismatch| format!("{}: {}: {}", mismatch.line, mismatch.expected, mismatch.found))
        .collect()
}

#[test]
fn every_fault_of_a_file_has_its_line_and_what_to_write() {
    let cases = [
        ("", "1: there is no [[scenario]] in this file"),
        ("[[scenario]\n", "1: this is no scenario file: "),
        (
            "[[scenario]]\nname = \"one\"\nlocale = \"fr\"\nstep = []\n",
            "3: this is no scenario file: ",
        ),
        (
            "[[scenario]]\nname = \"one\"\nlocale = \"en\"\nstep = []\n",
            "1: a scenario needs a [[scenario.step]]",
        ),
        (
            &with_step("user = \"hi\"\nexpekt = {}"),
            "7: this is no scenario file: unknown field `expekt`",
        ),
        (
            &with_step("user = \"hi\"\npress = \"generate\""),
            "5: a step is exactly one of",
        ),
        (&with_step("voice = true"), "5: a step is exactly one of"),
        (
            &with_step("stage = \"research\""),
            "5: a `stage` ends with an `output` or with `fail`",
        ),
        (
            &with_step("user = \"hi\"\nmodel = [{ raw = \"x\", answer = \"y\" }]"),
            "7: a reply is `raw` or has",
        ),
        (
            &with_step("user = \"hi\"\nmodel = [{ }]"),
            "7: a reply says nothing",
        ),
        (
            &with_step("user = \"hi\"\nmodel = [{ fail = \"LLM_TIMEOUT\", unfinished = true }]"),
            "7: a reply ends once",
        ),
        (
            &format!("{0}\n{0}", with_step("user = \"hi\"\nunanswered = true")),
            "10: another scenario is named `one`",
        ),
    ];
    for (text, expected) in cases {
        let faults = Scenario::read("file.toml", text).expect_err(text);
        let told = faults[0].to_string();
        assert!(
            told.starts_with(&format!("file.toml:{expected}")),
            "{told}\n{text}"
        );
    }
}

#[test]
fn what_does_not_hold_is_found_with_its_line() {
    let cases = [
        (
            "user = \"The name is Lumi\"\nunanswered = true",
            "5: no slot changes: {\"product.name\":\"Lumi\"}",
        ),
        (
            "user = \"hello\"\nmodel = []",
            "5: a reply for the planner's call: none is written",
        ),
        (
            "user = \"hello\"\nmodel = [{ answer = \"Hi.\" }, { answer = \"Hi.\" }]",
            "7: a call of the planner for this reply: none is under way",
        ),
        (
            "user = \"hello\"\nunanswered = true\nexpect = { gate = \"open\" }",
            "8: gate = \"open\": \"closed\"",
        ),
        (
            "user = \"hello\"\nunanswered = true\nexpect = { state = \"DONE\" }",
            "8: state = \"DONE\": \"CHAT_COLLECTING\"",
        ),
        (
            "user = \"hello\"\nunanswered = true\nexpect = { asks = \"nothing\" }",
            "8: asks = \"nothing\": \"product.name\"",
        ),
        (
            "user = \"안녕하세요\"\nunanswered = true",
            "5: the language stays \"en\": \"ko\"",
        ),
        ("press = \"generate\"", "5: it is taken: \"GATE_NOT_READY\""),
        (
            "press = \"draft\"",
            "5: the state stays CHAT_COLLECTING: RUN_RESEARCH",
        ),
        (
            "press = \"draft\"\nexpect = { state = \"RUN_RESEARCH\" }",
            "5: no run begins or ends unless `events` names it: gate.waived",
        ),
        (
            "stage = \"research\"\noutput = \"{}\"",
            "5: a call of the stage research: none is under way",
        ),
        (
            "user = \"hello\"\nmodel = [{ fail = \"LLM_UPSTREAM\", retryable = false }]",
            "5: nothing fails: [\"LLM_UPSTREAM\"]",
        ),
        (
            "user = \"hello\"\nunanswered = true\nexpect = { events = [\"message.added\", \"turn.started\"] }",
            "8: turn.started in this order: [\"turn.started\",\"message.added\",\"call.reserved\"]",
        ),
        (
            "user = \"hello\"\nmodel = [{ answer = \"Hi.\" }]\nexpect = { said = [\"Hi.\"] }",
            "8: said = [\"Hi.\"]: [\"Hi.\",\"What's the name of the product you'd like to launch?\"]",
        ),
        (
            "user = \"hello\"\nunanswered = true\nexpect = { reads = [\"no such words\"] }",
            "8: the planner reads \"no such words\"",
        ),
    ];
    for (step, expected) in cases {
        let found = mismatches(step);
        assert!(
            found.iter().any(|told| told.starts_with(expected)),
            "{expected}\n{found:#?}"
        );
    }
}

#[test]
fn a_reply_goes_on_where_it_was_left() {
    let text = with_step(
        "user = \"hello\"\nmodel = [{ answer = \"Hel\", unfinished = true }]\nunanswered = true",
    ) + "\n[[scenario.step]]\nmodel = [{ answer = \"Hello.\", ask = \"product.name\", question = \"What is it called?\" }]\n\
           expect = { said = [\"Hello. What is it called?\"] }\n";
    let scenarios = Scenario::read("file.toml", &text).expect("a scenario");
    assert_eq!(play(&scenarios[0], &launch()).mismatches, []);
}
