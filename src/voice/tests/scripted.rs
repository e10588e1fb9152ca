//! Providers that do what a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use greenroom_protocol::ErrorCode;
use greenroom_session::CallCost;
use greenroom_session::ports::{
    CallFailure, CallReceipt, ModelIdentity, ModerationRequest, Moderator, Speaker, SpeechEvent,
    SpeechFormat, SpeechRequest, SpeechStream, Transcriber, Transcription, TranscriptionRequest, Verdict,
};
use tokio::sync::Semaphore;

type Answer<Q, A> = dyn Fn(Q) -> BoxFuture<'static, Result<A, CallFailure>> + Send + Sync;

/// A provider whose answers a closure makes.
pub struct Scripted<Q, A> {
    answer: Box<Answer<Q, A>>,
    calls: AtomicU32,
}

impl<Q: Send + 'static, A: Send + 'static> Scripted<Q, A> {
    pub fn new<F>(answer: impl Fn(Q) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = Result<A, CallFailure>> + Send + 'static,
    {
        Arc::new(Self {
            answer: Box::new(move |request| answer(request).boxed()),
            calls: AtomicU32::new(0),
        })
    }

    /// How often it was called.
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    fn call(&self, request: Q) -> BoxFuture<'static, Result<A, CallFailure>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        (self.answer)(request)
    }
}

pub type Ears = Scripted<TranscriptionRequest, Transcription>;
pub type Mouth = Scripted<SpeechRequest, Bytes>;
pub type Checker = Scripted<ModerationRequest, Verdict>;

/// Understands the same words in every recording.
pub fn hears(text: &'static str) -> Arc<Ears> {
    Scripted::new(move |_| async move { Ok(heard(text)) })
}

/// Understands the same words in every recording, one for each permit.
pub fn hears_when_let(text: &'static str, let_through: Arc<Semaphore>) -> Arc<Ears> {
    Scripted::new(move |_| {
        let let_through = Arc::clone(&let_through);
        async move {
            let_through.acquire().await.unwrap().forget();
            Ok(heard(text))
        }
    })
}

/// Speaks one sentence, whatever it is given.
pub fn speaks() -> Arc<Mouth> {
    Scripted::new(|request: SpeechRequest| async move {
        Ok(match request.format {
            SpeechFormat::Mp3 => Bytes::from_static(MP3),
            SpeechFormat::Wav | SpeechFormat::Pcm => Bytes::from_static(WAV),
        })
    })
}

/// Finds something in what holds a word.
pub fn flags(word: &'static str) -> Arc<Checker> {
    Scripted::new(move |request: ModerationRequest| async move {
        let found = request.texts.iter().any(|text| text.contains(word));
        Ok(Verdict {
            flagged: found.then(|| vec!["violence".to_owned()]),
            receipt: receipt(),
        })
    })
}

/// Fails every call.
pub fn fails<Q: Send + 'static, A: Send + 'static>(code: ErrorCode) -> Arc<Scripted<Q, A>> {
    Scripted::new(move |_| async move { Err(failure(code)) })
}

/// A call that failed.
pub fn failure(code: ErrorCode) -> CallFailure {
    CallFailure {
        code,
        retryable: true,
        retry_after: None,
        reason: "as the test wants it".to_owned(),
        receipt: None,
    }
}

/// A sentence, uncompressed and compressed.
pub const WAV: &[u8] = include_bytes!("../../../audio/tests/fixtures/reference.wav");
pub const MP3: &[u8] = include_bytes!("../../../audio/tests/fixtures/mp3.mp3");

fn heard(text: &str) -> Transcription {
    Transcription {
        text: text.to_owned(),
        language: None,
        receipt: receipt(),
    }
}

fn receipt() -> CallReceipt {
    CallReceipt {
        provider: "scripted".to_owned(),
        model: "script".to_owned(),
        simulated: true,
        response_id: None,
        request_id: None,
        usage: None,
        cost: CallCost::Known(7),
    }
}

fn identity() -> ModelIdentity {
    ModelIdentity {
        provider: "scripted".to_owned(),
        model: "script".to_owned(),
        simulated: true,
    }
}

#[async_trait]
impl Transcriber for Ears {
    async fn transcribe(&self, request: TranscriptionRequest) -> Result<Transcription, CallFailure> {
        self.call(request).await
    }

    fn identity(&self) -> Option<ModelIdentity> {
        Some(identity())
    }
}

#[async_trait]
impl Speaker for Mouth {
    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, CallFailure> {
        let audio = self.call(request).await?;
        let (begin, end) = (audio.slice(..audio.len() / 2), audio.slice(audio.len() / 2..));
        let events = [begin, end].map(SpeechEvent::Audio).into_iter();
        let events = events.chain([SpeechEvent::Completed(receipt())]);
        Ok(stream::iter(events.map(Ok)).boxed())
    }

    fn identity(&self) -> Option<ModelIdentity> {
        Some(identity())
    }
}

#[async_trait]
impl Moderator for Checker {
    async fn moderate(&self, request: ModerationRequest) -> Result<Verdict, CallFailure> {
        self.call(request).await
    }

    fn identity(&self) -> Option<ModelIdentity> {
        Some(identity())
    }
}
