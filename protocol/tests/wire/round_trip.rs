//! Whatever is written is read back unchanged, and fits the published schema.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use greenroom_protocol::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::documents::Definition;
use crate::strategies;

static EVENT: LazyLock<Definition> = LazyLock::new(|| Definition::of("Event"));
static SIGNAL: LazyLock<Definition> = LazyLock::new(|| Definition::of("Signal"));
static CLIENT_FRAME: LazyLock<Definition> = LazyLock::new(|| Definition::of("ClientFrame"));
static API_ERROR: LazyLock<Definition> = LazyLock::new(|| Definition::of("ApiError"));

/// The types that a strategy made in many tries.
fn types_made<T>(strategy: impl Strategy<Value = T>, type_of: impl Fn(T) -> String) -> BTreeSet<String> {
    let mut runner = TestRunner::deterministic();
    (0..3_000)
        .map(|_| type_of(strategy.new_tree(&mut runner).unwrap().current()))
        .collect()
}

fn type_field(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap()["type"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn the_strategies_make_every_type() {
    let events = types_made(strategies::event(), |event| match event {
        Event::StageDelta(_) => Event::STAGE_DELTA.to_owned(),
        other => other.event_type().into_owned(),
    });
    assert_eq!(events.len(), Event::TYPES.len() + 1, "{events:?}");
    assert_eq!(
        types_made(strategies::signal(), type_field).len(),
        crate::examples::signals().len()
    );
    assert_eq!(
        types_made(strategies::client_frame(), type_field).len(),
        crate::examples::messages().len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn events(
        event in strategies::event(),
        session_id in strategies::session_id(),
        seq: u64,
        at in strategies::timestamp(),
    ) {
        let data = event.data_json().unwrap();
        let frame = Frame::new(session_id, Seq(seq), &event.event_type(), at, &data);
        prop_assert_eq!(frame.data_json(), &data);

        let envelope = frame.envelope().unwrap();
        let head = (envelope.event_id, envelope.seq, envelope.session_id, envelope.created_at);
        prop_assert_eq!(head, (EventId(Seq(seq)), Seq(seq), session_id, at));
        prop_assert_eq!(&envelope.event().unwrap(), &event);
        prop_assert_eq!(&Event::from_json(frame.event_type(), frame.data_json()).unwrap(), &event);
        prop_assert_eq!(serde_json::to_vec(&envelope).unwrap(), frame.bytes().as_ref());
        prop_assert_eq!(EVENT.violations(&serde_json::to_value(&envelope).unwrap()), [""; 0]);
    }

    #[test]
    fn signals(signal in strategies::signal()) {
        let text = serde_json::to_string(&signal).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Signal>(&text).unwrap(), &signal);
        prop_assert_eq!(SIGNAL.violations(&serde_json::from_str(&text).unwrap()), [""; 0]);
    }

    #[test]
    fn client_frames(frame in strategies::client_frame()) {
        let text = serde_json::to_string(&frame).unwrap();
        prop_assert_eq!(&ClientFrame::parse(&text).unwrap(), &frame);
        prop_assert_eq!(CLIENT_FRAME.violations(&serde_json::from_str(&text).unwrap()), [""; 0]);
    }

    #[test]
    fn errors(error in strategies::error_body()) {
        let text = serde_json::to_string(&ApiError { error: error.clone() }).unwrap();
        prop_assert_eq!(serde_json::from_str::<ApiError>(&text).unwrap().error, error);
        prop_assert_eq!(API_ERROR.violations(&serde_json::from_str(&text).unwrap()), [""; 0]);
    }

    #[test]
    fn deltas(delta in strategies::delta()) {
        let text = serde_json::to_string(&delta).unwrap();
        prop_assert_eq!(serde_json::from_str::<Delta>(&text).unwrap(), delta);
    }

    #[test]
    fn ids(bits: u128) {
        macro_rules! check {
            ($($id:ident)+) => {$(
                let id = $id::new(ulid::Ulid::from(bits));
                let text = id.to_string();
                prop_assert!(text.starts_with($id::PREFIX) && text.len() == $id::PREFIX.len() + 26);
                prop_assert_eq!(text.parse::<$id>().unwrap(), id);
                prop_assert_eq!(serde_json::to_value(id).unwrap(), Value::from(text.clone()));
                prop_assert_eq!(serde_json::from_value::<$id>(Value::from(text)).unwrap(), id);
            )+};
        }
        check!(SessionId TurnId MessageId RunId JobId AssetId CallId);
    }

    #[test]
    fn event_ids(seq: u64) {
        let id = EventId(Seq(seq));
        prop_assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
        prop_assert!(id.to_string().len() >= "evt_00000".len());
    }

    #[test]
    fn timestamps(unix_ms: i64, before_now in 0..4_102_444_800_000_i64, later: u64) {
        for at in [unix_ms, before_now].map(Timestamp::from_unix_ms) {
            prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
            let after = at.after(Millis(later));
            prop_assert!(after >= at && after.since(at) <= Millis(later));
            prop_assert_eq!(at.since(after), Millis(0));
        }
        prop_assert_eq!(Timestamp::from_unix_ms(before_now).unix_ms(), before_now);
    }

    #[test]
    fn names(path in strategies::slot_path(), stage in strategies::stage(), command in strategies::command_id()) {
        prop_assert_eq!(path.to_string().parse::<SlotPath>().unwrap(), path.clone());
        let (group, name) = path.parts();
        prop_assert_eq!(format!("{group}.{name}"), path.as_str());
        prop_assert_eq!(stage.to_string().parse::<StageId>().unwrap(), stage);
        prop_assert_eq!(command.to_string().parse::<CommandId>().unwrap(), command);
    }
}

#[test]
fn an_id_has_one_text() {
    let canonical = "sess_01K0Z6Q7W8X9Y0ABCDEFGHJKMN";
    assert!(canonical.parse::<SessionId>().is_ok());
    for other in [
        "sess_01k0z6q7w8x9y0abcdefghjkmn",
        "sess_81K0Z6Q7W8X9Y0ABCDEFGHJKMN",
        "sess_O1K0Z6Q7W8X9Y0ABCDEFGHJKMN",
        "sess_01K0Z6Q7W8X9Y0ABCDEFGHJKM",
        "sess_01K0Z6Q7W8X9Y0ABCDEFGHJKMNN",
        "sess_",
        "run_01K0Z6Q7W8X9Y0ABCDEFGHJKMN",
        " sess_01K0Z6Q7W8X9Y0ABCDEFGHJKMN",
    ] {
        assert!(other.parse::<SessionId>().is_err(), "{other}");
    }
}

#[test]
fn event_ids_are_padded_and_read_without_padding() {
    assert_eq!(EventId(Seq(124)).to_string(), "evt_00124");
    assert_eq!(EventId(Seq(1_234_567)).to_string(), "evt_1234567");
    assert_eq!("evt_7".parse::<EventId>().unwrap(), EventId(Seq(7)));
    for wrong in [
        "evt_",
        "evt_-1",
        "evt_+1",
        "evt_1x",
        "124",
        "evt_18446744073709551616",
    ] {
        assert!(wrong.parse::<EventId>().is_err(), "{wrong}");
    }
    assert_eq!(Seq(u64::MAX).next(), Seq(u64::MAX));
}

#[test]
fn times_have_milliseconds_and_are_in_utc() {
    let at: Timestamp = "2026-02-20T00:00:00.123456+09:00".parse().unwrap();
    assert_eq!(at.to_string(), "2026-02-19T15:00:00.123Z");
    assert_eq!(at.after(Millis(877)).to_string(), "2026-02-19T15:00:01.000Z");
    let last: Timestamp = "9999-12-30T22:00:00.999Z".parse().unwrap();
    assert_eq!(last.to_string().parse::<Timestamp>().unwrap(), last);
}
