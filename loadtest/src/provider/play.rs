//! Playing a reply: frame by frame, at the pace that is set, until its end or the fault that ends it.

use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, Stream};
use tokio::time::Instant;

use super::bill::{BilledUsage, OpenCall};
use super::fault::Fault;
use super::pace::Pace;

/// What was sent leaves the machine before the connection is broken.
const FLUSH_BEFORE_CUT: Duration = Duration::from_millis(10);

/// A part of a reply that is sent at once.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    pub(crate) wait: Wait,
    /// The characters and tokens of the reply's text that are in it.
    pub(crate) text_chars: usize,
    pub(crate) tokens: u64,
    /// Whether the client takes the reply for complete with it.
    pub(crate) completes: bool,
}

/// What passes before a frame is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing.
    Nothing,
    /// The time that a first token takes, or a search.
    Thought,
    /// The time that a token takes.
    Token,
}

/// What ends a reply before its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interruption {
    after_chars: usize,
    kind: InterruptionKind,
}

/// How a reply ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InterruptionKind {
    /// The connection breaks in the middle of a frame.
    Cut,
    /// Nothing more is sent.
    Hang,
    /// Half a frame is sent as if it were whole, and the reply ends.
    Malformed,
}

impl Interruption {
    /// The interruption that a fault asks for, if it asks for one within the reply.
    pub(crate) fn of(fault: Option<Fault>) -> Option<Self> {
        let (after_chars, kind) = match fault? {
            Fault::Cut { after_chars } => (after_chars, InterruptionKind::Cut),
            Fault::Malformed { after_chars } => (after_chars, InterruptionKind::Malformed),
            Fault::Hang {
                after_chars: Some(after_chars),
            } => (after_chars, InterruptionKind::Hang),
            _ => return None,
        };
        Some(Self { after_chars, kind })
    }

    /// How a reply ends with which so many characters would be sent.
    pub(crate) fn at(self, chars: usize) -> Option<InterruptionKind> {
        (chars > self.after_chars).then_some(self.kind)
    }
}

/// The body that plays the frames. The call is complete, and booked so, before its completing frame is sent.
pub(crate) fn body(
    frames: impl Stream<Item = Frame> + Send + 'static,
    pace: Pace,
    interruption: Option<Interruption>,
    usage: BilledUsage,
    call: OpenCall,
) -> Body {
    let playback = Playback {
        frames: Some(frames.boxed()),
        pace,
        interruption,
        usage,
        call,
        due: Instant::now(),
        chars: 0,
        is_broken: false,
    };
    Body::from_stream(futures_util::stream::unfold(
        playback,
        |mut playback| async move { playback.next().await.map(|item| (item, playback)) },
    ))
}

struct Playback {
    /// None once the reply has been broken off.
    frames: Option<BoxStream<'static, Frame>>,
    pace: Pace,
    interruption: Option<Interruption>,
    usage: BilledUsage,
    call: OpenCall,
    due: Instant,
    chars: usize,
    is_broken: bool,
}

impl Playback {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.is_broken {
            tokio::time::sleep(FLUSH_BEFORE_CUT).await;
            self.frames = None;
            self.is_broken = false;
            return Some(Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "cut by a fault",
            )));
        }
        let frame = self.frames.as_mut()?.next().await?;
        self.due += match frame.wait {
            Wait::Nothing => Duration::ZERO,
            Wait::Thought => self.pace.first_token,
            Wait::Token => self.pace.per_token,
        };
        tokio::time::sleep_until(self.due).await;
        self.chars += frame.text_chars;
        if let Some(interruption) = self.interruption
            && frame.text_chars > 0
            && let Some(kind) = interruption.at(self.chars)
        {
            let half = frame.bytes.slice(..frame.bytes.len() / 2);
            match kind {
                InterruptionKind::Hang => std::future::pending::<()>().await,
                InterruptionKind::Cut => self.is_broken = true,
                InterruptionKind::Malformed => {
                    self.frames = None;
                    // In a stream of events an empty line ends the event; a document does not mind it.
                    return Some(Ok([&half[..], b"\n\n"].concat().into()));
                }
            }
            return Some(Ok(half));
        }
        self.call.wrote(frame.tokens);
        if frame.completes {
            self.call.complete(self.usage);
        }
        Some(Ok(frame.bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::stream;
    use tokio::sync::Semaphore;

    use super::super::api::Api;
    use super::super::bill::{Bill, BillOutcome, NewCall};
    use super::*;

    const PACE: Pace = Pace {
        first_token: Duration::from_millis(100),
        per_token: Duration::from_millis(10),
    };

    fn frames() -> Vec<Frame> {
        let frame = |text: &'static str, wait, completes| Frame {
            bytes: Bytes::from_static(text.as_bytes()),
            wait,
            text_chars: if completes { 0 } else { text.len() },
            tokens: 1,
            completes,
        };
        vec![
            frame("abcd", Wait::Thought, false),
            frame("efgh", Wait::Token, false),
            frame("ijkl", Wait::Token, false),
            frame("end", Wait::Nothing, true),
        ]
    }

    /// Plays the frames under a fault; returns what came, whether it broke, and how long it took.
    async fn play(bill: &Arc<Bill>, fault: Option<Fault>) -> (String, bool, Duration) {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let entry = NewCall {
            api: Api::Responses,
            model: "sim-large",
            purpose: "text",
            schema: None,
            call_id: None,
        };
        let call = bill.start(entry, fault, permit);
        let began = Instant::now();
        let body = body(
            stream::iter(frames()),
            PACE,
            Interruption::of(fault),
            BilledUsage::default(),
            call,
        );
        let mut stream = body.into_data_stream();
        let (mut text, mut is_broken) = (String::new(), false);
        let patience = Duration::from_mins(1);
        while let Ok(Some(item)) = tokio::time::timeout(patience, stream.next()).await {
            match item {
                Ok(bytes) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
                Err(_) => is_broken = true,
            }
        }
        (text, is_broken, began.elapsed())
    }

    fn outcome(bill: &Bill) -> Option<BillOutcome> {
        bill.statement().calls.last().unwrap().outcome
    }

    #[tokio::test(start_paused = true)]
    async fn frames_come_at_their_pace() {
        let bill = Bill::open(None).unwrap();
        let (text, is_broken, took) = play(&bill, None).await;
        assert_eq!((text.as_str(), is_broken), ("abcdefghijklend", false));
        assert_eq!(took, Duration::from_millis(120));
        assert_eq!(outcome(&bill), Some(BillOutcome::Completed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_breaks_the_stream_in_the_middle_of_a_frame() {
        let bill = Bill::open(None).unwrap();
        let (text, is_broken, _) = play(&bill, Some(Fault::Cut { after_chars: 5 })).await;
        assert_eq!((text.as_str(), is_broken), ("abcdef", true));
        assert_eq!(outcome(&bill), Some(BillOutcome::Faulted));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_malformed_ends_as_if_it_were_whole() {
        let bill = Bill::open(None).unwrap();
        let (text, is_broken, _) = play(&bill, Some(Fault::Malformed { after_chars: 5 })).await;
        assert_eq!((text.as_str(), is_broken), ("abcdef\n\n", false));
        assert_eq!(outcome(&bill), Some(BillOutcome::Faulted));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hang_sends_nothing_more_until_the_client_goes() {
        let bill = Bill::open(None).unwrap();
        let (text, is_broken, took) = play(&bill, Some(Fault::Hang { after_chars: Some(4) })).await;
        assert_eq!((text.as_str(), is_broken), ("abcd", false));
        assert!(took >= Duration::from_mins(1));
        assert_eq!(outcome(&bill), Some(BillOutcome::Faulted));
    }
}
