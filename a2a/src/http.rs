//! The bindings over HTTP: one router for the cards, JSON-RPC and HTTP+JSON of all agents.

mod bindings;
mod body;
mod call_slots;
mod dispatch;
mod endpoint;
mod error_body;
mod event_order;
mod extensions;
mod jsonrpc;
mod publication;
mod reply;
mod rest;
mod route;
mod sse;
mod version;

pub use bindings::Bindings;
pub use body::{BODY_TIMEOUT, REQUEST_BYTES_MAX};
pub use call_slots::{CALLS_MAX, CALLS_PER_CALLER_MAX, STREAMS_MAX, STREAMS_PER_CALLER_MAX};
pub use endpoint::router;
pub use publication::CARD_TTL_SECONDS;
pub use sse::{KEEP_ALIVE_INTERVAL, STREAM_TTL};
