//! Prometheus metrics of the admin API: requests by route and status.

use axum::http::StatusCode;
use prometheus::{IntCounterVec, Opts, Registry};

#[derive(Debug, Clone)]
pub struct AdminMetrics {
    requests: IntCounterVec,
}

impl AdminMetrics {
    /// # Errors
    /// The registry has a metric of this name.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let options = Opts::new(
            "msg2agent_relay_admin_requests_total",
            "Requests to the admin API by method, route and status.",
        );
        let requests = IntCounterVec::new(options, &["method", "route", "status"])?;
        registry.register(Box::new(requests.clone()))?;
        Ok(Self { requests })
    }

    pub(super) fn count(&self, method: &str, path: &str, status: StatusCode) {
        self.requests.with_label_values(&[method_label(method), route_label(path), status.as_str()]).inc();
    }
}

/// The method as a label. An arbitrary method of a client must not become one.
fn method_label(method: &str) -> &str {
    match method {
        "GET" | "PUT" | "POST" | "DELETE" | "HEAD" => method,
        _ => "other",
    }
}

/// The route as a label, without the names in it.
fn route_label(path: &str) -> &'static str {
    let rest = path.strip_prefix("/admin/v1/").unwrap_or_default();
    match rest.split('/').collect::<Vec<_>>().as_slice() {
        ["version"] => "version",
        ["agents"] => "batch",
        ["tenants"] => "tenants",
        ["tenants", _] => "tenant",
        ["tenants", _, "agents"] => "agents",
        ["tenants", _, "agents", _] => "agent",
        ["tenants", _, "agents", _, "mcp"] => "mcp",
        ["tenants", _, "invitations"] => "invitations",
        ["tenants", _, "invitations", _] => "invitation",
        ["tenants", _, "agents", _, "suspension"] => "suspension",
        ["tenants", _, "keys"] => "keys",
        ["tenants", _, "keys", _] => "key",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_become_labels() {
        for (path, expected) in [
            ("/admin/v1/version", "version"),
            ("/admin/v1/agents", "batch"),
            ("/admin/v1/tenants/acme/agents/alice", "agent"),
            ("/admin/v1/tenants/acme/keys", "keys"),
            ("/admin/v1/tenants/acme/agents/alice/mcp", "mcp"),
            ("/admin/v1/tenants/acme/invitations/i_1", "invitation"),
            ("/admin/v1/acme", "other"),
            ("/elsewhere", "other"),
        ] {
            assert_eq!(route_label(path), expected, "{path}");
        }
    }
}
