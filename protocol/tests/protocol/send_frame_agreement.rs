//! Checks that the scanner of `message.send` and the general parsers read the same frame in the
//! same bytes. What the scanner does not recognize is left to them.

use msg2agent_protocol::envelope::Routing;
use msg2agent_protocol::frame::{Incoming, SendFrame, method};
use proptest::prelude::*;

use crate::mutation::{changed, changes};
use crate::routing_agreement::{envelope, value};

/// Everything that was read: the id, the routing members, and the envelope's text.
type Sent<'a> = (String, Routing<'a>, &'a str);

fn by_the_scanner(text: &str) -> Option<Sent<'_>> {
    let SendFrame { id, routing, envelope } = SendFrame::scan(text)?;
    Some((id.as_json().to_owned(), routing, envelope))
}

fn by_the_parsers(text: &str) -> Option<Sent<'_>> {
    match Incoming::parse(text) {
        Ok(Incoming::Request { id, method, params }) if method == method::SEND => {
            Some((id.as_json().to_owned(), Routing::parse(params).ok()?, params))
        }
        _ => None,
    }
}

/// A frame around an envelope in some order of members, with up to two members changed, dropped or
/// added.
fn frame() -> impl Strategy<Value = String> {
    let order = Just(vec!["jsonrpc", "id", "method", "params"]).prop_shuffle();
    let id = prop_oneof![Just("7".to_owned()), Just("\"a-7\"".to_owned()), value()];
    let odd = prop::collection::vec((0..3_u8, any::<prop::sample::Index>(), value()), 0..2);
    let space = prop::sample::select(vec!["", " ", "\r\n"]);
    (order, id, envelope(), odd, space).prop_map(|(order, id, envelope, odd, space)| {
        let fitting = |name: &str| match name {
            "jsonrpc" => "\"2.0\"".to_owned(),
            "id" => id.clone(),
            "method" => format!("\"{}\"", method::SEND),
            _ => envelope.clone(),
        };
        let mut members: Vec<_> = order.into_iter().map(|name| (name, fitting(name))).collect();
        for (kind, at, value) in odd {
            let at = at.index(members.len());
            match kind {
                0 => members[at].1 = value,
                1 => drop(members.remove(at)),
                _ => members.insert(at, (["id", "x", "params", "result"][at % 4], value)),
            }
        }
        let members: Vec<_> = members.iter().map(|(n, v)| format!("{space}\"{n}\"{space}:{v}")).collect();
        format!("{{{}}}{space}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    #[test]
    fn what_is_scanned_is_what_the_parsers_read(text in frame()) {
        let scanned = by_the_scanner(&text);
        let parsed = by_the_parsers(&text);
        prop_assert!(scanned.is_none() || scanned == parsed, "{}\n{:?}\n{:?}", text, scanned, parsed);
        // Only escapes, and a ttl that is null, need the general parsers.
        let needs_them = text.contains('\\') || text.contains("null");
        prop_assert!(needs_them || scanned == parsed, "{} was not scanned", text);
    }

    #[test]
    fn damage_is_read_alike_or_left_to_the_parsers(text in frame(), changes in changes()) {
        let bytes = changed(text.as_bytes(), &changes);
        let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(()) };
        let scanned = by_the_scanner(text);
        prop_assert!(scanned.is_none() || scanned == by_the_parsers(text), "{}", text);
    }
}
