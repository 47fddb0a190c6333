//! The store of a relay: a union with a tag, so that other kinds of stores can join it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::deletion_policy::DeletionPolicy;
use crate::volume::Volume;

/// Where a relay stores messages and registrations. `type` names the member that is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.embedded) == (self.type == 'Embedded')").message("embedded is required with type: Embedded, and only allowed with it"))]
pub struct Store {
    /// The kind of store. `Embedded`: SQLite in the relay, on a PersistentVolumeClaim, which allows
    /// one replica. Immutable.
    #[serde(rename = "type")]
    pub kind: StoreType,
    /// The embedded store, with `type: Embedded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<Embedded>,
}

impl Store {
    /// The settings of the embedded store.
    #[must_use]
    pub fn embedded(&self) -> Embedded {
        self.embedded.clone().unwrap_or_default()
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { kind: StoreType::Embedded, embedded: Some(Embedded::default()) }
    }
}

/// The kind of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum StoreType {
    Embedded,
}

/// The embedded store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Embedded {
    /// The volume of the store.
    #[serde(default)]
    #[x_kube(
        validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)").message("storageClassName is immutable: moving a store is a new Relay"),
        validation = Rule::new("quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0").message("volume.size may only grow"),
    )]
    pub volume: Volume,
    /// Whether the volume is kept when the Relay is deleted. `Retain` keeps it, and a Relay of the
    /// same name and domain finds its agents and their messages there. `Purge` deletes it.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}
