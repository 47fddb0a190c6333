//! Checks of URLs in settings, and the errors that stop the start. Each names the flag and the
//! environment variable.

use std::net::SocketAddr;

use reqwest::Url;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error(
        "{address} is not a loopback address: set --tls-cert and --tls-key ({tls_cert}, {tls_key}), or \
         --insecure-plaintext ({insecure_plaintext}) if something else encrypts"
    )]
    Plaintext {
        address: SocketAddr,
        tls_cert: &'static str,
        tls_key: &'static str,
        insecure_plaintext: &'static str,
    },
    #[error(
        "--{flag} ({variable}) must be an https URL that ends in /mcp, without query or fragment, not {url:?}"
    )]
    ResourceUrl { flag: &'static str, variable: &'static str, url: String },
    #[error("--{flag} ({variable}) must be an https URL without query or fragment")]
    InsecureUrl { flag: &'static str, variable: &'static str },
    #[error("HTTP needs --dir (MSG2AGENT_DIR): callers present the API key in its file `token`")]
    NoFolder,
}

/// Checks the URL of a resource (RFC 8707). Clients compare it byte for byte.
///
/// # Errors
/// The URL is not secure, or does not end in `/mcp`.
pub fn check_resource_url(
    flag: &'static str,
    variable: &'static str,
    url: &str,
) -> Result<(), SettingsError> {
    if is_secure(url) && url.ends_with("/mcp") {
        return Ok(());
    }
    Err(SettingsError::ResourceUrl { flag, variable, url: url.to_owned() })
}

/// Checks a URL that keys, metadata or secrets are exchanged with.
///
/// # Errors
/// Somebody on the network path could change what is exchanged.
pub fn check_secure_url(flag: &'static str, variable: &'static str, url: &str) -> Result<(), SettingsError> {
    if is_secure(url) { Ok(()) } else { Err(SettingsError::InsecureUrl { flag, variable }) }
}

/// TLS or this machine, without query and fragment.
fn is_secure(text: &str) -> bool {
    // The parser would mend these, and other programs compare or split the text as it is written.
    let is_malformed = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    if !text.contains("://") || text.contains(is_malformed) {
        return false;
    }
    let url = Url::parse(text).ok().filter(protocol::url::is_secure);
    url.is_some_and(|url| url.query().is_none() && url.fragment().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_https_or_to_any_address_of_this_machine() {
        for url in ["https://relay.example/x", "http://localhost:1", "http://127.0.0.2:1/a", "http://[::1]/"]
        {
            assert!(is_secure(url), "{url}");
        }
        for url in
            ["http://relay.example", "wss://relay.example", "https://a?x=1", "https://a#x", "relay", ""]
        {
            assert!(!is_secure(url), "{url}");
        }
        for url in
            [" https://a", "https://a/b c", "https:a", r"https:\\a", "https://a?", "https://a#", "https://"]
        {
            assert!(!is_secure(url), "{url}");
        }
    }
}
