//! Records a conversation on two tracks: the user on the left, the assistant on the right.
//!
//! The file is Ogg/Opus. Each track is coded as a voice of its own (channel mapping family 1, two streams, none of them a
//! pair), so nothing that a coder decides can put the one side's words on the other's track. The usual coding of two
//! channels as a pair (family 0) would save nothing and mixes a little: at 48, 64, 80, 96, 128 kbit/s, when both speak at
//! once, what of the left comes out on the right is 24, 26, 30, 33, 36 dB below it. This takes about 35 kbit/s for each
//! side that speaks and 2 for one that is silent, some 17 MB an hour, and 1.7 CPU-ms per second for each that speaks.
//!
//! Samples are coded as soon as both tracks have come so far. What is held is bounded: three seconds of the track that is
//! ahead (at most 144 KB), the page under way, and the bytes that nobody took; an encoder has 5 KiB.

use std::time::Duration;

use crate::SPEECH_RATE_HZ;
use crate::mouth::VOICE_RATE_HZ;
use crate::ogg_pages::{ChannelLayout, GRANULES_PER_PACKET, GRANULES_PER_SECOND, OpusHead, OpusPages};
use crate::opus_voice::{VoiceBandwidth, VoiceEncoder};

/// Samples that come so much later than those before them end, or less, follow them without a gap: clocks tremble.
pub const JITTER_MAX: Duration = Duration::from_millis(20);
/// How far one track may be ahead of the other before the other is taken to be silent.
pub const LEAD_MAX: Duration = Duration::from_secs(3);
/// How much later than said samples may be put because their place was taken. What would come later still is dropped: no
/// clock brings more than a second of sound in a second.
pub const SHIFT_MAX: Duration = Duration::from_secs(5);
/// How long a recording may be; what comes later is dropped.
pub const LENGTH_MAX: Duration = Duration::from_hours(12);

/// The most that the length of a frame within a packet takes one byte for (RFC 6716, 3.2.1).
const SHORT_LENGTH_MAX: usize = 251;

/// Takes both sides of a conversation as they come, and gives a file in pieces.
///
/// Each track has its own places in time, from the start of the recording on, and each call says where its samples belong.
/// They are put there if they come later than those before them end, with silence between. If their place is taken they
/// follow what is there, for nothing that was said is lost. Push what is played when it is played, or a little before.
pub struct TwoTrackRecorder {
    user: Track,
    assistant: Track,
    pages: OpusPages,
}

/// One side.
struct Track {
    encoder: VoiceEncoder,
    rate_hz: u32,
    /// How many samples were coded.
    coded: u64,
    /// What comes after them.
    pending: Vec<i16>,
}

impl TwoTrackRecorder {
    /// A recording that begins now. `serial` names the stream; any number will do as long as two streams that may be
    /// joined do not share it.
    pub fn new(serial: u32) -> Self {
        let user = Track::new(SPEECH_RATE_HZ, VoiceBandwidth::Wide);
        let head = OpusHead {
            pre_skip_granules: user.granules(user.encoder.lookahead_samples() as u64),
            rate_hz: VOICE_RATE_HZ,
            layout: ChannelLayout::TwoMono,
        };
        Self {
            user,
            assistant: Track::new(VOICE_RATE_HZ, VoiceBandwidth::SuperWide),
            pages: OpusPages::new(serial, &head),
        }
    }

    /// Records what the user said `at` this time since the start: mono samples at [`SPEECH_RATE_HZ`].
    pub fn user(&mut self, at: Duration, pcm_16k: &[i16]) {
        self.record(|recorder| &mut recorder.user, at, pcm_16k);
    }

    /// Records what the user heard `at` this time since the start: mono samples at [`VOICE_RATE_HZ`].
    pub fn assistant(&mut self, at: Duration, pcm_24k: &[i16]) {
        self.record(|recorder| &mut recorder.assistant, at, pcm_24k);
    }

    /// Takes back what the assistant was to say from this time on, as far as the user's track has not come there yet: the
    /// reply was cancelled before it was heard.
    pub fn cut_assistant(&mut self, at: Duration) {
        self.assistant.cut(self.assistant.place(at));
    }

    /// The bytes that are ready and were not taken before: whole pages, of a second each.
    pub fn take(&mut self) -> Vec<u8> {
        self.pages.take_bytes()
    }

    /// Ends the recording where the longer track ends. The bytes are what was not taken before.
    pub fn finish(mut self) -> Vec<u8> {
        let length = self.user.end_granules().max(self.assistant.end_granules());
        let wanted = length + self.user.granules(self.user.encoder.lookahead_samples() as u64);
        loop {
            let packet = self.code_packet();
            if (self.pages.packets() + 1) * GRANULES_PER_PACKET >= wanted {
                return self.pages.finish(packet, wanted);
            }
            self.pages.push(packet);
        }
    }

    fn record(&mut self, track: fn(&mut Self) -> &mut Track, at: Duration, pcm: &[i16]) {
        let place = track(self).place(at);
        if at >= LENGTH_MAX || track(self).is_far_behind(place) {
            return;
        }
        if track(self).leaves_a_gap(place) {
            // In steps of a second, so that a long silence is never held.
            while track(self).end() < place {
                let track = track(self);
                let second_later = track.end() + u64::from(track.rate_hz);
                track.be_silent_to(place.min(second_later));
                self.code_what_is_ready();
            }
        }
        track(self).pending.extend_from_slice(pcm);
        self.code_what_is_ready();
    }

    /// Writes every packet that both tracks have come to, or one has left behind.
    fn code_what_is_ready(&mut self) {
        let (user, assistant) = (self.user.end_granules(), self.assistant.end_granules());
        let lead_max = self.user.granules(self.user.place(LEAD_MAX));
        let settled = user
            .min(assistant)
            .max(user.max(assistant).saturating_sub(lead_max));
        while (self.pages.packets() + 1) * GRANULES_PER_PACKET <= settled {
            let packet = self.code_packet();
            self.pages.push(packet);
        }
        self.user.shrink();
        self.assistant.shrink();
    }

    /// The next packet of the stream: the user's, which says how long it is, and then the assistant's.
    fn code_packet(&mut self) -> Vec<u8> {
        let mut packet = Vec::new();
        let user = self.user.code_frame();
        let (toc, frame) = user
            .split_first()
            .map_or((0, &[][..]), |(toc, frame)| (*toc, frame));
        packet.push(toc);
        extend_with_length(&mut packet, frame.len());
        packet.extend_from_slice(frame);
        packet.extend_from_slice(&self.assistant.code_frame());
        packet
    }
}

impl Track {
    fn new(rate_hz: u32, bandwidth: VoiceBandwidth) -> Self {
        Self {
            encoder: VoiceEncoder::new(rate_hz, bandwidth),
            rate_hz,
            coded: 0,
            pending: Vec::new(),
        }
    }

    /// The place in samples of a time.
    fn place(&self, at: Duration) -> u64 {
        let samples = at.as_nanos() * u128::from(self.rate_hz) / 1_000_000_000;
        u64::try_from(samples).unwrap_or(u64::MAX)
    }

    /// The place after the last sample.
    fn end(&self) -> u64 {
        self.coded + self.pending.len() as u64
    }

    fn end_granules(&self) -> u64 {
        self.granules(self.end())
    }

    fn granules(&self, samples: u64) -> u64 {
        samples * u64::from(GRANULES_PER_SECOND / self.rate_hz)
    }

    fn leaves_a_gap(&self, place: u64) -> bool {
        place > self.end() + self.place(JITTER_MAX)
    }

    fn is_far_behind(&self, place: u64) -> bool {
        place + self.place(SHIFT_MAX) < self.end()
    }

    /// What is put next is put at `place`, which is not before the end, or follows what is there.
    fn be_silent_to(&mut self, place: u64) {
        let length = usize::try_from(place - self.coded).unwrap_or(usize::MAX);
        self.pending.resize(length, 0);
    }

    /// Drops what was not coded from a place on.
    fn cut(&mut self, place: u64) {
        let kept = place.saturating_sub(self.coded);
        self.pending.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
    }

    /// The packet of the next 20 ms, silence where nothing is.
    fn code_frame(&mut self) -> Vec<u8> {
        let frame_samples = self.encoder.frame_samples();
        if self.pending.len() < frame_samples {
            self.pending.resize(frame_samples, 0);
        }
        let packet = self.encoder.encode(&self.pending[..frame_samples]);
        self.pending.drain(..frame_samples);
        self.coded += frame_samples as u64;
        packet
    }

    /// Gives back the room of what was far ahead.
    fn shrink(&mut self) {
        if self.pending.len() < self.pending.capacity() / 4 {
            self.pending.shrink_to(2 * self.encoder.frame_samples());
        }
    }
}

/// Appends how long a frame is (RFC 6716, 3.2.1): one byte, or two.
fn extend_with_length(packet: &mut Vec<u8>, bytes: usize) {
    if bytes <= SHORT_LENGTH_MAX {
        packet.push(u8::try_from(bytes).unwrap_or_default());
    } else {
        let low = (bytes - SHORT_LENGTH_MAX - 1) % 4;
        let first = SHORT_LENGTH_MAX + 1 + low;
        packet.push(u8::try_from(first).unwrap_or_default());
        packet.push(u8::try_from((bytes - first) / 4).unwrap_or_default());
    }
}
