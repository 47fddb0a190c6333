//! Scans a `message.send` request in one pass, without a copy.
//!
//! Nearly every frame that a relay reads is one, and its strings have no escapes. What the scanner
//! does not recognize is not refused: it is parsed by [`Incoming`](super::Incoming) and
//! [`Routing`], whose answer counts. Where the scanner recognizes a frame, both read the same.

use super::{RequestId, method};
use crate::envelope::{Class, MessageId, Routing};

mod json_cursor;

use json_cursor::JsonCursor;

/// A request to send a message. `envelope` is the JSON of `params`, as it arrived.
///
/// ```
/// use msg2agent_protocol::frame::SendFrame;
///
/// let text = r#"{"jsonrpc":"2.0","id":7,"method":"message.send","params":{
///     "to":"did:wba:example.com:agent:acme:bob","from":"did:wba:example.com:agent:acme:alice",
///     "id":"01a0f4c8-5c00-7000-8000-000000000000","class":"ephemeral",
///     "protected":"e30","body":"AA","signature":"AA"}}"#;
/// let frame = SendFrame::scan(text).expect("a request in its usual shape");
/// assert_eq!(frame.id.as_json(), "7");
/// assert_eq!(frame.routing.to, "did:wba:example.com:agent:acme:bob");
///
/// assert!(SendFrame::scan(r#"{"jsonrpc":"2.0","id":7,"method":"relay.discover"}"#).is_none());
/// ```
#[derive(Debug)]
pub struct SendFrame<'a> {
    pub id: RequestId<'a>,
    pub routing: Routing<'a>,
    pub envelope: &'a str,
}

impl<'a> SendFrame<'a> {
    /// Scans the text of one frame. `None` says only that it needs the general parser.
    #[must_use]
    pub fn scan(text: &'a str) -> Option<Self> {
        let mut cursor = JsonCursor::new(text);
        let (mut version, mut id, mut name, mut params) = (None, None, None, None);
        cursor.object(|cursor, member| match member {
            "jsonrpc" => once(&mut version, cursor.string()?),
            "id" => once(&mut id, request_id(cursor)?),
            "method" => once(&mut name, cursor.string()?),
            "params" => once(&mut params, cursor.with_text(routing)?),
            _ => None,
        })?;
        let (routing, envelope) = params?;
        let usual = cursor.is_at_end() && version == Some("2.0") && name == Some(method::SEND);
        usual.then_some(Self { id: id?, routing, envelope })
    }
}

fn request_id<'a>(cursor: &mut JsonCursor<'a>) -> Option<RequestId<'a>> {
    RequestId::new(cursor.digits().or_else(|| cursor.quoted())?)
}

fn routing<'a>(cursor: &mut JsonCursor<'a>) -> Option<Routing<'a>> {
    let (mut to, mut from, mut id, mut class, mut ttl) = (None, None, None, None, None);
    let (mut protected, mut body, mut signature) = (None, None, None);
    cursor.object(|cursor, member| match member {
        "to" => once(&mut to, cursor.string()?),
        "from" => once(&mut from, cursor.string()?),
        "id" => once(&mut id, cursor.string()?.parse::<MessageId>().ok()?),
        "class" => once(&mut class, class_of(cursor.string()?)?),
        "ttl" => once(&mut ttl, cursor.digits()?.parse().ok()?),
        "protected" => once(&mut protected, cursor.string()?),
        "body" => once(&mut body, cursor.string()?),
        "signature" => once(&mut signature, cursor.string()?),
        _ => None,
    })?;
    protected.and(body).and(signature)?;
    Some(Routing::new(to?, from?, id?, class?, ttl))
}

fn class_of(name: &str) -> Option<Class> {
    match name {
        "reliable" => Some(Class::Reliable),
        "ephemeral" => Some(Class::Ephemeral),
        _ => None,
    }
}

/// Fills in a member. A second one of the same name is left to the general parser, which refuses
/// it.
fn once<T>(member: &mut Option<T>, value: T) -> Option<()> {
    member.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: &str = r#"{"to":"a","from":"b","id":"01a0f4c8-5c00-7000-8000-000000000000","class":"reliable","ttl":5,"protected":"p","body":"c","signature":"s"}"#;

    fn frame(params: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"message.send","params":{params}}}"#)
    }

    #[test]
    fn the_usual_frame_is_recognized_and_its_members_are_borrowed() {
        let text = frame(PARAMS);
        let scanned = SendFrame::scan(&text).unwrap();
        assert_eq!((scanned.id.as_json(), scanned.envelope), ("1", PARAMS));
        assert_eq!(scanned.routing, Routing::parse(PARAMS).unwrap());
        assert!(text.as_bytes().as_ptr_range().contains(&scanned.envelope.as_ptr()));
    }

    #[test]
    fn members_may_come_in_any_order_with_blanks_between_them() {
        let spaced = PARAMS.replace(',', " ,\n\t").replace(':', " : ");
        let text = format!(
            "\r\n{{ \"params\" : {spaced} , \"method\":\"message.send\", \"id\" : \"x\", \"jsonrpc\":\"2.0\" }} "
        );
        let scanned = SendFrame::scan(&text).unwrap();
        assert_eq!((scanned.id.as_json(), scanned.envelope), ("\"x\"", &*spaced));
    }

    #[test]
    fn what_the_general_parser_might_refuse_is_left_to_it() {
        let with = |from: &str, to: &str| frame(&PARAMS.replacen(from, to, 1));
        let framed = |from: &str, to: &str| frame(PARAMS).replacen(from, to, 1);
        for text in [
            with("\"ttl\":5", "\"ttl\":05"),
            with("\"ttl\":5", "\"ttl\":5.0"),
            with("\"ttl\":5", "\"ttl\":-5"),
            with("\"ttl\":5", "\"ttl\":18446744073709551616"),
            with("\"ttl\":5", "\"ttl\":5,\"ttl\":5"),
            with("\"to\":\"a\",", ""),
            with("\"body\":\"c\"", "\"body\":\"\\u0063\""),
            with("\"body\":\"c\"", "\"body\":\"\u{1}\""),
            with("\"body\":\"c\"", "\"body\":3"),
            with("\"body\":\"c\"", "\"Body\":\"c\""),
            with("reliable", "Reliable"),
            with("01a0f4c8", "01A0F4C8"),
            with("\"s\"}", "\"s\",}"),
            framed("\"2.0\"", "\"1.0\""),
            framed("\"id\":1,", ""),
            framed("\"id\":1,", "\"id\":null,"),
            framed("\"id\":1,", &format!("\"id\":\"{}\",", "i".repeat(65))),
            framed("message.send", "message.Send"),
            format!("{} x", frame(PARAMS)),
            frame(PARAMS).trim_end_matches('}').to_owned(),
            format!("[{}]", frame(PARAMS)),
        ] {
            assert!(SendFrame::scan(&text).is_none(), "{text}");
        }
    }
}
