//! The shape of access tokens: JWTs of RFC 9068, signed with Ed25519 (RFC 8037). The relay's authorization server
//! writes them and MCP endpoints verify them.

use serde::{Deserialize, Serialize};

use crate::{Did, UnixSeconds};

/// The only signature algorithm (`alg`), so that a token cannot choose a weaker one.
pub const ALGORITHM: &str = "EdDSA";
/// The type (`typ`) of RFC 9068 section 2.1.
pub const TOKEN_TYPE: &str = "at+jwt";
/// The longest token that is parsed, in bytes; the relay's have about 900.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// The JOSE header as the relay writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoseHeader {
    pub alg: String,
    pub typ: String,
    /// The id of the signing key in the JWKS.
    pub kid: String,
}

/// The claims as the relay writes them; all of them are always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The issuer, byte for byte.
    pub iss: String,
    /// The exact URL of one MCP endpoint or gateway.
    pub aud: String,
    /// The relay's id of the person's account.
    pub sub: String,
    pub client_id: String,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// The agent that the token was issued for.
    pub agent: Did,
    /// The grant's id, a dot, and a random part, so that a token can be traced to the grant that revokes it.
    pub jti: String,
    pub iat: UnixSeconds,
    pub exp: UnixSeconds,
}
