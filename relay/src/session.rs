//! Runs one connection from the upgrade to its end: decodes frames, executes them on the hub, and
//! registers the agent.
//!
//! A connection begins as an [`UnregisteredConnection`](unregistered::UnregisteredConnection),
//! which registering consumes into a [`RegisteredConnection`](registered::RegisteredConnection).

mod challenge;
mod connection_task;
mod discovery;
mod frame_reader;
mod registered;
mod request;
mod request_rate;
mod serve;
mod trace;
mod unregistered;
mod websocket_codec;

pub(crate) use serve::serve;
