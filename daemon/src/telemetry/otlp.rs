//! Exports spans over OTLP/HTTP. The OpenTelemetry SDK exports from its own thread, which has no
//! runtime. The HTTP client needs one, so each export runs on the runtime that installed telemetry.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_otlp::{ExporterBuildError, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

mod client;

pub use client::ClientError;

/// Time to export one batch. A collector that takes longer is treated as absent: the batch is lost.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The environment variable for a file of certificate authorities, as OpenTelemetry specifies it.
const CERTIFICATE_VARIABLE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";

#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    #[error("failed to prepare the HTTP client")]
    Client(#[from] ClientError),
    #[error("failed to build the exporter")]
    Build(#[from] ExporterBuildError),
}

#[derive(Debug)]
pub(super) struct OnRuntime {
    inner: Arc<opentelemetry_otlp::SpanExporter>,
    runtime: Handle,
}

/// The file with additional certificate authorities, if the environment names one.
pub(super) fn authorities() -> Option<PathBuf> {
    std::env::var_os(CERTIFICATE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Creates the exporter; call it inside a runtime. `authorities` is a PEM file of CAs that are
/// trusted in addition to the public CAs.
pub(super) fn exporter(endpoint: &str, authorities: Option<&Path>) -> Result<OnRuntime, ExporterError> {
    let inner = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client::Client::new(authorities, EXPORT_TIMEOUT)?)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    Ok(OnRuntime { inner: Arc::new(inner), runtime: Handle::current() })
}

impl SpanExporter for OnRuntime {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let inner = Arc::clone(&self.inner);
        let export = self.runtime.spawn(async move { inner.export(batch).await });
        async move { export.await.unwrap_or_else(|ended| Err(OTelSdkError::InternalFailure(ended.to_string()))) }
    }

    // Resources reach the exporter before its first export, while nobody else holds it.
    fn set_resource(&mut self, resource: &Resource) {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.set_resource(resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject as _;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::captured_log::CapturedLog;
    use super::*;

    /// A collector with a self-signed certificate; returns its URL and the certificate. It ends
    /// with the test's runtime.
    async fn collector() -> (String, String) {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(own.cert.pem().as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(own.signing_key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        });
        (endpoint, own.cert.pem())
    }

    #[tokio::test]
    async fn an_export_under_an_unknown_authority_fails_and_the_log_says_so_once() {
        let (endpoint, _) = collector().await;
        let log = CapturedLog::default();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(log.clone());
        let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines));
        let exporter = exporter(&endpoint, None).unwrap();
        for _ in 0..2 {
            exporter.export(Vec::new()).await.unwrap_err();
        }
        let text = log.text();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("traces do not reach")).collect();
        assert_eq!(lines.len(), 1, "{text}");
        assert!(
            lines[0].contains("server.address=\"localhost\"") && lines[0].contains("UnknownIssuer"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn an_export_under_an_authority_of_the_file_succeeds() {
        let (endpoint, certificate) = collector().await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate).unwrap();
        exporter(&endpoint, Some(file.path())).unwrap().export(Vec::new()).await.unwrap();
    }
}
