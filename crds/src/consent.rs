//! Consent to references from other namespaces. The object that is referred to grants it. By
//! default only its own namespace may refer to it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The namespaces from which objects may refer to this one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.from == 'Selector' ? has(self.selector) : !has(self.selector)").message("selector is required with from: Selector, and only allowed with it"),
    validation = Rule::new("self.from == 'Names' ? has(self.names) && size(self.names) > 0 : !has(self.names) || size(self.names) == 0").message("names are required with from: Names, and only allowed with it"),
)]
pub struct AllowedFrom {
    /// How namespaces are chosen. `Same`: only this object's own namespace. `Names`: the namespaces
    /// in `names`. `Selector`: the namespaces whose labels match `selector`. `All`: every
    /// namespace. The object's own namespace is always allowed.
    #[serde(default)]
    pub from: From,
    /// Names of namespaces, with `from: Names`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub names: Vec<String>,
    /// A selector on the labels of namespaces, with `from: Selector`. A change of the labels or of
    /// the selector takes effect at once: agents that lose consent lose access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How namespaces are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum From {
    #[default]
    Same,
    Names,
    Selector,
    All,
}
