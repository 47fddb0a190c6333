//! TLS client configuration: rustls with ring, and the public or the given certificate authorities.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Where the PEM certificates of a private authority come from.
#[derive(Debug, Clone)]
pub(crate) enum CaSource {
    Value(Vec<u8>),
    /// Read at every connection attempt, because authorities are replaced while agents run.
    File(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read the certificates in {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the CA file contains no usable PEM certificate")]
    Certificates,
    #[error("cannot build the TLS configuration")]
    Settings(#[source] rustls::Error),
}

/// The configuration that an endpoint and its clones share, with its sessions, so that a reconnect
/// needs no full handshake. It is built anew when the authorities have changed.
#[derive(Default)]
pub(crate) struct SharedTls(Mutex<Option<Built>>);

struct Built {
    pem: Option<Vec<u8>>,
    config: Arc<ClientConfig>,
}

impl SharedTls {
    /// The configuration that trusts only `ca` as it is now, or the public authorities if that is
    /// `None`. Authorities that cannot be used, as of a file that is being written, leave the
    /// earlier ones in place.
    ///
    /// # Errors
    /// There are no earlier ones.
    pub(crate) fn current(&self, ca: Option<&CaSource>) -> Result<Arc<ClientConfig>, TlsError> {
        // A file is small, and is read while a connection is opened.
        let read = ca.map(CaSource::read).transpose();
        let mut built = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let built_anew = match (read, &*built) {
            (Ok(pem), Some(before)) if before.pem.as_deref() == pem.as_deref() => {
                return Ok(Arc::clone(&before.config));
            }
            (Ok(pem), _) => client_config(pem.as_deref()).map(|config| (pem.map(Cow::into_owned), config)),
            (Err(error), _) => Err(error),
        };
        match (built_anew, &*built) {
            (Ok((pem, config)), _) => {
                *built = Some(Built { pem, config: Arc::clone(&config) });
                Ok(config)
            }
            (Err(_), Some(before)) => Ok(Arc::clone(&before.config)),
            (Err(error), None) => Err(error),
        }
    }
}

impl fmt::Debug for SharedTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedTls")
    }
}

fn client_config(pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Settings)?
        .with_root_certificates(roots(pem)?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn roots(pem: Option<&[u8]>) -> Result<RootCertStore, TlsError> {
    let Some(pem) = pem else {
        return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.map_err(|_| TlsError::Certificates)?);
    if added == 0 { Err(TlsError::Certificates) } else { Ok(store) }
}

impl CaSource {
    fn read(&self) -> Result<Cow<'_, [u8]>, TlsError> {
        match self {
            Self::Value(pem) => Ok(Cow::Borrowed(pem)),
            Self::File(path) => std::fs::read(path)
                .map(Cow::Owned)
                .map_err(|source| TlsError::Read { path: path.clone(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> String {
        rcgen::generate_simple_self_signed(vec!["relay.test".into()]).unwrap().cert.pem()
    }

    #[test]
    fn connections_share_their_sessions_until_the_file_of_authorities_changes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (ca, tls) = (CaSource::File(file.path().into()), SharedTls::default());
        let current = || tls.current(Some(&ca));
        assert!(matches!(current().unwrap_err(), TlsError::Certificates), "nothing is trusted yet");
        std::fs::write(file.path(), certificate()).unwrap();
        let first = current().unwrap();
        assert!(Arc::ptr_eq(&first, &current().unwrap()));
        std::fs::write(file.path(), certificate()).unwrap();
        let second = current().unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        std::fs::write(file.path(), "half of a certificate").unwrap();
        assert!(Arc::ptr_eq(&second, &current().unwrap()));
    }

    #[test]
    fn every_authority_of_a_file_is_trusted() {
        let both = format!("{}{}", certificate(), certificate());
        assert_eq!(roots(Some(both.as_bytes())).unwrap().len(), 2);
    }
}
