//! What the demo prints: the session as it happens, one line a thing.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use greenroom_protocol::{
    DeltaChange, Event, MessageAdded, MessageHeard, MessageId, Modality, Provenance, Role,
    SpeechDiscardReason, StageId, TurnLatency,
};

/// Prints a session as its events come.
pub struct Screen {
    colour: bool,
    started: Instant,
    /// Characters of each stage's output shown so far.
    written: BTreeMap<StageId, usize>,
    /// What the last line is, while it may grow.
    growing: Growing,
    /// Notes that wait until the words that are being understood are complete.
    held: Vec<String>,
    /// What the assistant said last, to tell whether it was heard to its end.
    last_reply: Option<(MessageId, String)>,
}

/// A line that may grow.
#[derive(Debug, PartialEq, Eq)]
enum Growing {
    /// It is over.
    Nothing,
    /// The reply, as it is written.
    Reply,
    /// What is being said, as it is understood: so much is shown.
    Words(String),
}

impl Screen {
    pub fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            colour,
            started: Instant::now(),
            written: BTreeMap::new(),
            growing: Growing::Nothing,
            held: Vec::new(),
            last_reply: None,
        }
    }

    /// A line that stands apart.
    pub fn heading(&mut self, text: &str) {
        self.end_line();
        println!("\n{}", self.paint("1", text));
    }

    /// A line of its own.
    pub fn line(&mut self, text: &str) {
        self.end_line();
        println!("{text}");
    }

    /// What the user says.
    pub fn user(&mut self, text: &str, notice: &str) {
        self.end_line();
        println!("\n{} {}  {text}", self.clock(), self.paint("1;36", "you      "));
        println!(
            "{}",
            self.paint("2", &format!("                      ({notice})"))
        );
    }

    /// Somebody begins to speak.
    pub fn speaks(&mut self, voice: &str, notice: &str) {
        self.says(&format!("(the recorded voice `{voice}` speaks: {notice})"));
    }

    /// Somebody murmurs into a reply.
    pub fn murmurs(&mut self, text: &str) {
        self.says(&format!(
            "(\"{text}\", murmured into the reply: it is not to end it)"
        ));
    }

    fn says(&mut self, what: &str) {
        self.end_line();
        let (speaker, what) = (self.paint("1;36", "you      "), self.paint("2", what));
        println!("\n{} {speaker}  {what}", self.clock());
    }

    /// So much is understood of what is being said.
    pub fn words(&mut self, text: &str) {
        if let Growing::Words(shown) = &mut self.growing
            && let Some(more) = text.strip_prefix(shown.as_str())
        {
            print!("{more}");
        } else {
            self.end_line();
            print!("{} {}  {text}", self.clock(), self.paint("36", "words    "));
        }
        self.growing = Growing::Words(text.to_owned());
        flush();
    }

    /// A reply waits for whoever speaks into it.
    pub fn paused(&mut self, after_onset: Duration, played: Duration) {
        let text = format!(
            "pauses {} ms after the first sound, {:.1} s into the reply",
            after_onset.as_millis(),
            played.as_secs_f64()
        );
        self.note("voice", &text);
    }

    /// What was said makes no turn.
    pub fn no_turn(&mut self, reason: SpeechDiscardReason) {
        let what = match reason {
            SpeechDiscardReason::Noise => "it was noise",
            SpeechDiscardReason::NothingUnderstood => "there were no words in it",
            SpeechDiscardReason::Backchannel => "it only shows that somebody listens",
            SpeechDiscardReason::Failed => "it could not be recognised",
            SpeechDiscardReason::Cancelled => "it was not wanted",
        };
        self.end_line();
        self.note("no turn", what);
    }

    /// The reply goes on.
    pub fn resumed(&mut self, waited: Duration) {
        let text = format!("goes on where it paused, {} ms later", waited.as_millis());
        self.note("voice", &text);
    }

    /// The rest of it is dropped.
    pub fn cut_off(&mut self) {
        self.note("voice", "stops for good: somebody else has the word");
    }

    /// An event of the session.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::PlannerDelta(delta) => {
                if let DeltaChange::Append(text) = &delta.delta.change {
                    self.reply(text);
                }
            }
            Event::MessageAdded(message) => match (message.role, message.modality) {
                (Role::Assistant, _) => self.said(message),
                // A typed line was printed when it was typed; of a spoken one, this is what was understood.
                (Role::User, Modality::Text) => {}
                (Role::User, Modality::Voice) => {
                    self.words(&message.text);
                    self.end_line();
                }
            },
            Event::MessageHeard(heard) => self.heard(heard),
            Event::RunStarted(_) => self.heading("The run"),
            Event::SlotUpdated(slot) => {
                let text = format!(
                    "{} = {}  ({:.0} %)",
                    slot.path,
                    slot.value,
                    slot.confidence * 100.0
                );
                self.note("slot", &text);
            }
            Event::GateReady(_) => self.note("gate", "open: the brief is complete"),
            Event::StageChanged(changed) => self.note("state", &changed.state),
            Event::TurnCompleted(turn) => self.turn(&turn.latency),
            Event::StageStarted(stage) => {
                self.written.insert(stage.stage.clone(), 0);
                self.note(
                    "stage",
                    &format!("{} begins, attempt {}", stage.stage, stage.attempt),
                );
            }
            Event::StageDelta(delta) => self.progress(&delta.stage, &delta.delta.change),
            Event::StageCompleted(stage) => {
                let dropped = if stage.dropped > 0 {
                    format!(", {} elements dropped by their check", stage.dropped)
                } else {
                    String::new()
                };
                self.note("stage", &format!("{} is complete{dropped}", stage.stage));
            }
            Event::Error(error) => {
                let retry = if error.will_retry {
                    "; it is tried again"
                } else {
                    ""
                };
                self.note(
                    "error",
                    &format!("{}: {}{retry}", error.error.code, error.error.message),
                );
            }
            _ => {}
        }
    }

    /// A final text of the assistant: a phrase is printed whole, a model's words were as they came.
    fn said(&mut self, message: &MessageAdded) {
        self.last_reply = Some((message.message_id, message.text.clone()));
        match &message.provenance {
            Provenance::Playbook { .. } => {
                self.end_line();
                let (speaker, mark) = (self.paint("1;32", "greenroom"), self.paint("2", "[playbook]"));
                println!("{} {speaker}  {} {mark}", self.clock(), message.text);
            }
            Provenance::Model { simulated, model, .. } => {
                let mark = if *simulated {
                    format!("[{model}, simulated]")
                } else {
                    format!("[{model}]")
                };
                print!(" {}", self.paint("2", &mark));
                self.end_line();
            }
            Provenance::User { .. } | Provenance::Operator => {}
        }
    }

    /// How much of a spoken reply was heard.
    fn heard(&mut self, heard: &MessageHeard) {
        let is_all = self
            .last_reply
            .as_ref()
            .is_some_and(|(message_id, text)| *message_id == heard.message_id && *text == heard.text);
        let seconds = Duration::from_millis(heard.heard_ms.0).as_secs_f64();
        let text = if is_all {
            format!("the whole reply, {seconds:.1} s")
        } else if heard.text.is_empty() {
            format!("{seconds:.1} s of the reply, no word of it")
        } else {
            format!("{seconds:.1} s of the reply: {}", heard.text)
        };
        self.note("heard", &text);
    }

    /// Where the time of a turn went.
    fn turn(&mut self, latency: &TurnLatency) {
        let segments = latency.segments.iter();
        let parts: Vec<String> = segments
            .map(|segment| format!("{} {} ms", segment_name(segment.segment), segment.ms.0))
            .collect();
        self.note(
            "turn",
            &format!("{} ms = {}", latency.total_ms.0, parts.join(" + ")),
        );
    }

    fn reply(&mut self, text: &str) {
        if self.growing != Growing::Reply {
            self.end_line();
            print!("{} {}  ", self.clock(), self.paint("1;32", "greenroom"));
            self.growing = Growing::Reply;
        }
        print!("{text}");
        flush();
    }

    fn end_line(&mut self) {
        if self.growing != Growing::Nothing {
            println!();
            self.growing = Growing::Nothing;
        }
        for note in self.held.drain(..) {
            println!("{note}");
        }
        self.end_progress();
    }

    /// Counts the characters of a stage's output as they come, on one line where the terminal can.
    fn progress(&mut self, stage: &StageId, change: &DeltaChange) {
        let grown = match change {
            DeltaChange::Append(text) => text.chars().count(),
            DeltaChange::Value(_) => 1,
        };
        let written = self.written.entry(stage.clone()).or_default();
        *written += grown;
        if self.colour {
            print!("\r         {stage}: {written} characters");
            flush();
        }
    }

    fn end_progress(&mut self) {
        if self.colour && self.written.values().any(|written| *written > 0) {
            print!("\r\x1b[K");
            self.written.clear();
        }
    }

    /// Something that is not said.
    pub fn note(&mut self, what: &str, text: &str) {
        let what = self.paint("33", &format!("{what:<9}"));
        let note = format!("{} {what}  {text}", self.clock());
        if let Growing::Words(_) = self.growing {
            self.held.push(note);
        } else {
            self.end_line();
            println!("{note}");
        }
    }

    fn clock(&self) -> String {
        self.paint("2", &format!("{:7.2} s", self.started.elapsed().as_secs_f64()))
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

fn segment_name(segment: greenroom_protocol::Segment) -> &'static str {
    use greenroom_protocol::Segment;
    match segment {
        Segment::Endpointing => "endpointing",
        Segment::Transcription => "transcription",
        Segment::PlannerFirstToken => "first token",
        Segment::FirstSentence => "first sentence",
        Segment::VoiceFirstByte => "voice's first byte",
        Segment::Delivery => "delivery",
    }
}

fn flush() {
    // A terminal that cannot be written to shows nothing; the session goes on.
    let _ = std::io::stdout().flush();
}
