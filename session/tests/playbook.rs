//! Playbooks: both load, each kind of fault is told with its file and line, the hash pins the content.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its own data has failed"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use greenroom_protocol::{Locale, StageId};
use greenroom_session::playbook::{
    Bundle, BundleError, CORE_PHRASES, Check, Playbook, PlaybookFault, Rule, SCENARIOS_FOLDER, SlotKind,
    StageSpec,
};
use greenroom_session::schema::OutputValidator;
use proptest::prelude::{any, prop_assert, proptest};
use proptest::sample::Index;
use serde_json::{Value, json};

fn read_files(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            read_files(&path, &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

fn bundle(folder: &str) -> Bundle {
    let mut files = BTreeMap::new();
    read_files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
        "",
        &mut files,
    );
    Bundle { files }
}

fn launch_bundle() -> Bundle {
    bundle("../playbooks/launch")
}

fn concierge_bundle() -> Bundle {
    bundle("tests/playbooks/concierge")
}

fn load(bundle: &Bundle) -> Playbook {
    Playbook::from_bundle(bundle).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn faults_of(bundle: &Bundle) -> Vec<PlaybookFault> {
    Playbook::from_bundle(bundle).expect_err("the playbook has a fault")
}

fn stage<'a>(playbook: &'a Playbook, id: &str) -> &'a StageSpec {
    playbook
        .stages
        .iter()
        .find(|stage| stage.id.as_str() == id)
        .unwrap()
}

// ---------------------------------------------------------------- the two playbooks

#[test]
fn the_launch_playbook_is_as_the_product_says() {
    let playbook = load(&launch_bundle());

    let required: Vec<&str> = playbook
        .slots
        .iter()
        .filter(|slot| slot.required)
        .map(|slot| slot.path.as_str())
        .collect();
    assert_eq!(
        required,
        [
            "product.name",
            "product.category",
            "product.features",
            "product.price_band",
            "target.who",
            "target.why",
            "channel.channels",
            "goal.weekly_goal",
        ]
    );
    let optional: Vec<&str> = playbook
        .slots
        .iter()
        .filter(|slot| !slot.required)
        .map(|slot| slot.path.as_str())
        .collect();
    assert_eq!(
        optional,
        ["goal.video_seconds", "product.image_url", "product.image_context"]
    );
    assert!(
        playbook
            .slots
            .iter()
            .all(|slot| slot.required != slot.question.is_empty()),
        "only required slots are asked"
    );

    let kind = |path: &str| playbook.slot(&path.parse().unwrap()).unwrap().kind.clone();
    assert_eq!(
        kind("product.features"),
        SlotKind::TextList {
            items_min: 3,
            items_max: 20
        }
    );
    assert_eq!(
        kind("channel.channels"),
        SlotKind::TextList {
            items_min: 1,
            items_max: 2
        }
    );
    let SlotKind::Choice { options } = kind("goal.weekly_goal") else {
        panic!("a choice")
    };
    let goals: Vec<&str> = options.iter().map(|option| option.value.as_str()).collect();
    assert_eq!(goals, ["reach", "inquiry", "purchase"]);
    let SlotKind::Number { options, .. } = kind("goal.video_seconds") else {
        panic!("a number")
    };
    assert_eq!(options, [5, 10, 15, 20]);

    assert!((playbook.gate_min_confidence - 0.7).abs() < f64::EPSILON);
    assert_eq!(playbook.conversation.asks_in_a_row_max, 2);
    assert_eq!(playbook.conversation.turns_before_offer, 20);
    assert_eq!(playbook.run_budget.0, 600_000);
    assert_eq!(playbook.check_budget.0, 10_000);
    assert_eq!(playbook.title_slot.as_ref().unwrap().as_str(), "product.name");
    assert_eq!(playbook.reference.hash, launch_bundle().hash());
}

#[test]
fn the_launch_stages_are_as_the_product_says() {
    let playbook = load(&launch_bundle());
    let row = |stage: &StageSpec| {
        let after: Vec<&str> = stage.after.iter().map(StageId::as_str).collect();
        let StageSpec {
            id,
            state,
            agent,
            package_key,
            ..
        } = stage;
        let (budget_ms, retries) = (agent.budget.0, agent.retries);
        format!("{id}: {state}, {budget_ms} ms, {retries} retry, {package_key}, after {after:?}")
    };
    let rows: Vec<String> = playbook.stages.iter().map(row).collect();
    assert_eq!(
        rows,
        [
            "research: RUN_RESEARCH, 20000 ms, 1 retry, research_snapshot, after []",
            r#"strategy: GEN_STRATEGY, 30000 ms, 1 retry, strategy_plan, after ["research"]"#,
            r#"creative: GEN_CREATIVES, 60000 ms, 1 retry, creative_assets, after ["research", "strategy"]"#,
            r#"voice: GEN_CREATIVES, 30000 ms, 1 retry, voice_assets, after ["strategy", "creative"]"#,
        ]
    );
    assert_eq!(stage(&playbook, "strategy").lift, ["kpi_next_actions"]);
}

#[test]
fn evidence_and_copies_of_the_launch_are_verified() {
    let playbook = load(&launch_bundle());
    let evidence = &stage(&playbook, "research").verify[0];
    assert_eq!(
        (evidence.path.as_str(), &evidence.check),
        ("/evidence", &Check::SearchedUrl)
    );
    assert_eq!(evidence.notice_path.as_deref(), Some("/risk_flags"));
    let copies = &stage(&playbook, "creative").verify[0];
    assert_eq!((copies.path.as_str(), copies.items_min), ("/ad_copies", 5));
    let Check::ForbiddenClaims(claims) = &copies.check else {
        panic!("forbidden claims")
    };
    for claim in [
        "완치",
        "100% 보장",
        "부작용 없음",
        "guaranteed results",
        "no side effects",
    ] {
        assert!(
            claims.iter().any(|forbidden| forbidden == claim),
            "{claim} is forbidden"
        );
    }
    let harmless = "secures your glow: manicures, pedicures and a serum that cares";
    assert!(
        !claims.iter().any(|claim| harmless.contains(claim.as_str())),
        "a claim is too short"
    );
}

#[test]
fn the_launch_price_table_maps_prices_as_people_mean_them() {
    let playbook = load(&launch_bundle());
    let table = playbook.price_table.as_ref().unwrap();
    assert_eq!(table.default_currency, "KRW");
    let band = |code: &str, price: f64| {
        let currency = table
            .currencies
            .iter()
            .find(|currency| currency.code == code)
            .unwrap();
        let fits = |bound: &Option<f64>| bound.is_none_or(|bound| price < bound);
        currency
            .bands
            .iter()
            .find(|(_, bound)| fits(bound))
            .unwrap()
            .0
            .as_str()
    };
    let prices = [
        ("KRW", 14_999.0, "low"),
        ("KRW", 15_000.0, "mid"),
        ("KRW", 29_000.0, "mid"),
        ("KRW", 39_000.0, "mid"),
        ("KRW", 50_000.0, "premium"),
        ("USD", 9.0, "low"),
        ("USD", 25.0, "mid"),
        ("USD", 120.0, "premium"),
    ];
    for (code, price, wanted) in prices {
        assert_eq!(band(code, price), wanted, "{code} {price}");
    }
}

#[test]
fn launch_phrases_speak_their_language() {
    let playbook = load(&launch_bundle());
    let is_hangul = |character: char| ('가'..='힣').contains(&character);
    for (key, phrase) in &playbook.phrases {
        assert!(phrase.ko.contains(is_hangul), "{key} in Korean: {}", phrase.ko);
        assert!(!phrase.en.contains(is_hangul), "{key} in English: {}", phrase.en);
    }
    for key in CORE_PHRASES {
        assert_ne!(playbook.phrase(key, Locale::Ko), "");
    }
}

#[test]
fn the_second_playbook_is_unlike_the_first() {
    assert_eq!(
        load(&concierge_bundle()).check_budget.0,
        10_000,
        "it says nothing of it"
    );
    let launch = load(&launch_bundle());
    let concierge = load(&concierge_bundle());

    let common_slot = concierge
        .slots
        .iter()
        .find(|slot| launch.slot(&slot.path).is_some());
    assert_eq!(common_slot, None);
    let states = |playbook: &Playbook| {
        let own = [
            &playbook.states.collecting,
            &playbook.states.ready,
            &playbook.states.done,
            &playbook.states.failed,
        ];
        let stages = playbook.stages.iter().map(|stage| &stage.state);
        own.into_iter().chain(stages).cloned().collect::<Vec<String>>()
    };
    let launch_states = states(&launch);
    assert!(
        states(&concierge)
            .iter()
            .all(|state| !launch_states.contains(state))
    );

    let optional: Vec<&str> = concierge
        .stages
        .iter()
        .filter(|stage| stage.optional)
        .map(|stage| stage.id.as_str())
        .collect();
    assert_eq!(optional, ["postcard"]);
    assert_eq!(
        stage(&concierge, "itinerary").after,
        stage(&concierge, "menu").after,
        "side by side"
    );
    assert_eq!(stage(&concierge, "scout").verify.len(), 1);
    assert_eq!(
        stage(&concierge, "itinerary").rules,
        [Rule::Timeline {
            path: "/hours".to_owned()
        }]
    );
    assert_eq!(concierge.price_table, None);
}

// ---------------------------------------------------------------- schemas and rules

/// An output of each stage of the launch playbook that is as it should be.
fn good_output(stage: &str) -> Value {
    let copy = json!({ "headline": "아침 3초", "body": "바르고 바로 나가요.", "cta": "지금 구경하기" });
    match stage {
        "research" => json!({
            "market_signals": [{ "signal": "저자극 수요 증가", "impact": "첫 문장에 둔다" }],
            "competitor_notes": [{ "brand": "다른 세럼", "positioning": "보습", "price_band": "unknown" }],
            "channel_observations": [{ "channel": "인스타그램", "observation": "릴스 위주" }],
            "evidence": [{
                "source": "통계청", "title": "화장품 동향", "url": "https://example.com/a",
                "observed_at": "2026-02", "confidence": 0.9,
            }],
            "risk_flags": [],
        }),
        "strategy" => json!({
            "market_assessment": { "strengths": ["저자극"], "risks": ["경쟁"], "uncertainties": ["가격 반응"] },
            "positioning_options": [
                { "id": "p1", "title": "순한 시작", "message": "순하게 시작한다" },
                { "id": "p2", "title": "빠른 흡수", "message": "바르고 바로 나간다" },
            ],
            "weekly_plan": [
                { "day": 1, "action": "릴스 게시" },
                { "day": 3, "action": "후기 요청" },
                { "day": 5, "action": "라이브" },
            ],
            "required_assets": ["ad_copy", "poster", "video_prompt", "voiceover"],
            "kpi_next_actions": [{ "kpi": "저장 수", "target": "첫날보다 높게", "action": "잘된 문안을 늘린다" }],
        }),
        "creative" => json!({
            "ad_copies": vec![copy; 10],
            "poster_specs": [{ "headline": "순한 시작", "subheadline": "비건 세럼", "visual_keywords": ["물", "빛", "유리"] }],
            "video_prompt_package": {
                "duration_sec": 10, "size": "720x1280", "prompt": "A glass bottle in morning light.", "shots": ["close-up"],
            },
        }),
        "voice" => json!({
            "voiceover_script_short": "아침 3초. 순하게 시작해요. 지금 만나 보세요.",
            "voiceover_script_long": "아침 3초면 충분해요. 순하게 시작해요. 지금 만나 보세요.",
            "tone_profile": "가까운 친구처럼 차분하게",
            "delivery_profile": { "pace": "medium", "emphasis_words": ["순하게"] },
            "timing_map": [
                { "part": "hook", "start": 0.0, "end": 3.0 },
                { "part": "benefit", "start": 3.0, "end": 7.0 },
                { "part": "cta", "start": 7.0, "end": 10.0 },
            ],
            "subtitle_lines": [
                { "start": 0.0, "end": 3.0, "text": "아침 3초." },
                { "start": 3.0, "end": 9.5, "text": "순하게 시작해요." },
            ],
            "tts_config": { "model": "gpt-4o-mini-tts", "voice": "nova", "format": "mp3" },
        }),
        other => panic!("no stage {other}"),
    }
}

fn with(mut output: Value, pointer: &str, value: Value) -> Value {
    *output
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("{pointer} exists")) = value;
    output
}

#[test]
fn good_outputs_pass_schema_and_rules() {
    for spec in load(&launch_bundle()).stages {
        let output = good_output(spec.id.as_str());
        let validator = OutputValidator::new(&spec.schema).unwrap();
        assert_eq!(validator.validate(&output), [""; 0], "{}", spec.id);
        assert_eq!(spec.violations(&output), [""; 0], "{}", spec.id);
    }
}

#[test]
fn what_the_product_forbids_the_schemas_refuse() {
    let playbook = load(&launch_bundle());
    let refused = [
        ("research", "/market_signals", json!([])),
        ("research", "/competitor_notes", json!([])),
        ("research", "/channel_observations", json!([])),
        ("research", "/evidence/0/confidence", json!(1.1)),
        ("research", "/evidence/0", json!({ "url": "https://example.com" })),
        (
            "strategy",
            "/positioning_options",
            json!([{ "id": "p1", "title": "하나", "message": "뿐" }]),
        ),
        (
            "strategy",
            "/weekly_plan",
            json!([{ "day": 1, "action": "하나" }, { "day": 2, "action": "둘" }]),
        ),
        ("strategy", "/weekly_plan/0/day", json!(8)),
        (
            "strategy",
            "/required_assets",
            json!(["ad_copy", "poster", "video_prompt"]),
        ),
        ("strategy", "/kpi_next_actions", json!([])),
        (
            "creative",
            "/ad_copies",
            json!(vec![good_output("creative")["ad_copies"][0].clone(); 4]),
        ),
        ("creative", "/poster_specs", json!([])),
        ("creative", "/video_prompt_package/duration_sec", json!(12)),
        ("creative", "/video_prompt_package/size", json!("1920x1080")),
        ("voice", "/delivery_profile/pace", json!("brisk")),
        ("voice", "/timing_map/0/start", json!(-1.0)),
        ("voice", "/tts_config/format", json!("ogg")),
    ];
    for (id, pointer, value) in refused {
        let output = with(good_output(id), pointer, value);
        let validator = OutputValidator::new(&stage(&playbook, id).schema).unwrap();
        assert_ne!(
            validator.validate(&output),
            [""; 0],
            "{id} {pointer} is let through"
        );
    }
}

#[test]
fn what_a_schema_cannot_say_the_rules_do() {
    let playbook = load(&launch_bundle());
    let breaches = [
        (
            "voice",
            "/timing_map/0/start",
            json!(0.5),
            vec![
                "/timing_map/0 starts at 0.5; the first must start at 0.0",
                "/subtitle_lines/0 lasts from 0 to 3; it must lie within /timing_map, from 0.5 to 10",
            ],
        ),
        (
            "voice",
            "/timing_map/1/start",
            json!(2.0),
            vec!["/timing_map/1 starts at 2, before the one before it has ended at 3"],
        ),
        (
            "voice",
            "/timing_map/1/end",
            json!(3.0),
            vec!["/timing_map/1 ends at 3, not after its start 3"],
        ),
        (
            "voice",
            "/timing_map/2/part",
            json!("benefit"),
            vec!["/timing_map lacks `cta`; add it"],
        ),
        (
            "voice",
            "/subtitle_lines/1/end",
            json!(10.5),
            vec!["/subtitle_lines/1 lasts from 3 to 10.5; it must lie within /timing_map, from 0 to 10"],
        ),
        (
            "voice",
            "/subtitle_lines/1/start",
            json!(2.5),
            vec!["/subtitle_lines/1 starts at 2.5, before the one before it has ended at 3"],
        ),
        (
            "voice",
            "/tone_profile",
            json!(" \n"),
            vec!["/tone_profile is blank; write its text"],
        ),
        (
            "voice",
            "/subtitle_lines/0/text",
            json!(""),
            vec!["/subtitle_lines/0/text is blank; write its text"],
        ),
        (
            "strategy",
            "/required_assets/3",
            json!("landing_page"),
            vec!["/required_assets lacks `voiceover`; add it"],
        ),
    ];
    for (id, pointer, value, violations) in breaches {
        let output = with(good_output(id), pointer, value);
        assert_eq!(
            stage(&playbook, id).violations(&output),
            violations,
            "{id} {pointer}"
        );
    }
}

// ---------------------------------------------------------------- faults

/// Replaces `from` in a file of the launch playbook and expects one fault: in the file `at.0`, on the line that then
/// holds `at.1`, and saying `says`. A marker that begins with `^` means the line above (where the table begins); an
/// empty one, that the fault is on no line.
#[track_caller]
fn check(file: &str, from: &str, to: &str, at: (&str, &str), says: &str) {
    let mut bundle = launch_bundle();
    let text = bundle.files.get_mut(file).unwrap();
    assert!(text.contains(from), "{file} holds {from}");
    *text = text.replacen(from, to, 1);
    let (fault_file, marker) = at;
    let line = (!marker.is_empty()).then(|| {
        let above = usize::from(marker.starts_with('^'));
        let marker = marker.trim_start_matches('^');
        let mut lines = bundle.files[fault_file].lines();
        1 - above
            + lines
                .position(|line| line.contains(marker))
                .expect("the marker is there")
    });
    let faults = faults_of(&bundle);
    let [fault] = faults.as_slice() else {
        panic!("one fault, not {faults:#?}")
    };
    assert_eq!((fault.file.as_str(), fault.line), (fault_file, line), "{fault}");
    assert!(fault.to_string().contains(says), "{fault}");
}

/// As [`check`], for faults on the line that was changed in `playbook.toml`.
#[track_caller]
fn check_toml(from: &str, to: &str, marker: &str, says: &str) {
    check("playbook.toml", from, to, ("playbook.toml", marker), says);
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    check_toml(
        "title_slot =",
        "titel_slot =",
        "titel_slot",
        "unknown key `titel_slot`; did you mean `title_slot`?",
    );
    check_toml(
        "after = [\"research\"]",
        "aftre = [\"research\"]",
        "aftre",
        "did you mean `after`?",
    );
    check_toml(
        "field = \"part\"",
        "field = \"part\"\ncolour = 1",
        "colour",
        "known here: `kind`, `field`, `path`, `values`",
    );
    check_toml(
        "items_max = 2",
        "item_max = 2",
        "item_max",
        "did you mean `items_max`?",
    );
    check_toml(
        "marks = [\"€\"",
        "note = \"x\"\nmarks = [\"€\"",
        "note = ",
        "unknown key `note`",
    );
    check_toml(
        "labels.en = [\"reason\"",
        "labels.ja = []\nlabels.en = [\"reason\"",
        "labels.ja",
        "unknown key `ja`",
    );
}

#[test]
fn missing_and_unfit_values_say_what_to_write() {
    check_toml("name = \"launch\"\n", "", "", "`name` is missing");
    check_toml(
        "name = \"launch\"",
        "name = \"The Launch\"",
        "The Launch",
        "lowercase name such as launch",
    );
    check_toml(
        "name = \"launch\"",
        "name = 7",
        "name = 7",
        "must not be this integer; write a text in quotes",
    );
    check_toml(
        "name = \"launch\"",
        "name = \" \"",
        "name = \" \"",
        "`name` is blank",
    );
    check_toml(
        "min_confidence = 0.7",
        "min_confidence = 7",
        "min_confidence = 7",
        "not from 0 to 1",
    );
    check_toml(
        "budget_ms = 600_000",
        "budget_ms = 0",
        "budget_ms = 0",
        "whole number of at least 1",
    );
    check_toml(
        "budget_ms = 20_000",
        "budget_ms = -1",
        "budget_ms = -1",
        "whole number of at least 1",
    );
    check_toml(
        "budget_ms = 60_000\n",
        "",
        "^id = \"creative\"",
        "`budget_ms` is missing",
    );
}

#[test]
fn how_an_agent_calls_its_model_is_checked() {
    check_toml(
        "retries = 1",
        "retries = \"once\"",
        "retries = \"once\"",
        "must not be this string",
    );
    check_toml(
        "search = true",
        "search = \"yes\"",
        "search = \"yes\"",
        "true or false",
    );
    check_toml(
        "model = \"large\"",
        "model = \"larg\"",
        "model = \"larg\"",
        "did you mean `large`?",
    );
    check_toml(
        "[run]\nbudget_ms = 600_000",
        "[run]\nbudget_ms = 50_000",
        "^id = \"creative\"",
        "above the whole run's 50000",
    );
    check_toml(
        "stall_timeout_ms = 15_000",
        "stall_timeout_ms = 90_000",
        "^id = \"creative\"",
        "longer than `budget_ms` 60000",
    );
    check_toml(
        "[moderation]\nbudget_ms = 10_000",
        "[moderation]\nbudget_ms = 0",
        "budget_ms = 0",
        "a whole number from 1 to 60000",
    );
    check_toml("[states]", "[states", "[states", "this is not TOML");
}

#[test]
fn states_are_names_of_their_own() {
    check_toml("done = \"DONE\"", "done = \"\"", "done = \"\"", "`done` is blank");
    check_toml(
        "done = \"DONE\"",
        "done = \"BRIEF_READY\"",
        "done = ",
        "the name of another state already",
    );
    check_toml(
        "done = \"DONE\"",
        "done = \"done\"",
        "done = \"done\"",
        "write capitals",
    );
    check_toml(
        "state = \"GEN_STRATEGY\"",
        "state = \"DONE\"",
        "state = \"DONE\"",
        "stands in `[states]` already",
    );
}

#[test]
fn slots_are_checked() {
    let slot = "path = \"product.category\"";
    check_toml(
        slot,
        "path = \"category\"",
        "path = \"category\"",
        "two lowercase names joined by a dot",
    );
    check_toml(
        "path = \"target.who\"\nkind = \"text\"",
        "path = \"target.who\"\nkind = \"txt\"",
        "kind = \"txt\"",
        "did you mean `text`?",
    );
    check_toml("items_max = 2", "items_max = 0", "items_max = 0", "from 1 to 20");
    check_toml(
        "options = [5, 10, 15, 20]",
        "options = []",
        "options = []",
        "`options` is empty",
    );
    check_toml(
        "title_slot = \"product.name\"",
        "title_slot = \"product.nam\"",
        "title_slot",
        "did you mean `product.name`?",
    );
    check_toml(
        "title_slot = \"product.name\"",
        "title_slot = \"product.features\"",
        "title_slot",
        "of kind text",
    );
    check_toml(
        "\"reason\", \"reason to buy\"",
        "\"Reason\", \"reason to buy\"",
        "\"Reason\"",
        "write `reason`",
    );
    check_toml(
        "\"reason\", \"reason to buy\"",
        "\"price\", \"reason to buy\"",
        "\"reason to buy\"",
        "means `product.price_band` already",
    );
    check_toml(
        "\"purchase\", \"purchases\"",
        "\"leads\", \"purchases\"",
        "\"purchases\"",
        "`leads` means `inquiry` already",
    );
    check_toml(
        "{ value = \"inquiry\"",
        "{ value = \"reach\"",
        "\"lead generation\"",
        "an option already",
    );
}

#[test]
fn a_slot_has_labels_in_both_languages() {
    let mut bundle = concierge_bundle();
    let toml = bundle.files.get_mut("playbook.toml").unwrap();
    *toml = toml.replace("labels.en = [\"pace\", \"mood\"]\n", "");
    let faults: Vec<String> = faults_of(&bundle).iter().map(ToString::to_string).collect();
    let wanted = "playbook.toml:56:1: no label in `en`; write what users call the slot, in both languages";
    assert_eq!(faults, [wanted]);
}

#[test]
fn a_slot_path_is_given_once() {
    let mut bundle = launch_bundle();
    let toml = bundle.files.get_mut("playbook.toml").unwrap();
    *toml = toml.replacen(
        "path = \"product.image_context\"",
        "path = \"product.image_url\"",
        1,
    );
    let line = 1 + toml
        .lines()
        .collect::<Vec<_>>()
        .iter()
        .rposition(|line| line.contains("[[slots]]"))
        .unwrap();
    let faults = faults_of(&bundle);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert_eq!(faults[0].line, Some(line));
    assert!(
        faults[0]
            .to_string()
            .contains("there is a slot `product.image_url` already"),
        "{}",
        faults[0]
    );
}

#[test]
fn the_price_table_covers_the_options() {
    let usd = "{ value = \"mid\", below = 40 }";
    check_toml(
        usd,
        "{ value = \"med\", below = 40 }, { value = \"mid\", below = 50 }",
        "\"med\"",
        "no slot has the option `med`; did you mean `mid`?",
    );
    check_toml(
        "{ value = \"mid\", below = 40 }, ",
        "",
        "^code = \"USD\"",
        "no band has the value `mid`",
    );
    check_toml(
        usd,
        "{ value = \"mid\", below = 4 }",
        "below = 4 }",
        "sort the bands by price",
    );
    check_toml(
        usd,
        "{ value = \"mid\" }",
        "{ value = \"mid\" }",
        "only the last band may lack `below`",
    );
    check_toml(
        "below = 37 }, { value = \"premium\" }",
        "below = 37 }, { value = \"premium\", below = 99 }",
        "^code = \"EUR\"",
        "every price has a band",
    );
    check_toml(
        "marks = [\"€\"",
        "marks = [\"$\", \"€\"",
        "^code = \"EUR\"",
        "stands for another currency",
    );
    check_toml(
        "default_currency = \"KRW\"",
        "default_currency = \"KRV\"",
        "KRV",
        "did you mean `KRW`?",
    );
}

#[test]
fn stages_come_after_earlier_ones() {
    check_toml(
        "after = [\"research\"]",
        "after = [\"reserch\"]",
        "reserch",
        "did you mean `research`?",
    );
    check_toml(
        "after = [\"research\"]",
        "after = [\"voice\"]",
        "after = [\"voice\"]",
        "in a circle: strategy → voice → strategy; take one `after` out",
    );
    check_toml(
        "after = [\"research\"]",
        "after = [\"strategy\"]",
        "after = [\"strategy\"]",
        "cannot come after itself",
    );
    check_toml(
        "package_key = \"voice_assets\"",
        "package_key = \"strategy_plan\" # voice",
        "# voice",
        "files `strategy_plan` already",
    );
}

#[test]
fn stage_ids_are_names_of_their_own() {
    let id = "id = \"voice\"";
    let files = "prompt = \"prompts/voice.md\"\nschema = \"schemas/voice.json\"";
    check_toml(
        id,
        &format!("id = \"planner\"\n{files}"),
        "id = \"planner\"",
        "not planner",
    );
    check_toml(
        id,
        &format!("id = \"Voice\"\n{files}"),
        "id = \"Voice\"",
        "no stage's id",
    );
    check_toml(
        id,
        &format!("id = \"research\" # again\n{files}"),
        "^id = \"research\" # again",
        "there is a stage `research` already",
    );
}

#[test]
fn paths_are_checked_against_the_schema() {
    check_toml(
        "path = \"/evidence\"",
        "path = \"/proof\"",
        "/proof",
        "no list in the schema",
    );
    check_toml(
        "path = \"/evidence\"",
        "path = \"/market_signals\"",
        "/market_signals",
        "no field `url` of type string",
    );
    check_toml(
        "notice_path = \"/risk_flags\"",
        "notice_path = \"/evidence\"",
        "notice_path",
        "no list of texts",
    );
    check_toml(
        "notice_path = \"/risk_flags\"\ndropped_phrase = \"risk.evidence_dropped\"\n",
        "",
        "empty_phrase",
        "add `notice_path`",
    );
    check_toml(
        "check = \"searched_url\"",
        "check = \"searched\"",
        "check = \"searched\"",
        "cannot be `searched`",
    );
    check_toml(
        "timeline = \"/timing_map\"",
        "timeline = \"/tone_profile\"",
        "timeline = \"/tone",
        "no list in the schema",
    );
    check_toml(
        "path = \"/timing_map\"\nfield = \"part\"",
        "path = \"/timing_map\" # here\nfield = \"parts\"",
        "# here",
        "no field `parts` of type string",
    );
    check_toml(
        "\"hook\", \"benefit\"",
        "\"hoop\", \"benefit\"",
        "\"hoop\"",
        "does not allow `hoop`",
    );
    check_toml(
        "lift = [\"kpi_next_actions\"]",
        "lift = [\"kpis\"]",
        "lift = ",
        "no field `kpis`",
    );
}

#[test]
fn files_are_checked() {
    check_toml(
        "id = \"voice\"",
        "id = \"voice\"\nprompt = \"prompts/vioce.md\"",
        "vioce",
        "did you mean `prompts/voice.md`?",
    );
    check_toml(
        "id = \"voice\"",
        "id = \"voice\"\nschema = \"voice.json\"",
        "schema = \"voice.json\"",
        "there is no file `voice.json`",
    );
    let (schema, prompt) = ("schemas/voice.json", "prompts/voice.md");
    check(
        schema,
        "\"type\": \"object\",",
        "\"type\" \"object\",",
        (schema, "\"type\" \"object\""),
        "this is not JSON",
    );
    let mut bundle = launch_bundle();
    bundle.files.insert(prompt.to_owned(), "\n \n".to_owned());
    bundle.files.remove("phrases.en.toml");
    let faults: Vec<String> = faults_of(&bundle).iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "phrases.en.toml: there is no file `phrases.en.toml`; add it (did you mean `phrases.ko.toml`?)",
            "prompts/voice.md: the prompt is blank; write what the model is to do",
        ]
    );
}

#[test]
fn phrases_are_checked_in_both_languages() {
    let en = "phrases.en.toml";
    check(
        en,
        "noted = \"Got it.\"\n",
        "",
        (en, ""),
        "the phrase `turn.noted` is missing",
    );
    check(
        en,
        "name = \"What's",
        "name = \"Hello? What's",
        (en, "Hello?"),
        "asks 2 questions; it may ask 1",
    );
    check(
        en,
        "noted = \"Got it.\"",
        "noted = \"Got it?\"",
        (en, "Got it?"),
        "asks 1 questions; it may ask 0",
    );

    let mut bundle = concierge_bundle();
    let korean = bundle.files.get_mut("phrases.ko.toml").unwrap();
    *korean = korean.replace("\npace = ", "\npase = ");
    let faults: Vec<String> = faults_of(&bundle).iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        ["playbook.toml:53:1: the phrase `question.stay.pace` is not in phrases.ko.toml; add it there",]
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let mut bundle = launch_bundle();
    let toml = bundle.files.get_mut("playbook.toml").unwrap();
    for (from, to) in [
        ("done = \"DONE\"", "doen = \"DONE\""),
        ("min_confidence = 0.7", "min_confidence = 70"),
        (
            "path = \"target.who\"\nkind = \"text\"",
            "path = \"target.who\"\nkind = \"words\"",
        ),
        ("after = [\"research\"]", "after = [\"riserch\"]"),
        ("path = \"/evidence\"", "path = \"/evidences\""),
    ] {
        *toml = toml.replacen(from, to, 1);
    }
    bundle.files.remove("prompts/creative.md");
    let faults: Vec<String> = faults_of(&bundle).iter().map(ToString::to_string).collect();
    let told = |says: &str| faults.iter().any(|message| message.contains(says));
    for says in [
        "`done` is missing",
        "unknown key `doen`; did you mean `done`?",
        "`min_confidence` 70",
        "`kind` cannot be `words`",
        "there is no stage `riserch`",
        "`/evidences` is no list",
        "there is no file `prompts/creative.md`",
    ] {
        assert!(told(says), "{says} is not told in {faults:#?}");
    }
    assert_eq!(faults.len(), 7, "{faults:#?}");
}

#[test]
fn an_empty_bundle_lacks_the_playbook_file() {
    let faults = faults_of(&Bundle {
        files: BTreeMap::new(),
    });
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert_eq!(faults[0].file, "playbook.toml");
}

proptest! {
    /// Whatever is cut out of whichever file, loading neither panics nor refuses without saying why.
    #[test]
    fn a_mutilated_playbook_is_loaded_or_told_why(file in any::<Index>(), cut in any::<[Index; 2]>()) {
        let mut bundle = concierge_bundle();
        let names: Vec<String> = bundle.files.keys().cloned().collect();
        let text = bundle.files.get_mut(file.get(&names)).unwrap();
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
        let [from, to] = cut.map(|place| *place.get(&places));
        text.replace_range(from.min(to)..from.max(to), "");
        if let Err(faults) = Playbook::from_bundle(&bundle) {
            prop_assert!(!faults.is_empty());
        }
    }
}

// ---------------------------------------------------------------- the bundle

fn small_bundle(files: &[(&str, &str)]) -> Bundle {
    Bundle {
        files: files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
    }
}

#[test]
fn the_hash_pins_the_content() {
    let pinned = small_bundle(&[
        ("playbook.toml", "name = \"가\"\n"),
        ("prompts/planner.md", "Hi."),
    ]);
    assert_eq!(
        pinned.to_json(),
        r#"{"format":1,"files":{"playbook.toml":"name = \"가\"\n","prompts/planner.md":"Hi."}}"#
    );
    // From `sha256sum` over the JSON above: sessions are pinned by this number, so it never changes.
    assert_eq!(
        pinned.hash(),
        "f5edaf8b635a4a4138d286264a536bb607b59180a6cf0790af13b2b812774012"
    );

    let reordered = small_bundle(&[
        ("prompts/planner.md", "Hi."),
        ("playbook.toml", "name = \"가\"\n"),
    ]);
    assert_eq!(reordered.hash(), pinned.hash());
    let changed = small_bundle(&[
        ("playbook.toml", "name = \"가\"\n"),
        ("prompts/planner.md", "Hi!"),
    ]);
    assert_ne!(changed.hash(), pinned.hash());
    let renamed = small_bundle(&[("playbook.toml", "name = \"가\"\n"), ("prompts/planer.md", "Hi.")]);
    assert_ne!(renamed.hash(), pinned.hash());
    let moved = small_bundle(&[
        ("playbook.toml", "name = \"가\"\nHi."),
        ("prompts/planner.md", ""),
    ]);
    assert_ne!(moved.hash(), pinned.hash());
    let tested = small_bundle(&[
        ("playbook.toml", "name = \"가\"\n"),
        ("prompts/planner.md", "Hi."),
        ("scenarios/ko.toml", ""),
    ]);
    assert_eq!(
        tested.hash(),
        pinned.hash(),
        "scenarios are no part of a playbook"
    );
}

#[test]
fn a_bundle_survives_its_json() {
    for mut bundle in [launch_bundle(), concierge_bundle()] {
        let stored = Bundle::from_json(&bundle.to_json()).unwrap();
        bundle.files.retain(|name, _| !name.starts_with(SCENARIOS_FOLDER));
        assert_eq!(stored, bundle);
    }
    let newer = Bundle::from_json(r#"{"format":2,"chapters":[]}"#);
    assert!(
        matches!(newer, Err(BundleError::UnknownFormat { format: 2 })),
        "{newer:?}"
    );
    for damaged in [
        "",
        "{}",
        r#"{"format":1}"#,
        r#"{"format":1,"files":{"playbook.toml":7}}"#,
    ] {
        let result = Bundle::from_json(damaged);
        assert!(
            matches!(result, Err(BundleError::Damaged(_))),
            "{damaged}: {result:?}"
        );
    }
}
