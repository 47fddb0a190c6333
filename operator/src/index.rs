//! An index over references and claimed names, so that no event scans all objects. The watches
//! maintain it.
//!
//! Whatever a store holds is in the index: an object is indexed before it is stored, and stays
//! indexed until it is gone from the store. After a relist the entries of a kind are replaced at
//! once, so that no reader finds half of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crds::{Agent, Relay, Tenant};
use kube::ResourceExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::object_key::{Kind, NamespacedName};

/// The entries of one kind.
#[derive(Debug, Default)]
pub(crate) struct KindIndex {
    /// Tenants by their Relay, Agents by their Tenant.
    by_referent: HashMap<NamespacedName, BTreeSet<NamespacedName>>,
    by_namespace: HashMap<Arc<str>, BTreeSet<NamespacedName>>,
    /// Tenants of a Relay by their id, Agents of a Tenant by their handle. Nearly always one, so
    /// that a list is smaller than a set.
    by_claim: HashMap<Claim, Vec<NamespacedName>>,
    /// The claim under which an object is indexed now.
    claims: HashMap<NamespacedName, Option<Claim>>,
}

/// The object referred to, and the name claimed in it.
type Claim = (NamespacedName, Arc<str>);

/// Names of objects by what they refer to, where they are, and which name they claim.
#[derive(Debug, Default)]
pub struct Index(Mutex<HashMap<Kind, KindIndex>>);

/// A kind that the index holds.
pub trait Indexed: Serialize + DeserializeOwned {
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

impl KindIndex {
    /// The entries of `objects`.
    pub(crate) fn build<K: Indexed>(objects: impl IntoIterator<Item = (NamespacedName, Arc<K>)>) -> Self {
        let mut index = Self::default();
        objects.into_iter().for_each(|(name, object)| index.insert(&name, object.claim()));
        index
    }

    /// Adds an object, or moves it to the entries of its present claim.
    fn insert(&mut self, name: &NamespacedName, claim: Option<(NamespacedName, String)>) {
        let claim = claim.map(|(referent, claimed)| (self.shared(referent), Arc::from(claimed)));
        if self.claims.get(name) == Some(&claim) {
            return;
        }
        self.remove(name);
        if let Some((referent, _)) = &claim {
            self.by_referent.entry(referent.clone()).or_default().insert(name.clone());
        }
        if let Some(claim) = &claim {
            self.by_claim.entry(claim.clone()).or_default().push(name.clone());
        }
        self.by_namespace.entry(Arc::clone(&name.namespace)).or_default().insert(name.clone());
        self.claims.insert(name.clone(), claim);
    }

    /// The same name without memory of its own, if other objects have this referent.
    fn shared(&self, referent: NamespacedName) -> NamespacedName {
        self.by_referent.get_key_value(&referent).map_or(referent, |(found, _)| found.clone())
    }

    fn remove(&mut self, name: &NamespacedName) {
        let Some(claim) = self.claims.remove(name) else { return };
        if let Some(claim) = &claim {
            discard(&mut self.by_referent, &claim.0, |names| names.remove(name), BTreeSet::is_empty);
            let without = |names: &mut Vec<_>| names.retain(|found| found != name);
            discard(&mut self.by_claim, claim, without, Vec::is_empty);
        }
        discard(&mut self.by_namespace, &name.namespace, |names| names.remove(name), BTreeSet::is_empty);
    }
}

/// Changes the names of one entry, and drops an entry without names.
fn discard<K: std::hash::Hash + Eq, N, R>(
    map: &mut HashMap<K, N>,
    key: &K,
    change: impl FnOnce(&mut N) -> R,
    is_empty: impl FnOnce(&N) -> bool,
) {
    let Some(names) = map.get_mut(key) else { return };
    change(names);
    if is_empty(names) {
        map.remove(key);
    }
}

impl Index {
    /// Adds an object, or moves it to the entries of its present claim.
    pub(crate) fn insert<K: Indexed>(&self, name: &NamespacedName, object: &K) {
        self.with(|kinds| kinds.entry(K::KIND).or_default().insert(name, object.claim()));
    }

    pub(crate) fn remove(&self, kind: Kind, name: &NamespacedName) {
        self.with(|kinds| kinds.entry(kind).or_default().remove(name));
    }

    /// Replaces all entries of a kind at once.
    pub(crate) fn replace(&self, kind: Kind, entries: KindIndex) {
        self.with(|kinds| kinds.insert(kind, entries));
    }

    /// The objects of `kind` that refer to `referent`.
    #[must_use]
    pub fn referrers(&self, kind: Kind, referent: &NamespacedName) -> Vec<NamespacedName> {
        self.read(kind, |index| index.by_referent.get(referent).map(sorted))
    }

    /// The objects of `kind` in `namespace`.
    #[must_use]
    pub fn in_namespace(&self, kind: Kind, namespace: &str) -> Vec<NamespacedName> {
        self.read(kind, |index| index.by_namespace.get(namespace).map(sorted))
    }

    /// The objects of `kind` that claim the name `claimed` in `referent`.
    #[must_use]
    pub fn claimants(&self, kind: Kind, referent: &NamespacedName, claimed: &str) -> Vec<NamespacedName> {
        let claim = (referent.clone(), Arc::from(claimed));
        self.read(kind, |index| index.by_claim.get(&claim).cloned())
    }

    fn read(
        &self,
        kind: Kind,
        find: impl FnOnce(&KindIndex) -> Option<Vec<NamespacedName>>,
    ) -> Vec<NamespacedName> {
        self.with(|kinds| kinds.get(&kind).and_then(find).unwrap_or_default())
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Kind, KindIndex>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn sorted(names: &BTreeSet<NamespacedName>) -> Vec<NamespacedName> {
    names.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(namespace: &str, name: &str, tenant: &str, handle: Option<&str>) -> (NamespacedName, Agent) {
        let agent = serde_json::from_value(serde_json::json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Agent",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"tenantRef": {"name": tenant, "namespace": "team"}, "handle": handle},
        }));
        (NamespacedName::new(namespace, name), agent.unwrap())
    }

    fn acme() -> NamespacedName {
        NamespacedName::new("team", "acme")
    }

    #[test]
    fn claimants_of_one_handle_are_found_across_namespaces() {
        let index = Index::default();
        let (alice, impostor) =
            (agent("team", "alice", "acme", None), agent("other", "impostor", "acme", Some("alice")));
        index.insert(&impostor.0, &impostor.1);
        index.insert(&alice.0, &alice.1);
        let both = vec![impostor.0.clone(), alice.0.clone()];
        assert_eq!(index.claimants(Kind::Agent, &acme(), "alice"), both);
        assert_eq!(index.referrers(Kind::Agent, &acme()), both);
        index.remove(Kind::Agent, &impostor.0);
        assert_eq!(index.claimants(Kind::Agent, &acme(), "alice"), [alice.0]);
        assert_eq!(index.in_namespace(Kind::Agent, "other"), []);
    }

    #[test]
    fn an_object_that_moves_to_another_referent_leaves_the_former_one() {
        let index = Index::default();
        let (name, before) = agent("team", "alice", "acme", None);
        index.insert(&name, &before);
        index.insert(&name, &agent("team", "alice", "umbrella", Some("al")).1);
        assert_eq!(index.referrers(Kind::Agent, &acme()), []);
        assert_eq!(index.claimants(Kind::Agent, &acme(), "alice"), []);
        let umbrella = NamespacedName::new("team", "umbrella");
        assert_eq!(index.claimants(Kind::Agent, &umbrella, "al"), std::slice::from_ref(&name));
        assert_eq!(index.in_namespace(Kind::Agent, "team"), std::slice::from_ref(&name));
        index.remove(Kind::Agent, &name);
        assert_eq!(index.referrers(Kind::Agent, &umbrella), []);
    }

    #[test]
    fn a_kind_is_replaced_at_once_and_the_other_kinds_are_kept() {
        let index = Index::default();
        let (alice, bob) = (agent("team", "alice", "acme", None), agent("team", "bob", "acme", None));
        index.insert(&alice.0, &alice.1);
        let main = NamespacedName::new("team", "main");
        let tenant: Tenant = serde_json::from_value(serde_json::json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Tenant",
            "metadata": {"name": "acme", "namespace": "team"}, "spec": {"relayRef": {"name": "main"}},
        }))
        .unwrap();
        index.insert(&acme(), &tenant);
        index.replace(Kind::Agent, KindIndex::build([(bob.0.clone(), Arc::new(bob.1))]));
        assert_eq!(index.referrers(Kind::Agent, &acme()), [bob.0]);
        assert_eq!(index.referrers(Kind::Tenant, &main), [acme()]);
    }
}
