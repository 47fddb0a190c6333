//! Parses an OAuth issuer in its only accepted form.
//!
//! Clients compare issuers byte for byte (RFC 8414 section 3.3, RFC 9207).

use std::fmt;
use std::str::FromStr;

use url::{Origin, Url};

use super::is_secure;

/// An issuer: `https://host[:port]`, or `http://host[:port]` on loopback, without a path and a
/// trailing slash.
///
/// ```
/// use msg2agent_protocol::url::Issuer;
///
/// let issuer: Issuer = "https://relay.example".parse()?;
/// assert_eq!(issuer.at("/oauth/token"), "https://relay.example/oauth/token");
/// assert!("https://relay.example/".parse::<Issuer>().is_err());
/// # Ok::<(), msg2agent_protocol::url::IssuerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an issuer is https://host[:port] in lower case, or http:// on loopback, without path and trailing slash"
)]
/// The text is not an issuer in its accepted form.
pub struct IssuerError;

impl Issuer {
    /// The text that clients compare.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A URL below the issuer. `path` starts with a slash.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl FromStr for Issuer {
    type Err = IssuerError;

    fn from_str(text: &str) -> Result<Self, IssuerError> {
        let url = Url::parse(text).map_err(|_| IssuerError)?;
        let origin = url.origin();
        let exact = matches!(origin, Origin::Tuple(..)) && origin.ascii_serialization() == text;
        if is_secure(&url) && exact { Ok(Self(text.to_owned())) } else { Err(IssuerError) }
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_has_one_spelling() {
        for good in
            ["https://relay.example", "https://relay.example:8443", "http://localhost:8443", "http://[::1]:1"]
        {
            assert_eq!(good.parse::<Issuer>().unwrap().as_str(), good);
        }
        for bad in [
            "https://relay.example/",
            "https://Relay.example",
            "https://relay.example:443",
            "https://relay.example/path",
            "https://user@relay.example",
            "http://relay.example",
            "relay.example",
            "data:text/plain,x",
        ] {
            assert_eq!(bad.parse::<Issuer>(), Err(IssuerError), "{bad}");
        }
    }
}
