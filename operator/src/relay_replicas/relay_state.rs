//! The state of one relay: how to reach it, whether it answers, and what its stores hold. Pure; the
//! time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crds::relay_status::ContactState;
use protocol::admin::Version;
use tokio::time::Instant;

use super::batcher::Batcher;
use super::path_locks::PathLocks;
use super::replica_table::{Contact, ReplicaTable};
use super::turn::Permits;
use crate::observed::Observed;
use crate::relay_api::RelayAccess;

/// Time for which a relay that stopped answering still counts as serving. A pod that restarts is
/// back within it.
pub const LOST_GRACE: Duration = Duration::from_secs(60);
/// Interval between two listings of what a relay holds.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(300);
/// The same when an answer was lost or a relay named another owner than the record.
const DOUBT_INTERVAL: Duration = Duration::from_secs(5);
/// Time for which an object may take over the entry of one that is gone, before the former one's
/// keys are revoked.
const SUCCESSION_GRACE: Duration = Duration::from_secs(30);
/// Interval before a relay that stopped answering is asked again. It doubles each time.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// The longest such interval. A pod that becomes ready is noticed earlier, by a watch.
const MAX_PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// Interval between two attempts to reach a relay that has not answered yet. A pod that becomes
/// ready is noticed earlier, by a watch.
const FIRST_CONTACT_INTERVAL: Duration = Duration::from_secs(5);

/// The outcome of the last requests.
#[derive(Debug, Clone, Copy, Default)]
enum Reachability {
    /// The relay has not answered yet.
    #[default]
    Unknown,
    Answers,
    /// It answered before. `failures` counts the attempts since.
    Silent {
        since: Instant,
        failures: u32,
    },
}

/// What a sweep found that no object claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepResult {
    /// Tenants and agents of Kubernetes objects that no object claims, and that are still there.
    pub unclaimed: usize,
    /// Whether they are too many to be removed without a confirmation.
    pub is_blocked: bool,
}

/// One relay.
#[derive(Default)]
pub(super) struct RelayState {
    /// Tells this record from an earlier one of a relay with the same name.
    pub epoch: u64,
    pub access: Option<Arc<RelayAccess>>,
    pub replicas: ReplicaTable,
    reachability: Reachability,
    listed: Option<Instant>,
    /// What the objects of the relay were last told.
    told: Observed<ContactState>,
    /// Whether a write was not sent, or its answer was lost, since the objects were last woken.
    has_unsent: bool,
    pub sweep: Observed<SweepResult>,
    /// Since when entries of former owners wait for another object, by path and uid.
    successions: BTreeMap<(String, String), Instant>,
    pub path_locks: Arc<PathLocks>,
    pub batcher: Arc<Batcher>,
    pub permits: Permits,
}

/// What the next write does, as far as the relay's state decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Availability {
    /// Nothing is known of the relay.
    Unknown,
    /// It is not asked now. What it acknowledged still counts.
    Silent,
    /// It is lost, and what it acknowledged does not count any more.
    Lost,
    Available,
}

impl RelayState {
    pub(super) fn new(epoch: u64) -> Self {
        Self { epoch, ..Self::default() }
    }

    /// Whether the relay answers. One that stopped answering counts as lost after [`LOST_GRACE`].
    pub(super) fn contact_state(&self, now: Instant) -> Observed<ContactState> {
        match self.reachability {
            Reachability::Unknown => Observed::Unknown,
            Reachability::Silent { since, .. } if now.duration_since(since) >= LOST_GRACE => {
                Observed::Known(ContactState::Lost)
            }
            Reachability::Answers | Reachability::Silent { .. } => Observed::Known(ContactState::Reached),
        }
    }

    pub(super) fn availability(&self, now: Instant) -> Availability {
        match (self.contact_state(now), self.reachability) {
            (Observed::Unknown, _) => Availability::Unknown,
            (Observed::Known(ContactState::Lost), _) => Availability::Lost,
            (Observed::Known(ContactState::Reached), Reachability::Answers) => Availability::Available,
            (Observed::Known(ContactState::Reached), _) => Availability::Silent,
        }
    }

    /// Takes over the answers to a round of version requests. Without any, the relay is silent.
    pub(super) fn answered(&mut self, answers: &[(SocketAddr, Version)], now: Instant) -> Contact {
        if answers.is_empty() {
            self.fell_silent(now);
            return Contact::default();
        }
        let addresses: BTreeSet<_> = answers.iter().map(|(address, _)| *address).collect();
        if !self.answers() || self.replicas.addresses() != addresses {
            // It may have been restored while nobody looked.
            self.listed = None;
        }
        self.reachability = Reachability::Answers;
        let contact = self.replicas.update(answers);
        self.listed = self.listed.filter(|_| !contact.is_fresh);
        contact
    }

    /// Notes that the relay did not answer. One that never answered stays unknown.
    pub(super) fn fell_silent(&mut self, now: Instant) {
        self.reachability = match self.reachability {
            Reachability::Unknown => return,
            Reachability::Answers => Reachability::Silent { since: now, failures: 1 },
            Reachability::Silent { since, failures } => {
                Reachability::Silent { since, failures: failures.saturating_add(1) }
            }
        };
        self.has_unsent = true;
    }

    /// Notes that a write has to be made later.
    pub(super) const fn note_unsent(&mut self) {
        self.has_unsent = true;
    }

    /// Whether the objects of the relay must look again: it answers again after a write was not
    /// sent, or it was found or lost.
    pub(super) fn take_change(&mut self, now: Instant) -> bool {
        let state = self.contact_state(now);
        let is_back = self.has_unsent && self.answers();
        let is_told = std::mem::replace(&mut self.told, state) == state;
        if is_back {
            self.has_unsent = false;
        }
        is_back || !is_told
    }

    /// Whether the relay's entries must be listed now.
    pub(super) fn needs_listing(&self, now: Instant) -> bool {
        self.until_next_listing(now).is_zero()
    }

    fn until_next_listing(&self, now: Instant) -> Duration {
        let Some(listed) = self.listed else { return Duration::ZERO };
        let has_doubt = self.replicas.iter().any(|replica| replica.entries.needs_listing());
        let interval = match (has_doubt, self.successions.is_empty()) {
            (true, _) => DOUBT_INTERVAL,
            (false, false) => SUCCESSION_GRACE,
            (false, true) => SWEEP_INTERVAL,
        };
        (listed + interval).saturating_duration_since(now)
    }

    /// Those of the entries with a former owner that have waited for longer than
    /// [`SUCCESSION_GRACE`].
    pub(super) fn overdue_successions(
        &mut self,
        found: &BTreeSet<(String, String)>,
        now: Instant,
    ) -> Vec<(String, String)> {
        // Counted from the listing, so that the next one finds the time over.
        let since = self.listed.unwrap_or(now);
        self.successions.retain(|entry, _| found.contains(entry));
        for entry in found {
            self.successions.entry(entry.clone()).or_insert(since);
        }
        let overdue = |since: &Instant| now.duration_since(*since) >= SUCCESSION_GRACE;
        let entries = self.successions.iter().filter(|(_, since)| overdue(since));
        entries.map(|(entry, _)| entry.clone()).collect()
    }

    /// Notes a listing. `None`: the next one is due at once.
    pub(super) const fn set_listed(&mut self, at: Option<Instant>) {
        self.listed = at;
    }

    /// The time until the relay must be asked again.
    pub(super) fn until_next_contact(&self, now: Instant) -> Duration {
        let probe = |failures: u32| {
            PROBE_INTERVAL.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(MAX_PROBE_INTERVAL)
        };
        match self.reachability {
            Reachability::Unknown => FIRST_CONTACT_INTERVAL,
            Reachability::Silent { since, failures } => {
                let until_lost = (since + LOST_GRACE).saturating_duration_since(now);
                let probe = probe(failures);
                if until_lost.is_zero() { probe } else { probe.min(until_lost) }
            }
            Reachability::Answers => self.until_next_listing(now).max(PROBE_INTERVAL),
        }
    }

    const fn answers(&self) -> bool {
        matches!(self.reachability, Reachability::Answers)
    }
}

#[cfg(test)]
mod tests;
