//! TLS with a certificate that can be replaced while connections are open.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::TlsFiles;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("failed to read {0}")]
    Read(String, #[source] std::io::Error),
    #[error("failed to parse {0}")]
    Parse(String, #[source] rustls_pki_types::pem::Error),
    #[error("failed to use {0}: it holds no certificate")]
    Empty(String),
    #[error("failed to use the certificate with its key")]
    Use(#[source] rustls::Error),
    #[error("failed to set up TLS")]
    Configure(#[source] rustls::Error),
}

/// The certificate in use. Cheap to clone; clones change together.
#[derive(Debug, Clone)]
pub struct Certificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Certificate {
    /// # Errors
    /// Files that cannot be read, or do not belong together.
    pub async fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = certified_key(&files, &provider).await?;
        Ok(Self { files, provider, current: Arc::new(Current(RwLock::new(Arc::new(key)))) })
    }

    /// Reads the files again; `true` when the certificate is another one.
    ///
    /// # Errors
    /// As [`Self::load`]; the certificate then stays as it was.
    pub async fn reload(&self) -> Result<bool, TlsError> {
        let fresh = certified_key(&self.files, &self.provider).await?;
        let mut current = self.current.0.write().unwrap_or_else(PoisonError::into_inner);
        if current.cert == fresh.cert {
            return Ok(false);
        }
        *current = Arc::new(fresh);
        Ok(true)
    }

    /// TLS 1.2 and 1.3 with this certificate, for HTTP/1.1.
    ///
    /// # Errors
    /// The cryptographic provider supports no protocol version.
    pub fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Configure)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

async fn certified_key(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let name = |path: &std::path::Path| path.display().to_string();
    let cert = tokio::fs::read(&files.cert).await.map_err(|e| TlsError::Read(name(&files.cert), e))?;
    let key = tokio::fs::read(&files.key).await.map(zeroize::Zeroizing::new);
    let key = key.map_err(|e| TlsError::Read(name(&files.key), e))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&cert)
        .collect::<Result<_, _>>()
        .map_err(|e| TlsError::Parse(name(&files.cert), e))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(name(&files.cert)));
    }
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| TlsError::Parse(name(&files.key), e))?;
    CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Use)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(files: &TlsFiles) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&files.cert, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    fn in_use(certificate: &Certificate) -> Vec<u8> {
        certificate.current.0.read().unwrap().cert[0].to_vec()
    }

    #[tokio::test]
    async fn a_replaced_certificate_is_used_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
        let first = write(&files);
        let certificate = Certificate::load(files.clone()).await.unwrap();
        assert!(!certificate.reload().await.unwrap());
        assert_eq!(in_use(&certificate), first);

        let second = write(&files);
        assert!(certificate.reload().await.unwrap());
        assert_eq!(in_use(&certificate), second);

        std::fs::write(&files.cert, "no certificate").unwrap();
        assert!(matches!(certificate.reload().await, Err(TlsError::Empty(_))));
        assert_eq!(in_use(&certificate), second);
    }

    #[tokio::test]
    async fn a_certificate_with_another_ones_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
        write(&files);
        let other = TlsFiles { cert: folder.path().join("other.crt"), key: files.key.clone() };
        let key = std::fs::read(&files.key).unwrap();
        write(&other);
        std::fs::write(&files.key, key).unwrap();
        assert!(matches!(Certificate::load(other).await, Err(TlsError::Use(_))));
    }
}
