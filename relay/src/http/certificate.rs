//! The certificate of the public listener, read again when its files change: a renewal needs no restart and closes no
//! connection. A pair that does not fit is refused and the one before it stays.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use daemon::Shutdown;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::metrics::HttpMetrics;
use crate::config::TlsFiles;

/// How late a renewed certificate is noticed. Contents are compared, not times: mounted Secrets are swapped links.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("failed to read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("failed to find PEM certificates in {}", path.display())]
    Chain { path: PathBuf, source: rustls_pki_types::pem::Error },
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    #[error("failed to find a PEM private key in {}", path.display())]
    Key { path: PathBuf, source: rustls_pki_types::pem::Error },
    #[error("the certificate in {} and the key in {} cannot be used together", cert.display(), key.display())]
    Pair { cert: PathBuf, key: PathBuf, source: rustls::Error },
}

#[derive(Debug)]
pub struct ReloadingCertificate {
    files: TlsFiles,
    current: RwLock<Loaded>,
}

#[derive(Debug, Clone)]
struct Loaded {
    key: Arc<CertifiedKey>,
    /// Of both files, whether they could be used or not.
    digest: [u8; 32],
}

struct Contents {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl ReloadingCertificate {
    /// # Errors
    /// The files cannot be read or do not make a pair.
    pub async fn load(files: TlsFiles) -> Result<Arc<Self>, CertificateError> {
        let contents = read(&files).await?;
        let loaded = Loaded { key: certified(&files, &contents)?, digest: digest(&contents) };
        Ok(Arc::new(Self { files, current: RwLock::new(loaded) }))
    }

    /// Watches the files until shutdown.
    pub async fn watch(self: Arc<Self>, metrics: HttpMetrics, shutdown: Shutdown) {
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        loop {
            tokio::select! {
                _ = poll.tick() => self.poll(&metrics).await,
                () = shutdown.begun() => return,
            }
        }
    }

    async fn poll(&self, metrics: &HttpMetrics) {
        // While a Secret is being swapped there may be no file for a moment; the next poll finds it.
        let Ok(contents) = read(&self.files).await else { return };
        let digest = digest(&contents);
        if self.current().digest == digest {
            return;
        }
        let certified = certified(&self.files, &contents);
        metrics.reloaded(certified.is_ok());
        let key = match certified {
            Ok(key) => {
                tracing::info!(cert = %self.files.cert.display(), "loaded the renewed certificate");
                key
            }
            Err(error) => {
                tracing::warn!(%error, "refused the changed certificate files; the certificate before stays in use");
                self.current().key
            }
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Loaded { key, digest };
    }

    fn current(&self) -> Loaded {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for ReloadingCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current().key)
    }
}

async fn read(files: &TlsFiles) -> Result<Contents, CertificateError> {
    let file = async |path: &PathBuf| {
        tokio::fs::read(path).await.map_err(|source| CertificateError::Read { path: path.clone(), source })
    };
    Ok(Contents { cert: file(&files.cert).await?, key: Zeroizing::new(file(&files.key).await?) })
}

fn digest(contents: &Contents) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(contents.cert.len().to_be_bytes());
    hash.update(&contents.cert);
    hash.update(contents.key.as_slice());
    hash.finalize().into()
}

fn certified(files: &TlsFiles, contents: &Contents) -> Result<Arc<CertifiedKey>, CertificateError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&contents.cert)
        .collect::<Result<_, _>>()
        .map_err(|source| CertificateError::Chain { path: files.cert.clone(), source })?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate(files.cert.clone()));
    }
    let key = PrivateKeyDer::from_pem_slice(&contents.key)
        .map_err(|source| CertificateError::Key { path: files.key.clone(), source })?;
    let certified = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|source| {
        CertificateError::Pair { cert: files.cert.clone(), key: files.key.clone(), source }
    })?;
    Ok(Arc::new(certified))
}
