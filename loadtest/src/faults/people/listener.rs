//! Somebody who says one thing, then only stays connected, and now and then asks whether anybody is there.

use std::time::Duration;

use greenroom_protocol::{ClientMessage, Locale};

use super::Person;
use super::device::Device;

/// How long somebody stays silent at a time.
const SILENCE: Duration = Duration::from_secs(2);
/// How often they are silent in one session.
const SILENCES: usize = 30;

/// Listens until all is over.
pub(super) async fn listen(person: &Person) -> anyhow::Result<()> {
    person
        .session_by_session(Locale::En, |session, chance| async move {
            let mut device = Device::open(person, session).await?;
            person.does("says hello");
            let text = "Hello, I am only looking around".to_owned();
            person.said(session, &text, false);
            let hello = ClientMessage::UserMessage { text: text.clone() };
            let id = format!("l{}", person.number);
            let accepted = device.ask(&hello, &id).await?;
            person.said(session, &text, true);
            let turn = accepted.turn_id;
            device
                .until(|seen| turn.is_none_or(|turn| seen.turns_ended.contains(&turn)))
                .await?;
            for silence in 0..SILENCES {
                if person.commons.is_over() {
                    break;
                }
                device.pause(SILENCE).await?;
                if Person::is_drawn(chance, &format!("again-{silence}"), 20) {
                    // The same message again changes nothing, however much later it comes.
                    device.ask(&hello, &id).await?;
                }
            }
            device.close().await;
            Ok(())
        })
        .await
}
