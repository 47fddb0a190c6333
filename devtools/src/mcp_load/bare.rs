//! Serves the comparison: rmcp's own server with one tool that does nothing, without
//! authentication, agent or relay.

use anyhow::Context as _;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};

#[derive(Clone)]
struct Bare;

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        _request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text("ok")]).into())
    }
}

/// Serves on this port of loopback until the process ends.
///
/// # Errors
/// The port is taken.
pub async fn serve(port: u16) -> anyhow::Result<()> {
    let config =
        StreamableHttpServerConfig::default().with_legacy_session_mode(true).with_json_response(true);
    let service = StreamableHttpService::new(|| Ok(Bare), LocalSessionManager::default().into(), config);
    let router = axum::Router::new().route_service("/mcp", service);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.context("listen")?;
    // As ours does; without it, Nagle's algorithm costs each call 40 ms.
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await.context("serve")
}
