//! How a session is set up: which model transcribes, and what else a client may set.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::provider::admission::MODEL_PREFIX;
use crate::provider::error::ProviderError;
use crate::provider::parameters::{self, Rule};

/// How long a session may last, as with OpenAI.
pub(super) const SESSION_DURATION_MAX: Duration = Duration::from_hours(1);

const INPUT: &str = "session.audio.input";

const SESSION: &[(&str, Rule)] = &[
    ("audio", Rule::Object),
    ("include", Rule::Only("[]")),
    ("type", Rule::Read),
];
const AUDIO: &[(&str, Rule)] = &[("input", Rule::Object)];
const AUDIO_INPUT: &[(&str, Rule)] = &[
    ("format", Rule::Object),
    ("noise_reduction", Rule::Object),
    ("transcription", Rule::Object),
    ("turn_detection", Rule::Object),
];
const FORMAT: &[(&str, Rule)] = &[
    ("rate", Rule::Integer(24_000, 24_000)),
    ("type", Rule::Only(r#""audio/pcm""#)),
];
const NOISE_REDUCTION: &[(&str, Rule)] = &[
    ("strength", Rule::Number(0.0, 1.0)),
    ("type", Rule::OneOf(&["near_field", "far_field"])),
];
const DELAYS: &[&str] = &["minimal", "low", "medium", "high", "xhigh"];

/// Which of OpenAI's models a simulated one behaves like, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelFamily {
    /// `gpt-live-transcribe`: tells words while they are said.
    Live,
    /// `gpt-realtime-whisper`: does so too, and takes no hints.
    RealtimeWhisper,
    /// `whisper-1`: tells everything at once, after the commit.
    Whisper,
    /// `gpt-4o-transcribe`: tells piece by piece, after the commit.
    Committed,
}

/// What transcribes, and how.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Transcription {
    pub(super) model: String,
    pub(super) family: ModelFamily,
    /// How long words are waited for after they were said.
    pub(super) lag: Duration,
    /// As the client gave it, without what OpenAI does not tell again.
    shown: Value,
}

/// The settings of a session.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Session {
    pub(super) transcription: Option<Transcription>,
    noise_reduction: Value,
    turn_detection: Value,
}

impl ModelFamily {
    fn of(model: &str) -> Self {
        if model.contains("live") {
            Self::Live
        } else if model.contains("realtime") {
            Self::RealtimeWhisper
        } else if model.contains("whisper") {
            Self::Whisper
        } else {
            Self::Committed
        }
    }

    /// Whether words are told before the commit.
    pub(super) const fn is_live(self) -> bool {
        matches!(self, Self::Live | Self::RealtimeWhisper)
    }

    /// Whether seconds are billed instead of tokens.
    pub(super) const fn is_billed_by_duration(self) -> bool {
        !matches!(self, Self::Committed)
    }

    const fn rules(self) -> &'static [(&'static str, Rule)] {
        const DELAY: Rule = Rule::OneOf(DELAYS);
        match self {
            Self::Live => &[
                ("delay", DELAY),
                ("keywords", Rule::Read),
                ("language", Rule::Text),
                ("languages", Rule::Read),
                ("model", Rule::Read),
                ("prompt", Rule::Text),
            ],
            Self::RealtimeWhisper => &[
                ("delay", DELAY),
                ("keywords", Rule::Unsupported),
                ("language", Rule::Text),
                ("languages", Rule::Unsupported),
                ("model", Rule::Read),
                ("prompt", Rule::Unsupported),
            ],
            Self::Whisper | Self::Committed => &[
                ("delay", Rule::Unsupported),
                ("keywords", Rule::Unsupported),
                ("language", Rule::Text),
                ("languages", Rule::Unsupported),
                ("model", Rule::Read),
                ("prompt", Rule::Text),
            ],
        }
    }
}

impl Transcription {
    fn read(fields: &Map<String, Value>) -> Result<Self, ProviderError> {
        let model = parameters::required_text(fields, "model")?;
        if !model.starts_with(MODEL_PREFIX) {
            let message = ProviderError::unknown_model(model).message;
            return Err(ProviderError::invalid("model", "model_not_found", message));
        }
        let family = ModelFamily::of(model);
        parameters::check(family.rules(), fields)?;
        for name in ["keywords", "languages"] {
            if let Some(value) = parameters::given(fields, name) {
                texts(name, value)?;
            }
        }
        let given = |name: &str| parameters::given(fields, name);
        if given("language").is_some() && given("languages").is_some() {
            let message = "Only one of 'language' and 'languages' can be given.";
            return Err(ProviderError::invalid("languages", "invalid_value", message));
        }
        let of = |name: &str| given(name).cloned().unwrap_or_default();
        let mut shown = json!({ "model": model, "language": of("language"), "prompt": of("prompt") });
        for name in ["keywords", "languages"] {
            if let Some(value) = given(name) {
                shown[name] = value.clone();
            }
        }
        Ok(Self {
            model: model.to_owned(),
            family,
            lag: lag(given("delay").and_then(Value::as_str)),
            shown,
        })
    }
}

impl Session {
    /// As OpenAI sets a session up before its client says anything.
    pub(super) fn new() -> Self {
        Self {
            transcription: None,
            noise_reduction: Value::Null,
            turn_detection: json!({
                "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200,
            }),
        }
    }

    /// The session with what an update changes.
    pub(super) fn updated(&self, update: &Map<String, Value>) -> Result<Self, ProviderError> {
        match parameters::required(update, "type")
            .map_err(|error| error.under("session"))?
            .as_str()
        {
            Some("transcription") => {}
            Some("realtime") => {
                let message =
                    "Passing a realtime session update event to a transcription session is not allowed.";
                return Err(ProviderError::event(Some("invalid_parameter"), message));
            }
            _ => {
                let error =
                    parameters::unknown_value("type", &update["type"], &["realtime", "transcription"]);
                return Err(error.under("session"));
            }
        }
        parameters::check(SESSION, update).map_err(|error| error.under("session"))?;
        let Some(audio) = update.get("audio").and_then(Value::as_object) else {
            return Ok(self.clone());
        };
        parameters::check(AUDIO, audio).map_err(|error| error.under("session.audio"))?;
        match audio.get("input").and_then(Value::as_object) {
            Some(input) => self.with_input(input),
            None => Ok(self.clone()),
        }
    }

    fn with_input(&self, input: &Map<String, Value>) -> Result<Self, ProviderError> {
        parameters::check(AUDIO_INPUT, input).map_err(|error| error.under(INPUT))?;
        let check = |name: &str, rules: &[(&str, Rule)]| match input.get(name).and_then(Value::as_object) {
            Some(fields) => {
                parameters::check(rules, fields).map_err(|error| error.under(&format!("{INPUT}.{name}")))
            }
            None => Ok(()),
        };
        check("format", FORMAT)?;
        check("noise_reduction", NOISE_REDUCTION)?;
        let mut session = self.clone();
        if let Some(noise_reduction) = input.get("noise_reduction") {
            session.noise_reduction = noise_reduction.clone();
        }
        match input.get("transcription") {
            Some(Value::Object(fields)) => {
                let read = Transcription::read(fields);
                let read = read.map_err(|error| error.under(&format!("{INPUT}.transcription")))?;
                session.transcription = Some(read);
            }
            Some(_) => session.transcription = None,
            None => {}
        }
        session.turn_detection = session.turns(input.get("turn_detection"))?;
        Ok(session)
    }

    /// The turn detection that an update leaves: none, since nothing else is simulated.
    fn turns(&self, wanted: Option<&Value>) -> Result<Value, ProviderError> {
        let is_live = self
            .transcription
            .as_ref()
            .is_some_and(|transcription| transcription.family.is_live());
        let message = match wanted {
            Some(Value::Null) => return Ok(Value::Null),
            // Models that transcribe all the time have none unless one is asked for.
            None if is_live || self.turn_detection.is_null() => return Ok(Value::Null),
            Some(_) if is_live => "Turn detection is not supported for this transcription model.",
            Some(_) | None => "Turn detection is not simulated: 'turn_detection' has to be null.",
        };
        let error = ProviderError::invalid("turn_detection", "invalid_value", message);
        Err(error.under(INPUT))
    }

    /// Whether the client commits what it appends. Until it says so, OpenAI would.
    pub(super) fn is_committed_by_client(&self) -> bool {
        self.turn_detection.is_null()
    }

    /// The session as events show it.
    pub(super) fn show(&self, id: &str, expires_at_s: i64) -> Value {
        let transcription = self
            .transcription
            .as_ref()
            .map_or(Value::Null, |transcription| transcription.shown.clone());
        json!({
            "type": "transcription", "object": "realtime.transcription_session", "id": id, "expires_at": expires_at_s,
            "audio": { "input": {
                "format": { "type": "audio/pcm", "rate": 24_000 }, "transcription": transcription,
                "noise_reduction": self.noise_reduction, "turn_detection": self.turn_detection,
            } },
            "include": null,
        })
    }
}

/// How long words are waited for. OpenAI documents no times: the first three give the first word about as soon as
/// others have measured it, the last two go on in the same manner.
fn lag(delay: Option<&str>) -> Duration {
    Duration::from_millis(match delay {
        Some("minimal") => 0,
        Some("low") => 250,
        Some("high") => 1_000,
        Some("xhigh") => 2_000,
        Some(_) | None => 500,
    })
}

fn texts(name: &str, value: &Value) -> Result<(), ProviderError> {
    let list = value
        .as_array()
        .ok_or_else(|| parameters::wrong_type(name, "an array of strings", value))?;
    match list.iter().position(|text| !text.is_string()) {
        Some(index) => Err(parameters::wrong_type(
            &format!("{name}[{index}]"),
            "a string",
            &list[index],
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(input: &Value) -> Result<Session, Value> {
        let update = json!({ "type": "transcription", "audio": { "input": input } });
        Session::new()
            .updated(update.as_object().unwrap())
            .map_err(|error| error.object())
    }

    #[test]
    fn a_session_is_shown_as_openai_shows_it() {
        assert_eq!(
            Session::new().show("sess_1", 1_789_728_574),
            json!({
                "type": "transcription", "object": "realtime.transcription_session", "id": "sess_1",
                "expires_at": 1_789_728_574, "include": null,
                "audio": { "input": {
                    "format": { "type": "audio/pcm", "rate": 24_000 }, "transcription": null, "noise_reduction": null,
                    "turn_detection": {
                        "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200,
                    },
                } },
            })
        );
        let session = update(&json!({
            "format": { "type": "audio/pcm", "rate": 24_000 }, "turn_detection": null,
            "transcription": { "model": "sim-live-transcribe", "languages": ["ja"], "delay": "low" },
        }));
        let shown = session.unwrap().show("sess_1", 0);
        assert_eq!(
            shown["audio"]["input"]["transcription"],
            json!({ "model": "sim-live-transcribe", "language": null, "languages": ["ja"], "prompt": null }),
            "the delay is not told again"
        );
        assert_eq!(shown["audio"]["input"]["turn_detection"], Value::Null);
    }

    #[test]
    fn what_an_update_leaves_out_stays_as_it_was() {
        let first = json!({
            "transcription": { "model": "sim-transcribe" }, "turn_detection": null,
            "noise_reduction": { "type": "near_field" },
        });
        let session = update(&first).unwrap();
        let update = json!({ "type": "transcription", "audio": { "input": { "noise_reduction": null } } });
        let session = session.updated(update.as_object().unwrap()).unwrap();
        assert_eq!(session.noise_reduction, Value::Null);
        assert_eq!(session.transcription.unwrap().model, "sim-transcribe");
    }

    #[test]
    fn a_model_behaves_like_the_one_that_it_is_named_after() {
        for (model, is_live, is_billed_by_duration) in [
            ("sim-live-transcribe", true, true),
            ("sim-realtime-whisper", true, true),
            ("sim-whisper", false, true),
            ("sim-transcribe", false, false),
        ] {
            let family = ModelFamily::of(model);
            assert_eq!(
                (family.is_live(), family.is_billed_by_duration()),
                (is_live, is_billed_by_duration)
            );
        }
    }

    /// Asserts that an update of the input is refused with this code, for this parameter of it.
    fn check_refused(input: &Value, code: &str, param: &str) {
        let error = update(input).unwrap_err();
        let param = format!("{INPUT}.{param}");
        assert_eq!(
            (&error["code"], &error["param"]),
            (&json!(code), &json!(param)),
            "{input}: {error}"
        );
    }

    #[test]
    fn settings_of_the_input_that_cannot_be_honoured_are_refused() {
        let model = json!({ "model": "sim-transcribe" });
        let turns = json!({ "type": "server_vad" });
        for (name, value, code, param) in [
            (
                "format",
                json!({ "rate": 16_000 }),
                "integer_below_min_value",
                "format.rate",
            ),
            (
                "format",
                json!({ "type": "audio/pcmu" }),
                "unsupported_value",
                "format.type",
            ),
            (
                "noise_reduction",
                json!({ "type": "loud" }),
                "invalid_value",
                "noise_reduction.type",
            ),
            ("echo", json!(true), "unknown_parameter", "echo"),
            ("transcription", model, "invalid_value", "turn_detection"),
            ("turn_detection", turns.clone(), "invalid_value", "turn_detection"),
        ] {
            check_refused(&json!({ name: value }), code, param);
        }
        let live = json!({ "transcription": { "model": "sim-live-transcribe" }, "turn_detection": turns });
        check_refused(&live, "invalid_value", "turn_detection");
    }

    #[test]
    fn settings_of_a_model_that_cannot_be_honoured_are_refused() {
        let (live, whisper, other) = ("sim-live-transcribe", "sim-realtime-whisper", "sim-transcribe");
        for (model, name, value, code, param) in [
            (
                "gpt-4o-transcribe",
                "language",
                json!("ko"),
                "model_not_found",
                "model",
            ),
            (live, "delay", json!("bogus"), "invalid_value", "delay"),
            (live, "temperature", json!(1), "unknown_parameter", "temperature"),
            (live, "keywords", json!("a"), "invalid_type", "keywords"),
            (
                live,
                "languages",
                json!(["ko", 1]),
                "invalid_type",
                "languages[1]",
            ),
            (other, "delay", json!("low"), "unsupported_parameter", "delay"),
            (whisper, "prompt", json!("x"), "unsupported_parameter", "prompt"),
        ] {
            let transcription = json!({ "model": model, name: value });
            let input = json!({ "transcription": transcription, "turn_detection": null });
            check_refused(&input, code, &format!("transcription.{param}"));
        }
        let both = json!({ "model": live, "language": "ko", "languages": ["en"] });
        let param = "transcription.languages";
        check_refused(&json!({ "transcription": both }), "invalid_value", param);
        let param = "transcription.model";
        check_refused(
            &json!({ "transcription": {} }),
            "missing_required_parameter",
            param,
        );
    }

    #[test]
    fn other_sessions_are_refused() {
        let logprobs = json!(["item.input_audio_transcription.logprobs"]);
        for (session, code) in [
            (json!({}), "missing_required_parameter"),
            (json!({ "type": "realtime" }), "invalid_parameter"),
            (json!({ "type": "translation" }), "invalid_value"),
            (
                json!({ "type": "transcription", "include": logprobs }),
                "unsupported_value",
            ),
            (
                json!({ "type": "transcription", "model": "sim-transcribe" }),
                "unknown_parameter",
            ),
        ] {
            let refused = Session::new().updated(session.as_object().unwrap());
            assert_eq!(refused.unwrap_err().object()["code"], code, "{session}");
        }
    }
}
