//! What of a line is recorded, while it is: where the sound of both sides comes from, and where the file goes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use greenroom_audio::mouth::OutputFormat;
use greenroom_protocol::AssetId;
use greenroom_session::blob_names::{recording_blob, recording_url};
use greenroom_session::{Command, CommandKind, KeptRecording};
use tokio::time::Instant;

use super::desk::Desk;
use super::microphone::Microphone;
use super::outlet::OutletSender;
use super::recording::Recording;
use crate::Refused;
use crate::outside::send;

const MEDIA_TYPE: &str = "audio/ogg";

/// Records a line when it is asked to.
pub(super) struct Tape {
    desk: Arc<Desk>,
    outlet: Arc<OutletSender>,
    recording: Option<Recording>,
    /// What was heard and is not recorded yet.
    unrecorded: Vec<i16>,
    /// Where in the stream of the microphone it begins.
    unrecorded_from: Duration,
}

impl Tape {
    /// Records nothing.
    pub(super) fn new(desk: Arc<Desk>, outlet: Arc<OutletSender>) -> Self {
        Self {
            desk,
            outlet,
            recording: None,
            unrecorded: Vec::new(),
            unrecorded_from: Duration::ZERO,
        }
    }

    /// Records from now on a microphone that has heard nothing yet, and what is sent in this format, if anything is.
    pub(super) fn begin(&mut self, output: Option<OutputFormat>) {
        let mut ids = (self.desk.directory.shared().ports.ids)();
        let [serial @ .., _, _, _, _, _, _, _, _, _, _, _, _] = ids.next_ulid().0.to_le_bytes();
        let length_max = self.desk.settings.recording_max;
        let recording = Recording::new(u32::from_le_bytes(serial), output, length_max, Instant::now());
        self.recording = Some(recording);
        self.unrecorded_from = Duration::ZERO;
        self.outlet.tape(true);
    }

    /// Keeps what the microphone has just heard.
    pub(super) fn heard(&mut self, microphone: &Microphone) {
        if self.recording.is_some() {
            self.unrecorded.extend_from_slice(microphone.newly_read());
        }
    }

    /// Records what was heard and sent since the last time, where it belongs. Whether that is as much as may be.
    pub(super) fn record(&mut self, microphone: &Microphone) -> bool {
        if self.follow() {
            return true;
        }
        let Some(recording) = &mut self.recording else {
            return false;
        };
        if !self.unrecorded.is_empty() {
            let spoken_at = microphone.spoken_after(self.unrecorded_from);
            recording.user(spoken_at, &self.unrecorded);
            self.unrecorded.clear();
        }
        self.unrecorded_from = microphone.heard_to();
        false
    }

    /// Records what was sent since the last time. Whether the recording is as long as it may be.
    pub(super) fn follow(&mut self) -> bool {
        let Some(recording) = &mut self.recording else {
            return false;
        };
        recording.assistant(&self.outlet.take_tape());
        recording.is_full(Instant::now())
    }

    /// The reply was cut off: what was sent of it ahead of its playback is not played.
    pub(super) fn cut_off(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.assistant(&self.outlet.take_tape());
            recording.cut_assistant(Instant::now());
        }
    }

    /// Ends the recording. Answers what is to be done to keep it.
    pub(super) fn end(&mut self) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
        let mut recording = self.recording.take()?;
        recording.assistant(&self.outlet.take_tape());
        self.outlet.tape(false);
        self.unrecorded = Vec::new();
        let mut ids = (self.desk.directory.shared().ports.ids)();
        let asset_id = AssetId::new(ids.next_ulid());
        let desk = Arc::clone(&self.desk);
        Some(async move { keep(&desk, asset_id, recording.finish()).await })
    }
}

/// Stores a recording and has the session keep it. One that the session does not want is gone again; one of which nobody
/// knows whether the session keeps it stays, since an event may name it.
async fn keep(desk: &Desk, asset_id: AssetId, file: Bytes) {
    let session = desk.session();
    let name = recording_blob(session, asset_id);
    let blobs = &desk.directory.shared().ports.blobs;
    let size_bytes = file.len() as u64;
    if let Err(error) = blobs.put(&name, file).await {
        tracing::error!(session_id = %session, %error, "a recording could not be stored");
        return;
    }
    let asset = KeptRecording {
        asset_id,
        url: recording_url(session, asset_id),
        media_type: MEDIA_TYPE.to_owned(),
        size_bytes,
    };
    let command = Command {
        id: asset_id.to_string().parse().ok(),
        caller: desk.owner.caller.clone(),
        kind: CommandKind::KeepRecording { asset },
    };
    match send(&desk.directory, session, command).await {
        Ok(_) => {}
        Err(Refused::Rejected(error)) if !error.retryable => {
            tracing::warn!(session_id = %session, code = error.code.as_str(), "a recording was not kept");
            if let Err(error) = blobs.delete(&name).await {
                tracing::warn!(session_id = %session, %error, "a recording that was not kept could not be removed");
            }
        }
        Err(Refused::Rejected(_) | Refused::Lost) => {
            tracing::warn!(session_id = %session, "it is unknown whether a recording was kept");
        }
    }
}
