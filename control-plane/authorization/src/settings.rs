//! Settings of the authorization server.

use std::path::PathBuf;
use std::sync::Arc;

use document_fetcher::OutboundProxy;
use ipnet::IpNet;
use protocol::UnixSeconds;
use protocol::url::Issuer;

/// A source of the current time that tests can replace.
pub type Clock = Arc<dyn Fn() -> UnixSeconds + Send + Sync>;

/// Settings of the authorization server. With the defaults, people sign in with invitations only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Issuer of access tokens. `None`: the relay derives it from its domain.
    pub issuer: Option<Issuer>,
    /// Folder of the signing keys. `None`: a folder below the data folder, where a key is
    /// generated.
    pub keys_dir: Option<PathBuf>,
    /// `None`: people sign in with invitations only.
    pub provider: Option<ProviderSettings>,
    /// `None`: every agent is reached at its own URL only.
    pub gateway: Option<GatewaySettings>,
    /// Networks of reverse proxies whose `X-Forwarded-For` header is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// The proxy for requests to the OpenID provider and for client documents. `None`: the relay
    /// connects to them itself.
    pub outbound_proxy: Option<OutboundProxy>,
}

/// The OpenID provider that people sign in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// `https`, or `http` on loopback.
    pub issuer: String,
    /// The provider's name on the sign-in page.
    pub name: String,
    /// The client id that the provider gave this relay.
    pub client_id: String,
    /// Read at each sign-in, so that a rotated secret is used at once.
    pub client_secret_file: PathBuf,
}

/// The MCP gateway of the relay: one URL for all agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySettings {
    /// The resource (RFC 8707) that clients request, and the audience of their access tokens.
    pub url: String,
    /// File with the bearer token that the gateway authenticates with.
    pub token_file: PathBuf,
}
