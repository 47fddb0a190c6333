//! The HTTPS client for requests to the relay and to endpoints. It trusts the public CAs and, when
//! its file exists, the relay's private CA. The file is reloaded, because the CA changes while the
//! process runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use daemon::Shutdown;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Time for a connection to be established, including TLS; a caller waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// After this an idle connection is closed: before the server closes it at 75 s, because a request
/// on a connection that is being closed would be lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How late a renewed CA is noticed; kubelet takes up to a minute to bring a changed Secret.
const CA_RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// Cheap to clone; clones change together.
#[derive(Debug, Clone)]
pub struct Outbound {
    ca_file: PathBuf,
    current: Arc<RwLock<Current>>,
}

#[derive(Debug)]
struct Current {
    pem: Vec<u8>,
    client: reqwest::Client,
}

#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("failed to read the relay's CA at {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("failed to parse the relay's CA at {}", .0.display())]
    Parse(PathBuf, #[source] rustls_pki_types::pem::Error),
    #[error("failed to set up TLS to the relay")]
    Configure(#[source] rustls::Error),
    #[error("failed to prepare requests to the relay")]
    Prepare(#[source] reqwest::Error),
}

impl Outbound {
    /// # Errors
    /// The file exists and cannot be used.
    pub fn open(ca_file: PathBuf) -> Result<Self, OutboundError> {
        let pem = read_if_exists(&ca_file)?;
        let client = client(&ca_file, &pem)?;
        Ok(Self { ca_file, current: Arc::new(RwLock::new(Current { pem, client })) })
    }

    /// Reloads the file; `true` when it has changed.
    ///
    /// # Errors
    /// As [`Self::open`]; the previous CA stays trusted.
    pub fn reload(&self) -> Result<bool, OutboundError> {
        let pem = read_if_exists(&self.ca_file)?;
        if pem == self.current.read().unwrap_or_else(PoisonError::into_inner).pem {
            return Ok(false);
        }
        let client = client(&self.ca_file, &pem)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { pem, client };
        Ok(true)
    }

    /// Reloads the file every few seconds, until shutdown.
    pub async fn watch(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(CA_RELOAD_INTERVAL) => {}
                () = shutdown.begun() => return,
            }
            match self.reload() {
                Ok(true) => tracing::info!("the relay's CA has changed"),
                Ok(false) => {}
                Err(error) => {
                    let error = daemon::error_chain(&error);
                    tracing::warn!(error, "failed to reload the relay's CA; the previous one stays trusted");
                }
            }
        }
    }

    #[must_use]
    pub fn client(&self) -> reqwest::Client {
        self.current.read().unwrap_or_else(PoisonError::into_inner).client.clone()
    }
}

/// Empty when the file does not exist.
fn read_if_exists(ca_file: &Path) -> Result<Vec<u8>, OutboundError> {
    match std::fs::read(ca_file) {
        Ok(pem) => Ok(pem),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(OutboundError::Read(ca_file.to_owned(), error)),
    }
}

fn client(ca_file: &Path, pem: &[u8]) -> Result<reqwest::Client, OutboundError> {
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|source| OutboundError::Parse(ca_file.to_owned(), source))?;
    roots.add_parsable_certificates(certificates);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(OutboundError::Configure)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // The relay and the endpoints are inside, where a proxy of the environment does not lead.
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        // URLs come from the settings and from the relay. The other side must not redirect them.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(OutboundError::Prepare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_authority_is_taken_in_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        let pem = || rcgen::generate_simple_self_signed(["relay".to_owned()]).unwrap().cert.pem();
        let outbound = Outbound::open(path.clone()).unwrap();
        assert!(!outbound.reload().unwrap(), "no file, as before");
        std::fs::write(&path, pem()).unwrap();
        assert!(outbound.reload().unwrap());
        assert!(!outbound.reload().unwrap());
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(outbound.reload(), Err(OutboundError::Parse(..))));
        std::fs::write(&path, pem()).unwrap();
        assert!(outbound.reload().unwrap());
    }
}
