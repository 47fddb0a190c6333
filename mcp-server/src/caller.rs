//! Who makes a request, and what they may: decided by the guard, carried with the request.

use axum::http::request::Parts;
use rmcp::model::Extensions;

use crate::scope::{Scope, Scopes};

/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is: sessions belong to one principal.
    pub principal: Principal,
    pub scopes: Scopes,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The agent itself, by its API key, whichever of its keys is current.
    Agent,
    /// Somebody who signed in at the authorization server, through one client.
    User { subject: String, client: String },
}

impl Caller {
    pub const AGENT: Self = Self { principal: Principal::Agent, scopes: Scopes::ALL };

    /// Whether the caller of a request may do this. Over stdio the caller is the user of this process; over HTTP, a request that
    /// did not pass the guard may nothing.
    #[must_use]
    pub fn may(extensions: &Extensions, scope: Scope) -> bool {
        let Some(parts) = extensions.get::<Parts>() else { return true };
        parts.extensions.get::<Self>().is_some_and(|caller| caller.scopes.allow(scope))
    }
}
