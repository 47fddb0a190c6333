//! Carries a W3C trace context (level 1, version 00) in the id of a request:
//! `<traceparent>.<number>`.
//!
//! A relay echoes the id like every other id. A relay that exports traces continues the trace.

/// Bytes of a trace context: `00-<32 digits>-<16 digits>-<2 digits>`.
const TRACEPARENT_LENGTH: usize = 55;
/// The largest number that still fits the 64 bytes of an id.
const NUMBER_MAX: u64 = 99_999_999;

/// The id's JSON. It is the number alone when there is no trace context, or when the two do not
/// fit.
///
/// ```
/// use msg2agent_protocol::frame::{request_number, traced_id, traceparent_of};
///
/// let context = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let id = traced_id(17, Some(context));
/// assert_eq!(request_number(&id), Some(17));
/// assert_eq!(traceparent_of(&id), Some(context));
/// assert_eq!(traced_id(17, None), "17");
/// ```
#[must_use]
pub fn traced_id(number: u64, traceparent: Option<&str>) -> String {
    match traceparent.filter(|context| number <= NUMBER_MAX && is_context(context)) {
        Some(context) => format!(r#""{context}.{number}""#),
        None => number.to_string(),
    }
}

/// The number in an id that [`traced_id`] wrote.
#[must_use]
pub fn request_number(json: &str) -> Option<u64> {
    let number = split(json).map_or(json, |(_, number)| number);
    number.parse().ok()
}

/// The trace context in the id of a request, if it has one.
#[must_use]
pub fn traceparent_of(json: &str) -> Option<&str> {
    split(json).map(|(context, _)| context)
}

fn split(json: &str) -> Option<(&str, &str)> {
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    text.split_once('.').filter(|(context, _)| is_context(context))
}

fn is_context(text: &str) -> bool {
    let is_member = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    text.len() == TRACEPARENT_LENGTH && text.starts_with("00-") && text.bytes().all(is_member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Incoming;

    const CONTEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traced_id_is_an_id_like_every_other_and_is_read_back() {
        for number in [0, 17, NUMBER_MAX] {
            let id = traced_id(number, Some(CONTEXT));
            let frame = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
            let Ok(Incoming::Request { id: read, .. }) = Incoming::parse(&frame) else { panic!("{frame}") };
            assert_eq!(read.as_json(), id);
            assert_eq!((traceparent_of(&id), request_number(&id)), (Some(CONTEXT), Some(number)));
        }
    }

    #[test]
    fn what_does_not_fit_is_a_plain_number() {
        let long = format!("{CONTEXT}0");
        for (number, context) in [
            (NUMBER_MAX + 1, Some(CONTEXT)),
            (7, None),
            (7, Some("")),
            (7, Some(r#"00-""#)),
            (7, Some(long.as_str())),
        ] {
            let id = traced_id(number, context);
            assert_eq!((traceparent_of(&id), request_number(&id)), (None, Some(number)), "{id}");
        }
    }

    #[test]
    fn foreign_ids_name_no_trace() {
        for id in ["\"7\"", "\"a.7\"", "null", "", "\"", &format!("\"{CONTEXT}\"")] {
            assert_eq!(traceparent_of(id), None, "{id}");
        }
    }
}
