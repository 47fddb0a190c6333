//! The MCP endpoint of one msg2agent agent, and the gateway in front of many endpoints. An endpoint
//! offers tools that send and read messages and find other agents, over stdio or streamable HTTP.
//!
//! Reading order: [`settings`], [`server`], [`tool`], [`network`], [`relay_connection`],
//! [`message_store`], [`inbox`], [`tasks`], [`endpoint`], [`http`]; then [`gateway`].

pub mod caller;
pub mod change_feed;
pub mod clock;
pub mod database;
pub mod endpoint;
pub mod gateway;
pub mod http;
pub mod inbox;
pub mod message_store;
pub mod metrics;
pub mod network;
mod process;
pub mod relay_connection;
pub mod resource;
pub mod scope;
pub mod server;
pub mod settings;
pub mod tasks;
mod text_part;
pub mod tool;
pub mod tool_error;
mod trace;
pub mod view;

#[cfg(test)]
mod fixtures;
