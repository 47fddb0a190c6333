//! Prometheus metrics of the public listener.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use protocol::Reason;

#[derive(Debug, Clone)]
pub struct HttpMetrics {
    /// Open connections, those with a session included.
    pub(super) connections: IntGauge,
    accepted: IntCounter,
    turned_away: IntCounterVec,
    auth_failures: IntCounterVec,
    reloads: IntCounterVec,
}

/// Why a connection ended before its first request.
#[derive(Debug, Clone, Copy)]
pub(super) enum TurnedAway {
    Full,
    Accept,
    TlsHandshake,
    TlsTimeout,
}

impl TurnedAway {
    const fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Accept => "accept_error",
            Self::TlsHandshake => "tls_handshake",
            Self::TlsTimeout => "tls_timeout",
        }
    }
}

impl HttpMetrics {
    /// # Errors
    /// The registry has a metric of one of these names.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let vec = |name: &str, help: &str, label: &str| {
            let metric = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let connections =
            IntGauge::new("msg2agent_relay_connections", "Open connections to the public listener.")?;
        let accepted = IntCounter::new(
            "msg2agent_relay_connections_total",
            "Connections the public listener accepted.",
        )?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(accepted.clone()))?;
        let turned_away = vec(
            "msg2agent_relay_connections_turned_away_total",
            "Connections that ended before their first request, by cause.",
            "cause",
        )?;
        let auth_failures = vec(
            "msg2agent_relay_auth_failures_total",
            "WebSocket upgrades refused before the upgrade, by reason.",
            "reason",
        )?;
        let reloads = vec(
            "msg2agent_relay_tls_reloads_total",
            "Changes of the certificate files that were noticed, by result.",
            "result",
        )?;
        // The series start at zero, so that alerts on their rates work from the beginning.
        for cause in [TurnedAway::Full, TurnedAway::Accept, TurnedAway::TlsHandshake, TurnedAway::TlsTimeout]
        {
            turned_away.with_label_values(&[cause.label()]);
        }
        for reason in [Reason::KeyMissing, Reason::KeyUnknown, Reason::KeyExpired, Reason::Suspended] {
            auth_failures.with_label_values(&[reason.word()]);
        }
        Ok(Self { connections, accepted, turned_away, auth_failures, reloads })
    }

    pub(super) fn accepted(&self) {
        self.accepted.inc();
    }

    pub(super) fn turned_away(&self, cause: TurnedAway) {
        self.turned_away.with_label_values(&[cause.label()]).inc();
    }

    pub(super) fn refused(&self, reason: Reason) {
        self.auth_failures.with_label_values(&[reason.word()]).inc();
    }

    pub(super) fn reloaded(&self, works: bool) {
        self.reloads.with_label_values(&[if works { "loaded" } else { "refused" }]).inc();
    }
}
