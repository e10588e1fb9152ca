//! What any store must do: one suite, written against the ports.

mod erasures;
pub mod facts;
mod journal;
mod read_models;
mod snapshots;

use std::sync::Arc;

use async_trait::async_trait;
use greenroom_session::ports::{Erasures, Journal, ReadModels};

pub use erasures::*;
pub use journal::*;
pub use read_models::*;
pub use snapshots::*;

/// The ports of an open store.
pub struct Ports {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The read models.
    pub read_models: Arc<dyn ReadModels>,
    /// The end of sessions.
    pub erasures: Arc<dyn Erasures>,
}

/// One database of a kind of store, empty at first.
#[async_trait]
pub trait Backend {
    /// Opens it; what was there before is there again.
    async fn open(&self) -> Ports;
    /// Closes it in an orderly way.
    async fn close(&self);
}

/// Makes a test of each function of the suite.
#[macro_export]
macro_rules! suite {
    ($backend:expr, [$($name:ident),+ $(,)?]) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                suite::$name(&$backend).await;
            }
        )+
    };
}
