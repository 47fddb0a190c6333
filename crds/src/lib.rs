//! The custom resources of msg2agent: `Relay`, `Tenant` and `Agent` of `msg2agent.xyz/v1alpha1`.
//!
//! The Rust types are the source; the YAML in `charts/msg2agent-crds/templates` is written from them by `crdgen` and a test
//! keeps it current. Every doc comment on a field is what `kubectl explain` shows. A rule that the API server can check
//! stands here as CEL, with an accepted and a refused manifest in `fixtures/`; the operator repeats none of it.

#![expect(unreachable_pub, reason = "KubeSchema copies each struct into a function to derive its schema")]

pub mod agent;
pub mod condition;
pub mod consent;
pub mod fixtures;
pub mod gateway;
pub mod generate;
pub mod label;
pub mod name;
pub mod oauth;
pub mod reference;
pub mod relay;
pub mod tenant;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

pub use agent::{Agent, AgentSpec, AgentStatus};
pub use consent::AllowedFrom;
pub use reference::{RelayRef, TenantRef};
pub use relay::{Relay, RelaySpec, RelayStatus};
pub use tenant::{Tenant, TenantSpec, TenantStatus};

/// The API group of every kind.
pub const GROUP: &str = "msg2agent.xyz";
/// The only version served and stored.
pub const VERSION: &str = "v1alpha1";

/// The definition of every kind, in the order in which a person meets them.
#[must_use]
pub fn definitions() -> [CustomResourceDefinition; 3] {
    [Relay::crd(), Tenant::crd(), Agent::crd()]
}
