//! Identifies the running binary in the log's first line, the metrics and the trace resource.

use prometheus::{IntGaugeVec, Opts, Registry};

/// Name and version of the running binary. Created by [`build_info!`](crate::build_info!) in the
/// binary's own crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildInfo {
    pub binary: &'static str,
    pub version: &'static str,
}

/// A [`BuildInfo`] with the name and version of the package that calls the macro.
#[macro_export]
macro_rules! build_info {
    () => {
        $crate::BuildInfo { binary: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") }
    };
}

impl BuildInfo {
    /// Registers the gauge `build_info{binary,version}`, whose value is always 1.
    ///
    /// # Errors
    /// The registry already has one.
    pub fn register(self, registry: &Registry) -> Result<(), prometheus::Error> {
        let options = Opts::new("build_info", "Constant 1, labelled with what is running.");
        let gauge = IntGaugeVec::new(options, &["binary", "version"])?;
        gauge.with_label_values(&[self.binary, self.version]).set(1);
        registry.register(Box::new(gauge))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metric_names_binary_and_version() {
        let registry = Registry::new();
        crate::build_info!().register(&registry).unwrap();
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(text.contains("build_info{binary=\"msg2agent-daemon\",version=\""), "{text}");
    }
}
