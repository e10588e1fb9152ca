//! The playbooks of simulated servers, read once for the whole process.

use std::sync::{Arc, LazyLock};

use greenroom_session::playbook::{Bundle, Playbook};

use crate::world::{concierge_bundle, launch_bundle};

static PLAYBOOKS: LazyLock<Vec<(Bundle, Arc<Playbook>)>> = LazyLock::new(|| {
    let bundles = [concierge_bundle(), launch_bundle()].into_iter();
    let read = bundles.map(|bundle| {
        let playbook = Playbook::from_bundle(&bundle).expect("the playbooks of this repository are sound");
        (bundle, Arc::new(playbook))
    });
    read.collect()
});

pub fn all() -> &'static [(Bundle, Arc<Playbook>)] {
    &PLAYBOOKS
}

/// The playbook of this content hash.
pub fn of(hash: &str) -> Arc<Playbook> {
    let mut playbooks = all().iter().map(|(_, playbook)| playbook);
    let playbook = playbooks.find(|playbook| playbook.reference.hash == hash);
    playbook
        .expect("sessions are pinned to playbooks of this repository")
        .clone()
}
