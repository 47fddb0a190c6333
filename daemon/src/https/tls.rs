//! The TLS configuration of the public listener: versions 1.2 and 1.3 by rustls with ring, HTTP/1.1
//! only.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;

use super::certificate::ReloadingCertificate;

/// The configuration for connections with this certificate.
///
/// # Errors
/// The cryptographic provider lacks what TLS 1.2 or 1.3 needs.
pub fn server_config(certificate: &ReloadingCertificate) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate.resolver());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
