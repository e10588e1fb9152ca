//! The spoken show: one person on the line, in real time over the public WebSocket, and whatever the session does meanwhile.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use greenroom_protocol::{AudioCodec, AudioOutput, ClientMessage, Event, RunId, TurnDetection};
use loadtest::client::{Incoming, Socket};
use loadtest::load::{FrameShape, Recordings};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::caller::{Caller, Figures, Moment};
use crate::screen::Screen;
use crate::script::SpokenLine;
use crate::show::ended_run;

/// What the microphone sends.
const FRAMES: FrameShape = FrameShape {
    codec: AudioCodec::PcmS16le,
    sample_rate_hz: 16_000,
    frame: Duration::from_millis(20),
};
/// What the loudspeaker plays.
const OUTPUT_RATE_HZ: u32 = 24_000;
/// The voice that answers.
const VOICE_PRESET: &str = "warm";
/// The room is heard for a moment before anybody speaks.
const FIRST_WORD_AFTER: Duration = Duration::from_millis(500);

/// How long after everything else the recording of the call may come.
const RECORDING_WAIT: Duration = Duration::from_secs(5);
/// What its event calls it.
const RECORDING: &str = "recording";

/// What came of a call.
pub struct Said {
    /// The run that it led to, which has ended.
    pub run_id: RunId,
    /// Where both sides of the call can be fetched, if they were recorded in time.
    pub recording_url: Option<String>,
    /// What the conversation came to.
    pub figures: Figures,
}

/// A spoken brief, ready to be said.
pub struct SpokenBrief {
    lines: Vec<SpokenLine>,
    recordings: Arc<Recordings>,
}

impl SpokenBrief {
    /// Cuts the recordings into frames.
    pub fn new(lines: Vec<SpokenLine>) -> anyhow::Result<Self> {
        let utterances = lines.iter().map(|line| line.utterance);
        let recordings = Recordings::of(FRAMES, utterances).context("the recordings cannot be played")?;
        Ok(Self {
            lines,
            recordings: Arc::new(recordings),
        })
    }

    /// Says it over the socket, turns the microphone off, and waits for the end of the run that it led to.
    pub async fn say(&self, socket: &mut Socket, screen: &mut Screen) -> anyhow::Result<Said> {
        socket.queue(&start(), None)?;
        let began = Instant::now();
        let reactions = self.lines.iter().map(|line| line.reaction).collect();
        let mut caller = Caller::new(Arc::clone(&self.recordings), reactions, FIRST_WORD_AFTER);
        let mut frames = interval(FRAMES.frame);
        // Frame k leaves k frames after the first, whatever comes back and whenever.
        frames.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut run_id = None;
        while !caller.is_done() {
            tokio::select! {
                biased;
                _ = frames.tick() => {
                    let now = began.elapsed();
                    caller.check(now)?;
                    socket.queue_audio(caller.frame(now))?;
                }
                incoming = socket.next() => {
                    let incoming = incoming?;
                    caller.hear(began.elapsed(), &incoming)?;
                    self.show_moments(&mut caller, screen);
                    if let Some(event) = show_event(&incoming, screen)? {
                        run_id = run_id.or(ended_run(&event));
                    }
                }
            }
            self.show_moments(&mut caller, screen);
            for message in caller.take_messages() {
                socket.queue(&message, None)?;
            }
        }
        socket.queue(&ClientMessage::AudioStop {}, None)?;
        screen.note("call", "the microphone is off; the run goes on without it");
        let mut recording_url = None;
        let run_id = loop {
            if let Some(run_id) = run_id {
                break run_id;
            }
            let event = next_event(socket, screen).await?;
            run_id = ended_run(&event);
            recording_url = recording_url.or(recording_of(event));
        };
        let recording = async {
            loop {
                if let Some(url) = recording_of(next_event(socket, screen).await?) {
                    return anyhow::Ok(url);
                }
            }
        };
        if recording_url.is_none()
            && let Ok(url) = timeout(RECORDING_WAIT, recording).await
        {
            recording_url = Some(url?);
        }
        Ok(Said {
            run_id,
            recording_url,
            figures: caller.figures().clone(),
        })
    }

    fn show_moments(&self, caller: &mut Caller, screen: &mut Screen) {
        for moment in caller.take_moments() {
            match moment {
                Moment::Speaks { line } => {
                    let line = self.lines[line];
                    screen.speaks(&line.utterance.voice, line.notice);
                }
                Moment::Murmurs {} => screen.murmurs(self.recordings.backchannel.text),
                Moment::Words { text } => screen.words(&text),
                Moment::Paused { after_onset, played } => screen.paused(after_onset, played),
                Moment::Resumed { waited } => screen.resumed(waited),
                Moment::NoTurn { reason } => screen.no_turn(reason),
                Moment::CutOff {} => screen.cut_off(),
            }
        }
    }
}

fn start() -> ClientMessage {
    ClientMessage::AudioStart {
        codec: FRAMES.codec,
        sample_rate: FRAMES.sample_rate_hz,
        channels: 1,
        turn_detection: TurnDetection::ServerVad,
        endpointing: None,
        noise_suppression: false,
        output: Some(AudioOutput {
            codec: AudioCodec::PcmS16le,
            sample_rate: OUTPUT_RATE_HZ,
            voice_preset: Some(VOICE_PRESET.to_owned()),
        }),
        record: true,
    }
}

/// The next event, which is shown.
async fn next_event(socket: &mut Socket, screen: &mut Screen) -> anyhow::Result<Event> {
    loop {
        let incoming = socket.next().await?;
        if let Incoming::Closed { code } = incoming {
            bail!("the server closed the socket ({code:?})");
        }
        if let Some(event) = show_event(&incoming, screen)? {
            return Ok(event);
        }
    }
}

/// Shows what came, if it is an event.
fn show_event(incoming: &Incoming, screen: &mut Screen) -> anyhow::Result<Option<Event>> {
    let Incoming::Event(event) = incoming else {
        return Ok(None);
    };
    let event = event.event()?;
    screen.event(&event);
    Ok(Some(event))
}

/// Where the recording of a call can be fetched, if the event tells of one.
fn recording_of(event: Event) -> Option<String> {
    match event {
        Event::AssetReady(asset) if asset.kind == RECORDING => Some(asset.url),
        _ => None,
    }
}
