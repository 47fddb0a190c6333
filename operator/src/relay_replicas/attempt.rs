//! One request that changes an entry, from before it is sent until its outcome is noted.

use std::sync::Arc;

use protocol::Reason;
use protocol::admin::{Applied, Owner};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::Shared;
use super::entry_table::{Digest, EntryTable, Held, WriteTicket};
use crate::object_key::{Kind, NamespacedName};
use crate::observed::Observed;
use crate::queue::Priority;
use crate::relay_api::RelayError;

/// What the request changes.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { owner: Owner, digest: Digest },
    Removal,
}

/// A request that may be in flight. The entry is unknown until it is settled. Dropped without an
/// outcome, it stays unknown.
pub(super) struct Attempt {
    shared: Arc<Shared>,
    relay: NamespacedName,
    instance: String,
    path: String,
    /// Of the relay's record, which is replaced when the leadership changes.
    epoch: u64,
    ticket: WriteTicket,
    before: Observed<Option<Held>>,
    change: Change,
    is_settled: bool,
    /// No other request for this path is sent before this one has ended.
    _order: Arc<OwnedMutexGuard<()>>,
}

impl Attempt {
    /// Notes the entry as unknown. `None`: the store is gone.
    pub(super) fn begin(
        shared: &Arc<Shared>,
        relay: &NamespacedName,
        instance: &str,
        path: &str,
        change: Change,
        order: &Arc<OwnedMutexGuard<()>>,
    ) -> Option<Self> {
        let (epoch, ticket, before) = shared.state(relay, |state| {
            let epoch = state.epoch;
            let entries = &mut state.replicas.get_mut(instance)?.entries;
            let before = entries.held(path);
            let ticket = match &change {
                Change::Write { .. } => entries.begin_write(path),
                Change::Removal => entries.begin_removal(path),
            };
            Some((epoch, ticket, before))
        })??;
        Some(Self {
            shared: Arc::clone(shared),
            relay: relay.clone(),
            instance: instance.to_owned(),
            path: path.to_owned(),
            epoch,
            ticket,
            before,
            change,
            is_settled: false,
            _order: Arc::clone(order),
        })
    }

    /// Notes the outcome.
    pub(super) fn settle(mut self, result: &Result<Applied, RelayError>) {
        self.is_settled = true;
        match (result, &self.change) {
            (Ok(applied), Change::Write { owner, digest }) => {
                let held = Held {
                    owner: Some(owner.clone()),
                    digest: Some(*digest),
                    refused_endpoint: applied.endpoint,
                };
                self.note(Some(applied.version), |entries, path, ticket| {
                    entries.acknowledge(path, ticket, held);
                });
            }
            (Ok(applied), Change::Removal) => {
                self.note(Some(applied.version), EntryTable::remove);
            }
            (Err(error), Change::Write { .. }) if is_certain(error) => {
                let before = self.before.clone();
                self.note(None, |entries, path, ticket| entries.refuse(path, ticket, before));
            }
            (Err(_), _) => self.note(None, EntryTable::lose),
        }
        if let Err(error) = result {
            self.react(error);
        }
    }

    /// Changes the record. If it was replaced since the request was begun, the new one only doubts.
    fn note(&self, version: Option<u64>, change: impl FnOnce(&mut EntryTable, &str, WriteTicket)) {
        self.shared.state(&self.relay, |state| {
            let is_current = state.epoch == self.epoch;
            if let Some(version) = version.filter(|_| is_current) {
                state.replicas.reached(&self.instance, version);
            }
            let Some(replica) = state.replicas.get_mut(&self.instance) else { return };
            if is_current {
                change(&mut replica.entries, &self.path, self.ticket);
            } else {
                replica.entries.doubt(&self.path);
            }
        });
    }

    /// Whether the request may still be sent: the record that it was begun in was not replaced.
    pub(super) fn is_current(&self) -> bool {
        let is_current = self.shared.state_of_epoch(&self.relay, self.epoch, |state| {
            let replica = state.replicas.get_mut(&self.instance);
            replica.is_some_and(|replica| replica.entries.is_current(&self.path, self.ticket))
        });
        is_current.unwrap_or(false)
    }

    fn react(&self, error: &RelayError) {
        match error.reason() {
            Some(Reason::StaleTerm) => self.shared.leadership.resign(),
            // The record was wrong. The next pass over the relay lists it again.
            Some(Reason::OwnerConflict | Reason::NotFound) => self.enqueue_relay(),
            _ if matches!(error, RelayError::Reach { .. }) => {
                let now = Instant::now();
                self.shared.state_of_epoch(&self.relay, self.epoch, |state| state.fell_silent(now));
                self.enqueue_relay();
            }
            _ => {}
        }
    }

    fn enqueue_relay(&self) {
        self.shared.queue.add(self.relay.clone().key(Kind::Relay), Priority::Urgent);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_settled {
            self.note(None, EntryTable::lose);
        }
    }
}

/// Whether the relay certainly applied nothing, and the record about the entry was right.
fn is_certain(error: &RelayError) -> bool {
    let is_wrong_about_owner = matches!(error.reason(), Some(Reason::OwnerConflict | Reason::NotFound));
    error.is_refusal() && !is_wrong_about_owner
}
