//! Redirect URIs: which ones a client may register, and when the URI of a request matches a
//! registered one (RFC 8252, OAuth 2.1 section 2.3).

use std::fmt;

use url::Url;

use protocol::url::is_loopback_host;

/// The longest redirect URI, in bytes.
const REDIRECT_BYTES_MAX: usize = 2048;
/// Private-use schemes of editors that register them without the period that RFC 8252 section 7.1
/// requires.
const PRIVATE_SCHEMES: [&str; 4] = ["cursor", "vscode", "vscode-insiders", "windsurf"];

/// A redirect URI that codes may be sent to, in the client's own spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedirectUri {
    text: String,
    url: Url,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a redirect URI must be https://, http:// on localhost, 127.0.0.1 or [::1], or have a private-use scheme with \
     a period, without fragment and credentials, and at most {REDIRECT_BYTES_MAX} bytes"
)]
pub(crate) struct RedirectUriError;

impl RedirectUri {
    pub(crate) fn parse(text: &str) -> Result<Self, RedirectUriError> {
        if text.len() > REDIRECT_BYTES_MAX || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(RedirectUriError);
        }
        let url = Url::parse(text).map_err(|_| RedirectUriError)?;
        let plain = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        if plain && is_allowed(&url) {
            Ok(Self { text: text.to_owned(), url })
        } else {
            Err(RedirectUriError)
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is the registered URI, byte for byte. On loopback the port may differ, because
    /// native clients listen on any free one (RFC 8252 section 7.3).
    pub(crate) fn matches(&self, registered: &Self) -> bool {
        if self.text == registered.text {
            return true;
        }
        self.is_loopback() && registered.is_loopback() && self.without_port() == registered.without_port()
    }

    /// Whether the client runs on the person's own computer, where any program could be listening.
    pub(crate) fn is_loopback(&self) -> bool {
        self.url.scheme() == "http" && self.url.host_str().is_some_and(is_loopback_host)
    }

    /// The destination for the consent page: the host, or the scheme of an application.
    pub(crate) fn display_host(&self) -> String {
        match self.url.host_str() {
            Some(host) if matches!(self.url.scheme(), "https" | "http") => host.to_owned(),
            _ => format!("an application on this device ({}:)", self.url.scheme()),
        }
    }

    /// The URI with these parameters added to its query.
    pub(crate) fn with_parameters(&self, parameters: &[(&str, &str)]) -> String {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(parameters);
        url.into()
    }

    fn without_port(&self) -> Url {
        let mut url = self.url.clone();
        // Fails only for URLs without a host, and loopback URLs have one.
        let _ = url.set_port(None);
        url
    }
}

fn is_allowed(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host_str().is_some_and(|host| !host.is_empty()),
        "http" => is_named_loopback(url),
        scheme => scheme.contains('.') || PRIVATE_SCHEMES.contains(&scheme),
    }
}

/// The three spellings of loopback that clients use. The rest of 127.0.0.0/8 is refused.
fn is_named_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap()
    }

    #[test]
    fn only_allowed_redirect_uris_may_be_registered() {
        for good in [
            "https://claude.ai/api/mcp/auth_callback",
            "http://localhost:3000/callback",
            "http://127.0.0.1/callback",
            "http://[::1]:1/",
            "com.example.app:/callback",
            "cursor://anysphere.cursor-mcp/oauth/callback",
        ] {
            assert_eq!(uri(good).as_str(), good);
        }
        for bad in [
            "http://example.com/",
            "http://127.0.0.2/",
            "http://localhost.example.com/",
            "https://a.example/#x",
            "https://user@a.example/",
            "https://:password@a.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "https://a.example/ b",
            "/callback",
            "",
        ] {
            assert_eq!(RedirectUri::parse(bad), Err(RedirectUriError), "{bad}");
        }
    }

    #[test]
    fn the_port_is_ignored_on_loopback_only() {
        let registered = uri("http://localhost/callback");
        assert!(uri("http://localhost:54321/callback").matches(&registered));
        assert!(!uri("http://localhost:54321/other").matches(&registered));
        assert!(!uri("http://127.0.0.1:54321/callback").matches(&registered));
        assert!(!uri("http://localhost:54321/callback?x=1").matches(&registered));
        assert!(!uri("https://a.example:8443/cb").matches(&uri("https://a.example/cb")));
        assert!(!uri("https://a.example/cb/").matches(&uri("https://a.example/cb")));
    }

    #[test]
    fn parameters_are_added_to_a_query_that_is_there() {
        assert_eq!(
            uri("https://a.example/cb?x=1").with_parameters(&[("code", "a b")]),
            "https://a.example/cb?x=1&code=a+b"
        );
    }

    proptest! {
        #[test]
        fn an_accepted_uri_never_redirects_to_another_host(text in "(https?|http)://[a-z0-9.:@/#?\\[\\]-]{0,40}") {
            let Ok(parsed) = RedirectUri::parse(&text) else { return Ok(()) };
            prop_assert!(parsed.matches(&parsed));
            let back = Url::parse(&parsed.with_parameters(&[("code", "x")])).unwrap();
            let asked = Url::parse(&text).unwrap();
            prop_assert_eq!(back.host_str(), asked.host_str());
            prop_assert!(back.scheme() == "https" || is_named_loopback(&back));
        }
    }
}
