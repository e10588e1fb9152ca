//! Samples in memory: 16-bit integers and floats from -1 to 1, their bytes, and their mix to one channel.

use std::time::Duration;

/// The rate of all speech inside the server, in samples per second: what recognisers and voice activity detectors take.
pub const SPEECH_RATE_HZ: u32 = 16_000;

/// One past the largest 16-bit sample, so that -1.0 is exactly the smallest one.
const FULL_SCALE: f32 = 32_768.0;

/// The float of a 16-bit sample, from -1 up to but without 1.
pub fn sample_to_f32(sample: i16) -> f32 {
    f32::from(sample) / FULL_SCALE
}

/// The nearest 16-bit sample; what is louder than full scale is clipped, what is not a number is silence.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the value is rounded; a float cast saturates, which is the clipping, and takes NaN to 0"
)]
pub fn sample_to_i16(sample: f32) -> i16 {
    (sample * FULL_SCALE).round() as i16
}

/// Appends `samples` as floats.
pub fn extend_f32(floats: &mut Vec<f32>, samples: &[i16]) {
    floats.extend(samples.iter().copied().map(sample_to_f32));
}

/// Appends `samples` as 16-bit integers.
pub fn extend_i16(integers: &mut Vec<i16>, samples: &[f32]) {
    integers.extend(samples.iter().copied().map(sample_to_i16));
}

/// The little-endian bytes of samples, as WAV files and sockets carry them.
pub fn to_le_bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// The samples of little-endian bytes; a byte left over at the end is dropped.
pub fn from_le_bytes(bytes: &[u8]) -> Vec<i16> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// Appends the mean of the channels of each frame of `interleaved`. No channels, no samples.
pub fn extend_mono(mono: &mut Vec<f32>, interleaved: &[f32], channels: usize) {
    match channels {
        0 => {}
        1 => mono.extend_from_slice(interleaved),
        _ => {
            #[expect(clippy::cast_precision_loss, reason = "there are at most a few channels")]
            let share = 1.0 / channels as f32;
            let frames = interleaved.chunks_exact(channels);
            mono.extend(frames.map(|frame| frame.iter().sum::<f32>() * share));
        }
    }
}

/// How long `samples` of one channel last at `rate_hz`. A rate of zero lasts no time.
pub fn duration_of(samples: usize, rate_hz: u32) -> Duration {
    let nanos = (samples as u128 * 1_000_000_000)
        .checked_div(u128::from(rate_hz))
        .unwrap_or(0);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_survives_the_way_to_a_float_and_back() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(sample_to_i16(sample_to_f32(sample)), sample);
        }
    }

    #[test]
    fn what_is_too_loud_is_clipped_and_what_is_no_number_is_silent() {
        for (float, sample) in [
            (1.0, i16::MAX),
            (7.5, i16::MAX),
            (f32::INFINITY, i16::MAX),
            (-1.0, i16::MIN),
            (-7.5, i16::MIN),
            (f32::NAN, 0),
        ] {
            assert_eq!(sample_to_i16(float), sample, "{float}");
        }
    }

    #[test]
    fn bytes_come_back_as_the_samples_that_they_were() {
        let samples = [0, 1, -1, 256, i16::MIN, i16::MAX];
        let mut bytes = to_le_bytes(&samples);
        assert_eq!(bytes[6..8], [0x00, 0x01]);
        bytes.push(9);
        assert_eq!(from_le_bytes(&bytes), samples);
    }

    #[test]
    fn channels_are_averaged_frame_by_frame() {
        for (channels, interleaved, expected) in [
            (0, vec![0.5], vec![]),
            (1, vec![0.5, -0.5], vec![0.5, -0.5]),
            (2, vec![0.5, 0.0, -1.0, 1.0, 0.75], vec![0.25, 0.0]),
            (4, vec![1.0, 0.0, 0.0, 0.0], vec![0.25]),
        ] {
            let mut mono = Vec::new();
            extend_mono(&mut mono, &interleaved, channels);
            assert_eq!(mono, expected, "{channels} channels");
        }
    }

    #[test]
    fn durations_follow_the_rate() {
        assert_eq!(duration_of(24_000, SPEECH_RATE_HZ), Duration::from_millis(1_500));
        assert_eq!(duration_of(1, 0), Duration::ZERO);
    }
}
