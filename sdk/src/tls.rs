//! TLS client configuration: rustls with ring, and the public or the given certificate authorities.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::config::CaSource;

#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read the certificates in {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the CA file contains no usable PEM certificate")]
    Certificates,
    #[error("cannot build the TLS configuration")]
    Settings(#[source] rustls::Error),
}

/// A client configuration that trusts only `ca`, or the public authorities if that is `None`.
pub(crate) fn client_config(ca: Option<&CaSource>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Settings)?
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn roots(ca: Option<&CaSource>) -> Result<RootCertStore, TlsError> {
    let Some(ca) = ca else {
        return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
    };
    let pem = ca.read()?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
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
    fn a_file_of_authorities_is_read_every_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let ca = CaSource::File(file.path().into());
        let (old, new) = (certificate(), certificate());
        std::fs::write(file.path(), &old).unwrap();
        assert_eq!(roots(Some(&ca)).unwrap().len(), 1);
        std::fs::write(file.path(), format!("{old}{new}")).unwrap();
        assert_eq!(roots(Some(&ca)).unwrap().len(), 2);
        std::fs::write(file.path(), "").unwrap();
        assert!(matches!(roots(Some(&ca)).unwrap_err(), TlsError::Certificates));
    }
}
