//! The HTTP client of the exporter. It trusts the public CAs, which are compiled in because an
//! empty container image has none, and those of one more file. It logs the start of an outage once,
//! and its end.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject as _};

use crate::error_chain;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("failed to read the authorities in {}", path.display())]
    ReadAuthorities { path: PathBuf, source: pem::Error },
    #[error("failed to find a usable certificate in {}", .0.display())]
    FindAuthority(PathBuf),
    #[error("failed to set up TLS")]
    Tls(#[source] rustls::Error),
    #[error("failed to build the HTTP client")]
    Build(#[source] reqwest::Error),
}

#[derive(Debug)]
pub(super) struct Client {
    inner: reqwest::Client,
    is_failing: AtomicBool,
}

impl Client {
    pub(super) fn new(authorities: Option<&Path>, timeout: Duration) -> Result<Self, ClientError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ClientError::Tls)?
            .with_root_certificates(roots(authorities)?)
            .with_no_client_auth();
        let inner = reqwest::Client::builder().tls_backend_preconfigured(tls).timeout(timeout).build();
        Ok(Self { inner: inner.map_err(ClientError::Build)?, is_failing: AtomicBool::new(false) })
    }

    /// Logs one line when requests begin to fail and one when they succeed again.
    fn log_outage(&self, host: &str, port: Option<u16>, failure: Option<&str>) {
        let failed_before = self.is_failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(cause) if !failed_before => {
                tracing::warn!(
                    server.address = host,
                    server.port = port,
                    cause,
                    "traces do not reach the collector and are lost until they do"
                );
            }
            None if failed_before => {
                tracing::info!(server.address = host, server.port = port, "traces reach the collector again");
            }
            _ => {}
        }
    }
}

// The exporter reports "network error" without a cause, so the cause is logged here.
#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The whole URI may hold a password.
        let (host, port) = (request.uri().host().unwrap_or_default().to_owned(), request.uri().port_u16());
        let answer = self.inner.send_bytes(request).await;
        let failure = match &answer {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the collector answered {}", response.status())),
            Err(error) => Some(causes(&**error)),
        };
        self.log_outage(&host, port, failure.as_deref());
        answer
    }
}

/// The causes without the outermost text, which repeats the URI.
fn causes(error: &(dyn Error + 'static)) -> String {
    error_chain(error.source().unwrap_or(error))
}

fn roots(authorities: Option<&Path>) -> Result<RootCertStore, ClientError> {
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let Some(path) = authorities else { return Ok(roots) };
    let unreadable = |source| ClientError::ReadAuthorities { path: path.to_owned(), source };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect();
    let (added, _) = roots.add_parsable_certificates(found.map_err(unreadable)?);
    if added == 0 { Err(ClientError::FindAuthority(path.to_owned())) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_web_is_trusted_without_any_file_of_the_machine() {
        assert!(roots(None).unwrap().len() > 50);
    }

    #[test]
    fn a_file_adds_to_the_web_and_one_without_certificates_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "no certificate").unwrap();
        assert!(matches!(roots(Some(&path)).unwrap_err(), ClientError::FindAuthority(_)));
        let own = rcgen::generate_simple_self_signed(vec!["collector.test".into()]).unwrap();
        std::fs::write(&path, own.cert.pem()).unwrap();
        assert_eq!(roots(Some(&path)).unwrap().len(), roots(None).unwrap().len() + 1);
    }
}
