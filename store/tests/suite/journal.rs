//! The journal: order, fences, what is refused, and what is read back.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use greenroom_protocol::{
    CallId, CallOutcome, Event, Frame, Role, Seq, SessionId, Timestamp, TurnId, limits,
};
use greenroom_session::ports::{AppendOutcome, Epoch, Journal, OpenError, OpenMode, TenantId};
use greenroom_session::{CallCost, CommandRecord, Private};
use serde_json::json;
use tokio::task::JoinSet;

use super::Backend;
use super::facts::{self, Author, fresh};

async fn all_frames(journal: &Arc<dyn Journal>, session_id: SessionId) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    loop {
        let after = frames.last().map_or(Seq::ZERO, |last| last.seq);
        let page = journal
            .frames(&TenantId::default(), session_id, after, usize::MAX)
            .await
            .expect("frames can be read");
        if page.is_empty() {
            return frames;
        }
        frames.extend(page);
    }
}

/// Many sessions append at once; each reads back its own events, in order and without a gap.
pub async fn order_is_kept_without_a_gap(backend: &impl Backend) {
    const SESSIONS: usize = 48;
    const APPENDS: u32 = 24;
    let ports = backend.open().await;
    let mut sessions = JoinSet::new();
    for _ in 0..SESSIONS {
        let journal = ports.journal.clone();
        sessions.spawn(async move {
            let mut author = Author::started(&journal).await;
            let mut told = all_frames(&journal, author.session_id).await;
            for turn in 1..=APPENDS {
                let turn_id = TurnId::new(fresh());
                let mut events = vec![facts::turn_started(turn_id, turn)];
                for _ in 0..turn % 4 {
                    events.push(facts::planner_delta(turn_id, "안녕하세요"));
                }
                told.extend(author.tell(events).await);
            }
            (author, told)
        });
    }
    while let Some(done) = sessions.join_next().await {
        let (author, told) = done.expect("no session panics");
        let stored = all_frames(&ports.journal, author.session_id).await;
        assert_eq!(stored, told);
        assert!(stored.iter().map(|frame| frame.seq.0).eq(1..=author.head.0));
    }
}

/// Envelopes come back byte for byte, and facts with their private part, in pages.
pub async fn what_is_read_is_what_was_appended(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut author = Author::started(&ports.journal).await;
    let turn_id = TurnId::new(fresh());
    let command = CommandRecord {
        id: "retry-7".parse().expect("a key"),
        digest: "ab".repeat(32),
    };
    let settled = facts::call_settled(
        CallId::new(fresh()),
        turn_id,
        CallOutcome::Ok,
        CallCost::Known(1_234),
    );
    let odd_text = "따옴표 \" 역슬래시 \\ 줄\n바꿈 \u{0} \u{1F680} \u{2028}";
    let append = author.facts(vec![
        (
            facts::turn_started(turn_id, 1),
            Private {
                command: Some(command),
                ..Private::none()
            },
        ),
        (facts::user_message(turn_id, odd_text), Private::none()),
        (facts::planner_delta(turn_id, odd_text), Private::none()),
        (
            facts::slot_updated(turn_id, "product.features", json!(["저자극", "비건"])),
            Private::none(),
        ),
        settled,
    ]);
    let entries = append.entries.clone();
    author.send(append).await;

    let frames = all_frames(&ports.journal, author.session_id).await;
    let stored: Vec<_> = frames[1..].iter().map(Frame::bytes).collect();
    let appended: Vec<_> = entries.iter().map(|entry| entry.frame.bytes()).collect();
    assert_eq!(stored, appended);

    let facts = ports
        .journal
        .read(&TenantId::default(), author.session_id, Seq(1), 100)
        .await
        .expect("facts");
    assert_eq!(facts.len(), entries.len());
    for (stored, entry) in facts.iter().zip(&entries) {
        assert_eq!(stored.fact, entry.fact);
        assert_eq!(stored.frame, entry.frame);
    }

    let page = ports
        .journal
        .frames(&TenantId::default(), author.session_id, Seq(2), 3)
        .await
        .expect("a page");
    assert_eq!(page, frames[2..5]);
    let beyond = ports
        .journal
        .frames(&TenantId::default(), author.session_id, author.head, 3)
        .await
        .expect("a page");
    assert_eq!(beyond, []);
    let far_beyond = ports
        .journal
        .frames(&TenantId::default(), author.session_id, Seq(u64::MAX), 3)
        .await;
    assert_eq!(far_beyond.expect("a page"), []);
    assert_eq!(all_frames(&ports.journal, SessionId::new(fresh())).await, []);
}

/// A page ends after so many bytes too, and page by page everything is read.
pub async fn a_page_ends_before_it_is_too_large(backend: &impl Backend) {
    const EVENTS: u64 = 40;
    let ports = backend.open().await;
    let mut author = Author::started(&ports.journal).await;
    let text = "가".repeat(limits::EVENTS_PAGE_BYTES_MAX / 3 / 8);
    for _ in 1..EVENTS {
        author
            .tell(vec![facts::planner_delta(TurnId::new(fresh()), &text)])
            .await;
    }
    let (tenant, mut after, mut pages) = (TenantId::default(), Seq::ZERO, 0);
    while after < author.head {
        let page = ports
            .journal
            .frames(&tenant, author.session_id, after, usize::MAX)
            .await
            .expect("a page");
        let facts = ports
            .journal
            .read(&tenant, author.session_id, after, usize::MAX)
            .await
            .expect("a page");
        assert!(page.iter().eq(facts.iter().map(|stored| &stored.frame)));
        let bytes: usize = page.iter().map(|frame| frame.bytes().len()).sum();
        assert!(
            bytes < limits::EVENTS_PAGE_BYTES_MAX * 9 / 8 + 1_000,
            "{bytes} bytes"
        );
        assert_eq!(page.first().map(|frame| frame.seq), Some(after.next()));
        after = page.last().expect("at least one event").seq;
        pages += 1;
    }
    assert!((5..=6).contains(&pages), "{pages} pages");
}

/// An old epoch is refused alone; everybody else's append of the same moment is committed.
pub async fn an_old_epoch_is_refused_alone(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut old = Author::started(&ports.journal).await;
    let mut new = Author::open(&ports.journal, old.session_id, OpenMode::Existing).await;
    assert!(new.epoch > old.epoch);
    assert_eq!(new.head, Seq(1));
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(Author::started(&ports.journal).await);
    }

    let turn_id = TurnId::new(fresh());
    let (stale, fine) = tokio::join!(
        old.try_tell(vec![facts::turn_started(turn_id, 1)]),
        join_all(
            others
                .iter_mut()
                .map(|other| other.try_tell(vec![facts::turn_started(turn_id, 1)]))
        ),
    );
    assert_eq!(stale, AppendOutcome::Fenced);
    assert_eq!(fine, vec![AppendOutcome::Committed { head: Seq(2) }; 20]);
    assert_eq!(all_frames(&ports.journal, old.session_id).await.len(), 1);
    let told = new.tell(vec![facts::turn_started(turn_id, 1)]).await;
    assert_eq!(all_frames(&ports.journal, new.session_id).await[1..], told);
}

/// An append that does not go on where the session stands, or whose session nobody opened, is refused.
pub async fn a_gap_or_a_repetition_is_refused(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut author = Author::started(&ports.journal).await;
    let turn_id = TurnId::new(fresh());
    for wrong_head in [Seq::ZERO, Seq(2), Seq(40)] {
        let mut astray = Author {
            head: wrong_head,
            ..author.clone()
        };
        assert_eq!(
            astray.try_tell(vec![facts::turn_started(turn_id, 1)]).await,
            AppendOutcome::Fenced
        );
    }
    let mut future = Author {
        epoch: Epoch(author.epoch.0 + 1),
        ..author.clone()
    };
    assert_eq!(
        future.try_tell(vec![facts::turn_started(turn_id, 1)]).await,
        AppendOutcome::Fenced
    );
    let mut unopened = Author {
        session_id: SessionId::new(fresh()),
        head: Seq::ZERO,
        ..author.clone()
    };
    assert_eq!(
        unopened.try_tell(vec![facts::session_started()]).await,
        AppendOutcome::Fenced
    );
    author.tell(vec![facts::turn_started(turn_id, 1)]).await;
    assert_eq!(all_frames(&ports.journal, author.session_id).await.len(), 2);
}

/// What is not a proper append at all is refused before it reaches anybody else.
pub async fn a_malformed_append_is_refused(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut author = Author::started(&ports.journal).await;
    let turn_id = TurnId::new(fresh());
    let three = vec![
        facts::turn_started(turn_id, 1),
        facts::gate_changed(0.1),
        facts::turn_completed(turn_id),
    ];

    let empty = author.events(Vec::new());
    let mut holed = author.events(three.clone());
    holed.entries.remove(1);
    let mut turned = author.events(three);
    turned.entries.reverse();
    let mut from_zero = author.events(vec![facts::gate_changed(0.1)]);
    let at = from_zero.entries[0].fact.at;
    from_zero.entries[0].frame = Frame::new(author.session_id, Seq::ZERO, "gate.changed", at, "{}");
    let mut beyond = author.events(vec![facts::gate_changed(0.1)]);
    beyond.epoch = Epoch(u64::MAX);
    for malformed in [empty, holed, turned, from_zero, beyond] {
        let outcome = ports.journal.append(malformed).await;
        assert!(matches!(outcome, AppendOutcome::Failed(_)), "{outcome:?}");
    }
    author.tell(vec![facts::turn_started(turn_id, 1)]).await;
}

/// A broken constraint refuses its own session's append, wholly, and nobody else's.
pub async fn only_the_offender_is_refused(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut offender = Author::started(&ports.journal).await;
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(Author::started(&ports.journal).await);
    }
    let turn_id = TurnId::new(fresh());
    let forged = facts::message(Some(turn_id), Role::User, facts::model(), "말한 적 없는 말");

    let (refused, fine) = tokio::join!(
        offender.try_tell(vec![facts::turn_started(turn_id, 1), forged]),
        join_all(others.iter_mut().map(|other| {
            let turn_id = TurnId::new(fresh());
            other.try_tell(vec![
                facts::turn_started(turn_id, 1),
                facts::user_message(turn_id, "네"),
            ])
        })),
    );
    assert!(matches!(refused, AppendOutcome::Failed(_)), "{refused:?}");
    assert_eq!(fine, vec![AppendOutcome::Committed { head: Seq(3) }; 20]);
    assert_eq!(all_frames(&ports.journal, offender.session_id).await.len(), 1);
    assert!(
        ports.journal.writable(),
        "a refused append says nothing about the journal"
    );
    offender
        .tell(vec![
            facts::turn_started(turn_id, 1),
            facts::user_message(turn_id, "네"),
        ])
        .await;
}

/// A session that must exist, and one that must not.
pub async fn open_modes(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let session_id = SessionId::new(fresh());
    let open = |mode| ports.journal.open(&tenant, session_id, mode);

    assert_eq!(open(OpenMode::Existing).await, Err(OpenError::NotFound));
    let first = open(OpenMode::New).await.expect("it is new");
    assert_eq!(first.head, Seq::ZERO);
    // Nothing was appended, so it does not exist; whoever tries again fences the first one off.
    assert_eq!(open(OpenMode::Existing).await, Err(OpenError::NotFound));
    let second = open(OpenMode::New).await.expect("it is still new");
    assert!(second.epoch > first.epoch);

    let author = Author {
        journal: ports.journal.clone(),
        session_id,
        epoch: first.epoch,
        head: Seq::ZERO,
        now: facts::START,
        summary: facts::summary(),
    };
    let outcome = Author { ..author.clone() }
        .try_tell(vec![facts::session_started()])
        .await;
    assert_eq!(outcome, AppendOutcome::Fenced);
    Author {
        epoch: second.epoch,
        ..author
    }
    .tell(vec![facts::session_started()])
    .await;
    assert_eq!(open(OpenMode::New).await, Err(OpenError::Exists));
    let third = open(OpenMode::Existing).await.expect("it exists");
    assert!(third.epoch > second.epoch);
    assert_eq!(third.head, Seq(1));
}

/// Everything that was acknowledged is there after a restart, and the next epoch is higher.
pub async fn a_restart_keeps_everything(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut author = Author::started(&ports.journal).await;
    let turn_id = TurnId::new(fresh());
    author
        .tell(vec![
            facts::turn_started(turn_id, 1),
            facts::user_message(turn_id, "안녕"),
        ])
        .await;
    let before = all_frames(&ports.journal, author.session_id).await;
    backend.close().await;
    let closed = author.try_tell(vec![facts::turn_completed(turn_id)]).await;
    assert!(matches!(closed, AppendOutcome::Failed(_)), "{closed:?}");

    let ports = backend.open().await;
    assert_eq!(all_frames(&ports.journal, author.session_id).await, before);
    let reopened = Author::open(&ports.journal, author.session_id, OpenMode::Existing).await;
    assert!(reopened.epoch > author.epoch);
    assert_eq!(reopened.head, author.head);
    let mut stale = Author {
        journal: ports.journal.clone(),
        ..author
    };
    assert_eq!(
        stale.try_tell(vec![facts::turn_completed(turn_id)]).await,
        AppendOutcome::Fenced
    );
}

/// An append counts even if nobody waits for its answer any more.
pub async fn an_abandoned_append_counts(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut gone = Author::started(&ports.journal).await;
    let mut other = Author::started(&ports.journal).await;
    let turn_id = TurnId::new(fresh());

    let append = gone.events(vec![facts::turn_started(turn_id, 1)]);
    assert_eq!(ports.journal.append(append).now_or_never(), None);
    // The queue is in order: when a later append is committed, so is the earlier one.
    other.tell(vec![facts::turn_started(turn_id, 1)]).await;
    let frames = all_frames(&ports.journal, gone.session_id).await;
    assert_eq!(frames.last().map(Frame::event_type), Some("turn.started"));
}

/// Appends of one session that wait together are committed one after another.
pub async fn one_session_may_queue_several_appends(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut author = Author::started(&ports.journal).await;
    let mut appends = Vec::new();
    for turn in 1..=5 {
        appends.push(author.events(vec![facts::turn_started(TurnId::new(fresh()), turn)]));
        author.head = author.head.next();
    }
    let outcomes = join_all(appends.into_iter().map(|append| ports.journal.append(append))).await;
    let heads = (2..=6).map(|seq| AppendOutcome::Committed { head: Seq(seq) });
    assert!(outcomes.iter().cloned().eq(heads), "{outcomes:?}");
}

/// Sessions with something due, soonest first; a delta changes nothing about that.
pub async fn due_reads_who_must_wake(backend: &impl Backend) {
    let ports = backend.open().await;
    let tenant = TenantId::default();
    let mut authors = Vec::new();
    for wake_at in [Some(3_000), Some(1_000), None, Some(2_000), Some(9_000)] {
        let mut author = Author::begin(&ports.journal).await;
        author.summary.wake_at = wake_at.map(Timestamp::from_unix_ms);
        author.tell(vec![facts::session_started()]).await;
        authors.push(author);
    }
    let at = |ms| Timestamp::from_unix_ms(ms);
    let ids = |order: &[usize]| -> Vec<SessionId> {
        order.iter().map(|index| authors[*index].session_id).collect()
    };

    assert_eq!(ports.journal.due(&tenant, at(999), 10).await.expect("due"), []);
    assert_eq!(
        ports.journal.due(&tenant, at(3_000), 10).await.expect("due"),
        ids(&[1, 3, 0])
    );
    assert_eq!(
        ports.journal.due(&tenant, at(3_000), 2).await.expect("due"),
        ids(&[1, 3])
    );

    let mut done = authors[1].clone();
    done.summary.wake_at = None;
    done.tell(vec![facts::planner_delta(TurnId::new(fresh()), "네")])
        .await;
    assert_eq!(
        ports.journal.due(&tenant, at(1_000), 10).await.expect("due"),
        ids(&[1])
    );
    done.tell(vec![facts::gate_changed(0.5)]).await;
    assert_eq!(
        ports.journal.due(&tenant, at(3_000), 10).await.expect("due"),
        ids(&[3, 0])
    );
}

/// An append as large as a whole stage's output, and one with very many events.
pub async fn large_appends_are_committed(backend: &impl Backend) {
    let ports = backend.open().await;
    let mut author = Author::started(&ports.journal).await;
    let turn_id = TurnId::new(fresh());
    let large = "가".repeat(2_000_000);
    author.tell(vec![facts::planner_delta(turn_id, &large)]).await;
    let many: Vec<Event> = (0..3_000)
        .map(|_| facts::planner_delta(turn_id, "조각"))
        .collect();
    author.tell(many).await;
    let frames = all_frames(&ports.journal, author.session_id).await;
    assert!(frames.iter().map(|frame| frame.seq.0).eq(1..=3_002));
    assert!(frames[1].data_json().contains(&large));
}
