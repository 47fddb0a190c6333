//! Access tokens of the authorization server: JWTs by RFC 9068, signed with Ed25519 (RFC 8037), for this endpoint and this
//! agent alone. Pure. One algorithm, so that a token cannot choose.

use ed25519_dalek::{Signature, VerifyingKey};
use protocol::{Did, UnixSeconds, base64url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::caller::{Caller, Principal};
use crate::scope::Scopes;

/// Bytes of a token; ours have about 700.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// How far the clocks of the authorization server and of this machine may differ.
pub const SKEW_SECONDS: u64 = 60;

/// What a token must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub issuer: String,
    /// The URL of this endpoint, as clients know it.
    pub audience: String,
    /// The URL of the relay's gateway, which brings requests here unchanged.
    pub gateway: Option<String>,
    pub agent: Did,
}

/// Why a token does not open this endpoint, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    Malformed,
    UnknownKey,
    BadSignature,
    WrongIssuer,
    WrongAudience,
    WrongAgent,
    Expired,
    NotYetValid,
}

impl Expected {
    fn audiences(&self) -> impl Iterator<Item = &str> {
        self.gateway.iter().chain([&self.audience]).map(String::as_str)
    }
}

impl TokenError {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "token_malformed",
            Self::UnknownKey => "token_key_unknown",
            Self::BadSignature => "token_bad_signature",
            Self::WrongIssuer => "token_wrong_issuer",
            Self::WrongAudience => "token_wrong_audience",
            Self::WrongAgent => "token_wrong_agent",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
        }
    }

    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Malformed => "this is neither an API key nor an access token of the authorization server",
            Self::UnknownKey => {
                "the token is signed with a key that the authorization server does not publish"
            }
            Self::BadSignature => "the signature of the token is not right",
            Self::WrongIssuer => {
                "the token comes from another authorization server; sign in at the one named here"
            }
            Self::WrongAudience => "the token is for another endpoint; sign in with this one as resource",
            Self::WrongAgent => "the token is for another agent; sign in for this one",
            Self::Expired => "the token has expired; refresh it, or sign in again",
            Self::NotYetValid => "the token is from the future; compare the clocks of both servers",
        }
    }
}

/// A token that was taken apart and not checked.
#[derive(Debug)]
pub struct Unverified<'a> {
    /// Which key signed it, as it says itself.
    pub kid: String,
    signed: &'a str,
    claims: &'a str,
    signature: Signature,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
    /// RFC 7515 section 4.1.11: what is critical and not understood refuses the token.
    crit: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Claims {
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

impl<'a> Unverified<'a> {
    /// # Errors
    /// Not an access token of the one kind that is taken here.
    pub fn read(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = json(header)?;
        let typ = header.typ.to_ascii_lowercase();
        let ours = header.alg == "EdDSA" && matches!(typ.as_str(), "at+jwt" | "application/at+jwt");
        if !ours || header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let signature = base64url::decode_array(signature).map_err(|_| TokenError::Malformed)?;
        Ok(Self { kid: header.kid, signed, claims, signature: Signature::from_bytes(&signature) })
    }

    /// # Errors
    /// What does not fit, in the order of [`TokenError`].
    pub fn verify(
        &self,
        key: &VerifyingKey,
        expected: &Expected,
        now: UnixSeconds,
    ) -> Result<Caller, TokenError> {
        key.verify_strict(self.signed.as_bytes(), &self.signature).map_err(|_| TokenError::BadSignature)?;
        let claims: Claims = json(self.claims)?;
        if claims.iss != expected.issuer {
            return Err(TokenError::WrongIssuer);
        }
        if !expected.audiences().any(|audience| claims.aud.is_only(audience)) {
            return Err(TokenError::WrongAudience);
        }
        if claims.agent != expected.agent.as_str() {
            return Err(TokenError::WrongAgent);
        }
        if now >= claims.exp.saturating_add(SKEW_SECONDS) {
            return Err(TokenError::Expired);
        }
        if claims.iat.max(claims.nbf.unwrap_or(0)) > now.saturating_add(SKEW_SECONDS) {
            return Err(TokenError::NotYetValid);
        }
        let principal = Principal::User { subject: claims.sub, client: claims.client_id };
        Ok(Caller { principal, scopes: Scopes::parse(&claims.scope) })
    }
}

impl Audience {
    /// A token for several resources would open each of them to the others.
    fn is_only(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().eq([audience]),
        }
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let bytes = base64url::decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests;
