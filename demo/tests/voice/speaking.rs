//! Speech that cannot be made, or dies in mid-sentence: the text stands, the log says why it was not spoken, and the
//! conversation goes on.

use anyhow::{Result, ensure};
use greenroom_demo::session_play::Stage;
use greenroom_protocol::{ErrorCode, Event, Role, TurnOutcome};
use serde_json::json;

use crate::caller::{Caller, english_session, voiced};
use crate::conversation::{CATEGORY, NAME, converse, messages, until_completed, until_voice_turn};
use crate::loudspeaker::ReplyState;

#[tokio::test]
async fn a_reply_whose_voice_fails_stands_as_text() -> Result<()> {
    let faults = [
        json!({ "kind": "status", "code": 500 }),
        json!({ "kind": "cut", "after_chars": 20_000 }),
        json!({ "kind": "disconnect_before_headers" }),
    ];
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        for fault in &faults {
            let mut caller = Caller::call(&client, english_session(&client).await?).await?;
            stage
                .simulate(&json!([{ "match": { "purpose": "speech" }, "fault": fault }]))
                .await?;
            caller.say(NAME)?;
            let turn = until_voice_turn(&mut caller).await?;
            let failed = caller.until_event("the error", |event| match event {
                Event::Error(error) => Some((error.turn_id, error.error.code)),
                _ => None,
            });
            let (of, code) = failed.await?;
            ensure!(
                of == Some(turn) && code == ErrorCode::TtsFailed,
                "{fault}: {code:?} of {of:?}"
            );
            if caller.count("turn.completed") == 0 {
                let completed = until_completed(&mut caller, turn).await?;
                ensure!(completed.outcome == TurnOutcome::Ok, "{fault}: {completed:?}");
            }
            let replies = messages(&caller, turn, Role::Assistant);
            ensure!(
                !replies.is_empty() && replies.iter().all(|reply| !reply.truncated),
                "{fault}: {caller:?}"
            );
            if !caller.replies().is_empty() {
                caller.until_reply_over(0).await?;
            }
            stage.simulate(&json!([])).await?;
            let before = caller.replies().len();
            converse(&mut caller, CATEGORY).await?;
            ensure!(caller.replies()[before].state == ReplyState::Ended, "{caller:?}");
        }
        Ok(())
    };
    voiced()?.play(scene).await
}
