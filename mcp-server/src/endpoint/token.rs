//! Verifies access tokens of the authorization server. A token is accepted only if it was issued
//! for this endpoint and this agent. Pure.

use ed25519_dalek::VerifyingKey;
use protocol::introspection::Inactive;
use protocol::{Did, UnixSeconds};
use serde::Deserialize;

use crate::caller::{Caller, Principal};
use crate::http::unverified_token::{UnverifiedToken, parse_json};
use crate::scope::Scopes;

/// How far the clocks of the authorization server and of this machine may differ.
pub const CLOCK_SKEW_GRACE_SECONDS: u64 = 60;

/// The claims that a token must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedClaims {
    pub issuer: String,
    /// The URL of this endpoint, as clients know it.
    pub audience: String,
    /// The URL of the relay's gateway, which forwards tokens unchanged.
    pub gateway: Option<String>,
    pub agent: Did,
}

impl ExpectedClaims {
    fn audiences(&self) -> impl Iterator<Item = &str> {
        self.gateway.iter().chain([&self.audience]).map(String::as_str)
    }
}

/// More lenient than [`protocol::access_token::Claims`]: members that are not known are ignored,
/// and those that only limit what the token allows may be absent.
#[derive(Debug, Deserialize)]
struct LenientClaims {
    iss: String,
    aud: Audience,
    sub: String,
    #[serde(default)]
    client_id: String,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    agent: String,
    #[serde(default)]
    scope: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// A token for several resources would let each of them use it at the others.
    fn is_only(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().eq([audience]),
        }
    }
}

/// Checks signature and claims, and returns the caller.
///
/// # Errors
/// The first check that fails.
pub fn verify(
    token: &UnverifiedToken<'_>,
    key: &VerifyingKey,
    expected: &ExpectedClaims,
    now: UnixSeconds,
) -> Result<Caller, Inactive> {
    let signature = key.verify_strict(token.signed.as_bytes(), &token.signature);
    signature.map_err(|_| Inactive::TokenBadSignature)?;
    let claims: LenientClaims = parse_json(token.claims)?;
    if claims.iss != expected.issuer {
        return Err(Inactive::TokenWrongIssuer);
    }
    if !expected.audiences().any(|audience| claims.aud.is_only(audience)) {
        return Err(Inactive::TokenWrongAudience);
    }
    if claims.agent != expected.agent.as_str() {
        return Err(Inactive::TokenWrongAgent);
    }
    if now >= claims.exp.saturating_add(CLOCK_SKEW_GRACE_SECONDS) {
        return Err(Inactive::TokenExpired);
    }
    if claims.iat.max(claims.nbf.unwrap_or(0)) > now.saturating_add(CLOCK_SKEW_GRACE_SECONDS) {
        return Err(Inactive::TokenNotYetValid);
    }
    let principal = Principal::User { subject: claims.sub, client: claims.client_id };
    Ok(Caller { principal, scopes: Scopes::parse(&claims.scope) })
}

#[cfg(test)]
mod tests;
