//! Keys of labels, annotations and finalizers that the operator sets. They are part of the API,
//! because dashboards select by them.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;

/// Who manages an object. [`MANAGER`] on every object that the operator owns.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`].
pub const MANAGER: &str = "msg2agent-operator";
/// The Relay that owns an object.
pub const RELAY: &str = "msg2agent.xyz/relay";
/// The Agent that owns an object.
pub const AGENT: &str = "msg2agent.xyz/agent";
/// The content of a Secret: one of the `SECRET_*` values.
pub const SECRET_KIND: &str = "msg2agent.xyz/secret";
/// The part of msg2agent that an object belongs to.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// `msg2agent` on every object of the operator.
pub const APP_NAME: &str = "app.kubernetes.io/name";

/// An agent's API key.
pub const SECRET_CREDENTIALS: &str = "agent-credentials";
/// An agent's private keys.
pub const SECRET_IDENTITY: &str = "agent-identity";
/// A relay's certificate authorities with their private keys.
pub const SECRET_CA: &str = "relay-ca";
/// The certificate authorities of a relay's MCP endpoints with their private keys.
pub const SECRET_ENDPOINT_CA: &str = "endpoint-ca";
/// A TLS certificate with its private key.
pub const SECRET_SERVING: &str = "serving-certificate";
/// The bearer token of a relay's admin API.
pub const SECRET_ADMIN: &str = "relay-admin";
/// The keys that sign access tokens.
pub const SECRET_OAUTH_KEYS: &str = "relay-oauth-keys";
/// The bearer token that authenticates an MCP gateway to its relay.
pub const SECRET_GATEWAY: &str = "relay-gateway";
/// The code of an invitation.
pub const SECRET_INVITATION: &str = "tenant-invitation";

/// Type of credentials Secrets, after the Service Binding specification.
pub const CREDENTIALS_TYPE: &str = "servicebinding.io/agent-relay";

/// On pods of relays: the hash of the settings file.
pub const SETTINGS_HASH: &str = "msg2agent.xyz/settings-hash";

/// On workloads: the hash of the pod template that the operator last applied.
pub const TEMPLATE_HASH: &str = "msg2agent.xyz/template-hash";
/// On workloads: the hash of what the author of the Relay or Agent wrote about them.
pub const AUTHOR_HASH: &str = "msg2agent.xyz/author-hash";
/// On workloads: who caused the last change of the pod template, `Author` or `Operator`. The
/// operator's own changes are applied in waves.
pub const TEMPLATE_ORIGIN: &str = "msg2agent.xyz/template-origin";

/// On credentials Secrets: the id of the active API key.
pub const KEY_ID: &str = "msg2agent.xyz/key-id";
/// On credentials Secrets: the replaced keys that are still valid, as JSON with hashes and times.
pub const RETIRING: &str = "msg2agent.xyz/retiring-keys";
/// On Secrets with keys: the last requested rotation that was handled.
pub const ROTATION: &str = "msg2agent.xyz/rotation";

/// On credentials Secrets: the DID of the agent. With it the Secret can be adopted.
pub const DID: &str = "msg2agent.xyz/did";
/// On Secrets of a Relay: the relay's domain. With it the Secret can be adopted.
pub const RELAY_DOMAIN: &str = "msg2agent.xyz/relay-domain";

/// On credentials Secrets: the requested rotation that the staged key was made for.
pub const STAGED_ROTATION: &str = "msg2agent.xyz/staged-rotation";

/// On invitation Secrets: when the code expires, in Unix seconds.
pub const NOT_AFTER: &str = "msg2agent.xyz/not-after";
/// The Tenant that owns an object.
pub const TENANT: &str = "msg2agent.xyz/tenant";

/// On every kind, set by people: `true` stops the operator from changing anything for the object.
pub const PAUSED: &str = "msg2agent.xyz/paused";
/// On Relays, set by people: the number of entries that the operator may remove from the relay at
/// once, as the condition Programmed names it.
pub const CONFIRM_REMOVAL: &str = "msg2agent.xyz/confirm-removal";
/// On Agents, set by people: the lost root key that a new one may replace.
pub const CONFIRM_NEW_IDENTITY: &str = "msg2agent.xyz/confirm-new-identity";
/// On Relays, set by people: the fingerprint of the lost certificate authority that a new one may
/// replace.
pub const CONFIRM_NEW_AUTHORITY: &str = "msg2agent.xyz/confirm-new-authority";

/// Finalizer of Agents of former versions: removed on sight. Agents need none.
pub const REVOCATION: &str = "msg2agent.xyz/revocation";
/// Finalizer of Tenants: removed when the relay has deleted the tenant, or after a timeout.
pub const TEARDOWN: &str = "msg2agent.xyz/tenant-teardown";
/// Finalizer of Relays: removed when no accepted Tenant refers to the Relay.
pub const IN_USE: &str = "msg2agent.xyz/in-use";

/// Whether the operator created the Secret for this purpose and this owner. It never changes any
/// other Secret.
#[must_use]
pub fn is_ours(secret: &Secret, kind: &str, owner_uid: &str) -> bool {
    let labelled = secret.labels().get(SECRET_KIND).is_some_and(|found| found == kind);
    labelled && secret.owner_references().iter().any(|owner| owner.uid == owner_uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_ours_only_for_its_purpose_and_its_owner() {
        let secret: Secret = serde_json::from_value(serde_json::json!({"metadata": {
            "labels": {SECRET_KIND: SECRET_IDENTITY},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Agent", "name": "alice", "uid": "one"}],
        }}))
        .unwrap();
        assert!(is_ours(&secret, SECRET_IDENTITY, "one"));
        assert!(!is_ours(&secret, SECRET_CREDENTIALS, "one"));
        assert!(!is_ours(&secret, SECRET_IDENTITY, "two"));
        assert!(!is_ours(&Secret::default(), SECRET_IDENTITY, "one"));
    }
}
