//! Speech and checks over real sockets: what is spoken, what may be said, and what holds while nobody can tell.

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec};
use loadtest::client::{VoiceFormat, VoiceTurnOptions};
use serde_json::{Value, json};

use crate::voice::{english_session, form, send, told, utterance, voiced};
use crate::wire::{Wire, get, send as ask};

const NAME: &str = "brief-02-name.flac";

fn moderated(input: &str, output: &str) -> Result<StageSpec> {
    Ok(voiced()?
        .env("GREENROOM_MODERATION__MODEL", "sim-moderation")
        .env("GREENROOM_MODERATION__INPUT", input)
        .env("GREENROOM_MODERATION__OUTPUT", output))
}

#[tokio::test]
async fn a_reply_is_spoken_fetched_in_part_and_never_made_twice() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let options = VoiceTurnOptions {
            voice_preset: Some("warm".to_owned()),
            ..VoiceTurnOptions::default()
        };
        let turn = client.voice_turn(session, utterance(NAME)?, &options).await?;
        ensure!(turn.audio_error.is_none(), "{:?}", turn.audio_error);
        let url = turn.audio_url.context("the reply is spoken")?;
        let whole = client.asset(&url).await?;
        let wire = Wire::to(stage)?;
        let part = get(&wire, &url, &[("range", "bytes=100-199")]).await?;
        ensure!(part.status == 206 && part.body == whole[100..200]);
        ensure!(part.header("content-type") == "audio/mpeg");
        ensure!(
            part.header("content-range") == format!("bytes 100-199/{}", whole.len()),
            "{:?}",
            part.headers
        );
        let head = ask(&wire, "HEAD", &url, &[]).await?;
        ensure!(head.status == 200 && head.header("content-length") == whole.len().to_string());
        let beyond = format!("bytes={}-", whole.len());
        ensure!(get(&wire, &url, &[("range", &beyond)]).await?.status == 416);
        for name in ["x.mp3", "..%2f..%2fgreenroom.db", "%2e%2e", ""] {
            let answer = get(&wire, &format!("/static/assets/{name}"), &[]).await?;
            ensure!(answer.status == 404, "{name}: {}", answer.status);
        }

        let events = told(stage, session, &["asset.ready"]).await?;
        let asset: Value = serde_json::from_str(&events[0].data)?;
        ensure!(asset["url"] == url && asset["kind"] == "speech", "{asset}");
        ensure!(asset["provenance"]["simulated"] == true, "{asset}");

        let text = "We launch on Monday.";
        let say = |format| client.assistant_voice(session, text, Some("calm"), format);
        let (first, second) = tokio::join!(say(VoiceFormat::Wav), say(VoiceFormat::Wav));
        let (first, second) = (first?, second?);
        ensure!(first == second, "{first:?} is not {second:?}");
        let wav = client.asset(&first.audio_url).await?;
        ensure!(wav.len() as u64 == first.bytes_size && wav.starts_with(b"RIFF"));
        ensure!(
            (500..10_000).contains(&first.duration_ms),
            "as long as it takes to say: {first:?}"
        );
        let before = stage.journal(session).await?.len();
        ensure!(say(VoiceFormat::Wav).await? == first);
        ensure!(
            stage.journal(session).await?.len() == before,
            "it makes no events"
        );
        ensure!(told(stage, session, &["asset.ready"]).await?.len() == 2);
        ensure!(say(VoiceFormat::Mp3).await?.audio_url != first.audio_url);
        let metrics = wire.get("/metrics").await?.text();
        for metric in [
            "greenroom_speech_cache_total{result=\"hit\"} 1",
            "greenroom_speech_cache_total{result=\"miss\"} 3",
            "greenroom_speech_seconds_count{outcome=\"ok\"} 3",
        ] {
            ensure!(metrics.contains(metric), "{metric} is missing in:\n{metrics}");
        }
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn speech_that_fails_or_breaks_off_leaves_the_text() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let wire = Wire::to(stage)?;
        for fault in [
            json!({ "kind": "status", "code": 500 }),
            json!({ "kind": "cut", "after_chars": 1000 }),
        ] {
            let session = english_session(&client).await?;
            let rule = json!([{ "match": { "purpose": "speech" }, "fault": fault, "times": "forever" }]);
            stage.simulate(&rule).await?;
            let parts: [(&str, &[u8]); 2] = [("audio", &utterance(NAME)?), ("voice_preset", b"warm")];
            let turn = send(&wire, session, form(&parts)).await?.ok()?;
            ensure!(turn["transcript"] == "It is called Morning Glow.", "{turn}");
            ensure!(
                turn["next_question"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{turn}"
            );
            ensure!(
                turn.get("audio_url").is_none() && turn["audio_error"]["code"] == "TTS_FAILED",
                "{turn}"
            );
            let errors = told(stage, session, &["error", "asset.ready"]).await?;
            ensure!(
                errors.len() == 1 && errors[0].data.contains("TTS_FAILED"),
                "{errors:?}"
            );
        }
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn what_is_flagged_is_not_worked_with_however_it_was_said() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let wire = Wire::to(stage)?;
        let health = wire.get("/health/detailed").await?.ok()?;
        let moderation = &health["dependencies"]["moderation"];
        ensure!(
            moderation["input"] == "required" && moderation["output"] == "off",
            "{health}"
        );
        let flagging = json!([{
            "match": { "purpose": "moderation" }, "fault": { "kind": "flag" }, "times": "forever",
        }]);
        stage.simulate(&flagging).await?;
        let path = |route: &str| format!("/api/chat/session/{session}/{route}");
        let message = json!({ "message": "It is called Lumi." });
        wire.post(&path("message"), &message)
            .await?
            .refused(422, "SAFETY_INPUT")?;
        let spoken = form(&[("audio", &utterance(NAME)?)]);
        send(&wire, session, spoken).await?.refused(422, "SAFETY_INPUT")?;
        wire.post(&path("assistant-voice"), &json!({ "text": "Say this for me." }))
            .await?
            .refused(422, "SAFETY_INPUT")?;
        ensure!(
            client.session(session).await?.brief_slots["product"]["name"].is_null(),
            "what is flagged fills nothing"
        );
        stage.simulate(&json!([])).await?;
        let turn = wire.post(&path("message"), &message).await?.ok()?;
        ensure!(turn["brief_slots"]["product"]["name"] == "Lumi", "{turn}");
        Ok(())
    };
    moderated("required", "off")?.play(scene).await
}

#[tokio::test]
async fn a_reply_that_is_flagged_does_not_stand() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let flagging = json!([{
            "match": { "purpose": "moderation" }, "fault": { "kind": "flag" }, "times": "forever",
        }]);
        stage.simulate(&flagging).await?;
        let parts = form(&[("audio", &utterance("brief-07-side-question.flac")?)]);
        // Whether the playbook's own question takes its place is the session's to decide; the model's words do not stand.
        send(&Wire::to(stage)?, session, parts).await?;
        let messages = told(stage, session, &["message.added"]).await?;
        let by_model = messages
            .iter()
            .filter(|event| event.data.contains("\"kind\":\"model\""))
            .filter(|event| !event.data.contains("\"truncated\":true"));
        ensure!(by_model.count() == 0, "{messages:?}");
        let errors = told(stage, session, &["error"]).await?;
        ensure!(
            errors.iter().any(|event| event.data.contains("SAFETY_OUTPUT")),
            "{errors:?}"
        );
        Ok(())
    };
    moderated("off", "required")?.play(scene).await
}

#[tokio::test]
async fn while_nobody_can_check_the_configuration_decides_what_passes() -> Result<()> {
    let down = json!([{
        "match": { "purpose": "moderation" }, "fault": { "kind": "status", "code": 500 }, "times": "forever",
    }]);
    let required = async |stage: &mut Stage| {
        let session = english_session(&stage.client()?).await?;
        stage.simulate(&down).await?;
        let spoken = form(&[("audio", &utterance(NAME)?)]);
        let answer = send(&Wire::to(stage)?, session, spoken).await?;
        answer.refused(503, "SAFETY_UNAVAILABLE")?;
        let health = Wire::to(stage)?.get("/health/detailed").await?.ok()?;
        ensure!(
            health["moderation"] == "failing" && health["status"] == "degraded",
            "{health}"
        );
        Ok(())
    };
    moderated("required", "off")?.play(required).await?;
    let best_effort = async |stage: &mut Stage| {
        let session = english_session(&stage.client()?).await?;
        stage.simulate(&down).await?;
        let spoken = form(&[("audio", &utterance(NAME)?)]);
        let turn = send(&Wire::to(stage)?, session, spoken).await?.ok()?;
        ensure!(turn["brief_slots"]["product"]["name"] == "Morning Glow", "{turn}");
        Ok(())
    };
    moderated("best_effort", "best_effort")?.play(best_effort).await
}
