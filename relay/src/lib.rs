//! The msg2agent relay: who may connect, what is stored for whom, and the sockets between.

pub mod admin;
mod authorization;
pub mod cli;
pub mod config;
pub mod core;
pub mod directory;
pub mod http;
pub mod hub;
pub mod identity;
pub mod mailbox;
mod problem;
mod session;
#[cfg(test)]
mod simulator;
pub mod startup;
pub mod store;
mod token_file;
