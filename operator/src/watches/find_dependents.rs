//! Finds the objects that depend on a changed field, with the index and the caches.

use std::time::Duration;

use crds::{Agent, Relay, Tenant};

use super::dependencies::Dependents;
use super::object_change::ReconciledKind;
use crate::caches::Caches;
use crate::conditions;
use crate::index;
use crate::object_key::{Kind, NamespacedName, ObjectKey};
use crate::queue::Priority;

/// Longest time that the counts in a Tenant's status lag behind its Agents.
const TENANT_COUNT_INTERVAL: Duration = Duration::from_secs(1);
/// Longest time that the counts in a Relay's status lag behind those of its Tenants. A Relay has
/// more to look at than a Tenant.
const RELAY_COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// When a dependent is reconciled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    Now(Priority),
    /// Within this time. Many changes within it cost one reconcile.
    Within(Duration),
}

/// The priority of an object whose consent changed. `None`: it did not.
pub(super) fn consent_priority(before: bool, after: bool) -> Option<Priority> {
    match (before, after) {
        (true, false) => Some(Priority::Urgent),
        (false, true) => Some(Priority::Normal),
        (true, true) | (false, false) => None,
    }
}

/// A kind whose dependents the index finds.
pub(super) trait FindDependents: ReconciledKind + Sized {
    fn find(
        caches: &Caches,
        dependents: Dependents,
        former: Option<&Self>,
        object: Option<&Self>,
    ) -> Vec<(ObjectKey, Wake)>;
}

const NORMAL: Wake = Wake::Now(Priority::Normal);

fn keys(names: Vec<NamespacedName>, kind: Kind) -> impl Iterator<Item = (ObjectKey, Wake)> {
    names.into_iter().map(move |name| (name.key(kind), NORMAL))
}

/// Other objects that claim a name that the object claims or claimed.
fn claimants<K: ReconciledKind>(
    caches: &Caches,
    former: Option<&K>,
    object: Option<&K>,
) -> Vec<(ObjectKey, Wake)> {
    let claims = former.into_iter().chain(object).filter_map(|object| object.claim());
    claims
        .flat_map(|(referent, claimed)| keys(caches.index.claimants(K::KIND, &referent, &claimed), K::KIND))
        .collect()
}

/// The objects for which there is something to do, each with its priority.
fn prioritized(
    names: Vec<NamespacedName>,
    kind: Kind,
    priority: impl Fn(&NamespacedName) -> Option<Priority>,
) -> Vec<(ObjectKey, Wake)> {
    let wake = |name: NamespacedName| priority(&name).map(|priority| (name.key(kind), Wake::Now(priority)));
    names.into_iter().filter_map(wake).collect()
}

/// The objects that the object refers to or referred to.
fn referents<K: ReconciledKind>(
    (kind, interval): (Kind, Duration),
    former: Option<&K>,
    object: Option<&K>,
) -> Vec<(ObjectKey, Wake)> {
    let claims = former.into_iter().chain(object).filter_map(|object| object.claim());
    claims.map(|(referent, _)| (referent.key(kind), Wake::Within(interval))).collect()
}

impl FindDependents for Relay {
    fn find(
        caches: &Caches,
        dependents: Dependents,
        former: Option<&Self>,
        object: Option<&Self>,
    ) -> Vec<(ObjectKey, Wake)> {
        let Some(name) = object.or(former).map(NamespacedName::from_object) else { return Vec::new() };
        let mut tenants = caches.index.referrers(Kind::Tenant, &name);
        let admits = |relay: Option<&Self>, tenant: &Tenant| {
            relay.is_some_and(|relay| caches.is_permitted(&relay.spec.tenants.allowed_from, relay, tenant))
        };
        let consent = |name: &NamespacedName| {
            let tenant = caches.tenant(name)?;
            consent_priority(admits(former, &tenant), admits(object, &tenant))
        };
        match dependents {
            Dependents::Tenants => keys(tenants, Kind::Tenant).collect(),
            Dependents::TenantsByConsent => prioritized(tenants, Kind::Tenant, consent),
            Dependents::Agents => agents_of(caches, &tenants),
            Dependents::AgentsByConsent => {
                tenants.retain(|tenant| consent(tenant).is_some());
                agents_of(caches, &tenants)
            }
            Dependents::AgentsOfPeople
            | Dependents::RefusedAgents
            | Dependents::OtherClaimants
            | Dependents::Referent => Vec::new(),
        }
    }
}

fn agents_of(caches: &Caches, tenants: &[NamespacedName]) -> Vec<(ObjectKey, Wake)> {
    let agents = tenants.iter().flat_map(|tenant| caches.index.referrers(Kind::Agent, tenant));
    keys(agents.collect(), Kind::Agent).collect()
}

impl FindDependents for Tenant {
    fn find(
        caches: &Caches,
        dependents: Dependents,
        former: Option<&Self>,
        object: Option<&Self>,
    ) -> Vec<(ObjectKey, Wake)> {
        let Some(name) = object.or(former).map(NamespacedName::from_object) else { return Vec::new() };
        let agents = || caches.index.referrers(Kind::Agent, &name);
        match dependents {
            Dependents::Agents => keys(agents(), Kind::Agent).collect(),
            Dependents::AgentsByConsent => {
                let admits = |tenant: Option<&Self>, agent: &Agent| {
                    tenant.is_some_and(|tenant| {
                        caches.is_permitted(&tenant.spec.agents.allowed_from, tenant, agent)
                    })
                };
                let consent = |name: &NamespacedName| {
                    let agent = caches.agent(name)?;
                    consent_priority(admits(former, &agent), admits(object, &agent))
                };
                prioritized(agents(), Kind::Agent, consent)
            }
            Dependents::AgentsOfPeople => {
                let people = |name: &NamespacedName| {
                    let handle = index::handle_of(&*caches.agent(name)?);
                    people_priority(&accounts(former, &handle), &accounts(object, &handle))
                };
                prioritized(agents(), Kind::Agent, people)
            }
            Dependents::OtherClaimants => claimants(caches, former, object),
            Dependents::Referent => referents((Kind::Relay, RELAY_COUNT_INTERVAL), former, object),
            Dependents::Tenants | Dependents::TenantsByConsent | Dependents::RefusedAgents => Vec::new(),
        }
    }
}

/// The accounts of the people who may sign in for the agent with this handle.
fn accounts<'a>(tenant: Option<&'a Tenant>, handle: &str) -> Vec<&'a str> {
    let people = tenant.into_iter().flat_map(|tenant| &tenant.spec.people);
    people
        .filter(|person| person.agents.iter().any(|agent| agent == handle))
        .map(|person| &*person.account)
        .collect()
}

/// The priority of an agent whose people changed. `None`: they did not.
fn people_priority(before: &[&str], after: &[&str]) -> Option<Priority> {
    let somebody_lost_access = before.iter().any(|account| !after.contains(account));
    match (before == after, somebody_lost_access) {
        (true, _) => None,
        (false, true) => Some(Priority::Urgent),
        (false, false) => Some(Priority::Normal),
    }
}

impl FindDependents for Agent {
    fn find(
        caches: &Caches,
        dependents: Dependents,
        former: Option<&Self>,
        object: Option<&Self>,
    ) -> Vec<(ObjectKey, Wake)> {
        match dependents {
            Dependents::OtherClaimants => claimants(caches, former, object),
            Dependents::Referent => referents((Kind::Tenant, TENANT_COUNT_INTERVAL), former, object),
            Dependents::RefusedAgents => {
                let left = former.filter(|former| leaves_its_place(former, object));
                left.map(|former| refused_agents(caches, &index::tenant_of(former))).unwrap_or_default()
            }
            Dependents::Tenants
            | Dependents::TenantsByConsent
            | Dependents::Agents
            | Dependents::AgentsByConsent
            | Dependents::AgentsOfPeople => Vec::new(),
        }
    }
}

/// Whether a change of an Agent may make room for another one of its former Tenant.
fn leaves_its_place(former: &Agent, object: Option<&Agent>) -> bool {
    object.is_none_or(|object| {
        let is_deleting = object.metadata.deletion_timestamp.is_some();
        let moved = index::tenant_of(object) != index::tenant_of(former);
        is_deleting || moved || !conditions::is_accepted(object)
    })
}

/// The Agents of a Tenant with a limit that are not accepted. One of them may get a place that
/// became free.
fn refused_agents(caches: &Caches, tenant: &NamespacedName) -> Vec<(ObjectKey, Wake)> {
    let has_limit = caches.tenant(tenant).is_some_and(|tenant| tenant.spec.agents.max.is_some());
    if !has_limit {
        return Vec::new();
    }
    let mut agents = caches.index.referrers(Kind::Agent, tenant);
    agents.retain(|name| caches.agent(name).is_some_and(|agent| !conditions::is_accepted(&*agent)));
    keys(agents, Kind::Agent).collect()
}
