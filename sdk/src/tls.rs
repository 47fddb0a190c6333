//! The TLS side of a connection: rustls with ring, the public authorities or the given ones.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::config::Ca;

#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("failed to read the certificates in {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the ca.crt given holds no usable PEM certificate")]
    Certificates,
    #[error("the TLS settings cannot be built")]
    Settings(#[source] rustls::Error),
}

/// Client settings that trust `ca` alone when given, the web's authorities otherwise.
pub(crate) fn client(ca: Option<&Ca>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Settings)?
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    Ok(Arc::new(settings))
}

fn roots(ca: Option<&Ca>) -> Result<RootCertStore, TlsError> {
    let Some(ca) = ca else {
        return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
    };
    let pem = ca.read()?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.map_err(|_| TlsError::Certificates)?);
    if added == 0 { Err(TlsError::Certificates) } else { Ok(store) }
}

impl Ca {
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
    fn a_file_of_authorities_is_read_again_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let ca = Ca::File(file.path().into());
        let (old, new) = (certificate(), certificate());
        std::fs::write(file.path(), &old).unwrap();
        assert_eq!(roots(Some(&ca)).unwrap().len(), 1);
        std::fs::write(file.path(), format!("{old}{new}")).unwrap();
        assert_eq!(roots(Some(&ca)).unwrap().len(), 2);
        std::fs::write(file.path(), "").unwrap();
        assert!(matches!(roots(Some(&ca)).unwrap_err(), TlsError::Certificates));
    }
}
