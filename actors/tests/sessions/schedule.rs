//! Random schedules of commands, crashes, outages and cursors: nobody ever sees a gap, and what was answered for
//! is in the log.

use std::time::Duration;

use greenroom_protocol::{Frame, Seq, SessionId};
use greenroom_session::{Caller, CommandKind};
use proptest::prelude::*;

use crate::journal::Fault;
use crate::model::{answer, pieces};
use crate::world::{Follower, World, edit, pass, say};

/// What happens next.
#[derive(Debug, Clone)]
enum Happening {
    Edit,
    Say,
    /// A turn whose reply takes this long.
    SaySlowly(u64),
    Crash,
    Steal,
    Fault(Fault),
    Outage(u64),
    /// A new cursor, this many events behind the head.
    Follow(u64),
    /// All cursors read what there is, at most so many pages.
    Read(usize),
    Pass(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => Just(Happening::Edit),
        3 => Just(Happening::Say),
        2 => (0..400_u64).prop_map(Happening::SaySlowly),
        1 => Just(Happening::Crash),
        1 => Just(Happening::Steal),
        2 => prop_oneof![Just(Fault::Failed), Just(Fault::UnknownWritten), Just(Fault::UnknownLost)]
            .prop_map(Happening::Fault),
        1 => (1..2_000_u64).prop_map(Happening::Outage),
        2 => (0..40_u64).prop_map(Happening::Follow),
        4 => (1..3_usize).prop_map(Happening::Read),
        4 => (0..1_500_u64).prop_map(Happening::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn nobody_ever_sees_a_gap(happenings in prop::collection::vec(happening(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(happenings));
    }
}

async fn play(happenings: Vec<Happening>) {
    let world = World::with(|config| {
        config.passivate_after = Duration::from_millis(500);
        config.ring_events_max = 8;
        // Crashes are wanted here; the limit has its own tests.
        config.restarts_max = usize::MAX;
    })
    .await;
    let session = world.create().await;
    let mut game = Game {
        world,
        session,
        followers: Vec::new(),
        answered: Vec::new(),
    };
    for (number, happening) in happenings.into_iter().enumerate() {
        game.happen(number, happening).await;
    }
    game.settle().await;
    game.check().await;
}

struct Game {
    world: World,
    session: SessionId,
    /// Cursors, each with the event that it began behind.
    followers: Vec<(Seq, Follower)>,
    /// Commands that were answered for.
    answered: Vec<String>,
}

impl Game {
    async fn happen(&mut self, number: usize, happening: Happening) {
        match happening {
            Happening::Edit => self.send(number, edit(number)).await,
            Happening::Say => self.send(number, say("Hello there")).await,
            Happening::SaySlowly(ms) => {
                let reply = answer("This takes a while. It has two sentences.");
                self.world
                    .model
                    .script("planner", pieces(&reply, 7, Duration::from_millis(ms / 8)));
                self.send(number, say("Hello there")).await;
            }
            Happening::Crash => drop(self.world.send(self.session, say("__panic_session__")).await),
            Happening::Steal => self.world.journal.steal(self.session),
            Happening::Fault(fault) => self.world.journal.fail_next(fault),
            Happening::Outage(ms) => {
                self.world.journal.set_writable(false);
                pass(Duration::from_millis(ms)).await;
                self.world.journal.set_writable(true);
            }
            Happening::Follow(behind) => self.follow(behind).await,
            Happening::Read(pages) => {
                for (_, follower) in &mut self.followers {
                    read(follower, pages).await;
                }
            }
            Happening::Pass(ms) => pass(Duration::from_millis(ms)).await,
        }
    }

    async fn send(&mut self, number: usize, kind: CommandKind) {
        let id = format!("command-{number}");
        if self.world.send_as(self.session, Some(&id), kind).await.is_ok() {
            self.answered.push(id);
        }
    }

    async fn follow(&mut self, behind: u64) {
        let directory = &self.world.directory;
        let Ok(view) = directory.view(self.session, &Caller::Operator).await else {
            return;
        };
        let after = Seq(view.as_of_seq.0.saturating_sub(behind));
        if let Ok((cursor, _)) = directory
            .cursor(self.session, &Caller::Operator, Some(after))
            .await
        {
            self.followers.push((after, Follower::new(cursor)));
        }
    }

    /// Lets everything come to rest: the session answers again, and no turn is under way.
    async fn settle(&self) {
        let mut attempts = 0;
        while self.world.send(self.session, edit("last")).await.is_err() {
            attempts += 1;
            assert!(attempts < 100, "the session never came back");
            pass(Duration::from_secs(1)).await;
        }
        pass(Duration::from_secs(30)).await;
        let view = self
            .world
            .directory
            .view(self.session, &Caller::Operator)
            .await
            .unwrap();
        assert_eq!(view.turn_id, None, "every turn ends");
    }

    async fn check(self) {
        let rows = self.world.journal.rows(self.session);
        let stored: Vec<Frame> = rows.iter().map(|row| row.frame.clone()).collect();
        for (after, mut follower) in self.followers {
            read(&mut follower, usize::MAX).await;
            assert_eq!(follower.seen, stored[usize::try_from(after.0).unwrap()..]);
        }
        let taken: Vec<&str> = rows
            .iter()
            .filter_map(|row| row.fact.private.command.as_ref())
            .map(|command| command.id.as_str())
            .collect();
        for id in self.answered {
            assert_eq!(
                taken.iter().filter(|taken| **taken == id).count(),
                1,
                "{id} was answered for"
            );
        }
    }
}

async fn read(follower: &mut Follower, pages: usize) {
    for _ in 0..pages {
        if !follower.cursor.behind() {
            return;
        }
        let page = follower.cursor.next().await.unwrap();
        follower.seen.extend(page);
    }
}
