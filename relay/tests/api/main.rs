//! Tests of the relay over its sockets. Each test runs its own relay, on free ports and an empty
//! folder.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail on the spot")]

mod admin;
mod agent;
mod announced_root_key;
mod batch;
mod binary;
mod budgets;
mod damaged_page;
mod deletion_policy;
mod delivery;
mod documents;
mod frames;
mod frames_in_pieces;
mod harness;
mod killed;
mod listener;
mod oauth;
mod owners;
mod previous_version;
mod refused_messages;
mod registration;
mod resource_exhaustion;
mod restart;
mod sessions;
mod shares;
mod silent;
mod slow_readers;
mod tls;
mod vital_tasks;
