//! The errors of an admin's request about invitations.

use protocol::Reason;
use protocol::admin::MAX_INVITATION_TTL_SECONDS;

/// The most invitations of one tenant. Used ones count, because each of them is a person with
/// access.
pub(super) const INVITATIONS_PER_TENANT_MAX: u64 = 1000;

/// Why an admin's request about invitations was refused.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// There is no such tenant, or it has no such agent.
    #[error("the tenant or its agent does not exist")]
    FindAgent,
    /// The lifetime is out of range.
    #[error("expiresInSeconds must be 1 to {MAX_INVITATION_TTL_SECONDS}")]
    SetExpiry,
    /// The id of a declared invitation is malformed.
    #[error(
        "the id of a declared invitation must be a DNS label: 1 to 63 of a-z, 0-9 and -, with no - at its ends"
    )]
    SetId,
    /// The expiry of a declared invitation is too far away.
    #[error("notAfter must be at most {MAX_INVITATION_TTL_SECONDS} seconds from now")]
    SetNotAfter,
    /// The code belongs to another invitation.
    #[error("another invitation has this code")]
    SetCode,
    /// The tenant has as many invitations as it may have.
    #[error("the tenant has {INVITATIONS_PER_TENANT_MAX} invitations; delete some")]
    QuotaExceeded,
    /// The database failed.
    #[error("the invitations could not be stored")]
    Store(#[from] sqlx::Error),
}

impl InvitationError {
    /// The reason in the admin API.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::FindAgent => Reason::NotFound,
            Self::SetExpiry | Self::SetId | Self::SetNotAfter | Self::SetCode => Reason::InvalidParams,
            Self::QuotaExceeded => Reason::QuotaExceeded,
            Self::Store(_) => Reason::StorageUnavailable,
        }
    }
}
