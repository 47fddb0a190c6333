//! Decides which entries of a relay are removed because no object claims them, and which objects
//! are reconciled because the relay holds something else. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crds::{Agent, Relay, Tenant, label};
use kube::{Resource as _, ResourceExt as _};
use protocol::admin::Owner;

use crate::object_key::{Kind, NamespacedName, ObjectKey};
use crate::relay_replicas::Listing;

/// Entries that are removed at once without a confirmation. More of them, if they are more than
/// half of what the relay holds, look like a mistake.
const UNCONFIRMED_REMOVALS_MAX: usize = 50;

/// An object that claims an entry of the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryClaim {
    pub object: ObjectKey,
    pub uid: String,
    /// The path of the Tenant that an Agent belongs to, and that Tenant's uid.
    pub tenant: Option<(String, String)>,
    /// Whether the referents of the object admit its namespace, so that it may succeed another
    /// owner.
    pub is_permitted: bool,
}

impl EntryClaim {
    /// The claim of a Tenant. One that is being deleted succeeds nobody.
    pub(super) fn of_tenant(tenant: &Tenant, is_permitted: bool) -> Self {
        Self {
            object: NamespacedName::from_object(tenant).key(Kind::Tenant),
            uid: tenant.uid().unwrap_or_default(),
            tenant: None,
            is_permitted: is_permitted && tenant.meta().deletion_timestamp.is_none(),
        }
    }

    /// The claim of an Agent. One that is being deleted claims nothing.
    pub(super) fn of_agent(
        agent: &Agent,
        tenant: &Tenant,
        tenant_path: &str,
        is_permitted: bool,
    ) -> Option<Self> {
        if agent.meta().deletion_timestamp.is_some() {
            return None;
        }
        Some(Self {
            object: NamespacedName::from_object(agent).key(Kind::Agent),
            uid: agent.uid().unwrap_or_default(),
            tenant: Some((tenant_path.to_owned(), tenant.uid().unwrap_or_default())),
            is_permitted: is_permitted && tenant.meta().deletion_timestamp.is_none(),
        })
    }
}

/// Everything that the decision depends on.
#[derive(Debug, Default)]
pub(super) struct SweepSnapshot {
    pub listing: Listing,
    pub claims: BTreeMap<String, Vec<EntryClaim>>,
    /// Uids of objects whose path is not known, because something cannot be decoded.
    pub unresolved: BTreeSet<String>,
    /// Agents by uid whose Tenant does not exist, so that nobody consents to their keys.
    pub without_tenant: BTreeMap<String, ObjectKey>,
    /// How many removals a person has confirmed.
    pub confirmed: Option<usize>,
}

/// How many removals a person has confirmed: as many as the Relay reports that it holds back. An
/// annotation with another number was the answer to an earlier question, and must not answer the
/// next one.
pub(super) fn confirmed_removals(relay: &Relay) -> Option<usize> {
    let confirmed: i32 = relay.annotations().get(label::CONFIRM_REMOVAL)?.parse().ok()?;
    let reported = relay.status.as_ref()?.unclaimed?;
    usize::try_from(confirmed).ok().filter(|_| confirmed == reported)
}

/// What a sweep does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SweepPlan {
    /// Paths and uids of their owners. What is below a tenant goes with it.
    pub removals: Vec<(String, String)>,
    /// Paths and uids of owners that are gone or have no Tenant, whose entries another object may
    /// take over. If none does, for example because it is paused, the keys must not work for good.
    pub successions: BTreeSet<(String, String)>,
    /// Entries of Kubernetes objects that no object claims, including those below a tenant.
    pub unclaimed: usize,
    /// Whether nothing is removed before a person confirms the number.
    pub is_blocked: bool,
    /// Objects whose entry differs from what was acknowledged, or belongs to another owner.
    pub different: BTreeSet<ObjectKey>,
    /// Agents without a Tenant that own an entry. Its keys are taken away when they are reconciled,
    /// which no reconcile could before the relay was listed.
    pub without_tenant: BTreeSet<ObjectKey>,
}

impl SweepSnapshot {
    pub(super) fn plan(&self) -> SweepPlan {
        let owned = self.listing.owners.iter().filter_map(|(path, owner)| Some((path, uid(owner)?)));
        let owned: Vec<_> = owned.collect();
        let unclaimed: BTreeMap<_, _> =
            owned.iter().copied().filter(|(path, uid)| !self.is_claimed(path, uid)).collect();
        let is_blocked = unclaimed.len() > UNCONFIRMED_REMOVALS_MAX
            && unclaimed.len() * 2 > owned.len()
            && !self.is_confirmed(unclaimed.len());
        let is_below = |path: &str| {
            path.split_once("/agents/").is_some_and(|(tenant, _)| unclaimed.contains_key(&tenant.to_owned()))
        };
        let successions = owned
            .iter()
            .filter(|(path, uid)| !self.is_claimed_by_owner(path, uid) && !unclaimed.contains_key(*path));
        let successions = successions.map(|(path, uid)| ((*path).clone(), (*uid).to_owned())).collect();
        let removals = unclaimed.iter().filter(|(path, _)| !is_below(path));
        let removals = removals.map(|(path, uid)| ((*path).clone(), (*uid).to_owned()));
        SweepPlan {
            removals: if is_blocked { Vec::new() } else { removals.collect() },
            successions,
            unclaimed: unclaimed.len(),
            is_blocked,
            different: self.different(),
            without_tenant: owned
                .iter()
                .filter_map(|(_, uid)| self.without_tenant.get(*uid).cloned())
                .collect(),
        }
    }

    /// Whether the owner still claims its entry, or another object may succeed it.
    fn is_claimed(&self, path: &str, owner: &str) -> bool {
        let claims = self.claims.get(path).map(Vec::as_slice).unwrap_or_default();
        self.is_claimed_by_owner(path, owner)
            || self.without_tenant.contains_key(owner)
            || claims.iter().any(|claim| self.may_succeed(claim))
    }

    fn is_claimed_by_owner(&self, path: &str, owner: &str) -> bool {
        let claims = self.claims.get(path).map(Vec::as_slice).unwrap_or_default();
        self.unresolved.contains(owner) || claims.iter().any(|claim| claim.uid == owner)
    }

    /// An Agent may succeed only if its Tenant holds the id, or nobody else that exists does.
    fn may_succeed(&self, claim: &EntryClaim) -> bool {
        let Some((path, tenant_uid)) = &claim.tenant else { return claim.is_permitted };
        let holder = self.listing.owners.get(path).and_then(uid);
        let claims = self.claims.get(path).map(Vec::as_slice).unwrap_or_default();
        let is_held_by_another = holder
            .is_some_and(|holder| holder != tenant_uid && claims.iter().any(|claim| claim.uid == holder));
        claim.is_permitted && !is_held_by_another
    }

    fn is_confirmed(&self, count: usize) -> bool {
        self.confirmed.is_some_and(|confirmed| count <= confirmed)
    }

    fn different(&self) -> BTreeSet<ObjectKey> {
        let differs = |path: &str, claim: &EntryClaim| {
            let owner = self.listing.owners.get(path).and_then(uid);
            self.listing.different.contains(path) || owner.is_some_and(|owner| owner != claim.uid)
        };
        let claims =
            self.claims.iter().flat_map(|(path, claims)| claims.iter().map(move |claim| (path, claim)));
        claims.filter(|(path, claim)| differs(path, claim)).map(|(_, claim)| claim.object.clone()).collect()
    }

    /// Every object with a claim. Tenants come first, because the relay takes agents only into a
    /// tenant that it holds.
    pub(super) fn objects(&self) -> Vec<ObjectKey> {
        let objects: BTreeSet<_> = self.claims.values().flatten().map(|claim| claim.object.clone()).collect();
        let (tenants, agents): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| object.kind == Kind::Tenant);
        tenants.into_iter().chain(agents).collect()
    }
}

fn uid(owner: &Option<Owner>) -> Option<&str> {
    owner.as_ref()?.kubernetes_uid()
}

#[cfg(test)]
mod tests;
