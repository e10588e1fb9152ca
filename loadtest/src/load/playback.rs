//! One reply as a client plays it: its frames, its place, and what is acknowledged of it.

use std::time::Duration;

use greenroom_protocol::{AudioCodec, ClientMessage, Millis, TurnId};

use super::player::{Arrival, Player};
use super::violation::{Misplaced, Violation};

/// How often playback is acknowledged; the protocol wants it every 250 ms.
const ACK_EVERY: Duration = Duration::from_millis(200);
/// The audio of one frame, at most.
const FRAME: Duration = Duration::from_millis(20);
const BYTES_PER_SAMPLE: u32 = 2;
/// How much two ways of rounding milliseconds may differ.
const POSITION_TOLERANCE_MS: u64 = 1;

/// A reply that is, or was, played.
#[derive(Debug)]
pub struct Playback {
    /// What it is called.
    pub reply_id: String,
    /// The turn that it answers; a notice answers none.
    pub turn: Option<TurnId>,
    player: Player,
    codec: AudioCodec,
    sample_rate_hz: u32,
    /// How much was acknowledged last, in milliseconds.
    acknowledged_ms: u64,
    ack_due: Duration,
    /// When anything came of it last.
    pub(super) active_at: Duration,
    /// Whether it has ended, in whatever way, and nothing more is expected of it.
    pub is_over: bool,
    /// Whether it was found to be sent too far ahead; once is enough.
    pub(super) was_too_far_ahead: bool,
}

impl Playback {
    /// A reply that `audio.begin` told of.
    pub fn new(
        now: Duration,
        reply_id: String,
        turn: Option<TurnId>,
        codec: AudioCodec,
        sample_rate_hz: u32,
    ) -> Self {
        Self {
            reply_id,
            turn,
            player: Player::new(now),
            codec,
            sample_rate_hz,
            acknowledged_ms: 0,
            ack_due: now,
            active_at: now,
            is_over: false,
            was_too_far_ahead: false,
        }
    }

    /// Takes a frame.
    pub fn audio(&mut self, now: Duration, bytes: usize) -> Result<(Arrival, Duration), Violation> {
        self.active_at = now;
        let misplaced = |when| Err(Violation::AudioMisplaced { when });
        if self.player.is_cancelled() {
            return misplaced(Misplaced::AfterCancel);
        }
        if self.player.is_complete() || self.is_over {
            return misplaced(Misplaced::AfterEnd);
        }
        if self.player.is_paused() {
            return misplaced(Misplaced::WhilePaused);
        }
        let duration = self
            .duration_of(bytes)
            .ok_or(Violation::AudioUnreadable { bytes })?;
        Ok((self.player.audio(now, duration), duration))
    }

    /// How long a frame of so many bytes plays; none if no frame is like that.
    fn duration_of(&self, bytes: usize) -> Option<Duration> {
        match self.codec {
            AudioCodec::Opus => (bytes > 0).then_some(FRAME),
            AudioCodec::PcmS16le => {
                let bytes = u32::try_from(bytes).ok()?;
                let bytes_per_second = self.sample_rate_hz.checked_mul(BYTES_PER_SAMPLE)?;
                let is_whole = bytes > 0 && bytes.is_multiple_of(BYTES_PER_SAMPLE) && bytes_per_second > 0;
                let duration =
                    is_whole.then(|| Duration::from_secs_f64(f64::from(bytes) / f64::from(bytes_per_second)));
                duration.filter(|duration| *duration <= FRAME)
            }
        }
    }

    /// How much came, in milliseconds.
    pub fn received_ms(&self) -> u64 {
        self.player.received().as_millis() as u64
    }

    /// How much was acknowledged, in milliseconds.
    pub fn acknowledged_ms(&self) -> u64 {
        self.acknowledged_ms
    }

    /// How much was played.
    pub fn played(&mut self, now: Duration) -> Duration {
        self.player.played(now)
    }

    /// Whether it is being played, and more of it may come.
    pub fn is_under_way(&self) -> bool {
        !self.is_over && self.player.is_playing() && !self.player.is_complete()
    }

    /// Whether all of it has come.
    pub fn is_complete(&self) -> bool {
        self.player.is_complete()
    }

    /// Whether all of it has been played.
    pub fn is_finished(&mut self, now: Duration) -> bool {
        self.player.is_finished(now)
    }

    /// What `signal` says of how much was sent, if that is not what came.
    pub fn check_position(&self, signal: &'static str, at_ms: Millis) -> Result<(), Violation> {
        let received_ms = self.received_ms();
        if at_ms.0.abs_diff(received_ms) <= POSITION_TOLERANCE_MS {
            return Ok(());
        }
        Err(Violation::PositionDiffers {
            signal,
            at_ms: at_ms.0,
            received_ms,
        })
    }

    /// `audio.pause`; the answer is to be sent.
    pub fn pause(&mut self, now: Duration) -> ClientMessage {
        self.active_at = now;
        self.player.pause(now);
        self.acknowledge(now)
    }

    /// `audio.resume`.
    pub fn resume(&mut self, now: Duration) {
        self.active_at = now;
        self.player.resume(now);
    }

    /// `audio.cancel`.
    pub fn cancel(&mut self, now: Duration) {
        self.player.cancel(now);
        self.is_over = true;
    }

    /// `audio.end`.
    pub fn complete(&mut self, now: Duration) {
        self.active_at = now;
        self.player.complete(now);
    }

    /// The acknowledgement that is due, if one is.
    pub fn due(&mut self, now: Duration) -> Option<ClientMessage> {
        (!self.is_over && self.player.is_playing() && now >= self.ack_due).then(|| self.acknowledge(now))
    }

    /// How much was played until now, to be sent.
    pub fn acknowledge(&mut self, now: Duration) -> ClientMessage {
        self.ack_due = now + ACK_EVERY;
        self.acknowledged_ms = self.player.played(now).as_millis() as u64;
        ClientMessage::PlaybackAck {
            reply_id: self.reply_id.clone(),
            played_ms: Millis(self.acknowledged_ms),
        }
    }
}
