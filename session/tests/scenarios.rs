//! Plays every scenario of the launch playbook: one named result each, and for one that fails a table of what was
//! expected and what was found, by file and line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use greenroom_protocol::{Envelope, EventId, Seq, SessionId};
use greenroom_session::Fact;
use greenroom_session::planner::PlannerOutput;
use greenroom_session::playbook::{Bundle, Playbook, SCENARIOS_FOLDER};
use greenroom_session::scenario::{Played, Scenario, ScenarioFault, play, record};
use libtest_mimic::{Arguments, Failed, Trial};

const PLAYBOOK: &str = "playbooks/launch";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PLAYBOOK);
    let mut files = BTreeMap::new();
    read_files(&root, "", &mut files);
    let bundle = Bundle { files };
    let playbook = match Playbook::from_bundle(&bundle) {
        Ok(playbook) => Arc::new(playbook),
        Err(faults) => panic!("{faults:#?}"),
    };
    let scenario_files = bundle
        .files
        .iter()
        .filter(|(name, _)| name.starts_with(SCENARIOS_FOLDER));
    let mut trials: Vec<Trial> = scenario_files
        .flat_map(|(name, text)| trials(name, text, &playbook))
        .collect();
    let prompt = playbook.conversation.planner_prompt.clone();
    let examples = "the examples of the planner's prompt keep its rules";
    trials.push(Trial::test(examples, move || check_examples(&prompt)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn read_files(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("the playbook's folder") {
        let path: PathBuf = entry.expect("an entry").path();
        let name = format!("{prefix}{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            read_files(&path, &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read_to_string(&path).expect("a text"));
        }
    }
}

/// A trial for each scenario of a file, or one that tells the file's faults.
fn trials(name: &str, text: &str, playbook: &Arc<Playbook>) -> Vec<Trial> {
    let file = format!("{PLAYBOOK}/{name}");
    let stem = name
        .trim_start_matches(SCENARIOS_FOLDER)
        .trim_end_matches(".toml")
        .to_owned();
    match Scenario::read(&file, text) {
        Err(faults) => vec![Trial::test(stem, move || Err(Failed::from(listed(&faults))))],
        Ok(scenarios) => scenarios
            .into_iter()
            .map(Arc::new)
            .flat_map(|scenario| {
                let name = format!("{stem}::{}", scenario.name);
                let recorded = format!("recorded::{name}");
                let (played, replayed) = ((scenario.clone(), playbook.clone()), (scenario, playbook.clone()));
                [
                    Trial::test(name, move || verdict(&played.0, &play(&played.0, &played.1))),
                    Trial::test(recorded, move || replay(&replayed.0, &replayed.1)),
                ]
            })
            .collect(),
    }
}

/// The events of a played scenario, recorded, are a scenario that holds.
fn replay(scenario: &Scenario, playbook: &Playbook) -> Result<(), Failed> {
    let played = play(scenario, playbook);
    let text = record(&envelopes(&played.log)).map_err(|error| Failed::from(error.to_string()))?;
    let recorded = Scenario::read("recorded.toml", &text)
        .map_err(|faults| Failed::from(format!("{}\n{text}", listed(&faults))))?;
    let [recorded] = recorded.as_slice() else {
        return Err(Failed::from(format!("one scenario is recorded:\n{text}")));
    };
    verdict(recorded, &play(recorded, playbook)).map_err(|failed| {
        let table = failed.message().unwrap_or_default().to_owned();
        Failed::from(format!("{table}\n{text}"))
    })
}

/// The log as clients receive it.
fn envelopes(log: &[Fact]) -> Vec<Envelope> {
    let numbered = (1..).map(Seq).zip(log);
    numbered
        .map(|(seq, fact)| Envelope {
            event_id: EventId(seq),
            seq,
            session_id: SessionId::new(ulid::Ulid::from(7_u128)),
            event_type: fact.event.event_type().into_owned(),
            created_at: fact.at,
            data: serde_json::from_str(&fact.event.data_json().expect("an event is JSON"))
                .expect("it is JSON"),
        })
        .collect()
}

/// What a model is shown must be what it is told: the contract's fields, words that were said, one question, speakable.
fn check_examples(prompt: &str) -> Result<(), Failed> {
    let (_, examples) = prompt
        .split_once("## Examples")
        .ok_or("the prompt has no examples")?;
    let mut blocks = examples.split("```json\n");
    let mut person = blocks.next().unwrap_or_default();
    let mut checked = 0;
    for block in blocks {
        let (json, next) = block.split_once("\n```").ok_or("an example has no end")?;
        let output: PlannerOutput = serde_json::from_str(json).map_err(|error| format!("{json}: {error}"))?;
        for update in &output.slot_updates {
            if !person.contains(&update.words) {
                return Err(format!("{:?} is not in {person}", update.words).into());
            }
        }
        let spoken = format!("{} {}", output.answer, output.question);
        let fits = !output.answer.contains('?')
            && output.question.matches('?').count() <= 1
            && output.ask.is_some() != output.question.is_empty()
            && !spoken.contains(['*', '#', '`', '\n']);
        if !fits {
            return Err(format!("it breaks a rule: {json}").into());
        }
        person = next;
        checked += 1;
    }
    if checked < 4 {
        return Err(format!("only {checked} examples").into());
    }
    Ok(())
}

fn listed(faults: &[ScenarioFault]) -> String {
    faults.iter().fold(String::new(), |mut text, fault| {
        writeln!(text, "{fault}").expect("writing to a text");
        text
    })
}

fn verdict(scenario: &Scenario, played: &Played) -> Result<(), Failed> {
    if played.mismatches.is_empty() {
        return Ok(());
    }
    let table = played
        .mismatches
        .iter()
        .fold(String::new(), |mut table, mismatch| {
            let place = format!("{}:{}", scenario.file, mismatch.line);
            writeln!(
                table,
                "{place}\n    expected {}\n    found    {}",
                mismatch.expected, mismatch.found
            )
            .expect("writing to a text");
            table
        });
    Err(Failed::from(table))
}
