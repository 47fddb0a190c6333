//! The charts, rendered by Helm 3 and Helm 4: what stands in them, what they refuse, and what they open.

mod golden;
mod helm;
mod network;
mod pod_security;
mod reachability;
mod roles;
mod values;
