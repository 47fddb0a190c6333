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
use super::relay_secret::find;
use super::signing_keys::{self, SigningKeyInfo};
use crate::certificate::CertificateInfo;
use crate::certificate::authority::Authority;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::{Kind, NamespacedName};
use crate::queue::Priority;
use crate::relay_api::RelayAccess;
use crate::secret::{self, Found};

mod authority_secret;
mod serving;

pub use authority_secret::converge_authority;
use authority_secret::{read_authority, served_authority};
pub use serving::{ServingRequest, converge_serving};

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
    let token = ensure_admin_token(context, relay).await?;
    let authority = match converge_authority(context, relay).await {
        Ok(authority) => authority,
        Err(error) => {
            // Keys must still be revoked at a relay whose authority was lost.
            if let Some(served) = served_authority(context, relay).await? {
                set_access(context, name, token, served);
            }
            return Err(error);
        }
    };
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
    let found = find(context, relay, &secret_name, kind).await?;
    let held = found.usable().and_then(|held| secret::text(held, TOKEN)).filter(|token| !token.is_empty());
    let token = match held {
        Some(token) if matches!(found, Found::Ours(_)) => return Ok(token),
        Some(token) => token,
        None => Zeroizing::new(base64url::encode(&rand::random::<[u8; 32]>())),
    };
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
