//! The mouth: a text is checked, spoken, kept and announced; once, whoever asks for it and however often.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use greenroom_actors::outside::{made, settled, unsettled};
use greenroom_audio::{Container, DecodeLimits, Upload, decode};
use greenroom_protocol::{
    AssetId, AssetReady, CallId, ErrorCode, Locale, Millis, Provenance, SessionId, TurnId,
};
use greenroom_session::blob_names::{PHRASE_PREFIX, asset_blob, asset_url};
use greenroom_session::playbook::{Playbook, VoicePreset};
use greenroom_session::ports::{
    CallFailure, CallReceipt, IdSource as _, ModelIdentity, SpeechEvent, SpeechFormat, SpeechRequest,
};
use greenroom_session::{Caller, OutsideCall};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::call::Asking;
use super::check::check;
use super::flights::Flights;
use super::hearing::lost;
use super::speech_cache::{CachePlace, Ingredients, Scope};
use super::{VoicePorts, observe};
use crate::http::Failure;
use crate::lifecycle::Phase;
use crate::system::RandomIds;

/// Hexadecimal digits of an asset's name: 128 random bits, which nobody guesses.
const NAME_DIGITS: usize = 32;
/// The media types of assets, by what their names end with.
const MEDIA_TYPES: [(&str, &str); 2] = [("mp3", "audio/mpeg"), ("wav", "audio/wav")];

/// Speech for one text may take this long; a minute of speech is made in a few seconds.
const SPEECH_TIMEOUT: Millis = Millis(60_000);
/// How long a provider may be silent amid speech.
const SPEECH_STALL: Millis = Millis(15_000);
/// Bytes of one speech: ten minutes of WAV at 24 kHz, more than any text that is taken.
const SPEECH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long one speech may be.
const SPEECH_DURATION_MAX: Duration = Duration::from_mins(15);
/// Speech made at once; each may take [`SPEECH_BYTES_MAX`].
const SPEECHES_MAX: usize = 16;
/// When a client that found all of them taken may come again.
const SPEECH_RETRY_S: u32 = 5;

/// A text that is to be spoken.
pub struct Speech {
    /// In which session.
    pub session: SessionId,
    /// Who asks.
    pub caller: Caller,
    /// The language of the session.
    pub locale: Locale,
    /// The playbook of the session.
    pub playbook: Arc<Playbook>,
    /// What to say.
    pub text: String,
    /// In which voice.
    pub preset: VoicePreset,
    /// How to encode it.
    pub format: SpeechFormat,
    /// The turn whose reply it is, if it is one.
    pub turn_id: Option<TurnId>,
    /// Whether the text was checked before, or needs no check: what the session said itself.
    pub checked: bool,
}

/// A text that was spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpokenText {
    /// The asset's name.
    pub name: String,
    /// How it is encoded.
    pub format: SpeechFormat,
    /// Its size.
    pub size_bytes: u64,
    /// How long it plays, measured.
    pub duration_ms: u64,
}

impl SpokenText {
    /// Where it can be fetched.
    pub fn url(&self) -> String {
        asset_url(&self.name)
    }
}

/// Whether a name is one that an asset can have.
pub fn is_asset_name(name: &str) -> bool {
    let Some((stem, _)) = name.split_once('.') else {
        return false;
    };
    let digits = stem.strip_prefix(PHRASE_PREFIX).unwrap_or(stem);
    digits.len() == NAME_DIGITS
        && digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && media_type_of(name).is_some()
}

/// The media type of an asset; none of what is no asset.
pub fn media_type_of(name: &str) -> Option<&'static str> {
    let (_, extension) = name.split_once('.')?;
    let known = MEDIA_TYPES.iter().find(|(known, _)| *known == extension)?;
    Some(known.1)
}

/// The server's mouth.
pub struct Mouth {
    shared: Arc<Shared>,
    flights: Flights<CachePlace, Option<Result<SpokenText, Failure>>>,
}

/// What every speech needs.
struct Shared {
    ports: Arc<VoicePorts>,
    decoders: Arc<Semaphore>,
    places: Semaphore,
}

impl Mouth {
    pub(super) fn new(ports: Arc<VoicePorts>, decoders: Arc<Semaphore>) -> Self {
        let shared = Shared {
            ports,
            decoders,
            places: Semaphore::new(SPEECHES_MAX),
        };
        Self {
            shared: Arc::new(shared),
            flights: Flights::new(),
        }
    }

    /// Speaks a text, unless it was spoken before; then it costs nothing and makes no events. Whoever asks for the same
    /// meanwhile shares it, and nobody who goes away cancels it.
    pub async fn say(&self, speech: Speech) -> Result<SpokenText, Failure> {
        let ports = &self.shared.ports;
        let identity = ports.providers.speaker.identity().ok_or_else(|| {
            let asking = speech.asking();
            asking.refusal(ErrorCode::TtsNotConfigured)
        })?;
        let place = speech.place(&identity);
        if let Some(spoken) = place.read(&*ports.blobs).await {
            observe::speech_cache("hit");
            return Ok(spoken);
        }
        let shared = Arc::clone(&self.shared);
        let mut progress = self.flights.join(place.clone(), |progress| {
            shared.say_once(speech, identity, place, progress)
        });
        let spoken = progress.wait_for(Option::is_some).await;
        let spoken = spoken.ok().and_then(|spoken| spoken.clone());
        spoken.unwrap_or_else(|| Err(lost(&ports.phase)))
    }
}

impl Speech {
    fn asking(&self) -> Asking {
        Asking {
            session: self.session,
            caller: self.caller.clone(),
            locale: self.locale,
        }
    }

    fn scope(&self) -> Scope {
        if is_made_of_phrases(&self.playbook, &self.text) {
            Scope::Phrase
        } else {
            Scope::Session(self.session)
        }
    }

    fn place(&self, identity: &ModelIdentity) -> CachePlace {
        let made_from = Ingredients {
            identity,
            voice: self.preset.voice(self.locale),
            style: self.preset.style.as_deref(),
            format: self.format,
            text: &self.text,
        };
        CachePlace::of(self.scope(), made_from)
    }

    fn asset_name(&self) -> String {
        let prefix = match self.scope() {
            Scope::Phrase => PHRASE_PREFIX,
            Scope::Session(_) => "",
        };
        let digits = rand::rng().random::<u128>();
        let extension = match self.format {
            SpeechFormat::Mp3 => "mp3",
            SpeechFormat::Wav | SpeechFormat::Pcm => "wav",
        };
        format!("{prefix}{digits:032x}.{extension}")
    }
}

/// Whether a text is a phrase of the playbook, in any language, or several of them in a row, as replies are.
pub fn is_made_of_phrases(playbook: &Playbook, text: &str) -> bool {
    let text = text.trim();
    let mut phrases = playbook
        .phrases
        .values()
        .flat_map(|phrase| [&phrase.ko, &phrase.en]);
    phrases.any(|phrase| match text.strip_prefix(phrase.as_str()) {
        Some("") => true,
        Some(rest) => rest.starts_with(' ') && is_made_of_phrases(playbook, rest),
        None => false,
    })
}

impl Shared {
    async fn say_once(
        self: Arc<Self>,
        speech: Speech,
        identity: ModelIdentity,
        place: CachePlace,
        progress: watch::Sender<Option<Result<SpokenText, Failure>>>,
    ) {
        let phase = self.ports.phase.clone();
        let spoken = phase.unless_reached(Phase::Closing, self.say(&speech, &identity, &place));
        let spoken = spoken
            .await
            .unwrap_or_else(|| Err(Failure::new(ErrorCode::SysDraining)));
        progress.send_replace(Some(spoken));
    }

    async fn say(
        &self,
        speech: &Speech,
        identity: &ModelIdentity,
        place: &CachePlace,
    ) -> Result<SpokenText, Failure> {
        let blobs = &*self.ports.blobs;
        // What was under way when it was looked for last may be there now.
        if let Some(spoken) = place.read(blobs).await {
            observe::speech_cache("hit");
            return Ok(spoken);
        }
        observe::speech_cache("miss");
        let asking = speech.asking();
        let directory = &self.ports.directory;
        // The session stays in memory: one that is folded anew takes calls under way for lost.
        let _presence = directory.cursor(speech.session, &speech.caller, None).await?;
        let _place = self
            .places
            .try_acquire()
            .map_err(|_| Failure::overloaded(SPEECH_RETRY_S))?;
        if !speech.checked {
            check(&self.ports, &asking, &speech.text).await?;
        }
        let call = OutsideCall::Speak {
            turn_id: speech.turn_id,
        };
        let receipt = asking.reserve(directory, None, call).await?;
        let call_id = receipt.call_id.ok_or_else(|| {
            tracing::error!("speech was reserved without a call");
            Failure::new(ErrorCode::SysInternal)
        })?;
        let started = Instant::now();
        let made = made(self.make(speech, call_id)).await;
        let outcome = made
            .as_ref()
            .map_or_else(|failure| failure.code.as_str(), |_| "ok");
        observe::spoken(started.elapsed(), outcome);
        match made {
            Ok(made) => {
                let spoken = self.announce(&asking, speech, identity, call_id, made).await?;
                place.write(blobs, &spoken).await;
                Ok(spoken)
            }
            Err(failure) => {
                let told = asking.failure(&failure);
                let code = failure.code;
                let settlement = unsettled(failure, Some(code));
                // That it could not be settled is in the log; the client is told why there is no voice.
                asking.settle(directory, call_id, settlement).await.ok();
                Err(told)
            }
        }
    }

    /// Asks the provider, and measures what it made.
    async fn make(&self, speech: &Speech, call_id: CallId) -> Result<Made, CallFailure> {
        let request = SpeechRequest {
            call_id,
            text: speech.text.clone(),
            voice: speech.preset.voice(speech.locale).to_owned(),
            style: speech.preset.style.clone(),
            format: speech.format,
            timeout: SPEECH_TIMEOUT,
            stall_timeout: SPEECH_STALL,
        };
        let mut stream = self.ports.providers.speaker.speak(request).await?;
        let mut audio = BytesMut::new();
        let receipt = loop {
            match stream.next().await {
                Some(Ok(SpeechEvent::Audio(piece))) if audio.len() + piece.len() <= SPEECH_BYTES_MAX => {
                    audio.extend_from_slice(&piece);
                }
                Some(Ok(SpeechEvent::Audio(_))) => {
                    let reason = format!("the speech has more than {SPEECH_BYTES_MAX} bytes");
                    return Err(unusable(reason, None));
                }
                Some(Ok(SpeechEvent::Completed(receipt))) => break receipt,
                Some(Err(failure)) => return Err(failure),
                None => return Err(unusable("the speech broke off".to_owned(), None)),
            }
        };
        let audio = audio.freeze();
        match self.measure(audio.clone(), speech.format).await {
            Ok(duration) => Ok(Made {
                audio,
                duration,
                receipt,
            }),
            Err(reason) => Err(unusable(reason, Some(receipt))),
        }
    }

    /// How long it plays. What cannot be decoded, or is something else than was asked for, is no speech.
    async fn measure(&self, audio: Bytes, format: SpeechFormat) -> Result<Duration, String> {
        let core = Arc::clone(&self.decoders).acquire_owned().await;
        let core = core.map_err(|_| "the server stops".to_owned())?;
        let phase = self.ports.phase.clone();
        let limits = DecodeLimits {
            duration_max: SPEECH_DURATION_MAX,
            ..DecodeLimits::default()
        };
        let decoding = spawn_blocking(move || {
            let _core = core;
            decode(Upload::from(audio), &limits, &|| phase.phase() >= Phase::Closing)
        });
        let decoded = decoding.await.map_err(|error| error.to_string())?;
        let decoded = decoded.map_err(|error| format!("the provider's speech is none: {error}"))?;
        let expected = match format {
            SpeechFormat::Mp3 => Container::Mp3,
            SpeechFormat::Wav | SpeechFormat::Pcm => Container::Wav,
        };
        if decoded.container != expected {
            return Err(format!(
                "the provider was asked for {expected:?} and sent {:?}",
                decoded.container
            ));
        }
        Ok(decoded.duration())
    }

    /// Keeps the speech, then tells of it: who sees the event can fetch it.
    async fn announce(
        &self,
        asking: &Asking,
        speech: &Speech,
        identity: &ModelIdentity,
        call_id: CallId,
        made: Made,
    ) -> Result<SpokenText, Failure> {
        let Made {
            audio,
            duration,
            receipt,
        } = made;
        let spoken = SpokenText {
            name: speech.asset_name(),
            format: speech.format,
            size_bytes: audio.len() as u64,
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        };
        let directory = &self.ports.directory;
        let blob = asset_blob(&spoken.name);
        if let Err(error) = self.ports.blobs.put(&blob, audio).await {
            tracing::error!(%error, "speech cannot be kept");
            let code = ErrorCode::StorageUploadFailed;
            let settlement = greenroom_session::Settlement {
                error: Some(code),
                reason: Some(error.to_string()),
                ..settled(receipt, None)
            };
            asking.settle(directory, call_id, settlement).await.ok();
            return Err(asking.refusal(code));
        }
        let asset = AssetReady {
            asset_id: AssetId::new(RandomIds::default().next_ulid()),
            run_id: None,
            kind: "speech".to_owned(),
            url: spoken.url(),
            media_type: media_type_of(&spoken.name).unwrap_or_default().to_owned(),
            size_bytes: spoken.size_bytes,
            provenance: Provenance::Model {
                provider: receipt.provider.clone(),
                model: receipt.model.clone(),
                call_id,
                simulated: receipt.simulated || identity.simulated,
            },
        };
        let announced = asking
            .settle(directory, call_id, settled(receipt, Some(asset)))
            .await;
        if let Err(failure) = announced {
            // Nobody knows of it, so nobody will ask for it.
            self.ports.blobs.delete(&blob).await.ok();
            return Err(failure);
        }
        Ok(spoken)
    }
}

/// Speech as it came.
struct Made {
    audio: Bytes,
    duration: Duration,
    receipt: CallReceipt,
}

/// What came is not what was asked for.
fn unusable(reason: String, receipt: Option<CallReceipt>) -> CallFailure {
    CallFailure {
        code: ErrorCode::TtsFailed,
        retryable: true,
        retry_after: None,
        reason,
        receipt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_named_here_is_an_assets_name() {
        let name = "0123456789abcdef0123456789abcdef";
        let check = |name: &str, expected| assert_eq!(is_asset_name(name), expected, "{name}");
        check(&format!("{name}.mp3"), true);
        check(&format!("phrase-{name}.wav"), true);
        for bad in ["", ".", "..", "a.mp3", "../secret.mp3", name] {
            check(bad, false);
        }
        check(&format!("{name}.mp3.wav"), false);
        check(&format!("{name}.html"), false);
        check(&format!("{}.mp3", name.to_uppercase()), false);
        check(&format!("{name}0.mp3"), false);
        check(&format!("x/{name}.mp3"), false);
    }
}
