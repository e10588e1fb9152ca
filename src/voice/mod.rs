//! Speech around the sessions, which see words only: recordings become utterances, texts become speech.
//!
//! What is heard and spoken here goes on when the client that asked for it has gone: every piece of work is a task
//! that this owns, and whoever asks for the same meanwhile shares it.

mod call;
mod check;
mod flights;
mod hearing;
pub mod observe;
mod room;
mod speech;
mod speech_cache;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use greenroom_actors::Directory;
use greenroom_audio::Upload;
use greenroom_session::ports::Blobs;
use tokio::sync::Semaphore;

use crate::lifecycle::PhaseWatch;
use crate::providers::ProviderPorts;

pub use hearing::{Ears, Heard, Utterance, VoiceTurn};
pub use speech::{Mouth, Speech, is_asset_name, is_made_of_phrases, media_type_of};

/// Decoders at work at once beside the threads of the server: each fills a core.
const DECODERS_MIN: usize = 1;

/// What was recorded, as it came.
#[derive(Debug)]
pub struct Recording {
    /// The bytes.
    pub upload: Upload,
    /// SHA-256 of the bytes, hexadecimal.
    pub digest: String,
}

/// What ears and mouth need from the outside.
pub struct VoicePorts {
    /// Who hears, speaks and checks.
    pub providers: ProviderPorts,
    /// The way to every session.
    pub directory: Directory,
    /// Where speech is kept.
    pub blobs: Arc<dyn Blobs>,
    /// When to stop.
    pub phase: PhaseWatch,
}

/// Ears and mouth of the server.
pub struct Voice {
    /// Recordings become utterances.
    pub ears: Ears,
    /// Texts become speech.
    pub mouth: Arc<Mouth>,
}

impl Voice {
    /// Ears and mouth over these ports; `uploads_max` recordings may be in memory at once.
    pub fn new(ports: VoicePorts, uploads_max: usize) -> Self {
        let ports = Arc::new(ports);
        let decoders = Arc::new(Semaphore::new(decoders_max()));
        let mouth = Arc::new(Mouth::new(Arc::clone(&ports), Arc::clone(&decoders)));
        Self {
            ears: Ears::new(ports, decoders, Arc::clone(&mouth), uploads_max),
            mouth,
        }
    }
}

/// As many as leave a core to everything else.
fn decoders_max() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.saturating_sub(1).max(DECODERS_MIN)
}
