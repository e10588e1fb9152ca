//! What it costs to frame a voice for a client: CPU and memory, by codec and rate.
//!
//! `cargo bench -p greenroom-audio --bench mouth`

#![expect(clippy::cast_precision_loss, reason = "bytes of a minute at most")]

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use greenroom_audio::mouth::{OutputCodec, OutputFormat, SpeechFramer, VOICE_RATE_HZ};
use greenroom_audio::{DecodeLimits, MonoResampler, SPEECH_RATE_HZ, Upload, decode, pcm};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A measurement takes this long at least; its best round counts.
const MEASURED_MIN: Duration = Duration::from_millis(400);
/// How many framers are made to see what one holds.
const FRAMERS: usize = 20;
/// Pieces as a provider's stream brings them, in samples: 100 ms.
const PIECE: usize = 2_400;

/// A sentence at the rate of voices.
fn voice() -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/utterances/brief-05-price.flac");
    let file = std::fs::read(path).expect("the recording ships");
    let decoded = decode(Upload::from(Bytes::from(file)), &DecodeLimits::default(), &|| {
        false
    });
    let mut resampler = MonoResampler::new(SPEECH_RATE_HZ, VOICE_RATE_HZ).expect("two rates of speech");
    let (mut floats, mut at_24k, mut voice) = (Vec::new(), Vec::new(), Vec::new());
    pcm::extend_f32(&mut floats, &decoded.expect("a recording that ships").pcm);
    resampler.push(&floats, &mut at_24k);
    resampler.finish(&mut at_24k);
    pcm::extend_i16(&mut voice, &at_24k);
    voice
}

fn main() {
    let voice = voice();
    let seconds = pcm::duration_of(voice.len(), VOICE_RATE_HZ).as_secs_f64();
    println!("{:20} {:>8} {:>8} {:>8}", "", "CPU-ms/s", "KiB held", "kbit/s");
    for (codec, rate_hz) in [
        (OutputCodec::PcmS16le, 8_000),
        (OutputCodec::PcmS16le, 16_000),
        (OutputCodec::PcmS16le, 24_000),
        (OutputCodec::PcmS16le, 44_100),
        (OutputCodec::PcmS16le, 48_000),
        (OutputCodec::Opus, 8_000),
        (OutputCodec::Opus, 16_000),
        (OutputCodec::Opus, 48_000),
    ] {
        let format = OutputFormat::new(codec, rate_hz).expect("a rate of the codec");
        let mut spoken = Vec::new();
        let mut best = Duration::MAX;
        let started = Instant::now();
        while started.elapsed() < MEASURED_MIN || best == Duration::MAX {
            let mut framer = SpeechFramer::new(format);
            spoken.clear();
            let round = Instant::now();
            for piece in voice.chunks(PIECE) {
                framer.push(piece, &mut spoken);
            }
            framer.finish(&mut spoken);
            best = best.min(round.elapsed());
        }
        let bytes: usize = spoken.iter().map(|frame| frame.bytes.len()).sum();
        println!(
            "{:20} {:>8.3} {:>8.1} {:>8.1}",
            format!("{codec:?} {rate_hz}"),
            best.as_secs_f64() * 1_000.0 / seconds,
            kib_held(format, &voice),
            bytes as f64 * 8.0 / 1_000.0 / seconds
        );
    }
}

/// What a framer holds in the middle of a voice.
fn kib_held(format: OutputFormat, voice: &[i16]) -> f64 {
    let before = MEMORY.current_usage();
    let framers: Vec<SpeechFramer> = (0..FRAMERS)
        .map(|_| {
            let mut framer = SpeechFramer::new(format);
            framer.push(&voice[..PIECE + 100], &mut Vec::new());
            framer
        })
        .collect();
    (MEMORY.current_usage() - before) as f64 / framers.len() as f64 / 1_024.0
}
