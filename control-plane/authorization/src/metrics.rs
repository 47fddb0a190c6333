//! Metrics: requests by endpoint and outcome, fetched client documents, reloads of the signing
//! keys.

use prometheus::{IntCounterVec, Opts, Registry};

use crate::error::OauthError;

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: IntCounterVec,
    fetches: IntCounterVec,
    key_reloads: IntCounterVec,
}

/// Endpoints by their label.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Endpoint {
    Register,
    Authorize,
    Invitation,
    ProviderStart,
    ProviderCallback,
    Consent,
    Token,
    Revoke,
    Introspect,
}

impl Endpoint {
    const ALL: [Self; 9] = [
        Self::Register,
        Self::Authorize,
        Self::Invitation,
        Self::ProviderStart,
        Self::ProviderCallback,
        Self::Consent,
        Self::Token,
        Self::Revoke,
        Self::Introspect,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Authorize => "authorize",
            Self::Invitation => "sign_in_invitation",
            Self::ProviderStart => "sign_in_provider",
            Self::ProviderCallback => "callback",
            Self::Consent => "consent",
            Self::Token => "token",
            Self::Revoke => "revoke",
            Self::Introspect => "introspect",
        }
    }
}

impl Metrics {
    /// # Errors
    /// The registry already has a metric of one of these names.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let vec = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let requests = vec(
            "msg2agent_relay_oauth_requests_total",
            "Requests to the authorization server by endpoint and outcome: ok, or the reason of the refusal.",
            &["endpoint", "outcome"],
        )?;
        let fetches = vec(
            "msg2agent_relay_oauth_client_documents_total",
            "Client ID Metadata Documents that were fetched, by outcome.",
            &["outcome"],
        )?;
        let key_reloads = vec(
            "msg2agent_relay_oauth_key_reloads_total",
            "Changes of the folder of signing keys that were noticed, by result.",
            &["result"],
        )?;
        for endpoint in Endpoint::ALL {
            requests.with_label_values(&[endpoint.label(), "ok"]);
        }
        Ok(Self { requests, fetches, key_reloads })
    }

    /// Counts a response, and logs the reason if the request was refused.
    pub(crate) fn count(&self, endpoint: Endpoint, refused: Option<&OauthError>) {
        self.count_outcome(endpoint, refused.map_or("ok", |error| error.reason));
        if let Some(error) = refused {
            tracing::debug!(
                ?endpoint,
                reason = error.reason,
                "refused a request to the authorization server"
            );
        }
    }

    pub(crate) fn count_outcome(&self, endpoint: Endpoint, outcome: &'static str) {
        self.requests.with_label_values(&[endpoint.label(), outcome]).inc();
    }

    pub(crate) fn count_fetch(&self, outcome: &'static str) {
        self.fetches.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn count_key_reload(&self, loaded: bool) {
        self.key_reloads.with_label_values(&[if loaded { "loaded" } else { "refused" }]).inc();
    }
}
