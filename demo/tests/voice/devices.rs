//! Two sockets on one session: both see everything, one has the microphone.

use anyhow::{Result, ensure};
use greenroom_demo::session_play::Stage;
use greenroom_protocol::{Modality, Signal};

use crate::caller::{Caller, PCM_24K, english_session, voiced};
use crate::conversation::{CATEGORY, NAME, beside, converse, turns_of};
use crate::microphone::PCM_16K;

const FIGHTS: usize = 10;

async fn until_taken(caller: &mut Caller) -> Result<()> {
    let taken = |signal: &Signal| matches!(signal, Signal::MicrophoneTaken {}).then_some(());
    caller.until_signal("the microphone to be taken", taken).await
}

/// Both have seen the same events, as far as both have come.
async fn see_the_same(first: &mut Caller, second: &mut Caller) -> Result<()> {
    first.settle().await?;
    second.settle().await?;
    let (a, b): (Vec<_>, Vec<_>) = (first.events().collect(), second.events().collect());
    ensure!(!a.is_empty() && a == b, "{first:?}\nbut\n{second:?}");
    Ok(())
}

#[tokio::test]
async fn the_microphone_and_the_voice_go_to_whoever_asked_last() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let mut first = Caller::open(&client, session, PCM_16K).await?;
        let mut second = Caller::open(&client, session, PCM_16K).await?;
        first.start(Some(PCM_24K)).await?;
        beside(converse(&mut first, NAME), &mut second).await?;
        ensure!(
            first.replies().len() == 1 && second.replies().is_empty(),
            "{second:?}"
        );

        beside(second.start(Some(PCM_24K)), &mut first).await?;
        beside(until_taken(&mut first), &mut second).await?;
        // What the first one says now, nobody hears.
        first.say(NAME)?;
        beside(converse(&mut second, CATEGORY), &mut first).await?;
        ensure!(
            first.replies().len() == 1 && second.replies().len() == 1,
            "{first:?}\n{second:?}"
        );
        ensure!(second.count("microphone.taken") == 0, "{second:?}");
        see_the_same(&mut first, &mut second).await?;
        ensure!(turns_of(stage, session).await? == [Modality::Voice; 2]);
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn two_who_fight_for_the_microphone_end_well() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let mut first = Caller::open(&client, session, PCM_16K).await?;
        let mut second = Caller::open(&client, session, PCM_16K).await?;
        first.start(Some(PCM_24K)).await?;
        for fight in 0..FIGHTS {
            let (taker, owner) = if fight % 2 == 0 {
                (&mut second, &mut first)
            } else {
                (&mut first, &mut second)
            };
            // The owner is amid a word each time.
            owner.say("long-story")?;
            beside(owner.listen(25), taker).await?;
            beside(taker.start(Some(PCM_24K)), owner).await?;
            beside(until_taken(owner), taker).await?;
            owner.mute();
        }
        ensure!(
            turns_of(stage, session).await?.is_empty(),
            "nobody finished a sentence"
        );
        beside(converse(&mut first, NAME), &mut second).await?;
        ensure!(second.replies().is_empty(), "{second:?}");
        see_the_same(&mut first, &mut second).await?;
        ensure!(turns_of(stage, session).await? == [Modality::Voice]);
        Ok(())
    };
    voiced()?.play(scene).await
}
