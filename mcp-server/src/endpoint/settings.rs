//! The settings of the endpoint. Settings that contradict each other stop the start with an error
//! that names them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

use crate::settings::variables::EndpointVariables;
use crate::settings::{
    ListenSettings, LoggingSettings, SettingsError, TlsFiles, check_resource_url, check_secure_url,
};

/// Serves one msg2agent agent over MCP, so that Claude and other MCP clients can exchange messages
/// with other agents as this one.
#[derive(Debug, Clone, Parser)]
#[command(name = "msg2agent-mcp-server", version)]
pub struct EndpointSettings {
    /// Folder with the agent's credentials and identity, flat or with the subfolders `credentials`
    /// and `identity`. Without it, stdio uses the profile that `m2a init` created.
    #[arg(long, env = "MSG2AGENT_DIR", value_name = "FOLDER")]
    pub dir: Option<PathBuf>,

    /// How clients connect to this server.
    #[arg(long, env = "MSG2AGENT_MCP_TRANSPORT", value_enum, default_value_t = McpTransport::Stdio)]
    pub transport: McpTransport,

    #[command(flatten)]
    pub listen: ListenSettings<EndpointVariables>,

    /// URL of this endpoint as clients know it, for example https://alice.example.com/mcp. Required
    /// with an authorization server, whose tokens must contain exactly this URL.
    #[arg(long, env = "MSG2AGENT_MCP_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Authorization server whose access tokens are accepted besides the API key, exactly as in its
    /// metadata. By default only the API key is accepted.
    #[arg(long, env = "MSG2AGENT_MCP_OAUTH_ISSUER", value_name = "URL", requires = "public_url")]
    pub oauth_issuer: Option<String>,

    /// URL of the relay's gateway, which forwards its clients' requests here. Tokens for that URL
    /// are accepted too.
    #[arg(long, env = "MSG2AGENT_MCP_GATEWAY_URL", value_name = "URL", requires = "oauth_issuer")]
    pub gateway_url: Option<String>,

    /// URL of the authorization server's public keys, if this machine does not reach them at
    /// <issuer>/oauth/jwks.
    #[arg(long, env = "MSG2AGENT_MCP_OAUTH_JWKS_URL", value_name = "URL", requires = "oauth_issuer")]
    pub oauth_jwks_url: Option<String>,

    /// Folder for data that outlives a restart: messages and tasks (mailbox.db), ids of processed
    /// messages, and root keys of known agents.
    #[arg(long, env = "MSG2AGENT_MCP_STATE_DIR", value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,

    #[command(flatten)]
    pub logging: LoggingSettings<EndpointVariables>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum McpTransport {
    /// Standard input and output; the client starts this program.
    Stdio,
    /// Streamable HTTP, with the agent's API key as bearer token.
    Http,
}

/// The checked settings of the HTTP transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    pub listen: SocketAddr,
    pub tls: Option<TlsFiles>,
    pub allowed_hosts: Vec<String>,
    pub allowed_origins: Vec<String>,
    /// File with the agent's API key, which callers must present.
    pub token: PathBuf,
    /// Absent: only the API key is accepted.
    pub oauth: Option<OauthSettings>,
}

/// The authorization server, and the URLs under which it issues tokens for this endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthSettings {
    pub issuer: String,
    pub jwks_url: String,
    pub public_url: String,
    /// The relay's gateway, when it has one.
    pub gateway_url: Option<String>,
    /// PEM certificates of the relay's private CA, trusted besides the public ones when the file
    /// exists.
    pub ca: PathBuf,
}

impl EndpointSettings {
    /// The settings of the HTTP transport; `None` for stdio.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub fn http(&self) -> Result<Option<HttpSettings>, SettingsError> {
        if self.transport == McpTransport::Stdio {
            return Ok(None);
        }
        let tls = self.listen.tls()?;
        let folder = self.dir.as_ref().ok_or(SettingsError::NoFolder)?;
        let credentials = credentials_folder(folder);
        Ok(Some(HttpSettings {
            listen: self.listen.listen,
            tls,
            allowed_hosts: self.listen.hosts(self.public_url.as_deref()),
            allowed_origins: self.listen.origins(),
            oauth: self.oauth(credentials.join("ca.crt"))?,
            token: credentials.join("token"),
        }))
    }

    fn oauth(&self, ca: PathBuf) -> Result<Option<OauthSettings>, SettingsError> {
        let (Some(issuer), Some(public_url)) = (&self.oauth_issuer, &self.public_url) else {
            return Ok(None);
        };
        check_resource_url("public-url", "MSG2AGENT_MCP_PUBLIC_URL", public_url)?;
        if let Some(gateway_url) = &self.gateway_url {
            check_resource_url("gateway-url", "MSG2AGENT_MCP_GATEWAY_URL", gateway_url)?;
        }
        check_secure_url("oauth-issuer", "MSG2AGENT_MCP_OAUTH_ISSUER", issuer)?;
        let at_issuer = || format!("{}/oauth/jwks", issuer.trim_end_matches('/'));
        let jwks_url = self.oauth_jwks_url.clone().unwrap_or_else(at_issuer);
        check_secure_url("oauth-jwks-url", "MSG2AGENT_MCP_OAUTH_JWKS_URL", &jwks_url)?;
        Ok(Some(OauthSettings {
            issuer: issuer.clone(),
            jwks_url,
            public_url: public_url.clone(),
            gateway_url: self.gateway_url.clone(),
            ca,
        }))
    }
}

/// The Secret's files, in a separate folder or next to the identity.
fn credentials_folder(folder: &Path) -> PathBuf {
    let inner = folder.join("credentials");
    if inner.is_dir() { inner } else { folder.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(flags: &[&str]) -> Result<Option<HttpSettings>, SettingsError> {
        let name = ["msg2agent-mcp-server", "--transport", "http"];
        EndpointSettings::try_parse_from(name.iter().chain(flags)).unwrap().http()
    }

    #[test]
    fn plaintext_beyond_loopback_needs_the_insecure_setting() {
        let open = ["--dir", "agent", "--listen", "[::]:80"];
        let plaintext = SettingsError::Plaintext {
            address: "[::]:80".parse().unwrap(),
            tls_cert: "MSG2AGENT_MCP_TLS_CERT",
            tls_key: "MSG2AGENT_MCP_TLS_KEY",
            insecure_plaintext: "MSG2AGENT_MCP_INSECURE_PLAINTEXT",
        };
        assert_eq!(http(&open), Err(plaintext));
        let insecure = http(&[&open[..], &["--insecure-plaintext"]].concat()).unwrap().unwrap();
        assert_eq!(insecure.tls, None);
        let tls =
            http(&[&open[..], &["--tls-cert", "c.pem", "--tls-key", "k.pem"]].concat()).unwrap().unwrap();
        assert_eq!(tls.tls, Some(TlsFiles { cert: "c.pem".into(), key: "k.pem".into() }));
        assert!(http(&["--dir", "agent", "--listen", "[::1]:80"]).is_ok());
    }

    #[test]
    fn http_needs_the_key_that_callers_present() {
        assert_eq!(http(&[]), Err(SettingsError::NoFolder));
        assert_eq!(http(&["--dir", "agent"]).unwrap().unwrap().token, PathBuf::from("agent/token"));
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        assert!(EndpointSettings::try_parse_from(["msg2agent-mcp-server", "--tls-cert", "c.pem"]).is_err());
    }

    #[test]
    fn an_authorization_server_needs_exact_urls() {
        let oauth = |url: &str, issuer: &str| {
            let flags = ["--dir", "agent", "--public-url", url, "--oauth-issuer", issuer];
            http(&flags).map(|http| http.unwrap().oauth.unwrap().jwks_url)
        };
        let url = "https://alice.example.com/mcp";
        assert_eq!(oauth(url, "https://relay.example.com").unwrap(), "https://relay.example.com/oauth/jwks");
        assert_eq!(
            oauth("http://127.0.0.1:1/mcp", "http://localhost:2").unwrap(),
            "http://localhost:2/oauth/jwks"
        );
        for url in
            ["https://alice.example.com", "http://alice.example.com/mcp", "https://a/mcp?x=/mcp", "mcp"]
        {
            assert_eq!(
                oauth(url, "https://relay.example.com"),
                Err(SettingsError::ResourceUrl {
                    flag: "public-url",
                    variable: "MSG2AGENT_MCP_PUBLIC_URL",
                    url: url.to_owned()
                })
            );
        }
        let refused =
            SettingsError::InsecureUrl { flag: "oauth-issuer", variable: "MSG2AGENT_MCP_OAUTH_ISSUER" };
        assert_eq!(oauth(url, "http://relay.example.com"), Err(refused));
        let hosts = http(&["--dir", "agent", "--public-url", url]).unwrap().unwrap().allowed_hosts;
        assert_eq!(hosts[0], "alice.example.com");
        let alone = ["msg2agent-mcp-server", "--oauth-issuer", "https://relay.example.com"];
        assert!(EndpointSettings::try_parse_from(alone).is_err());
    }

    #[test]
    fn configured_names_join_those_of_loopback() {
        let settings =
            http(&["--dir", "agent", "--allowed-hosts", "mcp.example.com,mcp.acme"]).unwrap().unwrap();
        assert_eq!(settings.allowed_hosts, ["mcp.example.com", "mcp.acme", "localhost", "127.0.0.1", "::1"]);
    }
}
