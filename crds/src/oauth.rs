//! The authorization server of a Relay: its public name, who says who people are, and its signing keys.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The authorization server in the relay, where people sign in for MCP endpoints. It works without any setting inside the cluster, for
/// people with an invitation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuth {
    /// `https://host[:port]` under which browsers and MCP clients reach this relay, without path and trailing slash. Left out, its Service
    /// inside the cluster. Tokens carry it: a change makes everybody sign in again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 260),
        regex(pattern = "^https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[1-9][0-9]{0,4})?$")
    )]
    #[x_kube(validation = Rule::new("!self.endsWith(':443')").message("leave :443 out of issuer: clients compare it byte for byte with what they find"))]
    pub issuer: Option<String>,
    /// The OpenID provider that people sign in with; left out, they need an invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// Networks of proxies in front of the relay, as CIDR, whose `X-Forwarded-For` is believed when requests are counted by address. Without
    /// them everybody behind an Ingress counts as one address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 50)))]
    #[x_kube(validation = Rule::new("self.all(network, isCIDR(network))").message("trustedProxies are networks such as 10.0.0.0/8"))]
    pub trusted_proxies: Vec<String>,
    /// The keys that sign access tokens, in the Secret `<name>-oauth-keys`.
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
    /// Its issuer, for example `https://accounts.google.com`.
    #[schemars(length(max = 512), regex(pattern = "^https://[^\\s?#]+$"))]
    pub issuer: String,
    /// Client id that it gave this relay. Register the redirect URI `<issuer of this relay>/oauth/callback` there.
    #[serde(rename = "clientID")]
    #[schemars(length(min = 1, max = 512), regex(pattern = "^[!-~]+$"))]
    pub client_id: String,
    /// Where the client secret is.
    pub client_secret_ref: SecretKeyRef,
    /// Its name on the sign-in page; left out, its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub name: Option<String>,
}

/// A key of a Secret in the Relay's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Data key in it.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// Rotation of the signing keys: a new key signs at once, the old one is published until its last token has expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeys {
    /// How old a key becomes before a new one takes over, for example `2160h`; from a day to ten years.
    #[serde(default = "default_rotate_after")]
    #[schemars(length(min = 2, max = 16), regex(pattern = "^([0-9]{1,5}h)?([0-9]{1,4}m)?([0-9]{1,6}s)?$"))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('24h') && duration(self) <= duration('87600h')").message("rotateAfter is a duration such as 2160h, from 24h to 87600h"))]
    pub rotate_after: String,
    /// Any new value makes a new key at once; the value handled last is in `status.oauth.lastHandledRotation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub requested_rotation: Option<String>,
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self { rotate_after: default_rotate_after(), requested_rotation: None }
    }
}

fn default_rotate_after() -> String {
    "2160h".to_owned()
}

/// What the operator saw of the authorization server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuthStatus {
    /// The issuer of its tokens.
    pub issuer: String,
    /// When the key that signs was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_since: Option<Time>,
    /// The value of `signingKeys.requestedRotation` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_rotation: Option<String>,
}
