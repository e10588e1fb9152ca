//! What all scenes wait for: turns that were spoken, their words, their replies, and what was heard of these.

use std::pin::Pin;

use anyhow::{Result, bail, ensure};
use greenroom_demo::session_play::Stage;
use greenroom_protocol::{
    Event, MessageAdded, MessageHeard, Modality, Role, SessionId, Signal, SpeechDiscardReason, TurnCompleted,
    TurnId, TurnOutcome,
};

use crate::caller::Caller;
use crate::loudspeaker::ReplyState;
use crate::microphone::words_of;

/// "It is called Morning Glow."
pub const NAME: &str = "brief-02-name";
/// "It is natural skincare."
pub const CATEGORY: &str = "brief-03-category";
/// "What do you need from me?"
pub const QUESTION: &str = "what-do-you-need";

/// The next turn that begins by speech.
pub async fn until_voice_turn(caller: &mut Caller) -> Result<TurnId> {
    caller
        .until_event("a spoken turn", |event| match event {
            Event::TurnStarted(started) if started.modality == Modality::Voice => Some(started.turn_id),
            _ => None,
        })
        .await
}

/// The messages of a turn that stand in the diary.
pub fn messages(caller: &Caller, turn: TurnId, role: Role) -> Vec<&MessageAdded> {
    let of_turn = |message: &&MessageAdded| message.turn_id == Some(turn) && message.role == role;
    let messages = caller.events().filter_map(|event| match event {
        Event::MessageAdded(message) => Some(message),
        _ => None,
    });
    messages.filter(of_turn).collect()
}

/// Waits until a turn has ended.
pub async fn until_completed(caller: &mut Caller, turn: TurnId) -> Result<TurnCompleted> {
    caller
        .until_event("the end of the turn", |event| match event {
            Event::TurnCompleted(completed) if completed.turn_id == turn => Some(completed.clone()),
            _ => None,
        })
        .await
}

/// Waits until it is told how much of a turn's reply was heard.
pub async fn until_heard(caller: &mut Caller, turn: TurnId) -> Result<MessageHeard> {
    caller
        .until_event("what was heard", |event| match event {
            Event::MessageHeard(heard) if heard.turn_id == turn => Some(heard.clone()),
            _ => None,
        })
        .await
}

/// Says a recording and hears its reply to the end; answers with the turn.
pub async fn converse(caller: &mut Caller, id: &str) -> Result<TurnId> {
    caller.look_ahead();
    caller.say(id)?;
    until_answered(caller, id).await
}

/// Waits until a recording that was said has become a turn whose reply was heard to the end; answers with the turn.
pub async fn until_answered(caller: &mut Caller, id: &str) -> Result<TurnId> {
    let number = caller.replies().len();
    let turn = until_voice_turn(caller).await?;
    let completed = until_completed(caller, turn).await?;
    ensure!(completed.outcome == TurnOutcome::Ok, "{completed:?}");
    let said: Vec<&str> = messages(caller, turn, Role::User)
        .iter()
        .map(|message| message.text.as_str())
        .collect();
    ensure!(said == [words_of(id)?], "{said:?}");
    let over = caller.until_reply_over(number).await?;
    ensure!(over == ReplyState::Ended, "{over:?}: {caller:?}");
    until_heard(caller, turn).await?;
    Ok(turn)
}

/// Waits until something that was heard is said to make no turn; answers with the reason.
pub async fn until_discarded(caller: &mut Caller) -> Result<SpeechDiscardReason> {
    caller
        .until_signal("speech to be discarded", |signal| match signal {
            Signal::SpeechDiscarded { reason } => Some(*reason),
            _ => None,
        })
        .await
}

/// What the turns of a session were begun by, as the operator reads them.
pub async fn turns_of(stage: &Stage, session: SessionId) -> Result<Vec<Modality>> {
    let mut turns = Vec::new();
    for seen in stage.journal(session).await? {
        if let Event::TurnStarted(started) = seen.event()? {
            turns.push(started.modality);
        }
    }
    Ok(turns)
}

/// Does something while another caller goes on listening, playing and sending. On the heap: both hold whatever they wait
/// for.
pub fn beside<'a, T>(
    acting: impl Future<Output = Result<T>> + 'a,
    other: &'a mut Caller,
) -> Pin<Box<dyn Future<Output = Result<T>> + 'a>> {
    Box::pin(async move {
        tokio::select! {
            acted = acting => acted,
            ended = other.attend() => bail!("the other one cannot go on: {ended:?}"),
        }
    })
}
