//! The certificate of the public listener, reloaded when its files change: a renewal needs no
//! restart and closes no connection. Files that cannot be used are refused, and the previous
//! certificate stays in use.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::metrics::ListenerMetrics;
use crate::error_chain;
use crate::shutdown::Shutdown;

#[cfg(test)]
mod tests;

/// How late a renewed certificate is noticed; kubelet takes up to a minute to bring a changed
/// Secret. Contents are compared, not times: the files of a mounted Secret are links that are
/// swapped.
const CERTIFICATE_RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// The PEM files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub cert: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
}

/// Why certificate files cannot be used.
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

/// The certificate in use. Cheap to clone; clones change together.
#[derive(Debug, Clone)]
pub struct ReloadingCertificate {
    files: TlsFiles,
    current: Arc<Current>,
}

#[derive(Debug)]
struct Current(RwLock<Loaded>);

#[derive(Debug, Clone)]
struct Loaded {
    key: Arc<CertifiedKey>,
    /// Of the files as they were last read, whether they could be used or not: a pair is refused
    /// once.
    digest: [u8; 32],
}

struct Contents {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl ReloadingCertificate {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// The files cannot be read or do not make a pair.
    pub async fn load(files: TlsFiles) -> Result<Self, CertificateError> {
        let contents = read(&files).await?;
        let loaded = Loaded { key: certified(&files, &contents)?, digest: digest(&contents) };
        Ok(Self { files, current: Arc::new(Current(RwLock::new(loaded))) })
    }

    /// Reads the files again; `true` when there is a new certificate.
    ///
    /// # Errors
    /// The files cannot be read, or have changed and do not make a pair. The previous certificate
    /// stays in use. Files that were refused once are unchanged at the next call, which is no
    /// error.
    pub async fn reload(&self) -> Result<bool, CertificateError> {
        let contents = read(&self.files).await?;
        let digest = digest(&contents);
        let before = self.current.get();
        if before.digest == digest {
            return Ok(false);
        }
        let certified = certified(&self.files, &contents);
        let key = certified.as_ref().map_or(before.key, Arc::clone);
        self.current.set(Loaded { key, digest });
        certified.map(|_| true)
    }

    /// Reloads the files every few seconds until shutdown, and counts the changes.
    pub async fn watch(self, metrics: ListenerMetrics, shutdown: Shutdown) {
        let mut poll = tokio::time::interval(CERTIFICATE_RELOAD_INTERVAL);
        let mut is_readable = true;
        loop {
            tokio::select! {
                _ = poll.tick() => {}
                () = shutdown.begun() => return,
            }
            let reloaded = self.reload().await;
            let was_readable = is_readable;
            is_readable = !matches!(reloaded, Err(CertificateError::Read { .. }));
            match reloaded {
                Ok(false) => {}
                Ok(true) => {
                    metrics.reloaded(true);
                    tracing::info!(cert = %self.files.cert.display(), "loaded the renewed certificate");
                }
                Err(error @ CertificateError::Read { .. }) => {
                    if was_readable {
                        let error = error_chain(&error);
                        tracing::warn!(
                            error,
                            "failed to read the certificate files; the previous certificate stays in use"
                        );
                    }
                }
                Err(error) => {
                    metrics.reloaded(false);
                    let error = error_chain(&error);
                    tracing::warn!(
                        error,
                        "refused the changed certificate files; the previous certificate stays in use"
                    );
                }
            }
        }
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.current) as Arc<_>
    }
}

impl Current {
    fn get(&self) -> Loaded {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, loaded: Loaded) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = loaded;
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get().key)
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
