//! The authorization server of a Relay: its issuer, its OpenID provider, and its signing keys.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;

/// The relay's authorization server, where people sign in to MCP endpoints. Inside the cluster it
/// works without settings, for people with an invitation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuth {
    /// The URL by which browsers and MCP clients reach this relay, of the form
    /// `https://host[:port]`, without a path or a trailing slash. Tokens contain it, so everybody
    /// has to sign in again when it changes. Defaults to the URL of the relay's Service inside the
    /// cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 260),
        regex(pattern = "^https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[1-9][0-9]{0,4})?$")
    )]
    #[x_kube(validation = Rule::new("!self.endsWith(':443')").message("leave :443 out of issuer: clients compare the URL byte for byte"))]
    pub issuer: Option<String>,
    /// The OpenID provider that people sign in with. Without a provider they need an invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// Networks of proxies in front of the relay, in CIDR notation. The relay takes client
    /// addresses for its rate limits from the `X-Forwarded-For` header of these proxies. Name the
    /// addresses of the proxies and no others: whoever has one of them chooses the address that he
    /// is counted under. Without them, all clients behind an Ingress share one limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 50)))]
    #[x_kube(validation = Rule::new("self.all(network, isCIDR(network))").message("trustedProxies must be networks such as 10.0.12.0/28"))]
    pub trusted_proxies: Vec<String>,
    /// The keys that sign access tokens. They are in the Secret `<name>-oauth-keys`.
    #[serde(default)]
    pub signing_keys: SigningKeys,
}

impl OAuth {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// An OpenID provider, such as Google.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// The issuer of the provider, for example `https://accounts.google.com`.
    #[schemars(length(max = 512), regex(pattern = "^https://[^\\s?#]+$"))]
    pub issuer: String,
    /// The client id of this relay at the provider. Register the redirect URI `<issuer of this
    /// relay>/oauth/callback` there.
    #[serde(rename = "clientID")]
    #[schemars(length(min = 1, max = 512), regex(pattern = "^[!-~]+$"))]
    pub client_id: String,
    /// The Secret with the client secret.
    pub client_secret_ref: SecretKeyRef,
    /// The provider's name on the sign-in page. Defaults to its host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub name: Option<String>,
}

/// A key of a Secret in the Relay's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// The key in the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// Rotation of the signing keys. A new key signs at once, and the old key stays published until its
/// last token has expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeys {
    /// The age at which a key is replaced, for example `2160h`. From one day to ten years.
    #[serde(default = "default_rotate_after")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('24h') && duration(self) <= duration('87600h')").message("rotateAfter must be a duration such as 2160h, from 24h to 87600h"))]
    pub rotate_after: Duration,
    /// Every new value creates a new key at once. `status.oauth.lastHandledRotation` has the last
    /// value that was handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub requested_rotation: Option<String>,
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self { rotate_after: default_rotate_after(), requested_rotation: None }
    }
}

fn default_rotate_after() -> Duration {
    Duration::from("2160h")
}

/// The observed state of the authorization server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuthStatus {
    /// The issuer of access tokens.
    pub issuer: String,
    /// When the signing key was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_since: Option<Time>,
    /// The last value of `signingKeys.requestedRotation` that was handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_rotation: Option<String>,
}
