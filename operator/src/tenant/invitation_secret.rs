//! The Secret of an invitation: its code, the agent, and the URLs where the code can be used.

use crds::tenant::Invitation;
use crds::{Tenant, label, name};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use protocol::admin::DEFAULT_INVITATION_TTL_SECONDS;
use protocol::{UnixSeconds, base64url};
use zeroize::Zeroizing;

use crate::object_key::NamespacedName;
use crate::secret::{Member, SecretUpdate};
use crate::{component, pod, secret};

const CODE: &str = "code";
const AGENT: &str = "agent";
const URL: &str = "mcp-url";
const GATEWAY_URL: &str = "mcp-gateway-url";
/// Lets scanners find a leaked code.
const CODE_PREFIX: &str = "m2inv_";
/// Random bytes of a code: 256 bits cannot be guessed.
const CODE_BYTES: usize = 32;

/// The code of an invitation.
pub(super) struct InvitationCode {
    pub text: Zeroizing<String>,
    pub agent: String,
    pub not_after: UnixSeconds,
}

/// Where a code can be used: the agent's own endpoint, and the gateway of the Relay.
#[derive(Debug, Default)]
pub(super) struct InvitationUrls {
    pub mcp: Option<String>,
    pub gateway: Option<String>,
}

impl InvitationCode {
    pub(super) fn generate(invitation: &Invitation, now: UnixSeconds) -> Self {
        let bytes = Zeroizing::new(rand::random::<[u8; CODE_BYTES]>());
        // The API server has checked the pattern and the range.
        let ttl = invitation.valid_for.as_secs().unwrap_or(DEFAULT_INVITATION_TTL_SECONDS);
        Self {
            text: Zeroizing::new(format!("{CODE_PREFIX}{}", base64url::encode(bytes.as_slice()))),
            agent: invitation.agent.clone(),
            not_after: now.saturating_add(ttl),
        }
    }

    /// The code in a Secret. `None` if a part is missing, or the code is not one of the operator: a
    /// short one could be guessed.
    pub(super) fn read(held: &Secret) -> Option<Self> {
        let not_after = held.annotations().get(label::NOT_AFTER)?.parse().ok()?;
        Some(Self {
            text: secret::text(held, CODE).filter(|text| is_code(text))?,
            agent: secret::text(held, AGENT)?.to_string(),
            not_after,
        })
    }
}

fn is_code(text: &str) -> bool {
    let random = text.strip_prefix(CODE_PREFIX).and_then(|random| base64url::decode(random).ok());
    random.is_some_and(|random| random.len() == CODE_BYTES)
}

pub(super) fn secret_name(tenant: &Tenant, invitation: &str) -> NamespacedName {
    let name = name::tenant_invitation(&tenant.name_any(), invitation);
    NamespacedName::new(&tenant.namespace().unwrap_or_default(), &name)
}

pub(super) fn build(
    tenant: &Tenant,
    name: &NamespacedName,
    code: &InvitationCode,
    urls: &InvitationUrls,
) -> SecretUpdate {
    let mut metadata = metadata(tenant, name);
    metadata.annotations = Some([(label::NOT_AFTER.to_owned(), code.not_after.to_string())].into());
    let members = [
        (CODE, Member::set(&code.text)),
        (AGENT, Member::set(&code.agent)),
        (URL, Member::set_or_keep(urls.mcp.as_deref())),
        (GATEWAY_URL, Member::set_or_keep(urls.gateway.as_deref())),
    ];
    SecretUpdate { metadata, type_: "Opaque", members: members.into() }
}

/// The Secret of an invitation that was taken back. The operator may not delete Secrets.
pub(super) fn emptied(tenant: &Tenant, name: &NamespacedName) -> SecretUpdate {
    let members = [CODE, AGENT, URL, GATEWAY_URL].map(|member| (member, Member::Remove));
    SecretUpdate { metadata: metadata(tenant, name), type_: "Opaque", members: members.into() }
}

/// The name of the invitation that a Secret of the Tenant is for, by the name of the Secret.
pub(super) fn invitation_of(secret: &ObjectMeta, tenant: &Tenant) -> Option<String> {
    let name = secret.name.as_deref()?;
    name.strip_prefix(&name::tenant_invitation(&tenant.name_any(), "")).map(str::to_owned)
}

/// The labels by which the Secrets of a Tenant's invitations are found.
pub(super) fn selector(tenant: &Tenant) -> String {
    let tenant = tenant.name_any();
    format!("{}={tenant},{}={}", label::TENANT, label::SECRET_KIND, label::SECRET_INVITATION)
}

fn metadata(tenant: &Tenant, name: &NamespacedName) -> ObjectMeta {
    let mut labels = pod::labels(label::TENANT, &tenant.name_any(), component::INVITATION);
    labels.insert(label::SECRET_KIND.into(), label::SECRET_INVITATION.into());
    pod::owned_by(tenant, name.name.to_string(), labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = 1_790_000_000;

    fn tenant() -> Tenant {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Tenant",
            "metadata": {"name": "acme", "namespace": "team", "uid": "u"}, "spec": {"relayRef": {"name": "main"}},
        }))
        .unwrap()
    }

    #[test]
    fn a_code_is_read_back_as_written_and_is_valid_as_long_as_the_spec_says() {
        let tenant = tenant();
        let invitation = Invitation { name: "claude".into(), agent: "alice".into(), valid_for: "1h".into() };
        let code = InvitationCode::generate(&invitation, NOW);
        assert_eq!(code.not_after, NOW + 3600);
        let urls = InvitationUrls { mcp: Some("https://a/mcp".into()), gateway: None };
        let name = secret_name(&tenant, "claude");
        let secret = secret::merge(None, build(&tenant, &name, &code, &urls));
        assert_eq!(secret.metadata.name.as_deref(), Some("acme-invitation-claude"));
        let again = InvitationCode::read(&secret).unwrap();
        assert_eq!((&*again.text, &again.agent, again.not_after), (&*code.text, &code.agent, code.not_after));
        assert_eq!(secret::text(&secret, URL).unwrap().as_str(), "https://a/mcp");
        let unknown = build(&tenant, &name, &code, &InvitationUrls::default());
        assert_eq!(secret::merge(Some(&secret), unknown), secret, "an unknown URL removes nothing");
    }

    #[test]
    fn a_code_that_somebody_shortened_is_not_declared() {
        let invitation = Invitation { name: "claude".into(), agent: "alice".into(), valid_for: "1h".into() };
        let code = InvitationCode::generate(&invitation, NOW);
        assert!(is_code(&code.text));
        let shortened: String = code.text.chars().take(code.text.len() - 4).collect();
        for edited in ["", "edited", "m2inv_", &shortened] {
            assert!(!is_code(edited), "{edited:?}");
        }
    }

    #[test]
    fn an_emptied_secret_has_no_code_and_says_whose_it_was() {
        let secret = secret::merge(None, emptied(&tenant(), &secret_name(&tenant(), "claude")));
        assert!(InvitationCode::read(&secret).is_none());
        assert_eq!(invitation_of(&secret.metadata, &tenant()).as_deref(), Some("claude"));
    }
}
