//! The decision whether data outlives the object that it belongs to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether data is kept when its object is deleted. `Retain` is the default everywhere, because a
/// deletion can be a mistake, such as a prune of a GitOps tool, and a lost key or mailbox cannot
/// come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum DeletionPolicy {
    #[default]
    Retain,
    Purge,
}
