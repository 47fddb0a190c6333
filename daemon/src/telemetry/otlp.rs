//! Export of spans over OTLP/HTTP. The SDK exports from a thread of its own without a runtime; the HTTP client needs
//! one, so each export is handed to the runtime that installed telemetry.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_otlp::{ExporterBuildError, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

/// A collector that takes longer is as good as absent; spans of that batch are lost.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct OnRuntime {
    inner: Arc<opentelemetry_otlp::SpanExporter>,
    runtime: Handle,
}

/// Must be called inside a runtime.
pub(super) fn exporter(endpoint: &str) -> Result<OnRuntime, ExporterBuildError> {
    let inner = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
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
