//! Defines token introspection (RFC 7662) between the relay and its MCP gateway, with members of
//! our own.
//!
//! ```
//! use msg2agent_protocol::introspection::{Inactive, Introspection};
//!
//! let answer: Introspection = serde_json::from_str(r#"{"active":false,"reason":"suspended"}"#)?;
//! assert_eq!(answer.reason, Some(Inactive::Suspended));
//! let newer: Introspection = serde_json::from_str(r#"{"active":false,"reason":"newer"}"#)?;
//! assert_eq!(newer.reason, Some(Inactive::Unrecognized));
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::{Did, UnixSeconds};

/// The path below the relay's issuer. A `POST` has the form member `token`: an access token or an
/// API key.
pub const PATH: &str = "/oauth/introspect";

/// The response (RFC 7662 section 2.2). A reader ignores other members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introspection {
    /// Whether the credential may be used.
    pub active: bool,
    /// The agent that the credential is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Did>,
    /// The URL at which the gateway reaches the agent's endpoint; absent: the gateway does not
    /// serve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// When the credential expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<UnixSeconds>,
    /// Why the credential may not be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Inactive>,
}

macro_rules! inactive {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// Why a credential may not be used. The set is closed and the same on both sides.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Inactive {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
            /// A newer relay gave a reason that this program does not know. It is never sent.
            #[serde(other, rename = "unrecognized")]
            Unrecognized,
        }

        impl Inactive {
            /// Every reason that is sent.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The reason as on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* Self::Unrecognized => "unrecognized" }
            }
        }
    };
}

inactive! {
    KeyUnknown = "key_unknown";
    KeyExpired = "key_expired";
    /// The key belongs to a whole tenant, and the gateway needs the key of one agent.
    KeyOfTenant = "key_of_a_tenant";
    /// The agent or its tenant is suspended.
    Suspended = "suspended";
    /// The agent has no endpoint that the gateway serves.
    NoEndpoint = "no_endpoint";
    TokenMalformed = "token_malformed";
    /// The token is signed with a key that the issuer does not publish.
    TokenKeyUnknown = "token_key_unknown";
    TokenBadSignature = "token_bad_signature";
    TokenWrongIssuer = "token_wrong_issuer";
    /// The token was issued for another URL.
    TokenWrongAudience = "token_wrong_audience";
    TokenWrongAgent = "token_wrong_agent";
    TokenExpired = "token_expired";
    TokenNotYetValid = "token_not_yet_valid";
    /// The grant was revoked by the client, by the person, or because a code or token was used
    /// twice.
    GrantRevoked = "grant_revoked";
    /// The grant is for a URL that is no longer the agent's or the gateway's.
    ResourceGone = "resource_gone";
    /// The person may not use this agent, or no longer.
    NotInvited = "not_invited";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_one_spelling_on_the_wire() {
        for reason in Inactive::ALL {
            let json = serde_json::to_value(reason).unwrap();
            assert_eq!(json, reason.as_str());
            assert_eq!(serde_json::from_value::<Inactive>(json).unwrap(), *reason);
        }
    }

    #[test]
    fn a_reason_of_a_newer_relay_is_unrecognized_and_not_an_error() {
        let answer: Introspection =
            serde_json::from_str(r#"{"active":false,"reason":"moon_phase"}"#).unwrap();
        assert_eq!(answer.reason, Some(Inactive::Unrecognized));
    }
}
