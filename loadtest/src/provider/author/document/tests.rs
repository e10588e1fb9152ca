//! Whatever the strict schema, the document obeys it; and the launch playbook's documents make sense.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::provider::prompt::testing::prompt_of;
use crate::provider::search::search;
use crate::provider::strict::{self, Strictness};

const BRIEF_KO: &str = r#"{"locale":"ko","mode":"standard","draft":false,"gaps":[],"brief":{
    "product":{"name":"루미세럼","category":"스킨케어","features":["저자극","빠른 흡수","비건"],"price_band":"mid"},
    "target":{"who":"20대 여성","why":"트러블 진정"},"channel":{"channels":["인스타그램","네이버"]},
    "goal":{"weekly_goal":"purchase","video_seconds":15}},"inputs":{}}"#;

fn facts() -> Facts {
    Facts::of(&prompt_of("", &format!("```json\n{BRIEF_KO}\n```")))
}

fn write_valid(schema: &Value, hits: &[SearchHit]) -> Value {
    let document = write(schema, &facts(), hits, Chance::new(5, "test")).unwrap();
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{document:#}\n{schema:#}");
    document
}

fn playbooks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks")
}

fn launch(stage: &str, hits: &[SearchHit]) -> Value {
    let path = playbooks().join(format!("launch/schemas/{stage}.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    write_valid(&schema, hits)
}

fn count(document: &Value, list: &str) -> usize {
    document[list].as_array().unwrap().len()
}

#[test]
fn every_schema_of_every_playbook_is_strict_and_obeyed() {
    let mut schemas = 0;
    for playbook in std::fs::read_dir(playbooks()).unwrap() {
        let Ok(files) = std::fs::read_dir(playbook.unwrap().path().join("schemas")) else {
            continue;
        };
        for file in files {
            let path = file.unwrap().path();
            let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(
                strict::refusal(&schema, Strictness::Closed),
                None,
                "{}",
                path.display()
            );
            write_valid(&schema, &search(&facts(), Chance::new(1, "hits")).hits);
            write_valid(&schema, &[]);
            schemas += 1;
        }
    }
    assert!(schemas >= 4, "the launch playbook alone has four");
}

#[test]
fn evidence_names_only_what_was_found() {
    let hits = search(&facts(), Chance::new(1, "hits")).hits;
    let document = launch("research", &hits);
    let named: BTreeSet<&str> = document["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["url"].as_str().unwrap())
        .collect();
    let found: BTreeSet<&str> = hits.iter().map(|hit| hit.url.as_str()).collect();
    assert_eq!(named, found);
    assert!(count(&document, "risk_flags") > 0);
}

#[test]
fn without_a_search_there_is_no_evidence_but_a_flag() {
    let document = launch("research", &[]);
    assert_eq!(count(&document, "evidence"), 0);
    let flags = document["risk_flags"].as_array().unwrap();
    assert!(
        flags
            .iter()
            .any(|flag| flag.as_str().unwrap().contains("실제 조사가 아님")),
        "{flags:?}"
    );
}

#[test]
fn texts_speak_of_the_brief_and_say_that_they_are_simulated() {
    let document = launch("creative", &[]);
    let copies = document["ad_copies"].as_array().unwrap();
    assert_eq!(copies.len(), 10);
    let bodies: BTreeSet<&str> = copies.iter().map(|copy| copy["body"].as_str().unwrap()).collect();
    assert_eq!(bodies.len(), 10, "no two copies are the same");
    assert!(
        bodies.iter().all(|body| body.starts_with("[모의] ")),
        "{bodies:?}"
    );
    assert!(bodies.iter().any(|body| body.contains("루미세럼")), "{bodies:?}");
    assert_eq!(document["video_prompt_package"]["duration_sec"], 15);
}

#[test]
fn the_strategy_has_what_a_week_needs() {
    let document = launch("strategy", &[]);
    assert!(count(&document, "positioning_options") >= 2);
    assert!(count(&document, "weekly_plan") >= 3);
    for asset in ["ad_copy", "poster", "video_prompt", "voiceover"] {
        assert!(
            document["required_assets"]
                .as_array()
                .unwrap()
                .contains(&asset.into()),
            "{asset}"
        );
    }
    let days: Vec<&Value> = document["weekly_plan"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["day"])
        .collect();
    assert_eq!(days, [1, 2, 3, 4, 5]);
}

#[test]
fn the_voice_fits_the_video() {
    let document = launch("voice", &[]);
    let windows = |list: &str| -> Vec<(f64, f64)> {
        let items = document[list].as_array().unwrap().iter();
        items
            .map(|item| (item["start"].as_f64().unwrap(), item["end"].as_f64().unwrap()))
            .collect()
    };
    let timing = windows("timing_map");
    assert_eq!(timing, [(0.0, 5.0), (5.0, 10.0), (10.0, 15.0)]);
    let parts: Vec<&Value> = document["timing_map"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["part"])
        .collect();
    assert_eq!(parts, ["hook", "benefit", "cta"]);
    let lines = windows("subtitle_lines");
    assert!(
        lines
            .iter()
            .all(|(start, end)| 0.0 <= *start && start < end && *end <= 15.0),
        "{lines:?}"
    );
    assert!(
        lines.is_sorted_by(|(_, end), (start, _)| end <= start),
        "{lines:?}"
    );
    let spoken: Vec<&str> = document["subtitle_lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["text"].as_str().unwrap())
        .collect();
    let script = document["voiceover_script_short"].as_str().unwrap();
    assert_eq!(spoken.join(" "), script);
    for word in document["delivery_profile"]["emphasis_words"].as_array().unwrap() {
        assert!(
            script.contains(word.as_str().unwrap()),
            "{word} is not in {script}"
        );
    }
}

#[test]
fn the_same_seed_and_request_give_the_same() {
    let schema = json!({ "type": "object", "additionalProperties": false, "required": ["signal", "score"],
        "properties": { "signal": { "type": "string" }, "score": { "type": "number" } } });
    let once = |seed| write(&schema, &facts(), &[], Chance::new(seed, "request")).unwrap();
    assert_eq!(once(1), once(1));
    assert!((2..20).any(|seed| once(seed) != once(1)), "the seed matters");
}

#[test]
fn recursion_ends_where_the_schema_lets_it() {
    let list = json!({ "$ref": "#/$defs/node", "$defs": { "node": { "type": "object", "additionalProperties": false,
        "required": ["value", "next", "children"], "properties": {
            "value": { "type": "string" },
            "next": { "anyOf": [{ "$ref": "#/$defs/node" }, { "type": "null" }] },
            "children": { "type": "array", "items": { "$ref": "#/$defs/node" } } } } } });
    write_valid(&list, &[]);
    let endless =
        json!({ "type": "object", "required": ["self"], "properties": { "self": { "$ref": "#" } } });
    assert!(write(&endless, &facts(), &[], Chance::new(0, "")).is_err());
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({ "type": "string" })),
        (0..20u32, 0..40u32)
            .prop_map(|(min, more)| json!({ "type": "string", "minLength": min, "maxLength": min + more })),
        prop::sample::select(vec![
            "^[a-z]{3,5}$",
            "^\\d{4}-[A-Z]+$",
            "^(yes|no)( please)?$",
            "^#[0-9a-f]{6}$"
        ])
        .prop_map(|pattern| json!({ "type": "string", "pattern": pattern })),
        prop::sample::select(vec![
            "date",
            "date-time",
            "time",
            "duration",
            "email",
            "hostname",
            "ipv4",
            "ipv6",
            "uuid",
        ])
        .prop_map(|format| json!({ "type": "string", "format": format })),
        prop::collection::vec("[a-z]{1,6}", 1..4)
            .prop_map(|words| json!({ "type": "string", "enum": words })),
        (-1_000i32..1_000, 0..500i32)
            .prop_map(|(min, more)| json!({ "type": "integer", "minimum": min, "maximum": min + more })),
        (1i32..50, -1_000i32..1_000)
            .prop_map(|(step, min)| json!({ "type": "integer", "multipleOf": step, "minimum": min })),
        (-1_000i32..1_000, 1..500i32).prop_map(
            |(min, more)| json!({ "type": "number", "exclusiveMinimum": min, "exclusiveMaximum": min + more })
        ),
        Just(json!({ "type": "boolean" })),
        Just(json!({ "type": "null" })),
        Just(json!({ "type": ["string", "null"] })),
        Just(json!({ "type": "string", "const": "fixed" })),
        (1i32..=1_000, 1i32..40).prop_map(
            |(max, step)| json!({ "type": "number", "multipleOf": f64::from(step) / 4.0, "maximum": max })
        ),
        (1usize..8, 0..20usize).prop_map(
            |(min, more)| json!({ "type": "string", "pattern": "^[a-z]+$", "minLength": min, "maxLength": min + more })
        ),
        prop::collection::vec(-9i32..9, 1..4).prop_map(|numbers| json!({ "type": ["integer", "null"], "enum": numbers })),
        Just(json!({ "type": ["array", "null"], "items": { "type": "integer" }, "minItems": 2, "title": "T" })),
    ]
}

fn closed(properties: Vec<(String, Value)>) -> Value {
    let properties: Map<String, Value> = properties.into_iter().collect();
    let required: Vec<&String> = properties.keys().collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties.clone() })
}

fn name() -> impl Strategy<Value = String> {
    let known = [
        "url",
        "start",
        "end",
        "day",
        "ad_copies",
        "subtitle_lines",
        "evidence",
        "duration_sec",
        "label",
        "id",
    ];
    prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        "[a-z_]{1,8}"
    ]
}

fn strict_schema() -> impl Strategy<Value = Value> {
    let object = |inner: BoxedStrategy<Value>| prop::collection::vec((name(), inner), 0..5).prop_map(closed);
    let inner = leaf().prop_recursive(3, 40, 5, move |inner| {
        prop_oneof![
            object(inner.clone().boxed()),
            (inner.clone(), 0..4u32, 0..6u32)
                .prop_map(|(items, min, more)| json!({ "type": "array", "items": items, "minItems": min, "maxItems": min + more })),
            inner.clone().prop_map(|items| json!({ "type": "array", "items": items })),
            prop::collection::vec(inner, 1..3).prop_map(|branches| json!({ "anyOf": branches })),
            Just(json!({ "$ref": "#/$defs/shared" })),
        ]
    });
    let properties = prop::collection::vec((name(), inner), 1..6).prop_map(closed);
    (properties, leaf()).prop_map(|(mut schema, shared)| {
        schema["$defs"] = json!({ "shared": shared });
        schema
    })
}

proptest! {
    #[test]
    fn any_strict_schema_is_obeyed(schema in strict_schema()) {
        prop_assert_eq!(strict::refusal(&schema, Strictness::Closed), None);
        write_valid(&schema, &search(&facts(), Chance::new(2, "hits")).hits);
        write_valid(&schema, &[]);
    }
}
