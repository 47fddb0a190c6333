//! Serves the Agent2Agent protocol (A2A 1.0 and 0.3) in front of the agents of a tenant.
//!
//! [`model`] holds the messages of the specification and reads them by the rules of ProtoJSON.
//! [`service::TaskService`] is what a gateway does with them; the bindings call it and nothing
//! else. [`caller::CallerCheck`] says who calls before the service is asked.

pub mod agent_message;
pub mod caller;
pub mod caller_check;
pub mod card;
pub mod clock;
pub mod error;
pub mod gateway;
pub mod http;
pub mod model;
pub mod network;
pub mod operation;
pub mod process;
pub mod proto_json;
pub mod relay_connection;
pub mod service;
pub mod settings;
pub mod store;
pub mod task_machine;
mod v03;
pub mod webhook;
