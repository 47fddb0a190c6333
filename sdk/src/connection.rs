//! The connection task: dials the relay, registers, runs a session, and reconnects with backoff.

mod dial;
mod disconnect;
pub(crate) mod first_connection;
mod handshake;
pub(crate) mod key_rotation;
mod own_record;
mod reconnect;
mod request_queue;
mod session;
mod session_driver;
mod session_health;
mod supervisor;
mod upgrade_refusal;

pub(crate) use supervisor::spawn;
