//! The PersistentVolumeClaim of a relay's store or of an MCP endpoint.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// The size as a Kubernetes quantity. It may grow if the StorageClass allows the expansion of
    /// volumes, and it never shrinks.
    #[serde(default = "default_size")]
    #[schemars(length(max = 20), regex(pattern = "^[1-9][0-9]*(Mi|Gi|Ti)$"))]
    pub size: String,
    /// The StorageClass. Defaults to the cluster's default. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

impl Default for Volume {
    fn default() -> Self {
        Self { size: default_size(), storage_class_name: None }
    }
}

fn default_size() -> String {
    "1Gi".to_owned()
}
