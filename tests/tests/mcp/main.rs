//! The MCP server as a process between a real relay and real clients: our own HTTP calls, and Claude Code.

mod claude_code;
mod durability;
mod endpoint;
mod messages;
mod secrecy;
mod session;
