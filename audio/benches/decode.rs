//! How fast each format is decoded, against real time, and what the largest upload takes in memory.
//!
//! `cargo bench -p greenroom-audio --bench decode`. Each format is the same two seconds of speech, so that what
//! opening a file costs is in the figures; the best of many rounds counts.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use greenroom_audio::ogg_opus::encode_ogg_opus;
use greenroom_audio::wav::wav_header;
use greenroom_audio::{
    DecodeLimits, Decoded, MonoResampler, SPEECH_RATE_HZ, UPLOAD_BYTES_MAX, Upload, decode, pcm,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A measurement takes this long at least, so that a short file is not measured by its opening alone.
const MEASURED_MIN: Duration = Duration::from_millis(600);
/// What a socket gives at a time.
const CHUNK_BYTES: usize = 16 * 1024;

const FIXTURES: &[&str] = &[
    "reference.wav",
    "wav-mulaw-8k.wav",
    "wav-s24-11k.wav",
    "flac.flac",
    "mp3.mp3",
    "mp3-id3-stereo.mp3",
    "aac.m4a",
    "aac-fragmented-stereo.mp4",
    "vorbis.ogg",
    "vorbis-stereo.webm",
    "opus.ogg",
    "opus-120ms.ogg",
    "opus-2.5ms.ogg",
    "opus.webm",
    "opus-stereo-60ms.webm",
    "opus.mp4",
    "mediarecorder-opus.webm",
    "mediarecorder-opus.mp4",
];

fn fixture(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    Bytes::from(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn decoded(upload: Upload) -> Decoded {
    decode(upload, &DecodeLimits::default(), &|| false).expect("it is a valid file")
}

/// How often the work fits in the time that it takes, of what lasts `real_time`.
fn times_real_time(real_time: Duration, mut work: impl FnMut()) -> f64 {
    work();
    let started = Instant::now();
    let mut best = Duration::MAX;
    while started.elapsed() < MEASURED_MIN {
        let round = Instant::now();
        work();
        best = best.min(round.elapsed());
    }
    real_time.as_secs_f64() / best.as_secs_f64()
}

fn measure_formats() {
    println!(
        "{:28} {:>9} {:>9} {:>16}",
        "decode", "KiB", "seconds", "times real time"
    );
    for name in FIXTURES {
        let file = fixture(name);
        let duration = decoded(Upload::from(file.clone())).duration();
        let times = times_real_time(duration, || {
            decoded(Upload::from(file.clone()));
        });
        let (kib, seconds) = (file.len() / 1024, duration.as_secs_f64());
        println!("{name:28} {kib:>9} {seconds:>9.1} {times:>16.0}");
    }
}

fn measure_encoding_and_resampling() {
    let speech = pcm::from_le_bytes(&fixture("reference.wav")[44..]);
    let duration = pcm::duration_of(speech.len(), SPEECH_RATE_HZ);
    let times = times_real_time(duration, || {
        encode_ogg_opus(&speech, SPEECH_RATE_HZ, 1).expect("16 kHz is a rate of Opus");
    });
    println!("\n{:28} {times:>36.0}", "encode Ogg/Opus");
    for rate_hz in [8_000, 24_000, 44_056, 44_100, 48_000] {
        let second = vec![0.1; rate_hz as usize];
        let times = times_real_time(Duration::from_secs(1), || {
            let mut out = Vec::new();
            let mut resampler = MonoResampler::new(rate_hz, SPEECH_RATE_HZ).expect("a rate in range");
            resampler.push(&second, &mut out);
            resampler.finish(&mut out);
        });
        println!("{:28} {times:>36.0}", format!("resample {rate_hz} to 16000"));
    }
}

/// The largest upload that is taken: 25 MiB of stereo WAV at 44.1 kHz, two and a half minutes.
fn measure_memory() {
    let rate_hz = 44_100;
    let mut header = wav_header(UPLOAD_BYTES_MAX - 44, rate_hz);
    header[22..24].copy_from_slice(&2_u16.to_le_bytes());
    header[28..32].copy_from_slice(&(rate_hz * 4).to_le_bytes());
    header[32..34].copy_from_slice(&4_u16.to_le_bytes());
    let before = MEMORY.current_usage();
    let mut upload = Upload::new(UPLOAD_BYTES_MAX);
    upload
        .push(Bytes::copy_from_slice(&header))
        .expect("a header fits");
    while upload.len_bytes() < UPLOAD_BYTES_MAX {
        let chunk = vec![1; CHUNK_BYTES.min(UPLOAD_BYTES_MAX - upload.len_bytes())];
        upload.push(Bytes::from(chunk)).expect("it is not full yet");
    }
    let held = MEMORY.current_usage() - before;
    MEMORY.reset_peak_usage();
    let started = Instant::now();
    let decoded = decoded(upload);
    let took = started.elapsed();
    let peak = MEMORY.peak_usage() - before;
    #[expect(clippy::cast_precision_loss, reason = "bytes to be printed")]
    let mib = |bytes: usize| bytes as f64 / 1_048_576.0;
    println!(
        "\n25 MiB of stereo WAV at 44.1 kHz: {:.0} s of speech in {took:.0?}; held before {:.1} MiB, peak {:.1} MiB, \
         of which speech {:.1} MiB",
        decoded.duration().as_secs_f64(),
        mib(held),
        mib(peak),
        mib(decoded.pcm.len() * 2),
    );
}

fn main() {
    measure_memory();
    measure_formats();
    measure_encoding_and_resampling();
}
