//! What the relay tells its MCP gateway about a credential that somebody presented there: RFC 7662,
//! with members of our own.

use serde::{Deserialize, Serialize};

use crate::{Did, UnixSeconds};

/// Path below the relay's issuer. `POST`, form member `token`: an access token or an agent's API
/// key.
pub const PATH: &str = "/oauth/introspect";

/// RFC 7662 section 2.2. Members beyond these are left unread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introspection {
    pub active: bool,
    /// Whom the credential speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Did>,
    /// Where the gateway finds the agent's endpoint; absent: the agent has none that the gateway
    /// serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// When the credential ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<UnixSeconds>,
    /// Why it is not active, as a word: `key_unknown`, `suspended`, `token_expired`,
    /// `token_wrong_audience` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
