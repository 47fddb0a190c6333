//! The Secrets of a Relay: its certificate authorities, the serving certificates of the relay and
//! of its MCP gateway (`serving`), and the bearer tokens between them and the operator.
//!
//! A missing Secret is created and a certificate is renewed when it is due. A Secret of another
//! owner is never overwritten.

use crds::{Relay, label, name};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use protocol::base64url;
use zeroize::Zeroizing;

use super::metadata::secret_metadata;
use super::signing_keys::{self, SigningKeyInfo};
use crate::certificate::authority::{self, Authority, RenewalStep};
use crate::certificate::{CertificateInfo, CertifiedKey};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::{Kind, NamespacedName};
use crate::queue::Priority;
use crate::relay_api::RelayAccess;
use crate::secret::{self, Found};
use crate::tls_secret;

mod serving;

pub use serving::{ServingRequest, converge_serving};

/// The authority that signs next.
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
/// Certificates of the previous authorities.
const PREVIOUS_CERTIFICATES: &str = "former.crt";
const TOKEN: &str = "token";

/// The Secrets of a relay, after they were created or renewed.
#[derive(Debug)]
pub struct RelaySecrets {
    pub authority: Authority,
    pub certificate: CertificateInfo,
    pub(super) signing_keys: SigningKeyInfo,
}

/// Brings every Secret of the relay to the state of the spec. The relay can be reached as soon as
/// its authority and its token are known. Agents learn of other authorities at once.
///
/// # Errors
/// As [`converge_authority`].
pub async fn converge(context: &Context, relay: &Relay, name: &NamespacedName) -> Result<RelaySecrets> {
    let authority = converge_authority(context, relay).await?;
    let token = ensure_admin_token(context, relay).await?;
    set_access(context, name, token, authority.trusted());
    let request = ServingRequest::for_relay(relay, &context.settings.cluster_domain);
    let certificate = converge_serving(context, relay, &authority, &request).await?;
    if relay.spec.gateway.enabled {
        ensure_gateway_token(context, relay).await?;
    }
    let signing_keys = signing_keys::converge(context, relay).await?;
    Ok(RelaySecrets { authority, certificate, signing_keys })
}

/// Reads what is needed to reach a relay that is paused. Creates and renews nothing.
///
/// # Errors
/// Errors of the API server.
pub async fn read_access(context: &Context, relay: &Relay, name: &NamespacedName) -> Result<()> {
    let uid = relay.uid().unwrap_or_default();
    let (ca, admin) = (name::relay_ca(&name.name), name::relay_admin(&name.name));
    let named = |secret: &str| NamespacedName::new(&name.namespace, secret);
    let authority = secret::read(&context.client, &named(&ca), label::SECRET_CA, &uid).await?;
    let token = secret::read(&context.client, &named(&admin), label::SECRET_ADMIN, &uid).await?;
    let (Found::Ours(authority), Found::Ours(token)) = (authority, token) else { return Ok(()) };
    if let Some((authority, token)) = read_authority(&authority).zip(secret::text(&token, TOKEN)) {
        set_access(context, name, token, authority.trusted());
    }
    Ok(())
}

fn set_access(context: &Context, name: &NamespacedName, token: Zeroizing<String>, authorities: String) {
    let cluster_domain = &context.settings.cluster_domain;
    let server_name = name::service_host(&name::relay(&name.name), &name.namespace, cluster_domain);
    let access = RelayAccess { token, authorities, server_name };
    if !context.relay_replicas.set_access(name, access) {
        return;
    }
    tracing::info!(relay = %name, "the trusted authorities of the relay changed");
    for tenant in context.caches.index.referrers(Kind::Tenant, name) {
        for agent in context.caches.index.referrers(Kind::Agent, &tenant) {
            context.queue.add(agent.key(Kind::Agent), Priority::Normal);
        }
    }
}

/// Creates the certificate authority of a relay, or takes the renewal step that is due.
///
/// # Errors
/// [`Error::NameTaken`] for a Secret of another owner, [`Error::SecretContent`] for an unreadable
/// authority, which is never replaced, and errors of the API server.
pub async fn converge_authority(context: &Context, relay: &Relay) -> Result<Authority> {
    let secret_name =
        NamespacedName::new(&relay.namespace().unwrap_or_default(), &name::relay_ca(&relay.name_any()));
    let uid = relay.uid().unwrap_or_default();
    let found = secret::read(&context.client, &secret_name, label::SECRET_CA, &uid).await?;
    let unreadable = || Error::SecretContent { what: "authority", secret: secret_name.to_string() };
    let (owner, now) = (relay.name_any(), context.now());
    let next = match &found {
        Found::Ours(held) => {
            let authority = read_authority(held).ok_or_else(unreadable)?;
            let step = authority.step(now);
            if step == RenewalStep::Wait {
                return Ok(authority);
            }
            tracing::info!(secret = %secret_name, ?step, "renewing the certificate authority");
            authority.advance(step, &owner, now)?
        }
        Found::None | Found::Orphan(_) | Found::Foreign => Authority::create(&owner, now)?,
    };
    let desired = authority_secret(relay, &secret_name, &next);
    secret::write(&context.client, &found, desired).await?;
    Ok(next)
}

fn read_authority(secret: &Secret) -> Option<Authority> {
    let next = match secret::text(secret, NEXT_CERTIFICATE) {
        Some(certificate) => {
            Some(CertifiedKey { certificate: certificate.to_string(), key: secret::text(secret, NEXT_KEY)? })
        }
        None => None,
    };
    let previous = secret::text(secret, PREVIOUS_CERTIFICATES);
    let previous = previous.map(|pem| authority::split(&pem)).unwrap_or_default();
    Some(Authority { signing: tls_secret::parse(secret)?, next, previous })
}

fn authority_secret(relay: &Relay, name: &NamespacedName, authority: &Authority) -> Secret {
    let previous = authority.previous.concat();
    let metadata = secret_metadata(relay, &name.name, label::SECRET_CA);
    let mut secret = tls_secret::build(metadata, &authority.signing);
    let data = secret.data.get_or_insert_default();
    if let Some(next) = &authority.next {
        data.extend(secret::data([
            (NEXT_CERTIFICATE, next.certificate.as_str()),
            (NEXT_KEY, next.key.as_str()),
        ]));
    }
    if !previous.is_empty() {
        data.extend(secret::data([(PREVIOUS_CERTIFICATES, previous.as_str())]));
    }
    secret
}

/// Creates the bearer token of the relay's admin API, or reads it.
///
/// # Errors
/// As [`converge_authority`].
pub async fn ensure_admin_token(context: &Context, relay: &Relay) -> Result<Zeroizing<String>> {
    ensure_token(context, relay, &name::relay_admin(&relay.name_any()), label::SECRET_ADMIN).await
}

/// Creates the bearer token that authenticates the MCP gateway to the relay. Both mount its Secret.
///
/// # Errors
/// As [`converge_authority`].
pub async fn ensure_gateway_token(context: &Context, relay: &Relay) -> Result<()> {
    let name = name::relay_gateway_token(&relay.name_any());
    ensure_token(context, relay, &name, label::SECRET_GATEWAY).await.map(drop)
}

async fn ensure_token(context: &Context, relay: &Relay, name: &str, kind: &str) -> Result<Zeroizing<String>> {
    let secret_name = NamespacedName::new(&relay.namespace().unwrap_or_default(), name);
    let uid = relay.uid().unwrap_or_default();
    let found = secret::read(&context.client, &secret_name, kind, &uid).await?;
    if let Found::Ours(held) = &found
        && let Some(token) = secret::text(held, TOKEN).filter(|token| !token.is_empty())
    {
        return Ok(token);
    }
    let token = Zeroizing::new(base64url::encode(&rand::random::<[u8; 32]>()));
    let desired = Secret {
        metadata: secret_metadata(relay, name, kind),
        type_: Some("Opaque".into()),
        data: Some(secret::data([(TOKEN, token.as_str())])),
        ..Secret::default()
    };
    secret::write(&context.client, &found, desired).await?;
    Ok(token)
}

/// The name of the Secret with the provider's client secret, if it does not exist. Only the pod
/// reads its content.
///
/// # Errors
/// Errors of the API server.
pub async fn missing_client_secret(context: &Context, relay: &Relay) -> Result<Option<String>> {
    let Some(provider) = &relay.spec.oauth.provider else { return Ok(None) };
    let name = &provider.client_secret_ref.name;
    let api = Api::<Secret>::namespaced(context.client.clone(), &relay.namespace().unwrap_or_default());
    let found =
        api.get_metadata_opt(name).await.map_err(Error::cluster(format!("look for Secret {name}")))?;
    Ok(found.is_none().then(|| name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::build::tests::relay;

    #[test]
    fn all_authorities_are_read_back_as_written_and_a_secret_of_one_is_a_plain_tls_secret() {
        let relay = relay(serde_json::json!({"domain": "a.example"}));
        let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
        let name = NamespacedName::new("platform", "main-ca");
        let one = Authority::create("main", now).unwrap();
        let secret = authority_secret(&relay, &name, &one);
        assert_eq!(secret.data.as_ref().unwrap().keys().collect::<Vec<_>>(), ["tls.crt", "tls.key"]);
        assert_eq!(read_authority(&secret).unwrap().trusted(), one.trusted());

        let two = one
            .advance(RenewalStep::Prepare, "main", now)
            .unwrap()
            .advance(RenewalStep::Promote, "main", now)
            .unwrap();
        let three = two.advance(RenewalStep::Prepare, "main", now).unwrap();
        let again = read_authority(&authority_secret(&relay, &name, &three)).unwrap();
        assert_eq!(again.trusted(), three.trusted());
        assert_eq!((again.previous.len(), again.next.is_some()), (1, true));
        assert_eq!(*again.signing.key, *three.signing.key);
    }
}
