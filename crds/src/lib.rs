//! The custom resources of msg2agent: `Relay`, `Tenant` and `Agent` of `msg2agent.xyz/v1alpha1`.
//!
//! The Rust types are the source of the definitions. `crdgen` writes them as YAML into
//! `charts/msg2agent-crds/templates`, and a test keeps the files current. `kubectl explain` shows
//! the doc comments of fields. Rules that the API server can check are CEL rules here, each with a
//! refused manifest in `fixtures/`. The operator does not check them again.

#![expect(unreachable_pub, reason = "KubeSchema copies each struct into a function to derive its schema")]

pub mod agent;
pub mod condition;
pub mod consent;
pub mod deletion_policy;
pub mod duration;
pub mod fixtures;
pub mod gateway;
pub mod generate;
pub mod kinds_page;
pub mod label;
pub mod name;
pub mod oauth;
pub mod pod_template;
pub mod public_host;
pub mod public_url;
pub mod reference;
pub mod relay;
pub mod relay_limits;
pub mod relay_status;
pub mod store;
pub mod tenant;
pub mod volume;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

pub use agent::{Agent, AgentSpec, AgentStatus};
pub use consent::AllowedFrom;
pub use deletion_policy::DeletionPolicy;
pub use duration::Duration;
pub use pod_template::PodTemplate;
pub use public_host::PublicHost;
pub use public_url::PublicUrl;
pub use reference::{RelayRef, TenantRef};
pub use relay::{Relay, RelaySpec};
pub use relay_limits::RelayLimits;
pub use relay_status::RelayStatus;
pub use store::Store;
pub use tenant::{Tenant, TenantSpec, TenantStatus};
pub use volume::Volume;

/// The API group of every kind.
pub const GROUP: &str = "msg2agent.xyz";
/// The only version, which is served and stored.
pub const VERSION: &str = "v1alpha1";
/// The annotation of a definition with the version of the release that wrote it.
pub const SCHEMA_ANNOTATION: &str = "msg2agent.xyz/schema";
/// The value of [`SCHEMA_ANNOTATION`] for the definitions of this release.
pub const SCHEMA_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The definitions of all kinds, in the order in which people create the objects.
#[must_use]
pub fn definitions() -> [CustomResourceDefinition; 3] {
    [Relay::crd(), Tenant::crd(), Agent::crd()]
}
