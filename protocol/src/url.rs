//! Checks that a URL may receive secrets: it uses TLS, or plain text that stays on this machine.
//!
//! [`Transport`] needs no URL parser. The cargo feature `url` adds the exact forms of an OAuth
//! issuer and of an MCP endpoint's URL.

#[cfg(feature = "url")]
mod endpoint;
#[cfg(feature = "url")]
mod issuer;

use std::net::IpAddr;

#[cfg(feature = "url")]
pub use endpoint::{is_endpoint_url, is_gateway_url};
#[cfg(feature = "url")]
pub use issuer::{Issuer, IssuerError};

/// How well a URL protects what is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `https` or `wss`.
    Encrypted,
    /// `http` or `ws` to a host that can only be this machine.
    Loopback,
    /// `http` or `ws` to any other host: everybody on the way can read it.
    Plaintext,
}

impl Transport {
    /// The transport of a URL with this scheme (in lower case) and host; `None` for every other
    /// scheme.
    ///
    /// ```
    /// use msg2agent_protocol::url::Transport;
    ///
    /// let transport = Transport::from_scheme_and_host;
    /// assert_eq!(transport("https", "relay.example"), Some(Transport::Encrypted));
    /// assert_eq!(transport("ws", "[::1]"), Some(Transport::Loopback));
    /// assert_eq!(transport("http", "relay.example"), Some(Transport::Plaintext));
    /// assert_eq!(transport("ftp", "localhost"), None);
    /// ```
    #[must_use]
    pub fn from_scheme_and_host(scheme: &str, host: &str) -> Option<Self> {
        match scheme {
            "https" | "wss" => Some(Self::Encrypted),
            "http" | "ws" if is_loopback_host(host) => Some(Self::Loopback),
            "http" | "ws" => Some(Self::Plaintext),
            _ => None,
        }
    }

    /// Whether secrets may be sent this way.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        !matches!(self, Self::Plaintext)
    }
}

/// Whether a host can only be this machine: `localhost`, any address of 127.0.0.0/8, or `::1` with
/// or without brackets. Other names are never looked up, so that DNS cannot change the answer.
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the URL is `https`, or `http` to this machine.
#[cfg(feature = "url")]
#[must_use]
pub fn is_secure(url: &url::Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| {
            !host.is_empty()
                && Transport::from_scheme_and_host(url.scheme(), host).is_some_and(Transport::is_secure)
        })
}

/// The host of a URL that is [secure](is_secure); `None` for any other text.
#[cfg(feature = "url")]
#[must_use]
pub fn secure_host(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    url.host_str().filter(|_| is_secure(&url)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_this_machine_is_loopback_and_no_other_name_is() {
        for here in ["localhost", "127.0.0.1", "127.9.8.7", "::1", "[::1]"] {
            assert!(is_loopback_host(here), "{here}");
        }
        for elsewhere in
            ["", "localhost.example", "127.0.0.1.example", "[::1", "::2", "10.0.0.1", "LOCALHOST"]
        {
            assert!(!is_loopback_host(elsewhere), "{elsewhere}");
        }
    }

    #[cfg(feature = "url")]
    #[test]
    fn secrets_go_to_https_or_to_this_machine() {
        assert_eq!(secure_host("https://relay.example/x").as_deref(), Some("relay.example"));
        assert_eq!(secure_host("http://127.0.0.2:1").as_deref(), Some("127.0.0.2"));
        for refused in ["http://relay.example", "wss://relay.example", "relay.example", "data:text/plain,x"] {
            assert_eq!(secure_host(refused), None, "{refused}");
        }
    }
}
