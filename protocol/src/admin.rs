//! Defines the paths and bodies of the relay's admin API, `/admin/v1`.
//!
//! The operator and `m2a relay` are its clients.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET version` | | [`Version`] |
//! | `GET tenants?after=&limit=` | | [`Page`] of [`TenantView`] |
//! | `GET tenants/{tenant}` | | [`TenantView`] |
//! | `PUT`, `DELETE tenants/{tenant}` | [`TenantSpec`] | [`Applied`] |
//! | `GET tenants/{tenant}/agents?after=&limit=` | | [`Page`] of [`AgentView`] |
//! | `GET tenants/{tenant}/agents/{name}` | | [`AgentView`] |
//! | `PUT`, `DELETE tenants/{tenant}/agents/{name}` | [`AgentSpec`] | [`Applied`] |
//! | `GET tenants/{tenant}/agents/{name}/mcp` | | [`McpSpec`] |
//! | `PUT`, `DELETE tenants/{tenant}/agents/{name}/mcp` | [`McpSpec`] | [`Applied`] |
//! | `GET tenants/{tenant}/invitations` | | [`Page`] of [`InvitationView`] |
//! | `POST tenants/{tenant}/invitations` | [`InvitationSpec`] | [`Invitation`] |
//! | `PUT`, `DELETE tenants/{tenant}/invitations/{id}` | [`DeclaredInvitation`] | [`Applied`] |
//! | `PUT tenants/{tenant}/agents/{name}/suspension` | [`Suspension`] | [`Applied`] |
//! | `GET tenants/{tenant}/keys` | | [`Page`] of [`KeyView`] |
//! | `PUT`, `DELETE tenants/{tenant}/keys/{keyId}` | [`KeySpec`] | [`Applied`] |
//! | `PUT agents` | [`AgentBatch`] | [`BatchApplied`] |
//!
//! Every tenant and agent has an [`Owner`]. A write says who writes in the header
//! [`OWNER_HEADER`], and is refused with `owner_conflict` if the entry belongs to somebody else. An
//! entry without an owner belongs to the next writer that names itself and declares the entry. An
//! MCP endpoint is part of its agent, and keys and invitations are parts of their tenant.
//! [`FORMER_OWNER_HEADER`] hands an entry over, [`IF_OWNED_HEADER`] writes only to an entry that
//! exists, and [`TERM_HEADER`] lets the relay refuse a former leader of the control plane with
//! `stale_term`.
//!
//! `DELETE` of a tenant or an agent takes `?policy=retain` or `?policy=purge`, see
//! [`DeletionPolicy`].
//!
//! Requests are read strictly, and an unknown member is an error. Answers may have members that
//! are newer than their reader. [`Version::capabilities`] says which members and headers a relay
//! knows.
//!
//! Writes are idempotent: the same body again changes nothing and is answered with the same
//! version. `DELETE` of something that does not exist is answered with the current version.
//! Invitations have no version of their own: each `POST` makes a new one, and their other writes
//! are answered with the current version. [`Applied::changed`] says whether a write changed
//! anything. A refusal is a [`Problem`] (RFC 9457).
//!
//! ```
//! use msg2agent_protocol::admin::{AgentKey, AgentSpec, agent_path};
//! use msg2agent_protocol::api_key::ApiKey;
//!
//! let key = ApiKey::generate(&mut rand::rng());
//! let keys = vec![AgentKey { sha256: key.hash(), not_after: None }];
//! let path = agent_path(&"acme".parse()?, &"alice".parse()?);
//! let body = serde_json::to_string(&AgentSpec { keys, ..AgentSpec::default() })?;
//! assert_eq!(path, "/admin/v1/tenants/acme/agents/alice");
//! assert!(!body.contains(key.reveal()), "the relay gets the hash of the key only");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::{Deserialize, Serialize};

mod answer;
mod batch;
mod digest;
mod invitation;
mod owner;
mod path;
mod term;
mod version;

pub use batch::{AgentBatch, AgentWrite, BATCH_BYTES_MAX, BATCH_MAX, BatchApplied, BatchResult};
pub use invitation::{
    DEFAULT_INVITATION_TTL_SECONDS, DeclaredInvitation, Invitation, InvitationSpec, InvitationView,
    MAX_INVITATION_TTL_SECONDS,
};
pub use owner::{Owner, OwnerError};
pub use path::{
    AGENTS_PATH, TENANTS_PATH, VERSION_PATH, agent_path, agents_path, invitation_path, invitations_path,
    mcp_path, suspension_path, tenant_path,
};
pub use term::{Term, TermError};
pub use version::{Version, capability};

use crate::api_key::{KeyHash, KeyId};
use crate::did::TenantId;
use crate::quota::{self, Quota};
use crate::record::Card;
use crate::{Did, Reason, UnixSeconds};

/// Request header: the [`Owner`] that writes. A request without it has the rights of
/// [`Owner::CommandLine`], and what it makes belongs to nobody.
pub const OWNER_HEADER: &str = "m2a-owner";
/// Request header: the [`Owner`] from which the writer takes over.
pub const FORMER_OWNER_HEADER: &str = "m2a-former-owner";
/// Request header with the value `true`: only an entry that exists and belongs to the writer is
/// written.
pub const IF_OWNED_HEADER: &str = "m2a-if-owned";
/// Request header: the [`Term`] of the leader that writes. A person sends none.
pub const TERM_HEADER: &str = "m2a-term";

/// Entries in one page of a list.
pub const PAGE_MAX: usize = 500;
/// API keys of one agent: the active one, the next one, and older ones that still overlap.
pub const KEYS_PER_AGENT_MAX: usize = 8;
/// Accounts that may sign in for one agent. More people than a team should be a group at the
/// identity provider.
pub const MCP_ACCOUNTS_MAX: usize = 64;
/// Bytes of one account: an e-mail address has at most 254 (RFC 5321), an OpenID subject 255.
pub const MCP_ACCOUNT_BYTES_MAX: usize = 255;
/// Bytes of an MCP URL, which is a parameter of every authorization request.
pub const MCP_URL_BYTES_MAX: usize = 512;
/// The answer to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The version of the state that contains the write, which is on disk and enforced.
    pub version: u64,
    /// Why the MCP endpoint of an agent was not taken, if the rest of the write was.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "answer::optional_reason")]
    pub endpoint: Option<Reason>,
    /// Whether the write changed anything. Absent: the writer named no owner, or the relay is
    /// older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
}

impl Applied {
    /// A write that was applied as a whole.
    #[must_use]
    pub const fn at(version: u64) -> Self {
        Self { version, endpoint: None, changed: None }
    }
}

/// The fate of an entry's content when the entry is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// Keys, sessions, grants and the MCP endpoint end. The record, the root key and the mailbox
    /// stay, and the entry belongs to nobody until somebody claims it.
    Retain,
    /// Nothing stays.
    Purge,
}

impl DeletionPolicy {
    /// The value of `policy` in a query.
    #[must_use]
    pub const fn as_query(self) -> &'static str {
        match self {
            Self::Retain => "retain",
            Self::Purge => "purge",
        }
    }
}

/// A tenant as an administrator declares it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TenantSpec {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    #[serde(default)]
    pub suspended: bool,
    /// How many agents may exist at once. When it is absent, only the relay's own limit holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents_max: Option<u32>,
    /// The policy of a `DELETE` that names none. When it is absent, the tenant is purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// A tenant as the relay reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantView {
    pub tenant: TenantId,
    #[serde(deserialize_with = "answer::tenant_spec")]
    pub spec: TenantSpec,
    /// How many agents exist.
    pub agents: u64,
    /// `None`: the tenant was released, or was made before owners were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// [`TenantSpec::digest`] of what the relay holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// An agent with its API keys. One write carries all of it, so that a revocation is one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentSpec {
    /// The only root key (Multikey) that may register. When it is absent, the first one that
    /// registers is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key: Option<String>,
    /// The card that discovery shows until the agent registers one. A member that is set here
    /// replaces that member of the registered card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
    #[serde(default)]
    pub suspended: bool,
    /// At most [`KEYS_PER_AGENT_MAX`]. A key that is not in the list is revoked.
    #[serde(default)]
    pub keys: Vec<AgentKey>,
    /// The MCP endpoint that people may sign in for. When it is absent, there is none, and earlier
    /// grants for it are revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<McpSpec>,
    /// The policy of a `DELETE` that names none. When it is absent, the agent is purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// An API key of an agent, by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentKey {
    pub sha256: KeyHash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixSeconds>,
}

/// Suspends or resumes an agent and changes nothing else, for a caller that does not hold the
/// hashes of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspension {
    pub suspended: bool,
}

/// An agent as the relay reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentView {
    pub did: Did,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "answer::card")]
    pub card: Option<Card>,
    pub suspended: bool,
    pub keys: Vec<KeyView>,
    /// Whether the agent has registered a record.
    pub registered: bool,
    pub online: bool,
    /// How many messages wait in the agent's mailbox.
    pub pending: u64,
    /// `None`: the agent was released, or was made before owners were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// [`AgentSpec::digest`] of what the relay holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// An agent's MCP endpoint and the accounts that may sign in to use it. People with an invitation
/// may too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpSpec {
    /// The resource (RFC 8707) and the audience of its access tokens, compared byte for byte. It is
    /// `https`, or `http` on loopback, has at most [`MCP_URL_BYTES_MAX`] bytes and no query,
    /// fragment or credentials, and belongs to one agent.
    pub url: String,
    /// E-mail addresses that the OpenID provider has verified, or its subjects (`sub`); at most
    /// [`MCP_ACCOUNTS_MAX`]. An account that is removed loses access at once.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Where the relay's MCP gateway reaches the endpoint, with the same rules as `url`; absent:
    /// the gateway does not serve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// An API key of a tenant. It connects as any of the tenant's agents, and pins the root key of one
/// that registers first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeySpec {
    pub sha256: KeyHash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixSeconds>,
}

/// An API key as the relay reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    pub key_id: KeyId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixSeconds>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The value of `after` for the next page; absent: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A refusal over HTTP (RFC 9457), by the admin API and by the public listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Always `about:blank`, because `reason` identifies the problem.
    pub r#type: String,
    pub title: String,
    pub status: u16,
    #[serde(deserialize_with = "answer::reason")]
    pub reason: Reason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The limit that the request met, with the members of the quota of an error.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "quota::known")]
    pub quota: Option<Quota>,
}

impl Problem {
    /// A problem with the reason's status and advice.
    #[must_use]
    pub fn new(reason: Reason, detail: Option<String>) -> Self {
        Self {
            r#type: "about:blank".into(),
            title: reason.advice().into(),
            status: reason.http_status(),
            reason,
            detail,
            quota: None,
        }
    }

    /// The same problem with the limit that was met.
    #[must_use]
    pub const fn with_quota(mut self, quota: Option<Quota>) -> Self {
        self.quota = quota;
        self
    }
}
