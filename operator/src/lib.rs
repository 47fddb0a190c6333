//! The msg2agent operator: reconciles `Relay`, `Tenant` and `Agent` objects with the cluster and
//! the relays.
//!
//! Every kind is reconciled in the same steps: observe, decide (pure functions), apply, report the
//! status. Reading order: [`commands::run`], [`startup`], [`watches`], [`queue`], [`controller`],
//! then a kind: [`relay`], [`tenant`], [`agent`].

pub mod agent;
pub mod apply;
pub mod backoff;
pub mod caches;
pub mod certificate;
pub mod claimants;
pub mod clock;
pub mod clock_steps;
pub mod collected_errors;
pub mod commands;
pub mod component;
pub mod conditions;
pub mod consent;
pub mod context;
pub mod controller;
pub mod definitions;
pub mod deleted_objects;
pub mod deletion_policy;
pub mod error;
pub mod event_queue;
pub mod fenced_client;
pub mod fenced_relay_api;
pub mod finalizer;
pub mod fingerprints;
pub mod first_attempts;
pub mod index;
pub mod installations;
pub mod issued_keys;
pub mod jitter;
pub mod lease;
pub mod metrics;
pub mod network_policy;
pub mod object_key;
pub mod observed;
pub mod ownership;
pub mod paused;
pub mod pod;
pub mod pod_template;
pub mod pod_user;
pub mod preconditions;
pub mod programming;
pub mod queue;
pub mod rbac;
pub mod refusal;
pub mod relay;
pub mod relay_api;
pub mod relay_client;
pub mod relay_replicas;
pub mod rollout;
pub mod secret;
pub mod sent_statuses;
pub mod settings;
pub mod settled_secrets;
#[cfg(test)]
mod simulator;
pub mod startup;
pub mod status_writer;
pub mod teardown;
pub mod tenant;
pub mod tls_secret;
pub mod undecodable;
pub mod volume_growth;
pub mod watch_scope;
pub mod watch_store;
pub mod watches;
