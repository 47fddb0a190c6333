//! Serving certificates by a relay's authority: the relay's own, and that of its MCP gateway.

use crds::{Relay, label, name};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;

use super::{pair, tls_secret};
use crate::certificate::{self, Authority, Facts, Pair};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::Name;
use crate::relay::build;
use crate::secret::{self, Found};

/// Certificates of the authorities that the holder of a serving certificate trusts itself.
const TRUSTED: &str = "ca.crt";

/// A serving certificate that is wanted.
#[derive(Debug)]
pub struct Serving {
    /// Name of its Secret.
    pub secret: String,
    pub hosts: Vec<String>,
    /// Put beside it, in PEM, for a program that is a client of the relay as well.
    pub trusted: Option<String>,
}

impl Serving {
    /// The relay's own.
    #[must_use]
    pub fn of_relay(relay: &Relay, cluster_domain: &str) -> Self {
        let hosts = build::hosts(relay, cluster_domain);
        Self { secret: name::relay_tls(&relay.name_any()), hosts, trusted: None }
    }
}

/// Makes a serving certificate when it is due; returns what it says.
///
/// # Errors
/// As [`super::authority`].
pub async fn serving(
    context: &Context,
    relay: &Relay,
    authority: &Authority,
    wanted: &Serving,
) -> Result<Facts> {
    let secret_name = Name::new(&relay.namespace().unwrap_or_default(), &wanted.secret);
    let uid = relay.uid().unwrap_or_default();
    let found = secret::read(&context.client, &secret_name, label::SECRET_SERVING, &uid).await?;
    let (signing, now) = (&authority.signing, context.now());
    let is_current =
        |pair: &Pair| !certificate::is_due(Some(&pair.certificate), &signing.certificate, &wanted.hosts, now);
    let held = match &found {
        Found::Ours(held) => pair(held).filter(is_current),
        Found::None | Found::Foreign => None,
    };
    let is_new = held.is_none();
    let pair = match held {
        Some(pair) => pair,
        None => certificate::make_serving(signing, &wanted.hosts, now)?,
    };
    let unreadable = || Error::SecretContent { what: "certificate", secret: secret_name.to_string() };
    let facts = certificate::read(&pair.certificate).ok_or_else(unreadable)?;
    secret::write(&context.client, &found, serving_secret(relay, &secret_name, wanted, &pair)).await?;
    if is_new {
        tracing::info!(secret = %secret_name, not_after = %facts.not_after, "serving certificate issued");
    }
    Ok(facts)
}

fn serving_secret(relay: &Relay, name: &Name, wanted: &Serving, pair: &Pair) -> Secret {
    let mut secret = tls_secret(relay, name, label::SECRET_SERVING, pair);
    let trusted = wanted.trusted.as_deref().map(|pem| secret::data([(TRUSTED, pem)]));
    secret.data.get_or_insert_default().extend(trusted.unwrap_or_default());
    secret
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::authority::Step;
    use crate::relay::build::tests::relay;

    #[test]
    fn the_gateway_finds_every_authority_beside_its_certificate_and_no_key_of_one() {
        let relay = relay(serde_json::json!({"domain": "a.example", "mcp": {"enabled": true}}));
        let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
        let authority = Authority::make("main", now).unwrap().take(Step::Prepare, "main", now).unwrap();
        let hosts = vec!["main-gateway".to_owned()];
        let wanted = Serving { secret: "main-gateway-tls".into(), hosts, trusted: Some(authority.trusted()) };
        let made = certificate::make_serving(&authority.signing, &wanted.hosts, now).unwrap();
        let secret = serving_secret(&relay, &Name::new("platform", "main-gateway-tls"), &wanted, &made);
        let trusted = secret::text(&secret, TRUSTED).unwrap();
        assert_eq!((trusted.matches("BEGIN CERTIFICATE").count(), trusted.contains("PRIVATE")), (2, false));
        let own = Serving { trusted: None, ..wanted };
        let plain = serving_secret(&relay, &Name::new("platform", "main-tls"), &own, &made);
        assert_eq!(plain.data.unwrap().keys().collect::<Vec<_>>(), ["tls.crt", "tls.key"]);
    }
}
