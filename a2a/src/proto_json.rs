//! Reads messages from JSON by the rules of ProtoJSON, and says which field was wrong.
//!
//! A field may be written in camelCase or as in the proto file; `null` is the same as an absent
//! field; unknown fields are ignored; an enum is a name or a number; an integer may be a string; an
//! object that stands for a `Struct` is taken as it is. A required field must be present and not
//! empty.

use std::fmt;

use serde_json::{Map, Value};

mod fields;
mod timestamp;

pub use fields::Fields;
pub use timestamp::Timestamp;

/// One field of a request that was refused, as in `google.rpc.BadRequest`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldViolation {
    /// The path from the request, such as `message.parts[0].raw`.
    pub field: String,
    /// What is wrong with it, as a sentence without its subject.
    pub problem: String,
}

impl FieldViolation {
    /// A violation by a field of this path.
    pub fn new(field: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self { field: field.into(), problem: problem.to_string() }
    }
}

/// A message of the proto file that can be read from JSON.
pub trait FromProtoJson: Sized {
    /// Reads the message from the members of its object.
    ///
    /// # Errors
    /// The first field that is missing, of another kind or beyond its limit.
    fn read(fields: &Fields<'_>) -> Result<Self, FieldViolation>;

    /// Reads the message from a value. `name` starts the paths of its violations, and may be empty.
    ///
    /// # Errors
    /// As [`Self::read`], or the value is no object.
    fn from_value(value: &Value, name: &str) -> Result<Self, FieldViolation> {
        Self::read(&Fields::of(value, name)?)
    }
}

/// An enum of the proto file. Its zero value, which stands for "not given", is no variant.
pub trait ProtoEnum: Sized + Copy + 'static {
    /// Each value with its name and number in the proto file.
    const VALUES: &'static [(Self, &'static str, i64)];
    /// The name of the zero value.
    const UNSPECIFIED: &'static str;
}

/// An object of any JSON, which the proto file calls `Struct`.
pub type Struct = Map<String, Value>;

/// Makes messages deserializable with serde, for example from a store.
macro_rules! deserialize_by_reading {
    ($($message:ty),+ $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $message {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let value = protocol::strict_json::value(from)?;
                <Self as $crate::proto_json::FromProtoJson>::from_value(&value, "")
                    .map_err(serde::de::Error::custom)
            }
        }
    )+};
}

/// Writes an enum of the proto file by its name.
macro_rules! serialize_by_name {
    ($($kind:ty),+ $(,)?) => {$(
        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
    )+};
}

pub(crate) use {deserialize_by_reading, serialize_by_name};
