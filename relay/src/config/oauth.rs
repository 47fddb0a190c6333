//! Settings of the authorization server. All of them are optional: without a provider, people sign
//! in with invitations only.

use std::path::PathBuf;

use authorization::{GatewaySettings, NotAProxy, OutboundProxy, ProviderSettings, Settings};
use clap::Args;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use protocol::url::{Issuer, is_gateway_url, secure_host};

/// The settings that one layer sets, and the settings in effect as `--print-config` shows them.
#[derive(Debug, Clone, Default, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OauthLayer {
    /// Issuer of access tokens: https://host[:port] as clients reach this relay [default: derived
    /// from the domain].
    #[arg(long = "oauth-issuer", env = "MSG2AGENT_RELAY_OAUTH_ISSUER", value_name = "URL")]
    pub issuer: Option<String>,
    /// Folder of the Ed25519 keys that sign access tokens, as PKCS#8 in files *.pem. The last by
    /// name signs, all are published, and changes are noticed [default: oauth-keys in the data
    /// folder, with a key generated at the first start].
    #[arg(long = "oauth-keys-dir", env = "MSG2AGENT_RELAY_OAUTH_KEYS_DIR", value_name = "FOLDER")]
    pub keys_dir: Option<PathBuf>,
    /// Issuer of the OpenID provider that people sign in with, such as https://accounts.google.com.
    #[arg(long = "oauth-provider-issuer", env = "MSG2AGENT_RELAY_OAUTH_PROVIDER_ISSUER", value_name = "URL")]
    pub provider_issuer: Option<String>,
    /// Name of the provider on the sign-in page [default: its host].
    #[arg(long = "oauth-provider-name", env = "MSG2AGENT_RELAY_OAUTH_PROVIDER_NAME", value_name = "NAME")]
    pub provider_name: Option<String>,
    /// Client id of this relay at the provider, registered there with the redirect URI
    /// <issuer>/oauth/callback.
    #[arg(
        long = "oauth-provider-client-id",
        env = "MSG2AGENT_RELAY_OAUTH_PROVIDER_CLIENT_ID",
        value_name = "ID"
    )]
    pub provider_client_id: Option<String>,
    /// File with the client secret of this relay at the provider, read at each sign-in.
    #[arg(
        long = "oauth-provider-client-secret-file",
        env = "MSG2AGENT_RELAY_OAUTH_PROVIDER_CLIENT_SECRET_FILE",
        value_name = "FILE"
    )]
    pub provider_client_secret_file: Option<PathBuf>,
    /// URL of this relay's MCP gateway, which serves all agents: https://host/…/mcp, or http:// on
    /// loopback.
    #[arg(long = "oauth-gateway-url", env = "MSG2AGENT_RELAY_OAUTH_GATEWAY_URL", value_name = "URL")]
    pub gateway_url: Option<String>,
    /// File with the bearer token that the gateway authenticates with, read at each of its
    /// requests.
    #[arg(
        long = "oauth-gateway-token-file",
        env = "MSG2AGENT_RELAY_OAUTH_GATEWAY_TOKEN_FILE",
        value_name = "FILE"
    )]
    pub gateway_token_file: Option<PathBuf>,
    /// Networks of proxies whose X-Forwarded-For is trusted for rate limits, separated by commas.
    #[arg(
        long = "oauth-trusted-proxies",
        env = "MSG2AGENT_RELAY_OAUTH_TRUSTED_PROXIES",
        value_name = "NETWORKS",
        value_delimiter = ','
    )]
    pub trusted_proxies: Option<Vec<IpNet>>,
    /// Proxy for requests to the OpenID provider and for client documents: http://host:port. Set it
    /// where the relay cannot connect to them itself.
    #[arg(long = "oauth-https-proxy", env = "HTTPS_PROXY", value_name = "URL", hide_env_values = true)]
    pub https_proxy: Option<String>,
    /// Hosts, domains and networks that are reached without the proxy, separated by commas. Client
    /// documents always come through the proxy.
    #[arg(long = "oauth-no-proxy", env = "NO_PROXY", value_name = "HOSTS")]
    pub no_proxy: Option<String>,
}

impl OauthLayer {
    /// These settings where they are set, those of `below` elsewhere.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            issuer: self.issuer.or(below.issuer),
            keys_dir: self.keys_dir.or(below.keys_dir),
            provider_issuer: self.provider_issuer.or(below.provider_issuer),
            provider_name: self.provider_name.or(below.provider_name),
            provider_client_id: self.provider_client_id.or(below.provider_client_id),
            provider_client_secret_file: self
                .provider_client_secret_file
                .or(below.provider_client_secret_file),
            gateway_url: self.gateway_url.or(below.gateway_url),
            gateway_token_file: self.gateway_token_file.or(below.gateway_token_file),
            trusted_proxies: self.trusted_proxies.or(below.trusted_proxies),
            https_proxy: self.https_proxy.or(below.https_proxy),
            no_proxy: self.no_proxy.or(below.no_proxy),
        }
    }

    /// The settings in effect; `issuer` as it is used by this relay.
    pub(super) fn in_effect(settings: &Settings, issuer: String) -> Self {
        let (provider, gateway) = (settings.provider.as_ref(), settings.gateway.as_ref());
        let proxy = settings.outbound_proxy.as_ref();
        Self {
            issuer: Some(issuer),
            keys_dir: settings.keys_dir.clone(),
            provider_issuer: provider.map(|it| it.issuer.clone()),
            provider_name: provider.map(|it| it.name.clone()),
            provider_client_id: provider.map(|it| it.client_id.clone()),
            provider_client_secret_file: provider.map(|it| it.client_secret_file.clone()),
            gateway_url: gateway.map(|it| it.url.clone()),
            gateway_token_file: gateway.map(|it| it.token_file.clone()),
            trusted_proxies: Some(settings.trusted_proxies.clone()),
            https_proxy: proxy.map(OutboundProxy::redacted_url),
            no_proxy: proxy.map(|it| it.except().to_owned()),
        }
    }

    pub(super) fn decide(self) -> Result<Settings, ConfigError> {
        let issuer = self.issuer.as_deref().map(str::parse::<Issuer>).transpose();
        let issuer = issuer.map_err(|_| ConfigError::Value {
            name: "oauth.issuer",
            rule: "must be https://host[:port], or http:// on loopback, without path and trailing slash",
        })?;
        let provider = match (self.provider_issuer, self.provider_client_id, self.provider_client_secret_file)
        {
            (None, None, None) => None,
            (Some(issuer), Some(client_id), Some(client_secret_file)) => {
                Some(provider(issuer, self.provider_name, client_id, client_secret_file)?)
            }
            (None, ..) => return Err(ConfigError::HalfProvider("oauth.provider_issuer")),
            (_, None, _) => return Err(ConfigError::HalfProvider("oauth.provider_client_id")),
            (.., None) => return Err(ConfigError::HalfProvider("oauth.provider_client_secret_file")),
        };
        Ok(Settings {
            issuer,
            keys_dir: self.keys_dir,
            provider,
            gateway: gateway(self.gateway_url, self.gateway_token_file)?,
            trusted_proxies: self.trusted_proxies.unwrap_or_default(),
            outbound_proxy: outbound_proxy(self.https_proxy.as_deref(), self.no_proxy.as_deref())?,
        })
    }
}

fn provider(
    issuer: String,
    name: Option<String>,
    client_id: String,
    client_secret_file: PathBuf,
) -> Result<ProviderSettings, ConfigError> {
    let rule = "must be an https:// URL, or http:// on loopback";
    let refused = ConfigError::Value { name: "oauth.provider_issuer", rule };
    let Some(host) = secure_host(&issuer) else { return Err(refused) };
    Ok(ProviderSettings { name: name.unwrap_or(host), issuer, client_id, client_secret_file })
}

/// An empty variable counts as not set, as everywhere where these variables are used.
fn outbound_proxy(url: Option<&str>, except: Option<&str>) -> Result<Option<OutboundProxy>, ConfigError> {
    let Some(url) = url.filter(|url| !url.is_empty()) else { return Ok(None) };
    let proxy = OutboundProxy::new(url, except.unwrap_or_default());
    let rule = "must be http://host:port, also as the variable HTTPS_PROXY";
    proxy.map(Some).map_err(|NotAProxy| ConfigError::Value { name: "oauth.https_proxy", rule })
}

fn gateway(url: Option<String>, token_file: Option<PathBuf>) -> Result<Option<GatewaySettings>, ConfigError> {
    let (url, token_file) = match (url, token_file) {
        (None, None) => return Ok(None),
        (Some(url), Some(token_file)) => (url, token_file),
        (Some(_), None) => return Err(ConfigError::HalfGateway("oauth.gateway_url")),
        (None, Some(_)) => return Err(ConfigError::HalfGateway("oauth.gateway_token_file")),
    };
    if !is_gateway_url(&url) {
        let rule =
            "must be https://host/…/mcp, or http:// on loopback, normalized and without query or fragment";
        return Err(ConfigError::Value { name: "oauth.gateway_url", rule });
    }
    Ok(Some(GatewaySettings { url, token_file }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> OauthLayer {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_provider_is_configured_whole_or_not_at_all() {
        let half = layer("provider_issuer = \"https://accounts.google.com\"\nprovider_client_id = \"x\"");
        assert!(half.decide().unwrap_err().to_string().ends_with("client_secret_file is missing"));
        let whole = layer(
            "provider_issuer = \"https://accounts.google.com\"\nprovider_client_id = \"x\"\n\
             provider_client_secret_file = \"/s\"",
        );
        assert_eq!(whole.decide().unwrap().provider.unwrap().name, "accounts.google.com");
    }

    #[test]
    fn a_proxy_is_optional_and_its_password_is_not_printed() {
        let proxy = |text: &str| layer(text).decide().map(|settings| settings.outbound_proxy);
        assert_eq!(proxy("https_proxy = \"\"").unwrap(), None);
        let refused = proxy("https_proxy = \"socks5://a.example\"").unwrap_err().to_string();
        assert!(refused.starts_with("oauth.https_proxy must be http://"), "{refused}");
        let text = "https_proxy = \"http://me:hunter2@a.example:3128\"\nno_proxy = \".inside\"";
        let shown = OauthLayer::in_effect(&layer(text).decide().unwrap(), String::new());
        assert_eq!(shown.https_proxy.as_deref(), Some("http://a.example:3128/"));
        assert_eq!(shown.no_proxy.as_deref(), Some(".inside"));
    }

    #[test]
    fn a_gateway_is_configured_whole_or_not_at_all() {
        let refusal = |text: &str| layer(text).decide().unwrap_err().to_string();
        assert!(
            refusal("gateway_url = \"https://a.example/mcp\"").ends_with("only oauth.gateway_url is set")
        );
        assert!(refusal("gateway_token_file = \"/t\"").ends_with("only oauth.gateway_token_file is set"));
        let bad = "gateway_url = \"https://a.example/mcp?x\"\ngateway_token_file = \"/t\"";
        assert!(refusal(bad).starts_with("oauth.gateway_url must be"));
        let good = "gateway_url = \"https://a.example/mcp\"\ngateway_token_file = \"/t\"";
        assert_eq!(layer(good).decide().unwrap().gateway.unwrap().url, "https://a.example/mcp");
        assert_eq!(layer("").decide().unwrap().gateway, None);
    }

    #[test]
    fn addresses_that_are_not_secure_are_refused() {
        let refusal = |text: &str| layer(text).decide().unwrap_err().to_string();
        assert!(refusal("issuer = \"https://a.example/\"").starts_with("oauth.issuer must be"));
        let plain = "provider_issuer = \"http://a.example\"\nprovider_client_id = \"x\"\n\
                     provider_client_secret_file = \"/s\"";
        assert!(refusal(plain).starts_with("oauth.provider_issuer must be"));
    }
}
