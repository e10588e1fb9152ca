//! Every kind of fault of a playbook: where it is told to stand, and in which words. One row is one fault.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its own data has failed"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use greenroom_protocol::{Locale, Provenance};
use greenroom_session::playbook::{Bundle, CheckedPlaybook, Playbook, Severity};

/// What is done to a file of the concierge playbook (text, its replacement), and what is told of it.
struct Row(&'static str, &'static str, &'static str, &'static str);

const TOML: &str = "playbook.toml";
const SCOUT: &str = "schemas/scout.json";
const ENGLISH: &str = "phrases.en.toml";

const PROMPT: &str = "prompts/menu.md";

const ERRORS: &[Row] = &[
    // Syntax
    Row(
        TOML,
        "[gate]",
        "[gate",
        "playbook.toml:12:6: this is not TOML: unclosed table, expected `]`",
    ),
    Row(
        TOML,
        "retries = 2",
        "retries = 2\nretries = 3",
        "playbook.toml:95:1: this is not TOML: duplicate key",
    ),
    Row(
        SCOUT,
        "\"type\": \"array\"",
        "\"type\" \"array\"",
        "schemas/scout.json:5:14: this is not JSON: expected `:` at line 5 column 14",
    ),
    Row(
        SCOUT,
        "\"type\": \"string\"",
        "\"type\": \"strng\"",
        "schemas/scout.json:10:21: not a JSON Schema: /properties/places/items/properties/name/type: ",
    ),
    // Keys
    Row(
        TOML,
        "title_slot",
        "titel_slot",
        "playbook.toml:4:1: unknown key `titel_slot`; did you mean `title_slot`?",
    ),
    Row(
        TOML,
        "items_max = 5",
        "item_max = 5",
        "playbook.toml:49:1: unknown key `item_max`; did you mean `items_max`?",
    ),
    Row(
        TOML,
        "min_confidence = 0.6",
        "",
        "playbook.toml:12:1: `min_confidence` is missing; write `min_confidence =` and a number such as 0.7",
    ),
    // Types and values
    Row(
        TOML,
        "optional = true",
        "optional = 1",
        "playbook.toml:122:12: `optional` must not be this integer; write true or false",
    ),
    Row(
        TOML,
        "retries = 2",
        "retries = 20",
        "playbook.toml:94:11: `retries` must not be this integer; write a whole number from 0 to 10",
    ),
    Row(
        TOML,
        "units = [\"명\", \"people\", \"guests\"]",
        "units = \"명\"",
        "playbook.toml:41:9: `units` must not be this string; write a list of texts in quotes, such as [\"a\", \"b\"]",
    ),
    Row(
        TOML,
        "kind = \"number\"",
        "kind = \"nummer\"",
        "playbook.toml:39:8: `kind` cannot be `nummer`; did you mean `number`?",
    ),
    Row(
        TOML,
        "min_confidence = 0.6",
        "min_confidence = 6",
        "playbook.toml:13:18: `min_confidence` 6 is not from 0 to 1; write 0.7, say",
    ),
    // References
    Row(
        TOML,
        "title_slot = \"guest.name\"",
        "title_slot = \"guest.nam\"",
        "playbook.toml:4:14: `title_slot` names no slot `guest.nam`; did you mean `guest.name`?",
    ),
    Row(
        TOML,
        "after = [\"scout\"]",
        "after = [\"scuot\"]",
        "playbook.toml:92:10: there is no stage `scuot`; did you mean `scout`?",
    ),
    Row(
        TOML,
        "after = [\"scout\"]",
        "after = [\"menu\"]",
        "playbook.toml:92:10: the stage `menu` stands further down; move it above this one",
    ),
    Row(
        TOML,
        "after = [\"scout\"]",
        "after = [\"postcard\"]",
        "playbook.toml:92:10: the stages wait for each other in a circle: itinerary → postcard → itinerary; take one `after` out",
    ),
    Row(
        TOML,
        "after = [\"scout\"]",
        "after = [\"itinerary\"]",
        "playbook.toml:92:10: the stage `itinerary` cannot come after itself; leave it out",
    ),
    Row(
        TOML,
        "id = \"postcard\"",
        "id = \"itinerary\" # twice\nprompt = \"prompts/postcard.md\"\nschema = \"schemas/postcard.json\"",
        "playbook.toml:118:1: there is a stage `itinerary` already; give each its own id",
    ),
    Row(
        TOML,
        "path = \"stay.allergies\"",
        "path = \"stay.pace\"",
        "playbook.toml:63:1: there is a slot `stay.pace` already; give each its own path",
    ),
    Row(
        TOML,
        "id = \"menu\"",
        "id = \"menu\"\nprompt = \"prompts/menus.md\"",
        "playbook.toml:107:10: there is no file `prompts/menus.md`; add it (did you mean `prompts/menu.md`?)",
    ),
    Row(
        PROMPT,
        "",
        "Heed `stay.pace`\nand `stay.alergies`, but not `stay` or `x.y`.\n",
        "prompts/menu.md:2:6: the prompt names a slot `stay.alergies`, which there is not; did you mean `stay.allergies`?",
    ),
    Row(
        PROMPT,
        "",
        "Read `brief.guests.name`. ",
        "prompts/menu.md:1:7: the prompt names a slot `guests.name`, which there is not; did you mean `guest.name`?",
    ),
    // Languages
    Row(
        TOML,
        "labels.en = [\"pace\", \"mood\"]",
        "",
        "playbook.toml:56:1: no label in `en`; write what users call the slot, in both languages",
    ),
    Row(
        ENGLISH,
        "noted = \"Noted.\"",
        "",
        "phrases.en.toml: the phrase `turn.noted` is missing; every playbook has it, in both languages",
    ),
    // Schemas, and what leads into them
    Row(
        SCOUT,
        "\"properties\": {\n          \"name\"",
        "\"minProperties\": 1,\n        \"properties\": {\n          \"name\"",
        "schemas/scout.json:8:26: the keyword minProperties is not in the strict subset; did you mean `properties`?",
    ),
    Row(
        SCOUT,
        "        \"additionalProperties\": false\n",
        "        \"additionalProperties\": true\n",
        "schemas/scout.json:6:16: an object needs additionalProperties: false",
    ),
    Row(
        TOML,
        "path = \"/places\"",
        "path = \"/place\"",
        "playbook.toml:83:8: `/place` is no list in the schema; did you mean `/places`?",
    ),
    Row(
        TOML,
        "notice_path = \"/cautions\"",
        "notice_path = \"/places\"",
        "playbook.toml:86:15: `/places` is no list of texts in the schema; known here: `/cautions`",
    ),
    Row(
        TOML,
        "lift = [\"house_rules\"]",
        "lift = [\"hous_rules\"]",
        "playbook.toml:116:9: the schema has no field `hous_rules` to lift; did you mean `house_rules`?",
    ),
];

const WARNINGS: &[Row] = &[
    Row(
        ENGLISH,
        "[turn]",
        "[turn]\nhello = \"Hello.\"",
        "phrases.en.toml:12:9: warning: nothing speaks the phrase `turn.hello`; did you mean `turn.ready`?",
    ),
    Row(
        ENGLISH,
        "[turn]",
        "[field]\nplace = \"Where\"\n[turn]",
        "phrases.en.toml:12:9: warning: the name `field.place` is not in phrases.ko.toml; add it there",
    ),
    Row(
        ENGLISH,
        "[turn]",
        "[field]\nplacs = \"Where\"\n[turn]",
        "phrases.en.toml:12:9: warning: nothing speaks the phrase `field.placs`; did you mean `field.place`?",
    ),
    Row(
        ENGLISH,
        "[turn]",
        "[value]\nclam = \"Calm\"\n[turn]",
        "phrases.en.toml:12:8: warning: nothing speaks the phrase `value.clam`; did you mean `value.calm`?",
    ),
];

fn bundle() -> Bundle {
    fn read(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                read(&path, &format!("{name}/"), files);
            } else {
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playbooks/concierge");
    read(&folder, "", &mut files);
    Bundle { files }
}

/// Breaks each row's file and expects to be told so, at that place and no other; what follows from one fault may be
/// told beside it.
fn check(rows: &[Row], severity: Severity) {
    for Row(file, from, to, told) in rows {
        let mut bundle = bundle();
        let text = bundle.files.get_mut(*file).unwrap();
        assert!(text.contains(from), "{file} holds {from}");
        *text = text.replacen(from, to, 1);
        let CheckedPlaybook { playbook, faults } = Playbook::check(&bundle);
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let is_told = lines
            .iter()
            .zip(&faults)
            .any(|(line, fault)| line.starts_with(told) && fault.severity == severity);
        assert!(is_told, "{told} is not in {lines:#?}");
        assert_eq!(playbook.is_some(), severity == Severity::Warning, "{told}");
        let mut sorted = faults.clone();
        sorted.sort_by_key(|fault| (fault.file.clone(), fault.line, fault.column));
        assert_eq!(faults, sorted);
    }
}

#[test]
fn every_kind_of_error_is_told_with_its_place() {
    check(ERRORS, Severity::Error);
}

#[test]
fn what_was_hardly_meant_is_a_warning_and_keeps_nobody_from_using_the_playbook() {
    check(WARNINGS, Severity::Warning);
    let mut bundle = bundle();
    bundle.files.insert("prompts/old.md".to_owned(), "x".to_owned());
    let checked = Playbook::check(&bundle);
    let [fault] = checked.faults.as_slice() else {
        panic!("{:#?}", checked.faults)
    };
    assert_eq!(
        fault.to_string(),
        "prompts/old.md: warning: nothing reads this file; remove it, or name it in playbook.toml"
    );
    assert!(checked.playbook.is_some() && Playbook::from_bundle(&bundle).is_ok());
}

#[test]
fn what_cannot_be_read_leaves_no_doubt_about_what_it_may_have_named() {
    let mut bundle = bundle();
    bundle.files.insert(SCOUT.to_owned(), "{".to_owned());
    let told: Vec<String> = Playbook::check(&bundle)
        .faults
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        ["schemas/scout.json:1:1: this is not JSON: EOF while parsing an object at line 1 column 1"]
    );
}

#[test]
fn a_rule_that_came_later_keeps_no_session_from_the_playbook_that_it_is_pinned_to() {
    let lender = Playbook::from_bundle(&bundle()).unwrap();
    let mut older = bundle();
    for (file, from, to) in [
        (PROMPT, "`house_rules`", "`brief.party.nothing` `house_rules`"),
        (ENGLISH, "not_understood", "not_heard"),
        ("phrases.ko.toml", "not_understood", "not_heard"),
        (ENGLISH, "ready = \"", "ready = \"Yes? No? "),
    ] {
        let text = older.files.get_mut(file).unwrap();
        assert!(text.contains(from), "{file} holds {from}");
        *text = text.replacen(from, to, 1);
    }
    let errors = Playbook::from_bundle(&older).unwrap_err();
    assert_eq!(errors.len(), 4, "{errors:#?}");

    let pinned = Playbook::from_pinned(&older, Some(&lender)).unwrap();
    let key = "voice.not_understood";
    assert_eq!(
        pinned.phrase(key, Locale::Ko),
        lender.phrase(key, Locale::Ko),
        "what the older playbook does not know is lent"
    );
    let hash_of = |playbook: &Playbook, key| match playbook.phrase_provenance(key) {
        Provenance::Playbook { hash, .. } => hash,
        other => panic!("{other:?}"),
    };
    assert_eq!(hash_of(&pinned, key), lender.reference.hash);
    assert_eq!(hash_of(&pinned, "greeting"), older.hash());

    let toml = older.files.get_mut(TOML).unwrap();
    *toml = toml.replacen("title_slot", "titel_slot", 1);
    Playbook::from_pinned(&older, Some(&lender)).unwrap_err();
}

#[test]
fn a_playbook_as_it_should_be_has_no_faults() {
    assert_eq!(Playbook::check(&bundle()).faults, []);
}

#[test]
fn a_fault_is_told_to_programs_in_parts() {
    let mut bundle = bundle();
    let text = bundle.files.get_mut(TOML).unwrap();
    *text = text.replacen("title_slot", "titel_slot", 1);
    let told = serde_json::to_value(&Playbook::check(&bundle).faults).unwrap();
    let wanted = serde_json::json!([{
        "file": "playbook.toml", "line": 4, "column": 1, "severity": "error",
        "message": "unknown key `titel_slot`", "instead": "did you mean `title_slot`?",
    }]);
    assert_eq!(told, wanted);
}
