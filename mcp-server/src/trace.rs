//! The trace a call belongs to (W3C Trace Context): the caller names it in the `_meta` of the request (MCP 2026-07-28, SEP-414) or in
//! the header `traceparent`. It goes on in the call's span here, and in what the relay does for it.

use std::future::Future;

use axum::http::request::Parts;
use daemon::telemetry::{continue_trace, traceparent};
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use tracing::Instrument as _;

use crate::tool::Toolbox;

const HEADER: &str = "traceparent";

/// Does the work of a call in a span of its own. The span holds the name of the tool, and nothing of what was said.
pub(crate) async fn of_call<T>(
    tool: &str,
    context: &RequestContext<RoleServer>,
    work: impl Future<Output = T>,
) -> T {
    // A name that is none comes from the caller alone.
    let tool = if Toolbox::scope(tool).is_some() { tool } else { "unknown" };
    let span = tracing::info_span!("tools/call", tool, otel.kind = "server");
    let header = || context.extensions.get::<Parts>()?.headers.get(HEADER)?.to_str().ok();
    if let Some(parent) = context.meta.get_traceparent().or_else(header) {
        continue_trace(&span, parent);
    }
    let onward = traceparent(&span);
    msg2agent::traced(onward, work.instrument(span)).await
}
