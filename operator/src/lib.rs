//! The msg2agent operator: brings what `Relay`, `Tenant` and `Agent` objects say to the cluster and to the relays.
//!
//! Every kind goes the same way: observe, plan (pure), apply, report. Reading order: [`startup`], [`world`], [`queue`],
//! [`controller`], then a kind: [`relay`], [`tenant`], [`agent`].

pub mod agent;
pub mod apply;
pub mod backoff;
pub mod certificate;
pub mod check;
pub mod claim;
pub mod conditions;
pub mod consent;
pub mod context;
pub mod controller;
pub mod error;
pub mod finalizer;
pub mod fleet;
pub mod index;
pub mod key;
pub mod lease;
pub mod metrics;
pub mod network_policy;
pub mod pod;
pub mod programming;
pub mod queue;
pub mod rbac;
pub mod relay;
pub mod relay_client;
pub mod secret;
pub mod settings;
pub mod startup;
pub mod status;
pub mod teardown;
pub mod tenant;
pub mod world;
