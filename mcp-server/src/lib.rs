//! The MCP endpoint of one msg2agent agent, and the gateway in front of many: tools to send and read messages and to find other agents, over stdio and
//! streamable HTTP.
//!
//! Reading order: [`settings`], [`server`], [`tool`], [`network`], [`mailbox`], [`tasks`], [`http`], [`process`]; then [`gateway`].

pub mod caller;
pub mod changes;
pub mod clock;
pub mod gateway;
pub mod http;
pub mod inbox;
pub mod mailbox;
pub mod metrics;
pub mod network;
pub mod process;
pub mod refusal;
pub mod resource;
pub mod scope;
pub mod server;
pub mod settings;
pub mod store;
pub mod tasks;
pub mod tool;
mod trace;
pub mod view;

#[cfg(test)]
mod sample;
