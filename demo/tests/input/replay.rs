//! The log as clients read it: over sockets, streams and pages, from anywhere, the same bytes for everybody.

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use greenroom_demo::session_play::{Stage, StageSpec, ready_session, until_signal};
use greenroom_protocol::{EventId, Seq, SessionId, Signal, limits};
use loadtest::client::{Client, CreateSession, Incoming, SeenEvent, SocketOptions};
use serde_json::{Value, json};

use crate::wire::{RawSocket, Wire, answer};

const GREENROOM: [(&str, &str); 1] = [("sec-websocket-protocol", "greenroom.v1")];

async fn new_session(client: &Client) -> Result<SessionId> {
    Ok(client
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id)
}

/// A session with a finished run behind it, and its log.
async fn finished(stage: &Stage) -> Result<(SessionId, Vec<SeenEvent>)> {
    let client = stage.client()?;
    let session = ready_session(&client).await?;
    client.generate(session, false, None).await?;
    Ok((session, stage.journal(session).await?))
}

#[tokio::test]
async fn a_replay_begins_anywhere_and_goes_on_live() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let (session, journal) = finished(stage).await?;
        let client = stage.client()?;
        let head = journal.last().context("a session has events")?.seq;
        for after in [Seq::ZERO, Seq(1), Seq(head.0 / 2), Seq(head.0 - 1), head] {
            let options = SocketOptions {
                last_event_id: Some(after),
                ..SocketOptions::default()
            };
            let mut socket = client.connect(session, options).await?;
            let mut seen = Vec::new();
            let done = loop {
                match socket.next().await? {
                    Incoming::Event(event) => seen.push(event),
                    Incoming::Signal(signal) => match *signal {
                        Signal::ReplayDone { seq } => break seq,
                        other => anyhow::bail!("nothing but the replay comes before its end: {other:?}"),
                    },
                    other => anyhow::bail!("{other:?}"),
                }
            };
            let expected = &journal[usize::try_from(after.0)?..];
            ensure!(
                seen == expected && done == head,
                "after {after}: {} events, done at {done}",
                seen.len()
            );
        }
        let options = SocketOptions {
            last_event_id: Some(head),
            ..SocketOptions::default()
        };
        let mut socket = client.connect(session, options).await?;
        client.message(session, "고마워요", None).await?;
        let live = loop {
            if let Incoming::Event(event) = socket.next().await? {
                break event;
            }
        };
        ensure!(
            live.seq == head.next() && live.event_type == "turn.started",
            "{live:?}"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_place_that_does_not_exist_is_refused_with_the_reason() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let head = client.events_page(session, Seq::ZERO, 1).await?.head;
        let ahead = EventId(head.next()).to_string();

        match RawSocket::open(stage, session, &format!("?last_event_id={ahead}"), &GREENROOM).await? {
            Ok(mut socket) => {
                let notice = socket.next().await?;
                ensure!(notice["type"] == "notice", "{notice}");
                ensure!(notice["error"]["code"] == "SESSION_EVENT_AHEAD", "{notice}");
                ensure!(
                    socket.closed().await? == 1008,
                    "and there is no use in coming back with it"
                );
            }
            Err(answer) => drop(answer.refused(409, "SESSION_EVENT_AHEAD")?),
        }
        let wire = Wire::to(stage)?;
        let events = format!("/api/chat/session/{session}/events");
        let stream = wire.request("GET", &events)?.header("last-event-id", &ahead);
        answer(stream).await?.refused(409, "SESSION_EVENT_AHEAD")?;
        let page = wire.request("GET", &format!("{events}?after={}", head.next()))?;
        answer(page.header("accept", "application/json"))
            .await?
            .refused(409, "SESSION_EVENT_AHEAD")?;

        let overflow = "evt_99999999999999999999999999";
        for id in ["nonsense", "evt_", "evt_x", "evt_-1", "5", overflow] {
            let opened = RawSocket::open(stage, session, &format!("?last_event_id={id}"), &GREENROOM).await?;
            let refused = opened.err().with_context(|| format!("`{id}` opens no socket"))?;
            refused
                .refused(422, "INPUT_INVALID")
                .with_context(|| format!("`{id}`"))?;
            let stream = wire.request("GET", &events)?.header("last-event-id", id);
            answer(stream)
                .await?
                .refused(422, "INPUT_INVALID")
                .with_context(|| format!("`{id}`"))?;
        }
        for query in ["after=-1", "after=x", "limit=-1", "limit=x", "after=1&after=2"] {
            let page = wire
                .request("GET", &format!("{events}?{query}"))?
                .header("accept", "application/json");
            answer(page)
                .await?
                .refused(422, "INPUT_INVALID")
                .with_context(|| query.to_owned())?;
        }
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_fresh_connection_gets_a_snapshot_and_then_what_follows_it() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        client.message(session, "제품명은 런치부스터", None).await?;
        let journal = stage.journal(session).await?;
        let mut socket = RawSocket::open(stage, session, "", &GREENROOM)
            .await?
            .map_err(|answer| anyhow::anyhow!("{}", answer.text()))?;
        ensure!(
            socket.subprotocol.as_deref() == Some("greenroom.v1"),
            "{:?}",
            socket.subprotocol
        );
        let snapshot = socket.next().await?;
        ensure!(snapshot["type"] == "session.snapshot", "{snapshot}");
        ensure!(snapshot["as_of_seq"] == journal.len(), "{snapshot}");
        ensure!(
            snapshot["brief_slots"]["product"]["name"] == "런치부스터",
            "{snapshot}"
        );
        let said: Vec<&Value> = journal_messages(&snapshot)?;
        let added = journal
            .iter()
            .filter(|event| event.event_type == "message.added")
            .count();
        ensure!(
            said.len() == added,
            "the conversation so far is in it: {snapshot}"
        );
        client.message(session, "카테고리는 스킨케어", None).await?;
        let first = socket.next().await?;
        ensure!(
            first["seq"] == journal.len() + 1 && first["type"] == "turn.started",
            "{first}"
        );
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

fn journal_messages(snapshot: &Value) -> Result<Vec<&Value>> {
    Ok(snapshot["messages"]
        .as_array()
        .context("a snapshot has messages")?
        .iter()
        .collect())
}

#[tokio::test]
async fn everybody_sees_the_same_bytes_live_replayed_streamed_and_in_pages() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let from_start = SocketOptions {
            last_event_id: Some(Seq::ZERO),
            ..SocketOptions::default()
        };
        let mut first = client.connect(session, from_start).await?;
        let mut second = stage.client()?.connect(session, from_start).await?;
        let mut stream = client.follow(session, Seq::ZERO).await?;
        client
            .message(session, greenroom_demo::session_play::BRIEF, None)
            .await?;
        client.generate(session, false, None).await?;
        let journal = stage.journal(session).await?;
        let head = journal.last().context("a session has events")?.seq;

        for socket in [&mut first, &mut second] {
            let mut seen = Vec::new();
            while seen.len() < journal.len() {
                if let Incoming::Event(event) = socket.next().await? {
                    seen.push(event);
                }
            }
            ensure!(seen == journal, "a socket that was there all along");
        }
        let mut seen = Vec::new();
        while seen.len() < journal.len() {
            seen.push(stream.next().await?.context("the stream goes on")?);
        }
        ensure!(seen == journal, "a stream that was there all along");
        let mut replayed = stage.client()?.connect(session, from_start).await?;
        let done = until_signal(&mut replayed, |signal| match signal {
            Signal::ReplayDone { seq } => Some(*seq),
            _ => None,
        });
        ensure!(done.await? == head, "the checker compares the events themselves");
        ensure!(
            client.journal(session).await? == journal,
            "pages for clients and for operators"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_stream_of_events_is_what_browsers_expect() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let journal = stage.journal(session).await?;
        let wire = Wire::to(stage)?;
        let events = format!("/api/chat/session/{session}/events");
        for (accept, query, header) in [
            (Some("*/*"), "", Some("evt_00001")),
            (Some("text/event-stream"), "", Some("evt_00001")),
            (None, "?last_event_id=evt_00001", None),
            (Some("*/*"), "?last_event_id=evt_00000", Some("evt_00001")),
        ] {
            let mut request = wire.request("GET", &format!("{events}{query}"))?;
            if let Some(accept) = accept {
                request = request.header("accept", accept);
            }
            if let Some(header) = header {
                request = request.header("last-event-id", header);
            }
            let response = request.send().await?;
            let media_type = response
                .headers()
                .get("content-type")
                .and_then(|value| value.to_str().ok());
            ensure!(
                response.status() == 200 && media_type == Some("text/event-stream"),
                "{media_type:?}"
            );
            let mut body = response.bytes_stream();
            let mut text = String::new();
            let last = journal.last().context("a session has events")?;
            let expected_end = format!(
                "id: {}\nevent: {}\ndata: {}\n\n",
                EventId(last.seq),
                last.event_type,
                last.data
            );
            while !text.ends_with(&expected_end) {
                text.push_str(std::str::from_utf8(
                    &body.next().await.context("the stream goes on")??,
                )?);
            }
            let first = text.find("id: ").map(|at| &text[at..at + 13]);
            ensure!(
                first == Some("id: evt_00002"),
                "the header is followed first: {text}"
            );
            ensure!(text.matches("\nevent: ").count() == journal.len() - 1, "{text}");
        }
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_turn_can_be_watched_as_a_stream_of_its_own() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let mut stream = client
            .message_stream(session, "제품명은 런치부스터예요. 뭘 더 알려드릴까요?", None)
            .await?;
        let mut seen = Vec::new();
        while let Some(event) = stream.next().await? {
            seen.push(event);
        }
        let types: Vec<&str> = seen.iter().map(|event| event.event_type.as_str()).collect();
        ensure!(
            types.first() == Some(&"turn.started") && types.last() == Some(&"turn.completed"),
            "{types:?}"
        );
        ensure!(
            types.iter().filter(|name| **name == "turn.completed").count() == 1,
            "{types:?}"
        );
        ensure!(
            types.contains(&"planner.delta") && types.contains(&"slot.updated"),
            "{types:?}"
        );
        let shown: String = seen
            .iter()
            .filter(|event| event.event_type == "planner.delta")
            .filter_map(|event| serde_json::from_str::<Value>(&event.data).ok())
            .filter_map(|data| Some(data["append"].as_str()?.to_owned()))
            .collect();
        ensure!(!shown.is_empty(), "the reply is shown as it grows: {seen:?}");
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn pages_have_bounds_and_lead_to_the_end() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let wire = Wire::to(stage)?;
        for round in 0..40 {
            let edits: Vec<Value> = (0..limits::SLOT_EDITS_MAX)
                .map(|number| json!({ "path": "product.name", "value": format!("이름 {round}-{number}") }))
                .collect();
            let request = wire
                .request("PATCH", &format!("/api/chat/session/{session}/slots"))?
                .json(&edits);
            answer(request).await?.ok()?;
        }
        let journal = stage.journal(session).await?;
        ensure!(
            journal.len() > limits::EVENTS_PAGE_MAX,
            "{} events are more than a page",
            journal.len()
        );
        let page = async |query: &str| -> Result<(usize, u64, u64)> {
            let path = format!("/api/chat/session/{session}/events{query}");
            let page = answer(wire.request("GET", &path)?.header("accept", "application/json"))
                .await?
                .ok()?;
            let count = page["events"].as_array().context("a page has events")?.len();
            let number = |field: &str| page[field].as_u64().context("a page says where it is");
            Ok((count, number("next_after")?, number("head")?))
        };
        let head = journal.len() as u64;
        ensure!(page("").await? == (100, 100, head));
        ensure!(page("?limit=0").await? == (1, 1, head));
        ensure!(page("?limit=1").await? == (1, 1, head));
        ensure!(page("?limit=1000").await? == (1_000, 1_000, head));
        ensure!(page("?limit=1001").await? == (1_000, 1_000, head));
        ensure!(page("?limit=18446744073709551615").await? == (1_000, 1_000, head));
        ensure!(page("?after=1000&limit=1000").await? == (journal.len() - 1_000, head, head));
        ensure!(page(&format!("?after={head}")).await? == (0, head, head));
        ensure!(
            client.journal(session).await? == journal,
            "page by page, nothing is missing"
        );
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}
