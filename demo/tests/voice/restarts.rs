//! Servers that die or are told to stop while they speak: the log has no gap, and the conversation goes on.

use anyhow::{Result, ensure};
use greenroom_demo::session_play::Stage;
use greenroom_protocol::{Event, Modality, Role, Signal};

use crate::caller::{Caller, PCM_24K, english_session, voiced};
use crate::conversation::{CATEGORY, NAME, converse, messages, turns_of, until_voice_turn};

/// Frames of a reply: it has begun, and is far from its end.
const SOME_FRAMES: usize = 25;

#[tokio::test]
async fn a_kill_amid_a_reply_loses_its_sound_and_nothing_else() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let mut caller = Caller::call(&client, session).await?;
        caller.say(NAME)?;
        let first = until_voice_turn(&mut caller).await?;
        caller.until_sounding(0, SOME_FRAMES).await?;
        stage.world.server.kill().await?;
        caller.until_closed().await?;
        stage.world.restart_server().await?;
        caller.resume().await?;
        caller.start(Some(PCM_24K)).await?;
        let second = converse(&mut caller, CATEGORY).await?;
        let turns: Vec<_> = caller.replies().iter().map(|reply| reply.turn).collect();
        ensure!(
            turns == [Some(first), Some(second)],
            "nothing stale is spoken: {caller:?}"
        );
        let completed = caller.events().filter_map(|event| match event {
            Event::TurnCompleted(completed) => Some(completed.turn_id),
            _ => None,
        });
        ensure!(completed.collect::<Vec<_>>() == [first, second], "{caller:?}");
        ensure!(messages(&caller, first, Role::Assistant).len() == 1, "{caller:?}");
        ensure!(turns_of(stage, session).await? == [Modality::Voice; 2]);
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_says_how_much_of_a_reply_was_heard() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let mut caller = Caller::call(&client, session).await?;
        caller.say(NAME)?;
        let turn = until_voice_turn(&mut caller).await?;
        caller.until_sounding(0, SOME_FRAMES).await?;
        let watching = async {
            let warned = |signal: &Signal| matches!(signal, Signal::ServerDraining { .. }).then_some(());
            caller.until_signal("the warning", warned).await?;
            caller.until_closed().await
        };
        let (ended, code) = tokio::join!(stage.world.server.terminate(), watching);
        ensure!(code? == Some(1012), "{caller:?}");
        ensure!(ended?.success(), "it ended well");
        stage.world.restart_server().await?;
        caller.resume().await?;
        caller.start(Some(PCM_24K)).await?;
        converse(&mut caller, CATEGORY).await?;
        let heard: Vec<_> = caller
            .events()
            .filter_map(|event| match event {
                Event::MessageHeard(heard) if heard.turn_id == turn => Some(heard),
                _ => None,
            })
            .collect();
        let whole = messages(&caller, turn, Role::Assistant);
        ensure!(
            heard.len() == 1 && whole.len() == 1 && whole[0].text.starts_with(&heard[0].text),
            "{heard:?} of {whole:?}"
        );
        ensure!(heard[0].heard_ms.0 > 0, "{heard:?}");
        Ok(())
    };
    voiced()?.play(scene).await
}
