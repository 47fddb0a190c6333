//! Deserializes an enum without data from a JSON string only.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer as _, Visitor};

/// For `#[serde(deserialize_with = "strict_json::unit_enum")]` on an enum whose variants hold no
/// data. It allocates nothing.
///
/// # Errors
/// The value is not a string, or the enum has no such variant.
pub fn unit_enum<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_str(UnitEnumVisitor(PhantomData))
}

struct UnitEnumVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for UnitEnumVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::deserialize(text.into_deserializer())
    }
}
