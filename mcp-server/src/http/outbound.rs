//! HTTPS to the relay and to other endpoints of it: trusts the authorities of the web, and that of the relay when its file is
//! there. The file is read again, because a process may outlive an authority.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Time for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle connections are given up before the other side does, which waits 30 s: a request on a closing one would be lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Cheap to clone; clones change together.
#[derive(Debug, Clone)]
pub struct Outbound {
    authority: PathBuf,
    current: Arc<RwLock<Current>>,
}

#[derive(Debug)]
struct Current {
    pem: Vec<u8>,
    client: reqwest::Client,
}

#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("failed to read the relay's authority at {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("failed to parse the relay's authority at {}", .0.display())]
    Parse(PathBuf, #[source] rustls_pki_types::pem::Error),
    #[error("failed to set up TLS to the relay")]
    Configure(#[source] rustls::Error),
    #[error("failed to prepare requests to the relay")]
    Prepare(#[source] reqwest::Error),
}

impl Outbound {
    /// # Errors
    /// The file is there and cannot be used.
    pub fn open(authority: PathBuf) -> Result<Self, OutboundError> {
        let pem = read(&authority)?;
        let client = client(&authority, &pem)?;
        Ok(Self { authority, current: Arc::new(RwLock::new(Current { pem, client })) })
    }

    /// Reads the file again; `true` when it is another one.
    ///
    /// # Errors
    /// As [`Self::open`]; what was trusted stays trusted.
    pub fn reload(&self) -> Result<bool, OutboundError> {
        let pem = read(&self.authority)?;
        if pem == self.current.read().unwrap_or_else(PoisonError::into_inner).pem {
            return Ok(false);
        }
        let client = client(&self.authority, &pem)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { pem, client };
        Ok(true)
    }

    #[must_use]
    pub fn client(&self) -> reqwest::Client {
        self.current.read().unwrap_or_else(PoisonError::into_inner).client.clone()
    }
}

/// Nothing when there is no file.
fn read(authority: &Path) -> Result<Vec<u8>, OutboundError> {
    match std::fs::read(authority) {
        Ok(pem) => Ok(pem),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(OutboundError::Read(authority.to_owned(), error)),
    }
}

fn client(authority: &Path, pem: &[u8]) -> Result<reqwest::Client, OutboundError> {
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|source| OutboundError::Parse(authority.to_owned(), source))?;
    roots.add_parsable_certificates(certificates);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(OutboundError::Configure)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        // Where things are is a setting, and not for the other side to choose.
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
