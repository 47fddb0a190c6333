//! Prometheus metrics of the public routes: upgrades that were refused.

use prometheus::{IntCounterVec, Opts, Registry};
use protocol::Reason;

#[derive(Debug, Clone)]
pub struct HttpMetrics {
    auth_failures: IntCounterVec,
}

impl HttpMetrics {
    /// # Errors
    /// The registry has a metric of this name.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let options = Opts::new(
            "msg2agent_relay_auth_failures_total",
            "WebSocket upgrades refused before the upgrade, by reason.",
        );
        let auth_failures = IntCounterVec::new(options, &["reason"])?;
        registry.register(Box::new(auth_failures.clone()))?;
        // The series start at zero, so that alerts on their rates work from the beginning.
        for reason in [
            Reason::KeyMissing,
            Reason::KeyUnknown,
            Reason::KeyExpired,
            Reason::Suspended,
            Reason::TooManyConnections,
        ] {
            auth_failures.with_label_values(&[reason.as_str()]);
        }
        Ok(Self { auth_failures })
    }

    pub(super) fn refused(&self, reason: Reason) {
        self.auth_failures.with_label_values(&[reason.as_str()]).inc();
    }
}
