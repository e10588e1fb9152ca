//! What an export says, before it is HTML or Markdown: a package laid out as headings, texts, lists and tables, in the
//! order of the playbook's stages and under the playbook's own names.

use greenroom_protocol::{
    FrozenSlot, GateWaived, Locale, Provenance, RunStarted, SlotPath, StageCompleted, SupportingSource,
    Timestamp,
};
use greenroom_session::playbook::{Playbook, SlotKind, SlotSpec, StageSpec};
use serde_json::Value;
use url::Url;

use super::content::{Reader, clean};
use super::wording::{Wording, capitalised, humanised};

/// A package, laid out.
pub(super) struct Document {
    pub(super) wording: &'static Wording,
    /// What it is about, such as the product's name.
    pub(super) title: String,
    /// What it is, such as a launch package.
    pub(super) kind: String,
    /// When it was made: date and time in UTC.
    pub(super) made_at: String,
    pub(super) run_id: String,
    /// Whether any of its texts comes from a simulated provider.
    pub(super) simulated: bool,
    pub(super) draft: Option<Draft>,
    /// What the checks and the model warn of; repeated at the top.
    pub(super) flags: Vec<String>,
    pub(super) sections: Vec<Section>,
    pub(super) origins: Vec<Origin>,
    /// Files that lie beside the document.
    pub(super) files: Vec<String>,
}

/// What a draft's waiver passed over, by the names that users know.
pub(super) struct Draft {
    pub(super) gaps: Vec<String>,
    pub(super) unsure: Vec<String>,
}

/// A part of the package under a heading of its own.
pub(super) struct Section {
    pub(super) heading: String,
    pub(super) content: Content,
}

/// Something to be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Nothing was written here.
    Nothing,
    /// A number or a word of a list of words.
    Word(String),
    /// Prose; line breaks count.
    Text(String),
    /// Several short texts.
    List(Vec<String>),
    /// Names with what stands under them.
    Fields(Vec<(String, Content)>),
    /// Rows of the same shape.
    Table {
        columns: Vec<String>,
        rows: Vec<Vec<Content>>,
    },
    /// Pages that were found.
    Pages(Vec<Page>),
}

/// A page of the web that is shown as evidence.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Page {
    pub(super) title: String,
    /// What of the page bears it out.
    pub(super) passage: Option<String>,
    /// Where it leads; none unless it is an https address without credentials.
    pub(super) link: Option<Url>,
    /// The address as it was written, for pages that are not linked.
    pub(super) address: String,
    pub(super) date: Option<String>,
    /// Whatever else is known of it.
    pub(super) details: Vec<(String, Content)>,
}

/// Where the texts of a part come from.
pub(super) struct Origin {
    pub(super) part: String,
    pub(super) model: String,
    pub(super) attempt: u32,
    pub(super) dropped: u32,
    pub(super) simulated: bool,
}

/// What a document is made of.
pub(super) struct Material<'a> {
    pub(super) playbook: &'a Playbook,
    pub(super) started: &'a RunStarted,
    pub(super) waiver: Option<&'a GateWaived>,
    pub(super) outputs: &'a [StageCompleted],
    pub(super) ended_at: Timestamp,
    pub(super) files: &'a [String],
}

impl Content {
    /// Whether it may stand beside its name instead of below it.
    pub(super) fn is_short(&self) -> bool {
        match self {
            Self::Nothing | Self::Word(_) | Self::Text(_) | Self::List(_) => true,
            Self::Fields(_) | Self::Table { .. } | Self::Pages(_) => false,
        }
    }
}

impl Material<'_> {
    /// Lays the package out.
    pub(super) fn document(&self) -> Document {
        let wording = Wording::of(self.locale());
        let mut sections = vec![self.brief()];
        let mut lifted = Vec::new();
        let mut flags = Vec::new();
        let mut origins = Vec::new();
        // In the playbook's order, whichever was complete first.
        for stage in &self.playbook.stages {
            let Some(completed) = self.outputs.iter().find(|output| output.stage == stage.id) else {
                continue;
            };
            let heading = self.field_name(&stage.package_key);
            flags.extend(flags_of(stage, &completed.output));
            let reader = self.reader(stage, &completed.sources);
            sections.push(Section {
                heading: heading.clone(),
                content: reader.fields(&completed.output, &stage.lift),
            });
            for field in &stage.lift {
                if let Some(value) = completed.output.get(field) {
                    lifted.push(Section {
                        heading: self.field_name(field),
                        content: reader.value(&format!("/{field}"), value),
                    });
                }
            }
            origins.push(origin(heading, completed));
        }
        // What a playbook lifts is what the reader is to do next.
        sections.append(&mut lifted);
        Document {
            wording,
            title: self.title(),
            kind: self
                .named("package")
                .unwrap_or_else(|| wording.package.to_owned()),
            made_at: minute(self.ended_at),
            run_id: self.started.run_id.to_string(),
            simulated: is_simulated(self.outputs),
            draft: self.started.draft.then(|| self.draft()),
            flags,
            sections,
            origins,
            files: self.files.to_vec(),
        }
    }

    /// What the run was about: the slot that names a session, else the playbook.
    pub(super) fn title(&self) -> String {
        let slot = self.playbook.title_slot.as_ref();
        let frozen = slot.and_then(|path| self.started.brief.iter().find(|frozen| frozen.path == *path));
        let named = frozen.and_then(|frozen| frozen.value.as_str()).map(clean);
        named
            .filter(|title| !title.is_empty())
            .unwrap_or_else(|| humanised(&self.playbook.reference.name))
    }

    fn locale(&self) -> Locale {
        self.started.locale
    }

    fn reader<'a>(&'a self, stage: &'a StageSpec, sources: &'a [SupportingSource]) -> Reader<'a> {
        Reader {
            playbook: self.playbook,
            stage,
            sources,
            locale: self.locale(),
        }
    }

    fn brief(&self) -> Section {
        let row = |slot: &SlotSpec| {
            let frozen = self
                .started
                .brief
                .iter()
                .find(|frozen| frozen.path == slot.path)?;
            Some((self.slot_name(slot), self.slot_value(slot, frozen)))
        };
        Section {
            heading: Wording::of(self.locale()).brief.to_owned(),
            content: Content::Fields(self.playbook.slots.iter().filter_map(row).collect()),
        }
    }

    fn slot_value(&self, slot: &SlotSpec, frozen: &FrozenSlot) -> Content {
        let is_choice = match slot.kind {
            SlotKind::Choice { .. } | SlotKind::PriceBand { .. } => true,
            SlotKind::Text | SlotKind::TextList { .. } | SlotKind::Number { .. } => false,
        };
        match &frozen.value {
            Value::String(word) if is_choice => {
                let named = self.playbook.value_name(word, self.locale());
                Content::Word(named.map_or_else(|| clean(word), str::to_owned))
            }
            Value::String(text) => Content::Text(clean(text)),
            Value::Array(items) => Content::List(texts(items).collect()),
            Value::Null => Content::Nothing,
            other => Content::Word(other.to_string()),
        }
    }

    fn draft(&self) -> Draft {
        let names = |paths: &[SlotPath]| {
            let name = |path| {
                self.playbook
                    .slot(path)
                    .map_or_else(|| humanised(path.as_str()), |slot| self.slot_name(slot))
            };
            paths.iter().map(name).collect()
        };
        Draft {
            gaps: self
                .waiver
                .map(|waiver| names(&waiver.missing_required))
                .unwrap_or_default(),
            unsure: self
                .waiver
                .map(|waiver| names(&waiver.low_confidence))
                .unwrap_or_default(),
        }
    }

    fn slot_name(&self, slot: &SlotSpec) -> String {
        let named = self.playbook.slot_name(slot, self.locale());
        named.map_or_else(|| humanised(slot.path.parts().1), capitalised)
    }

    fn field_name(&self, name: &str) -> String {
        self.named(name).unwrap_or_else(|| humanised(name))
    }

    fn named(&self, name: &str) -> Option<String> {
        self.playbook.field_name(name, self.locale()).map(str::to_owned)
    }
}

/// Whether a simulated provider wrote any of it.
pub(super) fn is_simulated(outputs: &[StageCompleted]) -> bool {
    outputs.iter().any(|output| match &output.provenance {
        Provenance::Model { simulated, .. } => *simulated,
        Provenance::User { .. } | Provenance::Playbook { .. } | Provenance::Operator => false,
    })
}

/// The texts of the lists into which the playbook's checks write their notices.
fn flags_of(stage: &StageSpec, output: &Value) -> Vec<String> {
    let mut paths: Vec<&str> = stage
        .verify
        .iter()
        .filter_map(|verify| verify.notice_path.as_deref())
        .collect();
    paths.dedup();
    let lists = paths
        .into_iter()
        .filter_map(|path| output.pointer(path)?.as_array());
    lists.flatten().filter_map(Value::as_str).map(clean).collect()
}

fn origin(part: String, completed: &StageCompleted) -> Origin {
    let (model, simulated) = match &completed.provenance {
        Provenance::Model {
            provider,
            model,
            simulated,
            ..
        } => (format!("{} · {}", clean(provider), clean(model)), *simulated),
        Provenance::User { .. } => ("user".to_owned(), false),
        Provenance::Playbook { key, .. } => (clean(key), false),
        Provenance::Operator => ("operator".to_owned(), false),
    };
    Origin {
        part,
        model,
        attempt: completed.attempt,
        dropped: completed.dropped,
        simulated,
    }
}

/// The texts of a list that say something.
fn texts(items: &[Value]) -> impl Iterator<Item = String> {
    let texts = items.iter().filter_map(Value::as_str).map(clean);
    texts.filter(|text| !text.is_empty())
}

fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    // ISO 8601 has the minute at a fixed place.
    match (text.get(..10), text.get(11..16)) {
        (Some(date), Some(time)) => format!("{date} {time} UTC"),
        _ => text,
    }
}
