//! The msg2agent relay: who may connect, what is stored for whom, and the sockets between.

pub mod core;
pub mod directory;
pub mod mailbox;
#[cfg(test)]
mod simulator;
pub mod store;
