//! Parses every DID of the method did:wba, also those of other people's domains.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Did, Domain, DomainError, PREFIX};
use crate::limits::DID_BYTES_MAX;

/// What the last segment of a self-certifying DID starts with (ANP-03 section 2.2.1).
pub const E1_PREFIX: &str = "e1_";
/// Characters of the base64url text of a SHA-256 thumbprint.
const THUMBPRINT_CHARACTERS: usize = 43;
/// Segments of the path of a DID. An agent's name and its alias have four.
const PATH_SEGMENTS_MAX: usize = 16;

/// A DID of the method did:wba: the one of a domain, of an agent here, or of anybody elsewhere. A
/// value is always valid, and cheap to clone.
///
/// ```
/// use msg2agent_protocol::did::WbaDid;
///
/// let domain: WbaDid = "did:wba:example.com%3A8443".parse()?;
/// assert_eq!(domain.document_url(), "https://example.com:8443/.well-known/did.json");
///
/// let alice: WbaDid = "did:wba:example.com:user:alice".parse()?;
/// assert_eq!(alice.document_url(), "https://example.com/user/alice/did.json");
/// assert_eq!(alice.thumbprint(), None);
/// # Ok::<(), msg2agent_protocol::did::WbaDidError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WbaDid(Arc<str>);

/// Why a text is not a DID of the method did:wba.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WbaDidError {
    #[error("a DID has at most {DID_BYTES_MAX} bytes")]
    TooLong,
    #[error("a DID of this method has the form did:wba:<domain>[:<segment>...]")]
    Method,
    #[error("the domain of the DID is not valid")]
    Domain(#[source] DomainError),
    #[error("a segment of a DID has letters, digits, `-`, `_` and `.`, and is not `.` or `..`")]
    Segment,
    #[error("the path of a DID has at most {PATH_SEGMENTS_MAX} segments")]
    Segments,
    #[error("only the last of several segments is `e1_` and 43 characters of base64url")]
    Thumbprint,
}

impl WbaDid {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain, with its port still percent-encoded as in the DID.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.segments().next().unwrap_or_default()
    }

    /// The RFC 7638 thumbprint of the binding key, if the DID names one. Only such a DID certifies
    /// itself; for every other one its domain vouches alone.
    #[must_use]
    pub fn thumbprint(&self) -> Option<&str> {
        let mut segments = self.segments();
        segments.next()?;
        segments.next_back()?.strip_prefix(E1_PREFIX)
    }

    /// The path of the DID document below the domain (ANP-03 section 2.5.2).
    #[must_use]
    pub fn document_path(&self) -> String {
        let path: Vec<_> = self.segments().skip(1).collect();
        if path.is_empty() {
            "/.well-known/did.json".to_owned()
        } else {
            format!("/{}/did.json", path.join("/"))
        }
    }

    /// The URL of the DID document.
    #[must_use]
    pub fn document_url(&self) -> String {
        format!("https://{}{}", self.domain().replace("%3A", ":"), self.document_path())
    }

    fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.strip_prefix(PREFIX).unwrap_or_default().split(':')
    }
}

impl FromStr for WbaDid {
    type Err = WbaDidError;

    fn from_str(text: &str) -> Result<Self, WbaDidError> {
        if text.len() > DID_BYTES_MAX {
            return Err(WbaDidError::TooLong);
        }
        let mut segments = text.strip_prefix(PREFIX).ok_or(WbaDidError::Method)?.split(':');
        let domain = segments.next().unwrap_or_default();
        Domain::from_str(domain).map_err(WbaDidError::Domain)?;
        let path: Vec<&str> = segments.collect();
        if path.len() > PATH_SEGMENTS_MAX {
            return Err(WbaDidError::Segments);
        }
        if !path.iter().all(|segment| is_segment(segment)) {
            return Err(WbaDidError::Segment);
        }
        check_thumbprint(&path)?;
        Ok(Self(text.into()))
    }
}

/// A dot segment would lead to another path than the DID says.
fn is_segment(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !matches!(text, "" | "." | "..") && text.bytes().all(plain)
}

/// A thumbprint in another form must not pass for a name.
fn check_thumbprint(path: &[&str]) -> Result<(), WbaDidError> {
    let Some((last, names)) = path.split_last() else { return Ok(()) };
    if names.iter().any(|name| name.starts_with(E1_PREFIX)) {
        return Err(WbaDidError::Thumbprint);
    }
    match last.strip_prefix(E1_PREFIX) {
        None => Ok(()),
        Some(text) => {
            let base64url = !text.contains('.');
            let whole = text.len() == THUMBPRINT_CHARACTERS && base64url && !names.is_empty();
            if whole { Ok(()) } else { Err(WbaDidError::Thumbprint) }
        }
    }
}

impl From<&Did> for WbaDid {
    fn from(did: &Did) -> Self {
        Self(did.0.clone())
    }
}

impl From<&Domain> for WbaDid {
    fn from(domain: &Domain) -> Self {
        Self(domain.did().into())
    }
}

impl fmt::Display for WbaDid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WbaDid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for WbaDid {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WbaDid {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    #[test]
    fn a_document_is_where_the_method_says() {
        let url = |did: &str| did.parse::<WbaDid>().unwrap().document_url();
        assert_eq!(url("did:wba:example.com"), "https://example.com/.well-known/did.json");
        assert_eq!(
            url("did:wba:example.com%3A8443:user:Al_1"),
            "https://example.com:8443/user/Al_1/did.json"
        );
        let alias = format!("did:wba:example.com:user:alice:e1_{THUMBPRINT}");
        assert_eq!(url(&alias), format!("https://example.com/user/alice/e1_{THUMBPRINT}/did.json"));
        assert_eq!(alias.parse::<WbaDid>().unwrap().thumbprint(), Some(THUMBPRINT));
    }

    #[test]
    fn only_a_whole_thumbprint_at_the_end_certifies_a_did() {
        for (path, why) in [
            (format!("user:e1_{THUMBPRINT}x"), WbaDidError::Thumbprint),
            ("user:e1_".to_owned(), WbaDidError::Thumbprint),
            (format!("e1_{THUMBPRINT}"), WbaDidError::Thumbprint),
            (format!("e1_{THUMBPRINT}:alice"), WbaDidError::Thumbprint),
            (format!("user:e1_{}", THUMBPRINT.replace('k', ".")), WbaDidError::Thumbprint),
            ("user:..".to_owned(), WbaDidError::Segment),
            ("user:".to_owned(), WbaDidError::Segment),
            ("user:a/b".to_owned(), WbaDidError::Segment),
            ("user:a%2Fb".to_owned(), WbaDidError::Segment),
            ("a:".repeat(16) + "b", WbaDidError::Segments),
        ] {
            assert_eq!(format!("did:wba:example.com:{path}").parse::<WbaDid>(), Err(why), "{path}");
        }
        let legacy: WbaDid = format!("did:wba:example.com:user:k1_{THUMBPRINT}").parse().unwrap();
        assert_eq!(legacy.thumbprint(), None);
        let domain: WbaDid = "did:wba:e1.example".parse().unwrap();
        assert_eq!(domain.thumbprint(), None);
    }

    #[test]
    fn another_method_or_an_address_is_no_did_of_this_method() {
        assert_eq!("did:web:example.com".parse::<WbaDid>(), Err(WbaDidError::Method));
        for domain in ["10.0.0.1", "Example.com", "", "[::1]", "example.com%3a1"] {
            let error = format!("did:wba:{domain}").parse::<WbaDid>().unwrap_err();
            assert!(matches!(error, WbaDidError::Domain(_)), "{domain}: {error}");
        }
    }
}
