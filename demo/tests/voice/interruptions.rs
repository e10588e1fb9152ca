//! Somebody speaks into a reply: it falls silent at once, and then goes on at the same sample or is over.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec};
use greenroom_protocol::{Role, SpeechDiscardReason};

use crate::caller::{Caller, english_session, voiced, voiced_along};
use crate::conversation::{
    NAME, QUESTION, converse, messages, until_discarded, until_heard, until_voice_turn,
};
use crate::loudspeaker::ReplyState;

/// Enough of a reply for a few of its words.
const SOME_WORDS: Duration = Duration::from_secs(1);
/// So little of it that its question is far.
const FEW_WORDS: Duration = Duration::from_millis(200);

async fn a_turn_into_a_reply(spec: StageSpec) -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        caller.say(NAME)?;
        let first = until_voice_turn(&mut caller).await?;
        caller.until_played(0, SOME_WORDS).await?;
        caller.say(QUESTION)?;
        let heard = until_heard(&mut caller, first).await?;
        let second = until_voice_turn(&mut caller).await?;
        ensure!(
            caller.until_reply_over(0).await? == ReplyState::Cancelled,
            "{caller:?}"
        );
        ensure!(
            caller.until_reply_over(1).await? == ReplyState::Ended,
            "{caller:?}"
        );
        ensure!(caller.replies()[1].turn == Some(second), "{caller:?}");
        caller.told_in_order(&[
            "audio.begin",
            "sound",
            "audio.pause",
            "audio.cancel",
            "message.heard",
            "turn.started",
            "audio.begin",
            "sound",
            "audio.end",
        ])?;
        ensure!(
            caller.count("audio.resume") == 0 && caller.count("turn.started") == 2,
            "{caller:?}"
        );

        let whole = messages(&caller, first, Role::Assistant);
        let whole = &whole.first().context("a reply")?.text;
        let is_proper_prefix = whole.starts_with(&heard.text) && heard.text.len() < whole.len();
        ensure!(is_proper_prefix && !heard.text.is_empty(), "{heard:?} of {whole}");
        let acknowledged_ms = caller.replies()[0].playback.acknowledged_ms();
        ensure!(
            heard.heard_ms.0 <= acknowledged_ms,
            "{heard:?}, {acknowledged_ms} ms acknowledged"
        );
        until_heard(&mut caller, second).await?;
        Ok(())
    };
    spec.play(scene).await
}

#[tokio::test]
async fn a_turn_ends_the_reply_that_it_is_spoken_into() -> Result<()> {
    a_turn_into_a_reply(voiced()?).await
}

#[tokio::test]
async fn a_turn_ends_the_reply_also_where_words_come_while_they_are_said() -> Result<()> {
    a_turn_into_a_reply(voiced_along()?).await
}

async fn a_backchannel_amid_a_reply(spec: StageSpec) -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut undisturbed = Caller::call(&client, english_session(&client).await?).await?;
        converse(&mut undisturbed, NAME).await?;

        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        caller.say(NAME)?;
        let turn = until_voice_turn(&mut caller).await?;
        caller.until_played(0, FEW_WORDS).await?;
        caller.say("uh-huh")?;
        let reason = until_discarded(&mut caller).await?;
        ensure!(reason == SpeechDiscardReason::Backchannel, "{reason:?}");
        ensure!(
            caller.until_reply_over(0).await? == ReplyState::Ended,
            "{caller:?}"
        );
        let heard = until_heard(&mut caller, turn).await?;
        caller.told_in_order(&[
            "audio.begin",
            "sound",
            "audio.pause",
            "audio.resume",
            "sound",
            "audio.end",
            "message.heard",
        ])?;
        ensure!(
            caller.count("turn.started") == 1 && caller.count("audio.cancel") == 0,
            "{caller:?}"
        );
        let whole = messages(&caller, turn, Role::Assistant);
        ensure!(
            whole.len() == 1 && whole[0].text == heard.text,
            "{heard:?} of {whole:?}"
        );
        ensure!(
            caller.replies()[0].sound() == undisturbed.replies()[0].sound(),
            "it goes on at the sample at which it stopped"
        );
        Ok(())
    };
    spec.play(scene).await
}

#[tokio::test]
async fn a_word_of_a_listener_takes_nothing_from_a_reply() -> Result<()> {
    a_backchannel_amid_a_reply(voiced()?).await
}

#[tokio::test]
async fn a_word_of_a_listener_takes_nothing_also_where_words_come_while_they_are_said() -> Result<()> {
    a_backchannel_amid_a_reply(voiced_along()?).await
}
