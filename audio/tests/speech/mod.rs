//! What several tests need: the fixtures, and how alike two recordings of the same speech are.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use greenroom_audio::{DecodeError, DecodeLimits, Decoded, Upload, decode};

/// Samples at this rate are compared coarsely first.
const COARSE_STEP: usize = 8;

pub fn fixture(name: &str) -> Vec<u8> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The samples that all fixtures were made from.
pub fn reference() -> Vec<i16> {
    greenroom_audio::pcm::from_le_bytes(&fixture("reference.wav")[44..])
}

pub fn decode_bytes(bytes: impl Into<Vec<u8>>) -> Result<Decoded, DecodeError> {
    decode(
        Upload::from(Bytes::from(bytes.into())),
        &DecodeLimits::default(),
        &|| false,
    )
}

/// How one recording relates to another of the same speech.
#[derive(Debug)]
pub struct Likeness {
    /// From 0 (unrelated) to 1 (the same but for loudness).
    pub correlation: f64,
    /// How much louder the recording is than the original.
    pub gain: f64,
    /// How much later the speech starts, in samples.
    pub lag: usize,
}

/// Compares `recording` with `original`, wherever in it that is.
pub fn likeness(original: &[i16], recording: &[i16], lag_max: usize) -> Likeness {
    let pad = 800; // Codecs may swallow a little at the start.
    let mut padded = vec![0.0; pad];
    padded.extend(recording.iter().map(|sample| f64::from(*sample)));
    padded.resize(padded.len().max(original.len() + pad + lag_max), 0.0);
    let original: Vec<f64> = original.iter().map(|sample| f64::from(*sample)).collect();

    let coarse = |samples: &[f64]| -> Vec<f64> {
        let chunks = samples.chunks_exact(COARSE_STEP);
        chunks.map(|chunk| chunk.iter().sum()).collect()
    };
    let (coarse_original, coarse_padded) = (coarse(&original), coarse(&padded));
    let coarse_lags = 0..=(pad + lag_max) / COARSE_STEP;
    let near = best_lag(&coarse_original, &coarse_padded, coarse_lags) * COARSE_STEP;
    let lags = near.saturating_sub(2 * COARSE_STEP)..=near + 2 * COARSE_STEP;
    let lag = best_lag(&original, &padded, lags);
    let window = &padded[lag..(lag + original.len()).min(padded.len())];
    let product = dot(&original, window);
    Likeness {
        correlation: product / (dot(&original, &original) * dot(window, window)).sqrt().max(1.0),
        gain: product / dot(&original, &original),
        lag: lag.saturating_sub(pad),
    }
}

fn best_lag(original: &[f64], padded: &[f64], lags: std::ops::RangeInclusive<usize>) -> usize {
    lags.filter(|lag| *lag < padded.len())
        .map(|lag| (lag, dot(original, &padded[lag..])))
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map_or(0, |(lag, _)| lag)
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}
