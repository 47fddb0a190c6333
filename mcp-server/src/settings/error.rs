//! Checks of URLs in settings, and the errors that stop the start. Each names the flag and the
//! environment variable.

use std::net::SocketAddr;

use axum::http::Uri;
use protocol::url::Transport;

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
fn is_secure(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else { return false };
    let is_web = matches!(scheme, "http" | "https");
    let transport = Transport::of(scheme, host);
    let has_extras = uri.query().is_some() || url.contains('#');
    is_web && !host.is_empty() && transport.is_some_and(Transport::is_secure) && !has_extras
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
    }
}
