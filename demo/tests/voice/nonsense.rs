//! Audio that nobody can make sense of is refused with the reason, and the conversation goes on.

use anyhow::{Result, ensure};
use bytes::Bytes;
use greenroom_demo::session_play::Stage;
use greenroom_protocol::{AudioCodec, ClientMessage, ErrorCode, Modality, Signal};
use serde_json::{Value, json};

use crate::caller::{Caller, PCM_24K, english_session, voiced};
use crate::conversation::{NAME, converse, turns_of};
use crate::diary::Told;
use crate::microphone::{Format, PCM_16K};

/// A frame of 20 ms of silence at 16 kHz.
const FRAME_BYTES: usize = 640;
/// How far audio may be ahead of real time, and a second more, in frames of 20 ms.
const TOO_MANY_FRAMES: usize = 550;

/// The code of the next rejection, whatever it was a rejection of.
async fn until_rejected(caller: &mut Caller, what: &str) -> Result<ErrorCode> {
    let rejected = |signal: &Signal| match signal {
        Signal::Rejected { error, .. } => Some(error.code),
        _ => None,
    };
    caller
        .until_signal(&format!("the rejection of {what}"), rejected)
        .await
}

async fn refuses_frame(caller: &mut Caller, what: &str, frame: Vec<u8>, expected: ErrorCode) -> Result<()> {
    caller.send_frame(frame.into())?;
    let code = until_rejected(caller, what).await?;
    ensure!(code == expected, "{what}: {code:?}");
    Ok(())
}

async fn refuses_text(caller: &mut Caller, frame: &Value) -> Result<()> {
    caller.send_text(&frame.to_string()).await?;
    let code = until_rejected(caller, &frame.to_string()).await?;
    ensure!(code == ErrorCode::InputInvalid, "{frame}: {code:?}");
    Ok(())
}

#[tokio::test]
async fn a_microphone_comes_before_its_audio() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::open(&client, english_session(&client).await?, PCM_16K).await?;
        let silence = vec![0; FRAME_BYTES];
        refuses_frame(&mut caller, "audio", silence, ErrorCode::InputInvalid).await?;
        for message in [
            json!({ "type": "audio.commit" }),
            json!({ "type": "audio.stop" }),
            json!({ "type": "playback.ack", "reply_id": "reply_x", "played_ms": 1 }),
        ] {
            refuses_text(&mut caller, &message).await?;
        }
        caller.start(Some(PCM_24K)).await?;
        converse(&mut caller, NAME).await?;
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn a_start_that_cannot_be_served_is_refused_and_changes_nothing() -> Result<()> {
    let bad_starts = [
        json!({ "sample_rate": 11_025 }),
        json!({ "sample_rate": -1 }),
        json!({ "channels": 0 }),
        json!({ "channels": 3 }),
        json!({ "codec": "mp3" }),
        json!({ "codec": "opus", "sample_rate": 44_100 }),
        json!({ "turn_detection": "sometimes" }),
        json!({ "endpointing": { "delay_floor_ms": 5 } }),
        json!({ "endpointing": { "delay_floor_ms": 900, "delay_ceiling_ms": 300 } }),
        json!({ "endpointing": { "max_utterance_ms": 3_600_000 } }),
        json!({ "endpointing": { "patience_ms": 1 } }),
        json!({ "output": { "codec": "pcm_s16le", "sample_rate": 11_025 } }),
        json!({ "output": { "codec": "pcm_s16le", "sample_rate": 24_000, "voice_preset": "nobody" } }),
        json!({ "output": "loud" }),
        json!({ "record": "yes" }),
    ];
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        for changes in &bad_starts {
            let mut start = json!({
                "type": "audio.start", "codec": "pcm_s16le", "sample_rate": 16_000, "channels": 1,
            });
            for (name, value) in changes.as_object().into_iter().flatten() {
                start[name] = value.clone();
            }
            refuses_text(&mut caller, &start).await?;
        }
        // The microphone that was there before is there still.
        converse(&mut caller, NAME).await?;
        ensure!(caller.count("microphone.taken") == 0, "{caller:?}");
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn frames_that_are_not_what_was_announced_count_as_not_sent() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        caller.mute();
        for (what, bytes, code) in [
            ("odd bytes", FRAME_BYTES + 1, ErrorCode::InputInvalid),
            ("a frame of 3 ms", 96, ErrorCode::InputInvalid),
            ("a frame of 61 ms", 61 * 32, ErrorCode::InputInvalid),
            ("a frame of nothing", 0, ErrorCode::InputInvalid),
            ("17 KiB", 17 * 1024, ErrorCode::InputTooLarge),
        ] {
            refuses_frame(&mut caller, what, vec![0; bytes], code).await?;
        }
        refuses_text(&mut caller, &json!({ "type": "audio.frame", "audio": "AAAA" })).await?;
        refuses_text(&mut caller, &json!("AAAA")).await?;
        // What was never begun may be acknowledged as often as one likes.
        caller.tell(&ClientMessage::PlaybackAck {
            reply_id: "reply_that_never_was".to_owned(),
            played_ms: greenroom_protocol::Millis(u64::MAX),
        })?;
        caller.settle().await?;
        caller.unmute()?;
        converse(&mut caller, NAME).await?;
        ensure!(turns_of(stage, caller.session()).await? == [Modality::Voice]);
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn packets_that_are_no_opus_are_refused_and_those_around_them_understood() -> Result<()> {
    let opus = Format {
        codec: AudioCodec::Opus,
        rate_hz: 48_000,
        ..PCM_16K
    };
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::open(&client, english_session(&client).await?, opus).await?;
        caller.start(Some(PCM_24K)).await?;
        caller.mute();
        for (what, packet) in [
            ("a packet of nothing", Vec::new()),
            ("a packet that ends too soon", vec![0xff]),
            ("a packet of 2.5 ms", vec![16 << 3, 0, 0]),
            ("nonsense", vec![0xff; 50]),
        ] {
            refuses_frame(&mut caller, what, packet, ErrorCode::InputInvalid).await?;
        }
        caller.unmute()?;
        // One amid the words, in the place of nothing.
        let mut words = opus.recording(NAME)?;
        words.insert(words.len() / 2, Bytes::from_static(&[0xff; 7]));
        caller.emit(words)?;
        crate::conversation::until_answered(&mut caller, NAME).await?;
        ensure!(turns_of(stage, caller.session()).await? == [Modality::Voice]);
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn nobody_speaks_faster_than_time_passes() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        caller.mute();
        for _ in 0..TOO_MANY_FRAMES {
            caller.send_frame(vec![0; FRAME_BYTES].into())?;
        }
        caller.settle().await?;
        let rejections = caller.signals().filter_map(|signal| match signal {
            Signal::Rejected { error, .. } => Some(error.code),
            _ => None,
        });
        let codes: Vec<ErrorCode> = rejections.collect();
        let is_rate = |code: &ErrorCode| *code == ErrorCode::SysRateLimit;
        ensure!(!codes.is_empty() && codes.iter().all(is_rate), "{codes:?}");

        // By the time that a typed turn was answered aloud, as much time has passed as was sent ahead.
        let typed = ClientMessage::UserMessage {
            text: "It is natural skincare.".to_owned(),
        };
        caller.command(typed).await?;
        caller.until_reply_over(0).await?;
        caller
            .until("what was heard", |told| {
                (told.name() == "message.heard").then_some(())
            })
            .await?;
        caller.unmute()?;
        converse(&mut caller, NAME).await?;
        let is_closed = caller.diary.iter().any(|told| matches!(told, Told::Closed(_)));
        ensure!(!is_closed, "{caller:?}");
        ensure!(turns_of(stage, caller.session()).await? == [Modality::Text, Modality::Voice]);
        Ok(())
    };
    voiced()?.play(scene).await
}
