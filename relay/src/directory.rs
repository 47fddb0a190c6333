//! Who may use this relay: tenants, agents, API keys, and the records agents registered.
//!
//! Reads come from memory under a short lock. Every change goes through one [`Writer`]: decided against the current state,
//! committed to SQLite, then made visible, then enforced on open sessions, then answered. So what is answered is what
//! holds, also after a crash.

use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard};

use protocol::did::{AgentName, Domain, TenantId};
use protocol::{Did, UnixSeconds};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::store::{Store, StoreError};

mod audit;
mod authenticate;
mod change;
mod decide;
mod discover;
mod entry;
#[cfg(test)]
pub(crate) mod fixtures;
mod health;
mod mcp_endpoint;
#[cfg(test)]
mod properties;
mod publish;
mod request;
mod state;
mod views;
mod write;
mod writer;

pub use authenticate::{AuthError, Principal};
pub use change::Change;
pub(crate) use change::Edit;
pub use decide::Refused;
pub use discover::{DiscoverPage, DiscoverQuery};
pub use entry::AgentEntry;
pub(crate) use entry::TenantKey;
pub(crate) use mcp_endpoint::{AgentWithEndpoint, KeyAccess};
pub use publish::PublishError;
pub use request::{WriteError, Written};
pub(crate) use state::State;
pub use views::Size;
pub use writer::Writer;

use health::Health;

/// Changes waiting for the writer. One takes a few milliseconds, so a full queue is about a second; senders then wait.
const QUEUE_CHANGES: usize = 256;

/// Where the directory reads the time. A function, so that tests can turn it.
pub type Clock = Arc<dyn Fn() -> UnixSeconds + Send + Sync>;

/// What enforces a change on open sessions before it is answered.
pub type Enforcer = Box<dyn Fn(&Change) + Send + Sync>;

/// How much a relay takes, whoever asks.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    pub tenants: usize,
    pub agents: usize,
}

/// What the relay's settings say about every change.
#[derive(Debug, Clone)]
pub struct Rules {
    pub capacity: Capacity,
    /// No agent's own endpoint may be here.
    pub gateway_url: Option<String>,
}

pub struct Directory {
    domain: Domain,
    instance: String,
    clock: Clock,
    state: RwLock<State>,
    health: Health,
    enforcer: OnceLock<Enforcer>,
    changes: mpsc::Sender<request::Request>,
    closed: CancellationToken,
}

impl Directory {
    /// Loads the state. The returned writer must be run; without it changes wait for ever.
    ///
    /// # Errors
    /// The store cannot be read, or belongs to another domain.
    pub async fn open(
        store: Store,
        domain: Domain,
        rules: Rules,
        clock: Clock,
    ) -> Result<(Arc<Self>, Writer), StoreError> {
        let (identity, state) = store.load_directory(&domain).await?;
        let (changes, requests) = mpsc::channel(QUEUE_CHANGES);
        let directory = Arc::new(Self {
            domain,
            instance: identity.instance,
            clock,
            state: RwLock::new(state),
            health: Health::default(),
            enforcer: OnceLock::new(),
            changes,
            closed: CancellationToken::new(),
        });
        let writer = Writer::new(Arc::clone(&directory), store, rules, requests);
        Ok((directory, writer))
    }

    /// Sets what closes sessions when a change is made. The first call holds.
    pub fn enforce_with(&self, enforcer: Enforcer) {
        if self.enforcer.set(enforcer).is_err() {
            tracing::warn!("the directory has an enforcer already; the second one is ignored");
        }
    }

    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Made when the store was created.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Every change up to this one is committed and enforced.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.read().version()
    }

    #[must_use]
    pub fn did(&self, tenant: &TenantId, name: &AgentName) -> Did {
        Did::new(&self.domain, tenant, name)
    }

    /// Any agent of this relay, suspended ones included.
    #[must_use]
    pub fn agent(&self, did: &Did) -> Option<Arc<AgentEntry>> {
        self.read().agent(did).cloned()
    }

    /// An agent of the tenant that has registered; what is behind the tenant's wall looks like what is not there.
    #[must_use]
    pub fn lookup(&self, tenant: &TenantId, did: &Did) -> Option<Arc<AgentEntry>> {
        self.agent(did).filter(|agent| agent.tenant == *tenant && agent.record.is_some())
    }

    /// Why the relay should not get traffic, if the last change could not be stored.
    ///
    /// # Errors
    /// A sentence for `/readyz`.
    pub fn readiness(&self) -> Result<(), String> {
        self.health.readiness()
    }

    /// Lets the writer end once it has answered what it was given.
    pub fn close(&self) {
        self.closed.cancel();
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn now(&self) -> UnixSeconds {
        (self.clock)()
    }

    fn enforce(&self, changes: &[Change]) {
        let Some(enforcer) = self.enforcer.get() else { return };
        changes.iter().for_each(enforcer);
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("domain", &self.domain).field("version", &self.version()).finish()
    }
}
