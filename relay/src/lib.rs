//! The msg2agent relay: who may connect, what is stored for whom, and the sockets between.

pub mod directory;
pub mod store;
