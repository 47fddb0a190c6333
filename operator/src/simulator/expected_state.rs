//! Computes what should be true of every Tenant and Agent from all objects at one moment, without
//! the operator's caches.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::{Agent, AllowedFrom, Relay, Tenant};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::api_server::model_kind::ModelKind;
use super::api_server::object_store::ObjectStore;
use crate::object_key::NamespacedName;
use crate::{consent, index};

/// An object with what it claims, if everything that it refers to exists and consents.
#[derive(Debug, Clone)]
pub(crate) struct Claimant<K> {
    pub(crate) object: K,
    /// The relay, the tenant id, and for an Agent its handle. `None`: it may claim nothing.
    pub(crate) claim: Option<NameClaim>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NameClaim {
    pub(crate) relay: NamespacedName,
    pub(crate) tenant: String,
    pub(crate) agent: Option<String>,
}

impl NameClaim {
    /// The path at the relay.
    pub(crate) fn path(&self) -> String {
        let agent = self.agent.as_ref().map(|agent| format!("/agents/{agent}")).unwrap_or_default();
        format!("/admin/v1/tenants/{}{agent}", self.tenant)
    }
}

/// All objects of the three kinds at one moment.
#[derive(Debug)]
pub(crate) struct ExpectedState {
    pub(crate) relays: BTreeMap<NamespacedName, Relay>,
    pub(crate) tenants: BTreeMap<NamespacedName, Claimant<Tenant>>,
    pub(crate) agents: BTreeMap<NamespacedName, Claimant<Agent>>,
}

impl ExpectedState {
    pub(crate) fn observe(store: &ObjectStore) -> Self {
        Self::with_labels(store, &namespace_labels(store), false)
    }

    /// As if every namespace with consent still had it and nothing were being deleted: the claims
    /// that the operator may see in a cache that is behind.
    pub(crate) fn remembered(store: &ObjectStore, consenting: &[&str]) -> Self {
        let label = || [("relay".to_owned(), "yes".to_owned())].into();
        let labels = consenting.iter().map(|name| ((*name).to_owned(), label())).collect();
        Self::with_labels(store, &labels, true)
    }

    fn with_labels(
        store: &ObjectStore,
        labels: &BTreeMap<String, BTreeMap<String, String>>,
        counts_deleted: bool,
    ) -> Self {
        let admits = |allowed: &AllowedFrom, referent: &NamespacedName, namespace: &str| {
            consent::admits(allowed, &referent.namespace, namespace, labels.get(namespace))
        };
        let relays: BTreeMap<_, Relay> = objects(store);
        let claim = |tenant: Tenant| {
            let relay = index::relay_of(&tenant);
            let is_admitted = relays.get(&relay).is_some_and(|found| {
                admits(&found.spec.tenants.allowed_from, &relay, &namespace_of(&tenant))
            });
            let is_valid = is_admitted && (counts_deleted || tenant.metadata.deletion_timestamp.is_none());
            let claim = NameClaim { relay, tenant: index::tenant_id_of(&tenant), agent: None };
            Claimant { object: tenant, claim: is_valid.then_some(claim) }
        };
        let tenants: BTreeMap<_, _> =
            objects(store).into_iter().map(|(name, tenant)| (name, claim(tenant))).collect();
        let claim = |agent: Agent| {
            let tenant = index::tenant_of(&agent);
            let found = tenants.get(&tenant);
            let claim = found.filter(|found| {
                admits(&found.object.spec.agents.allowed_from, &tenant, &namespace_of(&agent))
            });
            let claim = claim.and_then(|found| found.claim.clone());
            let handle = Some(index::handle_of(&agent));
            let claim = claim.filter(|_| counts_deleted || agent.metadata.deletion_timestamp.is_none());
            Claimant { object: agent, claim: claim.map(|claim| NameClaim { agent: handle, ..claim }) }
        };
        let agents = objects(store).into_iter().map(|(name, agent)| (name, claim(agent))).collect();
        Self { relays, tenants, agents }
    }

    /// The tenant of an agent.
    pub(crate) fn tenant_of(&self, agent: &Agent) -> Option<&Claimant<Tenant>> {
        self.tenants.get(&index::tenant_of(agent))
    }
}

fn namespace_of(object: &impl Resource) -> String {
    object.namespace().unwrap_or_default()
}

fn namespace_labels(store: &ObjectStore) -> BTreeMap<String, BTreeMap<String, String>> {
    let namespaces = store.list(ModelKind::named("Namespace"), "").into_iter();
    namespaces
        .map(|(id, namespace)| {
            let labels = serde_json::from_value(namespace["metadata"]["labels"].clone()).unwrap_or_default();
            (id.name, labels)
        })
        .collect()
}

fn objects<K>(store: &ObjectStore) -> BTreeMap<NamespacedName, K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let found = store.list(ModelKind::named(&K::kind(&())), "").into_iter();
    found.map(|(id, value)| (NamespacedName::new(&id.namespace, &id.name), decode(&value))).collect()
}

fn decode<K: DeserializeOwned>(value: &Arc<Value>) -> K {
    serde_json::from_value(Value::clone(value)).unwrap()
}
