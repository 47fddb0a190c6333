//! The ready replicas of one relay and the content that each acknowledged. Pure; the answers are
//! arguments.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;

use protocol::admin::Version;
use serde::Serialize;

/// One ready replica.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Replica {
    /// Identifies the store. A restored or emptied store has another one.
    instance: String,
    build: String,
    version: u64,
    /// Hash of the acknowledged content, by path.
    written: HashMap<String, u64>,
}

/// The ready replicas of one relay by address.
#[derive(Debug, Default)]
pub(super) struct ReplicaTable(BTreeMap<SocketAddr, Replica>);

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
    /// The version that contains everything written so far, of the replica that is furthest behind.
    pub version: Option<u64>,
    /// Whether a replica is new or lost its store. Everything must be written again.
    pub is_fresh: bool,
}

impl ReplicaTable {
    /// Replaces the table by the replicas that answered. The record of a replica is kept only if it
    /// has the same store, and its version is not older.
    pub(super) fn update(&mut self, answers: &[(SocketAddr, Version)]) -> Contact {
        let mut is_fresh = false;
        let mut replicas = BTreeMap::new();
        for (address, answer) in answers {
            let known = self.0.remove(address);
            let kept =
                known.filter(|known| known.instance == answer.instance && known.version <= answer.version);
            is_fresh |= kept.is_none();
            let replica = Replica {
                instance: answer.instance.clone(),
                build: answer.build.clone(),
                version: kept.as_ref().map_or(answer.version, |known| known.version),
                written: kept.map(|known| known.written).unwrap_or_default(),
            };
            replicas.insert(*address, replica);
        }
        self.0 = replicas;
        Contact {
            reachable: self.0.len(),
            build: self.0.values().next().map(|replica| replica.build.clone()),
            version: self.0.values().map(|replica| replica.version).min(),
            is_fresh,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Address and instance of every replica.
    pub(super) fn addresses(&self) -> Vec<(SocketAddr, String)> {
        self.0.iter().map(|(address, replica)| (*address, replica.instance.clone())).collect()
    }

    /// Address and instance of the replicas that have not acknowledged this content.
    pub(super) fn replicas_missing(&self, path: &str, hash: u64) -> Vec<(SocketAddr, String)> {
        self.0
            .iter()
            .filter(|(_, replica)| replica.written.get(path) != Some(&hash))
            .map(|(address, replica)| (*address, replica.instance.clone()))
            .collect()
    }

    /// Records an acknowledgement, unless the replica at `address` has been replaced since the
    /// request.
    pub(super) fn acknowledge(
        &mut self,
        address: SocketAddr,
        instance: &str,
        version: u64,
        change: impl FnOnce(&mut HashMap<String, u64>),
    ) {
        let replica = self.0.get_mut(&address).filter(|replica| replica.instance == instance);
        let Some(replica) = replica else { return };
        replica.version = replica.version.max(version);
        change(&mut replica.written);
    }

    pub(super) fn progress(&self, path: &str, hash: u64) -> Progress {
        let acknowledged = self.0.values().filter(|replica| replica.written.get(path) == Some(&hash)).count();
        Progress { acknowledged, ready: self.0.len() }
    }

    /// Whether there is a replica, and every one acknowledged some content at `path`.
    pub(super) fn is_acknowledged(&self, path: &str) -> bool {
        !self.0.is_empty() && self.0.values().all(|replica| replica.written.contains_key(path))
    }
}

/// Whether the relay removes the content at `found` together with that at `deleted`. The
/// invitations of an agent count as removed with it, although some may remain: writing them again
/// is harmless.
pub(super) fn is_removed_with(found: &str, deleted: &str) -> bool {
    let is_below = found.strip_prefix(deleted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_invitation_of =
        |(tenant, _agent): (&str, &str)| found.starts_with(&format!("{tenant}/invitations/"));
    is_below || deleted.split_once("/agents/").is_some_and(is_invitation_of)
}

pub(super) fn content_hash(body: &impl Serialize) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Bodies of the admin API always serialize. One that did not would be written every time.
    serde_json::to_string(body).ok().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_with_an_agent_or_a_tenant_is_written_again() {
        let invitation = "/admin/v1/tenants/acme/invitations/claude";
        assert!(is_removed_with(invitation, "/admin/v1/tenants/acme/agents/alice"));
        assert!(is_removed_with(invitation, "/admin/v1/tenants/acme"));
        assert!(!is_removed_with(invitation, "/admin/v1/tenants/acm"));
        assert!(!is_removed_with(invitation, "/admin/v1/tenants/other/agents/alice"));
        assert!(!is_removed_with("/admin/v1/tenants/acme/agents/bob", "/admin/v1/tenants/acme/agents/alice"));
    }

    const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);

    fn version(instance: &str, version: u64) -> Vec<(SocketAddr, Version)> {
        let domain = "example.com".parse().unwrap();
        vec![(
            ADDRESS,
            Version {
                version,
                instance: instance.into(),
                domain,
                build: "0.1.0".into(),
                capabilities: std::collections::BTreeSet::new(),
            },
        )]
    }

    fn written(table: &mut ReplicaTable, count: u64) -> usize {
        let replica = table.0.get_mut(&ADDRESS).unwrap();
        replica.version = count;
        replica.written.insert("/admin/v1/tenants/acme".into(), 1);
        replica.written.len()
    }

    #[test]
    fn a_replica_that_only_moved_on_keeps_what_it_acknowledged() {
        let mut table = ReplicaTable::default();
        assert!(table.update(&version("a", 3)).is_fresh);
        written(&mut table, 5);
        let contact = table.update(&version("a", 9));
        assert!(!contact.is_fresh);
        assert_eq!(contact.version, Some(5), "registrations of agents move the relay's version, not ours");
        assert_eq!(table.0[&ADDRESS].written.len(), 1);
    }

    #[test]
    fn a_lost_or_restored_store_is_written_to_from_the_start() {
        for answer in [version("b", 9), version("a", 4)] {
            let mut table = ReplicaTable::default();
            table.update(&version("a", 3));
            written(&mut table, 5);
            assert!(table.update(&answer).is_fresh);
            assert!(table.0[&ADDRESS].written.is_empty());
        }
    }

    #[test]
    fn nothing_is_complete_without_a_replica() {
        assert!(!Progress { acknowledged: 0, ready: 0 }.is_complete());
        assert!(!Progress { acknowledged: 1, ready: 2 }.is_complete());
        assert!(Progress { acknowledged: 2, ready: 2 }.is_complete());
    }
}
