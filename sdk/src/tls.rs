//! The TLS side of a connection: rustls with ring, the public authorities or the given ones.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("the ca.crt given holds no usable PEM certificate")]
    Certificates,
    #[error("the TLS settings cannot be built")]
    Settings(#[source] rustls::Error),
}

/// Client settings that trust `ca` alone when given, the web's authorities otherwise.
pub(crate) fn client(ca: Option<&[u8]>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Settings)?
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    Ok(Arc::new(settings))
}

fn roots(ca: Option<&[u8]>) -> Result<RootCertStore, TlsError> {
    let Some(pem) = ca else {
        return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.map_err(|_| TlsError::Certificates)?);
    if added == 0 { Err(TlsError::Certificates) } else { Ok(store) }
}
