//! Recordings, as browsers and phones send them and as nobody should: turned into turns, or refused for what they are.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use greenroom_demo::session_play::{Stage, StageSpec, within};
use greenroom_protocol::{Locale, SessionId};
use loadtest::client::{Client, CreateSession, SeenEvent, VoiceTurnOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::wire::{Answer, Wire, answer};

const BOUNDARY: &str = "----a-boundary-that-nobody-says";
/// What the demo's person says second.
const NAME: &str = "brief-02-name.flac";
const MIB: usize = 1024 * 1024;
/// A stalled upload is given up after 10 s; a busy machine may take longer to say so.
const STALL_NOTICED: Duration = Duration::from_secs(40);

/// A server that hears and speaks by the simulator.
pub fn voiced() -> Result<StageSpec> {
    Ok(StageSpec::new()?
        .env("GREENROOM_STT__MODEL", "sim-transcribe")
        .env("GREENROOM_TTS__MODEL", "sim-tts"))
}

/// A file of the repository.
fn file(path: &str) -> Result<Bytes> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(bytes.into())
}

/// A recording that the simulator knows.
pub fn utterance(name: &str) -> Result<Bytes> {
    file(&format!("loadtest/utterances/{name}"))
}

/// A recording of a sentence that nobody knows, as `audio/tests/fixtures/README.md` has them.
fn fixture(name: &str) -> Result<Bytes> {
    file(&format!("audio/tests/fixtures/{name}"))
}

pub async fn english_session(client: &Client) -> Result<SessionId> {
    let new = CreateSession {
        locale: Some(Locale::En),
        ..CreateSession::default()
    };
    Ok(client.create_session(&new).await?.session.session_id)
}

fn with_key(key: &str) -> VoiceTurnOptions {
    VoiceTurnOptions {
        key: Some(key.to_owned()),
        ..VoiceTurnOptions::default()
    }
}

/// A form of parts: name, and what it holds.
pub fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in parts {
        let heading = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x.webm\"\r\n\
             Content-Type: audio/webm\r\n\r\n"
        );
        body.extend_from_slice(heading.as_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// Sends a form to `voice-turn`.
pub async fn send(wire: &Wire, session: SessionId, body: Vec<u8>) -> Result<Answer> {
    let request = wire
        .request("POST", &format!("/api/chat/session/{session}/voice-turn"))?
        .header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(body);
    answer(request).await
}

/// Recognition takes long enough from now on for something to happen meanwhile.
async fn slow_recognition(stage: &Stage) -> Result<()> {
    let slow = json!([{
        "match": { "purpose": "transcription" }, "fault": { "kind": "slow", "first_token_ms": 1500 },
    }]);
    stage.simulate(&slow).await
}

/// The events of a session of these types, in their order.
pub async fn told(stage: &Stage, session: SessionId, types: &[&str]) -> Result<Vec<SeenEvent>> {
    let journal = stage.journal(session).await?.into_iter();
    Ok(journal
        .filter(|event| types.contains(&event.event_type.as_str()))
        .collect())
}

fn types(events: &[SeenEvent]) -> Vec<&str> {
    events.iter().map(|event| event.event_type.as_str()).collect()
}

fn data(event: &SeenEvent) -> Result<Value> {
    Ok(serde_json::from_str(&event.data)?)
}

/// Reads the log as it grows until an event of this type.
async fn until_event(client: &Client, session: SessionId, event_type: &str) -> Result<()> {
    let mut log = client.follow(session, greenroom_protocol::Seq::ZERO).await?;
    while let Some(event) = log.next().await? {
        if event.event_type == event_type {
            return Ok(());
        }
    }
    bail!("the log ended before {event_type}")
}

/// WAV of this many seconds of nothing.
fn silence(seconds: u32) -> Vec<u8> {
    let pcm_bytes = seconds * 32_000;
    let mut wav = Vec::with_capacity(pcm_bytes as usize + 44);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(pcm_bytes + 36).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data");
    wav.extend_from_slice(&pcm_bytes.to_le_bytes());
    wav.resize(pcm_bytes as usize + 44, 0);
    wav
}

#[tokio::test]
async fn what_is_said_fills_the_brief_and_is_told_as_a_spoken_turn() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let turn = client
            .voice_turn(session, utterance(NAME)?, &VoiceTurnOptions::default())
            .await?;
        ensure!(turn.transcript == "It is called Morning Glow.", "{turn:?}");
        ensure!(
            turn.brief_slots["product"]["name"] == "Morning Glow",
            "{:?}",
            turn.brief_slots
        );
        ensure!(turn.audio_url.is_none() && turn.audio_error.is_none());
        let events = told(stage, session, &["call.reserved", "turn.started"]).await?;
        let (reserved, started) = (data(&events[0])?, data(&events[1])?);
        ensure!(reserved["purpose"] == "transcribe" && started["modality"] == "voice");
        ensure!(
            reserved["turn_id"] == started["turn_id"],
            "the reservation names the turn"
        );

        let mut stream = client
            .voice_turn_stream(session, utterance("brief-03-category.flac")?, &with_key("s"))
            .await?;
        let mut seen = Vec::new();
        while let Some(event) = stream.next().await? {
            seen.push(event);
        }
        let seen = types(&seen);
        ensure!(
            seen.first() == Some(&"turn.started") && seen.last() == Some(&"turn.completed"),
            "{seen:?}"
        );

        let wire = Wire::to(stage)?;
        let health = wire.get("/health/detailed").await?.ok()?;
        ensure!(
            health["stt"] == "ok" && health["moderation"] == "not_configured",
            "{health}"
        );
        ensure!(
            health["dependencies"]["stt"]["provider"]["model"] == "sim-transcribe",
            "{health}"
        );
        let metrics = wire.get("/metrics").await?.text();
        for metric in [
            "greenroom_uploads_total{outcome=\"ok\"} 2",
            "greenroom_upload_bytes_total",
            "greenroom_decoded_audio_milliseconds_total",
            "greenroom_decode_seconds_count 2",
            "greenroom_transcription_seconds_count{outcome=\"ok\"} 2",
        ] {
            ensure!(metrics.contains(metric), "{metric} is missing in:\n{metrics}");
        }
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn what_nobody_understands_is_no_turn_in_whatever_format_it_comes() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        for recording in [
            "mediarecorder-opus.webm",
            "mediarecorder-opus.mp4",
            "opus.ogg",
            "vorbis.ogg",
            "aac.m4a",
            "mp3.mp3",
            "flac.flac",
            "wav-u8-8k.wav",
        ] {
            let turn = client
                .voice_turn(session, fixture(recording)?, &VoiceTurnOptions::default())
                .await
                .context(recording)?;
            ensure!(turn.transcript.is_empty(), "{recording}: {turn:?}");
            ensure!(turn.next_question.contains("type"), "it asks for text: {turn:?}");
        }
        ensure!(
            told(stage, session, &["turn.started", "error"]).await?.is_empty(),
            "none of them is a turn"
        );
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn what_is_no_recording_is_refused_and_costs_nothing() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let wire = Wire::to(stage)?;
        let check = async |parts: &[(&str, &[u8])], status: u16, code: &str| {
            let answer = send(&wire, session, form(parts)).await?;
            let error = answer.refused(status, code)?;
            anyhow::Ok(error.details)
        };
        let wav = fixture("reference.wav")?;
        let webm = fixture("opus.webm")?;
        check(&[], 422, "INPUT_INVALID").await?;
        check(&[("audio", b"")], 422, "INPUT_INVALID").await?;
        check(&[("audio", &wav), ("audio", &wav)], 422, "INPUT_INVALID").await?;
        check(&[("audio", &wav), ("video", &wav)], 422, "INPUT_INVALID").await?;
        check(&[("audio", &webm[..200])], 422, "INPUT_INVALID").await?;
        let text = b"these are words, and no sound, however long one listens to them";
        let details = check(&[("audio", text)], 415, "INPUT_UNSUPPORTED_MEDIA").await?;
        ensure!(details["formats"].is_array(), "{details}");
        let mut forged = wav.to_vec();
        forged[24..28].copy_from_slice(&4_000_000_000_u32.to_le_bytes());
        check(&[("audio", &forged)], 422, "INPUT_INVALID").await?;
        check(&[("audio", &silence(301))], 413, "INPUT_TOO_LARGE").await?;
        check(&[("audio", &vec![0; 25 * MIB + 1])], 413, "INPUT_TOO_LARGE").await?;
        check(&[("audio", &vec![0; 60 * MIB])], 413, "INPUT_TOO_LARGE").await?;
        let details = check(
            &[("audio", &wav), ("voice_preset", b"shrill")],
            422,
            "INPUT_INVALID",
        )
        .await?;
        ensure!(
            details["presets"] == json!(["warm", "calm", "bright"]),
            "{details}"
        );

        ensure!(
            told(stage, session, &["call.reserved"]).await?.is_empty(),
            "nothing was spent"
        );
        // A wrong name and a wrong type hurt nobody, and five minutes are not too long.
        let known = send(&wire, session, form(&[("audio", &utterance(NAME)?)]))
            .await?
            .ok()?;
        ensure!(known["transcript"] == "It is called Morning Glow.", "{known}");
        let long = send(&wire, session, form(&[("audio", &silence(300))]))
            .await?
            .ok()?;
        ensure!(long["transcript"] == "", "{long}");
        Ok(())
    };
    voiced()?.timeout(Duration::from_mins(2)).play(scene).await
}

#[tokio::test]
async fn an_upload_that_stalls_is_told_so_and_its_connection_is_given_up() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = english_session(&stage.client()?).await?;
        let mut stream = TcpStream::connect(stage.world.server.address()).await?;
        let head = format!(
            "POST /api/chat/session/{session}/voice-turn HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&form(&[("audio", &[7; 1_000])])[..600]).await?;
        let read = async {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        let answer = within(STALL_NOTICED, read).await?;
        ensure!(
            answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"INPUT_TIMEOUT\""),
            "{answer}"
        );
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn recognition_that_fails_or_hears_what_nobody_said_ends_only_its_own_turn() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let wire = Wire::to(stage)?;
        let say = async || send(&wire, session, form(&[("audio", &utterance(NAME)?)])).await;
        let failing = json!([{
            "match": { "purpose": "transcription" }, "fault": { "kind": "status", "code": 500 },
        }]);
        stage.simulate(&failing).await?;
        say().await?.refused(502, "STT_FAILED")?;
        let events = told(stage, session, &["call.settled", "error", "turn.started"]).await?;
        ensure!(types(&events) == ["call.settled", "error"], "{events:?}");
        // Whether a server that failed charges for the call, nobody knows.
        ensure!(data(&events[0])?["outcome"] == "unknown");

        let mishearing = json!([{ "match": { "purpose": "transcription" }, "fault": { "kind": "mishear" } }]);
        stage.simulate(&mishearing).await?;
        let misheard = say().await?.ok()?;
        let transcript = misheard["transcript"].as_str().unwrap_or_default();
        ensure!(
            !transcript.is_empty() && !transcript.is_ascii(),
            "in another language: {misheard}"
        );
        let heard = say().await?.ok()?;
        ensure!(heard["transcript"] == "It is called Morning Glow.", "{heard}");
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn the_same_key_is_heard_and_paid_for_once() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let options = with_key("k");
        let say = || async { anyhow::Ok(client.voice_turn(session, utterance(NAME)?, &options).await?) };
        let (first, second) = tokio::join!(say(), say());
        let (first, second) = (first?, second?);
        ensure!(first == second, "{first:?} is not {second:?}");
        ensure!(say().await? == first);
        let other = client
            .voice_turn(session, utterance("brief-03-category.flac")?, &options)
            .await;
        let refused = other.err().context("another recording is refused")?;
        ensure!(refused.to_string().contains("INPUT_ID_REUSED"), "{refused}");
        let transcriptions = told(stage, session, &["call.reserved"]).await?;
        let transcriptions = transcriptions
            .iter()
            .filter(|event| event.data.contains("\"transcribe\""));
        ensure!(transcriptions.count() == 1);
        ensure!(told(stage, session, &["turn.started"]).await?.len() == 1);
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn who_goes_away_amid_recognition_has_said_it_all_the_same() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        slow_recognition(stage).await?;
        let options = VoiceTurnOptions::default();
        tokio::select! {
            turn = client.voice_turn(session, utterance(NAME)?, &options) => bail!("too quick: {turn:?}"),
            reserved = until_event(&client, session, "call.reserved") => reserved?,
        }
        until_event(&client, session, "turn.completed").await?;
        let state = client.session(session).await?;
        ensure!(
            state.brief_slots["product"]["name"] == "Morning Glow",
            "{:?}",
            state.brief_slots
        );
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn a_server_killed_amid_recognition_books_the_call_and_hears_the_recording_again() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let hanging = json!([{ "match": { "purpose": "transcription" }, "fault": { "kind": "hang" } }]);
        stage.simulate(&hanging).await?;
        let options = with_key("k");
        tokio::select! {
            turn = client.voice_turn(session, utterance(NAME)?, &options) => bail!("it hangs: {turn:?}"),
            reserved = until_event(&client, session, "call.reserved") => reserved?,
        }
        stage.world.kill_and_restart_server().await?;
        // The first request may have been killed before it left.
        stage.simulate(&json!([])).await?;
        let turn = client.voice_turn(session, utterance(NAME)?, &options).await?;
        ensure!(turn.transcript == "It is called Morning Glow.", "{turn:?}");
        let settled = told(stage, session, &["call.settled"]).await?;
        let outcomes = settled.iter().map(data).collect::<Result<Vec<_>>>()?;
        let outcomes: Vec<_> = outcomes
            .iter()
            .filter(|settled| settled["purpose"] == "transcribe")
            .map(|settled| settled["outcome"].clone())
            .collect();
        ensure!(outcomes == ["unknown", "ok"], "{outcomes:?}");
        ensure!(told(stage, session, &["turn.started"]).await?.len() == 1);
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn a_server_that_is_stopped_amid_recognition_hears_it_to_the_end() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        slow_recognition(stage).await?;
        let options = VoiceTurnOptions::default();
        let recording = utterance(NAME)?;
        let mut turn = Box::pin(client.voice_turn(session, recording, &options));
        tokio::select! {
            turn = &mut turn => bail!("too quick: {turn:?}"),
            reserved = until_event(&client, session, "call.reserved") => reserved?,
        }
        let (turn, ended) = tokio::join!(turn, stage.world.server.terminate());
        let turn = turn?;
        ensure!(turn.transcript == "It is called Morning Glow.", "{turn:?}");
        ensure!(ended?.success(), "it ends by itself");

        stage.world.restart_server().await?;
        let events = told(stage, session, &["call.settled", "turn.completed"]).await?;
        let outcomes = events.iter().map(data).collect::<Result<Vec<_>>>()?;
        ensure!(
            outcomes.iter().all(|ended| ended["outcome"] == "ok"),
            "{outcomes:?}"
        );
        ensure!(types(&events).contains(&"turn.completed"), "{events:?}");
        Ok(())
    };
    voiced()?.play(scene).await
}
