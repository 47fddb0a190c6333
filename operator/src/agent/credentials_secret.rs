//! Builds the credentials Secret of an agent, after the Service Binding specification. Pure.

use crds::{Agent, label, name};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::key_rotation::{KeyRing, STAGED, TOKEN};
use super::labels::secret_labels;
use super::resolve::ResolvedAgent;
use super::urls;
use crate::pod;
use crate::secret::{Member, SecretUpdate};

/// Data key of the agent's DID.
pub(super) const DID: &str = "did";

/// The desired Secret. `authorities` are the relay's certificate authorities, if they are known.
pub(super) fn build(
    agent: &Agent,
    resolved: &ResolvedAgent,
    keys: &KeyRing,
    authorities: Option<&str>,
    cluster_domain: &str,
) -> SecretUpdate {
    let url = name::relay_url(&resolved.relay.name, &resolved.relay.namespace, cluster_domain);
    let key_id = keys.active.as_ref().map(|key| key.hash().key_id().to_string());
    let has_mcp = agent.spec.mcp.enabled && resolved.public_host_is_granted;
    let mcp_url = has_mcp.then(|| urls::mcp_url(agent, cluster_domain));
    let gateway_url = resolved.gateway_url.as_deref().filter(|_| has_mcp);
    let members = [
        ("type", Member::set("agent-relay")),
        ("provider", Member::set("msg2agent")),
        ("url", Member::set(&url)),
        (DID, Member::set(resolved.did.as_str())),
        ("tenant-id", Member::set(resolved.tenant_id.as_str())),
        (TOKEN, Member::set_or_keep(keys.active.as_ref().map(|key| key.reveal()))),
        ("key-id", Member::set_or_keep(key_id.as_deref())),
        (STAGED, Member::set_or_remove(keys.staged.as_ref().map(|key| key.reveal()))),
        ("ca.crt", Member::set_or_keep(authorities)),
        ("mcp-url", Member::set_or_remove(mcp_url.as_deref())),
        ("mcp-gateway-url", Member::set_or_remove(gateway_url)),
    ];
    SecretUpdate {
        metadata: metadata(agent, keys, key_id),
        type_: label::CREDENTIALS_TYPE,
        members: members.into(),
    }
}

/// The annotations hold the parts of the key ring that are not secret. Absent values are empty
/// rather than missing, so that they overwrite older ones. The id of an active key stays with the
/// token.
fn metadata(agent: &Agent, keys: &KeyRing, key_id: Option<String>) -> ObjectMeta {
    let labels = secret_labels(agent, label::SECRET_CREDENTIALS);
    let mut annotations: std::collections::BTreeMap<_, _> = [
        (label::RETIRING.to_owned(), serde_json::to_string(&keys.retiring).unwrap_or_default()),
        (label::ROTATION.to_owned(), keys.handled.clone().unwrap_or_default()),
        (label::STAGED_ROTATION.to_owned(), keys.staged_for.clone().unwrap_or_default()),
    ]
    .into();
    annotations.extend(key_id.map(|id| (label::KEY_ID.to_owned(), id)));
    ObjectMeta {
        annotations: Some(annotations),
        ..pod::owned_by(agent, agent.credentials_secret_name(), labels)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use k8s_openapi::api::core::v1::Secret;
    use proptest::prelude::*;
    use protocol::api_key::ApiKey;

    use super::*;
    use crate::agent::fixtures::{agent, alice, resolved};
    use crate::secret;

    const MEMBERS: [&str; 12] = [
        "type",
        "provider",
        "url",
        "did",
        "tenant-id",
        "token",
        "key-id",
        "token.next",
        "ca.crt",
        "mcp-url",
        "mcp-gateway-url",
        "of-somebody-else",
    ];

    fn key() -> ApiKey {
        ApiKey::generate(&mut rand::rng())
    }

    fn active() -> KeyRing {
        KeyRing::default().with_first(key(), None)
    }

    fn with_mcp() -> Agent {
        agent(serde_json::json!({"tenantRef": {"name": "acme"}, "mcp": {"enabled": true}}))
    }

    fn names(secret: &Secret) -> BTreeSet<&str> {
        secret.data.iter().flatten().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn the_secret_is_complete_for_a_service_binding_and_holds_no_staged_key_between_rotations() {
        let mut keys = active();
        keys.stage(key(), None);
        keys.promote(0, Duration::ZERO);
        let secret =
            secret::merge(None, build(&with_mcp(), &resolved(), &keys, Some("PEM"), "cluster.local"));
        assert_eq!(secret.type_.as_deref(), Some("servicebinding.io/agent-relay"));
        assert_eq!(
            names(&secret).into_iter().collect::<Vec<_>>(),
            ["ca.crt", "did", "key-id", "mcp-url", "provider", "tenant-id", "token", "type", "url"]
        );
        assert_eq!(
            secret::text(&secret, "did").unwrap().as_str(),
            "did:wba:agents.example.com:agent:acme:alice"
        );
        assert_eq!(KeyRing::read(&secret).issued(), keys.issued());
        let resolved =
            ResolvedAgent { gateway_url: Some("https://mcp.example.com/mcp".into()), ..resolved() };
        let secret = secret::merge(None, build(&with_mcp(), &resolved, &keys, Some("PEM"), "cluster.local"));
        assert_eq!(secret::text(&secret, "mcp-gateway-url").unwrap().as_str(), "https://mcp.example.com/mcp");
    }

    #[test]
    fn a_restart_in_a_rotation_finds_the_staged_key_and_its_request_again() {
        let mut keys = active();
        keys.stage(key(), Some("now"));
        let secret = secret::merge(None, build(&alice(), &resolved(), &keys, None, "cluster.local"));
        let again = KeyRing::read(&secret);
        assert_eq!(again.issued().agent_keys(), keys.issued().agent_keys());
        assert_eq!((again.handled, again.staged_for.as_deref()), (None, Some("now")));
    }

    #[test]
    fn a_restart_keeps_the_authorities_of_a_relay_that_it_has_not_contacted() {
        let keys = active();
        let before = secret::merge(None, build(&alice(), &resolved(), &keys, Some("PEM"), "cluster.local"));
        let after = secret::merge(Some(&before), build(&alice(), &resolved(), &keys, None, "cluster.local"));
        assert_eq!(after, before);
    }

    proptest! {
        /// Only three members are ever removed: a staged key that was promoted, and the URLs of an
        /// endpoint that the spec has switched off.
        #[test]
        fn no_member_disappears_because_something_is_unknown(
            stored in proptest::collection::btree_map(proptest::sample::select(&MEMBERS[..]), "[a-z]{0,8}", 0..12),
            knows_authorities: bool, has_active: bool, is_staged: bool, has_mcp: bool, has_gateway: bool,
        ) {
            let stored = Secret {
                data: Some(secret::data(stored.iter().map(|(name, value)| (*name, value.as_str())))),
                ..Secret::default()
            };
            let mut keys = if has_active { active() } else { KeyRing::default() };
            if is_staged {
                keys.stage(key(), None);
            }
            let agent = if has_mcp { with_mcp() } else { alice() };
            let gateway_url = has_gateway.then(|| "https://mcp.example.com/mcp".to_owned());
            let resolved = ResolvedAgent { gateway_url, ..resolved() };
            let authorities = knows_authorities.then_some("PEM");
            let update = build(&agent, &resolved, &keys, authorities, "cluster.local");
            let next = secret::merge(Some(&stored), update);
            let mut removable = BTreeSet::new();
            if !is_staged { removable.insert("token.next"); }
            if !has_mcp { removable.insert("mcp-url"); }
            if !(has_mcp && has_gateway) { removable.insert("mcp-gateway-url"); }
            let gone: BTreeSet<_> = names(&stored).difference(&names(&next)).copied().collect();
            prop_assert!(gone.is_subset(&removable), "{gone:?} disappeared");
        }
    }
}
