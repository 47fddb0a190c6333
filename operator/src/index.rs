//! An index over references and claimed names, so that no event scans all objects. The watches
//! maintain it.
//!
//! References, ids and handles are immutable in the API, so the entries of an object never change
//! while it exists.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use crds::{Agent, Relay, Tenant};
use kube::ResourceExt as _;

use crate::object_key::{Kind, NamespacedName};

/// The keys of the index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum IndexKey {
    /// Tenants of a Relay, Agents of a Tenant.
    Referent(Kind, NamespacedName),
    /// Tenants or Agents in a namespace.
    Namespace(Kind, String),
    /// Tenants of a Relay with the same id, Agents of a Tenant with the same handle.
    Claim(Kind, NamespacedName, String),
}

/// Names of objects by what they refer to, where they are, and which name they claim.
#[derive(Debug, Default)]
pub struct Index(Mutex<HashMap<IndexKey, BTreeSet<NamespacedName>>>);

/// A kind that the index holds.
pub trait Indexed {
    const KIND: Kind;

    /// The object referred to, and the name claimed in it. A Relay refers to nothing.
    fn claim(&self) -> Option<(NamespacedName, String)>;
}

impl Indexed for Relay {
    const KIND: Kind = Kind::Relay;

    fn claim(&self) -> Option<(NamespacedName, String)> {
        None
    }
}

impl Indexed for Tenant {
    const KIND: Kind = Kind::Tenant;

    fn claim(&self) -> Option<(NamespacedName, String)> {
        Some((relay_of(self), tenant_id_of(self)))
    }
}

impl Indexed for Agent {
    const KIND: Kind = Kind::Agent;

    fn claim(&self) -> Option<(NamespacedName, String)> {
        Some((tenant_of(self), handle_of(self)))
    }
}

/// The Relay that a Tenant refers to.
#[must_use]
pub fn relay_of(tenant: &Tenant) -> NamespacedName {
    let reference = &tenant.spec.relay_ref;
    NamespacedName::new(
        reference.namespace.as_deref().unwrap_or(&tenant.namespace().unwrap_or_default()),
        &reference.name,
    )
}

/// The Tenant that an Agent refers to.
#[must_use]
pub fn tenant_of(agent: &Agent) -> NamespacedName {
    let reference = &agent.spec.tenant_ref;
    NamespacedName::new(
        reference.namespace.as_deref().unwrap_or(&agent.namespace().unwrap_or_default()),
        &reference.name,
    )
}

/// The id that a Tenant claims: `spec.tenantId`, or else its name.
#[must_use]
pub fn tenant_id_of(tenant: &Tenant) -> String {
    tenant.spec.tenant_id.clone().unwrap_or_else(|| tenant.name_any())
}

/// The handle that an Agent claims: `spec.handle`, or else its name.
#[must_use]
pub fn handle_of(agent: &Agent) -> String {
    agent.spec.handle.clone().unwrap_or_else(|| agent.name_any())
}

fn entries<K: Indexed>(object: &K, name: &NamespacedName) -> Vec<IndexKey> {
    let mut entries = vec![IndexKey::Namespace(K::KIND, name.namespace.to_string())];
    if let Some((referent, claimed)) = object.claim() {
        entries.push(IndexKey::Referent(K::KIND, referent.clone()));
        entries.push(IndexKey::Claim(K::KIND, referent, claimed));
    }
    entries
}

impl Index {
    pub fn insert<K: Indexed + kube::Resource>(&self, object: &K) {
        let name = NamespacedName::from_object(object);
        self.with(|map| {
            for entry in entries(object, &name) {
                map.entry(entry).or_default().insert(name.clone());
            }
        });
    }

    pub fn remove<K: Indexed + kube::Resource>(&self, object: &K) {
        let name = NamespacedName::from_object(object);
        self.with(|map| {
            for entry in entries(object, &name) {
                if let Some(names) = map.get_mut(&entry) {
                    names.remove(&name);
                    if names.is_empty() {
                        map.remove(&entry);
                    }
                }
            }
        });
    }

    /// Removes every object of a kind. A new list follows.
    pub fn clear(&self, kind: Kind) {
        self.with(|map| {
            map.retain(|key, _| match key {
                IndexKey::Referent(of, _) | IndexKey::Namespace(of, _) | IndexKey::Claim(of, ..) => {
                    *of != kind
                }
            });
        });
    }

    /// The objects of `kind` that refer to `referent`.
    #[must_use]
    pub fn referrers(&self, kind: Kind, referent: &NamespacedName) -> Vec<NamespacedName> {
        self.find(&IndexKey::Referent(kind, referent.clone()))
    }

    /// The objects of `kind` in `namespace`.
    #[must_use]
    pub fn in_namespace(&self, kind: Kind, namespace: &str) -> Vec<NamespacedName> {
        self.find(&IndexKey::Namespace(kind, namespace.to_owned()))
    }

    /// The objects of `kind` that claim the name `claimed` in `referent`.
    #[must_use]
    pub fn claimants(&self, kind: Kind, referent: &NamespacedName, claimed: &str) -> Vec<NamespacedName> {
        self.find(&IndexKey::Claim(kind, referent.clone(), claimed.to_owned()))
    }

    fn find(&self, key: &IndexKey) -> Vec<NamespacedName> {
        self.with(|map| map.get(key).map(|names| names.iter().cloned().collect()).unwrap_or_default())
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<IndexKey, BTreeSet<NamespacedName>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(namespace: &str, name: &str, handle: Option<&str>) -> Agent {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"tenantRef": {"name": "acme", "namespace": "team"}, "handle": handle},
        }))
        .unwrap()
    }

    #[test]
    fn claimants_of_one_handle_are_found_across_namespaces() {
        let index = Index::default();
        let (first, second) = (agent("team", "alice", None), agent("other", "impostor", Some("alice")));
        index.insert(&first);
        index.insert(&second);
        let acme = NamespacedName::new("team", "acme");
        let both = vec![NamespacedName::new("other", "impostor"), NamespacedName::new("team", "alice")];
        assert_eq!(index.claimants(Kind::Agent, &acme, "alice"), both);
        assert_eq!(index.referrers(Kind::Agent, &acme), both);
        index.remove(&second);
        assert_eq!(index.claimants(Kind::Agent, &acme, "alice"), [NamespacedName::new("team", "alice")]);
        assert_eq!(index.in_namespace(Kind::Agent, "other"), []);
    }
}
