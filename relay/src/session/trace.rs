//! A send whose id names a trace (docs/protocol.md, section 4) is a span of that trace, where traces are exported.

use daemon::telemetry::continue_trace;
use protocol::frame::traceparent_of;
use tracing::Span;

use super::request::Request;
use crate::core::RequestId;

/// The span holds nothing of the message: the relay's collector need not know who writes to whom.
pub(super) fn span_of(request: &Request<'_>) -> Option<Span> {
    let Request::Send { id: RequestId::Json(id), .. } = request else { return None };
    let traceparent = traceparent_of(id)?;
    let span = tracing::info_span!("message.send", otel.kind = "server");
    continue_trace(&span, traceparent);
    Some(span)
}
