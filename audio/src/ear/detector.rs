//! Says of each window whether somebody speaks in it.

use std::collections::VecDeque;

use super::WINDOW_SAMPLES;
use super::gate::EnergyGate;
use super::room::Loudness;

/// How far above the room a sound is before the network looks at it, in decibels. The room is its quietest moment: a steady
/// noise comes 5 dB above that now and then, and speech 5 dB above the noise has all its vowels higher.
const GATE_MARGIN_DB: f32 = 7.0;
/// How long the network goes on looking after the last loud window: 320 ms, more than the quiet part of a word.
const GATE_HOLD_WINDOWS: u32 = 20;
/// How far above the room speech is for the detector that knows nothing else.
const ENERGY_MARGIN_DB: f32 = 9.0;
/// From which score on a window is speech. Steady noises score up to 0.65 before the network has got used to them, 0.5
/// afterwards; nine of ten windows of speech score more than 0.7, and six of ten more than 0.9.
const SCORE_MIN: f32 = 0.65;
/// How many windows before the gate opened the network hears first: the three that it looks at together, and a little for
/// its memory.
const LEAD_IN_WINDOWS: usize = 6;

/// Which detector decides what is speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DetectorKind {
    /// A small network, asked only about what is louder than the room. The best of them, and the cheapest while nobody
    /// speaks.
    #[default]
    GatedEarshot,
    /// The network alone, asked about everything.
    Earshot,
    /// What is much louder than the room. The cheapest; useless where noise comes and goes.
    Energy,
}

/// A detector and what it remembers of its stream.
pub(super) enum Detector {
    GatedEarshot {
        gate: EnergyGate,
        network: Box<earshot::Detector>,
        /// What the network did not hear because the gate was closed, oldest first.
        unheard: Unheard,
    },
    Earshot {
        network: Box<earshot::Detector>,
    },
    Energy {
        gate: EnergyGate,
    },
}

/// The last windows before the gate opens.
pub(super) struct Unheard {
    windows: VecDeque<[i16; WINDOW_SAMPLES]>,
}

impl Detector {
    pub(super) fn new(kind: DetectorKind) -> Self {
        match kind {
            DetectorKind::GatedEarshot => Self::GatedEarshot {
                gate: EnergyGate::new(GATE_MARGIN_DB, GATE_HOLD_WINDOWS),
                network: Box::default(),
                unheard: Unheard::new(),
            },
            DetectorKind::Earshot => Self::Earshot {
                network: Box::default(),
            },
            DetectorKind::Energy => Self::Energy {
                gate: EnergyGate::new(ENERGY_MARGIN_DB, 0),
            },
        }
    }

    /// Whether this window, which follows the last one and is as loud as this, is speech.
    pub(super) fn hear(&mut self, window: &[i16; WINDOW_SAMPLES], loudness: Loudness) -> bool {
        match self {
            Self::GatedEarshot {
                gate,
                network,
                unheard,
            } => {
                if !gate.hear(loudness) {
                    unheard.keep(window);
                    return false;
                }
                unheard.lead_in(network);
                network.predict_i16(window) >= SCORE_MIN
            }
            Self::Earshot { network } => network.predict_i16(window) >= SCORE_MIN,
            Self::Energy { gate } => gate.hear(loudness),
        }
    }
}

impl Unheard {
    fn new() -> Self {
        Self {
            windows: VecDeque::with_capacity(LEAD_IN_WINDOWS),
        }
    }

    fn keep(&mut self, window: &[i16; WINDOW_SAMPLES]) {
        if self.windows.len() == LEAD_IN_WINDOWS {
            self.windows.pop_front();
        }
        self.windows.push_back(*window);
    }

    /// Lets the network hear what came just before. It keeps its memory of the room although it missed what was dropped:
    /// without a memory it takes noise for speech.
    fn lead_in(&mut self, network: &mut earshot::Detector) {
        for window in self.windows.drain(..) {
            network.predict_i16(&window);
        }
    }
}
