//! Renders the charts with Helm 3 and Helm 4 and checks their contents, what they refuse, and what
//! they open.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod environment;
mod golden;
mod helm;
mod network;
mod pod_security;
mod reachability;
mod roles;
mod values;
