//! Who hangs up: half a word is nothing, a whole one is understood and answered, and nothing that runs is stopped.

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::{ClientMessage, Event, Modality, Role};

use crate::caller::{Caller, PCM_24K, english_session, voiced, voiced_along};
use crate::conversation::{CATEGORY, NAME, converse, messages, turns_of, until_completed, until_voice_turn};
use crate::microphone::words_of;

async fn amid_a_word(spec: StageSpec) -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let mut caller = Caller::call(&client, session).await?;
        caller.say("long-story")?;
        caller
            .until("speech", |told| (told.name() == "speech.started").then_some(()))
            .await?;
        caller.listen(50).await?;
        let last_seen = caller.hang_up()?;
        let mut caller = Caller::after(&client, session, last_seen).await?;
        caller.start(Some(PCM_24K)).await?;
        converse(&mut caller, NAME).await?;
        ensure!(turns_of(stage, session).await? == [Modality::Voice]);
        Ok(())
    };
    spec.play(scene).await
}

#[tokio::test]
async fn half_an_utterance_is_none() -> Result<()> {
    amid_a_word(voiced()?).await
}

#[tokio::test]
async fn half_an_utterance_that_was_recognised_already_is_none() -> Result<()> {
    amid_a_word(voiced_along()?).await
}

async fn after_the_last_word(spec: StageSpec) -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let mut caller = Caller::call(&client, session).await?;
        caller.say(NAME)?;
        caller
            .until("the endpoint", |told| {
                (told.name() == "speech.stopped").then_some(())
            })
            .await?;
        let last_seen = caller.hang_up()?;
        let mut caller = Caller::after(&client, session, last_seen).await?;
        let turn = until_voice_turn(&mut caller).await?;
        until_completed(&mut caller, turn).await?;
        let said = messages(&caller, turn, Role::User);
        ensure!(said.len() == 1 && said[0].text == words_of(NAME)?, "{said:?}");
        ensure!(!messages(&caller, turn, Role::Assistant).is_empty(), "{caller:?}");

        // What was to be said to the one who left is not said to the one who came.
        caller.start(Some(PCM_24K)).await?;
        let next = converse(&mut caller, CATEGORY).await?;
        let turns: Vec<_> = caller.replies().iter().map(|reply| reply.turn).collect();
        ensure!(turns == [Some(next)], "{caller:?}");
        Ok(())
    };
    spec.play(scene).await
}

#[tokio::test]
async fn what_was_said_in_full_is_answered() -> Result<()> {
    after_the_last_word(voiced()?).await
}

#[tokio::test]
async fn what_was_said_in_full_is_answered_also_where_it_was_recognised_along() -> Result<()> {
    after_the_last_word(voiced_along()?).await
}

#[tokio::test]
async fn a_run_goes_on_without_anybody_and_nothing_stale_is_heard_of_it() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut caller = Caller::call(&client, session).await?;
        caller
            .command(ClientMessage::RunGenerate { draft: false })
            .await?;
        caller
            .until("a stage", |told| (told.name() == "research.delta").then_some(()))
            .await?;
        let last_seen = caller.hang_up()?;

        let mut caller = Caller::after(&client, session, last_seen).await?;
        let done = |event: &Event| match event {
            Event::StageChanged(changed) if ["DONE", "FAILED"].contains(&changed.state.as_str()) => {
                Some(changed.state.clone())
            }
            _ => None,
        };
        ensure!(caller.until_event("the end of the run", done).await? == "DONE");
        let run = caller.events().find_map(|event| match event {
            Event::RunCompleted(completed) => Some(completed.run_id),
            _ => None,
        });
        run.context("the run that was begun by voice is complete")?;
        caller.start(Some(PCM_24K)).await?;
        let turn = converse(&mut caller, NAME).await?;
        let turns: Vec<_> = caller.replies().iter().map(|reply| reply.turn).collect();
        ensure!(turns == [Some(turn)], "{caller:?}");
        Ok(())
    };
    voiced()?
        .simulator(&["--first-token-ms", "50", "--tokens-per-second", "3000"])
        .play(scene)
        .await
}
