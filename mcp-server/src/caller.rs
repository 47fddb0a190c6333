//! The authenticated caller of a request and what it is allowed to do. The guard determines it and
//! attaches it to the request.

use axum::http::request::Parts;
use rmcp::model::Extensions;

use crate::scope::{Scope, Scopes};

/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Owns the sessions that this caller creates.
    pub principal: Principal,
    pub scopes: Scopes,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The agent itself, authenticated by any of its accepted API keys.
    Agent,
    /// A person who signed in at the authorization server, through one client.
    User { subject: String, client: String },
}

impl Caller {
    pub const AGENT: Self = Self { principal: Principal::Agent, scopes: Scopes::ALL };

    /// Whether the caller of a request has this scope. Over stdio the caller is the user who
    /// started this process and has every scope. Over HTTP, a request that bypassed the guard has
    /// no permissions.
    #[must_use]
    pub fn has_scope(extensions: &Extensions, scope: Scope) -> bool {
        let Some(parts) = extensions.get::<Parts>() else { return true };
        parts.extensions.get::<Self>().is_some_and(|caller| caller.scopes.contains(scope))
    }
}
