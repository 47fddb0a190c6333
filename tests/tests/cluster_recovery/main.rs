//! Shows on a real cluster that what an operator does not know harms nobody: forged objects, moved
//! objects, a leader that was killed, objects deleted while no operator ran, restored objects and
//! volumes.
//!
//! The cluster of the operator suite. The node must run on this machine, because processes are
//! found from outside their pods.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail on the spot")]

mod absent_operator;
mod agent_state;
mod backup;
mod child_objects;
mod children;
mod deleted_namespace;
mod deleted_relay;
mod failover;
mod forged_objects;
mod image_typo;
mod lost_identity;
mod made_by_hand;
mod moved_tenant;
mod operator_writes;
mod orphaned_agent;
mod refused_children;
mod restored_cluster;
mod restored_objects;
mod restored_volume;
mod rollout_waves;
mod rotation_under_load;
mod session;
mod version_skew;
mod volume_copy;
mod write_plan;
