//! Who refers to whom, kept while watching, so that no event scans all objects.
//!
//! References, ids and handles are immutable in the API, so an entry is made when an object appears and goes with it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use crds::{Agent, Relay, Tenant};
use kube::ResourceExt as _;

use crate::key::{Kind, Name};

/// What referrers are found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum By {
    /// Tenants of a Relay, Agents of a Tenant.
    Referent(Kind, Name),
    /// Tenants or Agents in a namespace.
    Namespace(Kind, String),
    /// Tenants of a Relay with the same id, Agents of a Tenant with the same handle.
    Claim(Kind, Name, String),
}

#[derive(Debug, Default)]
pub struct Index(Mutex<HashMap<By, BTreeSet<Name>>>);

/// An object that has places in the index.
pub trait Indexed {
    const KIND: Kind;

    /// The referent and the name claimed there.
    fn claim(&self) -> Option<(Name, String)>;
}

impl Indexed for Relay {
    const KIND: Kind = Kind::Relay;

    fn claim(&self) -> Option<(Name, String)> {
        None
    }
}

impl Indexed for Tenant {
    const KIND: Kind = Kind::Tenant;

    fn claim(&self) -> Option<(Name, String)> {
        Some((relay_of(self), tenant_id_of(self)))
    }
}

impl Indexed for Agent {
    const KIND: Kind = Kind::Agent;

    fn claim(&self) -> Option<(Name, String)> {
        Some((tenant_of(self), handle_of(self)))
    }
}

/// The Relay a Tenant names.
#[must_use]
pub fn relay_of(tenant: &Tenant) -> Name {
    let reference = &tenant.spec.relay_ref;
    Name::new(
        reference.namespace.as_deref().unwrap_or(&tenant.namespace().unwrap_or_default()),
        &reference.name,
    )
}

/// The Tenant an Agent names.
#[must_use]
pub fn tenant_of(agent: &Agent) -> Name {
    let reference = &agent.spec.tenant_ref;
    Name::new(
        reference.namespace.as_deref().unwrap_or(&agent.namespace().unwrap_or_default()),
        &reference.name,
    )
}

/// The id a Tenant claims: its own, or its name.
#[must_use]
pub fn tenant_id_of(tenant: &Tenant) -> String {
    tenant.spec.tenant_id.clone().unwrap_or_else(|| tenant.name_any())
}

/// The handle an Agent claims: its own, or its name.
#[must_use]
pub fn handle_of(agent: &Agent) -> String {
    agent.spec.handle.clone().unwrap_or_else(|| agent.name_any())
}

fn places<K: Indexed>(object: &K, name: &Name) -> Vec<By> {
    let mut places = vec![By::Namespace(K::KIND, name.namespace.to_string())];
    if let Some((referent, claimed)) = object.claim() {
        places.push(By::Referent(K::KIND, referent.clone()));
        places.push(By::Claim(K::KIND, referent, claimed));
    }
    places
}

impl Index {
    pub fn insert<K: Indexed + kube::Resource>(&self, object: &K) {
        let name = Name::of(object);
        self.with(|map| {
            for place in places(object, &name) {
                map.entry(place).or_default().insert(name.clone());
            }
        });
    }

    pub fn remove<K: Indexed + kube::Resource>(&self, object: &K) {
        let name = Name::of(object);
        self.with(|map| {
            for place in places(object, &name) {
                if let Some(names) = map.get_mut(&place) {
                    names.remove(&name);
                    if names.is_empty() {
                        map.remove(&place);
                    }
                }
            }
        });
    }

    /// Forgets every object of a kind, before a fresh list.
    pub fn clear(&self, kind: Kind) {
        self.with(|map| {
            map.retain(|by, _| match by {
                By::Referent(of, _) | By::Namespace(of, _) | By::Claim(of, ..) => *of != kind,
            });
        });
    }

    /// Objects of `kind` that refer to `referent`.
    #[must_use]
    pub fn referrers(&self, kind: Kind, referent: &Name) -> Vec<Name> {
        self.find(&By::Referent(kind, referent.clone()))
    }

    /// Objects of `kind` in `namespace`.
    #[must_use]
    pub fn in_namespace(&self, kind: Kind, namespace: &str) -> Vec<Name> {
        self.find(&By::Namespace(kind, namespace.to_owned()))
    }

    /// Objects of `kind` that claim the same name at the same referent.
    #[must_use]
    pub fn claimants(&self, kind: Kind, referent: &Name, claimed: &str) -> Vec<Name> {
        self.find(&By::Claim(kind, referent.clone(), claimed.to_owned()))
    }

    fn find(&self, by: &By) -> Vec<Name> {
        self.with(|map| map.get(by).map(|names| names.iter().cloned().collect()).unwrap_or_default())
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<By, BTreeSet<Name>>) -> T) -> T {
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
        let acme = Name::new("team", "acme");
        let both = vec![Name::new("other", "impostor"), Name::new("team", "alice")];
        assert_eq!(index.claimants(Kind::Agent, &acme, "alice"), both);
        assert_eq!(index.referrers(Kind::Agent, &acme), both);
        index.remove(&second);
        assert_eq!(index.claimants(Kind::Agent, &acme, "alice"), [Name::new("team", "alice")]);
        assert_eq!(index.in_namespace(Kind::Agent, "other"), []);
    }
}
