//! Label, annotation and finalizer keys that the operator puts on objects. Part of the API: dashboards select by them.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;

/// Value of `app.kubernetes.io/managed-by` on every object the operator owns.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
pub const MANAGER: &str = "msg2agent-operator";
/// The Relay an object belongs to.
pub const RELAY: &str = "msg2agent.xyz/relay";
/// The Agent an object belongs to.
pub const AGENT: &str = "msg2agent.xyz/agent";
/// What a Secret holds; one of the `SECRET_*` values.
pub const SECRET_KIND: &str = "msg2agent.xyz/secret";
/// `app.kubernetes.io/component`: which program runs in a pod.
pub const COMPONENT: &str = "app.kubernetes.io/component";
pub const APP_NAME: &str = "app.kubernetes.io/name";

/// Values of [`SECRET_KIND`].
pub const SECRET_CREDENTIALS: &str = "agent-credentials";
pub const SECRET_IDENTITY: &str = "agent-identity";
pub const SECRET_CA: &str = "relay-ca";
pub const SECRET_SERVING: &str = "serving-certificate";
pub const SECRET_ADMIN: &str = "relay-admin";
pub const SECRET_OAUTH_KEYS: &str = "relay-oauth-keys";
pub const SECRET_GATEWAY: &str = "relay-gateway";
pub const SECRET_INVITATION: &str = "tenant-invitation";

/// Type of the Secret an agent reads its credentials from, after the Service Binding specification.
pub const CREDENTIALS_TYPE: &str = "servicebinding.io/agent-relay";

/// On pods of relays: hash of the settings file they were started with.
pub const SETTINGS_HASH: &str = "msg2agent.xyz/settings-hash";

/// Id of the API key in a credentials Secret.
pub const KEY_ID: &str = "msg2agent.xyz/key-id";
/// On credentials Secrets: keys that are still accepted, as JSON of hashes and times.
pub const RETIRING: &str = "msg2agent.xyz/retiring-keys";
/// On Secrets with keys: the requested rotation that was handled last.
pub const ROTATION: &str = "msg2agent.xyz/rotation";

/// On invitation Secrets: until when the code can be used, in Unix seconds.
pub const NOT_AFTER: &str = "msg2agent.xyz/not-after";
/// The Tenant an object belongs to.
pub const TENANT: &str = "msg2agent.xyz/tenant";

/// On Agents: held until the relay refuses the agent's keys, or a bound has passed.
pub const REVOCATION: &str = "msg2agent.xyz/revocation";
/// On Tenants: held until the relay has forgotten the tenant, or a bound has passed.
pub const TEARDOWN: &str = "msg2agent.xyz/tenant-teardown";
/// On Relays: held while Tenants refer to it.
pub const IN_USE: &str = "msg2agent.xyz/in-use";

/// Whether a Secret is one that the operator made for this purpose and this owner; any other is never touched.
#[must_use]
pub fn is_ours(secret: &Secret, kind: &str, owner_uid: &str) -> bool {
    let labelled = secret.labels().get(SECRET_KIND).is_some_and(|found| found == kind);
    labelled && secret.owner_references().iter().any(|owner| owner.uid == owner_uid)
}
