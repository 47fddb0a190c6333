//! The files that a pod mounts: a certificate for its address, and tokens.

use std::path::{Path, PathBuf};

use devtools::agent_folder::write_secret;
use rcgen::{CertificateParams, KeyPair, SanType};

use crate::pod::ADDRESS;

/// Folders of a container, below a folder of this test.
pub(crate) struct PodFiles {
    folder: tempfile::TempDir,
    pub(crate) ca: reqwest::Certificate,
}

impl PodFiles {
    pub(crate) fn new() -> Self {
        devtools::install_tls_provider();
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::IpAddress(ADDRESS.into())];
        let certificate = params.self_signed(&key).unwrap();
        let ca = reqwest::Certificate::from_der(certificate.der()).unwrap();
        let files = Self { folder, ca };
        files.write("run/tls/tls.crt", &certificate.pem());
        files.write("run/tls/ca.crt", &certificate.pem());
        files.write("run/tls/tls.key", &key.serialize_pem());
        std::fs::create_dir_all(files.path().join("state")).unwrap();
        files
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_secret(&path, text).unwrap();
        path
    }

    /// A text in which the container's folders are those of this test.
    pub(crate) fn localized(&self, text: &str) -> String {
        let folder = |name: &str| self.path().join(name).display().to_string();
        text.replace("/var/run/msg2agent", &folder("run")).replace("/var/lib/msg2agent", &folder("state"))
    }
}
