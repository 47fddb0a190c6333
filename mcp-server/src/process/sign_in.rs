//! The authorization server as this process reaches it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use protocol::Did;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::http::bearer::Tokens;
use crate::http::issuer::Issuer;
use crate::http::metadata;
use crate::http::token::Expected;
use crate::settings::OAuth;

/// Time for a connection to the authorization server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) fn tokens(oauth: &OAuth, agent: Did) -> anyhow::Result<Tokens> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(oauth)?)
        .connect_timeout(CONNECT_TIMEOUT)
        // Where the keys are is a setting, and not for the other side to choose.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("failed to prepare for the authorization server")?;
    let expected = Expected { issuer: oauth.issuer.clone(), audience: oauth.public_url.clone(), agent };
    let base = oauth.public_url.strip_suffix("/mcp").unwrap_or(&oauth.public_url);
    let metadata_url = format!("{base}{}", metadata::INSERTED);
    tracing::info!(issuer = oauth.issuer, resource = oauth.public_url, "access tokens open this endpoint");
    Ok(Tokens { expected, metadata_url, issuer: Issuer::new(&oauth.jwks_url, client) })
}

/// Trusts the authorities of the web, and that of the relay when there is one.
fn tls(oauth: &OAuth) -> anyhow::Result<ClientConfig> {
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    if oauth.ca.is_file() {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&oauth.ca)
            .with_context(|| format!("failed to read {}", oauth.ca.display()))?
            .collect();
        let certificates = certificates.with_context(|| format!("failed to use {}", oauth.ca.display()))?;
        roots.add_parsable_certificates(certificates);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("failed to prepare TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(settings)
}
