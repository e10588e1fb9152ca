//! A small server of the protocol's voice, without sockets and without a clock, that can be told to do one thing wrong.
//!
//! It hears by loudness alone and knows what is said by its order, which is enough: the recordings are clean.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use greenroom_protocol::{
    ClientFrame, ClientMessage, ErrorBody, ErrorCode, Frame, Locale, Seq, SessionId, Timestamp,
};
use loadtest::load::Recordings;
use serde_json::{Value, json};

/// Frames in a row that make an onset, and quiet ones that make an end.
const ONSET_FRAMES: u32 = 3;
const END_FRAMES: u32 = 40;
/// An utterance with fewer loud frames is a backchannel.
const TURN_FRAMES: u32 = 30;
const LOUD_RMS: f64 = 103.0;
pub const INPUT_FRAME: Duration = Duration::from_millis(20);
const OUTPUT_FRAME: Duration = Duration::from_millis(20);
/// PCM at 24 kHz.
const OUTPUT_FRAME_BYTES: usize = 960;
const REPLY_FRAMES: u32 = 150;
const LEAD: Duration = Duration::from_millis(200);
const VOICE_TAKES: Duration = Duration::from_millis(100);
const DEAF_FOR_FRAMES: u32 = 10;

/// The one thing that is done wrong, in every turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Nothing,
    SkipsASeq,
    IsDeaf,
    BeginsNoTurn,
    Mishears,
    FailsTurns,
    NeverCompletes,
    MiscountsLatency,
    DoesNotSpeak,
    SpeaksNothing,
    NeverEndsAudio,
    SendsAllAtOnce,
    Stalls,
    WaitsForSynthesis,
    TalksOn,
    NeverCancels,
    ResumesAfterTurns,
    TalksAfterCancel,
    TalksWhilePaused,
    TalksAfterEnd,
    TalksBeforeBegin,
    TakesBackchannelsForTurns,
    ForgetsWhatWasHeard,
    HeardMoreThanWasPlayed,
    HearsVoices,
    PausesForNothing,
    BeginsTurnsByItself,
    GivesNotice,
    RejectsAcks,
    ReportsErrors,
    TalksGibberish,
    MiscountsPositions,
    NamesAnotherReply,
    SendsHalfSamples,
}

/// Something that leaves.
#[derive(Debug, Clone)]
pub enum Out {
    Text(String),
    Audio(Bytes),
}

pub struct Fake {
    wrong: Wrong,
    session: SessionId,
    recordings: Arc<Recordings>,
    seq: u64,
    turns: usize,
    out: VecDeque<Out>,
    loud_in_row: u32,
    quiet_in_row: u32,
    loud: u32,
    is_speaking: bool,
    last_loud_at: Duration,
    frames: u32,
    reply: Option<Reply>,
    is_heard_due: bool,
}

struct Reply {
    turn: String,
    id: String,
    /// When its first frame leaves; pauses move it.
    begins: Duration,
    is_begun: bool,
    sent: u32,
    paused_at: Option<Duration>,
    acknowledged_ms: u64,
    has_ended: bool,
}

impl Fake {
    pub fn new(session: SessionId, recordings: Arc<Recordings>, wrong: Wrong) -> Self {
        let mut fake = Self {
            wrong,
            session,
            recordings,
            seq: 2,
            turns: 0,
            out: VecDeque::new(),
            loud_in_row: 0,
            quiet_in_row: 0,
            loud: 0,
            is_speaking: false,
            last_loud_at: Duration::ZERO,
            frames: 0,
            reply: None,
            is_heard_due: false,
        };
        fake.signal(&json!({
            "type": "session.snapshot", "as_of_seq": 2, "session_id": session, "state": "CHAT_COLLECTING",
            "mode": "standard", "locale": "en", "messages": [], "brief_slots": { "product": { "name": null } },
            "gate": { "ready": false, "missing_required": [], "low_confidence": [], "completeness": 0.0 },
        }));
        fake
    }

    /// Takes a text frame.
    pub fn text(&mut self, text: &str) {
        let ClientFrame { id, message } =
            ClientFrame::parse(text).expect("clients send what the protocol has");
        match message {
            ClientMessage::AudioStart { .. } => {
                let seq = self.seq;
                self.signal(
                    &json!({ "type": "accepted", "id": id.expect("an id"), "seq": seq, "duplicate": false }),
                );
            }
            ClientMessage::PlaybackAck { reply_id, played_ms } => {
                if self.wrong == Wrong::RejectsAcks {
                    self.signal(&json!({ "type": "rejected", "error": error() }));
                }
                if let Some(reply) = self.reply.as_mut().filter(|reply| reply.id == reply_id) {
                    reply.acknowledged_ms = played_ms.0;
                    let has_all = u128::from(played_ms.0) + 20 >= (OUTPUT_FRAME * reply.sent).as_millis();
                    if reply.has_ended && has_all {
                        self.forget_reply();
                    }
                }
            }
            other => panic!("{other:?} was not to be sent"),
        }
    }

    /// Takes a frame of the microphone: 16 kHz, mono.
    pub fn frame(&mut self, now: Duration, frame: &[u8]) {
        assert_eq!(frame.len(), 640, "20 ms at 16 kHz");
        self.frames += 1;
        let samples = frame
            .chunks_exact(2)
            .map(|bytes| f64::from(i16::from_le_bytes([bytes[0], bytes[1]])));
        let loudness = (samples.map(|sample| sample * sample).sum::<f64>() / 320.0).sqrt();
        if self.frames == DEAF_FOR_FRAMES {
            self.imagine(now);
        }
        if loudness > LOUD_RMS {
            self.loud_in_row += 1;
            (self.loud, self.quiet_in_row) = (self.loud + 1, 0);
            self.last_loud_at = now;
            if self.loud_in_row == ONSET_FRAMES && !self.is_speaking {
                self.begin_speech(now);
            }
        } else {
            self.loud_in_row = 0;
            self.quiet_in_row += 1;
            if self.quiet_in_row == END_FRAMES && self.is_speaking {
                self.end_speech(now);
            }
        }
    }

    /// What leaves now.
    pub fn poll(&mut self, now: Duration) -> Vec<Out> {
        self.speak(now);
        self.out.drain(..).collect()
    }

    /// What is wrong before anybody has said anything.
    fn imagine(&mut self, now: Duration) {
        let turn = turn_id(99);
        match self.wrong {
            Wrong::HearsVoices => self.signal(&json!({ "type": "speech.started" })),
            Wrong::BeginsTurnsByItself => {
                self.event(
                    "turn.started",
                    &json!({ "turn_id": turn, "turn": 1, "modality": "voice" }),
                );
            }
            Wrong::GivesNotice => self.signal(&json!({ "type": "notice", "error": error() })),
            Wrong::ReportsErrors => {
                let mut data = error();
                data["will_retry"] = json!(false);
                self.event("error", &data);
            }
            Wrong::TalksGibberish => self
                .out
                .push_back(Out::Text("{\"type\":\"gibberish\"}".to_owned())),
            Wrong::TalksBeforeBegin => self.audio(OUTPUT_FRAME_BYTES),
            Wrong::NamesAnotherReply => {
                self.signal(&json!({ "type": "audio.pause", "reply_id": "nobody's", "at_ms": 0 }));
            }
            Wrong::SkipsASeq => {
                self.event("gate.ready", &json!({}));
                self.seq += 1;
            }
            Wrong::PausesForNothing => self.begin_reply(now, turn),
            _ => {}
        }
    }

    fn begin_speech(&mut self, now: Duration) {
        self.is_speaking = true;
        if self.wrong == Wrong::IsDeaf {
            return;
        }
        if self.wrong != Wrong::TalksOn {
            self.pause(now);
        }
        self.signal(&json!({ "type": "speech.started" }));
    }

    fn pause(&mut self, now: Duration) {
        let miscounted = u64::from(self.wrong == Wrong::MiscountsPositions) * 500;
        let Some(reply) = self
            .reply
            .as_mut()
            .filter(|reply| reply.is_begun && !reply.has_ended)
        else {
            return;
        };
        reply.paused_at = Some(now);
        let at_ms = (OUTPUT_FRAME * reply.sent).as_millis() as u64 + miscounted;
        let signal = json!({ "type": "audio.pause", "reply_id": reply.id, "at_ms": at_ms });
        self.signal(&signal);
        if self.wrong == Wrong::TalksWhilePaused {
            self.audio(OUTPUT_FRAME_BYTES);
        }
    }

    fn end_speech(&mut self, now: Duration) {
        self.is_speaking = false;
        let loud = std::mem::take(&mut self.loud);
        if self.wrong == Wrong::IsDeaf {
            return;
        }
        self.signal(&json!({ "type": "speech.stopped" }));
        let is_paused = self.reply.as_ref().is_some_and(|reply| reply.paused_at.is_some());
        let is_turn = loud >= TURN_FRAMES || self.wrong == Wrong::TakesBackchannelsForTurns;
        if is_paused && (!is_turn || self.wrong == Wrong::ResumesAfterTurns) {
            self.resume(now);
        }
        if !is_turn {
            self.signal(&json!({ "type": "speech.discarded", "reason": "backchannel" }));
            return;
        }
        if is_paused && ![Wrong::NeverCancels, Wrong::ResumesAfterTurns].contains(&self.wrong) {
            self.cancel();
        }
        if loud >= TURN_FRAMES {
            self.turn(now);
        }
    }

    fn resume(&mut self, now: Duration) {
        let reply = self.reply.as_mut().expect("something is paused");
        let paused_at = reply.paused_at.take().expect("it is paused");
        reply.begins += now.saturating_sub(paused_at);
        let at_ms = (OUTPUT_FRAME * reply.sent).as_millis() as u64;
        let signal = json!({ "type": "audio.resume", "reply_id": reply.id, "at_ms": at_ms });
        self.signal(&signal);
    }

    fn cancel(&mut self) {
        let reply = self.reply.as_ref().expect("something is paused");
        let at_ms = (OUTPUT_FRAME * reply.sent).as_millis() as u64;
        let signal = json!({ "type": "audio.cancel", "reply_id": reply.id, "at_ms": at_ms });
        self.signal(&signal);
        if self.wrong == Wrong::TalksAfterCancel {
            self.audio(OUTPUT_FRAME_BYTES);
        }
        self.forget_reply();
    }

    /// The playback ended: it is recorded how much was heard.
    fn forget_reply(&mut self) {
        let reply = self.reply.take().expect("a reply");
        let heard_ms = match self.wrong {
            Wrong::ForgetsWhatWasHeard => return,
            Wrong::HeardMoreThanWasPlayed => reply.acknowledged_ms + 1,
            _ => reply.acknowledged_ms,
        };
        self.event(
            "message.heard",
            &json!({ "message_id": MESSAGE, "turn_id": reply.turn, "heard_ms": heard_ms, "text": "…" }),
        );
    }

    fn turn(&mut self, now: Duration) {
        let said = self.recordings.turns[self.turns % self.recordings.turns.len()].text;
        self.turns += 1;
        if self.wrong == Wrong::BeginsNoTurn {
            return;
        }
        let turn = turn_id(self.turns);
        let understood = if self.wrong == Wrong::Mishears {
            "Nonsense."
        } else {
            said
        };
        self.event(
            "turn.started",
            &json!({ "turn_id": turn, "turn": self.turns, "modality": "voice" }),
        );
        let message = |role: &str, text: &str| {
            json!({ "message_id": MESSAGE, "turn_id": turn, "role": role, "modality": "voice", "text": text,
                    "provenance": { "kind": "user", "turn_id": turn }, "truncated": false })
        };
        self.event("message.added", &message("user", understood));
        self.event(
            "planner.delta",
            &json!({ "turn_id": turn, "attempt": 1, "path": "/reply", "append": "Yes." }),
        );
        self.event("message.added", &message("assistant", "Yes."));
        if self.wrong == Wrong::NeverCompletes {
            return;
        }
        let outcome = if self.wrong == Wrong::FailsTurns {
            "failed"
        } else {
            "ok"
        };
        let endpointing_ms = now.saturating_sub(self.last_loud_at).as_millis() as u64;
        let voice_ms = VOICE_TAKES.as_millis() as u64;
        let miscounted = u64::from(self.wrong == Wrong::MiscountsLatency);
        let latency = json!({ "total_ms": endpointing_ms + voice_ms + miscounted, "segments": [
            { "segment": "endpointing", "ms": endpointing_ms }, { "segment": "transcription", "ms": 0 },
            { "segment": "planner_first_token", "ms": 0 }, { "segment": "first_sentence", "ms": 0 },
            { "segment": "voice_first_byte", "ms": voice_ms }, { "segment": "delivery", "ms": 0 },
        ]});
        self.event(
            "turn.completed",
            &json!({ "turn_id": turn, "outcome": outcome, "latency": latency }),
        );
        if self.wrong != Wrong::DoesNotSpeak {
            self.begin_reply(now + VOICE_TAKES, turn);
        }
    }

    fn begin_reply(&mut self, begins: Duration, turn: String) {
        self.reply = Some(Reply {
            id: format!("reply {turn}"),
            turn,
            begins,
            is_begun: false,
            sent: 0,
            paused_at: None,
            acknowledged_ms: 0,
            has_ended: false,
        });
    }

    fn speak(&mut self, now: Duration) {
        let Some(mut reply) = self.reply.take() else {
            return;
        };
        if now >= reply.begins && !reply.is_begun {
            reply.is_begun = true;
            self.signal(
                &json!({ "type": "audio.begin", "reply_id": reply.id, "turn_id": reply.turn,
                                 "codec": "pcm_s16le", "sample_rate": 24_000 }),
            );
        }
        let frames = if self.wrong == Wrong::SpeaksNothing {
            0
        } else {
            REPLY_FRAMES
        };
        while reply.is_begun && reply.paused_at.is_none() && !reply.has_ended {
            if reply.sent == frames {
                if self.wrong != Wrong::NeverEndsAudio {
                    self.end_reply(&mut reply);
                }
                break;
            }
            if now < reply.begins + self.leaves_after(reply.sent) {
                break;
            }
            if self.wrong == Wrong::WaitsForSynthesis && reply.sent == 100 {
                self.event(
                    "call.reserved",
                    &json!({ "call_id": CALL, "purpose": "speak", "turn_id": reply.turn, "attempt": 1 }),
                );
            }
            let is_half = self.wrong == Wrong::SendsHalfSamples && reply.sent == 100;
            self.audio(OUTPUT_FRAME_BYTES - usize::from(is_half));
            reply.sent += 1;
            if self.wrong == Wrong::PausesForNothing && reply.sent == 100 {
                self.signal(&json!({ "type": "audio.pause", "reply_id": reply.id, "at_ms": 2_000 }));
                self.signal(&json!({ "type": "audio.resume", "reply_id": reply.id, "at_ms": 2_000 }));
            }
        }
        self.reply = Some(reply);
        if std::mem::take(&mut self.is_heard_due) {
            self.forget_reply();
        }
    }

    fn end_reply(&mut self, reply: &mut Reply) {
        reply.has_ended = true;
        self.signal(&json!({ "type": "audio.end", "reply_id": reply.id }));
        if self.wrong == Wrong::TalksAfterEnd {
            self.audio(OUTPUT_FRAME_BYTES);
        }
        // Nobody will acknowledge what was never played.
        self.is_heard_due = reply.sent == 0;
    }

    /// When a frame leaves, after the first.
    fn leaves_after(&self, frame: u32) -> Duration {
        match self.wrong {
            Wrong::SendsAllAtOnce => Duration::ZERO,
            Wrong::Stalls | Wrong::WaitsForSynthesis if frame >= 100 => {
                OUTPUT_FRAME * frame + Duration::from_millis(300)
            }
            _ => (OUTPUT_FRAME * frame).saturating_sub(LEAD),
        }
    }

    fn audio(&mut self, bytes: usize) {
        self.out.push_back(Out::Audio(vec![0; bytes].into()));
    }

    fn signal(&mut self, signal: &Value) {
        self.out.push_back(Out::Text(signal.to_string()));
    }

    fn event(&mut self, event_type: &str, data: &Value) {
        self.seq += 1;
        let frame = Frame::new(
            self.session,
            Seq(self.seq),
            event_type,
            Timestamp::default(),
            &data.to_string(),
        );
        let text = std::str::from_utf8(frame.bytes()).expect("JSON is text");
        self.out.push_back(Out::Text(text.to_owned()));
    }
}

const MESSAGE: &str = "msg_00000000000000000000000003";
const CALL: &str = "call_00000000000000000000000004";

fn error() -> Value {
    json!(ErrorBody::new(ErrorCode::TtsFailed, Locale::En))
}

fn turn_id(number: usize) -> String {
    format!("turn_{number:026}")
}
