//! The making of images: posters that say of themselves that nobody painted them.

mod poster;

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::admission::{Admission, Admitted, Visitor};
use super::api::Api;
use super::author::Chance;
use super::bill::BilledUsage;
use super::error::ProviderError;
use super::generate::{EVENT_STREAM, play_frames, played, read_object, reply_with_document};
use super::pace;
use super::parameters::{self, Rule};
use super::play::{Frame, Wait};
use super::simulator::SharedSimulator;
use crate::wall_clock;
use poster::{ImageFormat, Poster};

/// Characters of a prompt.
const PROMPT_CHARS_MAX: usize = 32_000;
/// Images that one request may ask for.
const IMAGES_MAX: i64 = 10;
/// Sketches that a stream may show before the image.
const PARTIALS_MAX: i64 = 3;
/// An image is billed as so many tokens for each square of so many pixels.
const TILE_PIXELS: u64 = 32 * 32;

const FORMATS: &[&str] = &["png", "jpeg", "webp"];
const SIZES: &[&str] = &["auto", "1024x1024", "1536x1024", "1024x1536"];

const PARAMETERS: &[(&str, Rule)] = &[
    ("background", Rule::OneOf(&["auto", "opaque"])),
    ("complexity", Rule::Unsupported),
    ("frame_count", Rule::Unsupported),
    ("frame_duration_ms", Rule::Unsupported),
    ("model", Rule::Read),
    ("moderation", Rule::OneOf(&["auto", "low"])),
    ("n", Rule::Integer(1, IMAGES_MAX)),
    ("output_compression", Rule::Integer(0, 100)),
    ("output_format", Rule::OneOf(FORMATS)),
    ("partial_images", Rule::Integer(0, PARTIALS_MAX)),
    ("prompt", Rule::Read),
    ("quality", Rule::OneOf(&["auto", "low", "medium", "high"])),
    ("response_format", Rule::Unsupported),
    ("safety_identifier", Rule::Text),
    ("size", Rule::OneOf(SIZES)),
    ("stream", Rule::Flag),
    ("style", Rule::Unsupported),
    ("svg", Rule::Unsupported),
    ("user", Rule::Text),
];

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ImagePrompt {
    text: String,
    width: u32,
    height: u32,
    format: ImageFormat,
    count: u64,
    /// Sketches before the image of a stream.
    partials: u64,
    is_stream: bool,
}

impl ImagePrompt {
    fn read(request: &Map<String, Value>) -> Result<Self, ProviderError> {
        parameters::check(PARAMETERS, request)?;
        let text = parameters::required_text(request, "prompt")?;
        let chars = text.chars().count();
        if chars == 0 || chars > PROMPT_CHARS_MAX {
            let message =
                format!("Invalid 'prompt': expected a string of 1 to {PROMPT_CHARS_MAX} characters.");
            return Err(ProviderError::invalid("prompt", "invalid_value", message));
        }
        let word = |name: &str| parameters::given(request, name).and_then(Value::as_str);
        let number = |name: &str| parameters::given(request, name).and_then(Value::as_u64);
        let (width, height) = match word("size") {
            Some("1536x1024") => (1_536, 1_024),
            Some("1024x1536") => (1_024, 1_536),
            _ => (1_024, 1_024),
        };
        let quality = number("output_compression").unwrap_or(100);
        let format = match word("output_format") {
            Some("jpeg") => ImageFormat::Jpeg {
                quality: u8::try_from(quality).unwrap_or(100).max(1),
            },
            Some("webp") => ImageFormat::WebP,
            _ => ImageFormat::Png,
        };
        if quality < 100 && !matches!(format, ImageFormat::Jpeg { .. }) {
            let message = "Compression less than 100 is only supported for the 'jpeg' output format.";
            return Err(ProviderError::invalid(
                "output_compression",
                "invalid_value",
                message,
            ));
        }
        let prompt = Self {
            text: text.to_owned(),
            width,
            height,
            format,
            count: number("n").unwrap_or(1),
            partials: number("partial_images").unwrap_or(0),
            is_stream: parameters::flag(request, "stream"),
        };
        if prompt.is_stream && prompt.count > 1 {
            let message = "Invalid 'n': only one image can be streamed.";
            return Err(ProviderError::invalid("n", "invalid_value", message));
        }
        if !prompt.is_stream && prompt.partials > 0 {
            let message = "The 'partial_images' parameter is only allowed when 'stream' is enabled.";
            return Err(ProviderError::invalid("partial_images", "invalid_value", message));
        }
        Ok(prompt)
    }

    /// What one image counts as.
    fn image_tokens(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) / TILE_PIXELS
    }

    fn usage(&self) -> BilledUsage {
        BilledUsage {
            input_tokens: pace::tokens(&self.text),
            output_tokens: self.count * self.image_tokens(),
            images: self.count,
            ..BilledUsage::default()
        }
    }

    /// What the answer says beside the image.
    fn traits(&self) -> Value {
        let usage = self.usage();
        json!({
            "size": format!("{}x{}", self.width, self.height), "quality": "low", "background": "opaque",
            "output_format": self.format.name(),
            "usage": {
                "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
                "total_tokens": usage.input_tokens + usage.output_tokens,
                "input_tokens_details": { "image_tokens": 0, "text_tokens": usage.input_tokens },
                "output_tokens_details": { "image_tokens": usage.output_tokens, "text_tokens": 0 },
            },
        })
    }
}

/// `POST /v1/images/generations`
pub(super) async fn create(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ProviderError> {
    let mut visitor = Visitor::arrive(&simulator, Api::Images, &headers)?;
    let request = read_object(body).map_err(|error| visitor.refuse(error))?;
    let model =
        parameters::given(&request, "model").map_or("sim-image", |model| model.as_str().unwrap_or(""));
    visitor.name_model(model)?;
    let prompt = ImagePrompt::read(&request).map_err(|error| visitor.refuse(error))?;
    let admitted = match visitor.admit("image", None).await {
        Admission::Admitted(admitted) => *admitted,
        Admission::Answered(response) => return Ok(response),
    };
    let (seed, painted) = (simulator.seed, prompt.clone());
    let drawings = simulator.work(move || draw(&painted, seed)).await?;
    let created = wall_clock::now().unix_ms() / 1_000;
    if prompt.is_stream {
        let usage = prompt.usage();
        let frames = frames(&prompt, &drawings, created);
        return Ok(played(
            EVENT_STREAM,
            play_frames(frames.into_iter(), admitted, usage),
        ));
    }
    Ok(whole(&prompt, &drawings, created, admitted).await)
}

/// Every image that is shown, sketches first, as Base64.
fn draw(prompt: &ImagePrompt, seed: u64) -> Vec<String> {
    let chance = Chance::new(seed, &prompt.text);
    let sketches = (1..=prompt.partials).map(|step| (0, Some(step)));
    let images = (0..prompt.count).map(|index| (index, None));
    sketches
        .chain(images)
        .map(|(index, step)| {
            let poster = Poster {
                width: prompt.width,
                height: prompt.height,
                chance: chance.at(&format!("image {index}")),
                step,
            };
            STANDARD.encode(poster.encode(prompt.format))
        })
        .collect()
}

async fn whole(prompt: &ImagePrompt, drawings: &[String], created: i64, admitted: Admitted) -> Response {
    let data: Vec<Value> = drawings
        .iter()
        .map(|drawing| json!({ "b64_json": drawing }))
        .collect();
    let mut document = prompt.traits();
    document["created"] = created.into();
    document["data"] = data.into();
    reply_with_document(&document, admitted, prompt.usage()).await
}

/// The events of a stream: sketches, then the image.
fn frames(prompt: &ImagePrompt, drawings: &[String], created: i64) -> Vec<Frame> {
    let last = drawings.len().saturating_sub(1);
    let event = |(index, drawing): (usize, &String)| {
        let completes = index == last;
        let mut data = prompt.traits();
        let name = if completes {
            "image_generation.completed"
        } else {
            data["partial_image_index"] = index.into();
            "image_generation.partial_image"
        };
        data["type"] = name.into();
        data["b64_json"] = drawing.as_str().into();
        data["created_at"] = created.into();
        Frame {
            bytes: Bytes::from(format!("event: {name}\ndata: {data}\n\n")),
            wait: Wait::Thought,
            text_chars: 1,
            tokens: 0,
            completes,
        }
    };
    drawings.iter().enumerate().map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(extra: &Value) -> Result<ImagePrompt, ProviderError> {
        let mut request = json!({ "prompt": "a poster of a serum" });
        request
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        ImagePrompt::read(request.as_object().unwrap())
    }

    #[test]
    fn the_same_prompt_gives_the_same_image_and_another_another() {
        let mut prompt = read(&json!({})).unwrap();
        let first = draw(&prompt, 1);
        assert_eq!(first, draw(&prompt, 1));
        prompt.text.push('!');
        assert_ne!(first, draw(&prompt, 1));
    }

    #[test]
    fn what_cannot_be_painted_is_refused() {
        for (extra, word) in [
            (json!({ "prompt": "" }), "1 to"),
            (json!({ "size": "1x1" }), "1024x1024"),
            (json!({ "n": 11 }), "<= 10"),
            (json!({ "background": "transparent" }), "opaque"),
            (json!({ "output_compression": 50 }), "jpeg"),
            (json!({ "stream": true, "n": 2 }), "only one"),
            (json!({ "partial_images": 2 }), "stream"),
            (json!({ "response_format": "url" }), "not supported"),
        ] {
            let refused = read(&extra).unwrap_err();
            assert!(refused.message.contains(word), "{extra}: {}", refused.message);
        }
    }
}
