//! Parses the domain of a DID: a lower-case DNS name with an optional percent-encoded port.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Bytes of a domain with its port. The rest of a DID, and the names of Kubernetes objects made
/// from it, still fit their own limits.
pub(super) const DOMAIN_BYTES_MAX: usize = 200;

/// The DNS name of a relay, `localhost` included. A port is written `%3A<port>`, as in did:web.
///
/// ```
/// use msg2agent_protocol::did::Domain;
///
/// let domain: Domain = "localhost%3A8443".parse()?;
/// assert_eq!(domain.authority(), "localhost:8443");
/// assert_eq!(domain.did(), "did:wba:localhost%3A8443");
/// # Ok::<(), msg2agent_protocol::did::DomainError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Arc<str>);

/// Why a text is not the domain of a relay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    #[error("a domain has 1 to {DOMAIN_BYTES_MAX} bytes")]
    Length,
    #[error("a domain is a lower-case DNS name: labels of a-z, 0-9 and -, joined by dots")]
    Form,
    #[error("a domain is a name, not an IP address")]
    Address,
    #[error("a port is written %3A followed by 1 to 65535 without leading zeros")]
    Port,
}

impl Domain {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The DID of the domain itself. The relay signs its own document under it.
    #[must_use]
    pub fn did(&self) -> String {
        format!("did:wba:{}", self.0)
    }

    /// The domain as `host` or `host:port`, for a URL.
    #[must_use]
    pub fn authority(&self) -> String {
        self.0.replace("%3A", ":")
    }
}

impl FromStr for Domain {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, DomainError> {
        if text.is_empty() || text.len() > DOMAIN_BYTES_MAX {
            return Err(DomainError::Length);
        }
        let (host, port) = text.split_once('%').map_or((text, None), |(host, rest)| (host, Some(rest)));
        if !host.split('.').all(is_dns_label) {
            return Err(DomainError::Form);
        }
        if is_address(host) {
            return Err(DomainError::Address);
        }
        if let Some(port) = port {
            check_port(port)?;
        }
        Ok(Self(text.into()))
    }
}

/// URLs read a host as an IPv4 address if its last label is a number, decimal or hexadecimal
/// (WHATWG URL section 3.5): `2130706433` and `0x7f.1` are 127.0.0.1.
fn is_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let hexadecimal = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    last.bytes().all(|b| b.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(hexadecimal)
}

fn is_dns_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn check_port(encoded: &str) -> Result<(), DomainError> {
    let digits = encoded.strip_prefix("3A").ok_or(DomainError::Port)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    match digits.parse::<u16>() {
        Ok(_) if plain => Ok(()),
        _ => Err(DomainError::Port),
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_reads_as_an_address_is_no_domain() {
        for text in ["10.0.0.1", "2130706433", "0x7f.1", "127.0x1", "0x7f000001", "example.0x", "example.1"] {
            assert_eq!(text.parse::<Domain>(), Err(DomainError::Address), "{text}");
        }
        for text in ["0x7f.example", "1.example", "example.0xg", "localhost", "a1"] {
            assert!(text.parse::<Domain>().is_ok(), "{text}");
        }
    }
}
