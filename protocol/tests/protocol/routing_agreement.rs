//! Checks that the relay, the agent and a plain JSON tree read the same envelope in the same bytes.
//!
//! Where one of them refuses the bytes, all do. Nobody can show the relay one address and the
//! recipient another.

use std::fmt;

use msg2agent_protocol::Did;
use msg2agent_protocol::envelope::{Envelope, MessageId, Routing};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

const NAMES: [&str; 8] = ["to", "from", "id", "class", "ttl", "protected", "body", "signature"];

/// An object with its members as written: order and repetitions kept.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

/// The rules of docs/protocol.md section 3 on the tree: what the relay must read, or nothing. Of
/// `to` and `from` they only require that they are strings.
fn by_the_book(text: &str) -> Option<(String, String, String)> {
    let Members(members) = serde_json::from_str(text).ok()?;
    let each_once =
        members.iter().enumerate().all(|(i, (name, _))| members[..i].iter().all(|(n, _)| n != name));
    let known = members.iter().all(|(name, _)| NAMES.contains(&name.as_str()));
    let get = |name: &str| members.iter().find(|(n, _)| n == name).map(|(_, value)| value);
    let word = |name: &str| get(name).and_then(Value::as_str).map(str::to_owned);
    let ttl = get("ttl").is_none_or(|ttl| ttl.is_null() || ttl.is_u64());
    let texts = ["protected", "body", "signature"].into_iter().all(|name| word(name).is_some());
    let class = matches!(word("class")?.as_str(), "reliable" | "ephemeral");
    let id: MessageId = word("id")?.parse().ok()?;
    (each_once && known && ttl && texts && class).then_some(())?;
    Some((word("to")?, word("from")?, id.to_string()))
}

fn by_the_relay(text: &str) -> Option<(String, String, String)> {
    let routing = Routing::parse(text).ok()?;
    Some((routing.to.into_owned(), routing.from.into_owned(), routing.id.to_string()))
}

fn by_the_agent(text: &str) -> Option<(String, String, String)> {
    let envelope = Envelope::parse(text).ok()?;
    Some((envelope.to.to_string(), envelope.from.to_string(), envelope.id.to_string()))
}

/// The value of a member, which is odd more often than by chance.
pub(crate) fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        r#""did:wba:example.com:agent:acme:alice""#,
        r#""did:wba:example.com:agent:acme:bob""#,
        r#""did:wba:example.com:agent:acme:b\u006fb""#,
        r#""did:wba:example.com:agent:Bob""#,
        r#""01a0c420-8600-7707-8707-070707070707""#,
        r#""01a0c420-8600-7707-8707-07070707070\u0037""#,
        r#""01A0C420-8600-7707-8707-070707070707""#,
        r#""reliable""#,
        r#""ephemeral""#,
        r#""reli\u0061ble""#,
        r#"{"reliable":null}"#,
        "\"\\ud800\"",
        "\"\"",
        "null",
        "60",
        "60.0",
        "060",
        "-1",
        "18446744073709551616",
        "[\"a\"]",
        "true",
    ])
    .prop_map(str::to_owned)
}

fn name() -> impl Strategy<Value = String> {
    let odd = vec!["To", "t\\u006f", "fr\\u006fm", "x", "", "to ", "id", "to", "from", "ttl"];
    prop::sample::select(odd).prop_map(str::to_owned)
}

/// A good value for a member.
fn fitting(name: &str) -> &'static str {
    match name {
        "to" => r#""did:wba:example.com:agent:acme:bob""#,
        "from" => r#""did:wba:example.com:agent:acme:alice""#,
        "id" => r#""01a0c420-8600-7707-8707-070707070707""#,
        "class" => r#""reliable""#,
        "ttl" => "60",
        _ => r#""AAAA""#,
    }
}

/// A good envelope in some order of members, with up to two members changed, dropped or added.
pub(crate) fn envelope() -> impl Strategy<Value = String> {
    let order = Just(NAMES.to_vec()).prop_shuffle();
    let odd = prop::collection::vec((0..4_u8, any::<prop::sample::Index>(), name(), value()), 0..3);
    let space = prop::sample::select(vec!["", " ", "\n\t"]);
    (order, odd, space).prop_map(|(order, odd, space)| {
        let mut members: Vec<_> =
            order.into_iter().map(|name| (name.to_owned(), fitting(name).to_owned())).collect();
        for (kind, at, name, value) in odd {
            let at = at.index(members.len());
            match kind {
                0 => members[at].1 = value,
                1 => drop(members.remove(at)),
                2 => members.insert(at, (name, value)),
                _ => members[at].0 = name,
            }
        }
        let members: Vec<_> =
            members.iter().map(|(n, v)| format!("{space}\"{n}\"{space}:{space}{v}{space}")).collect();
        format!("{space}{{{}}}{space}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    #[test]
    fn the_relay_reads_what_the_book_says(text in envelope()) {
        prop_assert_eq!(by_the_relay(&text), by_the_book(&text), "{}", text);
    }

    #[test]
    fn the_agent_reads_what_the_relay_read_or_refuses_a_name_that_is_none(text in envelope()) {
        let relay = by_the_relay(&text);
        let names = relay.as_ref().is_some_and(|(to, from, _)| to.parse::<Did>().is_ok() && from.parse::<Did>().is_ok());
        prop_assert_eq!(by_the_agent(&text), relay.filter(|_| names), "{}", text);
    }
}

#[test]
fn a_list_of_the_members_is_no_envelope_for_anybody() {
    let list: Vec<_> = NAMES.iter().map(|name| fitting(name)).collect();
    let text = format!("[{}]", list.join(","));
    assert_eq!(by_the_book(&text), None);
    assert_eq!(by_the_relay(&text), None);
    assert_eq!(by_the_agent(&text), None);
}
