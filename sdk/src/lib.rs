//! The msg2agent SDK: an agent that finds others by DID or capability and exchanges end-to-end encrypted, signed messages
//! with them, also when the other side is asleep.
//!
//! ```no_run
//! # async fn first_message() -> Result<(), msg2agent::Error> {
//! use msg2agent::{Agent, Config, Content};
//!
//! let agent = Agent::connect(Config::from_dir("/var/run/msg2agent")?).await?;
//! let bob = "did:wba:relay.example:agent:acme:bob".parse()?;
//! let sent = agent.send(&bob, Content::text("hi")).await?;
//! println!("{} is {:?}", sent.id, sent.status);
//! # Ok(()) }
//! ```
//!
//! # Delivery contract
//! - A send that resolved to [`Status::Stored`] or [`Status::Delivered`] is not lost, except by its TTL or the removal of the
//!   recipient, and then a [`Notice`] says so. A send whose future has not resolved is **not promised**: it may or may not
//!   have arrived. Send it again with the same id ([`SendOptions::id`], [`Error::message_id`]): the relay keeps one of them,
//!   and answers `duplicate_id` when it had taken the first. While the future lives, this crate repeats the very bytes by
//!   itself after a reconnect, and that answer does not occur.
//! - At least once from there to [`Message::ack`]; exactly once after this crate's dedup, inside its window (see
//!   [`inbox`]). Messages of one sender arrive in the order in which the relay took them.
//! - Events and typing are ephemeral: at most once, never stored.
//!
//! Reading order: [`agent`], [`config`], [`message`], [`inbox`]; then `connection`, which owns the socket.

pub mod agent;
pub mod config;
pub mod error;
pub mod evidence;
pub mod inbox;
pub mod key_file;
pub mod message;
pub mod notice;
pub mod refusal;
pub mod sent;
mod shared;
pub mod token;
pub mod trace;

mod call;
mod clock;
mod connection;
mod contacts;
mod outbox;
mod state_dir;
mod tls;
mod waiters;

pub use agent::{Agent, Asked, Contact, Exchange, SendOptions, Whoami};
pub use config::{Config, KeySource};
pub use connection::{Link, Session};
pub use error::{Error, ErrorKind};
pub use evidence::Evidence;
pub use inbox::Inbox;
pub use message::Message;
pub use notice::{Notice, Notices};
pub use protocol::envelope::{Content, MessageId, MessageType};
pub use protocol::frame::{DiscoveredAgent, Outcome, SendStatus as Status};
pub use protocol::quota::{Plan, Quota, QuotaName};
pub use protocol::record::{Capability, Card, Discovery};
pub use protocol::{Did, Identity, Reason, task};
pub use refusal::{Refusal, RefusalReason, Refusals};
pub use sent::Sent;
pub use token::TokenSource;
pub use trace::traced;
