//! Whenever a fold is kept: what is folded after it comes to the same as what is folded without.

use greenroom_protocol::{Seq, SessionId};
use greenroom_session::ports::Snapshot;
use greenroom_session::snapshot::{FOLD_VERSION, Unusable};
use greenroom_session::{Fact, State};
use proptest::prelude::*;

use crate::chance::{Story, moves, policy};
use crate::play::Play;

fn fold(log: &[Fact]) -> State {
    let session = Play::launch().state.id;
    let mut state = State::begin(session, &log[0]).expect("a beginning");
    for fact in &log[1..] {
        state.evolve(fact);
    }
    state
}

/// The state after it was kept and read again.
fn restored(state: &State, log: &[Fact]) -> State {
    let snapshot = Snapshot::of(state);
    snapshot
        .restore(state.id, Seq(log.len() as u64))
        .expect("what was kept can be used")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_fold_goes_on_from_what_was_kept(
        input in policy(),
        output in policy(),
        moves in prop::collection::vec(moves(), 1..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 5),
    ) {
        let mut story = Story::begin(input, output);
        for what in moves {
            story.happens(what);
        }
        let Play { log, state, .. } = story.play;
        let whole = Snapshot::of(&state);

        let mut kept_after_each = fold(&log[..1]);
        for fact in &log[1..] {
            kept_after_each = restored(&kept_after_each, &log);
            kept_after_each.evolve(fact);
        }
        prop_assert_eq!(&kept_after_each, &state);
        prop_assert_eq!(&Snapshot::of(&kept_after_each), &whole);

        for cut in cuts {
            let (before, after) = log.split_at(cut.index(log.len()).max(1));
            let mut kept_once = restored(&fold(before), &log);
            for fact in after {
                kept_once.evolve(fact);
            }
            prop_assert_eq!(&kept_once, &state);
            prop_assert_eq!(&Snapshot::of(&kept_once), &whole);
        }
    }
}

#[test]
fn a_snapshot_that_is_cut_off_anywhere_is_refused() {
    let play = Play::launch();
    let whole = Snapshot::of(&play.state);
    for length in 0..whole.state.len() {
        let state = whole.state.slice(..length);
        let refused = Snapshot { state, ..whole }.restore(play.state.id, play.state.head);
        assert!(
            matches!(refused, Err(Unusable::Unreadable { .. })),
            "{length}: {refused:?}"
        );
    }
}

#[test]
fn a_snapshot_is_used_for_what_it_is_of() {
    let play = Play::launch();
    let (id, head) = (play.state.id, play.state.head);
    let kept = Snapshot::of(&play.state);
    assert_eq!(kept.restore(id, head), Ok(play.state.clone()));
    assert_eq!(
        kept.restore(id, head.next()),
        Ok(play.state.clone()),
        "the log went on"
    );

    let stranger = SessionId::new(ulid::Ulid::from(8_u128));
    assert!(matches!(
        kept.restore(stranger, head),
        Err(Unusable::Misplaced { .. })
    ));
    assert!(matches!(
        kept.restore(id, Seq::ZERO),
        Err(Unusable::Misplaced { .. })
    ));
    let moved = Snapshot {
        head: head.next(),
        ..kept.clone()
    };
    assert!(matches!(
        moved.restore(id, head.next()),
        Err(Unusable::Misplaced { .. })
    ));
    let newer = Snapshot {
        fold_version: FOLD_VERSION + 1,
        ..kept
    };
    assert_eq!(
        newer.restore(id, head),
        Err(Unusable::Version {
            found: FOLD_VERSION + 1
        })
    );
}
