//! One connection from the upgrade to its end: bytes to frames, frames to the core, and the two things that take time,
//! registering and closing.
//!
//! One task per connection reads. Everybody writes to a connection: what is for it is appended to its out-buffer and then
//! written by whoever appended it, so that forwarding a message wakes no task. Only when the socket takes no more does the
//! connection's own task go on writing.

mod connection;
mod engine;
mod outgoing;
mod query;
mod register;
mod request;
mod serve;
mod trace;

pub(crate) use connection::Connection;
pub(crate) use serve::serve;

/// Anything a WebSocket runs on.
pub(crate) trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send> Stream for T {}
