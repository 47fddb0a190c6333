//! The Secrets of a Relay: its certificate authorities, the serving certificates of the relay and
//! of its MCP gateway (`serving`), and the bearer tokens between them and the operator.
//!
//! A missing Secret is created and a certificate is renewed when it is due. A Secret of another
//! owner is never overwritten.

use crds::{Relay, label, name};
use daemon::token_file::TOKEN_FILE_BYTES_MAX;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use protocol::base64url;
use zeroize::Zeroizing;

use super::metadata::secret_metadata;
use super::relay_secret::find;
use super::signing_keys::{self, SigningKeyInfo};
use crate::certificate::CertificateInfo;
use crate::certificate::authority::Authority;
use crate::collected_errors::CollectedErrors;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::{Kind, NamespacedName};
use crate::queue::Priority;
use crate::relay_api::RelayAccess;
use crate::secret;

mod authority_secret;
mod serving;

pub use authority_secret::{AuthorityKind, converge_authority};
use authority_secret::{read_authority, served_authority};
pub use serving::{ServingRequest, converge_serving};

const TOKEN: &str = "token";

/// The Secrets of a relay, after they were created or renewed.
#[derive(Debug)]
pub struct RelaySecrets {
    pub authority: Authority,
    /// Of the MCP endpoints.
    pub endpoints: Authority,
    pub certificate: CertificateInfo,
    pub(super) signing_keys: SigningKeyInfo,
}

/// Brings every Secret of the relay to the state of the spec. The relay can be reached as soon as
/// its authority and its token are known. Agents learn of other authorities at once. A Secret that
/// is not in place holds up only those that need it.
///
/// # Errors
/// As [`converge_authority`], for every Secret that is not in place.
pub async fn converge(context: &Context, relay: &Relay, name: &NamespacedName) -> Result<RelaySecrets> {
    let mut errors = CollectedErrors::default();
    let token = errors.check(ensure_admin_token(context, relay).await);
    let authority = errors.check(converge_authority(context, relay, AuthorityKind::Relay).await);
    let endpoints = errors.check(converge_authority(context, relay, AuthorityKind::Endpoints).await);
    if let Some(token) = token {
        let authorities = (authority.as_ref(), endpoints.as_ref());
        errors.check(reach(context, relay, name, token, authorities).await);
    }
    let mut certificate = None;
    if let Some(authority) = &authority {
        let request = ServingRequest::for_relay(relay, &context.settings.cluster_domain);
        certificate = errors.check(converge_serving(context, relay, authority, &request).await);
    }
    if relay.spec.gateway.enabled {
        errors.check(ensure_gateway_token(context, relay).await);
    }
    let signing_keys = errors.check(signing_keys::converge(context, relay).await);
    errors.into_result()?;
    let all = authority.zip(endpoints).zip(certificate.zip(signing_keys));
    let unreadable = || Error::SecretContent { what: "authorities", secret: name.to_string() };
    let ((authority, endpoints), (certificate, signing_keys)) = all.ok_or_else(unreadable)?;
    Ok(RelaySecrets { authority, endpoints, certificate, signing_keys })
}

/// Lets the operator reach the relay. An authority that could not be read now stays as it was.
async fn reach(
    context: &Context,
    relay: &Relay,
    name: &NamespacedName,
    token: Zeroizing<String>,
    (authority, endpoints): (Option<&Authority>, Option<&Authority>),
) -> Result<()> {
    let former = context.relay_replicas.access(name);
    let endpoints = endpoints.map(Authority::trusted);
    let endpoints = endpoints.or_else(|| former.as_ref().map(|former| former.endpoint_authorities.clone()));
    let authorities = match authority {
        Some(authority) => Some(authority.trusted()),
        // Keys must still be revoked at a relay whose authority was lost.
        None if former.is_none() => served_authority(context, relay).await?,
        None => None,
    };
    if let Some(authorities) = authorities {
        set_access(context, name, token, (authorities, endpoints.unwrap_or_default()));
    }
    Ok(())
}

/// Reads what is needed to reach a relay that is paused. Creates and renews nothing.
///
/// # Errors
/// Errors of the API server.
pub async fn read_access(context: &Context, relay: &Relay, name: &NamespacedName) -> Result<()> {
    let (ca, admin) = (name::relay_ca(&name.name), name::relay_admin(&name.name));
    let named = |secret: &str| NamespacedName::new(&name.namespace, secret);
    let authority = find(context, relay, &named(&ca), label::SECRET_CA).await?;
    let endpoints = named(&name::relay_endpoint_ca(&name.name));
    let endpoints = find(context, relay, &endpoints, label::SECRET_ENDPOINT_CA).await?;
    let token = find(context, relay, &named(&admin), label::SECRET_ADMIN).await?;
    let token = token.usable().and_then(|held| secret::text(held, TOKEN));
    if let Some((authority, token)) = authority.usable().and_then(read_authority).zip(token) {
        let endpoints = endpoints.usable().and_then(read_authority);
        let endpoints = endpoints.map(|endpoints| endpoints.trusted()).unwrap_or_default();
        set_access(context, name, token, (authority.trusted(), endpoints));
    }
    Ok(())
}

/// `authorities` are those of the relay and those of its endpoints.
fn set_access(
    context: &Context,
    name: &NamespacedName,
    token: Zeroizing<String>,
    (authorities, endpoint_authorities): (String, String),
) {
    let cluster_domain = &context.settings.cluster_domain;
    let server_name = name::service_host(&name::relay(&name.name), &name.namespace, cluster_domain);
    let access = RelayAccess { token, authorities, endpoint_authorities, server_name };
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
    let held = found.usable().and_then(|held| secret::text(held, TOKEN)).filter(|token| is_usable(token));
    let token = held.unwrap_or_else(|| Zeroizing::new(base64url::encode(&rand::random::<[u8; 32]>())));
    let desired = Secret {
        metadata: secret_metadata(relay, name, kind),
        type_: Some("Opaque".into()),
        data: Some(secret::data([(TOKEN, token.as_str())])),
        ..Secret::default()
    };
    secret::write(context, &found, desired).await?;
    Ok(token)
}

/// Whether both sides read the same token from a Secret. The relay trims white space, and a header
/// cannot contain other characters.
fn is_usable(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= TOKEN_FILE_BYTES_MAX
        && token.bytes().all(|byte| byte.is_ascii_graphic())
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

    #[test]
    fn a_token_that_only_one_side_could_use_is_replaced() {
        assert!(is_usable("vT2kq0-_A"), "somebody chose it");
        for unusable in ["", "edited\n", "two words", "é", &"x".repeat(4097)] {
            assert!(!is_usable(unusable), "{unusable:?}");
        }
    }
}
