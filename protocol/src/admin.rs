//! Bodies of the relay's admin API, `/admin/v1`. The operator, `m2a relay` and tests speak it.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET version` | | [`Version`] |
//! | `GET tenants?after=&limit=` | | [`Page`] of [`TenantView`] |
//! | `GET`, `PUT`, `DELETE tenants/{tenant}` | [`TenantSpec`] | [`TenantView`], [`Applied`], [`Applied`] |
//! | `GET tenants/{tenant}/agents?after=&limit=` | | [`Page`] of [`AgentView`] |
//! | `GET`, `PUT`, `DELETE tenants/{tenant}/agents/{name}` | [`AgentSpec`] | [`AgentView`], [`Applied`], [`Applied`] |
//! | `GET`, `PUT`, `DELETE tenants/{tenant}/agents/{name}/mcp` | [`McpSpec`] | [`McpSpec`], [`Applied`], [`Applied`] |
//! | `GET tenants/{tenant}/invitations` | | [`Page`] of [`InvitationView`] |
//! | `POST tenants/{tenant}/invitations` | [`InvitationSpec`] | [`Invitation`] |
//! | `PUT`, `DELETE tenants/{tenant}/invitations/{id}` | [`DeclaredInvitation`] | [`Applied`] |
//! | `PUT tenants/{tenant}/agents/{name}/suspension` | [`Suspension`] | [`Applied`] |
//! | `GET tenants/{tenant}/keys` | | [`Page`] of [`KeyView`] |
//! | `PUT`, `DELETE tenants/{tenant}/keys/{keyId}` | [`KeySpec`] | [`Applied`] |
//!
//! Writes are idempotent: the same body again changes nothing and answers the same version. `DELETE` of what is not there
//! answers the current version. Invitations have no version of their own: each `POST` makes one, and their other writes
//! answer the current one. Refusals are [`Problem`] (RFC 9457).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::api_key::{KeyHash, KeyId};
use crate::did::{AgentName, Domain, TenantId};
use crate::record::Card;
use crate::{Did, Reason, UnixSeconds};

/// Entries in one page of a list.
pub const PAGE_MAX: usize = 500;
/// Keys of one agent: the active one, a staged one, and retiring ones.
pub const KEYS_PER_AGENT_MAX: usize = 8;
/// People who may sign in for one agent; more than a team is a group, which the provider of identities should decide.
pub const MCP_ACCOUNTS_MAX: usize = 64;
/// Bytes of one entry: the longest e-mail address (RFC 5321) has 254, an OpenID subject at most 255.
pub const MCP_ACCOUNT_BYTES_MAX: usize = 255;
/// Bytes of an MCP URL; it travels in each authorization request.
pub const MCP_URL_BYTES_MAX: usize = 512;
/// How long an invitation can be used when nobody says: a week.
pub const DEFAULT_INVITATION_TTL_SECONDS: u64 = 7 * 24 * 3600;
/// The longest life of an invitation, 30 days: one that lies around longer has been forgotten.
pub const MAX_INVITATION_TTL_SECONDS: u64 = 30 * 24 * 3600;

/// The answer to a write: the version of the relay's state that contains it, fsynced and enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Grows with every change; all below it is enforced by this replica.
    pub version: u64,
    /// Made when the store was created: another instance means that the state is not the one written before.
    pub instance: String,
    pub domain: Domain,
    /// The relay's build.
    pub build: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TenantSpec {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    #[serde(default)]
    pub suspended: bool,
    /// Agents that may exist at once; absent means no limit but the relay's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents_max: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TenantView {
    pub tenant: TenantId,
    pub spec: TenantSpec,
    /// Agents that exist now.
    pub agents: u64,
}

/// An agent with its keys; one write carries all of it, so that a revocation is one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentSpec {
    /// The root key (Multikey) that alone may register; absent: pinned at first use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key: Option<String>,
    /// What discovery shows until the agent registers a card of its own, and instead of it where set here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
    #[serde(default)]
    pub suspended: bool,
    /// At most [`KEYS_PER_AGENT_MAX`]; a key that is absent is revoked.
    #[serde(default)]
    pub keys: Vec<AgentKey>,
    /// The endpoint that people may sign in for; absent: there is none, and what it had allowed is void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<McpSpec>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentKey {
    pub sha256: KeyHash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixSeconds>,
}

/// Lets an agent in or not and leaves everything else of it: for whoever does not hold its keys' hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspension {
    pub suspended: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentView {
    pub did: Did,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
    pub suspended: bool,
    pub keys: Vec<KeyView>,
    /// Whether a record is registered.
    pub registered: bool,
    pub online: bool,
    /// Messages waiting.
    pub pending: u64,
}

/// An agent's MCP endpoint, and who may sign in to use it. People with an invitation may too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpSpec {
    /// The resource of RFC 8707 and the audience of its access tokens, compared byte for byte. `https`, or `http` on
    /// loopback; at most [`MCP_URL_BYTES_MAX`]; without query, fragment and credentials. One agent per URL.
    pub url: String,
    /// E-mail addresses that the provider of identities has verified, or its subjects (`sub`); at most
    /// [`MCP_ACCOUNTS_MAX`]. Whoever is taken out loses access at once.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Where the relay's MCP gateway reaches the endpoint, with the same rules as `url`; absent: the gateway serves this agent not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// What an invitation is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct InvitationSpec {
    /// The agent of this tenant that its bearer may use over MCP.
    pub agent: AgentName,
    /// 1 to [`MAX_INVITATION_TTL_SECONDS`]; absent: [`DEFAULT_INVITATION_TTL_SECONDS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// An invitation whose code the admin made and keeps: the relay learns its hash only. The same body again changes nothing, also
/// when the invitation was used; another hash takes the old one back, with the account that was made of it. Its id is a DNS label,
/// which those of `POST` are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DeclaredInvitation {
    /// The agent of this tenant that its bearer may use over MCP.
    pub agent: AgentName,
    /// SHA-256 of the code, which has no spaces at its ends; no other invitation's.
    pub sha256: KeyHash,
    /// Until when the code can be used; at most [`MAX_INVITATION_TTL_SECONDS`] from now, unless it is what it was.
    pub not_after: UnixSeconds,
}

/// A new invitation. The only answer that holds its code; the relay keeps the SHA-256.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    pub id: String,
    /// Typed into the sign-in page, once.
    pub code: String,
    pub agent: AgentName,
    pub expires: UnixSeconds,
}

/// Without the code.
impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("id", &self.id).field("agent", &self.agent).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationView {
    pub id: String,
    pub agent: AgentName,
    pub expires: UnixSeconds,
    /// Somebody signed in with it. Deleting it then takes away that account and all it allowed.
    pub used: bool,
}

/// A key of a tenant: opens any of its agents, and pins the root key of one at first use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeySpec {
    pub sha256: KeyHash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixSeconds>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeyView {
    pub key_id: KeyId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixSeconds>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give it as `after` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The path of an agent, for clients and routes.
#[must_use]
pub fn agent_path(tenant: &TenantId, name: &AgentName) -> String {
    format!("/admin/v1/tenants/{tenant}/agents/{name}")
}

/// The path of what makes an agent an MCP resource.
#[must_use]
pub fn mcp_path(tenant: &TenantId, name: &AgentName) -> String {
    format!("{}/mcp", agent_path(tenant, name))
}

/// The path of a tenant's invitations.
#[must_use]
pub fn invitations_path(tenant: &TenantId) -> String {
    format!("{}/invitations", tenant_path(tenant))
}

/// The path of one invitation.
#[must_use]
pub fn invitation_path(tenant: &TenantId, id: &str) -> String {
    format!("{}/{id}", invitations_path(tenant))
}

/// The path of an agent's suspension.
#[must_use]
pub fn suspension_path(tenant: &TenantId, name: &AgentName) -> String {
    format!("{}/suspension", agent_path(tenant, name))
}

/// The path of a tenant.
#[must_use]
pub fn tenant_path(tenant: &TenantId) -> String {
    format!("/admin/v1/tenants/{tenant}")
}

/// A refusal over HTTP (RFC 9457), of the admin API and of the public listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `about:blank`; the reason says it all.
    pub r#type: String,
    pub title: String,
    pub status: u16,
    pub reason: Reason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Problem {
    #[must_use]
    pub fn new(reason: Reason, detail: Option<String>) -> Self {
        Self {
            r#type: "about:blank".into(),
            title: reason.advice().into(),
            status: reason.http_status(),
            reason,
            detail,
        }
    }
}
