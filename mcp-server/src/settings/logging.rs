//! Logs and traces.

use std::marker::PhantomData;

use clap::Args;
use daemon::telemetry::{self, Format};

use super::variables::Variables;

/// The telemetry of one role. `V` has the names of its environment variables.
#[derive(Debug, Clone, Args)]
pub struct LoggingSettings<V: Variables> {
    /// text or json.
    #[arg(long, env = V::LOG_FORMAT, value_name = "FORMAT", default_value = "text")]
    pub log_format: Format,

    /// Log directives, for example info,msg2agent=debug. Logs go to standard error and never
    /// contain message bodies or credentials.
    #[arg(long, env = V::LOG_FILTER, value_name = "DIRECTIVES", default_value = "info")]
    pub log_filter: String,

    /// Base URL of an OTLP/HTTP collector for traces.
    #[arg(long, env = V::OTLP_ENDPOINT, value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    #[arg(skip)]
    variables: PhantomData<V>,
}

impl<V: Variables> LoggingSettings<V> {
    #[must_use]
    pub fn telemetry(&self) -> telemetry::Settings {
        telemetry::Settings {
            build: daemon::build_info!(),
            format: self.log_format,
            filter: self.log_filter.clone(),
            otlp_endpoint: self.otlp_endpoint.clone(),
        }
    }
}
