//! The HTTP client for every outgoing request: no redirects, a time limit, and no proxy unless the
//! caller adds the one of the settings.

use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};

/// Time for one outgoing request, from DNS to the end of the body. Sign-in pages wait for it.
pub const OUTBOUND_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The public certificate authorities. They are built in because the container image has none.
#[must_use]
pub fn public_roots() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

/// A client that trusts these certificate authorities.
pub fn builder(roots: RootCertStore) -> reqwest::ClientBuilder {
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(Policy::none())
        .timeout(OUTBOUND_REQUEST_TIMEOUT)
        // A pooled connection would outlive the check of its address.
        .pool_max_idle_per_host(0)
}
