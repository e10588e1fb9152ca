//! What hearing and speaking cost the simulator, in processor time: `cargo run --release -p greenroom-loadtest
//! --example voice_cost` (Linux, whose kernel counts the time of each thread).
#![allow(
    clippy::cast_precision_loss,
    reason = "counts of samples and nanoseconds are far below the limits"
)]

use std::hint::black_box;
use std::time::Duration;

use anyhow::Context as _;
use greenroom_audio::MonoResampler;
use greenroom_audio::pcm::{extend_f32, extend_i16};
use loadtest::voice::recognise::{HeardRate, Recogniser};
use loadtest::voice::synthesise::{Speed, Voice, synthesise};
use loadtest::voice::utterances::{Utterance, shipped};

/// How often each thing is done.
const ROUNDS: u32 = 50;
const SENTENCES: [&str; 3] = [
    "Thank you. What makes your product different from the others on the market?",
    "It costs $25, and we launch next week.",
    "제품 이름은 루미세럼이고 가격은 이만구천 원입니다.",
];

fn main() -> anyhow::Result<()> {
    let recogniser = Recogniser::of_shipped();
    let recordings: Vec<Vec<i16>> = shipped().iter().map(Utterance::pcm).collect();
    let mut worst = (Duration::ZERO, "");
    let mut whole = Duration::ZERO;
    for (utterance, pcm) in shipped().iter().zip(&recordings) {
        let took = processor_time(|| {
            for _ in 0..ROUNDS {
                black_box(recogniser.recognise(black_box(pcm)));
            }
        })? / ROUNDS;
        println!(
            "recognise {:24} {:5.1} s {took:9.3?}",
            utterance.id,
            pcm.len() as f64 / 16_000.0
        );
        whole += took;
        worst = worst.max((took, &utterance.id));
    }
    let mean = whole / u32::try_from(recordings.len())?;
    println!(
        "recognise: mean {mean:.3?} an utterance, worst {:.3?} ({})",
        worst.0, worst.1
    );
    follow(&recogniser, &recordings)?;
    for text in SENTENCES {
        let mut samples = 0;
        let took = processor_time(|| {
            for _ in 0..ROUNDS {
                samples = synthesise(text, Voice::Alloy, Speed::NORMAL)
                    .map(|chunk| chunk.len())
                    .sum();
            }
        })? / ROUNDS;
        let seconds = samples as f64 / 24_000.0;
        println!(
            "synthesise: {:.3?} a second of speech ({seconds:.1} s)",
            took.div_f64(seconds)
        );
    }
    Ok(())
}

/// Hears every recording as it is streamed, 20 ms after 20 ms, and recognises it at its end.
fn follow(recogniser: &Recogniser, recordings: &[Vec<i16>]) -> anyhow::Result<()> {
    let (mut whole, mut seconds) = (Duration::ZERO, 0.0);
    for pcm in recordings {
        let mut floats = Vec::new();
        extend_f32(&mut floats, pcm);
        let mut resampler = MonoResampler::new(16_000, 24_000)?;
        let mut streamed = Vec::new();
        resampler.push(&floats, &mut streamed);
        resampler.finish(&mut streamed);
        let mut samples = Vec::new();
        extend_i16(&mut samples, &streamed);
        whole += processor_time(|| {
            for _ in 0..ROUNDS {
                let mut listening = recogniser.listen(HeardRate::Hz24000);
                for frame in samples.chunks(480) {
                    listening.hear(frame);
                    black_box(listening.said(Duration::ZERO));
                }
                black_box(listening.finish());
            }
        })? / ROUNDS;
        seconds += samples.len() as f64 / 24_000.0;
    }
    let mean = whole / u32::try_from(recordings.len())?;
    println!(
        "follow and recognise: mean {mean:.3?} an utterance, {:.3?} a second of it",
        whole.div_f64(seconds)
    );
    Ok(())
}

/// The processor time that this thread spends on the work.
fn processor_time(work: impl FnOnce()) -> anyhow::Result<Duration> {
    let spent = || -> anyhow::Result<u64> {
        let counted = std::fs::read_to_string("/proc/thread-self/schedstat")?;
        let nanoseconds = counted
            .split_whitespace()
            .next()
            .context("the kernel counts no time")?;
        Ok(nanoseconds.parse()?)
    };
    let before = spent()?;
    work();
    Ok(Duration::from_nanos(spent()? - before))
}
