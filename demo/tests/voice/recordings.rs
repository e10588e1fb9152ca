//! A recording of both sides: for whoever the session is open to, the user on the left, the assistant on the right.

use anyhow::{Context as _, Result, anyhow, ensure};
use greenroom_demo::session_play::Stage;
use greenroom_protocol::{ClientMessage, Event};
use loadtest::voice::recognise::Recogniser;
use ropus::opus::multistream::OpusMSDecoder;

use crate::caller::{Caller, PCM_24K, english_session, voiced};
use crate::conversation::{NAME, converse};
use crate::microphone::{PCM_16K, words_of};

const RATE_HZ: u32 = 16_000;
/// The longest frame that Opus has: 120 ms.
const FRAME_SAMPLES_MAX: i32 = 1_920;

/// The packets of an Ogg file with one stream (RFC 3533).
fn packets(ogg: &[u8]) -> Result<Vec<Vec<u8>>> {
    let (mut packets, mut packet, mut rest) = (Vec::new(), Vec::new(), ogg);
    while !rest.is_empty() {
        ensure!(rest.starts_with(b"OggS"), "a page begins");
        let segments = usize::from(*rest.get(26).context("a page has a header")?);
        let (table, mut body) = rest
            .get(27..)
            .and_then(|page| page.split_at_checked(segments))
            .context("a page has a table")?;
        for lacing in table {
            let (segment, behind) = body
                .split_at_checked(usize::from(*lacing))
                .context("a page is whole")?;
            packet.extend_from_slice(segment);
            body = behind;
            if *lacing < u8::MAX {
                packets.push(std::mem::take(&mut packet));
            }
        }
        rest = body;
    }
    Ok(packets)
}

/// Both channels of an Ogg/Opus file.
fn both_sides(ogg: &[u8]) -> Result<[Vec<i16>; 2]> {
    let packets = packets(ogg)?;
    let [head, tags, sound @ ..] = packets.as_slice() else {
        return Err(anyhow!("the file has headers"));
    };
    // Two streams of one channel each, so that neither side is ever coded into the other (RFC 7845, 5.1.1).
    let apart = [2, 0, 0, 1];
    ensure!(
        head.starts_with(b"OpusHead") && head[9] == 2 && head.ends_with(&apart),
        "two channels apart: {head:?}"
    );
    ensure!(tags.starts_with(b"OpusTags"), "{tags:?}");
    let decoder = OpusMSDecoder::new(RATE_HZ.cast_signed(), 2, 2, 0, &[0, 1]);
    let mut decoder = decoder.map_err(|code| anyhow!("no decoder: {code}"))?;
    let mut sides = [Vec::new(), Vec::new()];
    let mut samples = vec![0; 2 * usize::try_from(FRAME_SAMPLES_MAX)?];
    for packet in sound {
        let length = i32::try_from(packet.len())?;
        let count = decoder.decode(Some(packet), length, &mut samples, FRAME_SAMPLES_MAX, false);
        let count = usize::try_from(count.map_err(|code| anyhow!("a packet is damaged: {code}"))?)?;
        for [left, right] in samples[..count * 2].as_chunks::<2>().0 {
            sides[0].push(*left);
            sides[1].push(*right);
        }
    }
    Ok(sides)
}

fn loudest(samples: &[i16]) -> u16 {
    samples
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max()
        .unwrap_or(0)
}

#[tokio::test]
async fn a_recording_has_both_sides_apart_and_is_for_its_people_alone() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?.with_user_key("somebody");
        let session = english_session(&client).await?;
        let mut caller = Caller::open(&client, session, PCM_16K).await?;
        let mut start = caller.starting(Some(PCM_24K));
        if let ClientMessage::AudioStart { record, .. } = &mut start {
            *record = true;
        }
        caller.start_with(start).await?;
        converse(&mut caller, NAME).await?;
        caller.command(ClientMessage::AudioStop {}).await?;
        caller.mute();
        let ready = caller.until_event("the recording", |event| match event {
            Event::AssetReady(asset) if asset.kind == "recording" => Some(asset.clone()),
            _ => None,
        });
        let ready = ready.await?;
        let file = client.asset(&ready.url).await?;
        ensure!(
            file.len() as u64 == ready.size_bytes,
            "{ready:?}, but {} bytes",
            file.len()
        );
        for other in [stage.client()?, stage.client()?.with_user_key("somebody-else")] {
            let refused = other.asset(&ready.url).await;
            let status = refused
                .as_ref()
                .err()
                .and_then(loadtest::client::ClientError::status);
            ensure!(status == Some(404), "{refused:?}");
        }

        let [user, assistant] = both_sides(&file)?;
        let recogniser = Recogniser::of_shipped();
        ensure!(
            recogniser.recognise(&user).text() == words_of(NAME)?,
            "the user is on the left"
        );
        ensure!(
            recogniser.recognise(&assistant).text().is_empty(),
            "and not on the right"
        );
        ensure!(loudest(&assistant) > 1_000, "the assistant is");
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn nothing_is_recorded_unless_it_was_asked_for() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = english_session(&client).await?;
        let mut caller = Caller::call(&client, session).await?;
        converse(&mut caller, NAME).await?;
        caller.command(ClientMessage::AudioStop {}).await?;
        caller.mute();
        // The end of the next reply comes after anything that the stop could have kept.
        let typed = ClientMessage::UserMessage {
            text: "It is natural skincare.".to_owned(),
        };
        caller.command(typed).await?;
        caller.until_reply_over(1).await?;
        ensure!(caller.count("asset.ready") == 0, "{caller:?}");
        Ok(())
    };
    voiced()?.play(scene).await
}
