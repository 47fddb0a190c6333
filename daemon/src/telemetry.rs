//! Logs on standard error, as text or JSON, and traces over OTLP when an endpoint is set.
//!
//! Libraries that write secrets at their lower levels are held to a maximum level, whatever the
//! filter says ([`max_levels`]). Call [`install`] once, inside a multi-threaded tokio runtime, and
//! keep its guard until the end of `main`.

use std::fmt;
use std::str::FromStr;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::BuildInfo;

#[cfg(test)]
mod captured_log;
mod max_levels;
mod otlp;
mod trace_context;

pub use otlp::{ClientError, ExporterError};
pub use trace_context::{continue_trace, traceparent};

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Text,
    /// One JSON object per line, fields at the top level.
    Json,
}

/// What is logged and exported.
#[derive(Debug, Clone)]
pub struct Settings {
    pub build: BuildInfo,
    pub format: Format,
    /// Directives as in `info,hyper=warn`.
    pub filter: String,
    /// Base URL of an OTLP/HTTP collector, for example `http://collector:4318`. Without one,
    /// nothing is exported.
    pub otlp_endpoint: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("failed to read the log filter {filter:?}")]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[error("failed to set up the export of traces to {endpoint}")]
    Exporter { endpoint: String, source: otlp::ExporterError },
    #[error("failed to install the log subscriber")]
    Install(#[source] TryInitError),
}

/// Flushes traces when dropped, for at most 5 s.
#[must_use = "traces are flushed when the guard is dropped"]
#[derive(Debug)]
pub struct Guard(Option<SdkTracerProvider>);

/// Installs the log subscriber and, if an endpoint is set, the export of traces.
///
/// # Errors
/// The filter or endpoint cannot be used, or a subscriber is installed already.
pub fn install(settings: &Settings) -> Result<Guard, TelemetryError> {
    let filter = parse_filter(&settings.filter)?;
    let provider = tracer_provider(settings)?;
    let traces = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(settings.build.binary)));
    tracing_subscriber::registry()
        .with(lines(settings.format))
        .with(traces)
        .with(filters(filter))
        .try_init()
        .map_err(TelemetryError::Install)?;
    Ok(Guard(provider))
}

/// The filter of the settings, within the maximum level of each library.
fn filters<S: Subscriber>(wanted: EnvFilter) -> impl Layer<S> {
    wanted.and_then(filter_fn(max_levels::allow))
}

fn parse_filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })
}

fn lines(format: Format) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Text => layer.with_ansi(false).boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    }
}

fn tracer_provider(settings: &Settings) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    let Some(endpoint) = &settings.otlp_endpoint else { return Ok(None) };
    let exporter = otlp::exporter(endpoint, otlp::authorities().as_deref())
        .map_err(|source| TelemetryError::Exporter { endpoint: endpoint.clone(), source })?;
    let resource = Resource::builder()
        .with_service_name(settings.build.binary)
        .with_attribute(opentelemetry::KeyValue::new("service.version", settings.build.version))
        .build();
    let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
    Ok(Some(provider))
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(provider) = &self.0 else { return };
        if let Err(error) = provider.shutdown() {
            tracing::warn!(%error, "failed to flush the last traces");
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a log format is text or json")]
pub struct UnknownFormat;

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_filter_is_named() {
        let error = parse_filter("relay=loud").unwrap_err();
        assert_eq!(error.to_string(), "failed to read the log filter \"relay=loud\"");
    }

    #[test]
    fn formats_are_read_back_as_written() {
        for format in [Format::Text, Format::Json] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("xml".parse::<Format>(), Err(UnknownFormat));
    }
}
