//! The show: a world is started, a session is played in it, its package is written, the page stays open.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use greenroom_protocol::{ClientMessage, Event, Locale, RunId, Seq, Signal};
use loadtest::client::{Client, CreateSession, Incoming, Socket, SocketOptions};
use loadtest::load::Distribution;
use loadtest::world::{Program, Programs, World, WorldSpec};
use serde_json::Value;

use crate::call::SpokenBrief;
use crate::caller::Figures;
use crate::screen::Screen;
use crate::script::{self, TypedLine};
use crate::{AS_SERVER, AS_SIMULATOR, Cli};

/// A session that has not ended by then never will.
const SHOW_TIMEOUT: Duration = Duration::from_mins(5);
/// Who hears, speaks and checks in the demo, beside the language model.
const SERVICES: [(&str, &str); 4] = [
    ("GREENROOM_STT__MODEL", "sim-transcribe"),
    // Like the one at OpenAI that tells words while they are said.
    ("GREENROOM_STT__REALTIME_MODEL", "sim-live-transcribe"),
    ("GREENROOM_TTS__MODEL", "sim-tts"),
    ("GREENROOM_MODERATION__MODEL", "sim-moderation"),
];

/// What the person of the show has to say.
enum Brief {
    Typed(&'static [TypedLine]),
    Spoken(SpokenBrief),
}

/// A session that was played to its end.
struct Played {
    run_id: RunId,
    /// What came of the call, if it was one.
    call: Option<Call>,
}

struct Call {
    figures: Figures,
    /// Both sides of it, as Ogg/Opus.
    recording: Option<Bytes>,
}

/// Plays the demo; whether the session reached `DONE`.
pub async fn show(cli: &Cli) -> anyhow::Result<bool> {
    let mut screen = Screen::new();
    screen.heading("Greenroom: one launch session, from the first question to the package");
    screen
        .line("Everything you see is SIMULATED: the AI provider is a simulator that runs beside the server.");
    let brief = if cli.typed {
        Brief::Typed(script::typed())
    } else {
        Brief::Spoken(SpokenBrief::new(script::spoken()?)?)
    };
    let folder = fresh_folder(&cli.out)?;
    let mut spec = WorldSpec::new(programs()?, &folder);
    spec.simulator_args = vec!["--speed".to_owned(), cli.speed.to_string()];
    spec.server_env = SERVICES
        .map(|(name, model)| (name.to_owned(), model.to_owned()))
        .to_vec();
    let world = World::start(spec).await?;
    screen.line(&format!(
        "server     {}  (open it in a browser)",
        world.server_url()
    ));
    screen.line(&format!("simulator  {}", world.simulator_url()));
    screen.line(&format!("files      {}", folder.display()));

    let played = play(&world, &brief, &mut screen);
    let played = tokio::time::timeout(SHOW_TIMEOUT, played)
        .await
        .context("the session did not end in time")??;
    let client = Client::new(&world.server_url())?;
    let package = client.run(played.run_id).await?;
    let is_done = package["state"] == "DONE";
    summarize(&mut screen, &package);
    if is_done {
        let exported = write_export(&folder, client.export(played.run_id).await?)?;
        screen.line(&format!("export     {}", exported.zip.display()));
        screen.line(&format!("readable   {}", exported.page.display()));
    }
    if let Some(call) = &played.call {
        summarize_call(&mut screen, &call.figures, cli.speed);
        if let Some(recording) = &call.recording {
            let path = folder.join("call.ogg");
            std::fs::write(&path, recording).with_context(|| format!("cannot write {}", path.display()))?;
            screen.line(&format!(
                "recording  {}  (left: who calls, right: the voice)",
                path.display()
            ));
        }
    }
    if !cli.exit {
        screen.heading(&format!(
            "The server goes on at {} until Ctrl-C.",
            world.server_url()
        ));
        tokio::signal::ctrl_c().await?;
    }
    Ok(is_done)
}

/// This very program, told to play a part.
fn programs() -> anyhow::Result<Programs> {
    let path = std::env::current_exe().context("the demo's own path is unknown")?;
    let program = |role: &str| Program {
        path: path.clone(),
        args: vec![role.into()],
    };
    Ok(Programs {
        server: program(AS_SERVER),
        simulator: program(AS_SIMULATOR),
    })
}

/// A folder of its own for each show, so that none overwrites another.
fn fresh_folder(out: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let folder = tempfile::Builder::new()
        .prefix("session-")
        .disable_cleanup(true)
        .tempdir_in(out)?;
    Ok(std::fs::canonicalize(folder.path())?)
}

/// Opens a session, says the whole brief, and waits for the run that it led to.
async fn play(world: &World, brief: &Brief, screen: &mut Screen) -> anyhow::Result<Played> {
    let client = Client::new(&world.server_url())?;
    let locale = match brief {
        Brief::Typed(_) => Locale::Ko,
        Brief::Spoken(_) => Locale::En,
    };
    let created = client
        .create_session(&CreateSession {
            locale: Some(locale),
            ..CreateSession::default()
        })
        .await?;
    let session_id = created.session.session_id;
    screen.line(&format!("session    {session_id}"));
    screen.heading("The conversation");
    let options = SocketOptions {
        last_event_id: Some(Seq::ZERO),
        ..SocketOptions::default()
    };
    let mut socket = client.connect(session_id, options).await?;
    watch(&mut socket, screen, |seen| matches!(seen, Seen::ReplayDone)).await?;
    let played = match brief {
        Brief::Typed(lines) => Played {
            run_id: type_brief(lines, &mut socket, screen).await?,
            call: None,
        },
        Brief::Spoken(brief) => {
            let said = brief.say(&mut socket, screen).await?;
            let recording = match said.recording_url {
                Some(url) => Some(client.asset(&url).await?),
                None => None,
            };
            let figures = said.figures;
            Played {
                run_id: said.run_id,
                call: Some(Call { figures, recording }),
            }
        }
    };
    socket.close().await?;
    Ok(played)
}

/// Types every line, each when the turn before it has ended; the run that it led to.
async fn type_brief(lines: &[TypedLine], socket: &mut Socket, screen: &mut Screen) -> anyhow::Result<RunId> {
    for (number, line) in lines.iter().enumerate() {
        screen.user(line.text, line.notice);
        let text = line.text.to_owned();
        let key = format!("line-{number}");
        socket
            .send(&ClientMessage::UserMessage { text }, Some(&key))
            .await?;
        watch(socket, screen, is_end_of_turn).await?;
    }
    loop {
        let seen = watch(socket, screen, |seen| matches!(seen, Seen::Event(_))).await?;
        if let Seen::Event(event) = &seen
            && let Some(run_id) = ended_run(event)
        {
            return Ok(run_id);
        }
    }
}

fn is_end_of_turn(seen: &Seen) -> bool {
    match seen {
        Seen::Event(event) => matches!(**event, Event::TurnCompleted(_)),
        Seen::ReplayDone => false,
    }
}

/// The run that ended with an event, if one did.
pub fn ended_run(event: &Event) -> Option<RunId> {
    match event {
        Event::StageChanged(changed) if matches!(changed.state.as_str(), "DONE" | "FAILED") => changed.run_id,
        _ => None,
    }
}

/// What the show waits for.
enum Seen {
    Event(Box<Event>),
    ReplayDone,
}

/// Prints what comes until something is there that was waited for.
async fn watch(
    socket: &mut Socket,
    screen: &mut Screen,
    until: impl Fn(&Seen) -> bool,
) -> anyhow::Result<Seen> {
    loop {
        let seen = match socket.next().await? {
            Incoming::Event(event) => Seen::Event(Box::new(event.event()?)),
            Incoming::Signal(signal) => match *signal {
                Signal::ReplayDone { .. } => Seen::ReplayDone,
                Signal::Rejected { error, .. } | Signal::Notice { error } => {
                    bail!("{}: {}", error.code, error.message)
                }
                _ => continue,
            },
            Incoming::Closed { code } => bail!("the server closed the socket ({code:?})"),
            Incoming::Unknown(_) | Incoming::Audio(_) | Incoming::Reconnected { .. } => continue,
        };
        if let Seen::Event(event) = &seen {
            screen.event(event);
        }
        if until(&seen) {
            return Ok(seen);
        }
    }
}

/// What the export became on the disk.
struct Exported {
    zip: PathBuf,
    page: PathBuf,
}

/// Keeps the exported zip, and unpacks it beside itself for whoever wants to read it at once.
fn write_export(folder: &Path, zip: Bytes) -> anyhow::Result<Exported> {
    let path = folder.join("package.zip");
    std::fs::write(&path, &zip).with_context(|| format!("cannot write {}", path.display()))?;
    let unpacked = folder.join("package");
    zip::ZipArchive::new(std::io::Cursor::new(zip))?
        .extract(&unpacked)
        .with_context(|| format!("cannot unpack into {}", unpacked.display()))?;
    Ok(Exported {
        zip: path,
        page: unpacked.join("index.html"),
    })
}

fn summarize(screen: &mut Screen, package: &Value) {
    screen.heading("The package (simulated)");
    let first = |pointer: &str| {
        package
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("-")
            .to_owned()
    };
    let count = |pointer: &str| {
        package
            .pointer(pointer)
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    };
    screen.line(&format!("state      {}", first("/state")));
    screen.line(&format!(
        "research   {} signals, {} pieces of evidence: {}",
        count("/research_snapshot/market_signals"),
        count("/research_snapshot/evidence"),
        first("/research_snapshot/market_signals/0/signal")
    ));
    screen.line(&format!(
        "strategy   {}",
        first("/strategy_plan/positioning_options/0/message")
    ));
    screen.line(&format!(
        "creative   {} ad copies: {}",
        count("/creative_assets/ad_copies"),
        first("/creative_assets/ad_copies/0/headline")
    ));
    screen.line(&format!(
        "voice      {}",
        first("/voice_assets/voiceover_script_short")
    ));
}

fn summarize_call(screen: &mut Screen, figures: &Figures, speed: f64) {
    screen.heading("The call (real time and a real server; recorded speech and a simulated provider)");
    let felt = figures.felt.iter().map(|felt| felt.as_secs_f64() * 1_000.0);
    let felt = Distribution::of(felt.collect());
    screen.line(&format!("turns      {} answered by voice", felt.count));
    screen.line(&format!(
        "latency    {:.0} ms median, {:.0} ms at most, from the end of speech to the first sound of the reply (provider at {speed} x)",
        felt.p50, felt.max
    ));
    if !figures.silenced_after.is_empty() {
        let silenced = figures.silenced_after.iter();
        let silenced: Vec<String> = silenced
            .map(|after| format!("{} ms", after.as_millis()))
            .collect();
        screen.line(&format!(
            "barge-in   the voice fell silent {} after somebody began to speak into it",
            silenced.join(", ")
        ));
    }
    for waited in &figures.waited {
        screen.line(&format!(
            "murmur     the voice waited {} ms for what was no turn, and went on where it had paused",
            waited.as_millis()
        ));
    }
}
