//! Clients that send nonsense, too much, or take nothing: they hurt themselves and nobody else.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use greenroom_demo::session_play::{Stage, StageSpec, within};
use greenroom_protocol::{EventId, Seq, SessionId, limits};
use loadtest::client::{Client, CreateSession, SeenEvent};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async};

use crate::wire::{RawSocket, Wire, answer};

/// Frames of a flood: many times what any limit lets through.
const FLOOD_FRAMES: usize = 5_000;
/// About half of what a flood or a backlog would take if it were kept.
const GROWTH_BYTES_MAX: u64 = 24 * 1024 * 1024;
/// Fewer than count as a flood of frames, and far more than may wait or be taken in a minute.
const TURNS: usize = 150;
/// How often something is looked at that tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(250);
/// A server that is well answers within this, on a busy machine too.
const PROMPT: Duration = Duration::from_secs(5);

async fn new_session(client: &Client) -> Result<SessionId> {
    Ok(client
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id)
}

/// Bytes of memory that the server holds.
fn resident_bytes(stage: &Stage) -> Result<u64> {
    let id = stage.world.server.id().context("the server runs")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("VmRSS")?;
    Ok(line.trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}

async fn ensure_well(stage: &Stage, bystander: &mut RawSocket) -> Result<()> {
    within(PROMPT, bystander.answers())
        .await
        .context("another client is not affected")?;
    let wire = Wire::to(stage)?;
    for path in ["/health", "/ready"] {
        wire.get(path).await?.ok()?;
    }
    Ok(())
}

/// Sends frame upon frame while reading what comes; answers with the close code and what was read.
async fn flood(socket: RawSocket, frame: Message) -> Result<(u16, Vec<Value>)> {
    let (mut sink, mut stream) = socket.into_inner().split();
    let write = async {
        for _ in 0..FLOOD_FRAMES {
            // The server hangs up on the way.
            if sink.send(frame.clone()).await.is_err() {
                break;
            }
        }
    };
    let read = async {
        let mut signals = Vec::new();
        loop {
            match stream
                .next()
                .await
                .context("the connection broke without a close frame")??
            {
                Message::Text(text) => signals.push(serde_json::from_str(&text)?),
                Message::Close(frame) => {
                    let code = frame.context("a close frame has a code")?.code;
                    return Ok::<_, anyhow::Error>((u16::from(code), signals));
                }
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    };
    let ((), read) = tokio::join!(write, read);
    read
}

/// Text frames that make no sense, and why.
const NONSENSE: [(&str, &str); 19] = [
    ("", "INPUT_INVALID"),
    ("{", "INPUT_INVALID"),
    ("hello", "INPUT_INVALID"),
    ("[]", "INPUT_INVALID"),
    ("7", "INPUT_INVALID"),
    ("null", "INPUT_INVALID"),
    ("{}", "INPUT_INVALID"),
    (r#"{"type":7}"#, "INPUT_INVALID"),
    (r#"{"type":"user.massage","text":"x"}"#, "INPUT_INVALID"),
    (r#"{"type":"turn.started","data":{}}"#, "INPUT_INVALID"),
    (r#"{"type":"user.message"}"#, "INPUT_INVALID"),
    (r#"{"type":"user.message","text":7}"#, "INPUT_INVALID"),
    (
        r#"{"type":"user.message","text":"x","txet":"y"}"#,
        "INPUT_INVALID",
    ),
    (r#"{"type":"ping","extra":1}"#, "INPUT_INVALID"),
    (r#"{"type":"run.generate","draft":"yes"}"#, "INPUT_INVALID"),
    (
        r#"{"type":"slot.set","path":"nonsense","value":1}"#,
        "INPUT_INVALID",
    ),
    (
        r#"{"type":"audio.start","codec":"mp3","sample_rate":16000,"channels":1}"#,
        "INPUT_INVALID",
    ),
    (
        r#"{"type":"audio.start","codec":"opus","sample_rate":44100,"channels":1}"#,
        "INPUT_INVALID",
    ),
    // Nothing is wrong with it, but here is nobody who hears.
    (
        r#"{"type":"audio.start","codec":"opus","sample_rate":48000,"channels":1}"#,
        "STT_NOT_CONFIGURED",
    ),
];

#[tokio::test]
async fn each_frame_that_makes_no_sense_is_rejected_with_the_reason_and_the_socket_stays_open() -> Result<()>
{
    let scene = async |stage: &mut Stage| {
        let session = new_session(&stage.client()?).await?;
        let mut socket = RawSocket::enter(stage, session).await?;
        let too_large = format!(
            "{{\"type\":\"ping\",\"id\":\"{}\"}}",
            "x".repeat(limits::TEXT_FRAME_BYTES_MAX)
        );
        let deep = "[".repeat(30_000);
        let large = [
            (deep.as_str(), "INPUT_INVALID"),
            (too_large.as_str(), "INPUT_TOO_LARGE"),
        ];
        for (text, code) in NONSENSE.into_iter().chain(large) {
            socket.send_text(text).await?;
            let rejected = socket.signal("rejected").await?;
            let shown: String = text.chars().take(80).collect();
            ensure!(rejected["error"]["code"] == code, "{shown}: {rejected}");
            ensure!(
                rejected.to_string().len() < 1_000,
                "a rejection does not give the frame back: {shown}"
            );
        }
        for (size_bytes, code) in [
            (320, "INPUT_INVALID"),
            (0, "INPUT_INVALID"),
            (limits::AUDIO_FRAME_BYTES_MAX + 1, "INPUT_TOO_LARGE"),
        ] {
            socket.send(Message::binary(vec![0; size_bytes])).await?;
            let rejected = socket.signal("rejected").await?;
            ensure!(
                rejected["error"]["code"] == code,
                "{size_bytes} bytes of audio: {rejected}"
            );
        }
        // A rejection names the message, as far as it said its name.
        socket.send_text(r#"{"type":"nonsense","id":"n-1"}"#).await?;
        ensure!(socket.signal("rejected").await?["id"] == "n-1");

        socket.answers().await?;
        socket
            .send_text(r#"{"type":"user.message","text":"제품명은 런치부스터","id":"m"}"#)
            .await?;
        ensure!(
            socket.signal("accepted").await?["id"] == "m",
            "and a proper message is taken"
        );
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_frame_beyond_reason_closes_the_connection_before_it_is_read() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = new_session(&stage.client()?).await?;
        let mut bystander = RawSocket::enter(stage, session).await?;
        for frame in [
            Message::text("x".repeat(5_000_000)),
            Message::binary(vec![0; 5_000_000]),
        ] {
            let socket = RawSocket::enter(stage, session).await?;
            let (mut sink, mut stream) = socket.into_inner().split();
            let write = async { drop(sink.send(frame).await) };
            let read = async {
                loop {
                    match stream.next().await {
                        Some(Ok(Message::Close(frame))) => break frame.map(|frame| u16::from(frame.code)),
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => break None,
                    }
                }
            };
            let ((), code) = tokio::join!(write, read);
            // Whoever still sends may find the connection reset before the close frame is read.
            ensure!(code.is_none_or(|code| code == 1009), "closed with {code:?}");
        }
        ensure_well(stage, &mut bystander).await
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_flood_of_any_kind_ends_its_connection_and_nothing_else() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = new_session(&stage.client()?).await?;
        let mut bystander = RawSocket::enter(stage, session).await?;
        ensure_well(stage, &mut bystander).await?;
        let before = resident_bytes(stage)?;
        let floods = [
            ("garbage", Message::text("garbage")),
            ("large garbage", Message::text("g".repeat(60_000))),
            ("pings", Message::text(r#"{"type":"ping"}"#)),
            ("pings with ids", Message::text(r#"{"type":"ping","id":"p"}"#)),
            (
                "edits that change nothing",
                Message::text(r#"{"type":"slot.set","path":"product.name","value":null}"#),
            ),
            ("audio", Message::binary(vec![0; 640])),
            ("the library's own pings", Message::Ping(vec![0; 100].into())),
        ];
        for (name, frame) in floods {
            let socket = RawSocket::enter(stage, session).await?;
            let (code, answers) = flood(socket, frame).await.with_context(|| name.to_owned())?;
            ensure!(code == 1008, "{name}: closed with {code}");
            ensure!(
                answers.len() < FLOOD_FRAMES / 5,
                "{name}: {} answers",
                answers.len()
            );
            within(PROMPT, bystander.answers())
                .await
                .with_context(|| format!("after {name}"))?;
        }
        ensure_well(stage, &mut bystander).await?;
        let growth = resident_bytes(stage)?.saturating_sub(before);
        ensure!(growth < GROWTH_BYTES_MAX, "the server grew by {growth} bytes");
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_flood_of_turns_is_limited_and_each_is_answered_or_rejected() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let mut socket = RawSocket::enter(stage, session).await?;
        let mut bystander = RawSocket::enter(stage, session).await?;
        for number in 0..TURNS {
            let frame =
                json!({ "type": "user.message", "text": format!("말 {number}"), "id": format!("t{number}") });
            socket.send_text(frame.to_string()).await?;
        }
        let (mut accepted, mut rejected) = (0, 0);
        while accepted + rejected < TURNS {
            match socket.next().await? {
                frame if frame["type"] == "accepted" => accepted += 1,
                frame if frame["type"] == "rejected" => {
                    let code = frame["error"]["code"].as_str().unwrap_or_default();
                    ensure!(["SYS_OVERLOADED", "SYS_RATE_LIMIT"].contains(&code), "{frame}");
                    ensure!(frame["error"]["retryable"] == true, "{frame}");
                    ensure!(frame["error"]["retry_after"].as_u64().is_some(), "{frame}");
                    rejected += 1;
                }
                _ => {}
            }
        }
        ensure!(
            accepted >= limits::TURNS_WAITING_MAX && rejected > 0,
            "{accepted} taken, {rejected} rejected"
        );
        let journal = stage.journal(session).await?;
        let turns = journal
            .iter()
            .filter(|event| event.event_type == "turn.started")
            .count();
        ensure!(turns == accepted, "{turns} turns for {accepted} messages taken");
        ensure_well(stage, &mut bystander).await
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn what_is_no_websocket_or_no_http_at_all_is_hung_up_on() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = new_session(&stage.client()?).await?;
        let mut bystander = RawSocket::enter(stage, session).await?;
        let unmasked: &[u8] = &[0x81, 0x02, b'h', b'i'];
        let reserved_opcode: &[u8] = &[0x83, 0x80, 0, 0, 0, 0];
        let long_control = [&[0x89, 0xfe, 0xff, 0xff, 0, 0, 0, 0][..], &vec![0; 0xffff]].concat();
        let claimed_huge: &[u8] = &[
            0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
        ];
        for bytes in [
            unmasked,
            reserved_opcode,
            &long_control,
            claimed_huge,
            &[0xff; 4_096],
        ] {
            let mut stream = RawSocket::enter(stage, session).await?.into_inner();
            let MaybeTlsStream::Plain(tcp) = stream.get_mut() else {
                anyhow::bail!("loopback has no TLS")
            };
            tcp.write_all(bytes).await?;
            ends(tcp).await.with_context(|| format!("{:x?}", &bytes[..2]))?;
        }
        let head_too_large = format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
            "x".repeat(200_000)
        );
        for bytes in [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice(),
            b"NONSENSE\r\n\r\n",
        ] {
            let mut tcp = TcpStream::connect(stage.world.server.address()).await?;
            tcp.write_all(bytes).await?;
            ends(&mut tcp).await?;
        }
        let mut tcp = TcpStream::connect(stage.world.server.address()).await?;
        // The server may hang up before it has been sent all of it.
        drop(tcp.write_all(head_too_large.as_bytes()).await);
        ends(&mut tcp).await?;
        ensure_well(stage, &mut bystander).await
    };
    StageSpec::without_model()?.play(scene).await
}

/// Returns once the server has ended the connection.
async fn ends(tcp: &mut TcpStream) -> Result<()> {
    let end = async {
        let mut buffer = [0; 4_096];
        // A reset is an end too.
        while tcp.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
        Ok(())
    };
    within(PROMPT, end).await.context("the server does not hang up")
}

/// Clients that take nothing.
const STALLED: usize = 6;
/// Edits in the backlog, each an event of about [`EDIT_BYTES`].
const EDITS: usize = 130;
/// Together they are more than the network between the two holds.
const EDIT_BYTES: usize = 58_000;

#[tokio::test]
async fn a_client_that_stops_reading_is_closed_and_loses_nothing() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let mut bystander = RawSocket::enter(stage, session).await?;
        write_backlog(stage, session).await?;
        within(PROMPT, bystander.answers()).await?;
        let head = client.events_page(session, Seq::ZERO, 1).await?.head;

        // What reading the log costs whoever does it, such as the database's cache, is there before.
        for _ in 0..STALLED {
            replay(stage, session, Seq::ZERO).await?;
        }
        let before = resident_bytes(stage)?;
        let mut stalled = Vec::new();
        for _ in 0..STALLED {
            stalled.push(connect_narrow(stage, session).await?);
        }
        let closed = try_join_all(stalled.into_iter().map(|socket| async {
            stand_still(&socket).await?;
            within(PROMPT, read_to_close(socket)).await
        }));
        tokio::pin!(closed);
        let (mut turns, mut growth) = (0, 0);
        let mut pause = tokio::time::interval(LOOK);
        let closed = loop {
            tokio::select! {
                closed = &mut closed => break closed?,
                _ = pause.tick() => {
                    let text = format!("말 {turns}");
                    let turn = async { Ok(client.message(session, &text, None).await?) };
                    within(PROMPT, turn).await.context("others are served as ever")?;
                    turns += 1;
                    growth = growth.max(resident_bytes(stage)?.saturating_sub(before));
                }
            }
        };
        ensure!(
            growth < GROWTH_BYTES_MAX,
            "{STALLED} clients that take nothing cost {growth} bytes"
        );

        let mut seen = Vec::new();
        for (code, last) in closed {
            ensure!(code == 4008, "closed with {code}");
            ensure!(
                last < head,
                "it was closed before it had everything: {last} of {head}"
            );
            seen.push(last);
        }
        for last in seen {
            ensure!(replay(stage, session, last).await? >= head, "nothing is missing");
        }
        within(PROMPT, bystander.answers()).await
    };
    // A burst of edits and as many pages would count as too many requests.
    let spec =
        StageSpec::without_model()?.config("[limits]\nrequests_per_minute = 0\nturns_per_minute = 0\n");
    spec.play(scene).await
}

/// Reads what came after an event up to the end of the replay, and that nothing is missing; answers with the last event.
async fn replay(stage: &Stage, session: SessionId, after: Seq) -> Result<Seq> {
    let query = format!("?last_event_id={}", EventId(after));
    let opened = RawSocket::open(stage, session, &query, &[]).await?;
    let mut socket = opened.map_err(|answer| anyhow::anyhow!("{}", answer.text()))?;
    let mut last = after;
    loop {
        let frame = socket.next().await?;
        if frame["type"] == "replay.done" {
            return Ok(last);
        }
        ensure!(
            frame["seq"] == last.next().0,
            "{} came after {last}",
            frame["seq"]
        );
        last = last.next();
    }
}

/// Fills a session's log with large events.
async fn write_backlog(stage: &Stage, session: SessionId) -> Result<()> {
    let wire = Wire::to(stage)?;
    let item_chars = EDIT_BYTES / limits::SLOT_ITEMS_MAX / "가".len();
    for round in 0..EDITS {
        let mut items = vec!["가".repeat(item_chars); limits::SLOT_ITEMS_MAX];
        items[0] = format!("{round}");
        let edits = json!([{ "path": "product.features", "value": items }]);
        let request = wire
            .request("PATCH", &format!("/api/chat/session/{session}/slots"))?
            .json(&edits);
        answer(request).await?.ok()?;
    }
    Ok(())
}

/// A connection that wants the whole log, through a small buffer, and is not read from.
async fn connect_narrow(stage: &Stage, session: SessionId) -> Result<WebSocketStream<TcpStream>> {
    let address = stage.world.server.address();
    let tcp = TcpSocket::new_v4()?;
    tcp.set_recv_buffer_size(4_096)?;
    let tcp = tcp.connect(address).await?;
    let url = format!("ws://{address}/api/chat/session/{session}/ws?last_event_id=evt_00000");
    let (socket, _) = client_async(url.into_client_request()?, tcp).await?;
    Ok(socket)
}

/// Takes nothing from a connection until nothing has moved towards it for longer than the server stands. Doing nothing
/// for so long is what is tried; nobody waits for anything.
async fn stand_still(socket: &WebSocketStream<TcpStream>) -> Result<()> {
    let patience = Duration::from(limits::WRITE_STALL_MAX) + Duration::from_millis(2_500);
    let (client, server) = (socket.get_ref().local_addr()?, socket.get_ref().peer_addr()?);
    let (mut moved_at, mut under_way) = (Instant::now(), 0);
    let mut pause = tokio::time::interval(LOOK);
    while moved_at.elapsed() < patience {
        pause.tick().await;
        let now_under_way = bytes_under_way(server.port(), client.port())?;
        if now_under_way != under_way {
            (moved_at, under_way) = (Instant::now(), now_under_way);
        }
    }
    ensure!(under_way > 0, "the backlog is no more than the network holds");
    Ok(())
}

/// What the server's side of a connection has sent and its client has not taken. Both ports tell which connection it is:
/// the system gives one port to several clients, as long as they call different servers.
fn bytes_under_way(server_port: u16, client_port: u16) -> Result<u64> {
    let (local_end, remote_end) = (format!(":{server_port:04X}"), format!(":{client_port:04X}"));
    for line in std::fs::read_to_string("/proc/net/tcp")?.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, _state, queues, ..] = fields[..] else {
            continue;
        };
        if local.ends_with(&local_end) && remote.ends_with(&remote_end) {
            let (sent, _received) = queues.split_once(':').context("two queues")?;
            return Ok(u64::from_str_radix(sent, 16)?);
        }
    }
    anyhow::bail!("the server has hung up")
}

/// Reads what is left on a connection; answers with the close code and the last event.
async fn read_to_close(mut socket: WebSocketStream<TcpStream>) -> Result<(u16, Seq)> {
    let mut last = Seq::ZERO;
    loop {
        match socket
            .next()
            .await
            .context("the connection broke without a close frame")??
        {
            Message::Text(text) => {
                let event = SeenEvent::from_envelope(&text)
                    .context("it was not closed before the end of the replay")?;
                ensure!(event.seq == last.next(), "{} came after {last}", event.seq);
                last = event.seq;
            }
            Message::Close(frame) => {
                return Ok((frame.context("a close frame has a code")?.code.into(), last));
            }
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}
