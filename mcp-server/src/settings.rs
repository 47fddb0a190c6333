//! The settings of the process: flags, each with an environment variable. What does not go together stops the start with a
//! sentence that names the setting.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use daemon::telemetry::Format;

/// Serves one msg2agent agent over MCP, so that Claude and other MCP clients can message other agents as this one.
#[derive(Debug, Clone, Parser)]
#[command(name = "msg2agent-mcp-server", version)]
pub struct Settings {
    /// Folder with the agent's credentials and identity, flat or with the subfolders `credentials` and `identity`. Without it,
    /// stdio uses the profile that `m2a init` made.
    #[arg(long, env = "MSG2AGENT_DIR", value_name = "FOLDER")]
    pub dir: Option<PathBuf>,

    /// How clients reach this server.
    #[arg(long, env = "MSG2AGENT_MCP_TRANSPORT", value_enum, default_value_t = Transport::Stdio)]
    pub transport: Transport,

    /// Where to serve MCP over HTTP, at the path /mcp.
    #[arg(long, env = "MSG2AGENT_MCP_LISTEN", value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8443)))]
    pub listen: SocketAddr,

    /// PEM certificate chain; read again when the file changes.
    #[arg(long, env = "MSG2AGENT_MCP_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// PEM private key of the certificate.
    #[arg(long, env = "MSG2AGENT_MCP_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Serve without TLS on an address that is not loopback: everybody on the way reads the API key and all messages.
    #[arg(long, env = "MSG2AGENT_MCP_INSECURE_PLAINTEXT")]
    pub insecure_plaintext: bool,

    /// Names clients may use in the Host header, with or without port, separated by commas. Loopback names always may.
    #[arg(long, env = "MSG2AGENT_MCP_ALLOWED_HOSTS", value_name = "NAMES", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,

    /// Origins of web pages that may call, such as https://app.example.com:443, separated by commas. None may by default.
    #[arg(long, env = "MSG2AGENT_MCP_ALLOWED_ORIGINS", value_name = "ORIGINS", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,

    /// URL of this endpoint as clients know it, for example https://alice.example.com/mcp. Needed with an authorization server,
    /// whose tokens must name exactly this URL.
    #[arg(long, env = "MSG2AGENT_MCP_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Authorization server whose access tokens open this endpoint besides the API key, exactly as its metadata writes it. By
    /// default the API key alone does.
    #[arg(long, env = "MSG2AGENT_MCP_OAUTH_ISSUER", value_name = "URL", requires = "public_url")]
    pub oauth_issuer: Option<String>,

    /// URL of the relay's gateway, which forwards its clients' requests here. Their tokens name that URL and open this endpoint too.
    #[arg(long, env = "MSG2AGENT_MCP_GATEWAY_URL", value_name = "URL", requires = "oauth_issuer")]
    pub gateway_url: Option<String>,

    /// Where the authorization server's public keys are, when not at <issuer>/oauth/jwks as seen from here.
    #[arg(long, env = "MSG2AGENT_MCP_OAUTH_JWKS_URL", value_name = "URL", requires = "oauth_issuer")]
    pub oauth_jwks_url: Option<String>,

    /// Where to serve /livez, /readyz and /metrics, in plaintext and not for the public. Not served by default.
    #[arg(long, env = "MSG2AGENT_MCP_ADMIN_LISTEN", value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<SocketAddr>,

    /// Folder for what outlives a restart: ids of processed messages and the root keys of known agents.
    #[arg(long, env = "MSG2AGENT_MCP_STATE_DIR", value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,

    /// text or json.
    #[arg(long, env = "MSG2AGENT_MCP_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: Format,

    /// Log directives, for example info,msg2agent=debug. Logs go to standard error and never hold message bodies.
    #[arg(long, env = "MSG2AGENT_MCP_LOG_FILTER", value_name = "DIRECTIVES", default_value = "info")]
    pub log_filter: String,

    /// Base URL of an OTLP/HTTP collector for traces.
    #[arg(long, env = "MSG2AGENT_MCP_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// How long calls that are under way may take after SIGTERM.
    #[arg(long, env = "MSG2AGENT_MCP_DRAIN_GRACE_SECONDS", value_name = "SECONDS", default_value_t = 20)]
    pub drain_grace_seconds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// Standard input and output; the client starts this program.
    Stdio,
    /// Streamable HTTP, with the agent's API key as bearer token.
    Http,
}

/// What HTTP needs, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    pub listen: SocketAddr,
    pub tls: Option<TlsFiles>,
    pub allowed_hosts: Vec<String>,
    pub allowed_origins: Vec<String>,
    /// The agent's API key, which callers must present.
    pub token: PathBuf,
    /// Absent: the API key alone opens.
    pub oauth: Option<OAuth>,
}

/// The authorization server, and what it calls this endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth {
    pub issuer: String,
    pub jwks_url: String,
    pub public_url: String,
    /// The relay's gateway, when it has one.
    pub gateway_url: Option<String>,
    /// PEM certificates of the relay's private authority, trusted besides those of the web when the file is there.
    pub ca: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error(
        "{0} is not a loopback address: set --tls-cert and --tls-key (MSG2AGENT_MCP_TLS_CERT, MSG2AGENT_MCP_TLS_KEY), or \
         --insecure-plaintext (MSG2AGENT_MCP_INSECURE_PLAINTEXT) if something else encrypts"
    )]
    Plaintext(SocketAddr),
    #[error("--{0} (MSG2AGENT_{1}) is an https URL that ends in /mcp, without query or fragment, not {2:?}")]
    ResourceUrl(&'static str, &'static str, String),
    #[error("--{0} (MSG2AGENT_{1}) is an https URL without query or fragment")]
    SecureUrl(&'static str, &'static str),
    #[error("HTTP needs --dir (MSG2AGENT_DIR): callers present the API key in its file `token`")]
    NoFolder,
}

/// Names of this machine in the Host header; a page of another site cannot use them without its own name.
pub(crate) const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
pub(crate) const LOOPBACK_ORIGINS: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

impl Settings {
    /// What to serve over HTTP; nothing for stdio.
    ///
    /// # Errors
    /// Settings that do not go together.
    pub fn http(&self) -> Result<Option<Http>, SettingsError> {
        if self.transport == Transport::Stdio {
            return Ok(None);
        }
        let tls = self.tls_cert.clone().zip(self.tls_key.clone()).map(|(cert, key)| TlsFiles { cert, key });
        if tls.is_none() && !self.listen.ip().is_loopback() && !self.insecure_plaintext {
            return Err(SettingsError::Plaintext(self.listen));
        }
        let folder = self.dir.as_ref().ok_or(SettingsError::NoFolder)?;
        let credentials = Some(folder.join("credentials")).filter(|inner| inner.is_dir());
        let secrets = credentials.as_ref().unwrap_or(folder);
        let loopback = LOOPBACK_NAMES.into_iter().map(str::to_owned);
        Ok(Some(Http {
            listen: self.listen,
            tls,
            allowed_hosts: self
                .allowed_hosts
                .iter()
                .cloned()
                .chain(self.public_host())
                .chain(loopback)
                .collect(),
            allowed_origins: self.origins(),
            oauth: self.oauth(secrets.join("ca.crt"))?,
            token: secrets.join("token"),
        }))
    }

    /// On loopback, pages of this machine may call as well; they need the key like everybody.
    fn origins(&self) -> Vec<String> {
        let local = LOOPBACK_ORIGINS.into_iter().filter(|_| self.listen.ip().is_loopback());
        self.allowed_origins.iter().cloned().chain(local.map(str::to_owned)).collect()
    }

    /// Clients come under the name that they were given.
    fn public_host(&self) -> Option<String> {
        let url = self.public_url.as_deref()?.parse::<axum::http::Uri>().ok()?;
        url.host().map(str::to_owned)
    }

    fn oauth(&self, ca: PathBuf) -> Result<Option<OAuth>, SettingsError> {
        let (Some(issuer), Some(public_url)) = (&self.oauth_issuer, &self.public_url) else {
            return Ok(None);
        };
        check_resource_url("public-url", "MCP_PUBLIC_URL", public_url)?;
        if let Some(gateway_url) = &self.gateway_url {
            check_resource_url("gateway-url", "MCP_GATEWAY_URL", gateway_url)?;
        }
        if !is_secure(issuer) {
            return Err(SettingsError::SecureUrl("oauth-issuer", "MCP_OAUTH_ISSUER"));
        }
        let at_issuer = || format!("{}/oauth/jwks", issuer.trim_end_matches('/'));
        let jwks_url = self.oauth_jwks_url.clone().unwrap_or_else(at_issuer);
        if !is_secure(&jwks_url) {
            return Err(SettingsError::SecureUrl("oauth-jwks-url", "MCP_OAUTH_JWKS_URL"));
        }
        Ok(Some(OAuth {
            issuer: issuer.clone(),
            jwks_url,
            public_url: public_url.clone(),
            gateway_url: self.gateway_url.clone(),
            ca,
        }))
    }

    #[must_use]
    pub fn drain_grace(&self) -> Duration {
        Duration::from_secs(self.drain_grace_seconds)
    }
}

/// A resource of MCP clients (RFC 8707): they compare it byte for byte.
pub(crate) fn check_resource_url(
    flag: &'static str,
    variable: &'static str,
    url: &str,
) -> Result<(), SettingsError> {
    if is_secure(url) && url.ends_with("/mcp") {
        return Ok(());
    }
    Err(SettingsError::ResourceUrl(flag, variable, url.to_owned()))
}

/// TLS, or this machine: keys and metadata that somebody on the way could change open the endpoint to them.
pub(crate) fn is_secure(url: &str) -> bool {
    let Ok(uri) = url.parse::<axum::http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let loopback = LOOPBACK_NAMES.contains(&host.trim_matches(['[', ']']));
    let scheme = uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && loopback);
    scheme && !host.is_empty() && uri.query().is_none() && !url.contains('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(flags: &[&str]) -> Result<Option<Http>, SettingsError> {
        let name = ["msg2agent-mcp-server", "--transport", "http"];
        Settings::try_parse_from(name.iter().chain(flags)).unwrap().http()
    }

    #[test]
    fn plaintext_beyond_loopback_needs_the_insecure_setting() {
        let open = ["--dir", "agent", "--listen", "0.0.0.0:80"];
        assert_eq!(http(&open), Err(SettingsError::Plaintext("0.0.0.0:80".parse().unwrap())));
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
        assert!(Settings::try_parse_from(["msg2agent-mcp-server", "--tls-cert", "c.pem"]).is_err());
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
                Err(SettingsError::ResourceUrl("public-url", "MCP_PUBLIC_URL", url.to_owned()))
            );
        }
        let refused = SettingsError::SecureUrl("oauth-issuer", "MCP_OAUTH_ISSUER");
        assert_eq!(oauth(url, "http://relay.example.com"), Err(refused));
        let hosts = http(&["--dir", "agent", "--public-url", url]).unwrap().unwrap().allowed_hosts;
        assert_eq!(hosts[0], "alice.example.com");
        let alone = ["msg2agent-mcp-server", "--oauth-issuer", "https://relay.example.com"];
        assert!(Settings::try_parse_from(alone).is_err());
    }

    #[test]
    fn configured_names_join_those_of_loopback() {
        let settings =
            http(&["--dir", "agent", "--allowed-hosts", "mcp.example.com,mcp.acme"]).unwrap().unwrap();
        assert_eq!(settings.allowed_hosts, ["mcp.example.com", "mcp.acme", "localhost", "127.0.0.1", "::1"]);
    }
}
