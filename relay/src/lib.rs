//! The msg2agent relay: authenticates agents, forwards their messages, and stores those that wait.
//!
//! The modules from bottom to top: [`core`] decides, [`store`] and [`message_store`] persist,
//! [`directory`] knows tenants, agents and keys, [`hub`] runs the core over connections, `session`
//! runs one connection, [`http`] and [`admin`] are the two listeners, [`startup`] connects all
//! parts. The authorization server is a separate crate, which `authorization` mounts.

pub mod admin;
mod authorization;
pub mod cli;
mod clock;
pub mod config;
pub mod core;
pub mod directory;
pub mod http;
pub mod hub;
pub mod identity;
pub mod message_store;
mod poison;
mod problem;
mod session;
#[cfg(test)]
mod simulator;
pub mod startup;
pub mod store;
pub mod stream_wrapper;
pub mod vital_tasks;
