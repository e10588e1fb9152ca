//! The form that a recording comes in, read piece by piece as it arrives.

use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartRejection};
use greenroom_audio::{UPLOAD_BYTES_MAX, Upload};
use serde_json::{Map, Value};

use crate::provider::error::ProviderError;
use crate::provider::parameters::{self, Rule};

/// Bytes of a field that is no file.
const FIELD_BYTES_MAX: usize = 64 * 1024;
/// Fields of a form.
const FIELDS_MAX: usize = 64;
/// What is still read of a file that is too large, so that its sender gets to see the refusal.
const DRAINED_BYTES_MAX: usize = 64 * 1024 * 1024;

const FORMATS: &[&str] = &["json", "text", "srt", "verbose_json", "vtt"];
const GRANULARITIES: &[&str] = &["word", "segment"];

const PARAMETERS: &[(&str, Rule)] = &[
    ("chunking_strategy", Rule::Only("\"auto\"")),
    ("include", Rule::Unsupported),
    ("keywords", Rule::Unsupported),
    ("known_speaker_names", Rule::Unsupported),
    ("known_speaker_references", Rule::Unsupported),
    ("language", Rule::Text),
    ("languages", Rule::Unsupported),
    ("model", Rule::Read),
    ("prompt", Rule::Text),
    ("response_format", Rule::OneOf(FORMATS)),
    ("stream", Rule::Flag),
    ("temperature", Rule::Number(0.0, 1.0)),
    ("timestamp_granularities", Rule::Read),
];

/// How a transcript is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TranscriptFormat {
    Json,
    Text,
    Srt,
    VerboseJson,
    Vtt,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TranscriptionRequest {
    pub(super) format: TranscriptFormat,
    pub(super) granularity: Granularity,
    is_whisper: bool,
    stream: bool,
}

/// What of a transcript has times; both may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Granularity {
    pub(super) words: bool,
    pub(super) segments: bool,
}

impl TranscriptionRequest {
    /// Whether the reply is streamed; Whisper ignores that it is asked to.
    pub(super) fn is_streamed(&self) -> bool {
        self.stream && !self.is_whisper
    }

    /// Whether the model bills seconds instead of tokens.
    pub(super) fn is_billed_by_duration(&self) -> bool {
        self.is_whisper
    }

    fn read(model: &str, fields: &Map<String, Value>) -> Result<Self, ProviderError> {
        let is_whisper = model.contains("whisper");
        let format = parameters::given(fields, "response_format")
            .and_then(Value::as_str)
            .unwrap_or("json");
        if !is_whisper && !matches!(format, "json" | "text") {
            let message = format!(
                "response_format '{format}' is not compatible with model '{model}'. Use 'json' or 'text' instead."
            );
            return Err(ProviderError::invalid(
                "response_format",
                "unsupported_value",
                message,
            ));
        }
        let format = match format {
            "text" => TranscriptFormat::Text,
            "srt" => TranscriptFormat::Srt,
            "verbose_json" => TranscriptFormat::VerboseJson,
            "vtt" => TranscriptFormat::Vtt,
            _ => TranscriptFormat::Json,
        };
        let granularities: Vec<&str> = fields
            .get("timestamp_granularities")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if let Some(unknown) = granularities.iter().find(|word| !GRANULARITIES.contains(word)) {
            let unknown = Value::from(*unknown);
            return Err(parameters::unknown_value(
                "timestamp_granularities",
                &unknown,
                GRANULARITIES,
            ));
        }
        if !granularities.is_empty() && format != TranscriptFormat::VerboseJson {
            let message =
                "'timestamp_granularities' is only allowed when 'response_format' is 'verbose_json'.";
            return Err(ProviderError::invalid(
                "timestamp_granularities",
                "invalid_value",
                message,
            ));
        }
        Ok(Self {
            format,
            granularity: Granularity {
                words: granularities.contains(&"word"),
                segments: granularities.is_empty() || granularities.contains(&"segment"),
            },
            is_whisper,
            stream: parameters::flag(fields, "stream"),
        })
    }
}

/// A recording, and what is asked of it.
pub(super) struct TranscriptionForm {
    pub(super) model: String,
    pub(super) upload: Upload,
    pub(super) request: TranscriptionRequest,
}

/// Reads a form, holding the file once.
pub(super) async fn read(
    form: Result<Multipart, MultipartRejection>,
) -> Result<TranscriptionForm, ProviderError> {
    let mut form = form.map_err(|error| unreadable(&error.body_text()))?;
    let read = read_fields(&mut form).await;
    if read.is_err() {
        drain(form).await;
    }
    read
}

/// Reads on without keeping anything: who is still sending would not see the refusal.
pub(super) async fn drain(mut form: Multipart) {
    let mut drained_bytes = 0;
    while let Ok(Some(mut field)) = form.next_field().await {
        while let Ok(Some(chunk)) = field.chunk().await {
            drained_bytes += chunk.len();
            if drained_bytes > DRAINED_BYTES_MAX {
                return;
            }
        }
    }
}

async fn read_fields(form: &mut Multipart) -> Result<TranscriptionForm, ProviderError> {
    let (mut upload, mut fields) = (None, Map::new());
    let mut count = 0;
    while let Some(field) = form
        .next_field()
        .await
        .map_err(|error| unreadable(&error.body_text()))?
    {
        count += 1;
        if count > FIELDS_MAX {
            return Err(unreadable("too many fields"));
        }
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            upload = Some(read_file(field).await?);
        } else {
            let text = read_text(field, &name).await?;
            take_field(&mut fields, &name, text);
        }
    }
    parameters::check(PARAMETERS, &fields)?;
    let model = parameters::required_text(&fields, "model")?.to_owned();
    let upload = upload.ok_or_else(|| parameters::missing("file"))?;
    let request = TranscriptionRequest::read(&model, &fields)?;
    Ok(TranscriptionForm {
        model,
        upload,
        request,
    })
}

async fn read_file(mut field: Field<'_>) -> Result<Upload, ProviderError> {
    let mut upload = Upload::new(UPLOAD_BYTES_MAX);
    let mut refused_bytes = 0;
    while let Some(chunk) = field
        .chunk()
        .await
        .map_err(|error| unreadable(&error.body_text()))?
    {
        let bytes = chunk.len();
        if refused_bytes > 0 || upload.push(chunk).is_err() {
            refused_bytes += bytes;
        }
        if refused_bytes > DRAINED_BYTES_MAX {
            break;
        }
    }
    if refused_bytes > 0 {
        return Err(ProviderError::file_too_large(UPLOAD_BYTES_MAX));
    }
    Ok(upload)
}

async fn read_text(mut field: Field<'_>, name: &str) -> Result<String, ProviderError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field
        .chunk()
        .await
        .map_err(|error| unreadable(&error.body_text()))?
    {
        if bytes.len() + chunk.len() > FIELD_BYTES_MAX {
            let message = format!("Invalid '{name}': longer than {FIELD_BYTES_MAX} bytes.");
            return Err(ProviderError::invalid(name, "string_above_max_length", message));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| unreadable("a field is not UTF-8"))
}

/// Notes a field as the JSON that it stands for. `name[]` is one of several.
fn take_field(fields: &mut Map<String, Value>, name: &str, text: String) {
    let plain = name.strip_suffix("[]");
    let value = match (name, text.as_str()) {
        ("stream", "true") => Value::Bool(true),
        ("stream", "false") => Value::Bool(false),
        ("temperature", number) => serde_json::from_str(number).unwrap_or_else(|_| Value::from(text)),
        _ => Value::from(text),
    };
    match plain.unwrap_or(name) {
        list if plain.is_some() || list == "timestamp_granularities" => {
            let entry = fields.entry(list).or_insert_with(|| Value::Array(Vec::new()));
            if let Some(list) = entry.as_array_mut() {
                list.push(value);
            }
        }
        name => {
            fields.insert(name.to_owned(), value);
        }
    }
}

fn unreadable(reason: &str) -> ProviderError {
    let message = format!("Could not parse multipart form: {reason}");
    ProviderError::invalid("file", "invalid_multipart", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(model: &str, given: &[(&str, &str)]) -> Result<TranscriptionRequest, ProviderError> {
        let mut fields = Map::new();
        for (name, text) in given {
            take_field(&mut fields, name, (*text).to_owned());
        }
        parameters::check(PARAMETERS, &fields)?;
        TranscriptionRequest::read(model, &fields)
    }

    #[test]
    fn whisper_has_all_formats_and_does_not_stream() {
        let whisper = request("sim-whisper", &[("response_format", "srt"), ("stream", "true")]).unwrap();
        assert_eq!(
            (whisper.format, whisper.is_streamed()),
            (TranscriptFormat::Srt, false)
        );
        let other = request("sim-transcribe", &[("stream", "true"), ("temperature", "0.2")]).unwrap();
        assert_eq!(
            (other.format, other.is_streamed()),
            (TranscriptFormat::Json, true)
        );
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for (model, name, text, word) in [
            ("sim-transcribe", "response_format", "srt", "not compatible"),
            ("sim-whisper", "response_format", "pdf", "'json', 'text'"),
            ("sim-whisper", "timestamp_granularities[]", "word", "verbose_json"),
            ("sim-whisper", "timestamp_granularities[]", "line", "'segment'"),
            ("sim-whisper", "include[]", "logprobs", "not supported"),
            ("sim-whisper", "temperature", "2", "<= 1"),
            ("sim-whisper", "temperature", "warm", "a decimal"),
            ("sim-whisper", "colour", "red", "Unknown"),
        ] {
            let refused = request(model, &[(name, text)]).unwrap_err();
            assert!(
                refused.message.contains(word),
                "{name}={text}: {}",
                refused.message
            );
        }
    }
}
