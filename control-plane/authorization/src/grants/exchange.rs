//! Grants: what a person allowed a client. Who may exchange a code or a refresh token, and what a repetition means. Pure.
//!
//! A code is good once; coming again it takes its grant with it. A refresh token is replaced by its first use; for
//! [`GRACE_SECONDS`] it may be used again, because clients refresh twice at once and lose answers; after that a use means
//! that two parties hold it, and its grant ends (RFC 9700 section 4.14.2).

use protocol::{Did, UnixSeconds};

use super::error::{ErrorCode, OauthError};
use super::pkce::Challenge;
use super::scope::Scopes;

/// Life of a code.
pub(crate) const CODE_SECONDS: u64 = 60;
/// Life of an access token; also how long a resource server that never asks goes on after a revocation.
pub(super) const ACCESS_SECONDS: u64 = 600;
/// Life of a refresh token that nobody uses.
pub(crate) const REFRESH_SECONDS: u64 = 30 * 24 * 3600;
/// Life of a grant however often it is refreshed; then the person is asked again.
pub(super) const GRANT_SECONDS: u64 = 90 * 24 * 3600;
/// How long a refresh token works beside its successor.
pub(super) const GRACE_SECONDS: u64 = 30;
/// How often it does so: a client with more parallel refreshes than that is not one client.
pub(super) const GRACE_USES_MAX: u32 = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) client_id: String,
    pub(crate) agent: Did,
    /// URL of the MCP endpoint, the audience of access tokens.
    pub(crate) resource: String,
    /// The endpoint is the relay's gateway, and the person chose the agent.
    pub(crate) gateway: bool,
    /// As granted; words separated by spaces.
    pub(crate) scope: String,
    pub(crate) expires: UnixSeconds,
}

/// A code as it is stored.
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
pub(crate) struct StoredRefresh {
    pub(crate) grant: Grant,
    pub(crate) expires: UnixSeconds,
    pub(crate) replaced: Option<UnixSeconds>,
    pub(crate) retries: u32,
}

/// What somebody presents with a code.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodeExchange<'a> {
    pub(super) client_id: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) verifier: &'a str,
    pub(super) resource: Option<&'a str>,
}

/// What somebody presents with a refresh token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refresh<'a> {
    pub(super) client_id: &'a str,
    pub(super) resource: Option<&'a str>,
    pub(super) scope: Option<&'a str>,
}

/// A refusal, and whether it ends the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) error: OauthError,
    pub(super) ends_grant: bool,
}

/// How a refresh token that may be used is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Replaced from now on.
    First,
    /// Once more within its grace.
    Again,
}

pub(super) fn judge_code(
    code: &StoredCode,
    presented: CodeExchange<'_>,
    now: UnixSeconds,
) -> Result<(), Refused> {
    if code.used {
        return Err(ended("code_replayed", "the code was used before; everything it led to is revoked"));
    }
    if code.grant.client_id != presented.client_id {
        return Err(kept("code_of_another_client", "the code was given to another client"));
    }
    if code.expires <= now {
        return Err(kept("code_expired", "the code has expired"));
    }
    if code.redirect_uri != presented.redirect_uri {
        return Err(kept("redirect_mismatch", "redirect_uri is not that of the authorization request"));
    }
    if !code.challenge.is_met_by(presented.verifier) {
        return Err(kept("pkce_mismatch", "code_verifier does not fit the code_challenge"));
    }
    check_resource(&code.grant, presented.resource)
}

/// How to mark the token, and the scope of the next access token.
pub(super) fn judge_refresh(
    token: &StoredRefresh,
    presented: Refresh<'_>,
    now: UnixSeconds,
) -> Result<(Use, String), Refused> {
    if token.grant.client_id != presented.client_id {
        return Err(kept("refresh_of_another_client", "the refresh token was given to another client"));
    }
    let marked = match token.replaced {
        None if token.expires <= now || token.grant.expires <= now => {
            return Err(kept("refresh_expired", "the refresh token has expired"));
        }
        None => Use::First,
        Some(at) if now < at.saturating_add(GRACE_SECONDS) && token.retries < GRACE_USES_MAX => Use::Again,
        Some(_) => {
            return Err(ended(
                "refresh_reused",
                "the refresh token was replaced; everything of its grant is revoked",
            ));
        }
    };
    check_resource(&token.grant, presented.resource)?;
    Ok((marked, scope(&token.grant, presented.scope)?))
}

/// A part of what was granted, or all of it (RFC 6749 section 6).
fn scope(grant: &Grant, asked: Option<&str>) -> Result<String, Refused> {
    let Some(asked) = asked else { return Ok(grant.scope.clone()) };
    let granted = Scopes::parse(&grant.scope);
    match (Scopes::parse(asked), granted) {
        (Ok(asked), Ok(granted)) if asked.is_within(&granted) => Ok(asked.to_string()),
        _ => {
            let what = "scope is not a part of what was granted";
            let error = OauthError::new(ErrorCode::InvalidScope, "scope_wider", what);
            Err(Refused { error, ends_grant: false })
        }
    }
}

fn check_resource(grant: &Grant, asked: Option<&str>) -> Result<(), Refused> {
    if asked.is_none_or(|asked| asked == grant.resource) {
        return Ok(());
    }
    let what = "resource is not the one that was granted";
    let error = OauthError::new(ErrorCode::InvalidTarget, "resource_mismatch", what);
    Err(Refused { error, ends_grant: false })
}

fn kept(reason: &'static str, what: &str) -> Refused {
    Refused { error: OauthError::new(ErrorCode::InvalidGrant, reason, what), ends_grant: false }
}

fn ended(reason: &'static str, what: &str) -> Refused {
    Refused { ends_grant: true, ..kept(reason, what) }
}

#[cfg(test)]
mod tests;
