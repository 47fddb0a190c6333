//! The proxy through which a process sends its outgoing HTTPS requests, where the network has no
//! other way out.

use std::fmt;

use url::Url;

/// An HTTP proxy that forwards TLS connections (`CONNECT`), and the hosts that are reached without
/// it.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboundProxy {
    url: Url,
    except: String,
}

/// The URL is not that of an HTTP proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a proxy is http://host:port")]
pub struct NotAProxy;

impl OutboundProxy {
    /// `url` is `http://host:port`, with or without the scheme. `except` are the hosts of
    /// `NO_PROXY`: domains, addresses and networks, separated by commas.
    ///
    /// # Errors
    /// [`NotAProxy`] for another scheme or a URL that is none.
    pub fn new(url: &str, except: &str) -> Result<Self, NotAProxy> {
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let url = Url::parse(&with_scheme).map_err(|_| NotAProxy)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(NotAProxy);
        }
        Ok(Self { url, except: except.to_owned() })
    }

    /// The URL for people, without user name and password.
    #[must_use]
    pub fn redacted_url(&self) -> String {
        let mut url = self.url.clone();
        if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
            return String::new();
        }
        url.into()
    }

    /// The hosts that are reached without the proxy.
    #[must_use]
    pub fn except(&self) -> &str {
        &self.except
    }

    /// The proxy for every HTTPS request except those to the excepted hosts.
    ///
    /// # Errors
    /// Those of the HTTP client.
    pub fn with_exceptions(&self) -> reqwest::Result<reqwest::Proxy> {
        Ok(self.without_exceptions()?.no_proxy(reqwest::NoProxy::from_string(&self.except)))
    }

    /// The proxy for every HTTPS request.
    ///
    /// # Errors
    /// Those of the HTTP client.
    pub fn without_exceptions(&self) -> reqwest::Result<reqwest::Proxy> {
        reqwest::Proxy::https(self.url.clone())
    }
}

impl fmt::Debug for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundProxy")
            .field("url", &self.redacted_url())
            .field("except", &self.except)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_with_or_without_scheme_and_its_password_is_not_shown() {
        let shown = |url| OutboundProxy::new(url, "").unwrap().redacted_url();
        assert_eq!(shown("proxy.example:3128"), "http://proxy.example:3128/");
        assert_eq!(shown("http://[fd00::1]:3128"), "http://[fd00::1]:3128/");
        let secret = OutboundProxy::new("http://relay:hunter2@proxy.example:3128", "").unwrap();
        assert_eq!(secret.redacted_url(), "http://proxy.example:3128/");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_no_http_proxy_is_refused() {
        for url in ["socks5://proxy.example:1080", "http://", "", "file:///etc/passwd"] {
            assert_eq!(OutboundProxy::new(url, ""), Err(NotAProxy), "{url}");
        }
    }
}
