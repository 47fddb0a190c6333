//! Writes the certificate into the server's folder.

use std::path::Path;
use std::time::{Duration, SystemTime};

use devtools::agent_folder::write_secret;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// Writes `tls.crt` and `tls.key` for localhost and returns the authority behind them.
/// It is good until `days` from now; a negative number is in the past.
pub(super) fn write_certificate(folder: &Path, days: i64) -> String {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // A name of its own: a leaf with its issuer's name looks self-signed to clients.
    authority.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
    let authority_key = KeyPair::generate().unwrap();
    let ca = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let day = Duration::from_secs(24 * 3600);
    let until = SystemTime::now() + day * u32::try_from(days.max(0)).unwrap();
    leaf.not_after = (until - day * u32::try_from((-days).max(0)).unwrap()).into();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    write_secret(&folder.join("tls.crt"), &certificate.pem()).unwrap();
    write_secret(&folder.join("tls.key"), &key.serialize_pem()).unwrap();
    ca
}
