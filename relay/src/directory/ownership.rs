//! Records who a tenant or an agent belongs to.

use protocol::UnixSeconds;
use protocol::admin::Owner;

/// Who an entry belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ownership {
    /// Nobody: it was made before owners were recorded, or by a request that named none.
    #[default]
    Unrecorded,
    Owned(Owner),
    /// Nobody: it was deleted at this time and its content retained. It has no keys and is refused
    /// everywhere until somebody declares it again.
    Released(UnixSeconds),
}

impl Ownership {
    #[must_use]
    pub const fn owner(&self) -> Option<&Owner> {
        match self {
            Self::Owned(owner) => Some(owner),
            Self::Unrecorded | Self::Released(_) => None,
        }
    }

    #[must_use]
    pub const fn is_released(&self) -> bool {
        matches!(self, Self::Released(_))
    }
}
