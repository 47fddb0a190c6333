//! Parses the routing members of an envelope without copying them, as the relay does.
//!
//! The opaque members are only checked to be strings.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::{Class, MessageId};
use crate::strict_json;

/// The routing members, borrowed from the envelope's text.
///
/// A duplicate, unknown or missing member is an error, so that the relay and the recipient cannot
/// read two different addresses in the same bytes.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routing<'a> {
    #[serde(borrow)]
    pub to: Cow<'a, str>,
    #[serde(borrow)]
    pub from: Cow<'a, str>,
    pub id: MessageId,
    #[serde(deserialize_with = "strict_json::unit_enum")]
    pub class: Class,
    #[serde(default)]
    pub ttl: Option<u64>,
    protected: Text,
    body: Text,
    signature: Text,
}

impl<'a> Routing<'a> {
    /// The routing members of an envelope whose opaque members were checked to be strings.
    pub(crate) const fn new(
        to: &'a str,
        from: &'a str,
        id: MessageId,
        class: Class,
        ttl: Option<u64>,
    ) -> Self {
        let (to, from) = (Cow::Borrowed(to), Cow::Borrowed(from));
        Self { to, from, id, class, ttl, protected: Text, body: Text, signature: Text }
    }

    /// Reads the JSON of one envelope.
    ///
    /// # Errors
    /// The text is not one JSON object with exactly the members of an envelope.
    pub fn parse(envelope: &'a str) -> serde_json::Result<Self> {
        strict_json::from_str(envelope)
    }
}

/// A JSON string whose value is not needed.
#[derive(Debug, PartialEq, Eq)]
struct Text;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Text, E> {
        Ok(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a0f4c8-5c00-7000-8000-000000000000";

    fn envelope(extra: &str) -> String {
        format!(
            r#"{{"to":"a","from":"b","id":"{ID}","class":"reliable","ttl":5,"protected":"p","body":"c","signature":"s"{extra}}}"#
        )
    }

    #[test]
    fn routing_members_are_borrowed() {
        let text = envelope("");
        let routing = Routing::parse(&text).unwrap();
        assert!(matches!(routing.to, Cow::Borrowed("a")));
        assert_eq!(routing.ttl, Some(5));
    }

    #[test]
    fn two_addresses_in_one_envelope_are_refused() {
        let error = Routing::parse(&envelope(r#","to":"c""#)).unwrap_err();
        assert!(error.to_string().starts_with("duplicate field `to`"), "{error}");
    }

    #[test]
    fn case_variants_are_unknown_members() {
        let error = Routing::parse(&envelope(r#","To":"c""#)).unwrap_err();
        assert!(error.to_string().starts_with("unknown field `To`"), "{error}");
    }
}
