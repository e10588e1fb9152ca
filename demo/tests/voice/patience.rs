//! Clients on bad networks, and clients that say nothing of what they play.

use std::time::Duration;

use anyhow::{Result, ensure};
use greenroom_demo::session_play::Stage;
use greenroom_protocol::Modality;

use crate::caller::{Caller, english_session, voiced};
use crate::conversation::{NAME, turns_of, until_answered, until_heard, until_voice_turn};
use crate::loudspeaker::ReplyState;

/// How long a mobile network may be gone.
const STALL: Duration = Duration::from_secs(3);
/// Frames of 20 ms: amid the words.
const SOME_WORDS: u64 = 40;

#[tokio::test]
async fn words_that_come_late_and_all_at_once_are_understood() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        caller.say(NAME)?;
        caller.listen(SOME_WORDS).await?;
        caller.stall(STALL)?;
        until_answered(&mut caller, NAME).await?;
        ensure!(
            caller.count("rejected") == 0 && caller.count("notice") == 0,
            "{caller:?}"
        );
        ensure!(turns_of(stage, caller.session()).await? == [Modality::Voice]);
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn who_never_says_what_was_played_is_sent_it_all_and_has_heard_nothing() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        caller.never_acknowledge();
        caller.say(NAME)?;
        let turn = until_voice_turn(&mut caller).await?;
        ensure!(
            caller.until_reply_over(0).await? == ReplyState::Ended,
            "{caller:?}"
        );
        let heard = until_heard(&mut caller, turn).await?;
        ensure!(heard.text.is_empty() && heard.heard_ms.0 == 0, "{heard:?}");
        Ok(())
    };
    voiced()?.play(scene).await
}
