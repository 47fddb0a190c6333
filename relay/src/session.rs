//! Runs one connection from the upgrade to its end: decodes frames, executes them on the hub, and
//! registers the agent.
//!
//! A connection begins as an [`UnregisteredConnection`](unregistered::UnregisteredConnection),
//! which registering consumes into a [`RegisteredConnection`](registered::RegisteredConnection).

mod challenge;
mod connection_task;
mod discovery;
mod frame_reader;
mod read_buffer;
mod registered;
mod request;
mod request_handler;
mod request_rate;
mod serve;
mod text_frames;
mod trace;
mod unregistered;

pub(crate) use serve::serve;
