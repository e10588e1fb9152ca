//! Messages that cannot be said: too long, blank, not text, not JSON, to nobody.

use anyhow::{Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec};
use greenroom_protocol::{Seq, SessionId, limits};
use loadtest::client::CreateSession;
use serde_json::{Value, json};

use crate::wire::{RawSocket, Wire, answer};

const NOBODY: &str = "sess_00000000000000000000000001";

async fn new_session(stage: &Stage) -> Result<SessionId> {
    Ok(stage
        .client()?
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id)
}

async fn head(stage: &Stage, session: SessionId) -> Result<Seq> {
    Ok(stage.client()?.events_page(session, Seq::ZERO, 1).await?.head)
}

#[tokio::test]
async fn what_is_no_message_is_refused_over_rest_and_leaves_no_trace() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = new_session(stage).await?;
        let before = head(stage, session).await?;
        let wire = Wire::to(stage)?;
        for route in ["message", "message/stream"] {
            let path = format!("/api/chat/session/{session}/{route}");
            let check = async |body: Value, code: &str| -> Result<()> {
                wire.post(&path, &body).await?.refused(422, code)?;
                Ok(())
            };
            check(json!({ "message": "" }), "INPUT_BLANK").await?;
            check(
                json!({ "message": " \n\t\u{3000}\u{200b}\u{3164}" }),
                "INPUT_BLANK",
            )
            .await?;
            check(
                json!({ "message": "가".repeat(limits::MESSAGE_CHARS_MAX + 1) }),
                "INPUT_TOO_LONG",
            )
            .await?;
            check(json!({ "message": 7 }), "INPUT_INVALID").await?;
            check(json!({ "massage": "typo" }), "INPUT_INVALID").await?;
            check(json!(["message"]), "INPUT_INVALID").await?;

            let send = async |content_type: Option<&str>, body: Vec<u8>| {
                let request = wire.request("POST", &path)?.body(body);
                answer(match content_type {
                    Some(content_type) => request.header("content-type", content_type),
                    None => request,
                })
                .await
            };
            let json = Some("application/json");
            send(json, b"{\"message\":\"\xff\xfe\xc3\x28\"}".to_vec())
                .await?
                .refused(422, "INPUT_INVALID")?;
            send(json, b"{\"message\":\"\\ud800\"}".to_vec())
                .await?
                .refused(422, "INPUT_INVALID")?;
            send(json, b"{\"message\":".to_vec())
                .await?
                .refused(422, "INPUT_INVALID")?;
            send(json, Vec::new()).await?.refused(422, "INPUT_INVALID")?;
            let well_formed = || b"{\"message\":\"hello\"}".to_vec();
            send(Some("text/plain"), well_formed())
                .await?
                .refused(415, "INPUT_UNSUPPORTED_MEDIA")?;
            send(None, well_formed())
                .await?
                .refused(415, "INPUT_UNSUPPORTED_MEDIA")?;
            let form = Some("application/x-www-form-urlencoded");
            send(form, b"message=hello".to_vec())
                .await?
                .refused(415, "INPUT_UNSUPPORTED_MEDIA")?;
            let large = format!("{{\"message\":\"{}\"}}", "x".repeat(limits::JSON_BODY_BYTES_MAX));
            send(json, large.into_bytes())
                .await?
                .refused(413, "INPUT_TOO_LARGE")?;
            let deep = "[".repeat(30_000) + &"]".repeat(30_000);
            send(json, deep.into_bytes())
                .await?
                .refused(422, "INPUT_INVALID")?;
        }
        ensure!(
            head(stage, session).await? == before,
            "a refused message makes no event"
        );
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn the_longest_message_is_taken_whole_in_any_script() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        // One, two, three and four bytes each; the last one is escaped by some clients to twelve.
        for letter in ["x", "é", "가", "😀"] {
            let session = new_session(stage).await?;
            let text = letter.repeat(limits::MESSAGE_CHARS_MAX);
            client.message(session, &text, None).await?;
            let journal = client.journal(session).await?;
            let said = journal.iter().any(|event| {
                event.event_type == "message.added" && event.data.contains(&format!("\"text\":\"{text}\""))
            });
            ensure!(said, "{letter} is stored as it was said");
        }
        let session = new_session(stage).await?;
        let escaped = format!(
            "{{\"message\":\"{}\"}}",
            "\\ud83d\\ude00".repeat(limits::MESSAGE_CHARS_MAX)
        );
        let wire = Wire::to(stage)?;
        let path = format!("/api/chat/session/{session}/message");
        let request = wire
            .request("POST", &path)?
            .header("content-type", "application/json")
            .body(escaped);
        answer(request).await?.ok()?;
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn what_is_no_message_is_rejected_over_the_socket_which_stays_open() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = new_session(stage).await?;
        let before = head(stage, session).await?;
        let mut socket = RawSocket::enter(stage, session).await?;
        let too_long = "가".repeat(limits::MESSAGE_CHARS_MAX + 1);
        for (text, code) in [
            ("", "INPUT_BLANK"),
            (" \u{3000}", "INPUT_BLANK"),
            (&too_long, "INPUT_TOO_LONG"),
        ] {
            let frame = json!({ "type": "user.message", "text": text, "id": code });
            socket.send_text(frame.to_string()).await?;
            let rejected = socket.signal("rejected").await?;
            ensure!(
                rejected["id"] == code && rejected["error"]["code"] == code,
                "{rejected}"
            );
        }
        ensure!(
            head(stage, session).await? == before,
            "a rejected message makes no event"
        );
        let longest = "가".repeat(limits::MESSAGE_CHARS_MAX);
        let frame = json!({ "type": "user.message", "text": longest, "id": "longest" });
        socket.send_text(frame.to_string()).await?;
        let accepted = socket.signal("accepted").await?;
        ensure!(
            accepted["id"] == "longest" && accepted["duplicate"] == false,
            "{accepted}"
        );
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_text_frame_that_is_not_utf8_ends_its_own_connection_only() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = new_session(stage).await?;
        let mut bystander = RawSocket::enter(stage, session).await?;
        let mut socket = RawSocket::enter(stage, session).await?;
        socket.send_not_utf8().await?;
        let code = socket.closed().await?;
        ensure!(code == 1007, "closed with {code}");
        bystander.send_text(r#"{"type":"ping","id":"p"}"#).await?;
        ensure!(bystander.signal("pong").await?["id"] == "p");
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_session_that_does_not_exist_is_not_found_anywhere() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let wire = Wire::to(stage)?;
        for id in [
            NOBODY,
            "sess_nonsense",
            "run_00000000000000000000000001",
            "1",
            "%00",
            "..%2f..",
        ] {
            let session = format!("/api/chat/session/{id}");
            wire.get(&session).await?.refused(404, "SESSION_NOT_FOUND")?;
            wire.get(&format!("{session}/events"))
                .await?
                .refused(404, "SESSION_NOT_FOUND")?;
            let page = wire
                .request("GET", &format!("{session}/events"))?
                .header("accept", "application/json");
            answer(page).await?.refused(404, "SESSION_NOT_FOUND")?;
            for (path, body) in [
                (format!("{session}/message"), json!({ "message": "hello" })),
                (format!("{session}/message/stream"), json!({ "message": "hello" })),
                (format!("/api/runs/{id}/generate"), json!({})),
                (format!("/api/runs/{id}/generate/async"), json!({ "draft": true })),
            ] {
                wire.post(&path, &body).await?.refused(404, "SESSION_NOT_FOUND")?;
            }
            let edits = json!([{ "path": "product.name", "value": "x" }]);
            let request = wire.request("PATCH", &format!("{session}/slots"))?.json(&edits);
            answer(request).await?.refused(404, "SESSION_NOT_FOUND")?;
        }
        for id in [NOBODY, "sess_nonsense"] {
            match RawSocket::open(stage, id, "", &[]).await? {
                Ok(mut socket) => ensure!(socket.closed().await? == 4004),
                Err(answer) => drop(answer.refused(404, "SESSION_NOT_FOUND")?),
            }
        }
        ensure!(
            stage.sessions().await?.is_empty(),
            "asking for a session makes none"
        );
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}
