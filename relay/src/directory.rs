//! The directory: tenants, agents, API keys, and the records that agents registered.
//!
//! Reads come from memory under a short lock. Every change goes through one [`DirectoryWriter`]: it
//! is decided against the current state, committed to SQLite, made visible, enforced on open
//! sessions, and then answered. A change that was answered survives a crash.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use protocol::did::{AgentName, Domain, TenantId};
use protocol::{Did, UnixSeconds};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::poison::exit_if_poisoned;
use crate::store::{Store, StoreError};

mod audit;
mod authenticate;
mod commands;
mod commit;
mod decide;
mod discover;
#[cfg(test)]
mod disk_faults;
mod edit;
mod entry;
#[cfg(test)]
pub(crate) mod fixtures;
mod group_commit;
mod health;
mod load;
mod mcp_endpoint;
mod ownership;
mod principal;
#[cfg(test)]
mod properties;
mod request;
mod requester;
mod revocation;
mod state;
mod views;
mod writer;

pub use authenticate::AuthError;
pub(crate) use decide::AdminOperation;
pub use decide::OperationError;
pub use discover::{DiscoverPage, DiscoverQuery};
#[cfg(test)]
pub(crate) use edit::Edit;
pub use entry::AgentEntry;
pub(crate) use mcp_endpoint::{AgentWithEndpoint, KeyAccess};
pub use ownership::Ownership;
pub use principal::Principal;
pub use request::{WriteError, Written};
pub(crate) use requester::Requester;
pub use revocation::Revocation;
pub(crate) use state::DirectoryState;
pub use views::DirectorySize;
pub use writer::DirectoryWriter;

use group_commit::RequestQueues;
use health::Health;

/// Requests that wait for the writer, in each of its two queues. A full queue is one transaction;
/// further callers wait.
const QUEUED_REQUESTS_MAX: usize = 256;

/// The clock of the directory, a function so that tests can set the time.
pub type Clock = Arc<dyn Fn() -> UnixSeconds + Send + Sync>;

/// Enforces a revocation on open sessions, before the change is answered.
pub type Enforcer = Box<dyn Fn(&Revocation) + Send + Sync>;

/// Limits of the whole relay.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    pub tenants: usize,
    pub agents: usize,
}

/// Rules for changes that come from the relay's settings.
#[derive(Debug, Clone)]
pub struct Rules {
    pub capacity: Capacity,
    /// URL of the MCP gateway, which no agent may declare as its own endpoint.
    pub gateway_url: Option<String>,
}

pub struct Directory {
    domain: Domain,
    instance: String,
    clock: Clock,
    state: RwLock<DirectoryState>,
    health: Health,
    enforcer: OnceLock<Enforcer>,
    administrations: mpsc::Sender<request::WriteRequest>,
    registrations: mpsc::Sender<request::WriteRequest>,
    /// How many transactions were committed.
    commits: AtomicU64,
    closed: CancellationToken,
}

impl Directory {
    /// Loads the state. The returned writer must run; changes wait until it does.
    ///
    /// # Errors
    /// The store cannot be read, or belongs to another domain.
    pub async fn open(
        store: Store,
        domain: Domain,
        rules: Rules,
        clock: Clock,
    ) -> Result<(Arc<Self>, DirectoryWriter), StoreError> {
        let (identity, state) = store.load_directory(&domain).await?;
        let (administrations, admin_requests) = mpsc::channel(QUEUED_REQUESTS_MAX);
        let (registrations, registration_requests) = mpsc::channel(QUEUED_REQUESTS_MAX);
        let queues = RequestQueues::new(admin_requests, registration_requests);
        let draft = state.clone();
        let directory = Arc::new(Self {
            domain,
            instance: identity.instance,
            clock,
            state: RwLock::new(state),
            health: Health::default(),
            enforcer: OnceLock::new(),
            administrations,
            registrations,
            commits: AtomicU64::new(0),
            closed: CancellationToken::new(),
        });
        let writer = DirectoryWriter::new(Arc::clone(&directory), store, rules, (queues, draft));
        Ok((directory, writer))
    }

    /// Sets the function that closes sessions after a change. Only the first call has an effect.
    pub fn enforce_with(&self, enforcer: Enforcer) {
        if self.enforcer.set(enforcer).is_err() {
            tracing::warn!("the directory already has an enforcer; the second one is ignored");
        }
    }

    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// A random id, generated when the store was created.
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

    /// Any agent of this relay, suspended and retained ones included.
    #[must_use]
    pub fn agent(&self, did: &Did) -> Option<Arc<AgentEntry>> {
        self.read().agent(did).cloned()
    }

    /// As [`Self::agent`], without agents that were deleted and their content retained.
    #[must_use]
    pub fn live_agent(&self, did: &Did) -> Option<Arc<AgentEntry>> {
        self.agent(did).filter(|agent| !agent.ownership.is_released())
    }

    /// An agent of the tenant that has registered. An agent of another tenant looks like one that
    /// does not exist.
    #[must_use]
    pub fn lookup(&self, tenant: &TenantId, did: &Did) -> Option<Arc<AgentEntry>> {
        self.agent(did).filter(|agent| {
            agent.tenant == *tenant && agent.record.is_some() && !agent.ownership.is_released()
        })
    }

    /// Fails if the last change could not be stored.
    ///
    /// # Errors
    /// A sentence for `/readyz`.
    pub fn readiness(&self) -> Result<(), String> {
        self.health.readiness()
    }

    /// Lets the writer end once it has answered every queued change.
    pub fn close(&self) {
        self.closed.cancel();
    }

    fn read(&self) -> RwLockReadGuard<'_, DirectoryState> {
        exit_if_poisoned(self.state.read(), "the directory")
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, DirectoryState> {
        exit_if_poisoned(self.state.write(), "the directory")
    }

    fn now(&self) -> UnixSeconds {
        (self.clock)()
    }

    fn enforce(&self, revocations: &[Revocation]) {
        let Some(enforcer) = self.enforcer.get() else { return };
        revocations.iter().for_each(enforcer);
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("domain", &self.domain).field("version", &self.version()).finish()
    }
}
