//! The sounds of speech: where the tongue and the lips go for each, what sounds there, and for how long.

/// How a sound is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Voice through an open mouth.
    Vowel,
    /// Voice through a narrow one: glides, liquids, nasals.
    Sonorant,
    /// Noise, with or without voice.
    Fricative,
    /// A closure, then a burst of noise.
    Plosive,
    /// Nothing.
    Pause,
}

/// One sound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phone {
    /// The name of ARPABET, or one of our own.
    pub(super) name: &'static str,
    pub(super) manner: Manner,
    pub(super) is_voiced: bool,
    /// The first three formants of a grown man, in Hz.
    pub(super) formants_hz: [f32; 3],
    /// Where a diphthong glides to.
    pub(super) glide_hz: Option<[f32; 3]>,
    /// The middle of its noise in Hz, and how loud that is.
    pub(super) noise: (f32, f32),
    pub(super) duration_ms: f32,
}

const fn vowel(name: &'static str, formants_hz: [f32; 3], duration_ms: f32) -> Phone {
    Phone {
        name,
        manner: Manner::Vowel,
        is_voiced: true,
        formants_hz,
        glide_hz: None,
        noise: (0.0, 0.0),
        duration_ms,
    }
}

const fn diphthong(name: &'static str, from: [f32; 3], to: [f32; 3], duration_ms: f32) -> Phone {
    Phone {
        glide_hz: Some(to),
        ..vowel(name, from, duration_ms)
    }
}

const fn sonorant(name: &'static str, formants_hz: [f32; 3], duration_ms: f32) -> Phone {
    Phone {
        manner: Manner::Sonorant,
        ..vowel(name, formants_hz, duration_ms)
    }
}

const fn noisy(
    name: &'static str,
    manner: Manner,
    is_voiced: bool,
    formants_hz: [f32; 3],
    noise: (f32, f32),
    duration_ms: f32,
) -> Phone {
    Phone {
        manner,
        is_voiced,
        noise,
        ..vowel(name, formants_hz, duration_ms)
    }
}

use Manner::{Fricative, Plosive};

/// Vowels after Peterson and Barney, consonants by their loci.
#[rustfmt::skip]
const PHONES: [Phone; 44] = [
    vowel("IY", [280.0, 2250.0, 2900.0], 120.0), vowel("IH", [400.0, 1950.0, 2550.0], 90.0),
    vowel("EH", [540.0, 1800.0, 2480.0], 105.0), vowel("AE", [660.0, 1720.0, 2410.0], 135.0),
    vowel("AA", [730.0, 1090.0, 2440.0], 140.0), vowel("AO", [570.0, 840.0, 2410.0], 140.0),
    vowel("UH", [440.0, 1020.0, 2240.0], 90.0), vowel("UW", [310.0, 900.0, 2240.0], 115.0),
    vowel("AH", [620.0, 1220.0, 2450.0], 95.0), vowel("AX", [500.0, 1400.0, 2450.0], 60.0),
    vowel("ER", [480.0, 1330.0, 1700.0], 120.0), vowel("EU", [350.0, 1350.0, 2350.0], 95.0),
    vowel("EO", [560.0, 950.0, 2450.0], 115.0), vowel("OO", [430.0, 780.0, 2400.0], 110.0),
    diphthong("EY", [480.0, 1900.0, 2550.0], [330.0, 2200.0, 2700.0], 130.0),
    diphthong("AY", [720.0, 1200.0, 2500.0], [400.0, 2000.0, 2600.0], 165.0),
    diphthong("OY", [560.0, 850.0, 2450.0], [380.0, 1950.0, 2550.0], 175.0),
    diphthong("AW", [720.0, 1250.0, 2450.0], [430.0, 950.0, 2300.0], 170.0),
    diphthong("OW", [530.0, 1000.0, 2350.0], [370.0, 830.0, 2250.0], 135.0),
    sonorant("W", [300.0, 650.0, 2200.0], 65.0), sonorant("Y", [270.0, 2300.0, 3000.0], 60.0),
    sonorant("L", [360.0, 1100.0, 2700.0], 65.0), sonorant("R", [340.0, 1150.0, 1550.0], 70.0),
    sonorant("DX", [350.0, 1600.0, 2600.0], 30.0),
    sonorant("M", [260.0, 1000.0, 2200.0], 70.0), sonorant("N", [260.0, 1600.0, 2600.0], 65.0),
    sonorant("NG", [260.0, 2000.0, 2500.0], 75.0),
    noisy("HH", Fricative, false, [500.0, 1500.0, 2500.0], (1500.0, 0.10), 60.0),
    noisy("F", Fricative, false, [320.0, 1100.0, 2200.0], (6500.0, 0.10), 100.0),
    noisy("V", Fricative, true, [280.0, 1100.0, 2200.0], (6000.0, 0.05), 65.0),
    noisy("TH", Fricative, false, [320.0, 1400.0, 2600.0], (7000.0, 0.08), 95.0),
    noisy("DH", Fricative, true, [280.0, 1400.0, 2600.0], (6500.0, 0.03), 50.0),
    noisy("S", Fricative, false, [320.0, 1600.0, 2600.0], (6000.0, 0.35), 105.0),
    noisy("Z", Fricative, true, [280.0, 1600.0, 2600.0], (6000.0, 0.20), 75.0),
    noisy("SH", Fricative, false, [320.0, 1800.0, 2600.0], (3000.0, 0.35), 110.0),
    noisy("ZH", Fricative, true, [280.0, 1800.0, 2600.0], (3000.0, 0.20), 75.0),
    noisy("P", Plosive, false, [300.0, 800.0, 2100.0], (900.0, 0.20), 85.0),
    noisy("B", Plosive, true, [250.0, 900.0, 2100.0], (900.0, 0.12), 70.0),
    noisy("T", Plosive, false, [300.0, 1750.0, 2700.0], (4500.0, 0.35), 85.0),
    noisy("D", Plosive, true, [250.0, 1700.0, 2700.0], (4200.0, 0.20), 60.0),
    noisy("K", Plosive, false, [300.0, 1900.0, 2400.0], (2000.0, 0.30), 90.0),
    noisy("G", Plosive, true, [250.0, 1900.0, 2400.0], (2000.0, 0.18), 70.0),
    noisy(",", Manner::Pause, false, [500.0, 1500.0, 2500.0], (0.0, 0.0), 220.0),
    noisy(".", Manner::Pause, false, [500.0, 1500.0, 2500.0], (0.0, 0.0), 320.0),
];

/// The sound of a name; none if there is none.
pub(super) fn phone(name: &str) -> Option<&'static Phone> {
    PHONES.iter().find(|phone| phone.name == name)
}
