//! A call: a session, its voice, and a person with a phone whose audio comes in real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use greenroom_actors::voice::{
    AudioItem, AudioStart, LineOwner, Voice, VoiceLine, VoicePorts, VoiceSettings,
};
use greenroom_protocol::{
    AudioCodec, AudioOutput, CallOutcome, CallPurpose, ErrorBody, ErrorCode, Event, Locale, Millis, Role,
    SessionId, Signal, SpeechDiscardReason, TurnCompleted, TurnDetection, TurnOutcome,
};
use greenroom_session::Caller;
use greenroom_session::playbook::{Playbook, VoicePreset};
use tokio::time::{Instant, sleep};

use crate::ears::{LiveEars, ScriptedEars};
use crate::sounds::{frames, silence};
use crate::speaker::ScriptedSpeaker;
use crate::world::{World, concierge_bundle};

const FRAME: Duration = Duration::from_millis(20);
/// Frames that a client plays between two reports.
const FRAMES_PER_ACK: u64 = 5;

/// A server on which people call.
pub struct Exchange {
    pub world: World,
    pub session: SessionId,
    pub voice: Voice,
    pub ears: Arc<ScriptedEars>,
    pub live: Arc<LiveEars>,
    /// Seconds to wait before another turn may begin; 0: now.
    pub wait_s: Arc<AtomicU32>,
}

/// How an exchange is set up.
#[derive(Default)]
pub struct Setting {
    /// Whether a recogniser listens along.
    pub listens_along: bool,
    pub settings: VoiceSettings,
}

impl Exchange {
    pub async fn new() -> Self {
        Self::with(World::new().await, Setting::default()).await
    }

    pub async fn listening_along() -> Self {
        let setting = Setting {
            listens_along: true,
            ..Setting::default()
        };
        Self::with(World::new().await, setting).await
    }

    pub async fn with(world: World, setting: Setting) -> Self {
        let session = world.create().await;
        let (ears, live) = (Arc::new(ScriptedEars::default()), Arc::new(LiveEars::default()));
        let ports = VoicePorts {
            transcriber: ears.clone(),
            live_transcriber: setting.listens_along.then(|| live.clone() as _),
            speaker: Arc::new(ScriptedSpeaker::default()),
        };
        let voice = Voice::new(world.directory.clone(), ports, setting.settings);
        Self {
            world,
            session,
            voice,
            ears,
            live,
            wait_s: Arc::default(),
        }
    }

    /// A phone whose line is there and that has not said anything.
    pub fn phone(&self) -> Phone {
        self.try_phone().unwrap()
    }

    pub fn try_phone(&self) -> Result<Phone, Box<ErrorBody>> {
        let mut playbook = Playbook::from_bundle(&concierge_bundle()).unwrap();
        playbook.voices = vec![VoicePreset {
            preset: "warm".to_owned(),
            ko: "minji".to_owned(),
            en: "amy".to_owned(),
            style: None,
        }];
        let wait_s = self.wait_s.clone();
        let line = self.voice.line(LineOwner {
            session: self.session,
            caller: Caller::Client(None),
            locale: Locale::En,
            playbook: Arc::new(playbook),
            admit: Box::new(move || match wait_s.load(Ordering::Relaxed) {
                0 => Ok(()),
                wait_s => Err(wait_s),
            }),
        })?;
        Ok(Phone {
            line,
            told: Vec::new(),
            played: Duration::ZERO,
            reply: None,
            is_paused: false,
            acknowledges: true,
        })
    }

    pub fn events(&self) -> Vec<Event> {
        self.world.journal.events(self.session)
    }

    /// What users said.
    pub fn said(&self) -> Vec<String> {
        self.messages(Role::User)
    }

    pub fn messages(&self, role: Role) -> Vec<String> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| match event {
                Event::MessageAdded(message) if message.role == role => Some(message.text),
                _ => None,
            })
            .collect()
    }

    /// How the calls of this purpose were settled. Asserts that all were.
    pub fn settled(&self, purpose: CallPurpose) -> Vec<CallOutcome> {
        let reserved = self
            .events()
            .into_iter()
            .filter(|event| matches!(event, Event::CallReserved(reserved) if reserved.purpose == purpose));
        let reserved = reserved.count();
        let settled: Vec<CallOutcome> = self
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::CallSettled(settled) if settled.purpose == purpose => Some(settled.outcome),
                _ => None,
            })
            .collect();
        assert_eq!(settled.len(), reserved, "a call was not settled");
        settled
    }

    pub fn transcriptions(&self) -> Vec<CallOutcome> {
        self.settled(CallPurpose::Transcribe)
    }

    pub fn completed(&self) -> Vec<TurnCompleted> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| match event {
                Event::TurnCompleted(completed) => Some(completed),
                _ => None,
            })
            .collect()
    }

    pub fn outcomes(&self) -> Vec<TurnOutcome> {
        self.completed().into_iter().map(|turn| turn.outcome).collect()
    }

    /// What was told to have been heard.
    pub fn heard(&self) -> Vec<String> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| match event {
                Event::MessageHeard(heard) => Some(heard.text),
                _ => None,
            })
            .collect()
    }
}

/// How a phone listens.
pub fn microphone() -> AudioStart {
    AudioStart {
        codec: AudioCodec::PcmS16le,
        sample_rate: 16_000,
        channels: 1,
        turn_detection: TurnDetection::ServerVad,
        endpointing: None,
        noise_suppression: false,
        output: None,
        record: false,
    }
}

/// The same, with a loudspeaker.
pub fn headset() -> AudioStart {
    AudioStart {
        output: Some(AudioOutput {
            codec: AudioCodec::PcmS16le,
            sample_rate: 24_000,
            voice_preset: None,
        }),
        ..microphone()
    }
}

/// A person's end.
pub struct Phone {
    pub line: VoiceLine,
    /// Everything that was told, and when; sound aside.
    pub told: Vec<(Instant, Signal)>,
    /// How much of the reply was played.
    pub played: Duration,
    reply: Option<String>,
    is_paused: bool,
    pub acknowledges: bool,
}

impl Phone {
    /// Sends samples in real time, and takes what comes.
    pub async fn say(&mut self, samples: &[i16]) {
        for frame in frames(samples) {
            self.line.frame(&frame).unwrap();
            self.wait_a_frame().await;
        }
    }

    /// Sends samples all at once.
    pub fn pour(&mut self, samples: &[i16]) {
        for frame in frames(samples) {
            self.line.frame(&frame).unwrap();
        }
    }

    /// Says nothing for so long, with an open microphone.
    pub async fn listen(&mut self, length: Duration) {
        self.say(&silence(length)).await;
    }

    /// Sends nothing for so long.
    pub async fn stall(&mut self, length: Duration) {
        let until = Instant::now() + length;
        while Instant::now() < until {
            self.wait_a_frame().await;
        }
    }

    async fn wait_a_frame(&mut self) {
        sleep(FRAME).await;
        self.take();
        self.play();
    }

    /// Takes what is there.
    pub fn take(&mut self) {
        loop {
            if let Some(signal) = self.line.outlet().control() {
                self.take_signal(signal);
            } else if let Some(item) = self.line.outlet().audio() {
                match item {
                    AudioItem::Begin(signal) | AudioItem::End(signal) => self.take_signal(signal),
                    AudioItem::Frame(_) => {}
                }
            } else {
                return;
            }
        }
    }

    fn take_signal(&mut self, signal: Signal) {
        match &signal {
            Signal::AudioBegin { reply_id, .. } => {
                self.reply = Some(reply_id.clone());
                (self.played, self.is_paused) = (Duration::ZERO, false);
            }
            Signal::AudioPause { .. } => self.is_paused = true,
            Signal::AudioResume { .. } => self.is_paused = false,
            Signal::AudioCancel { .. } => self.reply = None,
            _ => {}
        }
        self.told.push((Instant::now(), signal));
    }

    /// Plays what it has, which is always enough, and reports it now and then.
    fn play(&mut self) {
        let Some(reply) = self.reply.clone().filter(|_| !self.is_paused) else {
            return;
        };
        self.played += FRAME;
        let played_ms = u64::try_from(self.played.as_millis()).unwrap();
        if self.acknowledges && (played_ms / 20).is_multiple_of(FRAMES_PER_ACK) {
            self.line.playback(&reply, Millis(played_ms));
        }
    }

    /// The names of what was told, in short.
    pub fn names(&self) -> Vec<&'static str> {
        self.told.iter().map(|(_, signal)| name(signal)).collect()
    }

    pub fn errors(&self) -> Vec<ErrorCode> {
        let told = self.told.iter();
        told.filter_map(|(_, signal)| match signal {
            Signal::Notice { error } | Signal::Rejected { error, .. } => Some(error.code),
            _ => None,
        })
        .collect()
    }

    pub fn when(&self, wanted: &str) -> Instant {
        let mut told = self.told.iter();
        told.find(|(_, signal)| name(signal) == wanted).unwrap().0
    }
}

/// A signal in one word.
fn name(signal: &Signal) -> &'static str {
    match signal {
        Signal::SpeechStarted {} => "started",
        Signal::SpeechStopped {} => "stopped",
        Signal::SpeechDiscarded { reason } => match reason {
            SpeechDiscardReason::Noise => "noise",
            SpeechDiscardReason::NothingUnderstood => "nothing",
            SpeechDiscardReason::Backchannel => "backchannel",
            SpeechDiscardReason::Failed => "failed",
            SpeechDiscardReason::Cancelled => "cancelled",
        },
        Signal::TranscriptPartial { .. } => "partial",
        Signal::AudioBegin { .. } => "begin",
        Signal::AudioPause { .. } => "pause",
        Signal::AudioResume { .. } => "resume",
        Signal::AudioCancel { .. } => "cancel",
        Signal::AudioEnd { .. } => "end",
        Signal::MicrophoneTaken {} => "taken",
        Signal::Notice { .. } => "notice",
        Signal::Rejected { .. } => "rejected",
        other => panic!("a line does not tell this: {other:?}"),
    }
}
