//! One item: audio while it comes in, and its transcription once it is committed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::session::{ModelFamily, Transcription};
use super::teller::{Struck, Teller};
use crate::provider::author::Chance;
use crate::provider::bill::{BilledUsage, OpenCall};
use crate::provider::error::ProviderError;
use crate::provider::fault::Fault;
use crate::provider::pace::{Pace, Pieces};
use crate::provider::simulator::Simulator;
use crate::provider::transcription::Hearing;
use crate::voice::recognise::{HeardRate, Listening, Recogniser};

/// Samples that are heard before others get their turn: one second.
const SAMPLES_AT_ONCE: usize = 24_000;

/// Audio that has not been committed.
pub(super) struct Utterance {
    pub(super) teller: Teller,
    pub(super) fault: Option<Fault>,
    listening: Listening,
}

/// An item that was committed and is to be transcribed.
pub(super) struct Committed {
    pub(super) utterance: Utterance,
    pub(super) transcription: Transcription,
    pub(super) call: OpenCall,
}

/// What a fault makes of an utterance that is still being said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClosedAmid {
    pub(super) code: Option<u16>,
}

impl Utterance {
    pub(super) fn new(teller: Teller, fault: Option<Fault>) -> Self {
        Self {
            teller,
            fault,
            listening: Recogniser::of_shipped().listen(HeardRate::Hz24000),
        }
    }

    pub(super) fn duration(&self) -> Duration {
        self.listening.duration()
    }

    /// Hears samples, and tells the words in them if the model does so before the commit.
    pub(super) async fn hear(
        &mut self,
        samples: &[i16],
        transcription: Option<&Transcription>,
    ) -> Result<(), ClosedAmid> {
        for piece in samples.chunks(SAMPLES_AT_ONCE) {
            self.listening.hear(piece);
            if let Some(Fault::Close { after_ms, code }) = self.fault
                && self.duration() >= Duration::from_millis(after_ms)
            {
                return Err(ClosedAmid { code });
            }
            if let Some(transcription) = transcription.filter(|transcription| transcription.family.is_live())
            {
                self.tell_words(transcription.lag).await;
            }
            if samples.len() > SAMPLES_AT_ONCE {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn tell_words(&mut self, lag: Duration) {
        // What a fault makes others hear is not heard word by word.
        if self.fault == Some(Fault::Mishear) {
            return;
        }
        let said = self.listening.said(lag);
        let Some(rest) = said
            .strip_prefix(self.teller.told())
            .filter(|rest| !rest.is_empty())
        else {
            return;
        };
        for word in words(rest) {
            if self.teller.delta(&word).await == Err(Struck) {
                return;
            }
        }
    }
}

impl Committed {
    /// Recognises the audio and tells the rest. After a fault that breaks off it goes on forever, and the call ends with
    /// the connection.
    pub(super) async fn transcribe(self, simulator: &Simulator) {
        let Self {
            utterance,
            transcription,
            mut call,
        } = self;
        let Utterance {
            mut teller,
            fault,
            listening,
        } = utterance;
        if fault == Some(Fault::Hang { after_chars: None }) {
            std::future::pending::<()>().await;
        }
        let mut pace = simulator.pace;
        if let Some(Fault::Slow { first_token_ms }) = fault {
            pace.first_token = Duration::from_millis(first_token_ms);
        }
        let duration = listening.duration();
        let heard = simulator
            .work(move || Hearing::new(listening.finish(), duration))
            .await;
        let hearing = match heard {
            Ok(hearing) => hearing.misheard(fault),
            Err(error) => {
                call.reject(error.status.as_u16());
                return teller.failed(&error).await;
            }
        };
        let is_billed_by_duration = transcription.family.is_billed_by_duration();
        let usage = hearing.usage(is_billed_by_duration);
        call.uses(BilledUsage {
            output_tokens: 0,
            ..usage
        });
        sleep(pace.first_token).await;
        if fault == Some(Fault::FailTranscription) {
            drop(call);
            return teller.failed(&unintelligible()).await;
        }
        let text = hearing.text();
        let chance = Chance::new(simulator.seed, &text);
        let rest = text.strip_prefix(teller.told()).unwrap_or_default();
        // Struck or not, what completes the item knows how to end it.
        let _ = tell_rest(&mut teller, rest, transcription.family, pace, chance).await;
        let told_usage = hearing.told_usage(usage, is_billed_by_duration);
        teller.completed(&text, &told_usage, call, usage).await;
    }
}

/// Tells what no delta has told.
async fn tell_rest(
    teller: &mut Teller,
    rest: &str,
    family: ModelFamily,
    pace: Pace,
    chance: Chance,
) -> Result<(), Struck> {
    if rest.is_empty() {
        return Ok(());
    }
    if family == ModelFamily::Whisper {
        return teller.delta(rest).await;
    }
    for (index, piece) in Pieces::new(Arc::from(rest), chance).enumerate() {
        if index > 0 {
            sleep(pace.per_token).await;
        }
        teller.delta(&piece).await?;
    }
    Ok(())
}

/// The words of a text, each with the space before it.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in text.chars() {
        match words.last_mut() {
            Some(word) if letter != ' ' => word.push(letter),
            Some(_) | None => words.push(letter.to_string()),
        }
    }
    words
}

fn unintelligible() -> ProviderError {
    ProviderError::transcription("audio_unintelligible", "The audio could not be transcribed.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_the_space_before_them() {
        assert_eq!(words("It is"), ["It", " is"]);
        assert_eq!(words(" called Morning"), [" called", " Morning"]);
        assert!(words("").is_empty());
    }
}
