//! A voice: a formant synthesiser after Klatt (1980). Pulses of the glottis and breath go through five resonators in a
//! row; the noise of consonants goes past them through one of its own.

use std::f32::consts::PI;

use super::phones::{Manner, Phone};
use crate::voice::encode::SPEECH_OUT_RATE_HZ;

const RATE: f32 = SPEECH_OUT_RATE_HZ as f32;
/// Samples between two settings of the resonators: 2.5 ms.
const FRAME: usize = 60;
const FRAME_MS: f32 = 2.5;
/// Frames on each side over which the tongue moves, and over which voice and noise fade: 30 ms and 5 ms.
const TONGUE_FRAMES: usize = 12;
const FADE_FRAMES: usize = 2;
/// The upper formants, which hardly move, and the widths of all five.
const UPPER_HZ: [f32; 2] = [3_500.0, 4_500.0];
const WIDTHS_HZ: [f32; 5] = [70.0, 90.0, 130.0, 220.0, 280.0];
const NOISE_WIDTH_HZ: f32 = 1_400.0;
/// How much the noise of consonants is raised to be as loud beside a vowel as it is in speech.
const NOISE_GAIN: f32 = 4.0;
/// The part of a period in which the glottis is open.
const OPEN: f32 = 0.62;
/// How loud the loudest sample is, of full scale.
const LOUDEST: f32 = 0.6;

/// What makes one voice differ from another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Timbre {
    pub(super) pitch_hz: f32,
    /// The formants relative to those of a grown man: shorter throats sound higher.
    pub(super) throat: f32,
    pub(super) rate: f32,
    /// How much breath is in the voice.
    pub(super) breath: f32,
}

/// A sound with what the sentence makes of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Note {
    pub(super) phone: &'static Phone,
    pub(super) duration_ms: f32,
    /// Relative to the voice's own.
    pub(super) pitch: f32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    formants_hz: [f32; 3],
    pitch_hz: f32,
    voice: f32,
    breath: f32,
    noise: f32,
    noise_hz: f32,
}

/// What is said, at 24 kHz.
pub(super) fn speak(notes: &[Note], timbre: Timbre) -> Vec<i16> {
    let mut steps = Vec::new();
    for note in notes {
        push_frames(&mut steps, note, timbre);
    }
    let frames = smooth(&steps);
    let mut glottis = 0.0;
    let mut noise = Noise(0x2545_f491);
    let mut throat = [Resonator::default(); 5];
    let mut teeth = Resonator::default();
    let mut samples = Vec::with_capacity(frames.len() * FRAME);
    for frame in &frames {
        let [first, second, third] = frame.formants_hz;
        let formants_hz = [first, second, third, UPPER_HZ[0], UPPER_HZ[1]];
        for ((resonator, hz), width_hz) in throat.iter_mut().zip(formants_hz).zip(WIDTHS_HZ) {
            resonator.tune(hz * timbre.throat, width_hz);
        }
        teeth.tune(frame.noise_hz.max(500.0) * timbre.throat.sqrt(), NOISE_WIDTH_HZ);
        for _ in 0..FRAME {
            glottis = (glottis + frame.pitch_hz / RATE).fract();
            let hiss = noise.next();
            let is_open = glottis < OPEN;
            let opening = glottis / OPEN;
            // The slope of the flow: it rises slowly and is cut off.
            let pulse = if is_open {
                2.0 * opening - 3.0 * opening * opening
            } else {
                0.0
            };
            let breath = hiss * (frame.breath + frame.voice * timbre.breath * f32::from(is_open));
            let source = pulse * frame.voice + breath;
            let voiced = throat
                .iter_mut()
                .fold(source, |sound, resonator| resonator.ring(sound));
            samples.push(voiced + teeth.ring(hiss * frame.noise) * NOISE_GAIN);
        }
    }
    scaled(&samples)
}

/// The settings that a sound aims at, step by step.
fn push_frames(steps: &mut Vec<Frame>, note: &Note, timbre: Timbre) {
    let phone = note.phone;
    let count = (note.duration_ms / FRAME_MS).round().max(1.0) as usize;
    for index in 0..count {
        let at = index as f32 / count as f32;
        let formants_hz = match phone.glide_hz {
            Some(glide_hz) if at > 0.45 => glide_hz,
            Some(_) | None => phone.formants_hz,
        };
        let silent = Frame {
            formants_hz,
            pitch_hz: timbre.pitch_hz * note.pitch,
            noise_hz: phone.noise.0,
            ..Frame::default()
        };
        let voiced = f32::from(phone.is_voiced);
        steps.push(match phone.manner {
            Manner::Pause => silent,
            Manner::Vowel => Frame { voice: 1.0, ..silent },
            Manner::Sonorant => Frame {
                voice: 0.55,
                ..silent
            },
            // Breath alone is shaped by the throat, like a vowel.
            Manner::Fricative if phone.name == "HH" => Frame {
                breath: phone.noise.1,
                ..silent
            },
            Manner::Fricative => Frame {
                voice: 0.3 * voiced,
                noise: phone.noise.1,
                ..silent
            },
            Manner::Plosive if at < 0.6 => Frame {
                voice: 0.12 * voiced,
                ..silent
            },
            Manner::Plosive if at < 0.8 => Frame {
                voice: 0.2 * voiced,
                noise: phone.noise.1,
                ..silent
            },
            Manner::Plosive => Frame {
                voice: 0.5 * voiced,
                breath: 0.08 * (1.0 - voiced),
                ..silent
            },
        });
    }
}

/// Nothing in a mouth jumps: every setting is the mean of its neighbours.
fn smooth(steps: &[Frame]) -> Vec<Frame> {
    let mean = |index: usize, reach: usize, of: &dyn Fn(&Frame) -> f32| {
        let around = &steps[index.saturating_sub(reach)..steps.len().min(index + reach + 1)];
        around.iter().map(of).sum::<f32>() / around.len() as f32
    };
    let frame = |index: usize| Frame {
        formants_hz: std::array::from_fn(|formant| {
            mean(index, TONGUE_FRAMES, &|step| step.formants_hz[formant])
        }),
        pitch_hz: mean(index, 2 * TONGUE_FRAMES, &|step| step.pitch_hz),
        voice: mean(index, FADE_FRAMES, &|step| step.voice),
        breath: mean(index, FADE_FRAMES, &|step| step.breath),
        noise: mean(index, FADE_FRAMES / 2, &|step| step.noise),
        noise_hz: steps[index].noise_hz,
    };
    (0..steps.len()).map(frame).collect()
}

fn scaled(samples: &[f32]) -> Vec<i16> {
    let loudest = samples
        .iter()
        .fold(f32::EPSILON, |loudest, sample| loudest.max(sample.abs()));
    let gain = LOUDEST * f32::from(i16::MAX) / loudest;
    samples.iter().map(|sample| (sample * gain) as i16).collect()
}

/// A formant: a second-order resonator with a gain of 1 at 0 Hz.
#[derive(Debug, Clone, Copy, Default)]
struct Resonator {
    gain: f32,
    once: f32,
    twice: f32,
    before: f32,
    long_before: f32,
}

impl Resonator {
    fn tune(&mut self, hz: f32, width_hz: f32) {
        let radius = (-PI * width_hz / RATE).exp();
        self.twice = -radius * radius;
        self.once = 2.0 * radius * (2.0 * PI * hz / RATE).cos();
        self.gain = 1.0 - self.once - self.twice;
    }

    fn ring(&mut self, sound: f32) -> f32 {
        let out = self.gain * sound + self.once * self.before + self.twice * self.long_before;
        self.long_before = self.before;
        self.before = out;
        out
    }
}

/// White noise, the same in every run (xorshift).
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as f32 / u32::MAX as f32 * 2.0 - 1.0
    }
}
