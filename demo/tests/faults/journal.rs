//! A journal that cannot be written, and can be again: nothing is told that is not on disk, nothing is lost, everything
//! goes on by itself.

use anyhow::{Context as _, bail, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::{ClientMessage, ErrorBody, ErrorCode, SessionId, Signal, TurnOutcome};
use loadtest::client::{Client, ClientError, CreateSession};
use loadtest::provider::Fault;

use crate::rules;
use crate::sightings::{Bill, Log};
use crate::viewer::Viewer;

/// The database may not grow by a single page.
const FULL: &str = "[store]\npage_limit = 1\n";
/// Long enough to need pages of its own.
const LONG: usize = 3_000;

#[tokio::test]
async fn commands_are_refused_while_the_journal_is_full_and_everything_goes_on_after_it() -> anyhow::Result<()>
{
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        // A run stands in the middle of a stage when the disk fills up.
        rules::set(stage, &[rules::once("research", rules::hang_after(300))]).await?;
        viewer
            .command(ClientMessage::RunGenerate { draft: false }, "run")
            .await?;
        viewer.until_delta("research").await?;

        stage.world.reconfigure(FULL)?;
        let other = stage.client()?;
        let (key, refused) = refused_message(&other, session).await?;
        ensure!(
            refused.code == ErrorCode::DbUnavailable && refused.retryable,
            "{refused:?}"
        );
        let notice = viewer.until_signal("the notice", |signal| match signal {
            Signal::Notice { error } => Some(error.code),
            _ => None,
        });
        ensure!(notice.await? == ErrorCode::DbUnavailable);
        unready(&client).await?;
        let rejected = viewer
            .ask(
                ClientMessage::UserMessage {
                    text: "들려요?".to_owned(),
                },
                "deaf",
            )
            .await?;
        let rejected = rejected.err().context("nothing is accepted")?;
        ensure!(
            rejected.code == ErrorCode::DbUnavailable && rejected.retryable,
            "{rejected:?}"
        );
        let new = client.create_session(&CreateSession::default()).await;
        ensure!(new.is_err_and(|error| error.code() == Some(ErrorCode::DbUnavailable)));
        ensure!(
            client.journal(session).await?.len() > 10,
            "what is on disk can be read all the while"
        );

        stage.world.reconfigure("")?;
        // The session comes back by itself and takes its stage up again.
        viewer.until_done().await?;
        client.get("/ready").await?;
        let turn = client.message(session, &long_message(), Some(&key)).await?;
        ensure!(!turn.assistant_message.is_empty());
        let log = Log::of(stage, session).await?;
        ensure!(
            log.turns().len() == 2,
            "the message that was refused counts once: {:?}",
            log.turns()
        );
        ensure!(log.attempts("research") == [1, 2]);
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_turn_in_progress_waits_for_a_journal_that_is_full_for_a_moment() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        // The reply comes while the journal is full.
        let slow = Fault::Slow {
            first_token_ms: 1_500,
        };
        rules::set(stage, &[rules::once("planner", slow)]).await?;
        let question = ClientMessage::UserMessage {
            text: "얼마나 걸려요?".to_owned(),
        };
        let turn = viewer
            .command(question, "question")
            .await?
            .turn_id
            .context("a turn")?;
        stage.world.reconfigure(FULL)?;
        let mut editor = Viewer::open(&stage.client()?, session).await?;
        let noticed = viewer.until_signal("the notice", |signal| {
            matches!(signal, Signal::Notice { .. }).then_some(())
        });
        tokio::select! {
            noticed = noticed => noticed?,
            refused = edit_until_refused(&mut editor) => bail!("an edit was refused and not held: {:?}", refused?),
        }
        // The simulator has said all it has to say.
        Bill::of(stage).await?;
        stage.world.reconfigure("")?;
        ensure!(viewer.until_turn_ends(turn).await? == TurnOutcome::Ok);
        let log = Log::of(stage, session).await?;
        ensure!(log.errors().is_empty() && !log.replies(turn).is_empty());
        ensure!(
            log.calls("planner").len() == 2,
            "the reply was held, not asked for again"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

/// Makes the database grow until an edit is refused; one that is held is waited for.
async fn edit_until_refused(editor: &mut Viewer) -> anyhow::Result<ErrorBody> {
    let edit = ClientMessage::SlotSet {
        path: "product.name".parse()?,
        value: "가".repeat(900).into(),
    };
    for number in 0.. {
        if let Err(refused) = editor.ask(edit.clone(), &format!("edit-{number}")).await? {
            return Ok(refused);
        }
    }
    unreachable!("the loop ends by returning")
}

/// Says something long under one key after another until it is refused: the configuration is reread at some point.
async fn refused_message(client: &Client, session: SessionId) -> anyhow::Result<(String, ErrorBody)> {
    for attempt in 0.. {
        let key = format!("long-{attempt}");
        match client.message(session, &long_message(), Some(&key)).await {
            Ok(_) => {}
            Err(ClientError::Refused { status: 503, error }) => return Ok((key, *error)),
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("the loop ends by returning")
}

fn long_message() -> String {
    "가".repeat(LONG)
}

async fn unready(client: &Client) -> anyhow::Result<()> {
    match client.get("/ready").await {
        Err(error) => ensure!(
            error.code() == Some(ErrorCode::DbUnavailable) && error.status() == Some(503),
            "{error}"
        ),
        Ok(answer) => bail!("the server says that it is ready: {answer}"),
    }
    Ok(())
}
