//! Continues the trace of a send whose id carries a trace context (docs/protocol.md, section 4), if
//! traces are exported.

use daemon::telemetry::continue_trace;
use protocol::frame::traceparent_of;
use tracing::Span;

use super::request::ClientRequest;
use crate::core::RequestId;

/// The span contains nothing of the message: a trace collector must not see which agents exchange
/// messages.
pub(super) fn send_span(request: &ClientRequest<'_>) -> Option<Span> {
    let ClientRequest::Send { id: RequestId::Json(id), .. } = request else { return None };
    let traceparent = traceparent_of(id)?;
    let span = tracing::info_span!("message.send", otel.kind = "server");
    continue_trace(&span, traceparent);
    Some(span)
}
