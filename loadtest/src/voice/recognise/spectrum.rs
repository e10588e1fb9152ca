//! How loud a recording is in each band of hearing, frame by frame.

use std::f32::consts::PI;
use std::ops::Range;

use greenroom_audio::SPEECH_RATE_HZ;
use realfft::RealFftPlanner;

/// Samples from one frame to the next: 10 ms, a fifth of the shortest sounds of speech.
pub(super) const HOP: usize = 160;
/// Milliseconds of one frame.
pub(super) const FRAME_MS: u32 = 10;
/// Samples that a frame looks at: 32 ms.
const WINDOW: usize = 512;
/// Bands in which a frame is heard.
pub(super) const BANDS: usize = 20;
/// The bands end below what a recording at 8 kHz still has, so that it sounds the same as one at 48 kHz.
const LOW_HZ: f32 = 120.0;
const HIGH_HZ: f32 = 3_600.0;
/// A recording whose loudest frame is below this power (of full scale, about -66 dB) says nothing.
const AUDIBLE_POWER: f32 = 2.5e-7;
/// What is this far (25 dB) below the loudest frame is a pause: above white noise at a signal-to-noise ratio of 20 dB,
/// of which half lies outside the bands, and below vowels without stress.
const PAUSE_POWER: f32 = 3.2e-3;
/// A shorter pause is part of speech: closures of plosives, commas.
const PAUSE_FRAMES_MIN: usize = 35;
/// A shorter sound is a click.
const SOUND_FRAMES_MIN: usize = 8;

/// A recording as it is heard.
#[derive(Debug, Clone)]
pub(super) struct Spectrum {
    /// The power of each band of each frame.
    pub(super) frames: Vec<[f32; BANDS]>,
    /// The power of each frame in all bands.
    power: Vec<f32>,
}

impl Spectrum {
    pub(super) fn of(pcm: &[i16]) -> Self {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(WINDOW);
        let window: Vec<f32> = (0..WINDOW)
            .map(|index| 0.5 - 0.5 * (2.0 * PI * index as f32 / WINDOW as f32).cos())
            .collect();
        let bands = mel_bands();
        let mut samples = fft.make_input_vec();
        let mut spectrum = fft.make_output_vec();
        let mut frames = Vec::with_capacity(pcm.len() / HOP + 1);
        for start in (0..pcm.len()).step_by(HOP) {
            let heard = &pcm[start..pcm.len().min(start + WINDOW)];
            samples.fill(0.0);
            for ((sample, heard), weight) in samples.iter_mut().zip(heard).zip(&window) {
                *sample = f32::from(*heard) / 32_768.0 * weight;
            }
            fft.process(&mut samples, &mut spectrum)
                .expect("the buffers were made for this transform");
            let scale = 1.0 / (WINDOW * WINDOW) as f32;
            let powers: Vec<f32> = spectrum.iter().map(|bin| bin.norm_sqr() * scale).collect();
            frames.push(std::array::from_fn(|band| {
                bands[band]
                    .iter()
                    .map(|(bin, weight)| powers[*bin] * weight)
                    .sum()
            }));
        }
        let power = frames
            .iter()
            .map(|frame: &[f32; BANDS]| frame.iter().sum())
            .collect();
        Self { frames, power }
    }

    /// The sounds between pauses, in frames.
    pub(super) fn sounds(&self) -> Vec<Range<usize>> {
        let mut sounds: Vec<Range<usize>> = Vec::new();
        for frame in self.loud_frames(0..self.frames.len()) {
            match sounds.last_mut() {
                Some(sound) if frame < sound.end + PAUSE_FRAMES_MIN => sound.end = frame + 1,
                Some(_) | None => sounds.push(frame..frame + 1),
            }
        }
        sounds.retain(|sound| sound.len() >= SOUND_FRAMES_MIN);
        sounds
    }

    /// A range without the quiet at its ends.
    pub(super) fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let mut loud = self.loud_frames(range.clone());
        let Some(first) = loud.next() else {
            return range.start..range.start;
        };
        first..loud.last().unwrap_or(first) + 1
    }

    fn loud_frames(&self, range: Range<usize>) -> impl Iterator<Item = usize> {
        let loudest = self.power[range.clone()].iter().copied().fold(0.0, f32::max);
        let floor = (loudest * PAUSE_POWER).max(AUDIBLE_POWER * PAUSE_POWER);
        range.filter(move |frame| loudest >= AUDIBLE_POWER && self.power[*frame] > floor)
    }
}

/// The bins of each band with their weights: triangles, evenly spaced in mel.
fn mel_bands() -> [Vec<(usize, f32)>; BANDS] {
    let mel = |hz: f32| 1_127.0 * (1.0 + hz / 700.0).ln();
    let hz = |mel: f32| 700.0 * ((mel / 1_127.0).exp() - 1.0);
    let (low, high) = (mel(LOW_HZ), mel(HIGH_HZ));
    let edge = |index: usize| hz(low + (high - low) * index as f32 / (BANDS + 1) as f32);
    let bin_hz = SPEECH_RATE_HZ as f32 / WINDOW as f32;
    std::array::from_fn(|band| {
        let (left, centre, right) = (edge(band), edge(band + 1), edge(band + 2));
        (0..=WINDOW / 2)
            .filter_map(|bin| {
                let at = bin as f32 * bin_hz;
                let weight = ((at - left) / (centre - left)).min((right - at) / (right - centre));
                (weight > 0.0).then_some((bin, weight))
            })
            .collect()
    })
}
