//! Listens to one microphone: frames in, utterances out.
//!
//! A frame is read ([`FrameReader`]: PCM at five rates or Opus, to mono at 16 kHz), cleaned if that is wanted, and heard in
//! windows of 16 ms. Of each the detector says whether it is speech: what is no louder than the room is not, of the rest a
//! small network decides. Quorums of windows begin, pause and resume an utterance; a silence ends it that is as long as
//! this speaker's pauses demand ([`SpeakerPace`] has the rule). Memory is bounded: half a second of samples while nobody
//! speaks (five when ends are told by hand), the longest utterance while somebody does.
//!
//! What an echo canceller leaves of a reply is speech as well. So the ear wants to be told while one plays
//! ([`Ear::set_reply_playing`]): then six of nine windows begin an utterance instead of five of seven, and only those count
//! that are above a level between that echo and this person's voice, both of which it learns (`echo.rs` has the rule).
//! Told of nothing, it does nothing about it.
//!
//! # How well
//!
//! `cargo bench -p greenroom-audio --bench ear`: 20 recorded sentences of three synthetic voices, 2.5 s apart, in milliseconds
//! from the real first and last sounds. The thresholds were chosen on the same recordings. Noise suppression in brackets.
//!
//! | room | found | false, cut | onset p50/p95 | endpoint delay p50/p95 |
//! |---|---|---|---|---|
//! | digital silence | 20 of 20 | 0, 0 | 93/119 | 461/647 (461/647) |
//! | white noise at 20, 10, 5 dB | 20 each | 0, 0 | 95/124, 102/140, 103/247 | 479/692, 508/679, 527/727 (459/660, 479/660, 495/664) |
//! | pink noise at 20, 10, 5 dB | 20 each | 0, 0 | 93/124, 105/147, 107/140 | 477/680, 492/695, 525/695 (459/660, 461/648, 475/660) |
//! | hum, clicks at 10 dB | 20 each | 0, 0 | 95/119, 115/195 | 575/740, 507/679 (461/663, 527/679) |
//! | music at 20, 10 dB | ends: 16, 0 | 9, 1 false onsets | | speech and music run together, suppressed or not |
//! | echo of a reply at -40, -30, -20 dB, untold | 20, 17, 2 | 1, 3, 3 false onsets | 102/131, 102/119, - | 475/1163, 775/2235, - |
//! | the same, told that a reply plays | 20 each | 0, 0 | 124/348, 121/348, 111/348 | 493/600, 493/600, 492/616 |
//! | told, echo at -15 dB, and at -10 dB | 20, 1 | 0, and 2 false onsets | 107/348, - | 492/616, - |
//! | told, no echo at all | 20 | 0, 0 | 119/348 | 490/600 |
//!
//! Held out, 24 other sentences by another voice and two of the three: all found in all but music, with one cut in white
//! noise at 5 dB and none elsewhere; onset 105/310 and delay 494/638 in silence, 124/326 and 627/736 in the worst noise.
//! `docs/voice-report.md` has the whole tables, and says how they were made.
//!
//! Half a minute of each noise alone and five coughs make no event; music alone is taken for speech, and so is the echo of
//! a reply that comes back less than 40 dB below the speaker if the ear is not told that one plays; told, only from 10 dB
//! below the speaker on, or if it swells by 15 dB within two seconds before the voice is known. What remains is that a cough
//! above an echo is taken for a word, three of five times. Two sentences 0.6 s apart stay one utterance. The plain energy
//! detector has one false utterance in each steady noise from 20 dB on, takes each cough for a word, and cuts four sentences
//! in white noise at 5 dB, but does not mind the music; the network without the gate finds what it finds behind it.
//!
//! CPU-ms per second of audio, of talk and of a quiet room: 0.18 and 0.02 (PCM), 0.65 and 0.43 (Opus), 4.2 and 3.9 with
//! noise suppression; without the gate 0.33. KiB held while nobody speaks: 28 (PCM at 16 kHz), 75 (at 48 kHz), 99 (Opus),
//! 165 with noise suppression; 8 more while a reply plays. Of these, 14 are the samples that an utterance would begin with,
//! 8 the network, 69 the Opus decoder: 50 of them for a concealment by networks that it holds ready and, without their
//! weights, never asks.

mod denoise;
mod detector;
mod echo;
mod endpoint;
mod event;
mod frame;
mod gate;
mod history;
mod pace;
mod room;
mod settings;

pub use detector::DetectorKind;
pub use event::{DropReason, EarEvent, EndReason, SamplePosition, Utterance};
pub use frame::{
    FRAME_DURATION_MAX, FRAME_DURATION_MIN, FormatError, FrameError, FrameFormat, FrameReader,
    OPUS_PACKET_BYTES_MAX, OPUS_RATES_HZ, PCM_RATES_HZ,
};
pub use pace::SpeakerPace;
pub use settings::{
    DELAY_MS, EarSettings, Endpointing, MAX_UTTERANCE_MS, MIN_SPEECH_MS, PRE_ROLL_MS, SettingsError,
    TurnDetection,
};

use denoise::NoiseSuppressor;
use detector::Detector;
use echo::EchoGuard;
use endpoint::{Endpointer, Heard};
use room::Room;

/// What the detector looks at: 16 ms.
const WINDOW_SAMPLES: usize = 256;

/// Listens to one stream of frames. Synchronous, and without a clock: time is what was heard.
pub struct Ear {
    reader: FrameReader,
    suppressor: Option<NoiseSuppressor>,
    room: Room,
    detector: Detector,
    echo_guard: EchoGuard,
    endpointer: Endpointer,
    /// What the last call read, before any suppression.
    newly_read: Vec<i16>,
    /// What is to be heard: between two calls less than a window.
    speech: Vec<i16>,
}

impl Ear {
    /// An ear for a speaker of whom nothing is known.
    pub fn new(format: FrameFormat, settings: EarSettings) -> Result<Self, SettingsError> {
        Self::with_pace(format, settings, SpeakerPace::default())
    }

    /// An ear for a speaker whose pauses are known from an ear before ([`Ear::pace`]).
    pub fn with_pace(
        format: FrameFormat,
        settings: EarSettings,
        pace: SpeakerPace,
    ) -> Result<Self, SettingsError> {
        settings.endpointing.check()?;
        Ok(Self {
            reader: FrameReader::new(format),
            suppressor: settings.noise_suppression.then(NoiseSuppressor::new),
            room: Room::new(),
            detector: Detector::new(settings.detector),
            echo_guard: EchoGuard::new(),
            endpointer: Endpointer::new(settings.turn_detection, settings.endpointing, pace),
            newly_read: Vec::new(),
            speech: Vec::new(),
        })
    }

    /// Hears a frame and appends to `events` what was noticed. A frame that is refused is as if it had not been sent, but
    /// for [`FrameError::Damaged`], after which there may be events too.
    pub fn push_frame(&mut self, frame: &[u8], events: &mut Vec<EarEvent>) -> Result<(), FrameError> {
        self.newly_read.clear();
        let result = self.reader.push(frame, &mut self.newly_read);
        self.hear_newly_read(events);
        result
    }

    /// Hears what stands in for a frame that was thrown away before it came here, so that places stay true to the time of
    /// the speaker.
    pub fn push_lost_frame(&mut self, events: &mut Vec<EarEvent>) {
        self.newly_read.clear();
        self.reader.push_lost(&mut self.newly_read);
        self.hear_newly_read(events);
    }

    /// Says whether a reply sounds at the client from the next frame on, or may still come back through its microphone:
    /// until some 300 ms after its last sound, for the client's buffers and the echo of its room. While it does, what is
    /// well below this speaker's level is taken for the reply, and more is asked of a beginning. Cheap: it may be said
    /// before each frame.
    pub fn set_reply_playing(&mut self, is_reply_playing: bool) {
        self.echo_guard.set_reply_playing(is_reply_playing);
        self.endpointer.set_reply_playing(is_reply_playing);
    }

    /// Ends the utterance now, whatever the turn detection. Always answered by exactly one [`EarEvent::Utterance`] or
    /// [`EarEvent::Dropped`], the last one appended; whatever sounded like speech makes an utterance, however short.
    pub fn commit(&mut self, events: &mut Vec<EarEvent>) {
        self.flush(events);
        let told = events.len();
        self.endpointer.commit(&self.speech, events);
        self.learn_from(&events[told..]);
        self.speech.clear();
    }

    /// Forgets what was heard and not yet told; an utterance under way is [`EarEvent::Dropped`].
    pub fn discard(&mut self, events: &mut Vec<EarEvent>) {
        self.flush(events);
        let told = events.len();
        self.endpointer.discard(&self.speech, events);
        self.learn_from(&events[told..]);
        self.speech.clear();
    }

    /// The samples of the utterance under way, from its pre-roll on, and the place of the first one: for recognisers that
    /// listen while somebody speaks. At its end there may be more silence than in the [`Utterance`].
    pub fn speech_so_far(&self) -> Option<(SamplePosition, &[i16])> {
        self.endpointer.speech_so_far()
    }

    /// What the last call read: mono samples at [`SPEECH_RATE_HZ`](crate::SPEECH_RATE_HZ), before any noise suppression,
    /// those that stand in for a lost or a damaged frame included. After a frame that was refused, none. All of them
    /// together are the stream that a [`SamplePosition`] counts (nearly, where noise is suppressed: its filter is late).
    pub fn newly_read(&self) -> &[i16] {
        &self.newly_read
    }

    /// What is known of the speaker's pauses, for the next ear of the same session.
    pub fn pace(&self) -> &SpeakerPace {
        self.endpointer.pace()
    }

    fn flush(&mut self, events: &mut Vec<EarEvent>) {
        self.newly_read.clear();
        self.reader.flush(&mut self.newly_read);
        self.hear_newly_read(events);
        if let Some(suppressor) = &mut self.suppressor {
            suppressor.flush(&mut self.speech);
            self.hear_speech(events);
        }
    }

    fn hear_newly_read(&mut self, events: &mut Vec<EarEvent>) {
        match &mut self.suppressor {
            Some(suppressor) => suppressor.push(&self.newly_read, &mut self.speech),
            None => self.speech.extend_from_slice(&self.newly_read),
        }
        self.hear_speech(events);
    }

    fn hear_speech(&mut self, events: &mut Vec<EarEvent>) {
        let speech = std::mem::take(&mut self.speech);
        let (windows, rest) = speech.as_chunks::<WINDOW_SAMPLES>();
        for window in windows {
            self.hear_window(window, events);
        }
        let rest = rest.len();
        self.speech = speech;
        self.speech.drain(..self.speech.len() - rest);
    }

    fn hear_window(&mut self, window: &[i16; WINDOW_SAMPLES], events: &mut Vec<EarEvent>) {
        let loudness = self.room.hear(window);
        let heard = if !self.detector.hear(window, loudness) {
            Heard::Nothing
        } else if self.echo_guard.may_be_reply(loudness) {
            Heard::PerhapsReply
        } else {
            Heard::Speech
        };
        let told = events.len();
        self.endpointer.hear(window, heard, events);
        self.echo_guard.learn(loudness, !self.endpointer.is_idle(), heard);
        self.learn_from(&events[told..]);
    }

    fn learn_from(&mut self, events: &[EarEvent]) {
        for event in events {
            match event {
                EarEvent::Utterance(_) => self.echo_guard.utterance_ended(),
                EarEvent::Dropped { .. } => self.echo_guard.utterance_dropped(),
                EarEvent::SpeechStarted { .. }
                | EarEvent::SpeechPaused { .. }
                | EarEvent::SpeechResumed { .. } => {}
            }
        }
    }
}
