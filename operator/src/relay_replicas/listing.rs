//! Lists what the stores of a relay hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use protocol::admin::{self, AgentView, Owner, Page, TenantView};
use protocol::did::TenantId;
use tokio::time::Instant;

use super::RelayReplicas;
use super::content::parse_digest;
use super::entry_table::{ENTRIES_MAX, EntryTable, Held};
use super::relay_state::RelayState;
use crate::object_key::NamespacedName;
use crate::relay_api::{RelayApi, RelayError, Target};

/// Tenants whose agents are listed at once.
const TENANTS_AT_ONCE_MAX: usize = 8;

/// Agents of one tenant by path.
type HeldAgents = Vec<(String, Held)>;

/// What the stores of a relay hold, and where that differs from the record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Tenants and agents by path, with their owners.
    pub owners: BTreeMap<String, Option<Owner>>,
    /// The paths at which the record was wrong.
    pub different: BTreeSet<String>,
    /// Whether a store had not been listed before, so that every object is compared.
    pub is_first: bool,
}

impl RelayReplicas {
    /// Lists every store of the relay, if that is due.
    ///
    /// # Errors
    /// The first store's error. The next contact tries again.
    pub(crate) async fn list(&self, relay: &NamespacedName) -> Result<Option<Listing>, RelayError> {
        let due = self.shared.state(relay, |state| {
            let is_due = state.needs_listing(Instant::now());
            is_due.then(|| (state.epoch, state.replicas.stores()))
        });
        let (Some(Some((epoch, stores))), Some(access)) = (due, self.access(relay)) else { return Ok(None) };
        let mut listing = Listing::default();
        for (instance, address) in stores {
            let begun =
                self.entries(relay, epoch, &instance, |table| (table.begin_listing(), table.is_listed()));
            let Some((ticket, was_listed)) = begun else { continue };
            let target = Target { address, access: Arc::clone(&access) };
            let found = list_store(&*self.shared.api, &target).await?;
            listing.is_first |= !was_listed;
            self.entries(relay, epoch, &instance, |table| {
                listing.different.extend(table.merge(ticket, &found));
                listing.owners.extend(table.owners());
            });
        }
        self.shared.state_of_epoch(relay, epoch, |state| state.set_listed(Some(Instant::now())));
        Ok(Some(listing))
    }

    fn entries<T>(
        &self,
        relay: &NamespacedName,
        epoch: u64,
        instance: &str,
        work: impl FnOnce(&mut EntryTable) -> T,
    ) -> Option<T> {
        let work =
            |state: &mut RelayState| state.replicas.get_mut(instance).map(|found| work(&mut found.entries));
        self.shared.state_of_epoch(relay, epoch, work).flatten()
    }

    /// Makes the next listing due at once, because what this one asked for was not done.
    pub(crate) fn list_again(&self, relay: &NamespacedName) {
        self.shared.state(relay, |state| state.set_listed(None));
    }
}

/// All tenants and agents of one store by path.
async fn list_store(api: &dyn RelayApi, target: &Target) -> Result<BTreeMap<String, Held>, RelayError> {
    let mut held = BTreeMap::new();
    let mut tenants = Vec::new();
    let mut after = None;
    loop {
        let Page { items, next } = api.tenants(target, after.as_deref()).await?;
        for TenantView { tenant, owner, digest, .. } in items {
            held.insert(admin::tenant_path(&tenant), entry(owner, digest.as_deref()));
            tenants.push(tenant);
        }
        check_size(target, held.len())?;
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let mut requests: Vec<BoxFuture<'_, Result<HeldAgents, RelayError>>> = Vec::new();
    for tenant in &tenants {
        requests.push(list_agents(api, target, tenant).boxed());
    }
    let mut agents = futures::stream::iter(requests).buffer_unordered(TENANTS_AT_ONCE_MAX);
    while let Some(found) = agents.try_next().await? {
        held.extend(found);
        check_size(target, held.len())?;
    }
    Ok(held)
}

async fn list_agents(
    api: &dyn RelayApi,
    target: &Target,
    tenant: &TenantId,
) -> Result<HeldAgents, RelayError> {
    let mut held = Vec::new();
    let mut after = None;
    loop {
        let Page { items, next } = match api.agents(target, tenant, after.as_deref()).await {
            // It was deleted since the tenants were listed.
            Err(error) if error.reason() == Some(protocol::Reason::NotFound) => return Ok(held),
            other => other?,
        };
        for AgentView { did, owner, digest, .. } in items {
            let path = format!("{}/{}", admin::agents_path(tenant), did.name());
            held.push((path, entry(owner, digest.as_deref())));
        }
        check_size(target, held.len())?;
        match next {
            Some(next) => after = Some(next),
            None => return Ok(held),
        }
    }
}

fn entry(owner: Option<Owner>, digest: Option<&str>) -> Held {
    Held { owner, digest: digest.and_then(parse_digest), refused_endpoint: None }
}

/// Ends a listing that has no end.
fn check_size(target: &Target, entries: usize) -> Result<(), RelayError> {
    if entries <= ENTRIES_MAX {
        return Ok(());
    }
    let source = format!("the relay lists more than {ENTRIES_MAX} entries").into();
    Err(RelayError::Reach { address: target.address, source })
}
