//! Somebody who looks at the sessions of others, on a second device or over an event stream, and goes on from one to
//! the next.

use std::time::Duration;

use greenroom_protocol::{Seq, SessionId};
use tokio::time::{Instant, sleep, timeout_at};

use super::device::Device;
use super::{ASK_AGAIN, Person, Setback};
use crate::client::ClientError;

/// How long somebody looks at one session.
const LOOK: Duration = Duration::from_secs(12);

/// Looks on until all is over.
pub(super) async fn look_on(person: &Person) -> anyhow::Result<()> {
    for look in 0.. {
        if person.commons.is_over() {
            break;
        }
        let present = person.commons.present();
        let chance = person.chance.at(&format!("look-{look}"));
        let Some((session, _)) = present.get(chance.at("whose").below(present.len())) else {
            sleep(ASK_AGAIN).await;
            continue;
        };
        let looked = if Person::is_drawn(chance, "stream", 50) {
            stream(person, *session).await
        } else {
            watch(person, *session).await
        };
        match looked {
            Ok(()) | Err(Setback::Gone | Setback::GivenUp | Setback::Refused(_)) => {}
            Err(Setback::Wrong(error)) => return Err(error.context(format!("in {session}"))),
        }
    }
    Ok(())
}

/// Follows a session's event stream; one that ends is taken up after the last event.
async fn stream(person: &Person, session: SessionId) -> Result<(), Setback> {
    person.does("follows a stream");
    let until = Instant::now() + LOOK;
    let mut last = Seq::ZERO;
    while Instant::now() < until && !person.commons.is_over() {
        let client = &person.client;
        let mut events = person.insist(move || client.follow(session, last)).await?;
        while let Ok(next) = timeout_at(until, events.next()).await {
            match next {
                Ok(Some(event)) => last = event.seq,
                Ok(None) | Err(ClientError::Unreachable(_)) => break,
                Err(error) => return Err(Setback::Wrong(error.into())),
            }
        }
        sleep(ASK_AGAIN).await;
    }
    Ok(())
}

/// Watches a session on a second device, and says nothing.
async fn watch(person: &Person, session: SessionId) -> Result<(), Setback> {
    person.does("watches on a second device");
    let mut device = Device::open(person, session).await?;
    device.pause(LOOK).await?;
    device.close().await;
    Ok(())
}
