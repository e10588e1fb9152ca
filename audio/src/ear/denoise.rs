//! Takes steady noise out of speech, before anything listens to it.

use nnnoiseless::DenoiseState;

use crate::pcm::{sample_to_f32, sample_to_i16};
use crate::{MonoResampler, SPEECH_RATE_HZ};

/// The only rate that the network hears at, in samples per second.
const NETWORK_RATE_HZ: u32 = 48_000;
/// What the network takes at a time: 10 ms.
const NETWORK_FRAME: usize = DenoiseState::FRAME_SIZE;
/// The network takes floats in the range of 16-bit samples.
const NETWORK_SCALE: f32 = 32_768.0;

/// A recurrent network (`RNNoise`'s) between two changes of the rate. What comes out is aligned with what went in, and as
/// long; it comes out later, most of that the blocks of the resamplers.
pub(super) struct NoiseSuppressor {
    network: Network,
    /// `None` until samples come, and after a flush.
    passage: Option<Passage>,
    /// Scratch: one step's samples as floats.
    floats: Vec<f32>,
}

/// The way to the rate of the network and back, of one stretch between two flushes.
struct Passage {
    up: MonoResampler,
    down: MonoResampler,
    samples_in: usize,
    samples_out: usize,
}

struct Network {
    state: Box<DenoiseState<'static>>,
    /// At the rate of the network, less than a frame of it.
    pending: Vec<f32>,
    /// The network answers a frame late: its first answer belongs to the time before the stretch.
    first_answer_is_due: bool,
}

impl NoiseSuppressor {
    pub(super) fn new() -> Self {
        Self {
            network: Network {
                state: DenoiseState::new(),
                pending: Vec::new(),
                first_answer_is_due: true,
            },
            passage: None,
            floats: Vec::new(),
        }
    }

    /// Takes speech and appends to `clean` what can be said of it yet.
    pub(super) fn push(&mut self, speech: &[i16], clean: &mut Vec<i16>) {
        if speech.is_empty() {
            return;
        }
        let passage = self.passage.get_or_insert_with(Passage::new);
        passage.samples_in += speech.len();
        self.floats.clear();
        self.floats.extend(speech.iter().copied().map(sample_to_f32));
        passage.up.push(&self.floats, &mut self.network.pending);
        self.floats.clear();
        self.network.denoise(&mut passage.down, &mut self.floats);
        passage.samples_out += self.floats.len();
        clean.extend(self.floats.iter().copied().map(sample_to_i16));
    }

    /// Appends to `clean` what is still inside; the stream may go on afterwards.
    pub(super) fn flush(&mut self, clean: &mut Vec<i16>) {
        let Some(mut passage) = self.passage.take() else {
            return;
        };
        passage.up.finish(&mut self.network.pending);
        self.floats.clear();
        self.network.finish(&mut passage.down, &mut self.floats);
        passage.down.finish(&mut self.floats);
        // Less the silence that brought the last frames out.
        self.floats.truncate(passage.samples_in - passage.samples_out);
        clean.extend(self.floats.iter().copied().map(sample_to_i16));
    }
}

impl Passage {
    fn new() -> Self {
        let resampler = |from_hz, to_hz| {
            MonoResampler::new(from_hz, to_hz).expect("the rates of speech and of the network are in range")
        };
        Self {
            up: resampler(SPEECH_RATE_HZ, NETWORK_RATE_HZ),
            down: resampler(NETWORK_RATE_HZ, SPEECH_RATE_HZ),
            samples_in: 0,
            samples_out: 0,
        }
    }
}

impl Network {
    /// Takes all whole frames out of `pending`; the answers go down to `clean`.
    fn denoise(&mut self, down: &mut MonoResampler, clean: &mut Vec<f32>) {
        let mut answer = [0.0; NETWORK_FRAME];
        let (frames, rest) = self.pending.as_chunks_mut::<NETWORK_FRAME>();
        let rest = rest.len();
        for frame in frames {
            for sample in frame.iter_mut() {
                *sample *= NETWORK_SCALE;
            }
            self.state.process_frame(&mut answer, frame);
            if std::mem::take(&mut self.first_answer_is_due) {
                continue;
            }
            for sample in &mut answer {
                *sample /= NETWORK_SCALE;
            }
            down.push(&answer, clean);
        }
        self.pending.drain(..self.pending.len() - rest);
    }

    /// Brings out what is inside by silence: the rest of the last frame, and one frame more for the answer that is late.
    fn finish(&mut self, down: &mut MonoResampler, clean: &mut Vec<f32>) {
        let frames = self.pending.len().div_ceil(NETWORK_FRAME) + 1;
        self.pending.resize(frames * NETWORK_FRAME, 0.0);
        self.denoise(down, clean);
        self.first_answer_is_due = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn as_much_comes_out_as_went_in_however_it_is_cut_and_flushed(
            samples in prop::collection::vec(any::<i16>(), 0..6_000),
            piece in 1_usize..3_000,
            flush_after in 0_usize..4,
        ) {
            let mut suppressor = NoiseSuppressor::new();
            let mut clean = Vec::new();
            let mut pushed = 0;
            for (index, piece) in samples.chunks(piece).enumerate() {
                suppressor.push(piece, &mut clean);
                pushed += piece.len();
                if index == flush_after {
                    suppressor.flush(&mut clean);
                    prop_assert_eq!(clean.len(), pushed);
                }
            }
            suppressor.flush(&mut clean);
            prop_assert_eq!(clean.len(), samples.len());
        }
    }
}
