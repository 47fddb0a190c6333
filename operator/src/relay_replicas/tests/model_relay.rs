//! A relay in memory with faults for one write: lost answers, refusals and timeouts.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use protocol::Reason;
use protocol::admin::{
    AgentBatch, AgentView, Applied, BatchApplied, BatchResult, DeletionPolicy, Owner, Page, Problem,
    TenantView, Term, Version,
};
use protocol::did::TenantId;

use crate::relay_api::{RelayApi, RelayError, Target, Writer};
use crate::simulator::model_relay::{AgentRecord, CAPABILITIES, RelayVolume, WriteKind, write_of};

/// Entries in a page, so that pages are followed.
const PAGE_MAX: usize = 1;
const DOMAIN: &str = "example.com";

/// The fate of the next write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    LostBefore,
    LostAfter,
    Refused,
    StaleTerm,
    /// It is applied, and answered after three seconds.
    Late,
    /// It is applied, and the request times out.
    Hangs,
}

#[derive(Debug)]
pub(super) struct ModelRelay {
    volume: Mutex<RelayVolume>,
    pub fault: Mutex<Fault>,
    /// Requests that changed something or tried to, as text.
    pub requests: Mutex<Vec<String>>,
    pub capabilities: Vec<&'static str>,
}

impl ModelRelay {
    pub(super) fn new() -> Self {
        Self {
            volume: Mutex::new(RelayVolume::new("a".into())),
            fault: Mutex::new(Fault::None),
            requests: Mutex::default(),
            capabilities: CAPABILITIES.to_vec(),
        }
    }

    pub(super) fn volume(&self) -> MutexGuard<'_, RelayVolume> {
        self.volume.lock().unwrap()
    }

    /// An agent of the tenant `acme`.
    pub(super) fn agent(&self, name: &str) -> Option<AgentRecord> {
        self.volume().agent("acme", name).cloned()
    }

    /// Writes as `owner`, whoever owns the entry. Does nothing without the tenant.
    pub(super) fn write_by_hand(&self, path: &str, owner: Owner, body: serde_json::Value) {
        let mut volume = self.volume();
        let former_owner = volume.owner_at(path);
        let writer = Writer { owner, former_owner, if_owned: false, term: None };
        let _ = volume.write(path, &writer, &WriteKind::Put(body));
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

    /// Changes the volume unless the fault forbids it, and answers unless the fault hides it.
    async fn change<T>(
        &self,
        target: &Target,
        request: String,
        change: impl FnOnce(&mut RelayVolume) -> Result<T, Reason> + Send,
    ) -> Result<T, RelayError> {
        self.requests.lock().unwrap().push(request);
        let fault = std::mem::replace(&mut *self.fault.lock().unwrap(), Fault::None);
        match fault {
            Fault::LostBefore => return Err(Self::lost(target)),
            Fault::Refused => return Err(Self::refused(target, Reason::InvalidRequest)),
            Fault::StaleTerm => return Err(Self::refused(target, Reason::StaleTerm)),
            Fault::None | Fault::LostAfter | Fault::Late | Fault::Hangs => {}
        }
        let applied = change(&mut self.volume()).map_err(|reason| Self::refused(target, reason))?;
        match fault {
            Fault::LostAfter => Err(Self::lost(target)),
            Fault::Hangs => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                Err(Self::lost(target))
            }
            Fault::Late => {
                tokio::time::sleep(Duration::from_secs(3)).await;
                Ok(applied)
            }
            _ => Ok(applied),
        }
    }
}

fn write(volume: &mut RelayVolume, path: &str, writer: &Writer, kind: &WriteKind) -> Result<Applied, Reason> {
    volume.write(path, writer, kind)?;
    Ok(Applied::at(volume.version))
}

impl RelayApi for ModelRelay {
    fn version<'a>(&'a self, _target: &'a Target) -> BoxFuture<'a, Result<Version, RelayError>> {
        let volume = self.volume();
        let version = Version {
            version: volume.version,
            instance: volume.instance.clone(),
            domain: DOMAIN.parse().unwrap(),
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
        let change = move |volume: &mut RelayVolume| write(volume, path, writer, &WriteKind::Put(body));
        self.change(target, format!("PUT {path}"), change).boxed()
    }

    fn delete<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        writer: &'a Writer,
        policy: Option<DeletionPolicy>,
    ) -> BoxFuture<'a, Result<Applied, RelayError>> {
        let change = move |volume: &mut RelayVolume| write(volume, path, writer, &WriteKind::Delete(policy));
        let query = policy.map(|policy| format!("?policy={}", policy.as_query())).unwrap_or_default();
        self.change(target, format!("DELETE {path}{query}"), change).boxed()
    }

    fn tenants<'a>(
        &'a self,
        _target: &'a Target,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<TenantView>, RelayError>> {
        let page = self.volume().tenant_page(after, PAGE_MAX);
        async move { Ok(page) }.boxed()
    }

    fn agents<'a>(
        &'a self,
        target: &'a Target,
        tenant: &'a TenantId,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<AgentView>, RelayError>> {
        let page = self.volume().agent_page(DOMAIN, tenant, after, PAGE_MAX);
        async move { page.ok_or_else(|| Self::refused(target, Reason::NotFound)) }.boxed()
    }

    fn put_agents<'a>(
        &'a self,
        target: &'a Target,
        term: Option<Term>,
        batch: &'a AgentBatch,
    ) -> BoxFuture<'a, Result<BatchApplied, RelayError>> {
        let change = move |volume: &mut RelayVolume| {
            let results = batch.items.iter().map(|item| {
                let (path, writer, body) = write_of(item, term);
                match write(volume, &path, &writer, &WriteKind::Put(body)) {
                    Ok(applied) => BatchResult::Applied(applied),
                    Err(reason) => BatchResult::Problem(Problem::new(reason, None)),
                }
            });
            Ok(BatchApplied { results: results.collect() })
        };
        self.change(target, format!("PUT agents ({})", batch.items.len()), change).boxed()
    }
}

/// The address of the relay's only pod.
pub(super) fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 8082))
}
