//! Parses JSON strictly, so that two programs never read different values in the same bytes.
//!
//! A duplicate member is an error at any depth, nesting is bounded, and nothing may follow the
//! value. A structure is read only from an object and an enum only from a string, although serde
//! also accepts a structure as a list (`{"a":1}` as `[1]`) and a unit variant as an object (`"x"`
//! as `{"x":null}`).
//!
//! ```
//! use msg2agent_protocol::strict_json;
//! use serde::Deserialize;
//!
//! #[derive(Debug, Deserialize)]
//! struct Point {
//!     x: u32,
//! }
//!
//! assert_eq!(strict_json::from_str::<Point>(r#"{"x":1}"#)?.x, 1);
//! assert!(strict_json::from_str::<Point>(r#"{"x":1,"x":2}"#).is_err(), "a duplicate member");
//! assert!(strict_json::from_str::<Point>("[1]").is_err(), "a list");
//! assert!(strict_json::from_str::<Point>(r#"{"x":1} 2"#).is_err(), "something follows");
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits::JSON_DEPTH_MAX;

mod object;
mod unit_enum;

pub use object::{object, optional_object};
pub use unit_enum::unit_enum;

/// Parses one JSON object. It refuses nesting deeper than [`JSON_DEPTH_MAX`] before it parses.
///
/// # Errors
/// The error of serde, with line and column.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    if nesting(bytes) > JSON_DEPTH_MAX {
        return Err(serde_json::Error::custom(format!("nested deeper than {JSON_DEPTH_MAX}")));
    }
    read(serde_json::Deserializer::from_slice(bytes))
}

/// Parses one JSON object in one pass, for a type that bounds its own nesting. The type may borrow
/// from the text.
///
/// # Errors
/// The error of serde, with line and column.
pub fn from_str<'a, T: Deserialize<'a>>(text: &'a str) -> serde_json::Result<T> {
    read(serde_json::Deserializer::from_str(text))
}

fn read<'de, R: serde_json::de::Read<'de>, T: Deserialize<'de>>(
    mut from: serde_json::Deserializer<R>,
) -> serde_json::Result<T> {
    let value = object(&mut from)?;
    from.end()?;
    Ok(value)
}

/// The deepest nesting of brackets outside strings. It is exact for valid JSON and an upper bound
/// for any other text.
#[must_use]
pub fn nesting(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Deserializes any JSON, for `#[serde(deserialize_with = "strict_json::value")]` on a [`Value`].
///
/// # Errors
/// There is a duplicate member at some depth.
pub fn value<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    StrictValue::deserialize(from).map(|v| v.0)
}

/// Deserializes a member that may be absent. A present member is `Some`, also when it is `null`.
///
/// # Errors
/// There is a duplicate member at some depth.
pub fn optional_value<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    value(from).map(Some)
}

struct StrictValue(Value);

impl<'de> Deserialize<'de> for StrictValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ValueVisitor).map(Self)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value without duplicate members")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(StrictValue(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, StrictValue(value))) = access.next_entry::<String, StrictValue>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate member `{name}`")));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Holder {
        #[serde(deserialize_with = "value")]
        #[expect(dead_code, reason = "only whether it parses matters")]
        any: Value,
    }

    #[test]
    fn a_duplicate_member_is_refused_at_any_depth() {
        let error = from_slice::<Holder>(br#"{"any":[{"a":1,"a":2}]}"#).unwrap_err();
        assert!(error.to_string().starts_with("duplicate member `a`"), "{error}");
        from_slice::<Holder>(br#"{"any":[{"a":1},{"a":2}]}"#).unwrap();
    }

    #[test]
    fn a_list_of_its_members_is_no_structure_and_nothing_follows_one() {
        let error = from_slice::<Holder>(b"[1]").unwrap_err();
        assert!(error.to_string().starts_with("invalid type: sequence"), "{error}");
        assert_eq!(
            from_slice::<Holder>(br#"{"any":1} 2"#).unwrap_err().to_string(),
            "trailing characters at line 1 column 11"
        );
    }

    #[test]
    fn deep_nesting_is_refused_before_it_is_parsed() {
        let deep = format!("{{\"any\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let error = from_slice::<Holder>(deep.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "nested deeper than 64");
    }

    #[test]
    fn brackets_in_strings_do_not_count_as_nesting() {
        assert_eq!(nesting(br#"{"a":"[[[\"[["}"#), 1);
    }
}
