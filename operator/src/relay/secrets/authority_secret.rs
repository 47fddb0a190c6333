//! The Secret of a relay's certificate authorities. A lost one is not replaced before a person
//! confirms it, because every client would have to learn the new one.

use crds::{Relay, label, name};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};

use crate::certificate::authority::{self, Authority, RenewalStep};
use crate::certificate::{self, AuthoritySubject, CertifiedKey};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::object_key::NamespacedName;
use crate::relay::build;
use crate::relay::metadata::secret_metadata;
use crate::relay::relay_secret::find;
use crate::secret::{self, Found};
use crate::tls_secret;

/// The authority that signs next.
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
/// Certificates of the previous authorities.
const PREVIOUS_CERTIFICATES: &str = "former.crt";

/// Whose certificates an authority signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityKind {
    /// Of the relay and its gateway. Agents trust it.
    Relay,
    /// Of the MCP endpoints. Only the gateway and clients of endpoints trust it, so that no
    /// endpoint can pass for the relay.
    Endpoints,
}

impl AuthorityKind {
    fn secret_name(self, relay: &str) -> String {
        match self {
            Self::Relay => name::relay_ca(relay),
            Self::Endpoints => name::relay_endpoint_ca(relay),
        }
    }

    const fn secret_kind(self) -> &'static str {
        match self {
            Self::Relay => label::SECRET_CA,
            Self::Endpoints => label::SECRET_ENDPOINT_CA,
        }
    }

    fn subject(self, relay: &Relay, cluster_domain: &str) -> AuthoritySubject {
        match self {
            Self::Relay => AuthoritySubject::relay(&relay.name_any()),
            Self::Endpoints => {
                AuthoritySubject::endpoints(&relay.name_any(), &build::hosts(relay, cluster_domain))
            }
        }
    }
}

/// Creates a certificate authority of a relay, or takes the renewal step that is due.
///
/// # Errors
/// [`Error::NameTaken`] for a Secret of another owner, [`Error::AuthorityLost`] for one that is
/// gone or was changed, [`Error::SecretContent`] for an unreadable one that was never recorded, and
/// errors of the API server.
pub async fn converge_authority(context: &Context, relay: &Relay, kind: AuthorityKind) -> Result<Authority> {
    let secret_name =
        NamespacedName::new(&relay.namespace().unwrap_or_default(), &kind.secret_name(&relay.name_any()));
    let found = find(context, relay, &secret_name, kind.secret_kind()).await?;
    let unreadable = || Error::SecretContent { what: "authority", secret: secret_name.to_string() };
    let (subject, now) = (kind.subject(relay, &context.settings.cluster_domain), context.now());
    let held = found.usable().and_then(read_authority);
    if kind == AuthorityKind::Relay {
        if let Some(fingerprint) = unconfirmed_loss(&found, held.as_ref(), relay) {
            return Err(Error::AuthorityLost { secret: secret_name.to_string(), fingerprint });
        }
        if held.is_none() && found.usable().is_some() && !is_recorded(relay) {
            return Err(unreadable());
        }
    }
    let next = match held {
        Some(authority) => match authority.step(now) {
            RenewalStep::Wait => authority,
            step => {
                tracing::info!(secret = %secret_name, ?step, "renewing the certificate authority");
                authority.advance(step, &subject, now)?
            }
        },
        None => {
            if kind == AuthorityKind::Relay {
                check_never_recorded(context, relay, &found, &secret_name).await?;
            }
            Authority::create(&subject, now)?
        }
    };
    let desired = authority_secret(relay, &secret_name, kind, &next);
    secret::write(context, &found, desired).await?;
    Ok(next)
}

/// Asks the API server for the recorded fingerprint before the first authority is created, because
/// the cache may be older than the record.
///
/// # Errors
/// [`Error::AuthorityLost`], [`Error::Deleted`] for a Relay that is gone, and errors of the API
/// server.
async fn check_never_recorded(
    context: &Context,
    relay: &Relay,
    found: &Found,
    secret: &NamespacedName,
) -> Result<()> {
    let api = Api::<Relay>::namespaced(context.client.clone(), &secret.namespace);
    let current = api.get_opt(&relay.name_any()).await.map_err(Error::cluster("read the Relay"))?;
    let current = current.filter(|current| current.uid() == relay.uid());
    let current = current.ok_or_else(|| Error::Deleted(NamespacedName::from_object(relay).to_string()))?;
    match unconfirmed_loss(found, None, &current) {
        Some(fingerprint) => Err(Error::AuthorityLost { secret: secret.to_string(), fingerprint }),
        None => Ok(()),
    }
}

fn is_recorded(relay: &Relay) -> bool {
    relay.status.as_ref().is_some_and(|status| status.ca_fingerprint.is_some())
}

/// The fingerprint of the authority in the status, if the Secret does not contain it any more and
/// nobody has confirmed that. A usable authority in a Secret that the relay owns was renewed by the
/// operator.
fn unconfirmed_loss(found: &Found, held: Option<&Authority>, relay: &Relay) -> Option<String> {
    let recorded = relay.status.as_ref()?.ca_fingerprint.as_ref()?;
    let is_confirmed = relay.annotations().get(label::CONFIRM_NEW_AUTHORITY) == Some(recorded);
    let is_lost = match found {
        Found::None => true,
        Found::Orphan(_) => held.is_none_or(|authority| !authority.contains(recorded)),
        Found::Ours(_) => held.is_none(),
        Found::Foreign => false,
    };
    (is_lost && !is_confirmed).then(|| recorded.clone())
}

/// The authority in the status, as the serving certificate's Secret contains it. The relay goes on
/// to show that certificate after its authority was lost.
pub(super) async fn served_authority(context: &Context, relay: &Relay) -> Result<Option<String>> {
    let namespace = relay.namespace().unwrap_or_default();
    let secret_name = NamespacedName::new(&namespace, &name::relay_tls(&relay.name_any()));
    let found = find(context, relay, &secret_name, label::SECRET_SERVING).await?;
    let recorded = relay.status.as_ref().and_then(|status| status.ca_fingerprint.as_deref());
    let chain = found.usable().and_then(tls_secret::certificate);
    Ok(chain.zip(recorded).and_then(|(chain, recorded)| authority_in(&chain, recorded)))
}

/// The certificate with this fingerprint in a chain.
fn authority_in(chain: &str, fingerprint: &str) -> Option<String> {
    let mut certificates = authority::split(chain).into_iter();
    certificates.find(|pem| certificate::fingerprint(pem).as_deref() == Some(fingerprint))
}

/// The authorities in a Secret. `None` if a part is missing, or a key is not that of its
/// certificate.
pub(super) fn read_authority(secret: &Secret) -> Option<Authority> {
    let next = match secret::text(secret, NEXT_CERTIFICATE) {
        Some(certificate) => {
            Some(CertifiedKey { certificate: certificate.to_string(), key: secret::text(secret, NEXT_KEY)? })
        }
        None => None,
    };
    let previous = secret::text(secret, PREVIOUS_CERTIFICATES);
    let previous = previous.map(|pem| authority::split(&pem)).unwrap_or_default();
    let authority = Authority { signing: tls_secret::parse(secret)?, next, previous };
    let mut pairs = std::iter::once(&authority.signing).chain(&authority.next);
    pairs.all(CertifiedKey::is_pair).then_some(authority)
}

fn authority_secret(
    relay: &Relay,
    name: &NamespacedName,
    kind: AuthorityKind,
    authority: &Authority,
) -> Secret {
    let previous = authority.previous.concat();
    let metadata = secret_metadata(relay, &name.name, kind.secret_kind());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::build::tests::relay;

    fn subject() -> AuthoritySubject {
        AuthoritySubject::relay("main")
    }

    #[test]
    fn all_authorities_are_read_back_as_written_and_a_secret_of_one_is_a_plain_tls_secret() {
        let relay = relay(serde_json::json!({"domain": "a.example"}));
        let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
        let name = NamespacedName::new("platform", "main-ca");
        let one = Authority::create(&subject(), now).unwrap();
        let secret = authority_secret(&relay, &name, AuthorityKind::Relay, &one);
        assert_eq!(secret.data.as_ref().unwrap().keys().collect::<Vec<_>>(), ["tls.crt", "tls.key"]);
        assert_eq!(read_authority(&secret).unwrap().trusted(), one.trusted());

        let two = one
            .advance(RenewalStep::Prepare, &subject(), now)
            .unwrap()
            .advance(RenewalStep::Promote, &subject(), now)
            .unwrap();
        let three = two.advance(RenewalStep::Prepare, &subject(), now).unwrap();
        let again = read_authority(&authority_secret(&relay, &name, AuthorityKind::Relay, &three)).unwrap();
        assert_eq!(again.trusted(), three.trusted());
        assert_eq!((again.previous.len(), again.next.is_some()), (1, true));
        assert_eq!(*again.signing.key, *three.signing.key);
    }

    /// A Relay whose status names this fingerprint, with this confirmation.
    fn recorded(fingerprint: Option<&str>, confirmed: Option<&str>) -> Relay {
        let mut relay = relay(serde_json::json!({"domain": "a.example"}));
        let ca_fingerprint = fingerprint.map(str::to_owned);
        relay.status = Some(crds::RelayStatus { ca_fingerprint, ..crds::RelayStatus::default() });
        let confirmed = confirmed.map(|value| (label::CONFIRM_NEW_AUTHORITY.to_owned(), value.to_owned()));
        relay.metadata.annotations = Some(confirmed.into_iter().collect());
        relay
    }

    #[test]
    fn a_lost_authority_is_replaced_only_when_its_fingerprint_is_confirmed() {
        let loss = |relay: &Relay| unconfirmed_loss(&Found::None, None, relay);
        assert_eq!(loss(&recorded(None, None)), None, "there was none before");
        assert_eq!(loss(&recorded(Some("aa"), None)).as_deref(), Some("aa"));
        assert_eq!(loss(&recorded(Some("aa"), Some("true"))).as_deref(), Some("aa"));
        assert_eq!(loss(&recorded(Some("aa"), Some("aa"))), None);
    }

    #[test]
    fn a_restored_authority_is_adopted_if_it_contains_the_recorded_one() {
        let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
        let (held, other) =
            (Authority::create(&subject(), now).unwrap(), Authority::create(&subject(), now).unwrap());
        let fingerprint = held.fingerprint().unwrap();
        let relay = recorded(Some(&fingerprint), None);
        let orphan = Found::Orphan(Box::default());
        assert_eq!(unconfirmed_loss(&orphan, Some(&held), &relay), None);
        assert_eq!(unconfirmed_loss(&orphan, Some(&other), &relay), Some(fingerprint.clone()));
        let renewed = held.advance(RenewalStep::Prepare, &subject(), now).unwrap();
        let renewed = renewed.advance(RenewalStep::Promote, &subject(), now).unwrap();
        assert_eq!(unconfirmed_loss(&orphan, Some(&renewed), &relay), None, "it is a former one now");
        let ours = Found::Ours(Box::default());
        assert_eq!(unconfirmed_loss(&ours, Some(&other), &relay), None);
        assert_eq!(unconfirmed_loss(&ours, None, &relay), Some(fingerprint), "somebody changed it");
    }

    #[test]
    fn an_authority_with_the_key_of_another_is_not_used() {
        let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
        let one = Authority::create(&subject(), now).unwrap();
        let two = Authority::create(&subject(), now).unwrap();
        let relay = relay(serde_json::json!({"domain": "a.example"}));
        let name = NamespacedName::new("platform", "main-ca");
        let mixed = Authority { signing: CertifiedKey { key: two.signing.key, ..one.signing }, ..one };
        assert!(read_authority(&authority_secret(&relay, &name, AuthorityKind::Relay, &mixed)).is_none());
        assert!(read_authority(&Secret::default()).is_none());
    }

    #[test]
    fn the_authority_is_found_in_the_chain_that_the_relay_shows() {
        let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
        let authority = Authority::create(&subject(), now).unwrap();
        let served = certificate::issue_serving(&authority.signing, &["main".to_owned()], now).unwrap();
        let fingerprint = authority.fingerprint().unwrap();
        assert_eq!(authority_in(&served.certificate, &fingerprint), Some(authority.trusted()));
        assert_eq!(authority_in(&served.certificate, "aa"), None);
    }
}
