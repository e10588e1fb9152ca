//! Noises and sounds that are no speech, the same at every run.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "places in a scene, a minute or two"
)]

use std::f32::consts::TAU;

use greenroom_audio::SPEECH_RATE_HZ;
use greenroom_audio::pcm::{sample_to_f32, sample_to_i16};

const RATE: f32 = SPEECH_RATE_HZ as f32;

/// A noise that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// As strong at every frequency: hiss.
    White,
    /// As strong in every octave: rain, a fan, a street.
    Pink,
    /// 50 Hz and its overtones: a bad cable.
    Hum,
    /// Chords of plucked strings, two a second.
    Music,
    /// Four keystrokes a second.
    Clicks,
}

/// Random numbers from -1 to 1.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn sample(&mut self) -> f32 {
        sample_to_f32(((self.number() >> 48) as u16).cast_signed())
    }
}

impl Noise {
    pub fn samples(self, length: usize) -> Vec<i16> {
        let mut dice = Dice::new(0x9e37_79b9_7f4a_7c15);
        let floats: Vec<f32> = match self {
            Self::White => (0..length).map(|_| dice.sample()).collect(),
            Self::Pink => pink(length, &mut dice),
            Self::Hum => overtones(length),
            Self::Music => music(length),
            Self::Clicks => clicks(length, &mut dice),
        };
        floats.iter().map(|sample| sample_to_i16(sample * 0.2)).collect()
    }
}

/// The voice-like part of a cough: two bursts of noise through the resonances of a throat, without a tone.
pub fn cough() -> Vec<i16> {
    let mut dice = Dice::new(7);
    let mut sound = Vec::new();
    for (length, decay) in [(2_400, 500.0), (800, f32::INFINITY), (2_400, 900.0)] {
        let (mut low, mut band) = (0.0_f32, 0.0_f32);
        for index in 0..length {
            let loud = if decay == f32::INFINITY {
                0.0
            } else {
                (-index as f32 / decay).exp()
            };
            let input = dice.sample() * loud;
            // A resonance at about 1 kHz.
            let frequency = 2.0 * (TAU / 2.0 * 1_000.0 / RATE).sin();
            low += frequency * band;
            let high = input - low - 0.4 * band;
            band += frequency * high;
            sound.push(sample_to_i16((band + 0.3 * input) * 0.5));
        }
    }
    sound
}

/// Paul Kellet's filter: white noise to within half a decibel of pink.
fn pink(length: usize, dice: &mut Dice) -> Vec<f32> {
    let mut poles = [0.0_f32; 3];
    (0..length)
        .map(|_| {
            let white = dice.sample();
            for (pole, (decay, share)) in
                poles
                    .iter_mut()
                    .zip([(0.997_65, 0.099_046), (0.963, 0.296_516_4), (0.57, 1.052_691_3)])
            {
                *pole = decay * *pole + white * share;
            }
            (poles.iter().sum::<f32>() + white * 0.1848) * 0.3
        })
        .collect()
}

fn overtones(length: usize) -> Vec<f32> {
    let wave = |index: usize| {
        let time_s = index as f32 / RATE;
        [1.0, 3.0, 5.0, 7.0].map(|overtone: f32| (TAU * 50.0 * overtone * time_s).sin() / overtone)
    };
    (0..length).map(|index| wave(index).iter().sum()).collect()
}

fn music(length: usize) -> Vec<f32> {
    const CHORDS_HZ: [[f32; 3]; 4] = [
        [261.6, 329.6, 392.0],
        [220.0, 261.6, 329.6],
        [174.6, 220.0, 261.6],
        [196.0, 246.9, 293.7],
    ];
    let chord_samples = SPEECH_RATE_HZ as usize / 2;
    let wave = |index: usize| {
        let time_s = (index % chord_samples) as f32 / RATE;
        let tones = CHORDS_HZ[index / chord_samples % 4].iter().map(|tone_hz| {
            let partials = [1.0, 2.0, 3.0, 4.0].map(|partial: f32| {
                (TAU * tone_hz * partial * time_s).sin() * (-time_s * 2.0 * partial).exp() / partial
            });
            partials.iter().sum::<f32>()
        });
        tones.sum::<f32>() * (time_s * 200.0).min(1.0)
    };
    (0..length).map(wave).collect()
}

fn clicks(length: usize, dice: &mut Dice) -> Vec<f32> {
    let period = SPEECH_RATE_HZ as usize / 4;
    (0..length)
        .map(|index| dice.sample() * (-((index % period) as f32) / 40.0).exp())
        .collect()
}

pub fn decibels(level_db: f32) -> f32 {
    10_f32.powf(level_db / 20.0)
}

/// The root of the mean square, of full scale.
pub fn loudness(samples: &[i16]) -> f32 {
    let squares = samples
        .iter()
        .map(|sample| f64::from(sample_to_f32(*sample)).powi(2));
    (squares.sum::<f64>() / samples.len().max(1) as f64).sqrt() as f32
}

/// Adds a sound at a place, as far as there is room.
pub fn add_at(pcm: &mut [i16], place: usize, sound: &[i16], gain: f32) {
    for (sample, added) in pcm.iter_mut().skip(place).zip(sound) {
        *sample = sample_to_i16(sample_to_f32(*sample) + sample_to_f32(*added) * gain);
    }
}
