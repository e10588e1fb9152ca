//! How loud a recording is in each band of hearing, frame by frame.

use std::f32::consts::PI;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Milliseconds from one frame to the next: a fifth of the shortest sounds of speech.
pub(super) const FRAME_MS: u32 = 10;
/// Milliseconds that a frame looks at.
const WINDOW_MS: u32 = 32;
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
#[derive(Debug, Clone, Default)]
pub(super) struct Spectrum {
    /// The power of each band of each frame.
    pub(super) frames: Vec<[f32; BANDS]>,
    /// The power of each frame in all bands.
    power: Vec<f32>,
}

/// How many samples a recording has in a second. The frames are the same at either rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeardRate {
    /// 16 kHz, at which recordings are decoded.
    Hz16000,
    /// 24 kHz, at which they are streamed.
    Hz24000,
}

/// A recording that is still being heard.
pub(super) struct Listener {
    analysis: &'static Analysis,
    /// Samples from the start of the next frame on.
    pending: Vec<i16>,
    samples: Vec<f32>,
    bins: Vec<Complex<f32>>,
    spectrum: Spectrum,
}

/// What takes a frame apart, at one rate.
struct Analysis {
    window: Vec<f32>,
    hop: usize,
    bands: [Vec<(usize, f32)>; BANDS],
    fft: Arc<dyn RealToComplex<f32>>,
}

impl HeardRate {
    pub(super) fn hz(self) -> u32 {
        match self {
            Self::Hz16000 => 16_000,
            Self::Hz24000 => 24_000,
        }
    }

    fn analysis(self) -> &'static Analysis {
        static AT_16000: LazyLock<Analysis> = LazyLock::new(|| Analysis::new(HeardRate::Hz16000));
        static AT_24000: LazyLock<Analysis> = LazyLock::new(|| Analysis::new(HeardRate::Hz24000));
        match self {
            Self::Hz16000 => &AT_16000,
            Self::Hz24000 => &AT_24000,
        }
    }
}

impl Analysis {
    fn new(rate: HeardRate) -> Self {
        let samples = |milliseconds: u32| (rate.hz() * milliseconds / 1_000) as usize;
        let window = samples(WINDOW_MS);
        let weight = |index: usize| 0.5 - 0.5 * (2.0 * PI * index as f32 / window as f32).cos();
        Self {
            window: (0..window).map(weight).collect(),
            hop: samples(FRAME_MS),
            bands: mel_bands(rate.hz() as f32 / window as f32, window / 2),
            fft: RealFftPlanner::new().plan_fft_forward(window),
        }
    }
}

impl Listener {
    pub(super) fn new(rate: HeardRate) -> Self {
        let analysis = rate.analysis();
        Self {
            analysis,
            pending: Vec::new(),
            samples: analysis.fft.make_input_vec(),
            bins: analysis.fft.make_output_vec(),
            spectrum: Spectrum::default(),
        }
    }

    /// Takes samples, and hears every frame that is whole.
    pub(super) fn hear(&mut self, pcm: &[i16]) {
        self.pending.extend_from_slice(pcm);
        let mut start = 0;
        while start + self.analysis.window.len() <= self.pending.len() {
            self.frame(start);
            start += self.analysis.hop;
        }
        self.pending.drain(..start);
    }

    /// What was heard so far, up to the last whole frame.
    pub(super) fn so_far(&self) -> &Spectrum {
        &self.spectrum
    }

    /// What was heard, with the frames at the end that silence fills up.
    pub(super) fn finish(mut self) -> Spectrum {
        for start in (0..self.pending.len()).step_by(self.analysis.hop) {
            self.frame(start);
        }
        self.spectrum
    }

    fn frame(&mut self, start: usize) {
        let analysis = self.analysis;
        self.samples.fill(0.0);
        let heard = self.pending[start..].iter().zip(&analysis.window);
        for (sample, (heard, weight)) in self.samples.iter_mut().zip(heard) {
            *sample = f32::from(*heard) / 32_768.0 * weight;
        }
        analysis
            .fft
            .process(&mut self.samples, &mut self.bins)
            .expect("the buffers were made for this transform");
        let window = analysis.window.len() as f32;
        let band = |band: &Vec<(usize, f32)>| -> f32 {
            band.iter()
                .map(|(bin, weight)| self.bins[*bin].norm_sqr() * weight / (window * window))
                .sum()
        };
        let frame = std::array::from_fn(|index| band(&analysis.bands[index]));
        self.spectrum.power.push(frame.iter().sum());
        self.spectrum.frames.push(frame);
    }
}

impl Spectrum {
    /// The frames of a whole recording, 16 kHz mono.
    pub(super) fn of(pcm: &[i16]) -> Self {
        let mut listener = Listener::new(HeardRate::Hz16000);
        listener.hear(pcm);
        listener.finish()
    }

    /// The sounds between pauses within a range.
    pub(super) fn sounds_in(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut sounds: Vec<Range<usize>> = Vec::new();
        for frame in self.loud_frames(range) {
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
fn mel_bands(bin_hz: f32, bin_max: usize) -> [Vec<(usize, f32)>; BANDS] {
    let mel = |hz: f32| 1_127.0 * (1.0 + hz / 700.0).ln();
    let hz = |mel: f32| 700.0 * ((mel / 1_127.0).exp() - 1.0);
    let (low, high) = (mel(LOW_HZ), mel(HIGH_HZ));
    let edge = |index: usize| hz(low + (high - low) * index as f32 / (BANDS + 1) as f32);
    std::array::from_fn(|band| {
        let (left, centre, right) = (edge(band), edge(band + 1), edge(band + 2));
        (0..=bin_max)
            .filter_map(|bin| {
                let at = bin as f32 * bin_hz;
                let weight = ((at - left) / (centre - left)).min((right - at) / (right - centre));
                (weight > 0.0).then_some((bin, weight))
            })
            .collect()
    })
}
