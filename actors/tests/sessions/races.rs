//! Many tasks at once on several threads, in real time: what a paused clock on one thread cannot bring about.

use std::sync::Arc;
use std::time::Duration;

use greenroom_actors::Refused;
use greenroom_protocol::{Frame, SessionId};
use tokio::task::{JoinSet, yield_now};

use crate::world::{World, edit, say};

const SENDERS: usize = 8;
const COMMANDS: usize = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_leave_crash_and_are_listened_to_lose_nothing() {
    let world = Arc::new(
        World::with(|config| {
            // So short that sessions leave between most commands.
            config.passivate_after = Duration::from_micros(50);
            config.restarts_max = usize::MAX;
            config.ring_events_max = 16;
        })
        .await,
    );
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(world.create().await);
    }
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send_all(world.clone(), sessions.clone(), sender));
    }
    let answered: Vec<(SessionId, String)> = senders.join_all().await.into_iter().flatten().collect();
    for session in sessions {
        let taken: Vec<String> = world
            .journal
            .rows(session)
            .into_iter()
            .filter_map(|row| row.fact.private.command)
            .map(|command| command.id.as_str().to_owned())
            .collect();
        for (_, id) in answered.iter().filter(|(of, _)| *of == session) {
            assert_eq!(
                taken.iter().filter(|taken| *taken == id).count(),
                1,
                "{id} was answered for"
            );
        }
        world
            .follow(session)
            .await
            .assert_saw_all(&world.journal, session)
            .await;
        assert!(world.journal.opens(session) > 10, "it left and came back");
    }
    while world.directory.live() > 0 {
        yield_now().await;
    }
}

/// Sends commands to all sessions in turn, each again under its id while its answer is lost; crashes and listens
/// now and then. Returns what was answered for.
async fn send_all(world: Arc<World>, sessions: Vec<SessionId>, sender: usize) -> Vec<(SessionId, String)> {
    let mut answered = Vec::new();
    for number in 0..COMMANDS {
        let session = sessions[(sender + number) % sessions.len()];
        let id = format!("command-{sender}-{number}");
        if number % 50 == 49 {
            let crashed = world.send(session, say("__panic_session__")).await;
            assert_eq!(crashed.unwrap_err(), Refused::Lost);
        }
        let mut attempts = 0;
        while let Err(refused) = world.send_as(session, Some(&id), edit(&id)).await {
            assert_eq!(refused, Refused::Lost, "a crash is the only trouble here");
            attempts += 1;
            assert!(attempts < 100, "{id} is lost again and again");
        }
        if number % 7 == 0 {
            listen(&world, session).await;
        }
        answered.push((session, id));
    }
    answered
}

/// Reads what there is, and checks that it is a piece of the log.
async fn listen(world: &World, session: SessionId) {
    let Ok((mut cursor, view)) = world
        .directory
        .cursor(
            session,
            &greenroom_session::Caller::Operator,
            Some(greenroom_protocol::Seq::ZERO),
        )
        .await
    else {
        return;
    };
    let mut seen: Vec<Frame> = Vec::new();
    while cursor.position() < view.as_of_seq {
        seen.extend(cursor.next().await.unwrap());
    }
    let stored = world.journal.rows(session).into_iter().map(|row| row.frame);
    assert!(stored.zip(&seen).all(|(stored, seen)| stored == *seen));
}
