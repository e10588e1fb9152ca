//! The stages of a playbook, as `playbook.toml` and the schemas have them.

use std::sync::Arc;

use greenroom_protocol::{Millis, StageId, push_pointer_token};
use serde_json::Value;

use super::document::{Located, Section, hint};
use super::fault::{Place, Told};
use super::json_place::place_of;
use super::load::{Reading, is_state_name, note_phrase, read_agent, read_prompt};
use super::order::read_after;
use super::phrases::PhraseUse;
use super::pointer::{elements_at, has_type, lists_of, schema_at};
use super::{Check, Rule, StageSpec, StateNames, VerifySpec};
use crate::schema::{OutputValidator, STRICT_KEYWORDS, strict_breaches};

/// Parts of a package that the server fills itself.
const RESERVED_PACKAGE_KEYS: [&str; 1] = ["brief_summary"];

/// What a stage is checked against.
pub(super) struct Surroundings<'a> {
    pub(super) reading: &'a Reading<'a>,
    pub(super) states: Option<&'a StateNames>,
    pub(super) run_budget: Option<Millis>,
}

#[derive(Clone, Copy)]
enum CheckName {
    SearchedUrl,
    ForbiddenClaims,
}

#[derive(Clone, Copy)]
enum RuleName {
    Timeline,
    Within,
    Contains,
}

/// Reads `[[stages]]`.
pub(super) fn read(
    root: &Section<'_>,
    surroundings: &Surroundings<'_>,
    uses: &mut Vec<PhraseUse>,
) -> Vec<StageSpec> {
    let sections = root.sections("stages");
    if sections.is_empty() {
        root.fault(
            None,
            (
                "there is no stage, so a run would do nothing",
                "add a `[[stages]]`",
            ),
        );
    }
    let ids: Vec<Option<StageId>> = sections.iter().map(read_id).collect();
    for (index, section) in sections.iter().enumerate() {
        if let Some(id) = ids[index]
            .as_ref()
            .filter(|id| ids[..index].iter().flatten().any(|earlier| earlier == *id))
        {
            section.fault(
                section.at(),
                (format!("there is a stage `{id}` already"), "give each its own id"),
            );
        }
    }
    let wishes: Vec<Vec<Located<String>>> = sections.iter().map(|section| section.texts("after")).collect();
    let mut stages = Vec::new();
    for (index, section) in sections.into_iter().enumerate() {
        let id = ids[index].clone();
        let after = read_after(&section, index, &ids, &wishes);
        let stage = read_stage(section, id, after, surroundings, &stages, uses);
        stages.extend(stage);
    }
    stages
}

fn read_stage(
    section: Section<'_>,
    id: Option<StageId>,
    after: Vec<StageId>,
    surroundings: &Surroundings<'_>,
    earlier: &[StageSpec],
    uses: &mut Vec<PhraseUse>,
) -> Option<StageSpec> {
    let reading = surroundings.reading;
    let id = id?;
    let state = section
        .text("state")
        .filter(|state| check_state(&section, state, surroundings.states));
    let optional = section.flag("optional", false);
    let search = section.flag("search", false);
    let agent = read_agent(&section);
    if let (Some(agent), Some(run_budget)) = (&agent, surroundings.run_budget)
        && agent.budget > run_budget
    {
        let message = (
            format!("`budget_ms` is above the whole run's {}", run_budget.0),
            "lower it, or raise that",
        );
        section.fault(section.at(), message);
    }
    let prompt = read_prompt(&section, &format!("prompts/{id}.md"), reading);
    let schema = read_schema(&section, &format!("schemas/{id}.json"), reading);
    let package_key = section.text("package_key");
    if let Some(key) = &package_key {
        check_package_key(&section, key, earlier);
    }
    // A stage whose schema cannot be read has its paths unchecked: one fault at a time says more.
    let anything = Value::Bool(true);
    let shape = schema.as_ref().unwrap_or(&anything);
    let verify = read_verify(&section, shape, uses);
    let rules = section
        .sections("rules")
        .into_iter()
        .filter_map(|rule| read_rule(rule, shape))
        .collect();
    let lift = read_lift(&section, shape);
    section.close();
    Some(StageSpec {
        id,
        state: state?.value,
        after,
        optional: optional?,
        agent: agent?,
        search: search?,
        prompt: prompt?,
        schema: Arc::new(schema?),
        verify,
        rules,
        package_key: package_key?.value,
        lift,
    })
}

fn read_id(section: &Section<'_>) -> Option<StageId> {
    let text = section.text("id")?;
    match text.value.parse::<StageId>() {
        Ok(id) => Some(id),
        Err(error) => {
            section.fault(
                Some(text.at),
                (format!("`{}` is no stage's id", text.value), error.to_string()),
            );
            None
        }
    }
}

/// Stages may share a state with each other, but not with what is no stage.
fn check_state(section: &Section<'_>, state: &Located<String>, states: Option<&StateNames>) -> bool {
    let well_formed = is_state_name(section, state);
    let taken = states.is_some_and(|states| {
        [&states.collecting, &states.ready, &states.done, &states.failed].contains(&&state.value)
    });
    if taken {
        section.fault(
            Some(state.at),
            (
                format!("`{}` stands in `[states]` already", state.value),
                "choose another",
            ),
        );
    }
    well_formed
}

fn read_schema(section: &Section<'_>, usual_file: &str, reading: &Reading<'_>) -> Option<Value> {
    let named = section.optional_text("schema");
    let at = named.as_ref().map(|named| named.at).or(section.at());
    let file = named.map_or_else(|| usual_file.to_owned(), |named| named.value);
    let text = reading.schema(&file, at)?;
    let schema = match serde_json::from_str::<Value>(text) {
        Ok(schema) => schema,
        Err(error) => {
            // At the end of the text the parser counts columns from 0.
            let at = Place::at(error.line(), error.column().max(1));
            reading
                .faults
                .error(&file, Some(at), format!("this is not JSON: {error}"));
            return None;
        }
    };
    let breaches = strict_breaches(&schema);
    for breach in &breaches {
        let mut pointer = breach.pointer.clone();
        if let Some(keyword) = &breach.keyword {
            push_pointer_token(&mut pointer, keyword);
        }
        let at = place_of(text, &pointer);
        let told = match &breach.keyword {
            Some(keyword) => Told::from((breach.what.clone(), hint(keyword, STRICT_KEYWORDS))),
            None => Told::from(breach.what.clone()),
        };
        reading.faults.error(&file, at, told);
    }
    if breaches.is_empty()
        && let Err(error) = OutputValidator::new(&schema)
    {
        let at = place_of(text, &error.pointer);
        reading.faults.error(&file, at, error.to_string());
    }
    Some(schema)
}

fn check_package_key(section: &Section<'_>, key: &Located<String>, earlier: &[StageSpec]) {
    if RESERVED_PACKAGE_KEYS.contains(&key.value.as_str()) {
        section.fault(
            Some(key.at),
            (
                format!("the server fills `{}` itself", key.value),
                "choose another",
            ),
        );
    }
    let taken = |stage: &StageSpec| stage.package_key == key.value || stage.lift.contains(&key.value);
    if let Some(stage) = earlier.iter().find(|stage| taken(stage)) {
        let message = (
            format!("the stage `{}` files `{}` already", stage.id, key.value),
            "choose another",
        );
        section.fault(Some(key.at), message);
    }
}

fn read_lift(section: &Section<'_>, schema: &Value) -> Vec<String> {
    let lift = section.texts("lift");
    let properties = schema_at(schema, "").and_then(|schema| schema.get("properties")?.as_object());
    let fields: Vec<&str> = properties
        .into_iter()
        .flat_map(|properties| properties.keys())
        .map(String::as_str)
        .collect();
    for field in &lift {
        if !schema.is_boolean() && !fields.contains(&field.value.as_str()) {
            let told = (
                format!("the schema has no field `{}` to lift", field.value),
                hint(&field.value, &fields),
            );
            section.fault(Some(field.at), told);
        }
    }
    lift.into_iter().map(|field| field.value).collect()
}

fn read_verify(section: &Section<'_>, schema: &Value, uses: &mut Vec<PhraseUse>) -> Vec<VerifySpec> {
    let mut specs: Vec<VerifySpec> = Vec::new();
    for verify in section.sections("verify") {
        let at = verify.at();
        let Some(spec) = read_verify_spec(verify, schema, uses) else {
            continue;
        };
        if specs.iter().any(|earlier| earlier.path == spec.path) {
            section.fault(
                at,
                (format!("`{}` is verified already", spec.path), "one check a path"),
            );
        }
        specs.push(spec);
    }
    specs
}

fn read_verify_spec(section: Section<'_>, schema: &Value, uses: &mut Vec<PhraseUse>) -> Option<VerifySpec> {
    let checks = [
        ("searched_url", CheckName::SearchedUrl),
        ("forbidden_claims", CheckName::ForbiddenClaims),
    ];
    let check_name = section.word("check", &checks);
    let needed_field = match check_name {
        Some(CheckName::SearchedUrl) => Some(("url", ["string"].as_slice())),
        Some(CheckName::ForbiddenClaims) | None => None,
    };
    let path = list_path(&section, "path", schema, needed_field.as_slice());
    let items_min = section.integer_or("items_min", 0..=1_000, 0);
    let notice = section.optional_text("notice_path");
    if let Some(notice) = &notice
        && !schema.is_boolean()
        && !elements_at(schema, &notice.value).is_some_and(|element| has_type(element, &["string"]))
    {
        let message = {
            let lists = lists_of(schema, |element| has_type(element, &["string"]));
            let known: Vec<&str> = lists.iter().map(String::as_str).collect();
            (
                format!("`{}` is no list of texts in the schema", notice.value),
                hint(&notice.value, &known),
            )
        };
        section.fault(Some(notice.at), message);
    }
    let dropped_phrase = section.optional_text("dropped_phrase");
    let empty_phrase = section.optional_text("empty_phrase");
    for phrase in [&dropped_phrase, &empty_phrase].into_iter().flatten() {
        note_phrase(Some(phrase), uses);
        if notice.is_none() {
            let message = (
                format!("the phrase `{}` has no place", phrase.value),
                "add `notice_path`",
            );
            section.fault(Some(phrase.at), message);
        }
    }
    let check = check_name.map(|check| match check {
        CheckName::SearchedUrl => Check::SearchedUrl,
        CheckName::ForbiddenClaims => Check::ForbiddenClaims(read_claims(&section)),
    });
    section.close();
    Some(VerifySpec {
        path: path?,
        check: check?,
        items_min: usize::try_from(items_min?).ok()?,
        notice_path: notice.map(|notice| notice.value),
        dropped_phrase: dropped_phrase.map(|phrase| phrase.value),
        empty_phrase: empty_phrase.map(|phrase| phrase.value),
    })
}

fn read_claims(section: &Section<'_>) -> Vec<String> {
    let claims = super::slots::lowercase_texts(section, "claims");
    if claims.is_empty() {
        section.fault(
            section.place_of("claims"),
            ("`claims` is empty", "write the claims that nobody may make"),
        );
    }
    claims.into_iter().map(|claim| claim.value).collect()
}

fn read_rule(section: Section<'_>, schema: &Value) -> Option<Rule> {
    const TIMES: [(&str, &[&str]); 2] = [("start", &["number", "integer"]), ("end", &["number", "integer"])];
    let rules = [
        ("timeline", RuleName::Timeline),
        ("within", RuleName::Within),
        ("contains", RuleName::Contains),
    ];
    let rule = section.word("kind", &rules);
    let rule = rule.and_then(|rule| match rule {
        RuleName::Timeline => Some(Rule::Timeline {
            path: list_path(&section, "path", schema, &TIMES)?,
        }),
        RuleName::Within => {
            let path = list_path(&section, "path", schema, &TIMES);
            let timeline = list_path(&section, "timeline", schema, &TIMES);
            Some(Rule::Within {
                path: path?,
                timeline: timeline?,
            })
        }
        RuleName::Contains => read_contains(&section, schema),
    });
    section.close();
    rule
}

fn read_contains(section: &Section<'_>, schema: &Value) -> Option<Rule> {
    let field = section.optional_text("field");
    let needed_field = field
        .as_ref()
        .map(|field| (field.value.as_str(), ["string"].as_slice()));
    let path = list_path(section, "path", schema, needed_field.as_slice());
    let values = section.texts("values");
    if values.is_empty() {
        section.fault(
            section.place_of("values"),
            ("`values` is empty", "write what the list must contain"),
        );
    }
    let compared = path.as_ref().and_then(|path| match &field {
        Some(field) => schema_at(schema, &format!("{path}/0/{}", field.value)),
        None => elements_at(schema, path),
    });
    let allowed = compared.and_then(|compared| compared.get("enum")?.as_array());
    for value in &values {
        if allowed.is_some_and(|allowed| !allowed.iter().any(|allowed| *allowed == value.value)) {
            section.fault(
                Some(value.at),
                format!("the schema does not allow `{}` there", value.value),
            );
        }
    }
    Some(Rule::Contains {
        path: path?,
        field: field.map(|field| field.value),
        values: values.into_iter().map(|value| value.value).collect(),
    })
}

/// The JSON pointer of a list that the schema has, whose elements have these fields of these types.
fn list_path(
    section: &Section<'_>,
    key: &'static str,
    schema: &Value,
    fields: &[(&str, &[&str])],
) -> Option<String> {
    let path = section.text(key)?;
    if schema.is_boolean() {
        return Some(path.value);
    }
    if elements_at(schema, &path.value).is_none() {
        let message = {
            let lists = lists_of(schema, |_| true);
            let known: Vec<&str> = lists.iter().map(String::as_str).collect();
            (
                format!("`{}` is no list in the schema", path.value),
                hint(&path.value, &known),
            )
        };
        section.fault(Some(path.at), message);
        return Some(path.value);
    }
    for (field, types) in fields {
        if !schema_at(schema, &format!("{}/0/{field}", path.value)).is_some_and(|part| has_type(part, types))
        {
            let message = format!(
                "an element of `{}` has no field `{field}` of type {}",
                path.value,
                types.join(" or ")
            );
            section.fault(Some(path.at), message);
        }
    }
    Some(path.value)
}
