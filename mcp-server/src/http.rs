//! The parts that the two public HTTP servers share: the endpoint and the gateway.

pub mod bearer_token;
pub mod inactive;
pub mod metadata;
pub mod outbound;
pub mod problem;
pub mod rejection;
pub mod server_card;
pub mod small_body;
pub mod unverified_token;
pub mod via;

/// Where MCP is served.
pub const MCP_PATH: &str = "/mcp";
/// The same place with the slash that people append and some clients keep: a 404 there would not
/// say where to sign in.
pub const MCP_PATH_WITH_SLASH: &str = "/mcp/";
