//! The stores of one relay and what each acknowledged. Pure; the answers are arguments.
//!
//! A store is known by its `instance`, not by an address: a pod that restarts has another address
//! and the same store.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use protocol::admin::{DeletionPolicy, Owner, Version, capability};
use serde_json::Value;

use super::content::RelayContent;
use super::entry_table::{Digest, EntryTable, Held};
use crate::observed::Observed;
use crate::relay_api::Writer;

/// One store and the ready replicas that serve it.
#[derive(Debug)]
pub(super) struct Replica {
    pub addresses: BTreeSet<SocketAddr>,
    build: String,
    pub capabilities: BTreeSet<String>,
    /// The store must not be older than this.
    version: u64,
    acknowledged: Option<u64>,
    pub entries: EntryTable,
}

/// The stores of one relay by instance.
#[derive(Debug, Default)]
pub(super) struct ReplicaTable {
    replicas: BTreeMap<String, Replica>,
    /// Counts the records of stores that were made.
    records: u64,
}

/// How many ready replicas acknowledged some content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub acknowledged: usize,
    pub ready: usize,
}

impl Progress {
    /// Whether every ready replica acknowledged it, and there is one.
    #[must_use]
    pub const fn is_complete(self) -> bool {
        self.ready > 0 && self.acknowledged == self.ready
    }
}

/// What the replicas of a relay answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    pub reachable: usize,
    pub build: Option<String>,
    /// Identifies the store, of the first replica.
    pub instance: Option<String>,
    /// The version that was answered, of the store that is furthest behind.
    pub version: Option<u64>,
    /// The version that this leader's writes have reached in every store. `None`: some store has
    /// acknowledged none.
    pub acknowledged: Option<u64>,
    /// Whether a store is new, lost or older than what it acknowledged. Everything must be compared
    /// again.
    pub is_fresh: bool,
}

/// A write of some content to one store.
#[derive(Debug)]
pub(super) struct PlannedWrite {
    pub instance: String,
    pub address: SocketAddr,
    pub content: RelayContent,
    pub is_bulk: bool,
}

impl Replica {
    pub(super) fn knows(&self, word: &str) -> bool {
        self.capabilities.contains(word)
    }

    /// Whether the store holds this content. A relay that records no owners holds it for anybody.
    fn holds(&self, path: &str, owner: &Owner, digest: Digest) -> bool {
        let owner = self.knows(capability::OWNERS).then_some(owner);
        self.entries.holds(path, owner, digest)
    }

    /// Whether the store has some known content of this owner at `path`. A relay that records no
    /// owners has it for anybody.
    fn is_acknowledged(&self, path: &str, owner: &Owner) -> bool {
        let owner = self.knows(capability::OWNERS).then_some(owner);
        self.entries.is_acknowledged(path, owner)
    }
}

impl ReplicaTable {
    /// Replaces the table by the replicas that answered. The record of a store is kept only if it
    /// is the same store, and its version is not older.
    pub(super) fn update(&mut self, answers: &[(SocketAddr, Version)]) -> Contact {
        let mut is_fresh = false;
        let mut replicas = BTreeMap::<String, Replica>::new();
        for (address, answer) in answers {
            if let Some(replica) = replicas.get_mut(&answer.instance) {
                replica.addresses.insert(*address);
                continue;
            }
            let known =
                self.replicas.remove(&answer.instance).filter(|known| known.version <= answer.version);
            is_fresh |= known.is_none();
            self.records += 1;
            let replica = Replica {
                addresses: BTreeSet::from([*address]),
                build: answer.build.clone(),
                capabilities: answer.capabilities.clone(),
                version: answer.version,
                acknowledged: known.as_ref().and_then(|known| known.acknowledged),
                entries: known.map_or_else(|| EntryTable::new(self.records), |known| known.entries),
            };
            replicas.insert(answer.instance.clone(), replica);
        }
        self.replicas = replicas;
        Contact {
            reachable: answers.len(),
            build: self.replicas.values().next().map(|replica| replica.build.clone()),
            instance: self.replicas.keys().next().cloned(),
            version: self.replicas.values().map(|replica| replica.version).min(),
            acknowledged: self.replicas.values().map(|replica| replica.acknowledged).min().flatten(),
            is_fresh,
        }
    }

    pub(super) fn addresses(&self) -> BTreeSet<SocketAddr> {
        self.replicas.values().flat_map(|replica| replica.addresses.iter().copied()).collect()
    }

    /// Every store with one address of it.
    pub(super) fn stores(&self) -> Vec<(String, SocketAddr)> {
        let address = |replica: &Replica| replica.addresses.first().copied();
        self.replicas
            .iter()
            .filter_map(|(instance, replica)| Some((instance.clone(), address(replica)?)))
            .collect()
    }

    pub(super) fn get_mut(&mut self, instance: &str) -> Option<&mut Replica> {
        self.replicas.get_mut(instance)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.values()
    }

    /// The writes to the stores that do not hold this content. A condition on the owner is not sent
    /// to a relay that would ignore it.
    pub(super) fn missing(
        &self,
        path: &str,
        body: &Value,
        owner: &Owner,
        is_conditional: bool,
    ) -> Vec<PlannedWrite> {
        let planned = self.replicas.iter().filter_map(|(instance, replica)| {
            let content = RelayContent::new(path, body, &replica.capabilities);
            let is_ignored = is_conditional && !replica.knows(capability::OWNERS);
            if is_ignored || replica.holds(path, owner, content.digest) {
                return None;
            }
            let address = *replica.addresses.first()?;
            let is_bulk = replica.knows(capability::BULK) && content.agent.is_some();
            Some(PlannedWrite { instance: instance.clone(), address, content, is_bulk })
        });
        planned.collect()
    }

    /// How many stores hold this content for this owner.
    pub(super) fn progress(&self, path: &str, body: &Value, owner: &Owner) -> Progress {
        let holds = |replica: &&Replica| {
            let content = RelayContent::new(path, body, &replica.capabilities);
            replica.holds(path, owner, content.digest)
        };
        Progress { acknowledged: self.replicas.values().filter(holds).count(), ready: self.replicas.len() }
    }

    /// Why a store would refuse the writer: what it holds belongs to somebody else.
    pub(super) fn other_owner(&self, instance: &str, path: &str, writer: &Writer) -> Option<Owner> {
        let replica = self.replicas.get(instance).filter(|replica| replica.knows(capability::OWNERS))?;
        replica.entries.held(path).known()??.other_owner(writer).cloned()
    }

    /// The policy that a deletion at the store names. A store without policies removes everything.
    pub(super) fn known_policy(
        &self,
        instance: &str,
        policy: Option<DeletionPolicy>,
    ) -> Option<DeletionPolicy> {
        let knows = |replica: &Replica| replica.knows(capability::DELETION_POLICY);
        policy.filter(|_| self.replicas.get(instance).is_some_and(knows))
    }

    /// Records that a store enforces this version.
    pub(super) fn reached(&mut self, instance: &str, version: u64) {
        if let Some(replica) = self.replicas.get_mut(instance) {
            replica.version = replica.version.max(version);
            replica.acknowledged = replica.acknowledged.max(Some(version));
        }
    }

    /// Whether there is a store, and each has some known content of `owner` at `path`.
    pub(super) fn is_acknowledged(&self, path: &str, owner: &Owner) -> bool {
        !self.replicas.is_empty()
            && self.replicas.values().all(|replica| replica.is_acknowledged(path, owner))
    }

    /// The entry at `path`. Unknown as soon as one store's is.
    pub(super) fn held(&self, path: &str) -> Observed<Option<Held>> {
        let mut found = Observed::Unknown;
        for replica in self.replicas.values() {
            match (replica.entries.held(path), &found) {
                (Observed::Unknown, _) => return Observed::Unknown,
                (Observed::Known(held), Observed::Unknown | Observed::Known(None)) => {
                    found = Observed::Known(held);
                }
                (Observed::Known(_), Observed::Known(Some(_))) => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
