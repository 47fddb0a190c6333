//! What the server finds in its folder: the agent's credentials and identity, and a certificate.

use std::path::Path;
use std::time::{Duration, SystemTime};

use msg2agent::Identity;
use msg2agent_tests::relay_process::RelayProcess;
use protocol::api_key::ApiKey;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// The agent's folder as two mounted Secrets make it, flat.
pub(crate) fn write_binding(folder: &Path, relay: &RelayProcess, identity: &Identity, key: &ApiKey) {
    let write = |name: &str, text: &str| write_secret(&folder.join(name), text);
    write("url", &relay.url());
    write("did", identity.did().as_str());
    write("token", key.reveal());
    write("identity.json", &identity.to_key_file());
    write("card.json", r#"{"name":"Alice"}"#);
}

fn write_secret(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

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
    write_secret(&folder.join("tls.crt"), &certificate.pem());
    write_secret(&folder.join("tls.key"), &key.serialize_pem());
    ca
}
