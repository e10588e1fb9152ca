//! Recognition that works while one speaks, fails, hangs, or is cut: either another way finds the words, or it is said that
//! nobody understood, and the conversation goes on.

use std::time::Duration;

use anyhow::{Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec};
use greenroom_protocol::{CallPurpose, ErrorCode, Event, Modality, SessionId, Signal, SpeechDiscardReason};
use serde_json::{Value, json};

use crate::caller::{Caller, english_session, voiced, voiced_along};
use crate::conversation::{CATEGORY, NAME, converse, turns_of, until_discarded};

/// Recognition is given up after half a minute.
const WITH_TIMEOUT: Duration = Duration::from_mins(2);

/// Frames of 20 ms: time enough for a recogniser that listens along to be there.
const A_MOMENT: u64 = 50;

/// The next utterance that is recognised when it is over meets this.
fn afterwards(fault: &Value) -> Value {
    json!({ "match": { "api": "transcriptions" }, "fault": fault })
}

/// The next utterance that is recognised while it is said meets this.
fn along(fault: &Value) -> Value {
    json!({ "match": { "api": "realtime", "purpose": "transcription" }, "fault": fault })
}

/// How many calls to recognise something a session has booked: a second one makes good the first.
async fn recognitions(stage: &Stage, session: SessionId) -> Result<usize> {
    let mut count = 0;
    for seen in stage.journal(session).await? {
        let event = seen.event()?;
        let is_one = matches!(&event, Event::CallReserved(call) if call.purpose == CallPurpose::Transcribe);
        count += usize::from(is_one);
    }
    Ok(count)
}

/// Words that nobody understands are discarded with the reason, and those after them understood.
async fn fails_once(spec: StageSpec, faults: &[Value], expected: ErrorCode) -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        caller.listen(A_MOMENT).await?;
        for rules in faults {
            stage.simulate(rules).await?;
            caller.say(NAME)?;
            let code = caller
                .until_signal("a notice", |signal| match signal {
                    Signal::Notice { error } => Some(error.code),
                    _ => None,
                })
                .await?;
            ensure!(code == expected, "{rules}: {code:?}");
            let reason = until_discarded(&mut caller).await?;
            ensure!(reason == SpeechDiscardReason::Failed, "{rules}: {reason:?}");
        }
        converse(&mut caller, CATEGORY).await?;
        ensure!(turns_of(stage, caller.session()).await? == [Modality::Voice]);
        Ok(())
    };
    spec.play(scene).await
}

#[tokio::test]
async fn recognition_that_fails_or_is_cut_costs_an_utterance() -> Result<()> {
    let faults = [
        json!({ "kind": "status", "code": 500 }),
        json!({ "kind": "cut", "after_chars": 3 }),
        json!({ "kind": "malformed" }),
        json!({ "kind": "disconnect_before_headers" }),
    ];
    let faults = faults.map(|fault| json!([afterwards(&fault)]));
    fails_once(voiced()?, &faults, ErrorCode::SttFailed).await
}

#[tokio::test]
async fn recognition_that_hangs_is_given_up() -> Result<()> {
    let hang = json!([afterwards(&json!({ "kind": "hang" }))]);
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        stage.simulate(&hang).await?;
        caller.say(NAME)?;
        caller.until_said().await?;
        // A minute and a half of patience: nobody waits for it in vain for longer than that.
        for _ in 0..3 {
            if caller.count("speech.discarded") == 0 {
                caller.listen(1_000).await?;
            }
        }
        let reason = until_discarded(&mut caller).await?;
        ensure!(reason == SpeechDiscardReason::Failed, "{reason:?}");
        let timed_out = |signal: &Signal| matches!(signal, Signal::Notice { error } if error.code == ErrorCode::SttTimeout);
        ensure!(caller.signals().any(timed_out), "{caller:?}");
        converse(&mut caller, CATEGORY).await?;
        ensure!(turns_of(stage, caller.session()).await? == [Modality::Voice]);
        Ok(())
    };
    voiced()?.timeout(WITH_TIMEOUT).play(scene).await
}

#[tokio::test]
async fn words_are_shown_while_they_are_said() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        converse(&mut caller, "two-sentences").await?;
        caller.told_in_order(&[
            "speech.started",
            "transcript.partial",
            "transcript.partial",
            "speech.stopped",
            "turn.started",
            "message.added",
        ])?;
        let partials: Vec<&str> = caller
            .signals()
            .filter_map(|signal| match signal {
                Signal::TranscriptPartial { text } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let grows = partials.windows(2).all(|pair| pair[1].starts_with(pair[0]));
        ensure!(grows, "each has all words so far: {partials:?}");
        Ok(())
    };
    voiced_along()?.play(scene).await
}

#[tokio::test]
async fn a_recogniser_that_listens_along_and_fails_is_made_good() -> Result<()> {
    let refused = json!({ "match": { "api": "realtime", "purpose": "connection" }, "fault": { "kind": "status", "code": 503 } });
    // Beside each fault: how many calls it takes.
    let faults = [
        (refused, 1),
        (along(&json!({ "kind": "fail_transcription" })), 2),
        (along(&json!({ "kind": "close", "after_ms": 500 })), 2),
        (along(&json!({ "kind": "malformed", "after_chars": 5 })), 2),
    ];
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        for (fault, calls) in &faults {
            stage.simulate(&json!([fault])).await?;
            let mut caller = Caller::call(&client, english_session(&client).await?).await?;
            caller.listen(A_MOMENT).await?;
            let talked = converse(&mut caller, NAME).await;
            talked.map_err(|error| error.context(fault.to_string()))?;
            ensure!(caller.count("notice") == 0, "{fault}: {caller:?}");
            ensure!(turns_of(stage, caller.session()).await? == [Modality::Voice]);
            let made = recognitions(stage, caller.session()).await?;
            ensure!(made == *calls, "{fault}: {made} calls");
        }
        Ok(())
    };
    voiced_along()?.play(scene).await
}

#[tokio::test]
async fn a_recogniser_that_listens_along_and_hangs_is_made_good() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut caller = Caller::call(&client, english_session(&client).await?).await?;
        stage
            .simulate(&json!([along(&json!({ "kind": "hang" }))]))
            .await?;
        caller.listen(A_MOMENT).await?;
        converse(&mut caller, NAME).await?;
        let made = recognitions(stage, caller.session()).await?;
        ensure!(made == 2, "it hung, and was made good: {made} calls");
        converse(&mut caller, CATEGORY).await?;
        ensure!(turns_of(stage, caller.session()).await? == [Modality::Voice; 2]);
        Ok(())
    };
    voiced_along()?.play(scene).await
}

#[tokio::test]
async fn an_utterance_that_neither_way_understands_is_discarded() -> Result<()> {
    let rules = json!([
        along(&json!({ "kind": "fail_transcription" })),
        afterwards(&json!({ "kind": "status", "code": 500 })),
    ]);
    fails_once(voiced_along()?, &[rules], ErrorCode::SttFailed).await
}
