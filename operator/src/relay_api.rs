//! The relay's admin API as the operator uses it.
//!
//! [`crate::relay_client`] implements it over HTTP, and the simulator over a model of a relay.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use protocol::Reason;
use protocol::admin::{
    AgentBatch, AgentView, Applied, BatchApplied, DeletionPolicy, Owner, Page, TenantView, Term, Version,
};
use protocol::did::TenantId;
use zeroize::Zeroizing;

/// What a client of a relay's admin API needs.
#[derive(PartialEq, Eq)]
pub struct RelayAccess {
    pub token: Zeroizing<String>,
    /// The relay's certificate authorities in PEM, for its clients. The first one signs.
    pub authorities: String,
    /// The certificate authorities of its MCP endpoints in PEM. Agents do not trust them.
    pub endpoint_authorities: String,
    /// The DNS name that the certificate of every replica contains.
    pub server_name: String,
}

/// The admin listener of one replica.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub access: Arc<RelayAccess>,
}

/// Who writes an entry of a relay, and under which condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    pub owner: Owner,
    /// The owner that hands the entry over.
    pub former_owner: Option<Owner>,
    /// Whether only an entry that exists and belongs to the writer is written.
    pub if_owned: bool,
    /// The term of this leader.
    pub term: Option<Term>,
}

impl Writer {
    /// The object with this uid.
    #[must_use]
    pub fn object(uid: &str, term: Option<Term>) -> Self {
        Self { owner: Owner::Kubernetes(uid.to_owned()), former_owner: None, if_owned: false, term }
    }
}

/// Why a request to a relay failed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("failed to build the HTTP client")]
    Build(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("failed to reach the relay at {address}")]
    Reach {
        address: SocketAddr,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the relay at {address} refused the request ({}): {detail}", refusal_code(*reason, *status))]
    Refused { address: SocketAddr, status: u16, reason: Option<Reason>, detail: String },
    /// Nothing was sent, because the relay's listing says so.
    #[error("{path} belongs to {owner} at the relay")]
    OwnedByAnother { path: String, owner: Owner },
    #[error("Relay {0} has enough requests to answer; this one is sent later")]
    Busy(String),
    #[error("this replica does not lead, so it does not write to relays")]
    NotLeading,
}

/// The reason of a refusal, or its HTTP status.
fn refusal_code(reason: Option<Reason>, status: u16) -> String {
    reason.map_or_else(|| status.to_string(), |reason| reason.as_str().to_owned())
}

impl RelayError {
    /// Whether the relay refused the content, so that a retry with the same content fails again.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { status, .. } => (400..500).contains(status) && *status != 401,
            Self::OwnedByAnother { .. } => true,
            Self::Build(_) | Self::Reach { .. } | Self::Busy(_) | Self::NotLeading => false,
        }
    }

    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused { reason, .. } => *reason,
            Self::OwnedByAnother { .. } => Some(Reason::OwnerConflict),
            Self::Build(_) | Self::Reach { .. } | Self::Busy(_) | Self::NotLeading => None,
        }
    }
}

/// The admin API of relays. Every call fails with [`RelayError::Reach`] or
/// [`RelayError::Refused`]. A write that failed with `Reach` may have been applied.
pub trait RelayApi: Send + Sync + std::fmt::Debug {
    fn version<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Version, RelayError>>;

    /// Creates or replaces the content at `path`.
    fn put<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        writer: &'a Writer,
        body: serde_json::Value,
    ) -> BoxFuture<'a, Result<Applied, RelayError>>;

    /// Deletes the content at `path`. Without a policy, the one in the entry counts.
    fn delete<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        writer: &'a Writer,
        policy: Option<DeletionPolicy>,
    ) -> BoxFuture<'a, Result<Applied, RelayError>>;

    /// One page of the tenants after `after`.
    fn tenants<'a>(
        &'a self,
        target: &'a Target,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<TenantView>, RelayError>>;

    /// One page of a tenant's agents after `after`.
    fn agents<'a>(
        &'a self,
        target: &'a Target,
        tenant: &'a TenantId,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<AgentView>, RelayError>>;

    /// Writes many agents at once.
    fn put_agents<'a>(
        &'a self,
        target: &'a Target,
        term: Option<Term>,
        batch: &'a AgentBatch,
    ) -> BoxFuture<'a, Result<BatchApplied, RelayError>>;
}
