//! Defines the form of access tokens: JWTs (RFC 9068) that are signed with Ed25519 (RFC 8037).
//!
//! The authorization server writes them and MCP endpoints verify them.

use serde::{Deserialize, Serialize};

use crate::{Did, UnixSeconds};

/// The only signature algorithm (`alg`), so that a token cannot choose a weaker one.
pub const ALGORITHM: &str = "EdDSA";
/// The type (`typ`) of RFC 9068 section 2.1.
pub const TOKEN_TYPE: &str = "at+jwt";
/// Bytes of the longest token that is parsed. The authorization server's tokens have about 900.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// The JOSE header (RFC 7515) of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoseHeader {
    pub alg: String,
    pub typ: String,
    /// The id of the signing key in the JWKS.
    pub kid: String,
}

/// The claims of a token. All of them are always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The issuer, compared byte for byte.
    pub iss: String,
    /// The URL of one MCP endpoint or of the gateway, compared byte for byte.
    pub aud: String,
    /// The authorization server's id of the person's account.
    pub sub: String,
    pub client_id: String,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// The agent that the token was issued for.
    pub agent: Did,
    /// The grant's id, a dot, and a random part, so that deleting the grant revokes the token.
    pub jti: String,
    /// When the token was issued.
    pub iat: UnixSeconds,
    /// When the token expires.
    pub exp: UnixSeconds,
}
