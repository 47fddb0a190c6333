//! Parses the DIDs of agents (did:wba). The wire, the SDK and the custom resources share this
//! parser.
//!
//! A DID has the form `did:wba:<domain>[%3A<port>]:agent:[<tenant>:]<name>`. The tenant `default`
//! is never written, so that every agent has exactly one DID.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::limits::DID_BYTES_MAX;

mod domain;
mod label;
mod wba_did;

pub use domain::{Domain, DomainError};
pub use label::{AgentName, LabelError, RESERVED_NAMES, TenantId};
pub use wba_did::{E1_PREFIX, WbaDid, WbaDidError};

const PREFIX: &str = "did:wba:";

/// The DID of one agent. A value is always valid, and cheap to clone.
///
/// ```
/// use msg2agent_protocol::Did;
///
/// let did: Did = "did:wba:example.com%3A8443:agent:acme:alice".parse()?;
/// assert_eq!(did.tenant().as_str(), "acme");
/// assert_eq!(did.name(), "alice");
/// assert_eq!(did.document_path(), "/agent/acme/alice/did.json");
///
/// let bob: Did = "did:wba:example.com:agent:bob".parse()?;
/// assert!(bob.tenant().is_default());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Did(Arc<str>);

/// Why a text is not the DID of an agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DidError {
    #[error("a DID has at most {DID_BYTES_MAX} bytes")]
    TooLong,
    #[error("an agent's DID has the form did:wba:<domain>:agent:[<tenant>:]<name>")]
    Form,
    #[error("leave the tenant `default` out of a DID, so that every agent has exactly one")]
    DefaultTenantWritten,
    #[error("the domain of the DID is not valid")]
    Domain(#[source] DomainError),
    #[error("the tenant of the DID is not valid")]
    Tenant(#[source] LabelError),
    #[error("the name in the DID is not valid")]
    Name(#[source] LabelError),
}

impl Did {
    /// Joins the parts of a DID.
    ///
    /// ```
    /// use msg2agent_protocol::Did;
    ///
    /// let did = Did::new(&"example.com".parse()?, &"acme".parse()?, &"alice".parse()?);
    /// assert_eq!(did.as_str(), "did:wba:example.com:agent:acme:alice");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(domain: &Domain, tenant: &TenantId, name: &AgentName) -> Self {
        if tenant.is_default() {
            return Self(format!("{PREFIX}{domain}:agent:{name}").into());
        }
        Self(format!("{PREFIX}{domain}:agent:{tenant}:{name}").into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain, with its port still percent-encoded as in the DID.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.segments().next().unwrap_or_default()
    }

    /// The tenant. It is `default` when the DID has none.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        let mut path = self.segments().skip(2);
        match (path.next(), path.next()) {
            (Some(tenant), Some(_)) => TenantId::from_str(tenant).unwrap_or_default(),
            _ => TenantId::default(),
        }
    }

    /// The agent's name, which is the last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.segments().next_back().unwrap_or_default()
    }

    /// The path of the DID document below the domain (did:wba section 2.3):
    /// `/agent/[<tenant>/]<name>/did.json`.
    #[must_use]
    pub fn document_path(&self) -> String {
        let path: Vec<_> = self.segments().skip(1).collect();
        format!("/{}/did.json", path.join("/"))
    }

    fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.strip_prefix(PREFIX).unwrap_or_default().split(':')
    }
}

impl FromStr for Did {
    type Err = DidError;

    fn from_str(text: &str) -> Result<Self, DidError> {
        if text.len() > DID_BYTES_MAX {
            return Err(DidError::TooLong);
        }
        let rest = text.strip_prefix(PREFIX).ok_or(DidError::Form)?;
        let segments: Vec<&str> = rest.split(':').collect();
        let (domain, tenant, name) = match segments.as_slice() {
            [domain, "agent", name] => (domain, None, name),
            [domain, "agent", tenant, name] => (domain, Some(tenant), name),
            _ => return Err(DidError::Form),
        };
        Domain::from_str(domain).map_err(DidError::Domain)?;
        if let Some(tenant) = tenant {
            let tenant = TenantId::from_str(tenant).map_err(DidError::Tenant)?;
            if tenant.is_default() {
                return Err(DidError::DefaultTenantWritten);
            }
        }
        AgentName::from_str(name).map_err(DidError::Name)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Did {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Did {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Did {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_tenants_agent_are_read_back() {
        let did: Did = "did:wba:example.com%3A8443:agent:acme:alice".parse().unwrap();
        assert_eq!(did.domain(), "example.com%3A8443");
        assert_eq!(did.tenant().as_str(), "acme");
        assert_eq!(did.name(), "alice");
        assert_eq!(did.document_path(), "/agent/acme/alice/did.json");
        assert_eq!(Did::new(&did.domain().parse().unwrap(), &did.tenant(), &"alice".parse().unwrap()), did);
    }

    #[test]
    fn an_agent_without_tenant_is_in_the_default_one() {
        let did: Did = "did:wba:localhost:agent:bob".parse().unwrap();
        assert!(did.tenant().is_default());
        assert_eq!(did.document_path(), "/agent/bob/did.json");
    }

    #[test]
    fn every_agent_has_one_spelling() {
        for (text, why) in [
            ("did:wba:example.com:agent:default:bob", DidError::DefaultTenantWritten),
            ("did:web:example.com:agent:bob", DidError::Form),
            ("did:wba:example.com:agent", DidError::Form),
            ("did:wba:example.com:agent:a:b:c", DidError::Form),
            ("did:wba:example.com:user:bob", DidError::Form),
            ("did:wba:Example.com:agent:bob", DidError::Domain(DomainError::Form)),
            ("did:wba:example.com%3a80:agent:bob", DidError::Domain(DomainError::Port)),
            ("did:wba:example.com%3A080:agent:bob", DidError::Domain(DomainError::Port)),
            ("did:wba:10.0.0.1:agent:bob", DidError::Domain(DomainError::Address)),
            ("did:wba:example.com:agent:Bob", DidError::Name(LabelError::Form)),
            ("did:wba:example.com:agent:system", DidError::Name(LabelError::Reserved)),
            ("did:wba:example.com:agent:system:bob", DidError::Tenant(LabelError::Reserved)),
            ("did:wba:example.com:agent:bob#sig-1", DidError::Name(LabelError::Form)),
        ] {
            assert_eq!(text.parse::<Did>(), Err(why), "{text}");
        }
    }
}
