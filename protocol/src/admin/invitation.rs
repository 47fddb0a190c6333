//! Defines invitations, by which a person gets access to an agent over MCP.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::UnixSeconds;
use crate::api_key::KeyHash;
use crate::did::AgentName;

/// How long an invitation is valid when the request does not say: a week.
pub const DEFAULT_INVITATION_TTL_SECONDS: u64 = 7 * 24 * 3600;
/// The longest time that an invitation is valid, 30 days. One that waits longer was forgotten.
pub const MAX_INVITATION_TTL_SECONDS: u64 = 30 * 24 * 3600;

/// A request for a new invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct InvitationSpec {
    /// The agent of this tenant that the invited person may use over MCP.
    pub agent: AgentName,
    /// 1 to [`MAX_INVITATION_TTL_SECONDS`]; absent: [`DEFAULT_INVITATION_TTL_SECONDS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// An invitation whose code the administrator made. The relay gets the hash only.
///
/// The same body again changes nothing, even after the invitation was used. Another hash withdraws
/// the old invitation together with the account that was made with it. The id is a DNS label; the
/// ids that `POST` makes are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DeclaredInvitation {
    /// The agent of this tenant that the invited person may use over MCP.
    pub agent: AgentName,
    /// The SHA-256 of the code without surrounding spaces. No other invitation may have the same.
    pub sha256: KeyHash,
    /// When the code expires: at most [`MAX_INVITATION_TTL_SECONDS`] from now, unless the value is
    /// unchanged.
    pub not_after: UnixSeconds,
}

/// A new invitation. No other answer holds the code, because the relay keeps only its SHA-256.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    pub id: String,
    /// What the person enters on the sign-in page. It can be used once.
    pub code: String,
    pub agent: AgentName,
    pub expires: UnixSeconds,
}

/// Leaves out the code.
impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("id", &self.id).field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// An invitation as the relay reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationView {
    pub id: String,
    pub agent: AgentName,
    pub expires: UnixSeconds,
    /// Whether somebody has signed in with it. Deleting it then removes that account and its
    /// grants.
    pub used: bool,
}
