//! Both sides on one file, when the client asks for it.

use std::time::Duration;

use bytes::Bytes;
use greenroom_actors::voice::VoiceSettings;
use greenroom_audio::{DecodeLimits, Upload, decode};
use greenroom_protocol::{AssetReady, Event, Provenance};
use greenroom_session::ports::{BlobError, Blobs as _};

use crate::call::{Exchange, Phone, Setting, headset, microphone};
use crate::ears::Answer;
use crate::hearing::PAUSE;
use crate::journal::Fault;
use crate::model::{answer, whole};
use crate::sounds::recorded;
use crate::world::{World, say};

fn assets(exchange: &Exchange) -> Vec<AssetReady> {
    let events = exchange.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::AssetReady(asset) => Some(asset),
            _ => None,
        })
        .collect()
}

async fn file_of(exchange: &Exchange, asset: &AssetReady) -> Result<Bytes, BlobError> {
    let name = format!("recordings/{}/{}.ogg", exchange.session, asset.asset_id);
    exchange.world.blobs.get(&name).await
}

/// A question, and the reply to it, on a line that records.
async fn recorded_turn(exchange: &Exchange) -> Phone {
    exchange.world.fill_brief(exchange.session).await;
    exchange.ears.next(Answer::Words("Tell me more."));
    exchange
        .world
        .model
        .script("planner", whole(&answer("This is a reply that takes its time.")));
    let mut phone = exchange.phone();
    let mut start = headset();
    start.record = true;
    phone.line.start(&start).unwrap();
    phone.say(&recorded("what-do-you-need")).await;
    phone.listen(3 * PAUSE).await;
    phone
}

#[tokio::test(start_paused = true)]
async fn it_is_kept_at_the_stop_with_both_voices_on_it() {
    let exchange = Exchange::new().await;
    let mut phone = recorded_turn(&exchange).await;
    assert!(assets(&exchange).is_empty());
    phone.line.stop().unwrap();
    phone.stall(Duration::from_millis(100)).await;
    let [asset] = assets(&exchange).try_into().unwrap();
    assert!(matches!(asset.provenance, Provenance::User { .. }));
    assert_eq!(
        asset.url,
        format!("/api/chat/session/{}/assets/{}", exchange.session, asset.asset_id)
    );
    let file = file_of(&exchange, &asset).await.unwrap();
    let file = decode(Upload::from(file), &DecodeLimits::default(), &|| false).unwrap();
    let said = crate::sounds::length_of(&recorded("what-do-you-need"));
    let length = file.duration();
    assert!(
        length >= said + 3 * PAUSE && length < said + 3 * PAUSE + Duration::from_secs(1),
        "{length:?}"
    );
    // Somebody speaks at first, somebody else later, and at last nobody.
    let loud = |from: Duration, to: Duration| {
        let place = |at: Duration| usize::try_from(at.as_millis()).unwrap() * 16;
        file.pcm[place(from)..place(to)]
            .iter()
            .any(|sample| sample.unsigned_abs() > 1_000)
    };
    assert!(loud(Duration::ZERO, said));
    assert!(loud(
        said + Duration::from_millis(900),
        said + Duration::from_millis(2_400)
    ));
    assert!(!loud(said + 2 * PAUSE, said + PAUSE.mul_f32(2.9)));
}

#[tokio::test(start_paused = true)]
async fn it_is_kept_when_the_line_hangs_up_or_loses_the_microphone() {
    for hangs_up in [true, false] {
        let exchange = Exchange::new().await;
        let mut phone = recorded_turn(&exchange).await;
        if hangs_up {
            drop(phone);
            exchange.voice.quiet().await;
        } else {
            let mut other = exchange.phone();
            other.line.start(&microphone()).unwrap();
            phone.stall(Duration::from_millis(100)).await;
        }
        let [asset] = assets(&exchange).try_into().unwrap();
        assert!(file_of(&exchange, &asset).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn it_stays_where_an_event_names_it_although_the_answer_was_lost() {
    let exchange = Exchange::new().await;
    let mut phone = recorded_turn(&exchange).await;
    exchange.world.journal.fail_next(Fault::UnknownWritten);
    phone.line.stop().unwrap();
    phone.stall(Duration::from_secs(2)).await;
    let [asset] = assets(&exchange).try_into().unwrap();
    assert!(file_of(&exchange, &asset).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_it_is_as_long_as_it_may_be() {
    let setting = Setting {
        settings: VoiceSettings {
            recording_max: Duration::from_secs(5),
            ..VoiceSettings::default()
        },
        ..Setting::default()
    };
    let exchange = Exchange::with(World::new().await, setting).await;
    let mut phone = recorded_turn(&exchange).await;
    let [asset] = assets(&exchange).try_into().unwrap();
    phone.listen(PAUSE).await;
    phone.line.stop().unwrap();
    phone.stall(Duration::from_millis(100)).await;
    assert_eq!(assets(&exchange).len(), 1);
    let file = file_of(&exchange, &asset).await.unwrap();
    let file = decode(Upload::from(file), &DecodeLimits::default(), &|| false).unwrap();
    assert!(file.duration() < Duration::from_millis(5_600));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_recorded_unless_that_is_asked_for_and_nothing_kept_before_the_first_turn() {
    let exchange = Exchange::new().await;
    exchange.ears.next(Answer::Words("Tell me more."));
    let mut phone = exchange.phone();
    let mut start = microphone();
    start.record = true;
    phone.line.start(&start).unwrap();
    phone.listen(PAUSE).await;
    phone.line.start(&microphone()).unwrap();
    phone.say(&recorded("yes")).await;
    phone.listen(PAUSE).await;
    phone.line.stop().unwrap();
    phone.stall(PAUSE).await;
    assert_eq!(exchange.said().len(), 1);
    assert!(assets(&exchange).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_nothing_while_it_listens_is_recorded_as_long_as_it_hears_something() {
    let exchange = Exchange::new().await;
    exchange.world.fill_brief(exchange.session).await;
    let reply = "It takes its time, and more of it. ".repeat(10);
    let length = crate::speaker::length_of(&reply);
    assert!(length > Duration::from_secs(15));
    exchange.world.model.script("planner", whole(&answer(&reply)));
    let mut phone = exchange.phone();
    let mut start = headset();
    start.record = true;
    phone.line.start(&start).unwrap();
    // Not even how much it has played.
    phone.acknowledges = false;
    phone.stall(Duration::from_millis(100)).await;
    let typed = say("Tell me more.");
    exchange.world.send(exchange.session, typed).await.unwrap();
    phone.stall(length + PAUSE).await;
    phone.line.stop().unwrap();
    phone.stall(Duration::from_millis(100)).await;
    let [asset] = assets(&exchange).try_into().unwrap();
    let file = file_of(&exchange, &asset).await.unwrap();
    let file = decode(Upload::from(file), &DecodeLimits::default(), &|| false).unwrap();
    assert!(file.duration() > length.mul_f32(0.9), "{:?}", file.duration());
}
