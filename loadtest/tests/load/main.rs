//! The load tester against a small server that speaks the protocol's voice: without a socket and in virtual time, where
//! every violation is provoked, and over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(
    clippy::cast_possible_truncation,
    reason = "times of tests are far below the limits of what they are cast to"
)]

mod fake;
mod sockets;
mod virtual_time;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use greenroom_protocol::AudioCodec;
use loadtest::load::{FrameShape, Output, Recordings, Simulated, VoiceOptions};

/// What people talk about in these tests.
fn recordings() -> Arc<Recordings> {
    static RECORDINGS: LazyLock<Arc<Recordings>> =
        LazyLock::new(|| Arc::new(Recordings::shipped(shape()).unwrap()));
    Arc::clone(&RECORDINGS)
}

fn shape() -> FrameShape {
    FrameShape {
        codec: AudioCodec::PcmS16le,
        sample_rate_hz: 16_000,
        frame: fake::INPUT_FRAME,
    }
}

fn options() -> VoiceOptions {
    VoiceOptions {
        url: "http://127.0.0.1:1".to_owned(),
        token: None,
        sessions: 1,
        duration: Duration::from_secs(4),
        ramp: Duration::ZERO,
        input: shape(),
        output: Some(Output {
            codec: AudioCodec::PcmS16le,
            sample_rate_hz: 24_000,
        }),
        every: Duration::from_secs(2),
        barge_in: 0.0,
        backchannel: 0.0,
        lead: Duration::from_millis(200),
        simulated: Simulated::default(),
        // Whoever is first has been silent for a second before they speak.
        seed: 2,
        server_pid: None,
        floor: false,
    }
}
