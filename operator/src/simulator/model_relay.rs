//! Models of relays, behind the trait by which the operator calls their admin API.
//!
//! A relay's state is on a volume: it survives restarts of the pod, and a restored volume has its
//! former state. A relay can be unreachable, and can apply a write whose answer never arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use protocol::Reason;
use protocol::admin::{Applied, DeletionPolicy, Owner, Version, capability};
use tokio::time::Instant;

mod model_relay_api;
mod relay_volume;
mod views;

pub(crate) use model_relay_api::{ModelRelayApi, write_of};
pub(crate) use relay_volume::{AgentRecord, RelayVolume, TenantRecord, WriteKind};

use crate::object_key::NamespacedName;
use crate::relay_api::Writer;

/// What the relays of this version say that they can do.
pub(crate) const CAPABILITIES: [&str; 5] = [
    capability::OWNERS,
    capability::TERMS,
    capability::BULK,
    capability::DELETION_POLICY,
    capability::DIGESTS,
];

/// One write that a relay applied.
#[derive(Debug, Clone)]
pub(crate) struct AppliedWrite {
    pub(crate) at: Instant,
    pub(crate) relay: NamespacedName,
    pub(crate) path: String,
    pub(crate) writer: Writer,
    pub(crate) kind: WriteKind,
    /// The owner of the entry before.
    pub(crate) before: Option<Owner>,
    pub(crate) is_change: bool,
}

/// One relay: the pod that serves, and the volume that it uses.
#[derive(Debug)]
pub(crate) struct SimulatedRelay {
    /// Uid of the claim of the volume.
    pub(crate) claim: String,
    /// `None` while no pod serves.
    pub(crate) address: Option<IpAddr>,
    pub(crate) token: String,
    pub(crate) domain: String,
    /// Requests that arrive earlier are never answered.
    pub(crate) unreachable_until: Option<Instant>,
}

#[derive(Debug, Default)]
pub(crate) struct ModelRelayState {
    pub(crate) relays: BTreeMap<NamespacedName, SimulatedRelay>,
    /// By the uid of the claim.
    pub(crate) volumes: BTreeMap<String, RelayVolume>,
    pub(crate) applied: Vec<AppliedWrite>,
    /// The volumes that were put back, which bring former content without a write.
    pub(crate) restored: Vec<(Instant, RelayVolume)>,
    pub(crate) refused: BTreeMap<&'static str, u32>,
    instances: u64,
}

/// Cheap to clone. Clones share the relays.
#[derive(Debug, Clone, Default)]
pub(crate) struct ModelRelays(Arc<Mutex<ModelRelayState>>);

impl ModelRelays {
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut ModelRelayState) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }
}

impl ModelRelayState {
    /// The volume of a claim. A new claim has an empty one.
    pub(crate) fn volume(&mut self, claim: &str) -> &mut RelayVolume {
        if !self.volumes.contains_key(claim) {
            self.instances += 1;
            let instance = format!("instance-{}", self.instances);
            self.volumes.insert(claim.to_owned(), RelayVolume::new(instance));
        }
        self.volumes.get_mut(claim).unwrap()
    }

    /// The volume of a relay, if it has one.
    pub(crate) fn volume_of(&self, relay: &NamespacedName) -> Option<&RelayVolume> {
        self.volumes.get(&self.relays.get(relay)?.claim)
    }

    /// The relay that serves at an address.
    fn at(&self, address: IpAddr) -> Option<(&NamespacedName, &SimulatedRelay)> {
        self.relays.iter().find(|(_, relay)| relay.address == Some(address))
    }

    /// Puts an earlier state back.
    pub(crate) fn restore(&mut self, claim: &str, snapshot: RelayVolume) {
        self.restored.push((Instant::now(), snapshot.clone()));
        self.volumes.insert(claim.to_owned(), snapshot);
    }

    pub(crate) fn hide(&mut self, relay: &NamespacedName, time: Duration) {
        if let Some(found) = self.relays.get_mut(relay) {
            found.unreachable_until = Some(Instant::now() + time);
        }
    }

    fn version(&self, relay: &SimulatedRelay) -> Version {
        let volume = &self.volumes[&relay.claim];
        Version {
            version: volume.version,
            instance: volume.instance.clone(),
            domain: relay.domain.parse().unwrap(),
            build: "simulated".into(),
            capabilities: CAPABILITIES.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(),
        }
    }

    fn write(
        &mut self,
        relay: &NamespacedName,
        path: &str,
        writer: &Writer,
        kind: WriteKind,
    ) -> Result<Applied, Reason> {
        let claim = self.relays[relay].claim.clone();
        let volume = self.volume(&claim);
        let before = volume.owner_at(path);
        let version = volume.version;
        let result = volume.write(path, writer, &kind);
        let is_change = volume.version != version;
        match result {
            Ok(()) => {
                let write = AppliedWrite {
                    at: Instant::now(),
                    relay: relay.clone(),
                    path: path.to_owned(),
                    writer: writer.clone(),
                    kind,
                    before,
                    is_change,
                };
                let version = volume.version;
                self.applied.push(write);
                Ok(Applied::at(version))
            }
            Err(reason) => {
                *self.refused.entry(reason.as_str()).or_default() += 1;
                Err(reason)
            }
        }
    }
}

/// The policy in a write that deletes.
pub(crate) type Policy = Option<DeletionPolicy>;
