//! What is said becomes a turn, in whatever format it is sent, and its reply is spoken.

use anyhow::{Result, ensure};
use greenroom_demo::session_play::Stage;
use greenroom_protocol::{AudioCodec, AudioOutput, Event, MessageHeard, Role, Segment};

use crate::caller::{Caller, PCM_24K, english_session, voiced};
use crate::conversation::{NAME, converse, messages};
use crate::microphone::{Format, PCM_16K};

/// What a spoken turn with a spoken reply consists of, in this order.
const SEGMENTS: [Segment; 6] = [
    Segment::Endpointing,
    Segment::Transcription,
    Segment::PlannerFirstToken,
    Segment::FirstSentence,
    Segment::VoiceFirstByte,
    Segment::Delivery,
];

async fn a_spoken_turn(stage: &mut Stage, format: Format, output: AudioOutput) -> Result<()> {
    let client = stage.client()?;
    let session = english_session(&client).await?;
    let mut caller = Caller::open(&client, session, format).await?;
    caller.start(Some(output)).await?;
    let turn = converse(&mut caller, NAME).await?;
    caller.told_in_order(&[
        "speech.started",
        "speech.stopped",
        "turn.started",
        "message.added",
        "audio.begin",
        "sound",
        "audio.end",
        "message.heard",
    ])?;
    ensure!(
        caller.count("turn.started") == 1 && caller.replies().len() == 1,
        "{caller:?}"
    );
    ensure!(caller.replies()[0].turn == Some(turn));

    let replies = messages(&caller, turn, Role::Assistant);
    ensure!(!replies.is_empty(), "{caller:?}");
    for reply in replies {
        let heard = caller.events().filter_map(|event| match event {
            Event::MessageHeard(heard) if heard.message_id == reply.message_id => Some(heard),
            _ => None,
        });
        let heard: Vec<&MessageHeard> = heard.collect();
        ensure!(
            heard.len() == 1 && heard[0].text == reply.text,
            "{heard:?} of {reply:?}"
        );
        ensure!(heard[0].heard_ms.0 > 0, "{heard:?}");
    }
    let completed = caller.events().find_map(|event| match event {
        Event::TurnCompleted(completed) => Some(&completed.latency),
        _ => None,
    });
    let latency = completed.cloned().unwrap_or_default();
    let segments: Vec<Segment> = latency.segments.iter().map(|part| part.segment).collect();
    ensure!(segments == SEGMENTS, "{latency:?}");
    let sum: u64 = latency.segments.iter().map(|part| part.ms.0).sum();
    ensure!(sum == latency.total_ms.0, "{latency:?}");
    Ok(())
}

const OPUS_24K: AudioOutput = AudioOutput {
    codec: AudioCodec::Opus,
    sample_rate: 24_000,
    voice_preset: None,
};

#[tokio::test]
async fn a_turn_at_16_khz() -> Result<()> {
    let scene = async |stage: &mut Stage| a_spoken_turn(stage, PCM_16K, PCM_24K).await;
    voiced()?.play(scene).await
}

#[tokio::test]
async fn a_turn_in_opus_with_two_channels_and_the_longest_packets() -> Result<()> {
    let format = Format {
        codec: AudioCodec::Opus,
        rate_hz: 48_000,
        channels: 2,
        frame_ms: 60,
    };
    let scene = async |stage: &mut Stage| a_spoken_turn(stage, format, OPUS_24K).await;
    voiced()?.play(scene).await
}

#[tokio::test]
async fn a_turn_as_a_telephone_sends_it() -> Result<()> {
    let format = Format {
        rate_hz: 8_000,
        frame_ms: 10,
        ..PCM_16K
    };
    let output = AudioOutput {
        sample_rate: 8_000,
        ..PCM_24K
    };
    let scene = async |stage: &mut Stage| a_spoken_turn(stage, format, output.clone()).await;
    voiced()?.play(scene).await
}

#[tokio::test]
async fn a_turn_as_a_sound_card_records_it() -> Result<()> {
    let format = Format {
        rate_hz: 44_100,
        channels: 2,
        ..PCM_16K
    };
    let scene = async |stage: &mut Stage| a_spoken_turn(stage, format, PCM_24K).await;
    voiced()?.play(scene).await
}
