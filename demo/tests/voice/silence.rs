//! What is no speech, what is not meant, and what is not wanted any more: none of it makes a turn.

use anyhow::{Result, ensure};
use greenroom_demo::session_play::Stage;
use greenroom_protocol::{ClientMessage, Modality, SpeechDiscardReason, TurnDetection};

use crate::caller::{Caller, PCM_24K, english_session, voiced};
use crate::conversation::{NAME, converse, turns_of, until_answered, until_discarded};
use crate::diary::Told;
use crate::microphone::{PCM_16K, backwards, cough};

/// Frames of 20 ms, far more than any silence that ends an utterance.
const LONG_SILENCE: u64 = 125;

#[tokio::test]
async fn neither_a_room_nor_a_cough_makes_a_turn() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        caller.listen(LONG_SILENCE).await?;
        caller.settle().await?;
        ensure!(caller.count("speech.started") == 0, "{caller:?}");
        caller.emit(cough())?;
        caller.listen(LONG_SILENCE).await?;
        converse(&mut caller, NAME).await?;
        let (started, discarded) = (caller.count("speech.started"), caller.count("speech.discarded"));
        ensure!(
            started == discarded + 1,
            "all but the words were noise: {caller:?}"
        );
        ensure!(turns_of(stage, caller.session()).await? == [Modality::Voice]);
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn what_nobody_understands_makes_no_turn() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        caller.emit(backwards("change-of-mind")?)?;
        let reason = until_discarded(&mut caller).await?;
        ensure!(reason == SpeechDiscardReason::NothingUnderstood, "{reason:?}");
        converse(&mut caller, NAME).await?;
        ensure!(turns_of(stage, caller.session()).await? == [Modality::Voice]);
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn whoever_decides_it_themselves_ends_an_utterance_by_a_commit_and_by_nothing_else() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::open(&client, english_session(&client).await?, PCM_16K).await?;
        let mut start = caller.starting(Some(PCM_24K));
        if let ClientMessage::AudioStart { turn_detection, .. } = &mut start {
            *turn_detection = TurnDetection::Manual;
        }
        caller.start_with(start).await?;
        caller.say(NAME)?;
        caller.until_said().await?;
        caller.listen(LONG_SILENCE).await?;
        caller.settle().await?;
        ensure!(
            caller.count("speech.stopped") == 0 && caller.count("turn.started") == 0,
            "{caller:?}"
        );
        caller.command(ClientMessage::AudioCommit {}).await?;
        until_answered(&mut caller, NAME).await?;
        ensure!(turns_of(stage, caller.session()).await? == [Modality::Voice]);
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn what_was_said_before_a_stop_or_another_start_is_discarded() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        for ends_it in [ClientMessage::AudioStop {}, caller.starting(Some(PCM_24K))] {
            caller.say("long-story")?;
            caller
                .until("speech", |told| (told.name() == "speech.started").then_some(()))
                .await?;
            caller.command(ends_it).await?;
            caller.mute();
            let reason = until_discarded(&mut caller).await?;
            ensure!(reason == SpeechDiscardReason::Cancelled, "{reason:?}");
            caller.start(Some(PCM_24K)).await?;
        }
        converse(&mut caller, NAME).await?;
        ensure!(turns_of(stage, caller.session()).await? == [Modality::Voice]);

        caller.command(ClientMessage::AudioStop {}).await?;
        let refused = caller.ask(ClientMessage::AudioCommit {}).await?;
        ensure!(refused.is_err(), "there is no microphone any more");
        let is_closed = caller.diary.iter().any(|told| matches!(told, Told::Closed(_)));
        ensure!(!is_closed, "{caller:?}");
        Ok(())
    };
    voiced()?.play(scene).await
}
