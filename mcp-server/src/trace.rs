//! Distributed tracing of tool calls (W3C Trace Context). The caller sends its trace in the `_meta`
//! of the request (MCP 2026-07-28, SEP-414) or in the header `traceparent`. The span of the call
//! continues that trace and passes it on to the relay.

use std::future::Future;

use axum::http::request::Parts;
use daemon::telemetry::{continue_trace, traceparent};
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use tracing::Instrument as _;

use crate::tool::Toolbox;

const HEADER: &str = "traceparent";

/// Runs a call in a span of its own. The span records the tool's name, and neither arguments nor
/// content.
pub(crate) async fn in_call_span<T>(
    tool: &str,
    context: &RequestContext<RoleServer>,
    call: impl Future<Output = T>,
) -> T {
    // An unknown name is the caller's own text, which must not reach the traces.
    let tool = if Toolbox::scope(tool).is_some() { tool } else { "unknown" };
    let span = tracing::info_span!("tools/call", tool, otel.kind = "server");
    let header = || context.extensions.get::<Parts>()?.headers.get(HEADER)?.to_str().ok();
    if let Some(parent) = context.meta.get_traceparent().or_else(header) {
        continue_trace(&span, parent);
    }
    let onward = traceparent(&span);
    msg2agent::traced(onward, call.instrument(span)).await
}
