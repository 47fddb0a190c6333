//! Defines what a relay says about itself, by which a client knows what it may send.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::did::Domain;

/// The words of [`Version::capabilities`].
pub mod capability {
    /// The relay records owners, and knows the headers about them.
    pub const OWNERS: &str = "owners";
    /// The relay refuses former leaders.
    pub const TERMS: &str = "terms";
    /// The relay knows `PUT agents`.
    pub const BULK: &str = "bulk";
    /// The relay knows `deletionPolicy` and `DELETE ...?policy=`.
    pub const DELETION_POLICY: &str = "deletionPolicy";
    /// Views have digests.
    pub const DIGESTS: &str = "digests";
}

/// The state and the build that a relay serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Grows with every change. This replica enforces this version and all before it.
    pub version: u64,
    /// A random id made with the store. Another id means a new store without the earlier writes.
    pub instance: String,
    pub domain: Domain,
    /// The relay's version.
    pub build: String,
    /// Words of [`capability`] that the relay knows, and perhaps newer ones.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities: BTreeSet<String>,
}
