//! The SDK against a scripted relay, where faults can be injected, and the command line as a process. The real relay comes in
//! the top-level tests.

mod cli;
mod connection;
mod identities;
mod inbox;
mod peer;
mod requests;
mod sending;
mod verify;
