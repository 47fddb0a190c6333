//! A relay in memory with faults: lost answers, restarts, restored volumes and other owners.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use protocol::Reason;
use protocol::admin::{
    AgentBatch, AgentSpec, AgentView, Applied, BatchApplied, BatchResult, DeletionPolicy, Owner, Page,
    Problem, TenantSpec, TenantView, Term, Version, agent_path, capability, tenant_path,
};
use protocol::did::TenantId;

use crate::relay_api::{RelayApi, RelayError, Target, Writer};

/// The fate of the next write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    LostBefore,
    LostAfter,
    Refused,
    StaleTerm,
    /// It is applied, and the request times out.
    Hangs,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub owner: Owner,
    pub body: serde_json::Value,
}

#[derive(Debug, Clone)]
pub(super) struct Store {
    pub instance: String,
    pub version: u64,
    pub entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
pub(super) struct ModelRelay {
    pub store: Mutex<Store>,
    pub fault: Mutex<Fault>,
    /// Requests that changed something or tried to, as text.
    pub requests: Mutex<Vec<String>>,
    pub capabilities: Vec<&'static str>,
}

impl ModelRelay {
    pub(super) fn new() -> Self {
        let store = Store { instance: "a".into(), version: 1, entries: BTreeMap::new() };
        Self {
            store: Mutex::new(store),
            fault: Mutex::new(Fault::None),
            requests: Mutex::default(),
            capabilities: vec![
                capability::OWNERS,
                capability::TERMS,
                capability::BULK,
                capability::DELETION_POLICY,
                capability::DIGESTS,
            ],
        }
    }

    pub(super) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    fn lost(target: &Target) -> RelayError {
        RelayError::Reach { address: target.address, source: "lost".into() }
    }

    fn refused(target: &Target, reason: Reason) -> RelayError {
        let detail = reason.advice().to_owned();
        RelayError::Refused {
            address: target.address,
            status: reason.http_status(),
            reason: Some(reason),
            detail,
        }
    }

    /// Changes the store unless the fault forbids it, and answers unless the fault hides it.
    async fn change(
        &self,
        target: &Target,
        request: String,
        change: impl FnOnce(&mut Store) -> Result<(), Reason> + Send,
    ) -> Result<Applied, RelayError> {
        self.requests.lock().unwrap().push(request);
        let fault = std::mem::replace(&mut *self.fault.lock().unwrap(), Fault::None);
        match fault {
            Fault::LostBefore => return Err(Self::lost(target)),
            Fault::Refused => return Err(Self::refused(target, Reason::InvalidRequest)),
            Fault::StaleTerm => return Err(Self::refused(target, Reason::StaleTerm)),
            Fault::None | Fault::LostAfter | Fault::Hangs => {}
        }
        let applied = {
            let mut store = self.store.lock().unwrap();
            change(&mut store).map_err(|reason| Self::refused(target, reason))?;
            store.version += 1;
            Applied::at(store.version)
        };
        match fault {
            Fault::LostAfter => Err(Self::lost(target)),
            Fault::Hangs => {
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                Err(Self::lost(target))
            }
            _ => Ok(applied),
        }
    }
}

fn put(store: &mut Store, path: &str, writer: &Writer, body: serde_json::Value) -> Result<(), Reason> {
    if let Some(entry) = store.entries.get(path) {
        let may_write = entry.owner == writer.owner || writer.former_owner.as_ref() == Some(&entry.owner);
        if !may_write {
            return Err(Reason::OwnerConflict);
        }
    } else if writer.if_owned {
        return Err(Reason::NotFound);
    }
    if store.is_without_tenant(path) {
        return Err(Reason::NotFound);
    }
    store.entries.insert(path.to_owned(), Entry { owner: writer.owner.clone(), body });
    Ok(())
}

impl Store {
    /// Inserts an agent only into a tenant that exists.
    pub(super) fn insert_by_hand(&mut self, path: &str, entry: Entry) {
        if !self.is_without_tenant(path) {
            self.entries.insert(path.to_owned(), entry);
        }
    }

    fn is_without_tenant(&self, path: &str) -> bool {
        path.split_once("/agents/").is_some_and(|(tenant, _)| !self.entries.contains_key(tenant))
    }
}

impl RelayApi for ModelRelay {
    fn version<'a>(&'a self, _target: &'a Target) -> BoxFuture<'a, Result<Version, RelayError>> {
        let store = self.store.lock().unwrap().clone();
        let version = Version {
            version: store.version,
            instance: store.instance,
            domain: "example.com".parse().unwrap(),
            build: "0.1.0".into(),
            capabilities: self.capabilities.iter().map(|word| (*word).to_owned()).collect(),
        };
        async move { Ok(version) }.boxed()
    }

    fn put<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        writer: &'a Writer,
        body: serde_json::Value,
    ) -> BoxFuture<'a, Result<Applied, RelayError>> {
        self.change(target, format!("PUT {path}"), move |store| put(store, path, writer, body)).boxed()
    }

    fn delete<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        writer: &'a Writer,
        _policy: Option<DeletionPolicy>,
    ) -> BoxFuture<'a, Result<Applied, RelayError>> {
        let change = move |store: &mut Store| {
            match store.entries.get(path) {
                Some(entry) if entry.owner != writer.owner => return Err(Reason::OwnerConflict),
                _ => {}
            }
            store.entries.retain(|found, _| found != path && !found.starts_with(&format!("{path}/")));
            Ok(())
        };
        self.change(target, format!("DELETE {path}"), change).boxed()
    }

    fn tenants<'a>(
        &'a self,
        _target: &'a Target,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<TenantView>, RelayError>> {
        // One entry on each page, so that pages are followed.
        let store = self.store.lock().unwrap().clone();
        let mut items = store.entries.iter().filter_map(|(path, entry)| {
            let tenant: TenantId = path.strip_prefix("/admin/v1/tenants/")?.parse().ok()?;
            let spec: TenantSpec = serde_json::from_value(entry.body.clone()).unwrap();
            let (owner, digest) = (Some(entry.owner.clone()), Some(spec.digest()));
            Some(TenantView { tenant, spec, agents: 0, owner, digest })
        });
        let item = items.find(|view| after.is_none_or(|after| view.tenant.as_str() > after));
        let next = item.as_ref().map(|view| view.tenant.to_string());
        async move { Ok(Page { items: item.into_iter().collect(), next }) }.boxed()
    }

    fn agents<'a>(
        &'a self,
        _target: &'a Target,
        tenant: &'a TenantId,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<AgentView>, RelayError>> {
        let store = self.store.lock().unwrap().clone();
        let prefix = format!("{}/agents/", tenant_path(tenant));
        let mut items = store.entries.iter().filter_map(|(path, entry)| {
            let name = path.strip_prefix(&prefix)?;
            let spec: AgentSpec = serde_json::from_value(entry.body.clone()).unwrap();
            let view = serde_json::json!({
                "did": format!("did:wba:example.com:agent:{tenant}:{name}"),
                "suspended": spec.suspended, "keys": [], "registered": false, "online": false, "pending": 0,
                "owner": entry.owner, "digest": spec.digest(),
            });
            serde_json::from_value::<AgentView>(view).ok()
        });
        let item = items.find(|view| after.is_none_or(|after| view.did.name() > after));
        let next = item.as_ref().map(|view| view.did.name().to_owned());
        async move { Ok(Page { items: item.into_iter().collect(), next }) }.boxed()
    }

    fn put_agents<'a>(
        &'a self,
        target: &'a Target,
        term: Option<Term>,
        batch: &'a AgentBatch,
    ) -> BoxFuture<'a, Result<BatchApplied, RelayError>> {
        async move {
            let mut results = Vec::new();
            let change = |store: &mut Store| {
                for item in &batch.items {
                    let writer = Writer {
                        owner: item.owner.clone(),
                        former_owner: item.former_owner.clone(),
                        if_owned: item.if_owned,
                        term,
                    };
                    let path = agent_path(&item.tenant, &item.name);
                    let body = serde_json::to_value(&item.spec).unwrap();
                    results.push(match put(store, &path, &writer, body) {
                        Ok(()) => BatchResult::Applied(Applied::at(store.version + 1)),
                        Err(reason) => BatchResult::Problem(Problem::new(reason, None)),
                    });
                }
                Ok(())
            };
            self.change(target, format!("PUT agents ({})", batch.items.len()), change).await?;
            Ok(BatchApplied { results })
        }
        .boxed()
    }
}

/// The address of the relay's only pod.
pub(super) fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 8082))
}
