//! The Secrets of a Relay: its authority, the serving certificates of the relay and its MCP gateway ([`serving`]), and the bearer tokens
//! between them and the operator. Made when missing, renewed when due, never over a Secret of somebody else.

use crds::{Relay, label, name};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use protocol::base64url;
use zeroize::Zeroizing;

use super::build;
use crate::certificate::authority::{self, Step};
use crate::certificate::{Authority, Pair};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::Name;
use crate::pod;
use crate::secret::{self, Found};

mod serving;

pub use serving::{Serving, serving};

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
/// Of the authority that will sign.
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
/// Certificates of the authorities that signed before.
const FORMER: &str = "former.crt";
const TOKEN: &str = "token";
const TLS_TYPE: &str = "kubernetes.io/tls";

/// The authorities of a relay; takes the step that is due.
///
/// # Errors
/// [`Error::NameTaken`]; an authority that cannot be read, which is never replaced by itself; what the API server says.
pub async fn authority(context: &Context, relay: &Relay) -> Result<Authority> {
    let secret_name = Name::new(&relay.namespace().unwrap_or_default(), &name::relay_ca(&relay.name_any()));
    let uid = relay.uid().unwrap_or_default();
    let found = secret::read(&context.client, &secret_name, label::SECRET_CA, &uid).await?;
    let unreadable = || Error::SecretContent { what: "authority", secret: secret_name.to_string() };
    let (owner, now) = (relay.name_any(), context.now());
    let next = match &found {
        Found::Ours(held) => {
            let authority = read_authority(held).ok_or_else(unreadable)?;
            let step = authority.step(now);
            if step == Step::Rest {
                return Ok(authority);
            }
            tracing::info!(secret = %secret_name, ?step, "the relay's authority takes a step of its renewal");
            authority.take(step, &owner, now)?
        }
        Found::None | Found::Foreign => Authority::make(&owner, now)?,
    };
    let desired = authority_secret(relay, &secret_name, &next);
    secret::write(&context.client, &found, desired).await?;
    Ok(next)
}

fn read_authority(secret: &Secret) -> Option<Authority> {
    let next = match secret::text(secret, NEXT_CERTIFICATE) {
        Some(certificate) => {
            Some(Pair { certificate: certificate.to_string(), key: secret::text(secret, NEXT_KEY)? })
        }
        None => None,
    };
    let former = secret::text(secret, FORMER).map(|pem| authority::split(&pem)).unwrap_or_default();
    Some(Authority { signing: pair(secret)?, next, former })
}

fn authority_secret(relay: &Relay, name: &Name, authority: &Authority) -> Secret {
    let former = authority.former.concat();
    let mut secret = tls_secret(relay, name, label::SECRET_CA, &authority.signing);
    let data = secret.data.get_or_insert_default();
    if let Some(next) = &authority.next {
        data.extend(secret::data([
            (NEXT_CERTIFICATE, next.certificate.as_str()),
            (NEXT_KEY, next.key.as_str()),
        ]));
    }
    data.extend(
        (!former.is_empty())
            .then_some((FORMER, former.as_str()))
            .map(|it| secret::data([it]))
            .unwrap_or_default(),
    );
    secret
}

/// The bearer token of the admin API.
///
/// # Errors
/// As [`authority`].
pub async fn admin_token(context: &Context, relay: &Relay) -> Result<Zeroizing<String>> {
    bearer_token(context, relay, &name::relay_admin(&relay.name_any()), label::SECRET_ADMIN).await
}

/// The bearer token by which the relay knows its MCP gateway. Both mount it; the operator does not use it.
///
/// # Errors
/// As [`authority`].
pub async fn gateway_token(context: &Context, relay: &Relay) -> Result<()> {
    let name = name::relay_gateway_token(&relay.name_any());
    bearer_token(context, relay, &name, label::SECRET_GATEWAY).await.map(drop)
}

async fn bearer_token(context: &Context, relay: &Relay, name: &str, kind: &str) -> Result<Zeroizing<String>> {
    let secret_name = Name::new(&relay.namespace().unwrap_or_default(), name);
    let uid = relay.uid().unwrap_or_default();
    let found = secret::read(&context.client, &secret_name, kind, &uid).await?;
    if let Found::Ours(held) = &found
        && let Some(token) = secret::text(held, TOKEN).filter(|token| !token.is_empty())
    {
        return Ok(token);
    }
    let token = Zeroizing::new(base64url::encode(&rand::random::<[u8; 32]>()));
    let desired = Secret {
        metadata: metadata(relay, &secret_name, kind),
        type_: Some("Opaque".into()),
        data: Some(secret::data([(TOKEN, token.as_str())])),
        ..Secret::default()
    };
    secret::write(&context.client, &found, desired).await?;
    Ok(token)
}

/// The Secret with the provider's client secret, when there is none: its name. Only the pod ever reads what is in it.
///
/// # Errors
/// What the API server says.
pub async fn missing_client_secret(context: &Context, relay: &Relay) -> Result<Option<String>> {
    let Some(provider) = &relay.spec.oauth.provider else { return Ok(None) };
    let name = &provider.client_secret_ref.name;
    let api = Api::<Secret>::namespaced(context.client.clone(), &relay.namespace().unwrap_or_default());
    let found =
        api.get_metadata_opt(name).await.map_err(Error::cluster(format!("look for Secret {name}")))?;
    Ok(found.is_none().then(|| name.clone()))
}

/// Certificate and key of a Secret.
#[must_use]
pub fn pair(secret: &Secret) -> Option<Pair> {
    let certificate = secret::text(secret, CERTIFICATE)?.to_string();
    Some(Pair { certificate, key: secret::text(secret, KEY)? })
}

fn tls_secret(relay: &Relay, name: &Name, kind: &str, pair: &Pair) -> Secret {
    Secret {
        metadata: metadata(relay, name, kind),
        type_: Some(TLS_TYPE.into()),
        data: Some(secret::data([(CERTIFICATE, pair.certificate.as_str()), (KEY, pair.key.as_str())])),
        ..Secret::default()
    }
}

fn metadata(relay: &Relay, name: &Name, kind: &str) -> kube::core::ObjectMeta {
    let mut labels = pod::labels(label::RELAY, &relay.name_any(), build::COMPONENT);
    labels.insert(label::SECRET_KIND.into(), kind.into());
    pod::owned_by(relay, name.name.to_string(), labels)
}

#[cfg(test)]
mod tests {
    use super::super::build::tests::relay;
    use super::*;

    #[test]
    fn all_authorities_are_read_back_as_written_and_a_secret_of_one_is_a_plain_tls_secret() {
        let relay = relay(serde_json::json!({"domain": "a.example"}));
        let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
        let name = Name::new("platform", "main-ca");
        let one = Authority::make("main", now).unwrap();
        let secret = authority_secret(&relay, &name, &one);
        assert_eq!(secret.data.as_ref().unwrap().keys().collect::<Vec<_>>(), [CERTIFICATE, KEY]);
        assert_eq!(read_authority(&secret).unwrap().trusted(), one.trusted());

        let two = one.take(Step::Prepare, "main", now).unwrap().take(Step::Promote, "main", now).unwrap();
        let three = two.take(Step::Prepare, "main", now).unwrap();
        let again = read_authority(&authority_secret(&relay, &name, &three)).unwrap();
        assert_eq!(again.trusted(), three.trusted());
        assert_eq!((again.former.len(), again.next.is_some()), (1, true));
        assert_eq!(*again.signing.key, *three.signing.key);
    }
}
