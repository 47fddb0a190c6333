//! The Secret of an invitation: its code, the agent, and the URLs where the code can be used.

use crds::tenant::Invitation;
use crds::{Tenant, label, name};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use protocol::admin::DEFAULT_INVITATION_TTL_SECONDS;
use protocol::{UnixSeconds, base64url};
use zeroize::Zeroizing;

use crate::object_key::NamespacedName;
use crate::{component, pod, secret};

const CODE: &str = "code";
const AGENT: &str = "agent";
const URL: &str = "mcp-url";
const GATEWAY_URL: &str = "mcp-gateway-url";
/// Lets scanners find a leaked code.
const CODE_PREFIX: &str = "m2inv_";

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
        let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
        // The API server has checked the pattern and the range.
        let ttl = invitation.valid_for.as_secs().unwrap_or(DEFAULT_INVITATION_TTL_SECONDS);
        Self {
            text: Zeroizing::new(format!("{CODE_PREFIX}{}", base64url::encode(bytes.as_slice()))),
            agent: invitation.agent.clone(),
            not_after: now.saturating_add(ttl),
        }
    }

    /// The code in a Secret. `None` if a part is missing.
    pub(super) fn read(held: &Secret) -> Option<Self> {
        let not_after = held.annotations().get(label::NOT_AFTER)?.parse().ok()?;
        Some(Self {
            text: secret::text(held, CODE)?,
            agent: secret::text(held, AGENT)?.to_string(),
            not_after,
        })
    }
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
) -> Secret {
    let mut labels = pod::labels(label::TENANT, &tenant.name_any(), component::INVITATION);
    labels.insert(label::SECRET_KIND.into(), label::SECRET_INVITATION.into());
    let mut metadata = pod::owned_by(tenant, name.name.to_string(), labels);
    metadata.annotations = Some([(label::NOT_AFTER.to_owned(), code.not_after.to_string())].into());
    let mut values = vec![(CODE, code.text.as_str()), (AGENT, code.agent.as_str())];
    values.extend(urls.mcp.as_deref().map(|url| (URL, url)));
    values.extend(urls.gateway.as_deref().map(|url| (GATEWAY_URL, url)));
    Secret { metadata, type_: Some("Opaque".into()), data: Some(secret::data(values)), ..Secret::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = 1_790_000_000;

    #[test]
    fn a_code_is_read_back_as_written_and_is_valid_as_long_as_the_spec_says() {
        let tenant: Tenant = serde_json::from_value(serde_json::json!({
            "apiVersion": "msg2agent.xyz/v1alpha1", "kind": "Tenant",
            "metadata": {"name": "acme", "namespace": "team", "uid": "u"}, "spec": {"relayRef": {"name": "main"}},
        }))
        .unwrap();
        let invitation = Invitation { name: "claude".into(), agent: "alice".into(), valid_for: "1h".into() };
        let code = InvitationCode::generate(&invitation, NOW);
        assert_eq!(code.not_after, NOW + 3600);
        let urls = InvitationUrls { mcp: Some("https://a/mcp".into()), gateway: None };
        let secret = build(&tenant, &secret_name(&tenant, "claude"), &code, &urls);
        assert_eq!(secret.metadata.name.as_deref(), Some("acme-invitation-claude"));
        let again = InvitationCode::read(&secret).unwrap();
        assert_eq!((&*again.text, again.agent, again.not_after), (&*code.text, code.agent, code.not_after));
        assert_eq!(secret::text(&secret, URL).unwrap().as_str(), "https://a/mcp");
    }
}
