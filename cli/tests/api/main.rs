//! Runs `m2a` as a process. The top-level `processes` suite adds a real relay.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up should fail on the spot"
)]

mod direct;
mod document_site;
mod process;
mod profiles;
mod proof;
mod verify;
mod verify_online;
