//! The msg2agent relay: who may connect, what is stored for whom, and the sockets between.

pub mod admin;
mod bearer;
pub mod cli;
pub mod config;
pub mod core;
pub mod directory;
pub mod http;
pub mod hub;
pub mod identity;
pub mod mailbox;
pub mod oauth;
mod problem;
mod session;
#[cfg(test)]
mod simulator;
pub mod startup;
pub mod store;
mod token_file;
