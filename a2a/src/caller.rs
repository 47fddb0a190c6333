//! Says who calls. The bindings ask a [`CallerCheck`] before they ask the service.

use async_trait::async_trait;
use http::HeaderMap;

use crate::error::A2aError;

/// A caller, as far as somebody vouches for it. Agents see it as claimed by the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Tells callers apart: one never sees the tasks of another.
    pub subject: String,
    pub verified_by: VerifiedBy,
    pub tenant: String,
    /// The agent whose credentials these are, where they are an agent's.
    pub agent: Option<String>,
}

/// How it is known who a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerifiedBy {
    ApiKey,
    OAuthToken,
    /// A signature over the request by the key of a DID.
    DidSignature,
    /// Nothing: the gateway is open by an explicit setting.
    Nothing,
}

/// Why a request has no caller that may make it.
#[derive(Debug)]
pub struct CallerRejection {
    pub error: A2aError,
    /// The value of `WWW-Authenticate`, for 401 and for a missing scope.
    pub challenge: Option<String>,
}

/// Checks the credentials of a request.
#[async_trait]
pub trait CallerCheck: Send + Sync + 'static {
    /// The caller with these headers, which wants to reach this agent.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`](crate::error::ErrorKind) without valid credentials,
    /// `PermissionDenied` where they do not allow this agent, `AgentNotFound` where its existence
    /// is nothing to tell, `ResourceExhausted` over a rate, `Unavailable` where nobody could be
    /// asked.
    async fn check(&self, headers: &HeaderMap, agent: &str) -> Result<Caller, CallerRejection>;
}
