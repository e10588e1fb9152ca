//! The export of a finished run: one archive with the package for programs (`package.json`, `provenance.json`), for
//! readers (`index.html`, `package.md`) and for other tools (subtitles, a sheet of the copies).

mod archive;
mod content;
mod document;
mod html;
mod markdown;
mod sheet;
mod subtitles;
#[cfg(test)]
mod tests;
mod wording;

use bytes::Bytes;
use greenroom_protocol::{AssetReady, GateWaived, RunStarted, StageCompleted, Timestamp};
use greenroom_session::playbook::Playbook;
use serde_json::{Value, json};

use archive::{Archive, ArchiveError};
use document::{Material, is_simulated};

pub use archive::attachment;
pub use wording::capitalised;

/// The field of a stage's output that becomes subtitles.
const SUBTITLES_FIELD: &str = "subtitle_lines";
/// The field of a stage's output that becomes a sheet.
const COPIES_FIELD: &str = "ad_copies";

/// A finished run.
pub struct FinishedRun<'a> {
    /// The package, as `GET /api/runs/{id}` answers.
    pub package: &'a Value,
    /// The playbook that the session is pinned to.
    pub playbook: &'a Playbook,
    /// How it began.
    pub started: &'a RunStarted,
    /// What its waiver passed over, if it is a draft.
    pub waiver: Option<&'a GateWaived>,
    /// What its stages wrote.
    pub outputs: &'a [StageCompleted],
    /// When it ended; the time of every file.
    pub ended_at: Timestamp,
    /// Its media.
    pub assets: &'a [ExportedAsset],
}

/// A medium of a run.
pub struct ExportedAsset {
    /// What is told of it.
    pub ready: AssetReady,
    /// What is in it; none if it is left out, for its size or because it is gone.
    pub bytes: Option<Bytes>,
}

/// An archive, ready to be sent.
pub struct Export {
    /// What the user is to find it under, such as the product's name; without an extension.
    pub title: String,
    /// A ZIP file.
    pub bytes: Vec<u8>,
}

impl FinishedRun<'_> {
    /// Writes everything into one archive. The same run makes the same bytes.
    pub fn export(&self) -> Result<Export, ArchiveError> {
        let mut extras = self.subtitles();
        extras.extend(
            self.copies()
                .map(|sheet| ("ad_copies.csv".to_owned(), sheet.into_bytes())),
        );
        for asset in self.assets {
            let name = asset.ready.url.rsplit('/').next().unwrap_or_default();
            extras.extend(
                asset
                    .bytes
                    .as_ref()
                    .map(|bytes| (format!("assets/{name}"), bytes.to_vec())),
            );
        }
        let names: Vec<String> = extras.iter().map(|(name, _)| name.clone()).collect();
        let material = Material {
            playbook: self.playbook,
            started: self.started,
            waiver: self.waiver,
            outputs: self.outputs,
            ended_at: self.ended_at,
            files: &names,
        };
        let document = material.document();
        let mut archive = Archive::new(self.ended_at);
        archive.add("index.html", html::page(&document).as_bytes())?;
        archive.add("package.md", markdown::text(&document).as_bytes())?;
        archive.add("package.json", &pretty(self.package))?;
        archive.add("provenance.json", &pretty(&self.provenance()))?;
        for (name, bytes) in &extras {
            archive.add(name, bytes)?;
        }
        Ok(Export {
            title: document.title,
            bytes: archive.finish()?,
        })
    }

    /// Where everything comes from: the playbook, the brief with its sources, and each stage's call.
    fn provenance(&self) -> Value {
        json!({
            "run_id": self.started.run_id,
            "playbook": self.playbook.reference,
            "locale": self.started.locale,
            "mode": self.started.mode,
            "simulated": is_simulated(self.outputs),
            "draft": self.started.draft,
            "waiver": self.waiver,
            "brief": self.started.brief,
            "assets": self.assets.iter().map(|asset| json!({
                "asset": asset.ready,
                "included": asset.bytes.is_some(),
            })).collect::<Vec<_>>(),
            "stages": self.outputs.iter().map(|output| json!({
                "stage": output.stage,
                "attempt": output.attempt,
                "provenance": output.provenance,
                "dropped": output.dropped,
                "sources": output.sources,
                "notes": output.notes,
            })).collect::<Vec<_>>(),
        })
    }

    fn subtitles(&self) -> Vec<(String, Vec<u8>)> {
        let lines = self
            .outputs
            .iter()
            .find_map(|output| output.output.get(SUBTITLES_FIELD));
        let cues = lines.map(subtitles::cues).unwrap_or_default();
        if cues.is_empty() {
            return Vec::new();
        }
        vec![
            ("subtitles.srt".to_owned(), subtitles::srt(&cues).into_bytes()),
            ("subtitles.vtt".to_owned(), subtitles::vtt(&cues).into_bytes()),
        ]
    }

    fn copies(&self) -> Option<String> {
        let copies = self
            .outputs
            .iter()
            .find_map(|output| output.output.get(COPIES_FIELD))?;
        sheet::csv(copies)
    }
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("a value is always JSON");
    bytes.push(b'\n');
    bytes
}
