//! The sound of an utterance apart from its loudness, its microphone and its codec.

use std::f32::consts::PI;
use std::ops::Range;

use super::spectrum::{BANDS, Spectrum};

/// Cepstral coefficients; the first, which is loudness, is left out.
const CEPSTRA: usize = 12;
/// Each coefficient with its slope.
pub(super) const FEATURES: usize = 2 * CEPSTRA;
/// Frames on each side that a slope is taken over.
const SLOPE_FRAMES: usize = 3;
/// What is this far (35 dB) below the loudest band of an utterance is heard as silence, so that mild noise does not
/// change what it sounds like.
const FLOOR: f32 = 1.0e-3;

/// The features of each frame, each feature with mean 0 and variance 1 over the utterance.
#[derive(Debug, Clone)]
pub(super) struct Fingerprint {
    pub(super) frames: Vec<[f32; FEATURES]>,
}

impl Fingerprint {
    /// The fingerprint of a range of frames; none when nothing is heard there.
    pub(super) fn of(spectrum: &Spectrum, range: Range<usize>) -> Option<Self> {
        let range = spectrum.trimmed(range);
        if range.is_empty() {
            return None;
        }
        let bands = &spectrum.frames[range];
        let loudest = bands.iter().flatten().copied().fold(0.0, f32::max);
        let basis = cosines();
        let cepstra: Vec<[f32; CEPSTRA]> = bands
            .iter()
            .map(|frame| {
                let logs = frame.map(|power| (power / loudest + FLOOR).ln());
                std::array::from_fn(|index| dot(&basis[index], &logs))
            })
            .collect();
        let mut frames: Vec<[f32; FEATURES]> = (0..cepstra.len())
            .map(|frame| {
                let before = &cepstra[frame.saturating_sub(SLOPE_FRAMES)];
                let after = &cepstra[(frame + SLOPE_FRAMES).min(cepstra.len() - 1)];
                std::array::from_fn(|feature| match feature.checked_sub(CEPSTRA) {
                    None => cepstra[frame][feature],
                    Some(slope) => after[slope] - before[slope],
                })
            })
            .collect();
        normalise(&mut frames);
        Some(Self { frames })
    }
}

fn cosines() -> [[f32; BANDS]; CEPSTRA] {
    std::array::from_fn(|index| {
        std::array::from_fn(|band| (PI * (index + 1) as f32 * (band as f32 + 0.5) / BANDS as f32).cos())
    })
}

fn dot(left: &[f32; BANDS], right: &[f32; BANDS]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// Brings every feature to mean 0 and variance 1.
fn normalise(frames: &mut [[f32; FEATURES]]) {
    let count = frames.len() as f32;
    for feature in 0..FEATURES {
        let mean = frames.iter().map(|frame| frame[feature]).sum::<f32>() / count;
        let squares: f32 = frames.iter().map(|frame| (frame[feature] - mean).powi(2)).sum();
        // A sound that does not change at all must not become infinite.
        let deviation = (squares / count).sqrt().max(f32::EPSILON);
        for frame in frames.iter_mut() {
            frame[feature] = (frame[feature] - mean) / deviation;
        }
    }
}
