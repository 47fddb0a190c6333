//! W3C Trace Context (level 1) at the edges of the process: continues a trace from another process,
//! and passes it on to the next one.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Makes `span` part of the trace of this `traceparent`. Does nothing if the value is malformed, or
/// if no traces are exported.
pub fn continue_trace(span: &Span, traceparent: &str) {
    if let Some(parent) = parse(traceparent) {
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// The `traceparent` with which others continue the trace of `span`; `None` if the span is not
/// exported.
#[must_use]
pub fn traceparent(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    (context.is_valid() && context.is_sampled())
        .then(|| format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags()))
}

/// Parses `<version>-<trace id>-<parent id>-<flags>` in lower-case hexadecimal. Later versions may
/// append members (section 4.1).
fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut members = traceparent.split('-');
    let (version, trace) = (hex(members.next()?, 2)?, hex(members.next()?, 32)?);
    let (span, flags) = (hex(members.next()?, 16)?, hex(members.next()?, 2)?);
    if version == "ff" || (version == "00" && members.next().is_some()) {
        return None;
    }
    let trace = TraceId::from_hex(trace).ok()?;
    let span = SpanId::from_hex(span).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::default())).filter(SpanContext::is_valid)
}

fn hex(text: &str, digits: usize) -> Option<&str> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (text.len() == digits && is_hex).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_specification_is_read() {
        let context = parse(GOOD).unwrap();
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
        assert!(context.is_sampled() && context.is_remote());
        assert!(!parse(&GOOD.replace("-01", "-00")).unwrap().is_sampled());
        assert!(parse(&format!("{}-more", GOOD.replacen("00", "cc", 1))).is_some(), "a later version");
    }

    #[test]
    fn anything_else_begins_a_trace_of_its_own() {
        let zeros = |digits: usize| "0".repeat(digits);
        for bad in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &format!("{GOOD}-more"),
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros(32)),
            &GOOD.replace("00f067aa0ba902b7", &zeros(16)),
            &GOOD.replace("4bf9", "4bf"),
            &GOOD.replace("4bf9", "+bf9"),
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
