//! Parses access tokens: JWTs of RFC 9068, signed with Ed25519 (RFC 8037). Pure. Nothing is
//! verified here. Only one algorithm is accepted, so that a token cannot choose a weaker one.

use ed25519_dalek::Signature;
use protocol::access_token::{ALGORITHM, TOKEN_BYTES_MAX, TOKEN_TYPE};
use protocol::base64url;
use protocol::introspection::Inactive;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A parsed token whose signature and claims have not been checked.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    /// The id of the signing key, as the token claims it.
    pub kid: String,
    /// The part that the signature covers.
    pub(crate) signed: &'a str,
    /// The claims, still encoded.
    pub(crate) claims: &'a str,
    pub(crate) signature: Signature,
}

/// More lenient than [`protocol::access_token::JoseHeader`]: members that are not known are
/// ignored.
#[derive(Debug, Deserialize)]
struct LenientHeader {
    alg: String,
    typ: String,
    kid: String,
    /// RFC 7515 section 4.1.11: extensions that must be understood. None is, so any rejects the
    /// token.
    crit: Option<serde_json::Value>,
}

impl<'a> UnverifiedToken<'a> {
    /// # Errors
    /// [`Inactive::TokenMalformed`]: the text is no access token of the accepted type or algorithm.
    pub fn parse(token: &'a str) -> Result<Self, Inactive> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Inactive::TokenMalformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Inactive::TokenMalformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Inactive::TokenMalformed)?;
        let header: LenientHeader = parse_json(header)?;
        if header.alg != ALGORITHM || !is_access_token_type(&header.typ) || header.crit.is_some() {
            return Err(Inactive::TokenMalformed);
        }
        let signature = base64url::decode_array(signature).map_err(|_| Inactive::TokenMalformed)?;
        Ok(Self { kid: header.kid, signed, claims, signature: Signature::from_bytes(&signature) })
    }
}

/// RFC 9068 section 4: with or without the prefix `application/`, in any case.
fn is_access_token_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == TOKEN_TYPE
}

/// Decodes one part of a token.
pub(crate) fn parse_json<T: DeserializeOwned>(part: &str) -> Result<T, Inactive> {
    let bytes = base64url::decode(part).map_err(|_| Inactive::TokenMalformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Inactive::TokenMalformed)
}
