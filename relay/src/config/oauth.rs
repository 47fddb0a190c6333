//! Settings of the authorization server. It runs without any of them: people then sign in with invitations.

use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;
use serde::Deserialize;

use super::ConfigError;
use protocol::url::{Issuer, is_gateway_url, secure_host};

#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OauthLayer {
    /// Issuer of access tokens: https://host[:port] as clients reach this relay [default: made of the domain].
    #[arg(long = "oauth-issuer", env = "MSG2AGENT_RELAY_OAUTH_ISSUER", value_name = "URL")]
    pub issuer: Option<String>,
    /// Folder of Ed25519 keys that sign access tokens, PKCS#8 in files *.pem: the last by name signs, all are published.
    /// Read again when it changes [default: oauth-keys in the data folder, with one key made at the first start].
    #[arg(long = "oauth-keys-dir", env = "MSG2AGENT_RELAY_OAUTH_KEYS_DIR", value_name = "FOLDER")]
    pub keys_dir: Option<PathBuf>,
    /// Issuer of the OpenID provider that people sign in with, such as https://accounts.google.com.
    #[arg(long = "oauth-provider-issuer", env = "MSG2AGENT_RELAY_OAUTH_PROVIDER_ISSUER", value_name = "URL")]
    pub provider_issuer: Option<String>,
    /// The provider's name on the sign-in page [default: its host].
    #[arg(long = "oauth-provider-name", env = "MSG2AGENT_RELAY_OAUTH_PROVIDER_NAME", value_name = "NAME")]
    pub provider_name: Option<String>,
    /// Client id that the provider gave this relay; its redirect URI there is <issuer>/oauth/callback.
    #[arg(
        long = "oauth-provider-client-id",
        env = "MSG2AGENT_RELAY_OAUTH_PROVIDER_CLIENT_ID",
        value_name = "ID"
    )]
    pub provider_client_id: Option<String>,
    /// File with the client secret that the provider gave this relay; read at each sign-in.
    #[arg(
        long = "oauth-provider-client-secret-file",
        env = "MSG2AGENT_RELAY_OAUTH_PROVIDER_CLIENT_SECRET_FILE",
        value_name = "FILE"
    )]
    pub provider_client_secret_file: Option<PathBuf>,
    /// URL of the MCP gateway of this relay, one for all its agents: https://host/…/mcp, or http:// on loopback.
    #[arg(long = "oauth-gateway-url", env = "MSG2AGENT_RELAY_OAUTH_GATEWAY_URL", value_name = "URL")]
    pub gateway_url: Option<String>,
    /// File with the bearer token by which the gateway asks whom a credential speaks for; read at each question.
    #[arg(
        long = "oauth-gateway-token-file",
        env = "MSG2AGENT_RELAY_OAUTH_GATEWAY_TOKEN_FILE",
        value_name = "FILE"
    )]
    pub gateway_token_file: Option<PathBuf>,
    /// Networks of proxies whose X-Forwarded-For is believed when requests are counted by address; separated by commas.
    #[arg(
        long = "oauth-trusted-proxies",
        env = "MSG2AGENT_RELAY_OAUTH_TRUSTED_PROXIES",
        value_name = "NETWORKS",
        value_delimiter = ','
    )]
    pub trusted_proxies: Option<Vec<IpNet>>,
}

/// The settings in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OauthConfig {
    /// `None`: made of the domain.
    pub issuer: Option<Issuer>,
    /// `None`: a folder in the data folder, where a key is made.
    pub keys_dir: Option<PathBuf>,
    /// `None`: people sign in with invitations only.
    pub provider: Option<ProviderConfig>,
    /// `None`: each agent is reached at its own URL only.
    pub gateway: Option<GatewayConfig>,
    pub trusted_proxies: Vec<IpNet>,
}

/// An OpenID provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderConfig {
    /// `https`, or `http` on loopback.
    pub issuer: String,
    pub name: String,
    pub client_id: String,
    pub client_secret_file: PathBuf,
}

/// The MCP gateway of the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The resource of RFC 8707 and the audience of its access tokens.
    pub url: String,
    /// The gateway's bearer token.
    pub token_file: PathBuf,
}

impl OauthLayer {
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
        }
    }

    pub(super) fn decide(self) -> Result<OauthConfig, ConfigError> {
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
        Ok(OauthConfig {
            issuer,
            keys_dir: self.keys_dir,
            provider,
            gateway: gateway(self.gateway_url, self.gateway_token_file)?,
            trusted_proxies: self.trusted_proxies.unwrap_or_default(),
        })
    }
}

fn provider(
    issuer: String,
    name: Option<String>,
    client_id: String,
    client_secret_file: PathBuf,
) -> Result<ProviderConfig, ConfigError> {
    let rule = "must be an https:// URL, or http:// on loopback";
    let refused = ConfigError::Value { name: "oauth.provider_issuer", rule };
    let Some(host) = secure_host(&issuer) else { return Err(refused) };
    Ok(ProviderConfig { name: name.unwrap_or(host), issuer, client_id, client_secret_file })
}

fn gateway(url: Option<String>, token_file: Option<PathBuf>) -> Result<Option<GatewayConfig>, ConfigError> {
    let (url, token_file) = match (url, token_file) {
        (None, None) => return Ok(None),
        (Some(url), Some(token_file)) => (url, token_file),
        (Some(_), None) => return Err(ConfigError::HalfGateway("oauth.gateway_url")),
        (None, Some(_)) => return Err(ConfigError::HalfGateway("oauth.gateway_token_file")),
    };
    if !is_gateway_url(&url) {
        let rule = "must be https://host/…/mcp, or http:// on loopback, in its normal spelling and without query or fragment";
        return Err(ConfigError::Value { name: "oauth.gateway_url", rule });
    }
    Ok(Some(GatewayConfig { url, token_file }))
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
