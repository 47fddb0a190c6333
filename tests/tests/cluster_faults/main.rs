//! Kills and pauses processes of the product on a real cluster and shows what holds then.
//!
//! The cluster of the operator suite. The node must run on this machine, because processes are
//! found from outside their pods.

mod canary;
mod conversation;
mod leader;
mod operator_killed;
mod relay_killed;
mod relay_pod;
