//! Grants, authorization codes and refresh tokens as they are stored, and how long each is valid.

use protocol::{Did, UnixSeconds};

use super::pkce::Challenge;

/// How long a code is valid: a client exchanges it at once.
pub(crate) const CODE_TTL_SECONDS: u64 = 60;
/// How long an access token is valid, and so how long a revoked one still works at a resource
/// server that does not introspect it.
pub(crate) const ACCESS_TOKEN_TTL_SECONDS: u64 = 600;
/// How long a refresh token is valid if it is not used.
pub(crate) const REFRESH_TOKEN_TTL_SECONDS: u64 = 30 * 24 * 3600;
/// How long a grant is valid, however often it is refreshed. Then the person has to decide again.
pub(crate) const GRANT_TTL_SECONDS: u64 = 90 * 24 * 3600;

/// What a person allowed a client: to use one agent at one URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The id, which is part of every access token.
    pub id: String,
    /// The id of the account that gave the grant.
    pub account: String,
    /// The client that it was given to.
    pub client_id: String,
    /// The agent that the client may use.
    pub agent: Did,
    /// The URL of the MCP endpoint or gateway: the audience of access tokens.
    pub resource: String,
    /// Whether the URL was the gateway's, and the person chose the agent.
    pub gateway: bool,
    /// The granted scopes, separated by spaces.
    pub scope: String,
    /// When the grant expires.
    pub expires: UnixSeconds,
}

/// An authorization code as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredCode {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Challenge,
    pub(crate) expires: UnixSeconds,
    pub(crate) used: bool,
}

/// A refresh token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredRefreshToken {
    pub(crate) grant: Grant,
    pub(crate) expires: UnixSeconds,
    /// When it was exchanged for its successor.
    pub(crate) replaced: Option<UnixSeconds>,
    /// How often it was used again after that.
    pub(crate) retries: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page for people and administrators promises these numbers.
    #[test]
    fn codes_and_grants_live_as_long_as_promised() {
        assert_eq!((CODE_TTL_SECONDS, GRANT_TTL_SECONDS), (60, 7_776_000));
    }
}
