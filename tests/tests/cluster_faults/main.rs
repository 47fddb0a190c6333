//! What holds when a process of the product is killed or paused on a real cluster, and what a relay pod must never know.
//!
//! The cluster of the operator suite. The node must run on this machine, because processes are found from outside their pods.

mod canary;
mod conversation;
mod leader;
mod operator_killed;
mod operators;
mod relay_killed;
mod relay_pod;
