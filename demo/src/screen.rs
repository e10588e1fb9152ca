//! What the demo prints: the session as it happens, one line a thing.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Instant;

use greenroom_protocol::{DeltaChange, Event, MessageAdded, Provenance, Role, StageId, TurnLatency};

/// Prints a session as its events come.
pub struct Screen {
    colour: bool,
    started: Instant,
    /// Characters of each stage's output shown so far.
    written: BTreeMap<StageId, usize>,
    in_reply: bool,
}

impl Screen {
    pub fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            colour,
            started: Instant::now(),
            written: BTreeMap::new(),
            in_reply: false,
        }
    }

    /// A line that stands apart.
    pub fn heading(&mut self, text: &str) {
        self.end_reply();
        println!("\n{}", self.paint("1", text));
    }

    /// A line of its own.
    pub fn line(&mut self, text: &str) {
        self.end_reply();
        println!("{text}");
    }

    /// What the user says.
    pub fn user(&mut self, text: &str, notice: &str) {
        self.end_reply();
        println!("\n{} {}  {text}", self.clock(), self.paint("1;36", "you      "));
        println!(
            "{}",
            self.paint("2", &format!("                      ({notice})"))
        );
    }

    /// Somebody speaks.
    pub fn speaks(&mut self, voice: &str, notice: &str) {
        self.end_reply();
        println!(
            "\n{} {}  {}",
            self.clock(),
            self.paint("1;36", "you      "),
            self.paint(
                "2",
                &format!("(a recording of the voice `{voice}` is uploaded: {notice})")
            )
        );
    }

    /// What was understood of it.
    pub fn understood(&mut self, text: &str) {
        self.note("heard", text);
    }

    /// Where the reply can be heard.
    pub fn voice(&mut self, text: &str) {
        self.note("voice", text);
    }

    /// An event of the session.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::PlannerDelta(delta) => {
                if let DeltaChange::Append(text) = &delta.delta.change {
                    self.reply(text);
                }
            }
            Event::MessageAdded(message) if message.role == Role::Assistant => self.said(message),
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
        match &message.provenance {
            Provenance::Playbook { .. } => {
                self.end_reply();
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
                self.end_reply();
            }
            Provenance::User { .. } | Provenance::Operator => {}
        }
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
        if !self.in_reply {
            self.end_progress();
            print!("{} {}  ", self.clock(), self.paint("1;32", "greenroom"));
            self.in_reply = true;
        }
        print!("{text}");
        flush();
    }

    fn end_reply(&mut self) {
        if self.in_reply {
            println!();
            self.in_reply = false;
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

    fn note(&mut self, what: &str, text: &str) {
        self.end_reply();
        println!(
            "{} {}  {text}",
            self.clock(),
            self.paint("33", &format!("{what:<9}"))
        );
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
