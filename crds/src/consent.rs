//! Who may refer to an object. Consent stands on the side that gives something away; the default is its own namespace.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The namespaces from which objects may refer to this one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.from == 'Selector' ? has(self.selector) : !has(self.selector)").message("selector goes with from: Selector, and only with it"),
    validation = Rule::new("self.from == 'Names' ? has(self.names) && size(self.names) > 0 : !has(self.names) || size(self.names) == 0").message("names go with from: Names, and only with it"),
)]
pub struct AllowedFrom {
    /// `Same`: this object's own namespace. `Names`: the namespaces listed in `names`. `Selector`: namespaces whose labels
    /// match `selector`. `All`: every namespace. The object's own namespace is always allowed.
    #[serde(default)]
    pub from: From,
    /// Namespace names, with `from: Names`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub names: Vec<String>,
    /// Selector on namespace labels, with `from: Selector`. A change of labels or selector takes effect at once: agents that
    /// lose consent lose access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How [`AllowedFrom`] chooses namespaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum From {
    #[default]
    Same,
    Names,
    Selector,
    All,
}
