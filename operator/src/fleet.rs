//! What the relays are known to enforce: per ready replica, which tenant and agent content it acknowledged.
//!
//! Kept in memory only. After a restart of the operator everything is written again, which changes nothing at a relay that
//! has it. A replica whose store is another one, or whose version went back, is written to from the start.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::admin::Version;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::key::Name;
use crate::relay_client::{RelayClient, RelayError, Target};

/// One ready replica.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Replica {
    instance: String,
    build: String,
    version: u64,
    /// Path to hash of the content that the replica acknowledged.
    written: HashMap<String, u64>,
}

/// One relay.
#[derive(Default)]
struct Relay {
    access: Option<Arc<Access>>,
    replicas: BTreeMap<SocketAddr, Replica>,
}

/// What is needed to use a relay.
pub struct Access {
    pub token: Zeroizing<String>,
    /// PEM of the relay's certificate authorities, for clients; first the one that signs.
    pub authority: String,
}

/// How far some content got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub acknowledged: usize,
    pub ready: usize,
}

impl Progress {
    #[must_use]
    pub const fn is_complete(self) -> bool {
        self.ready > 0 && self.acknowledged == self.ready
    }
}

/// What a relay's replicas say about themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub reachable: usize,
    pub build: Option<String>,
    /// The version that contains everything written so far, at the replica that is furthest behind.
    pub version: Option<u64>,
    /// A replica is new or lost its store: everything must be written again.
    pub is_fresh: bool,
}

pub struct Fleet {
    client: RelayClient,
    relays: Mutex<HashMap<Name, Relay>>,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fleet")
    }
}

impl Fleet {
    #[must_use]
    pub fn new(client: RelayClient) -> Self {
        Self { client, relays: Mutex::default() }
    }

    pub fn set_access(&self, relay: &Name, access: Access) {
        self.with(relay, |relay| relay.access = Some(Arc::new(access)));
    }

    #[must_use]
    pub fn access(&self, relay: &Name) -> Option<Arc<Access>> {
        self.with(relay, |relay| relay.access.clone())
    }

    pub fn forget(&self, relay: &Name) {
        self.relays.lock().unwrap_or_else(PoisonError::into_inner).remove(relay);
    }

    /// Asks every ready replica who it is. Replicas that are not `ready`, or do not answer, are forgotten.
    ///
    /// # Errors
    /// The last replica's error, when none answered.
    pub async fn contact(&self, relay: &Name, ready: &BTreeSet<SocketAddr>) -> Result<Report, RelayError> {
        let Some(access) = self.access(relay) else { return Ok(Report::default()) };
        let (mut answers, mut failure) = (Vec::new(), None);
        for address in ready {
            match self.client.version(Target { address: *address, token: &access.token }).await {
                Ok(version) => answers.push((*address, version)),
                Err(error) => failure = Some(error),
            }
        }
        let report = self.with(relay, |relay| relay.note(&answers));
        match failure {
            Some(error) if answers.is_empty() => Err(error),
            _ => Ok(report),
        }
    }

    /// Writes content to every replica that has not acknowledged it yet.
    ///
    /// # Errors
    /// The first replica's error; the others are not tried, the next attempt starts with them.
    pub async fn write<B: Serialize + Sync>(
        &self,
        relay: &Name,
        path: &str,
        body: &B,
    ) -> Result<Progress, RelayError> {
        let Some(access) = self.access(relay) else { return Ok(Progress { acknowledged: 0, ready: 0 }) };
        let hash = content_hash(body);
        for (address, instance) in self.lacking(relay, path, hash) {
            let applied = self.client.put(Target { address, token: &access.token }, path, body).await?;
            self.acknowledge(relay, address, &instance, applied.version, |written| {
                written.insert(path.to_owned(), hash);
            });
        }
        Ok(self.progress_of(relay, path, hash))
    }

    /// Removes content from every ready replica. `false` when there is no replica to remove it from.
    ///
    /// # Errors
    /// As [`Fleet::write`].
    pub async fn erase(&self, relay: &Name, path: &str) -> Result<bool, RelayError> {
        let Some(access) = self.access(relay) else { return Ok(false) };
        let replicas = self.with(relay, |relay| relay.addresses());
        for (address, instance) in &replicas {
            let applied =
                self.client.delete(Target { address: *address, token: &access.token }, path).await?;
            self.acknowledge(relay, *address, instance, applied.version, |written| {
                written.retain(|found, _| !goes_with(found, path));
            });
        }
        Ok(!replicas.is_empty())
    }

    /// Whether every ready replica acknowledged something under `path`, and there is one.
    #[must_use]
    pub fn holds(&self, relay: &Name, path: &str) -> bool {
        self.with(relay, |relay| {
            !relay.replicas.is_empty()
                && relay.replicas.values().all(|replica| replica.written.contains_key(path))
        })
    }

    #[must_use]
    pub fn has_replicas(&self, relay: &Name) -> bool {
        self.with(relay, |relay| relay.access.is_some() && !relay.replicas.is_empty())
    }

    fn progress_of(&self, relay: &Name, path: &str, hash: u64) -> Progress {
        self.with(relay, |relay| Progress {
            acknowledged: relay
                .replicas
                .values()
                .filter(|replica| replica.written.get(path) == Some(&hash))
                .count(),
            ready: relay.replicas.len(),
        })
    }

    fn lacking(&self, relay: &Name, path: &str, hash: u64) -> Vec<(SocketAddr, String)> {
        self.with(relay, |relay| {
            let lacks = |(_, replica): &(&SocketAddr, &Replica)| replica.written.get(path) != Some(&hash);
            relay
                .replicas
                .iter()
                .filter(lacks)
                .map(|(address, replica)| (*address, replica.instance.clone()))
                .collect()
        })
    }

    /// Notes an acknowledgement, unless the replica became another one meanwhile.
    fn acknowledge(
        &self,
        relay: &Name,
        address: SocketAddr,
        instance: &str,
        version: u64,
        change: impl FnOnce(&mut HashMap<String, u64>),
    ) {
        self.with(relay, |relay| {
            let Some(replica) =
                relay.replicas.get_mut(&address).filter(|replica| replica.instance == instance)
            else {
                return;
            };
            replica.version = replica.version.max(version);
            change(&mut replica.written);
        });
    }

    fn with<T>(&self, name: &Name, work: impl FnOnce(&mut Relay) -> T) -> T {
        work(self.relays.lock().unwrap_or_else(PoisonError::into_inner).entry(name.clone()).or_default())
    }
}

impl Relay {
    fn addresses(&self) -> Vec<(SocketAddr, String)> {
        self.replicas.iter().map(|(address, replica)| (*address, replica.instance.clone())).collect()
    }

    /// Takes over what the replicas say. What a replica acknowledged is kept only while it is the same store, not behind.
    fn note(&mut self, answers: &[(SocketAddr, Version)]) -> Report {
        let mut is_fresh = false;
        let mut replicas = BTreeMap::new();
        for (address, answer) in answers {
            let known = self.replicas.remove(address);
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
        self.replicas = replicas;
        Report {
            reachable: self.replicas.len(),
            build: self.replicas.values().next().map(|replica| replica.build.clone()),
            version: self.replicas.values().map(|replica| replica.version).min(),
            is_fresh,
        }
    }
}

/// Whether what stands at `found` is gone, or may be, once the relay has removed `erased`: an agent takes its invitations along.
fn goes_with(found: &str, erased: &str) -> bool {
    let below = found.strip_prefix(erased).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let invitation_of = |agent: (&str, &str)| found.starts_with(&format!("{}/invitations/", agent.0));
    below || erased.split_once("/agents/").is_some_and(invitation_of)
}

fn content_hash(body: &impl Serialize) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Bodies of the admin API always serialize; one that did not would be written every time.
    serde_json::to_string(body).ok().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_an_agent_or_a_tenant_is_written_again() {
        let invitation = "/admin/v1/tenants/acme/invitations/claude";
        assert!(goes_with(invitation, "/admin/v1/tenants/acme/agents/alice"));
        assert!(goes_with(invitation, "/admin/v1/tenants/acme"));
        assert!(!goes_with(invitation, "/admin/v1/tenants/acm"));
        assert!(!goes_with(invitation, "/admin/v1/tenants/other/agents/alice"));
        assert!(!goes_with("/admin/v1/tenants/acme/agents/bob", "/admin/v1/tenants/acme/agents/alice"));
    }

    const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);

    fn version(instance: &str, version: u64) -> Vec<(SocketAddr, Version)> {
        let domain = "example.com".parse().unwrap();
        vec![(ADDRESS, Version { version, instance: instance.into(), domain, build: "0.1.0".into() })]
    }

    fn written(relay: &mut Relay, count: u64) -> usize {
        let replica = relay.replicas.get_mut(&ADDRESS).unwrap();
        replica.version = count;
        replica.written.insert("/admin/v1/tenants/acme".into(), 1);
        replica.written.len()
    }

    #[test]
    fn a_replica_that_only_moved_on_keeps_what_it_acknowledged() {
        let mut relay = Relay::default();
        assert!(relay.note(&version("a", 3)).is_fresh);
        written(&mut relay, 5);
        let report = relay.note(&version("a", 9));
        assert!(!report.is_fresh);
        assert_eq!(report.version, Some(5), "registrations of agents move the relay's version, not ours");
        assert_eq!(relay.replicas[&ADDRESS].written.len(), 1);
    }

    #[test]
    fn a_lost_or_restored_store_is_written_to_from_the_start() {
        for answer in [version("b", 9), version("a", 4)] {
            let mut relay = Relay::default();
            relay.note(&version("a", 3));
            written(&mut relay, 5);
            assert!(relay.note(&answer).is_fresh);
            assert!(relay.replicas[&ADDRESS].written.is_empty());
        }
    }

    #[test]
    fn nothing_is_complete_without_a_replica() {
        assert!(!Progress { acknowledged: 0, ready: 0 }.is_complete());
        assert!(!Progress { acknowledged: 1, ready: 2 }.is_complete());
        assert!(Progress { acknowledged: 2, ready: 2 }.is_complete());
    }
}
