//! Direct connections: the agents prove their root keys to each other by TLS, and exchange the same
//! envelopes as through the relay.
//!
//! A task for each other agent decides which way its messages go; a task for each connection (a
//! link) reads and writes it; one task listens, and one syncs what must be on disk before it is
//! answered. All of them end with the agent.

mod advertised_address;
mod connection_limits;
mod dialer;
mod disk_task;
mod greeting;
mod kept_send;
mod link;
mod link_driver;
mod listener;
mod paths;
mod peer_event;
mod peer_task;
mod raw_key;
mod shared;

pub(crate) use listener::bind;
pub(crate) use paths::{DirectPaths, DirectSend};
