//! Parses tenant ids and agent names. Both are DNS labels, so that they fit DIDs, URLs and
//! Kubernetes names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Names that no agent and no tenant may have. The only exception is the tenant `default`.
pub const RESERVED_NAMES: [&str; 6] = ["default", "system", "gateway", "relay", "mcp", "operator"];

const DEFAULT_TENANT: &str = "default";

/// Why a text is not a tenant id or an agent name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("a name has 1 to 63 characters of a-z, 0-9 and -, with no dash at either end")]
    Form,
    #[error("the name is reserved (default, system, gateway, relay, mcp, operator)")]
    Reserved,
}

fn check_form(text: &str) -> Result<(), LabelError> {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let ends = text.starts_with('-') || text.ends_with('-');
    if plain && !ends && (1..=63).contains(&text.len()) { Ok(()) } else { Err(LabelError::Form) }
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = LabelError;

            fn from_str(text: &str) -> Result<Self, LabelError> {
                check_form(text)?;
                let allowed: fn(&str) -> bool = $check;
                if allowed(text) { Ok(Self(text.into())) } else { Err(LabelError::Reserved) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

label!(
    /// The id of a tenant. Discovery, lookup and messages never cross from one tenant into another.
    TenantId,
    |text| text == DEFAULT_TENANT || !RESERVED_NAMES.contains(&text)
);
label!(
    /// The name of an agent, unique in its tenant. The `Agent` custom resource calls it the handle.
    AgentName,
    |text| !RESERVED_NAMES.contains(&text)
);

impl TenantId {
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.as_str() == DEFAULT_TENANT
    }
}

impl Default for TenantId {
    fn default() -> Self {
        Self(DEFAULT_TENANT.into())
    }
}
