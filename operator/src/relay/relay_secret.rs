//! Reads the Secrets of a Relay, and decides which ones without an owner are adopted.

use crds::{Relay, label};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;

use crate::context::Context;
use crate::error::Result;
use crate::object_key::NamespacedName;
use crate::secret::{self, Found, Reading};

/// Reads a Secret of the relay. One that has no living owner is adopted, unless it belongs to a
/// relay with another domain.
pub(super) async fn find(
    context: &Context,
    relay: &Relay,
    name: &NamespacedName,
    kind: &str,
) -> Result<Found> {
    let uid = relay.uid().unwrap_or_default();
    Ok(match secret::find(context, name, kind, &uid, Reading::Always).await? {
        Found::Orphan(held) if !is_of_domain(&held, &relay.spec.domain) => Found::Foreign,
        other => other,
    })
}

/// Whether the Secret may belong to a relay with this domain. One without the annotation was made
/// before there was one.
fn is_of_domain(secret: &Secret, domain: &str) -> bool {
    secret.annotations().get(label::RELAY_DOMAIN).is_none_or(|found| found == domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::build::tests::relay;
    use crate::relay::metadata::secret_metadata;

    #[test]
    fn a_secret_of_a_relay_with_another_domain_is_not_adopted() {
        let relay = relay(serde_json::json!({"domain": "a.example"}));
        let secret = Secret {
            metadata: secret_metadata(&relay, "main-admin", label::SECRET_ADMIN),
            ..Secret::default()
        };
        assert!(is_of_domain(&secret, "a.example"));
        assert!(!is_of_domain(&secret, "b.example"));
        assert!(is_of_domain(&Secret::default(), "b.example"), "it was made before there was an annotation");
    }
}
