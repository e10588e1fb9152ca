//! A voice that says what a test scripted: each text has samples of its own, so that what a client gets can be compared
//! with what was made.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use greenroom_protocol::ErrorCode;
use greenroom_session::CallCost;
use greenroom_session::ports::{
    CallFailure, CallReceipt, ModelIdentity, Speaker, SpeechEvent, SpeechFormat, SpeechRequest, SpeechStream,
};
use tokio::time::Instant;

/// Samples of a text for each of its characters: 50 ms.
const SAMPLES_PER_CHAR: usize = 1_200;
/// Bytes of a piece; odd, so that samples are cut in two.
const PIECE_BYTES: usize = 4_801;

/// What else happens in a text's speech than that it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// It comes only after so long.
    Late(Duration),
    /// It breaks off after so many samples.
    BreaksOff(usize),
    /// It falls silent after so many samples.
    Hangs(usize),
    /// The client panics after so many samples.
    Panics(usize),
}

/// What became of a call.
#[derive(Debug, Clone)]
pub struct Spoken {
    pub text: String,
    pub voice: String,
    pub at: Instant,
    /// Bytes that were taken of it.
    pub bytes: usize,
    pub end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    UnderWay,
    Whole,
    Failed,
    /// It was dropped before its end.
    Dropped,
}

#[derive(Default)]
pub struct ScriptedSpeaker {
    twists: Mutex<HashMap<String, Twist>>,
    calls: Arc<Mutex<Vec<Spoken>>>,
}

/// What the voice makes of a text.
pub fn samples_of(text: &str) -> Vec<i16> {
    let seed = text.bytes().fold(7_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let count = text.chars().count() * SAMPLES_PER_CHAR;
    let mut state = seed;
    let sample = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::from_le_bytes([state.to_le_bytes()[2], state.to_le_bytes()[3]])
    };
    (0..count).map(sample).collect()
}

/// How long what the voice makes of a text plays.
pub fn length_of(text: &str) -> Duration {
    Duration::from_millis(text.chars().count() as u64 * 50)
}

impl ScriptedSpeaker {
    /// From now on something happens whenever this text is spoken.
    pub fn twist(&self, text: &str, twist: Twist) {
        self.twists.lock().unwrap().insert(text.to_owned(), twist);
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Spoken> {
        self.calls.lock().unwrap().clone()
    }

    pub fn texts(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.text).collect()
    }
}

/// One call; notices when it is dropped.
struct Call {
    calls: Arc<Mutex<Vec<Spoken>>>,
    index: usize,
}

impl Call {
    fn update(&self, update: impl FnOnce(&mut Spoken)) {
        update(&mut self.calls.lock().unwrap()[self.index]);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.update(|call| {
            if call.end == End::UnderWay {
                call.end = End::Dropped;
            }
        });
    }
}

#[async_trait]
impl Speaker for ScriptedSpeaker {
    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, CallFailure> {
        assert_eq!(request.format, SpeechFormat::Pcm);
        let call = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(Spoken {
                text: request.text.clone(),
                voice: request.voice,
                at: Instant::now(),
                bytes: 0,
                end: End::UnderWay,
            });
            Call {
                calls: self.calls.clone(),
                index: calls.len() - 1,
            }
        };
        let twist = self.twists.lock().unwrap().get(&request.text).copied();
        if let Some(Twist::Late(by)) = twist {
            tokio::time::sleep(by).await;
        }
        let bytes: Vec<u8> = samples_of(&request.text)
            .into_iter()
            .flat_map(i16::to_le_bytes)
            .collect();
        let until = match twist {
            Some(Twist::BreaksOff(samples) | Twist::Hangs(samples) | Twist::Panics(samples)) => samples * 2,
            Some(Twist::Late(_)) | None => bytes.len(),
        };
        let pieces: Vec<Bytes> = bytes[..until]
            .chunks(PIECE_BYTES)
            .map(Bytes::copy_from_slice)
            .collect();
        let events = stream::unfold(
            (pieces.into_iter(), Some(call)),
            move |(mut pieces, call)| async move {
                let call = call?;
                if let Some(piece) = pieces.next() {
                    call.update(|call| call.bytes += piece.len());
                    return Some((Ok(SpeechEvent::Audio(piece)), (pieces, Some(call))));
                }
                let last = match twist {
                    None | Some(Twist::Late(_)) => {
                        call.update(|call| call.end = End::Whole);
                        Ok(SpeechEvent::Completed(receipt()))
                    }
                    Some(Twist::BreaksOff(_)) => {
                        call.update(|call| call.end = End::Failed);
                        Err(failure())
                    }
                    Some(Twist::Hangs(_)) => std::future::pending().await,
                    Some(Twist::Panics(_)) => panic!("as the test wants it"),
                };
                Some((last, (pieces, None)))
            },
        );
        Ok(events.boxed())
    }

    fn identity(&self) -> Option<ModelIdentity> {
        Some(ModelIdentity {
            provider: "scripted".to_owned(),
            model: "voice".to_owned(),
            simulated: true,
        })
    }
}

fn receipt() -> CallReceipt {
    CallReceipt {
        provider: "scripted".to_owned(),
        model: "voice".to_owned(),
        simulated: true,
        response_id: None,
        request_id: None,
        usage: None,
        cost: CallCost::Unknown,
    }
}

fn failure() -> CallFailure {
    CallFailure {
        code: ErrorCode::TtsFailed,
        retryable: true,
        retry_after: None,
        reason: "as the test wants it".to_owned(),
        receipt: None,
    }
}
