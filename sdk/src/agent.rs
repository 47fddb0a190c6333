//! The agent: a handle to one connection. It is cheap to clone.
//!
//! The connection lives until the last handle is dropped or [`Agent::close`] is called.

mod discovery;
mod handle;
mod proof;
mod request;
mod send;

pub use discovery::{Contact, Trust};
pub use handle::{Agent, Whoami};
pub use request::{Exchange, RequestOutcome};
