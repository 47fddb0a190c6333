//! Decides whether a code or a refresh token may be exchanged, and what its reuse means. Pure.
//!
//! A code can be used once; a second use revokes its grant. A refresh token is replaced by its
//! first use. It may be used again for [`REFRESH_REUSE_GRACE_SECONDS`], because clients refresh
//! twice at once and lose responses. A later use means that two parties have the token, and revokes
//! its grant (RFC 9700 section 4.14.2).

use protocol::UnixSeconds;

use super::grant::{Grant, StoredCode, StoredRefreshToken};
use super::scope::Scopes;
use crate::error::{ErrorCode, OauthError};

/// How long a refresh token is still accepted after its successor was issued.
const REFRESH_REUSE_GRACE_SECONDS: u64 = 30;
/// How often a refresh token is still accepted after its successor was issued. A client does not
/// refresh more often than that in parallel.
const REFRESH_REUSES_MAX: u32 = 4;

/// What a client presents with a code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeExchange<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) verifier: &'a str,
    pub(crate) resource: Option<&'a str>,
}

/// What a client presents with a refresh token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefreshExchange<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) resource: Option<&'a str>,
    pub(crate) scope: Option<&'a str>,
}

/// A refused exchange, and whether it revokes the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExchangeRefused {
    pub(crate) error: OauthError,
    pub(crate) revokes_grant: bool,
}

/// How the use of a refresh token is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshUse {
    /// The first use, which replaces the token.
    First,
    /// A repeated use within the grace period.
    Retry,
}

/// Whether the code may be exchanged.
pub(crate) fn check_code(
    code: &StoredCode,
    presented: CodeExchange<'_>,
    now: UnixSeconds,
) -> Result<(), ExchangeRefused> {
    if code.used {
        return Err(refused_and_revoked(
            "code_replayed",
            "the code was used before; its grant and all its tokens are revoked",
        ));
    }
    if code.grant.client_id != presented.client_id {
        return Err(refused("code_of_another_client", "the code was issued to another client"));
    }
    if code.expires <= now {
        return Err(refused("code_expired", "the code has expired"));
    }
    if code.redirect_uri != presented.redirect_uri {
        return Err(refused("redirect_mismatch", "redirect_uri is not the one of the authorization request"));
    }
    if !code.challenge.matches(presented.verifier) {
        return Err(refused("pkce_mismatch", "code_verifier does not match the code_challenge"));
    }
    check_resource(&code.grant, presented.resource)
}

/// How to record the use of the token, and the scope of the next access token.
pub(crate) fn check_refresh(
    token: &StoredRefreshToken,
    presented: RefreshExchange<'_>,
    now: UnixSeconds,
) -> Result<(RefreshUse, String), ExchangeRefused> {
    if token.grant.client_id != presented.client_id {
        return Err(refused("refresh_of_another_client", "the refresh token was issued to another client"));
    }
    let token_use = match token.replaced {
        None if token.expires <= now || token.grant.expires <= now => {
            return Err(refused("refresh_expired", "the refresh token has expired"));
        }
        None => RefreshUse::First,
        Some(at)
            if now < at.saturating_add(REFRESH_REUSE_GRACE_SECONDS) && token.retries < REFRESH_REUSES_MAX =>
        {
            RefreshUse::Retry
        }
        Some(_) => {
            return Err(refused_and_revoked(
                "refresh_reused",
                "the refresh token was replaced before; its grant and all its tokens are revoked",
            ));
        }
    };
    check_resource(&token.grant, presented.resource)?;
    Ok((token_use, narrowed_scope(&token.grant, presented.scope)?))
}

/// The requested part of the granted scope, or all of it (RFC 6749 section 6).
fn narrowed_scope(grant: &Grant, requested: Option<&str>) -> Result<String, ExchangeRefused> {
    let Some(requested) = requested else { return Ok(grant.scope.clone()) };
    let granted = Scopes::parse(&grant.scope);
    match (Scopes::parse(requested), granted) {
        (Ok(requested), Ok(granted)) if requested.is_within(&granted) => Ok(requested.to_string()),
        _ => {
            let what = "scope is not part of the granted scope";
            let error = OauthError::new(ErrorCode::InvalidScope, "scope_wider", what);
            Err(ExchangeRefused { error, revokes_grant: false })
        }
    }
}

fn check_resource(grant: &Grant, requested: Option<&str>) -> Result<(), ExchangeRefused> {
    if requested.is_none_or(|requested| requested == grant.resource) {
        return Ok(());
    }
    let what = "resource is not the granted one";
    let error = OauthError::new(ErrorCode::InvalidTarget, "resource_mismatch", what);
    Err(ExchangeRefused { error, revokes_grant: false })
}

fn refused(reason: &'static str, what: &str) -> ExchangeRefused {
    ExchangeRefused { error: OauthError::new(ErrorCode::InvalidGrant, reason, what), revokes_grant: false }
}

fn refused_and_revoked(reason: &'static str, what: &str) -> ExchangeRefused {
    ExchangeRefused { revokes_grant: true, ..refused(reason, what) }
}

#[cfg(test)]
mod tests;
