//! Whatever comes in, nothing panics, and what is refused is refused with a word.

use greenroom_protocol::*;
use proptest::prelude::*;
use serde_json::Value;

use crate::{examples, strategies};

/// Puts something else, or nothing, somewhere into a document.
fn disturb(document: &mut Value, place: usize, new: Option<Value>) {
    let mut pointers = Vec::new();
    let mut left = vec![(String::new(), &*document)];
    while let Some((pointer, value)) = left.pop() {
        let mut name_part = |token: &str, part| {
            let mut part_pointer = pointer.clone();
            push_pointer_token(&mut part_pointer, token);
            left.push((part_pointer, part));
        };
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, part)| name_part(name, part)),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(at, part)| name_part(&at.to_string(), part)),
            _ => {}
        }
        pointers.push(pointer);
    }
    let pointer = &pointers[place % pointers.len()];
    if let Some(new) = new {
        *document.pointer_mut(pointer).unwrap() = new;
    } else if let Some((parent, name)) = pointer.rsplit_once('/')
        && let Some(fields) = document.pointer_mut(parent).and_then(Value::as_object_mut)
    {
        fields.remove(name);
    }
}

fn disturbance() -> impl Strategy<Value = (usize, Option<Value>)> {
    (any::<usize>(), proptest::option::of(strategies::json()))
}

fn check_parse(text: &str) -> Result<(), TestCaseError> {
    match ClientFrame::parse(text) {
        Ok(frame) => prop_assert_eq!(
            ClientFrame::parse(&serde_json::to_string(&frame).unwrap()).unwrap(),
            frame
        ),
        Err(error) => prop_assert!(!error.reason.is_empty() && !error.code.retryable()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn client_frames_of_any_text(text in strategies::text()) {
        check_parse(&text)?;
    }

    #[test]
    fn client_frames_of_any_json(value in strategies::json()) {
        check_parse(&value.to_string())?;
    }

    #[test]
    fn client_frames_that_are_nearly_right(frame in strategies::client_frame(), (place, new) in disturbance()) {
        let mut document = serde_json::to_value(&frame).unwrap();
        disturb(&mut document, place, new);
        check_parse(&document.to_string())?;
    }

    #[test]
    fn client_frames_cut_short(frame in strategies::client_frame(), cut: usize) {
        let text = serde_json::to_string(&frame).unwrap();
        let cut = text.floor_char_boundary(cut % text.len());
        prop_assert!(ClientFrame::parse(&text[..cut]).is_err());
    }

    #[test]
    fn events_of_any_data(pick: prop::sample::Index, data in strategies::json(), text in strategies::text()) {
        let types = [Event::TYPES, &["research.delta", "x", ".delta", ""]].concat();
        let event_type = pick.get(&types);
        let _ = Event::from_parts(event_type, &data);
        let _ = Event::from_json(event_type, &text);
        let _ = Event::from_parts(&text, &data);
    }

    #[test]
    fn events_that_are_nearly_right(event in strategies::event(), (place, new) in disturbance()) {
        let mut data: Value = serde_json::from_str(&event.data_json().unwrap()).unwrap();
        disturb(&mut data, place, new);
        let event_type = event.event_type();
        let of_value = Event::from_parts(&event_type, &data);
        let of_text = Event::from_json(&event_type, &data.to_string());
        prop_assert_eq!(of_value.ok(), of_text.ok());
    }

    #[test]
    fn envelopes(text in strategies::text(), pick: prop::sample::Index, (place, new) in disturbance()) {
        prop_assert!(serde_json::from_str::<Envelope>(&text).is_err());
        let events = examples::events();
        let event = pick.get(&events);
        let data = event.data_json().unwrap();
        let frame = Frame::new(examples::session_id(), Seq(1), &event.event_type(), Timestamp::default(), &data);
        let mut document: Value = serde_json::from_slice(frame.bytes()).unwrap();
        disturb(&mut document, place, new);
        if let Ok(envelope) = serde_json::from_value::<Envelope>(document) {
            let _ = envelope.event();
        }
    }

    #[test]
    fn signals_that_are_nearly_right(signal in strategies::signal(), (place, new) in disturbance()) {
        let mut document = serde_json::to_value(&signal).unwrap();
        disturb(&mut document, place, new);
        let of_text = serde_json::from_str::<Signal>(&document.to_string()).ok();
        prop_assert_eq!(serde_json::from_value::<Signal>(document).ok(), of_text);
    }

    #[test]
    fn deltas_on_any_document(document in strategies::json(), delta in strategies::delta(), tokens: Vec<u8>) {
        let mut touched = document.clone();
        let mut path = String::new();
        for token in tokens {
            push_pointer_token(&mut path, &(token % 4).to_string());
        }
        for delta in [delta.clone(), Delta { path, ..delta }] {
            let before = touched.clone();
            if delta.apply(&mut touched).is_err() {
                prop_assert_eq!(&touched, &before);
            }
        }
    }

    #[test]
    fn ids_and_times_print_what_they_parsed(
        text in prop_oneof![strategies::text(), "(sess|run|evt|turn)_[0-9A-Za-z]{0,27}", "[-+0-9:.TZ]{0,30}"],
    ) {
        if let Ok(id) = text.parse::<SessionId>() {
            prop_assert_eq!(id.to_string(), text.as_str());
        }
        if let Ok(id) = text.parse::<EventId>() {
            prop_assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }
        if let Ok(path) = text.parse::<SlotPath>() {
            prop_assert_eq!(path.as_str(), text.as_str());
        }
        if let Ok(stage) = text.parse::<StageId>() {
            prop_assert_eq!(stage.as_str(), text.as_str());
        }
        if let Ok(command) = text.parse::<CommandId>() {
            prop_assert_eq!(command.as_str(), text.as_str());
        }
    }
}
