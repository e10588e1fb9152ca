//! What a client saw, against the journals and against itself.

use std::collections::BTreeMap;

use greenroom_protocol::{Seq, SessionId};
use serde_json::Value;

use super::evidence::{ClientRecord, Evidence};
use super::{Report, Subject, Violation};
use crate::client::{Origin, RecordLine, Saw, SeenEvent};

/// One connection of the client, as far as its lines were read.
#[derive(Debug)]
struct Connection {
    session: SessionId,
    from: Origin,
    /// The number that must come next; none where any higher one may.
    expected: Option<Seq>,
    /// The last number that came.
    last: Seq,
}

/// Nothing seen is missing from the journal or differs from it, and no number is missing or comes twice.
pub(super) fn check(record: &ClientRecord, evidence: &Evidence, report: &mut Report) {
    report.counts.clients += 1;
    for session in record.sessions() {
        if !evidence.journals.contains_key(&session) && !evidence.erased.contains_key(&session) {
            report.violations.push(Violation::JournalMissing {
                client: record.name.clone(),
                session,
            });
        }
    }
    let mut connections: BTreeMap<u32, Connection> = BTreeMap::new();
    for RecordLine { connection, saw, .. } in &record.lines {
        match saw {
            Saw::Connected { session_id, from } => {
                report.counts.connections += 1;
                connections.insert(*connection, Connection::opened(*session_id, *from));
            }
            Saw::Event(event) => {
                report.counts.seen += 1;
                if let Some(connection) = connections.get_mut(connection) {
                    connection.saw(event, record, evidence, report);
                }
            }
            Saw::Signal { text } => {
                let expected = connections.get_mut(connection);
                match read_signal(text) {
                    Frame::Snapshot(as_of) => {
                        if let Some(connection) = expected {
                            connection.stands_at(as_of);
                        }
                    }
                    Frame::Signal => {}
                    Frame::Unreadable => {
                        let client = record.name.clone();
                        report.violations.push(Violation::FrameUnreadable {
                            client,
                            text: text.clone(),
                        });
                    }
                }
            }
            Saw::Sent { .. } | Saw::Closed { .. } => {}
        }
    }
}

impl Connection {
    fn opened(session: SessionId, from: Origin) -> Self {
        let (expected, last) = match from {
            Origin::After(seq) => (Some(seq.next()), seq),
            Origin::Snapshot | Origin::Turn => (None, Seq::ZERO),
        };
        Self {
            session,
            from,
            expected,
            last,
        }
    }

    fn stands_at(&mut self, as_of: Seq) {
        if self.from == Origin::Snapshot {
            self.expected = Some(as_of.next());
            self.last = as_of;
        }
    }

    fn saw(&mut self, event: &SeenEvent, record: &ClientRecord, evidence: &Evidence, report: &mut Report) {
        let in_order = match self.expected {
            Some(expected) => event.seq == expected,
            // Before its snapshot a client can place no event; a turn's stream only goes forward.
            None => self.from == Origin::Turn && event.seq > self.last,
        };
        if !in_order {
            report.violations.push(Violation::SeqBroken {
                subject: Subject::Client(record.name.clone()),
                session: self.session,
                expected: self.expected.unwrap_or(self.last.next()),
                found: event.seq,
            });
        }
        self.last = event.seq;
        self.expected = self.expected.map(|_| event.seq.next());
        let Some(journal) = evidence.journals.get(&self.session) else {
            return;
        };
        let (client, session, seq) = (record.name.clone(), self.session, event.seq);
        match journal
            .binary_search_by_key(&seq, |held| held.seq)
            .ok()
            .and_then(|index| journal.get(index))
        {
            None => report
                .violations
                .push(Violation::SeenNotInJournal { client, session, seq }),
            Some(held) if held != event => {
                report
                    .violations
                    .push(Violation::SeenDiffers { client, session, seq });
            }
            Some(_) => {}
        }
    }
}

/// What a frame is that was not taken for an event.
enum Frame {
    Snapshot(Seq),
    Signal,
    Unreadable,
}

fn read_signal(text: &str) -> Frame {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
        return Frame::Unreadable;
    };
    let kind = fields.get("type").and_then(Value::as_str);
    match (kind, fields.get("as_of_seq").and_then(Value::as_u64)) {
        (None, _) => Frame::Unreadable,
        // An event with a broken envelope.
        _ if fields.contains_key("event_id") => Frame::Unreadable,
        (Some("session.snapshot"), Some(seq)) => Frame::Snapshot(Seq(seq)),
        (Some("session.snapshot"), None) => Frame::Unreadable,
        (Some(_), _) => Frame::Signal,
    }
}
