//! Parses key ids. A key id is the fragment of a verification method, which is `sig-<n>` or
//! `enc-<n>` for a rotating key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What a rotating key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyUse {
    Signing,
    Encryption,
}

impl KeyUse {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Signing => "sig-",
            Self::Encryption => "enc-",
        }
    }
}

/// The id of a rotating key. Numbers start at 1, count up, and are never used again.
///
/// ```
/// use msg2agent_protocol::identity::{KeyUse, Kid};
///
/// let kid: Kid = "sig-12".parse()?;
/// assert_eq!((kid.key_use(), kid.number()), (KeyUse::Signing, 12));
/// assert!("sig-012".parse::<Kid>().is_err());
/// # Ok::<(), msg2agent_protocol::identity::KidError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kid {
    of: KeyUse,
    number: u32,
}

/// The text is not the id of a rotating key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key id is `sig-` or `enc-` and a number from 1 without leading zeros")]
pub struct KidError;

impl Kid {
    /// Makes an id from its use and its number.
    #[must_use]
    pub const fn new(of: KeyUse, number: u32) -> Self {
        Self { of, number }
    }

    #[must_use]
    pub const fn key_use(&self) -> KeyUse {
        self.of
    }

    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }
}

impl FromStr for Kid {
    type Err = KidError;

    fn from_str(text: &str) -> Result<Self, KidError> {
        let (of, digits) = [KeyUse::Signing, KeyUse::Encryption]
            .into_iter()
            .find_map(|of| text.strip_prefix(of.prefix()).map(|digits| (of, digits)))
            .ok_or(KidError)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        match digits.parse() {
            Ok(number) if plain => Ok(Self { of, number }),
            _ => Err(KidError),
        }
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.of.prefix(), self.number)
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Kid {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Kid {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_has_one_spelling() {
        assert_eq!("sig-12".parse::<Kid>().unwrap().to_string(), "sig-12");
        for text in ["sig-0", "sig-01", "sig-", "sig-+1", "enc-4294967296", "root", "Sig-1"] {
            assert_eq!(text.parse::<Kid>(), Err(KidError), "{text}");
        }
    }
}
