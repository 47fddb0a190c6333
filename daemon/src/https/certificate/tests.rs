//! Certificates that are renewed, broken, and mixed up.

use super::*;

fn files(folder: &tempfile::TempDir) -> TlsFiles {
    TlsFiles { cert: folder.path().join("tls.crt"), key: folder.path().join("tls.key") }
}

fn write(files: &TlsFiles) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    made.cert.der().to_vec()
}

fn in_use(certificate: &ReloadingCertificate) -> Vec<u8> {
    certificate.current.get().key.cert[0].to_vec()
}

#[tokio::test]
async fn a_replaced_certificate_is_used_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    let first = write(&files);
    let certificate = ReloadingCertificate::load(files.clone()).await.unwrap();
    assert!(!certificate.reload().await.unwrap());
    assert_eq!(in_use(&certificate), first);

    let second = write(&files);
    assert!(certificate.reload().await.unwrap());
    assert_eq!(in_use(&certificate), second);

    std::fs::write(&files.cert, "no certificate").unwrap();
    assert!(matches!(certificate.reload().await, Err(CertificateError::NoCertificate(_))));
    assert_eq!(in_use(&certificate), second);
    assert!(!certificate.reload().await.unwrap(), "refused files are refused once");

    std::fs::remove_file(&files.cert).unwrap();
    assert!(matches!(certificate.reload().await, Err(CertificateError::Read { .. })));
    assert_eq!(in_use(&certificate), second);
}

#[tokio::test]
async fn a_certificate_with_another_ones_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    write(&files);
    let other = TlsFiles { cert: folder.path().join("other.crt"), key: files.key.clone() };
    let key = std::fs::read(&files.key).unwrap();
    write(&other);
    std::fs::write(&files.key, key).unwrap();
    assert!(matches!(ReloadingCertificate::load(other).await, Err(CertificateError::Pair { .. })));
}
