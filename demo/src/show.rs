//! The show: a world is started, a session is played in it, its package is written, the page stays open.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use greenroom_demo::process::Program;
use greenroom_demo::world::{Programs, World, WorldSpec};
use greenroom_protocol::{ClientMessage, Event, Modality, Role, RunId, Seq, Signal};
use loadtest::client::{Client, CreateSession, Incoming, Socket, SocketOptions, VoiceTurn, VoiceTurnOptions};
use serde_json::Value;

use crate::screen::Screen;
use crate::script::{self, Script, Words};
use crate::{AS_SERVER, AS_SIMULATOR, Cli};

/// A session that has not ended by then never will.
const SHOW_TIMEOUT: Duration = Duration::from_mins(5);
/// Who hears, speaks and checks in the demo, beside the language model.
const SERVICES: [(&str, &str); 3] = [
    ("GREENROOM_STT__MODEL", "sim-transcribe"),
    ("GREENROOM_TTS__MODEL", "sim-tts"),
    ("GREENROOM_MODERATION__MODEL", "sim-moderation"),
];
/// The voice that answers in the spoken demo.
const VOICE_PRESET: &str = "warm";

/// Plays the demo; whether the session reached `DONE`.
pub async fn show(cli: &Cli) -> anyhow::Result<bool> {
    let mut screen = Screen::new();
    screen.heading("Greenroom: one launch session, from the first question to the package");
    screen
        .line("Everything you see is SIMULATED: the AI provider is a simulator that runs beside the server.");
    let script = if cli.typed {
        script::typed()
    } else {
        script::spoken()
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

    let played = play(&world, &script, &mut screen);
    let run_id = tokio::time::timeout(SHOW_TIMEOUT, played)
        .await
        .context("the session did not end in time")??;
    let done = match run_id {
        Some(run_id) => {
            let client = Client::new(&world.server_url())?;
            let package = client.run(run_id).await?;
            summarize(&mut screen, &package);
            if package["state"] == "DONE" {
                let exported = write_export(&folder, client.export(run_id).await?)?;
                screen.line(&format!("export     {}", exported.zip.display()));
                screen.line(&format!("readable   {}", exported.page.display()));
            }
            package["state"] == "DONE"
        }
        None => false,
    };
    if !cli.exit {
        screen.heading(&format!(
            "The server goes on at {} until Ctrl-C.",
            world.server_url()
        ));
        tokio::signal::ctrl_c().await?;
    }
    Ok(done)
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

/// Says every line of the script, each when the turn before it has ended; the run that it led to.
async fn play(world: &World, script: &Script, screen: &mut Screen) -> anyhow::Result<Option<RunId>> {
    let client = Client::new(&world.server_url())?;
    let created = client
        .create_session(&CreateSession {
            locale: Some(script.locale),
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
    watch(&mut socket, screen, |incoming| {
        matches!(incoming, Seen::ReplayDone)
    })
    .await?;
    for (number, line) in script.lines.iter().enumerate() {
        let key = format!("line-{number}");
        match &line.words {
            Words::Typed(text) => {
                screen.user(text, line.notice);
                let text = (*text).to_owned();
                socket
                    .send(&ClientMessage::UserMessage { text }, Some(&key))
                    .await?;
                watch(&mut socket, screen, is_end_of_turn).await?;
            }
            Words::Spoken { voice, recording } => {
                screen.speaks(voice, line.notice);
                let options = VoiceTurnOptions {
                    locale: Some(script.locale),
                    voice_preset: Some(VOICE_PRESET.to_owned()),
                    key: Some(key),
                };
                let upload = client.voice_turn(session_id, recording.clone(), &options);
                let upload = async { upload.await.map_err(anyhow::Error::from) };
                let (turn, _) = tokio::try_join!(upload, watch(&mut socket, screen, is_end_of_turn))?;
                ensure!(!turn.transcript.is_empty(), "a recording was not understood");
                show_voice(&client, &turn, screen).await?;
            }
        }
    }
    screen.heading("The run");
    let last = watch(&mut socket, screen, |seen| ended_run(seen).is_some()).await?;
    socket.close().await?;
    Ok(ended_run(&last))
}

/// Tells where the reply can be heard; its bytes are fetched to see that they are there.
async fn show_voice(client: &Client, turn: &VoiceTurn, screen: &mut Screen) -> anyhow::Result<()> {
    match (&turn.audio_url, &turn.audio_error) {
        (Some(url), _) => {
            let bytes = client.asset(url).await?.len();
            screen.voice(&format!("{url}  ({bytes} bytes)"));
        }
        (None, Some(error)) => screen.voice(&format!("none: {}", error.code)),
        (None, None) => {}
    }
    Ok(())
}

fn is_end_of_turn(seen: &Seen) -> bool {
    match seen {
        Seen::Event(event) => matches!(**event, Event::TurnCompleted(_)),
        Seen::ReplayDone => false,
    }
}

/// The run that ended, if what was seen is its end.
fn ended_run(seen: &Seen) -> Option<RunId> {
    let Seen::Event(event) = seen else { return None };
    match event.as_ref() {
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
            show_event(screen, event);
        }
        if until(&seen) {
            return Ok(seen);
        }
    }
}

fn show_event(screen: &mut Screen, event: &Event) {
    match event {
        // A typed line was printed when it was typed; of a spoken one, this is what was understood.
        Event::MessageAdded(message) if message.role == Role::User => match message.modality {
            Modality::Text => {}
            Modality::Voice => screen.understood(&message.text),
        },
        event => screen.event(event),
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
