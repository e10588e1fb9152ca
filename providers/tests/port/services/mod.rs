//! What holds for every service: recognition, synthesis and moderation.

mod calls;
mod faults;
mod lifetimes;

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use greenroom_protocol::{ErrorCode, Millis};
use greenroom_providers::{
    BuildError, CircuitLimits, EndpointConfig, OpenAiModerator, OpenAiSpeaker, OpenAiTranscriber, PriceTable,
    ProviderStatus,
};
use greenroom_session::ports::{
    CallFailure, CallReceipt, ModelIdentity, ModerationRequest, Moderator, Speaker, SpeechAudio, SpeechEvent,
    SpeechFormat, SpeechRequest, Transcriber, TranscriptionRequest,
};

use crate::scripted_server::{Exchange, ScriptedServer, WORDS, call_id};

/// Which service.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Ear,
    Mouth,
    Judge,
}

const KINDS: [Kind; 3] = [Kind::Ear, Kind::Mouth, Kind::Judge];

/// How long each call may take.
const TIMEOUT: Millis = Millis(60_000);

/// A provider of one.
#[derive(Debug)]
enum Service {
    Ear(OpenAiTranscriber),
    Mouth(OpenAiSpeaker),
    Judge(OpenAiModerator),
}

impl Kind {
    fn failed(self) -> ErrorCode {
        match self {
            Self::Ear => ErrorCode::SttFailed,
            Self::Mouth => ErrorCode::TtsFailed,
            Self::Judge => ErrorCode::SafetyUnavailable,
        }
    }

    fn timed_out(self) -> ErrorCode {
        match self {
            Self::Ear => ErrorCode::SttTimeout,
            Self::Mouth => ErrorCode::TtsTimeout,
            Self::Judge => ErrorCode::SafetyUnavailable,
        }
    }

    fn model(self) -> &'static str {
        match self {
            Self::Ear => "sim-ear",
            Self::Mouth => "sim-mouth",
            Self::Judge => "sim-judge",
        }
    }

    /// What a success is answered with.
    fn answer(self) -> (&'static str, &'static str) {
        match self {
            Self::Ear => ("content-type: application/json\r\n", r#"{"text":"yes"}"#),
            Self::Mouth => ("content-type: audio/pcm\r\n", "samples."),
            Self::Judge => (
                "content-type: application/json\r\n",
                r#"{"results":[{"flagged":false}]}"#,
            ),
        }
    }

    fn build(self, config: EndpointConfig) -> Result<Service, BuildError> {
        let prices = PriceTable::built_in();
        Ok(match self {
            Self::Ear => Service::Ear(OpenAiTranscriber::new(config, prices)?),
            Self::Mouth => Service::Mouth(OpenAiSpeaker::new(config, prices)?),
            Self::Judge => Service::Judge(OpenAiModerator::new(config, prices)?),
        })
    }

    fn service(self, server: &ScriptedServer) -> Service {
        self.build(server.endpoint(self.model())).unwrap()
    }

    /// A provider that suspends calls after one failure.
    fn touchy(self, server: &ScriptedServer, cool_down: Duration) -> Service {
        let circuit = CircuitLimits {
            consecutive_failures_max: 1,
            cool_down,
            ..CircuitLimits::default()
        };
        let config = EndpointConfig {
            circuit,
            ..server.endpoint(self.model())
        };
        self.build(config).unwrap()
    }

    /// What a call fails with when the server does this.
    async fn fails(self, script: impl AsyncFnOnce(&mut Exchange)) -> CallFailure {
        let server = ScriptedServer::start();
        let service = self.service(&server);
        let (outcome, _exchange) = tokio::join!(service.call(), async {
            let mut exchange = server.next().await;
            script(&mut exchange).await;
            drop(exchange);
        });
        outcome.unwrap_err()
    }

    async fn answered(self, status: &str, headers: &str, body: &str) -> CallFailure {
        self.fails(async |exchange| exchange.answer(status, headers, body).await)
            .await
    }
}

impl Service {
    /// One call, to its end.
    async fn call(&self) -> Result<CallReceipt, CallFailure> {
        match self {
            Self::Ear(transcriber) => Ok(transcriber.transcribe(recording()).await?.receipt),
            Self::Mouth(speaker) => {
                let events: Vec<_> = speaker.speak(text()).await?.collect().await;
                match events.into_iter().next_back().unwrap()? {
                    SpeechEvent::Completed(receipt) => Ok(receipt),
                    SpeechEvent::Audio(_) => panic!("speech without an end"),
                }
            }
            Self::Judge(moderator) => Ok(moderator.moderate(texts()).await?.receipt),
        }
    }

    fn status(&self) -> ProviderStatus {
        match self {
            Self::Ear(transcriber) => transcriber.status(),
            Self::Mouth(speaker) => speaker.status(),
            Self::Judge(moderator) => moderator.status(),
        }
    }

    fn identity(&self) -> Option<ModelIdentity> {
        match self {
            Self::Ear(transcriber) => transcriber.identity(),
            Self::Mouth(speaker) => speaker.identity(),
            Self::Judge(moderator) => moderator.identity(),
        }
    }
}

fn recording() -> TranscriptionRequest {
    TranscriptionRequest {
        call_id: call_id(),
        audio: SpeechAudio {
            pcm: Bytes::from_static(&[0; 3_200]),
        },
        language: None,
        vocabulary: vec![WORDS.to_owned()],
        timeout: TIMEOUT,
    }
}

fn text() -> SpeechRequest {
    SpeechRequest {
        call_id: call_id(),
        text: WORDS.to_owned(),
        voice: "coral".to_owned(),
        style: None,
        format: SpeechFormat::Pcm,
        timeout: TIMEOUT,
        stall_timeout: TIMEOUT,
    }
}

fn texts() -> ModerationRequest {
    ModerationRequest {
        call_id: call_id(),
        texts: vec![WORDS.to_owned()],
        timeout: TIMEOUT,
    }
}

/// One call that succeeds.
async fn succeed(kind: Kind, service: &Service, server: &ScriptedServer) -> CallReceipt {
    let (headers, body) = kind.answer();
    let (receipt, ()) = tokio::join!(service.call(), async {
        server.next().await.answer("200 OK", headers, body).await;
    });
    receipt.unwrap()
}
