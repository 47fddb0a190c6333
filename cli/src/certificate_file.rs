//! Reads the certificate authorities that replace the public ones.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::failure::Failure;

pub(crate) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let attempt = || format!("cannot read the certificates in {}", path.display());
    let pem = std::fs::read(path).map_err(|e| Failure::io(attempt(), e))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Failure::usage(attempt(), "the file must contain PEM certificates")),
    }
}
