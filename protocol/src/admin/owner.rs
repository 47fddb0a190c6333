//! Names who owns a tenant or an agent at a relay.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bytes of an owner's text. A Kubernetes uid has 36.
const OWNER_BYTES_MAX: usize = 128;
const KUBERNETES: &str = "kubernetes:";
const COMMAND_LINE: &str = "command-line";
const REGISTRATION: &str = "registration";

/// Who made a tenant or an agent. The relay refuses writes of everybody else.
///
/// ```
/// use msg2agent_protocol::admin::Owner;
///
/// let owner: Owner = "kubernetes:5f0c6c1e-7a86-4c0b-9d1c-0c5a4f6c1b2d".parse()?;
/// assert_eq!(owner.kubernetes_uid(), Some("5f0c6c1e-7a86-4c0b-9d1c-0c5a4f6c1b2d"));
/// # Ok::<(), msg2agent_protocol::admin::OwnerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Owner {
    /// An object of a Kubernetes cluster, by its uid. Uids are never used twice.
    Kubernetes(String),
    /// A person with the admin token. The owner of a write that names none.
    #[default]
    CommandLine,
    /// The agent itself, which registered with an API key of its tenant.
    Registration,
    /// An owner of a kind that this version does not know, in the answer of a newer relay. Nothing
    /// is written in its name.
    Newer(String),
}

/// A text that is no owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an owner is command-line, registration, or kubernetes: and a uid of letters, digits and dashes")]
pub struct OwnerError;

impl Owner {
    /// The uid of the object that owns the entry.
    #[must_use]
    pub fn kubernetes_uid(&self) -> Option<&str> {
        match self {
            Self::Kubernetes(uid) => Some(uid),
            Self::CommandLine | Self::Registration | Self::Newer(_) => None,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubernetes(uid) => write!(f, "{KUBERNETES}{uid}"),
            Self::CommandLine => f.write_str(COMMAND_LINE),
            Self::Registration => f.write_str(REGISTRATION),
            Self::Newer(text) => f.write_str(text),
        }
    }
}

impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, OwnerError> {
        match text {
            COMMAND_LINE => return Ok(Self::CommandLine),
            REGISTRATION => return Ok(Self::Registration),
            _ => {}
        }
        let uid = text.strip_prefix(KUBERNETES).ok_or(OwnerError)?;
        let is_uid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if uid.is_empty() || text.len() > OWNER_BYTES_MAX || !uid.bytes().all(is_uid) {
            return Err(OwnerError);
        }
        Ok(Self::Kubernetes(uid.to_owned()))
    }
}

impl From<String> for Owner {
    fn from(text: String) -> Self {
        text.parse().unwrap_or(Self::Newer(text))
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        owner.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_back_from_its_text() {
        for owner in [Owner::Kubernetes("uid-1".into()), Owner::CommandLine, Owner::Registration] {
            assert_eq!(owner.to_string().parse(), Ok(owner));
        }
    }

    #[test]
    fn a_text_that_names_nobody_is_no_owner() {
        let long = format!("kubernetes:{}", "a".repeat(OWNER_BYTES_MAX));
        for text in ["", "kubernetes:", "kubernetes:a b", "kubernetes:ä", "Command-Line", long.as_str()] {
            assert_eq!(text.parse::<Owner>(), Err(OwnerError), "{text}");
        }
    }
}
