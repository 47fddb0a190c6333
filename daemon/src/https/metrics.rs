//! Counts what happens to connections of a listener.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The metrics of one listener. Cheap to clone; clones share the counters.
#[derive(Debug, Clone)]
pub struct ListenerMetrics {
    pub(super) connections: IntGauge,
    accepted: IntCounter,
    turned_away: IntCounterVec,
    reloads: IntCounterVec,
}

/// Why a connection ended before its first request.
#[derive(Debug, Clone, Copy)]
pub(super) enum RejectReason {
    Full,
    AddressShare,
    PendingShare,
    Accept,
    ClientHelloTimeout,
    TlsHandshake,
    TlsTimeout,
    RequestHeadTimeout,
}

impl RejectReason {
    const ALL: [Self; 8] = [
        Self::Full,
        Self::AddressShare,
        Self::PendingShare,
        Self::Accept,
        Self::ClientHelloTimeout,
        Self::TlsHandshake,
        Self::TlsTimeout,
        Self::RequestHeadTimeout,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::AddressShare => "address_share",
            Self::PendingShare => "pending_share",
            Self::Accept => "accept_error",
            Self::ClientHelloTimeout => "client_hello_timeout",
            Self::TlsHandshake => "tls_handshake",
            Self::TlsTimeout => "tls_timeout",
            Self::RequestHeadTimeout => "request_head_timeout",
        }
    }
}

impl ListenerMetrics {
    /// Registers the metrics; `prefix` is that of the program, such as `msg2agent_relay`.
    ///
    /// # Errors
    /// The registry has a metric of one of these names.
    pub fn register(registry: &Registry, prefix: &str) -> Result<Self, prometheus::Error> {
        let vec = |name: &str, help: &str, label: &str| {
            let metric = IntCounterVec::new(Opts::new(format!("{prefix}_{name}"), help), &[label])?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let help = "Open connections to the listener.";
        let connections = IntGauge::new(format!("{prefix}_connections"), help)?;
        let help = "Connections the listener accepted.";
        let accepted = IntCounter::new(format!("{prefix}_connections_total"), help)?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(accepted.clone()))?;
        let turned_away = vec(
            "connections_turned_away_total",
            "Connections that ended before their first request, by cause.",
            "cause",
        )?;
        let reloads = vec(
            "tls_reloads_total",
            "Changes of the certificate files that were noticed, by result.",
            "result",
        )?;
        // Each label starts at zero, so that an alert on a rate sees the first event.
        for cause in RejectReason::ALL {
            turned_away.with_label_values(&[cause.label()]);
        }
        Ok(Self { connections, accepted, turned_away, reloads })
    }

    pub(super) fn accepted(&self) {
        self.accepted.inc();
        self.connections.inc();
    }

    pub(super) fn turned_away(&self, cause: RejectReason) {
        self.turned_away.with_label_values(&[cause.label()]).inc();
    }

    pub(super) fn reloaded(&self, works: bool) {
        self.reloads.with_label_values(&[if works { "loaded" } else { "refused" }]).inc();
    }
}
