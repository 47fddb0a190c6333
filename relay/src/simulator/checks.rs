//! Checks the invariants at the end of a run, against what the clients saw and what the relay and
//! its store hold.

use std::fmt;

use protocol::envelope::{Class, MessageId};
use protocol::frame::SendStatus;

use super::history::MessageHistory;
use super::simulation::Simulation;

#[derive(Debug)]
pub(super) struct Violation {
    pub(super) invariant: &'static str,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:.400}", self.invariant, self.what)
    }
}

pub(super) fn check(simulation: &Simulation) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut violation = |invariant, what| found.push(Violation { invariant, what });
    for (invariant, what) in &simulation.history.violations {
        violation(invariant, what.clone());
    }
    for ((from, id), record) in &simulation.history.messages {
        if is_lost(record) {
            violation("I1", format!("{id} of {from} was accepted and is lost: {record:?}"));
        }
        if record.premature {
            violation(
                "I4",
                format!("{id} of {from} was answered delivered before {} acknowledged", record.to),
            );
        }
        if simulation.tenant(*from) != simulation.tenant(record.to) && !record.received.is_empty() {
            violation("I6", format!("{id} of {from} reached another tenant"));
        }
    }
    for (earlier, later) in overtaken(simulation) {
        violation("I3", format!("{later} was delivered before {earlier}"));
    }
    if let Some(what) = unbalanced(simulation) {
        violation("I7", what);
    }
    if simulation.held_bytes() != 0 {
        violation("I8", format!("{} bytes are still held", simulation.held_bytes()));
    }
    for (index, client) in simulation.clients.iter().enumerate() {
        if !client.outbox.is_empty() {
            violation("I9", format!("client {index} waits for {:?}", client.outbox));
        }
    }
    found
}

fn is_lost(record: &MessageHistory) -> bool {
    let promised = record.statuses.iter().any(|s| *s != SendStatus::Forwarded);
    let ended = record.notices.contains("expired") || record.notices.contains("dropped");
    promised && record.received.is_empty() && !ended
}

/// Messages of one sender to one recipient that were delivered in the wrong order: every attempt of
/// the first came before every attempt of the second, and its first delivery came later.
fn overtaken(simulation: &Simulation) -> Vec<(MessageId, MessageId)> {
    let received = |record: &MessageHistory| record.received.first().map(|(position, _)| *position);
    let mut messages: Vec<(usize, MessageId, &MessageHistory, u64)> = Vec::new();
    for ((from, id), record) in &simulation.history.messages {
        if let (Class::Reliable, Some(at)) = (record.class, received(record)) {
            messages.push((*from, *id, record, at));
        }
    }
    let mut pairs = Vec::new();
    for (from_a, a, one, one_at) in &messages {
        for (from_b, b, two, two_at) in &messages {
            let same_pair = from_a == from_b && one.to == two.to;
            if same_pair && one.last_attempt < two.first_attempt && one_at > two_at {
                pairs.push((*a, *b));
            }
        }
    }
    pairs
}

/// The index in memory and the store must agree.
fn unbalanced(simulation: &Simulation) -> Option<String> {
    let stored = simulation.store.rows.values().filter(|saved| saved.waiting);
    let (rows, bytes) = stored.fold((0, 0), |(rows, bytes), s| (rows + 1, bytes + s.row.size() as u64));
    let stats = simulation.stats();
    let same = stats.rows == rows && stats.row_bytes == bytes && stats.writing == 0;
    (!same).then(|| format!("the store has {rows} rows of {bytes} bytes, the relay {stats:?}"))
}
