//! Issues the serving certificates of a relay and of its MCP gateway, signed by the relay's
//! authority.

use crds::{Relay, label, name};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;

use crate::certificate::authority::Authority;
use crate::certificate::{self, CertificateInfo, CertifiedKey};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::NamespacedName;
use crate::relay::build;
use crate::relay::metadata::secret_metadata;
use crate::relay::relay_secret::find;
use crate::secret;
use crate::tls_secret;

/// A request for a serving certificate.
#[derive(Debug)]
pub struct ServingRequest {
    /// Name of its Secret.
    pub secret: String,
    pub hosts: Vec<String>,
    /// Authorities in PEM for the same Secret by member, when its holder is a client as well.
    pub trusted: Vec<(&'static str, String)>,
}

impl ServingRequest {
    #[must_use]
    pub fn for_relay(relay: &Relay, cluster_domain: &str) -> Self {
        let hosts = build::hosts(relay, cluster_domain);
        Self { secret: name::relay_tls(&relay.name_any()), hosts, trusted: Vec::new() }
    }
}

/// Issues a serving certificate if the one in the Secret needs renewal. Returns what the current
/// one says.
///
/// # Errors
/// As [`super::converge_authority`].
pub async fn converge_serving(
    context: &Context,
    relay: &Relay,
    authority: &Authority,
    request: &ServingRequest,
) -> Result<CertificateInfo> {
    let secret_name = NamespacedName::new(&relay.namespace().unwrap_or_default(), &request.secret);
    let found = find(context, relay, &secret_name, label::SECRET_SERVING).await?;
    let (signing, now) = (&authority.signing, context.now());
    let is_current = |held: &CertifiedKey| {
        !certificate::needs_renewal(Some(held), &signing.certificate, &request.hosts, now)
    };
    let held = found.usable().and_then(tls_secret::parse).filter(is_current);
    let is_new = held.is_none();
    let current = match held {
        Some(held) => held,
        None => certificate::issue_serving(signing, &request.hosts, now)?,
    };
    let unreadable = || Error::SecretContent { what: "certificate", secret: secret_name.to_string() };
    let info = certificate::parse(&current.certificate).ok_or_else(unreadable)?;
    secret::write(context, &found, serving_secret(relay, &secret_name, request, &current)).await?;
    if is_new {
        tracing::info!(secret = %secret_name, not_after = %info.not_after, "serving certificate issued");
    }
    Ok(info)
}

fn serving_secret(
    relay: &Relay,
    name: &NamespacedName,
    request: &ServingRequest,
    held: &CertifiedKey,
) -> Secret {
    let metadata = secret_metadata(relay, &name.name, label::SECRET_SERVING);
    let mut secret = tls_secret::build(metadata, held);
    let trusted = request.trusted.iter().map(|(member, pem)| (*member, pem.as_str()));
    secret.data.get_or_insert_default().extend(secret::data(trusted));
    secret
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::authority::RenewalStep;
    use crate::relay::build::tests::relay;

    #[test]
    fn the_gateways_secret_holds_every_trusted_authority_and_no_key_of_one() {
        let relay = relay(serde_json::json!({"domain": "a.example", "gateway": {"enabled": true}}));
        let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
        let subject = certificate::AuthoritySubject::relay("main");
        let authority =
            Authority::create(&subject, now).unwrap().advance(RenewalStep::Prepare, &subject, now).unwrap();
        let hosts = vec!["main-gateway".to_owned()];
        let request = ServingRequest {
            secret: "main-gateway-tls".into(),
            hosts,
            trusted: vec![("ca.crt", authority.trusted())],
        };
        let made = certificate::issue_serving(&authority.signing, &request.hosts, now).unwrap();
        let secret =
            serving_secret(&relay, &NamespacedName::new("platform", "main-gateway-tls"), &request, &made);
        let trusted = secret::text(&secret, "ca.crt").unwrap();
        assert_eq!((trusted.matches("BEGIN CERTIFICATE").count(), trusted.contains("PRIVATE")), (2, false));
        let own = ServingRequest { trusted: Vec::new(), ..request };
        let plain = serving_secret(&relay, &NamespacedName::new("platform", "main-tls"), &own, &made);
        assert_eq!(plain.data.unwrap().keys().collect::<Vec<_>>(), ["tls.crt", "tls.key"]);
    }
}
