//! Thousands of fixtures with some of their bytes changed: no outcome but a clear one, in bounded time and memory.

mod speech;

use greenroom_audio::{DecodeError, SPEECH_RATE_HZ};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use speech::{decode_bytes, fixture};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A fixture has less than 70 kB, and a mutated one may last as long as anything may: five minutes of speech, 10 MB.
const PEAK_MB_MAX: f32 = 150.0;
/// How many mutants there are of each fixture.
const MUTANTS: u32 = 120;
/// Headers and tables are here, where a changed byte does most.
const HEADER_BYTES: usize = 600;

/// What happens to a file.
#[derive(Debug, Clone)]
enum Change {
    /// A byte is another one.
    Set(Index, u8),
    /// Four bytes are another number.
    Number(Index, u32),
    /// A stretch is missing.
    Cut(Index, u8),
    /// A stretch comes twice.
    Repeat(Index, u8),
    /// The rest is missing.
    Truncate(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![Just(0), Just(1), Just(u32::MAX), Just(0x8000_0000), any::<u32>()];
    prop_oneof![
        6 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        4 => (any::<Index>(), number).prop_map(|(at, number)| Change::Number(at, number)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, length)| Change::Cut(at, length)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, length)| Change::Repeat(at, length)),
        1 => any::<Index>().prop_map(Change::Truncate),
    ]
}

impl Change {
    /// Changes the file; within its header if `in_header`.
    fn apply(&self, file: &mut Vec<u8>, in_header: bool) {
        let range = if in_header {
            file.len().min(HEADER_BYTES)
        } else {
            file.len()
        };
        if range == 0 {
            return;
        }
        let stretch = |at: &Index, length: u8| {
            let start = at.index(range);
            start..(start + usize::from(length)).min(file.len())
        };
        match self {
            Self::Set(at, byte) => file[at.index(range)] = *byte,
            Self::Number(at, number) => {
                let at = at.index(range);
                let end = (at + 4).min(file.len());
                file[at..end].copy_from_slice(&number.to_be_bytes()[..end - at]);
            }
            Self::Cut(at, length) => {
                file.drain(stretch(at, *length));
            }
            Self::Repeat(at, length) => {
                let repeated = stretch(at, *length);
                let copy = file[repeated.clone()].to_vec();
                file.splice(repeated.end..repeated.end, copy);
            }
            Self::Truncate(at) => file.truncate(at.index(range)),
        }
    }
}

/// Makes the checksums of Ogg pages true again, which would keep all else that changed from being looked at.
fn renew_checksums(file: &mut [u8]) {
    let starts: Vec<usize> = (0..file.len().saturating_sub(27))
        .filter(|start| file[*start..].starts_with(b"OggS"))
        .collect();
    for start in starts {
        let lacing = start + 27..(start + 27 + usize::from(file[start + 26])).min(file.len());
        let body_bytes: usize = file[lacing.clone()].iter().copied().map(usize::from).sum();
        let end = (lacing.end + body_bytes).min(file.len());
        file[start + 22..start + 26].fill(0);
        let checksum = file[start..end].iter().fold(0_u32, |checksum, byte| {
            (0..8).fold(checksum ^ u32::from(*byte) << 24, |checksum, _| {
                checksum << 1 ^ if checksum >> 31 == 1 { 0x04c1_1db7 } else { 0 }
            })
        });
        file[start + 22..start + 26].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Decodes mutants of a fixture, the same ones at every run.
fn check_mutants_of(name: &str) {
    let original = fixture(name);
    let mut runner = TestRunner::new(Config {
        cases: MUTANTS,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x5eed),
        max_shrink_iters: 200,
        ..Config::default()
    });
    let changes = (any::<bool>(), prop::collection::vec(change(), 1..6));
    runner
        .run(&changes, |(in_header, changes)| {
            let mut mutant = original.clone();
            for change in &changes {
                change.apply(&mut mutant, in_header);
            }
            renew_checksums(&mut mutant);
            match decode_bytes(mutant) {
                Ok(decoded) => {
                    prop_assert!(!decoded.pcm.is_empty());
                    prop_assert!(decoded.pcm.len() <= 300 * SPEECH_RATE_HZ as usize);
                }
                Err(DecodeError::Stopped) => prop_assert!(false, "nobody stopped it"),
                Err(_) => {}
            }
            prop_assert!(MEMORY.peak_usage_as_mb() < PEAK_MB_MAX);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{name}: {failure}"));
}

macro_rules! mutants {
    ($($test:ident: $($name:literal),+;)+) => {
        $(
            #[test]
            fn $test() {
                for name in [$($name),+] {
                    check_mutants_of(name);
                }
            }
        )+
    };
}

mutants! {
    mutants_of_wav: "wav-u8-8k.wav", "wav-s24-11k.wav", "wav-f32-8k.wav", "wav-alaw-8k.wav";
    mutants_of_flac_and_mp3: "flac.flac", "mp3.mp3", "mp3-id3-stereo.mp3";
    mutants_of_mp4: "aac.m4a", "aac-fragmented-stereo.mp4", "opus.mp4", "mediarecorder-opus.mp4";
    mutants_of_ogg: "opus.ogg", "opus-120ms.ogg", "opus-2.5ms.ogg", "vorbis.ogg";
    mutants_of_webm: "opus.webm", "opus-stereo-60ms.webm", "vorbis-stereo.webm", "mediarecorder-opus.webm";
}
