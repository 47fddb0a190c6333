//! The msg2agent SDK: agents that find each other by DID or capability, and exchange signed,
//! end-to-end encrypted messages, also while one of them is offline.
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
//! # Examples
//!
//! | to | call | program in `sdk/examples` |
//! |---|---|---|
//! | connect and send | [`Agent::connect`], [`Agent::send`] | `connect_and_send` |
//! | request an answer | [`Agent::request`] | `request_and_answer` |
//! | receive and acknowledge | [`Agent::inbox`], [`Message::ack`] | `receive_and_acknowledge` |
//! | give another agent a task, and work on one | [`task`], [`WorkerTask`] | `tasks` |
//! | prove and verify messages | [`Agent::prove`], [`proof::verify`] | `prove_and_verify` |
//!
//! # Delivery contract
//! - A send that resolved to [`SendStatus::Stored`] or [`SendStatus::Delivered`] is not lost,
//!   except when its TTL expires or the recipient is removed; a [`Notice`] then says so.
//! - A send whose future has not resolved is **not promised**: it may or may not have arrived.
//!   Repeat it with the same id ([`SendOptions::id`], [`Error::message_id`]). The relay keeps one
//!   of both, and answers `duplicate_id` if it had accepted the first. While the future lives, this
//!   crate repeats the same bytes after a reconnect, and that answer does not occur.
//! - Delivery to [`Message::ack`] is at least once. This crate's dedup makes it exactly once,
//!   within the bounds that [`inbox`] states. Messages of one sender arrive in the order in which
//!   the relay accepted them.
//! - Events and typing indicators are ephemeral: at most once, never stored.
//!
//! Reading order: [`agent`], [`config`], [`message`], [`inbox`]; then `connection`, which owns the
//! socket.

pub mod agent;
pub mod config;
pub mod error;
pub mod evidence;
pub mod inbox;
pub mod key_file;
pub mod message;
pub mod notice;
pub mod private_file;
pub mod refusal;
pub mod sent;
pub mod state_machine;
pub mod token;
pub mod trace;
pub mod worker_task;

mod agent_state;
mod clock;
mod connection;
mod connection_state;
mod contacts;
mod delivery;
#[cfg(feature = "direct")]
mod direct;
mod line_file;
mod pending_requests;
mod rpc;
mod sender;
mod state_dir;
mod tls;

pub use agent::{Agent, Contact, Exchange, RequestOutcome, Trust, Whoami};
pub use clock::Clock;
pub use config::{Config, KeySource};
pub use connection_state::{ConnectionState, Session};
pub use error::{Error, ErrorKind};
pub use evidence::Evidence;
pub use inbox::Inbox;
pub use message::Message;
pub use notice::{Notice, Notices};
pub use protocol::direct::{DirectEndpoint, DirectRefusal};
pub use protocol::envelope::{Content, MessageId, MessageType};
pub use protocol::frame::{DiscoveredAgent, Outcome, SendStatus};
pub use protocol::quota::{Plan, Quota, QuotaName};
pub use protocol::record::{Capability, Card, Discovery};
pub use protocol::refusal::RefusalReason;
pub use protocol::{Did, Identity, Reason, multikey, proof, task};
pub use refusal::{DiscardReason, Refusal, Refusals};
pub use sender::SendOptions;
pub use sent::{Path, PathChoice, Sent};
pub use token::TokenSource;
pub use trace::traced;
pub use worker_task::{ArtifactTitle, WorkerTask};
