//! Recorded speech, and what is no speech.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use bytes::Bytes;
use greenroom_audio::{DecodeLimits, SPEECH_RATE_HZ, Upload, decode, pcm};

/// One of the recordings that ship with the project, without its file's ending.
pub fn recorded(name: &str) -> Vec<i16> {
    static RECORDED: LazyLock<Mutex<HashMap<String, Vec<i16>>>> = LazyLock::new(Mutex::default);
    let mut recorded = RECORDED.lock().unwrap();
    recorded
        .entry(name.to_owned())
        .or_insert_with(|| read(name))
        .clone()
}

fn read(name: &str) -> Vec<i16> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/utterances");
    let bytes = std::fs::read(folder.join(format!("{name}.flac"))).unwrap();
    let upload = Upload::from(Bytes::from(bytes));
    decode(upload, &DecodeLimits::default(), &|| false).unwrap().pcm
}

pub fn silence(length: Duration) -> Vec<i16> {
    vec![0; samples(length)]
}

/// A cough: a burst of noise that dies away within a sixth of a second, too short for an utterance and loud enough to be
/// noticed, or not.
pub fn hiss(length: Duration) -> Vec<i16> {
    let mut state = 1_u32;
    let noise = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::from_le_bytes([state.to_le_bytes()[2], state.to_le_bytes()[3]]) / 8
    };
    (0..samples(length)).map(noise).collect()
}

/// The frames of 20 ms that a client sends for them.
pub fn frames(samples: &[i16]) -> Vec<Vec<u8>> {
    let frames = samples.chunks(SPEECH_RATE_HZ as usize / 50);
    frames
        .map(|frame| {
            let mut bytes = pcm::to_le_bytes(frame);
            bytes.resize(640, 0);
            bytes
        })
        .collect()
}

pub fn length_of(samples: &[i16]) -> Duration {
    pcm::duration_of(samples.len(), SPEECH_RATE_HZ)
}

fn samples(length: Duration) -> usize {
    usize::try_from(length.as_millis()).unwrap() * SPEECH_RATE_HZ as usize / 1_000
}
