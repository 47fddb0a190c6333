//! Checks the invariants at the end of a run, against what the clients saw and what the relay and
//! its store hold.

use std::collections::BTreeMap;
use std::fmt;

use protocol::envelope::{Class, MessageId};

use super::history::MessageHistory;
use super::simulation::Simulation;
use crate::core::RowState;

#[derive(Debug)]
pub(super) struct Violation {
    pub(super) invariant: &'static str,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:.900}", self.invariant, self.what)
    }
}

pub(super) fn check(simulation: &Simulation) -> Vec<Violation> {
    let broken = simulation.history.violations.iter();
    let mut found: Vec<Violation> =
        broken.map(|(invariant, what)| Violation { invariant, what: what.clone() }).collect();
    if simulation.is_broken() {
        // The run ended there, and not at rest.
        return found;
    }
    let mut violation = |invariant, what| found.push(Violation { invariant, what });
    let mut lost: BTreeMap<usize, Vec<(&MessageId, &MessageHistory)>> = BTreeMap::new();
    for ((from, id), record) in &simulation.history.messages {
        if record.is_lost() {
            lost.entry(*from).or_default().push((id, record));
        }
        if simulation.tenant(*from) != simulation.tenant(record.to) && !record.received.is_empty() {
            violation("I6", format!("{id} of {from} reached another tenant"));
        }
    }
    for (from, lost) in lost {
        let missed = simulation.missed_notices(from);
        if lost.len() as u64 > missed {
            violation("I1", format!("{from} missed {missed} notices, and these messages are lost: {lost:?}"));
        }
    }
    for (earlier, later) in overtaken(simulation) {
        violation("I3", format!("{later:?} was delivered before {earlier:?}"));
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
    if !simulation.has_rested() {
        violation("I9", format!("not everything was delivered or ended: {:?}", simulation.stats()));
    }
    found
}

type Overtaking<'a> = (&'a MessageHistory, &'a MessageHistory);
/// The id, the history and the first delivery of a message.
type FirstDelivery<'a> = (MessageId, &'a MessageHistory, u64);

/// Messages of one sender to one recipient that were delivered in the wrong order: every attempt of
/// the first came before every attempt of the second, and its first delivery came later.
fn overtaken(simulation: &Simulation) -> Vec<Overtaking<'_>> {
    let mut pairs: BTreeMap<(usize, usize), Vec<FirstDelivery<'_>>> = BTreeMap::new();
    for ((from, id), record) in &simulation.history.messages {
        let removed = record.sender_gone || record.recipient_gone || record.came_back();
        let first = record.received.first().filter(|_| !removed && record.is_accepted());
        if let (Class::Reliable, Some((at, _))) = (record.class, first) {
            pairs.entry((*from, record.to)).or_default().push((*id, record, *at));
        }
    }
    pairs.into_values().flat_map(overtaken_in_pair).collect()
}

fn overtaken_in_pair<'a>(mut messages: Vec<FirstDelivery<'a>>) -> Vec<Overtaking<'a>> {
    let mut earlier = messages.clone();
    earlier.sort_by_key(|(_, record, _)| record.last_attempt);
    messages.sort_by_key(|(_, record, _)| record.first_attempt);
    let mut earlier = earlier.into_iter().peekable();
    let (mut found, mut latest) = (Vec::new(), None);
    for (_, record, at) in messages {
        while let Some((_, before, received)) =
            earlier.next_if(|(_, before, _)| before.last_attempt < record.first_attempt)
        {
            if latest.is_none_or(|(latest, _)| latest < received) {
                latest = Some((received, before));
            }
        }
        found.extend(latest.filter(|(received, _)| *received > at).map(|(_, before)| (before, record)));
    }
    found
}

/// The index in memory and the store must agree.
fn unbalanced(simulation: &Simulation) -> Option<String> {
    let stored = simulation.store.rows.values().filter(|saved| saved.state == RowState::Waiting);
    let (rows, bytes) = stored.fold((0, 0), |(rows, bytes), s| (rows + 1, bytes + s.row.size() as u64));
    let stats = simulation.stats();
    let same = stats.rows == rows && stats.row_bytes == bytes && stats.writing == 0;
    (!same).then(|| format!("the store has {rows} rows of {bytes} bytes, the relay {stats:?}"))
}
