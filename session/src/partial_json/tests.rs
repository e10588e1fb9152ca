use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Reads a text cut at the given places, which are brought to the next character boundary.
fn read_in_pieces(
    text: &str,
    cuts: &[usize],
    options: &PartialJsonOptions,
) -> (Vec<Step>, Result<Value, PartialJsonError>) {
    let mut cuts: Vec<usize> = cuts
        .iter()
        .map(|cut| text.floor_char_boundary(cut % (text.len() + 1)))
        .collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    let mut reader = PartialJson::new(options.clone());
    let mut steps = Vec::new();
    for piece in cuts.windows(2) {
        match reader.push(&text[piece[0]..piece[1]]) {
            Ok(more) => steps.extend(more),
            Err(error) => {
                assert_eq!(reader.push("{}"), Err(error.clone()), "an error is the end");
                assert_eq!(reader.finish(), Err(error.clone()));
                return (steps, Err(error));
            }
        }
    }
    (steps, reader.finish())
}

fn read(text: &str) -> (Vec<Step>, Result<Value, PartialJsonError>) {
    read_in_pieces(text, &[], &PartialJsonOptions::default())
}

/// What a client sees that applies every delta, and every element as it comes, to nothing.
fn rebuild(steps: &[Step]) -> Value {
    let mut document = Value::Null;
    for step in steps {
        match step {
            Step::Delta(delta) => delta.apply(&mut document).unwrap(),
            Step::Element {
                list_path,
                index,
                value,
            } => {
                let path = format!("{list_path}/{index}");
                let change = greenroom_protocol::DeltaChange::Value(value.clone());
                Delta { path, change }.apply(&mut document).unwrap();
            }
            Step::Closed { .. } => {}
        }
    }
    document
}

/// Steps as short JSON, for comparing.
fn brief(steps: &[Step]) -> Value {
    steps
        .iter()
        .map(|step| match step {
            Step::Delta(delta) => serde_json::to_value(delta).unwrap(),
            Step::Element {
                list_path,
                index,
                value,
            } => json!({"list": list_path, "at": index, "is": value}),
            Step::Closed { path, .. } => json!({"closed": path}),
        })
        .collect()
}

#[test]
fn texts_come_as_they_grow_and_anything_else_when_it_is_complete() {
    let (steps, whole) = read_in_pieces(
        r#"{"reply":"Hello there","n":-1.5e2,"list":[true,null,{"a":""},[]],"none":{}}"#,
        &[12, 24, 31],
        &PartialJsonOptions::default(),
    );
    assert_eq!(
        brief(&steps),
        json!([
            {"path": "/reply", "append": "He"},
            {"path": "/reply", "append": "llo there"},
            {"closed": "/reply"},
            {"path": "/n", "value": -150.0},
            {"closed": "/n"},
            {"path": "/list/0", "value": true},
            {"path": "/list/1", "value": null},
            {"path": "/list/2/a", "value": ""},
            {"path": "/list/3", "value": []},
            {"closed": "/list"},
            {"path": "/none", "value": {}},
            {"closed": "/none"},
        ])
    );
    assert_eq!(
        whole,
        Ok(json!({"reply": "Hello there", "n": -150.0, "list": [true, null, {"a": ""}, []], "none": {}}))
    );
}

#[test]
fn a_closed_field_carries_its_value_before_the_rest_is_there() {
    let mut reader = PartialJson::new(PartialJsonOptions::default());
    let steps = reader.push(r#"{"slot_updates":[{"path":"a.b"}],"rep"#).unwrap();
    assert_eq!(
        steps.last(),
        Some(&Step::Closed {
            path: "/slot_updates".to_owned(),
            value: json!([{"path": "a.b"}])
        })
    );
    assert_eq!(reader.finish(), Err(PartialJsonError::Incomplete));
}

#[test]
fn held_lists_are_handed_over_element_by_element_and_never_shown() {
    let options = PartialJsonOptions {
        held: vec!["/evidence".to_owned(), "/a/b".to_owned()],
    };
    let text = r#"{"evidence":[{"url":"x","t":["y"]},"z",[1]],"risk":"r","a":{"b":[0],"c":["d"]}}"#;
    let cuts: Vec<usize> = (0..text.len()).collect();
    let (steps, whole) = read_in_pieces(text, &cuts, &options);
    assert_eq!(
        brief(&steps),
        json!([
            {"list": "/evidence", "at": 0, "is": {"url": "x", "t": ["y"]}},
            {"list": "/evidence", "at": 1, "is": "z"},
            {"list": "/evidence", "at": 2, "is": [1]},
            {"closed": "/evidence"},
            {"path": "/risk", "append": "r"},
            {"closed": "/risk"},
            {"list": "/a/b", "at": 0, "is": 0},
            {"path": "/a/c/0", "append": "d"},
            {"closed": "/a"},
        ])
    );
    assert_eq!(whole, Ok(serde_json::from_str(text).unwrap()));
}

#[test]
fn an_empty_held_list_is_shown_and_what_is_no_list_is_not() {
    let options = PartialJsonOptions {
        held: vec!["/e".to_owned()],
    };
    let seen = |text| brief(&read_in_pieces(text, &[], &options).0);
    assert_eq!(
        seen(r#"{"e":[]}"#),
        json!([{"path": "/e", "value": []}, {"closed": "/e"}])
    );
    for breach in [
        r#"{"e":"text"}"#,
        r#"{"e":{"0":"text"}}"#,
        r#"{"e":{}}"#,
        r#"{"e":1}"#,
        r#"{"e":null}"#,
    ] {
        assert_eq!(seen(breach), json!([{"closed": "/e"}]), "{breach}");
    }
    assert_eq!(
        seen(r#"{"evidence":"x"}"#)[0],
        json!({"path": "/evidence", "append": "x"})
    );
}

#[test]
fn an_object_whose_first_field_is_called_0_is_not_rebuilt_as_a_list() {
    for text in [
        r#"{"0":{"0":"a","1":"b"}}"#,
        r#"[{"0":[{"0":1}]}]"#,
        r#"{"1":1,"0":{"00":2}}"#,
    ] {
        let (steps, whole) = read(text);
        assert_eq!(Ok(rebuild(&steps)), whole, "{text}");
    }
}

#[test]
fn a_fence_around_the_document_is_skipped() {
    for text in [
        "```json\n{\"a\":1}\n```",
        "\u{feff} \n```\n{\"a\":1}```\n\n",
        "```JSON {\"a\":1}",
        "```{\"a\":1}\n```",
        " {\"a\":1}\n",
    ] {
        for cut in 0..text.len() {
            let (steps, whole) = read_in_pieces(text, &[cut], &PartialJsonOptions::default());
            assert_eq!(whole, Ok(json!({"a": 1})), "{text}");
            assert_eq!(rebuild(&steps), json!({"a": 1}), "{text}");
        }
    }
}

#[test]
fn what_follows_the_document_is_an_error() {
    for (text, offset) in [
        (r#"{"a":1} x"#, 8),
        (r#"{"a":1}{"b":2}"#, 7),
        ("{\"a\":1}\n```", 8),
        ("```\n{\"a\":1}\n``` more", 16),
        ("```\n{\"a\":1}\n`` `", 14),
        ("```\n{\"a\":1}\n````", 15),
    ] {
        assert_eq!(read(text).1, Err(PartialJsonError::Trailing { offset }), "{text}");
    }
}

#[test]
fn errors_say_where_and_what() {
    for (text, message) in [
        (
            r#"{"a":1,"b":{"x":1,"x":2}}"#,
            "/b/x: this field stands twice in its object",
        ),
        (
            r#"{"a":1 "b":2}"#,
            "byte 7: not JSON, expected a comma or } in an object",
        ),
        (r#"{"a":[1}"#, "byte 7: not JSON, expected a comma or ] in a list"),
        (
            r#"{"a" 1}"#,
            "byte 5: not JSON, expected a colon after a field's name",
        ),
        (
            "{a:1}",
            "byte 1: not JSON, expected a field's name in double quotes",
        ),
        (
            r#"{"a":1,}"#,
            "byte 7: not JSON, expected a field's name in double quotes",
        ),
        ("[1,]", "byte 3: not JSON, expected a value"),
        ("[01]", "byte 3: not JSON, expected a number that JSON can hold"),
        (
            "[1e999]",
            "byte 6: not JSON, expected a number that JSON can hold",
        ),
        ("[True]", "byte 1: not JSON, expected a value"),
        ("[nul]", "byte 4: not JSON, expected true, false or null"),
        ("Sure! {}", "byte 0: not JSON, expected a JSON object or list"),
        (
            "[\"a\nb\"]",
            "byte 3: not JSON, expected control characters to be escaped in a text",
        ),
        (
            r#"["\x"]"#,
            "byte 3: not JSON, expected one of \" \\ / b f n r t u after a backslash",
        ),
        (
            r#"["\u00g0"]"#,
            "byte 6: not JSON, expected four hexadecimal digits after \\u",
        ),
        (
            r#"["\ud83dx"]"#,
            "byte 8: not JSON, expected the second half of a surrogate pair",
        ),
        (
            r#"["\ude00"]"#,
            "byte 7: not JSON, expected the two halves of a surrogate pair in their order",
        ),
        (
            r#"{"a":"b"#,
            "the reply ends before its JSON document is complete",
        ),
        ("", "the reply ends before its JSON document is complete"),
        ("```json\n", "the reply ends before its JSON document is complete"),
    ] {
        assert_eq!(read(text).1.unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn depth_is_limited() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(read(&nested(DEPTH_MAX)).1.is_ok());
    let path = "/0".repeat(DEPTH_MAX);
    assert_eq!(
        read(&nested(DEPTH_MAX + 1)).1,
        Err(PartialJsonError::TooDeep { path })
    );
}

#[test]
fn length_is_limited_however_it_is_cut() {
    let text = format!("[\"{}\"]", "x".repeat(limits::MODEL_OUTPUT_BYTES_MAX - 4));
    assert!(read(&text).1.is_ok());
    let longer = format!("{text} ");
    assert_eq!(read(&longer).1, Err(PartialJsonError::TooLong));
    let cuts = [1, 1_000, text.len()];
    assert_eq!(
        read_in_pieces(&longer, &cuts, &PartialJsonOptions::default()).1,
        Err(PartialJsonError::TooLong)
    );
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,8}",
        any::<String>(),
        "[가-힣😀\\\\\"\u{0}-\u{20}]{0,6}"
    ]
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c~/]{0,3}", "[0-2]", any_text()]
}

fn any_document() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    let value = scalar.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any_name(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    prop_oneof![
        prop::collection::vec(value.clone(), 0..6).prop_map(Value::from),
        prop::collection::vec((any_name(), value), 0..6)
            .prop_map(|fields| Value::Object(fields.into_iter().collect())),
    ]
}

/// The document as text: compact or spread out, characters beyond ASCII escaped or not.
fn written(document: &Value, spread: bool, escaped: bool) -> String {
    let text = if spread {
        serde_json::to_string_pretty(document)
    } else {
        serde_json::to_string(document)
    }
    .unwrap();
    if !escaped {
        return text;
    }
    let mut ascii = String::new();
    for character in text.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(ascii, "\\u{unit:04x}").unwrap();
            }
        }
    }
    ascii
}

/// A list somewhere in the document, if it has one, chosen by `pick`.
fn list_in(document: &Value, pick: usize) -> Option<String> {
    let mut lists = Vec::new();
    let mut left = vec![(String::new(), document)];
    while let Some((path, value)) = left.pop() {
        let parts: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(at, value)| (at.to_string(), value))
                .collect(),
            _ => continue,
        };
        for (token, part) in parts {
            let mut part_path = path.clone();
            greenroom_protocol::push_pointer_token(&mut part_path, &token);
            left.push((part_path, part));
        }
        if value.is_array() {
            lists.push(path);
        }
    }
    (!lists.is_empty()).then(|| lists[pick % lists.len()].clone())
}

/// JSON with a few characters changed, so that it nearly is JSON.
fn nearly_json() -> impl Strategy<Value = String> {
    let changes = prop::collection::vec(
        (any::<usize>(), "[\\[\\]{}\",:\\\\`tfn0-9eE.+ -]{0,2}", 0..3_usize),
        0..4,
    );
    (any_document(), any::<bool>(), any::<bool>(), changes).prop_map(
        |(document, spread, escaped, changes)| {
            let mut characters: Vec<char> = written(&document, spread, escaped).chars().collect();
            for (at, new, dropped) in changes {
                let at = at % (characters.len() + 1);
                let end = (at + dropped).min(characters.len());
                characters.splice(at..end, new.chars());
            }
            characters.into_iter().collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn deltas_rebuild_the_document(
        document in any_document(),
        spread: bool,
        escaped: bool,
        cuts in prop::collection::vec(any::<usize>(), 0..40),
        hold: Option<usize>,
    ) {
        let text = written(&document, spread, escaped);
        // What JSON says of the text: a float may not come back as it was written.
        let document: Value = serde_json::from_str(&text).unwrap();
        let held: Vec<String> = hold.and_then(|pick| list_in(&document, pick)).into_iter().collect();
        let options = PartialJsonOptions { held: held.clone() };
        let (steps, whole) = read_in_pieces(&text, &cuts, &options);
        prop_assert_eq!(whole, Ok(document.clone()));
        prop_assert_eq!(rebuild(&steps), document);
        for step in &steps {
            if let (Step::Delta(delta), [held]) = (step, held.as_slice()) {
                prop_assert!(!delta.path.starts_with(&format!("{held}/")), "{delta:?} shows what is held");
            }
        }
    }

    #[test]
    fn it_takes_what_serde_takes_and_nothing_else(
        text in nearly_json(),
        cuts in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        let (_, ours) = read_in_pieces(&text, &cuts, &PartialJsonOptions::default());
        let theirs = serde_json::from_str::<Value>(&text);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
            (Err(_), Err(_)) | (Err(PartialJsonError::DuplicateKey { .. }), Ok(_)) => {}
            (Err(_), Ok(theirs)) => prop_assert!(!theirs.is_object() && !theirs.is_array(), "{text}"),
            (Ok(_), Err(_)) => prop_assert!(text.starts_with("```"), "{text}"),
        }
    }

    #[test]
    fn how_it_is_cut_changes_nothing(text in nearly_json(), cuts in prop::collection::vec(any::<usize>(), 0..40)) {
        let options = PartialJsonOptions::default();
        let (at_once, whole) = read(&text);
        let (in_pieces, whole_of_pieces) = read_in_pieces(&text, &cuts, &options);
        if whole.is_ok() {
            prop_assert_eq!(rebuild(&at_once), rebuild(&in_pieces));
        }
        prop_assert_eq!(whole, whole_of_pieces);
    }

    #[test]
    fn it_never_panics(text in any::<String>(), cuts in prop::collection::vec(any::<usize>(), 0..10)) {
        let _ = read_in_pieces(&text, &cuts, &PartialJsonOptions { held: vec![String::new()] });
    }
}
