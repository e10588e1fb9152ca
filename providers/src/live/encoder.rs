//! One utterance on its way out: from the rate of all speech here to the provider's, in pieces of a good size.

use greenroom_audio::MonoResampler;
use greenroom_audio::pcm::{SPEECH_RATE_HZ, extend_f32, extend_i16};

use super::wire::WIRE_RATE_HZ;

/// Samples of a piece, at least: 100 ms. Every message costs the system and TLS the same, however short it is, and words
/// come every 200 ms at best.
const PIECE_SAMPLES_MIN: usize = WIRE_RATE_HZ as usize / 10;
/// Samples of a piece, at most: half a second, 32 kB on the wire.
const PIECE_SAMPLES_MAX: usize = WIRE_RATE_HZ as usize / 2;
/// Samples of an utterance, at least: 100 ms. OpenAI refuses less than that, so silence makes up for it.
const UTTERANCE_SAMPLES_MIN: usize = WIRE_RATE_HZ as usize / 10;

/// Takes speech at [`SPEECH_RATE_HZ`], gives it at [`WIRE_RATE_HZ`].
pub(super) struct Encoder {
    resampler: MonoResampler,
    /// What is less than a piece.
    pending: Vec<i16>,
    floats_in: Vec<f32>,
    floats_out: Vec<f32>,
    given: usize,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            resampler: MonoResampler::new(SPEECH_RATE_HZ, WIRE_RATE_HZ)
                .expect("both rates are within the range"),
            pending: Vec::new(),
            floats_in: Vec::new(),
            floats_out: Vec::new(),
            given: 0,
        }
    }

    /// Takes more of the utterance; gives what is worth a message.
    pub(super) fn push(&mut self, speech: &[i16]) -> Vec<Vec<i16>> {
        self.floats_in.clear();
        extend_f32(&mut self.floats_in, speech);
        self.floats_out.clear();
        self.resampler.push(&self.floats_in, &mut self.floats_out);
        extend_i16(&mut self.pending, &self.floats_out);
        let mut pieces = Vec::new();
        while self.pending.len() >= PIECE_SAMPLES_MIN {
            pieces.push(self.piece());
        }
        pieces
    }

    /// The utterance is complete; gives its rest. Of one that nothing was said in, nothing.
    pub(super) fn finish(mut self) -> Vec<Vec<i16>> {
        self.floats_out.clear();
        self.resampler.finish(&mut self.floats_out);
        extend_i16(&mut self.pending, &self.floats_out);
        let total = self.given + self.pending.len();
        if (1..UTTERANCE_SAMPLES_MIN).contains(&total) {
            self.pending.resize(UTTERANCE_SAMPLES_MIN - self.given, 0);
        }
        let pieces = self.pending.chunks(PIECE_SAMPLES_MAX);
        pieces.map(<[i16]>::to_vec).collect()
    }

    fn piece(&mut self) -> Vec<i16> {
        let rest = self.pending.split_off(self.pending.len().min(PIECE_SAMPLES_MAX));
        let piece = std::mem::replace(&mut self.pending, rest);
        self.given += piece.len();
        piece
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(pushes: &[usize]) -> Vec<Vec<i16>> {
        let mut encoder = Encoder::new();
        let mut pieces = Vec::new();
        for samples in pushes {
            pieces.extend(encoder.push(&vec![1_000; *samples]));
        }
        pieces.extend(encoder.finish());
        pieces
    }

    fn lengths(pushes: &[usize]) -> Vec<usize> {
        encoded(pushes).iter().map(Vec::len).collect()
    }

    #[test]
    fn speech_goes_out_in_pieces_of_a_tenth_to_half_of_a_second() {
        assert_eq!(lengths(&[]), Vec::<usize>::new());
        assert_eq!(lengths(&[0, 0]), Vec::<usize>::new());
        // 300 ms in frames of 20 ms; the filter holds back some, which comes with the rest.
        let frames = lengths(&[320; 15]);
        let (rest, pieces) = frames.split_last().unwrap();
        assert_eq!(pieces.iter().sum::<usize>() + rest, 7_200);
        assert!(
            pieces.iter().all(|length| (2_400..2_880).contains(length)),
            "{frames:?}"
        );
        // Ten seconds at once.
        let burst = lengths(&[160_000]);
        assert_eq!(burst.iter().sum::<usize>(), 240_000);
        assert!(burst.iter().all(|length| *length <= 12_000), "{burst:?}");
    }

    #[test]
    fn what_is_too_short_to_be_taken_is_followed_by_silence() {
        assert_eq!(lengths(&[1]), [2_400]);
        assert_eq!(lengths(&[1_599]), [2_400]);
        assert_eq!(lengths(&[1_600]), [2_400]);
        let short = encoded(&[16]).concat();
        assert!(short[24..].iter().all(|sample| *sample == 0));
        assert!(short[..24].iter().any(|sample| *sample > 500));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn nothing_is_lost_however_it_comes(pushes in prop::collection::vec(0_usize..4_000, 0..12)) {
            let samples: usize = pushes.iter().sum();
            let expected = match (samples * 3).div_ceil(2) {
                0 => 0,
                total => total.max(UTTERANCE_SAMPLES_MIN),
            };
            prop_assert_eq!(lengths(&pushes).iter().sum::<usize>(), expected);
        }
    }
}
