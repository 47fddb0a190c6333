//! The settings of the gateway: flags, each with an environment variable.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use daemon::telemetry::Format;

use super::names::Names;
use crate::settings::{
    LOOPBACK_NAMES, LOOPBACK_ORIGINS, SettingsError, TlsFiles, check_resource_url, is_secure,
};

/// Serves all agents of a relay under one URL: each request goes to the endpoint of the agent its credential speaks for.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where to serve MCP over HTTP, at the path /mcp.
    #[arg(long, env = "MSG2AGENT_GATEWAY_LISTEN", value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8444)))]
    pub listen: SocketAddr,

    /// PEM certificate chain; read again when the file changes.
    #[arg(long, env = "MSG2AGENT_GATEWAY_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// PEM private key of the certificate.
    #[arg(long, env = "MSG2AGENT_GATEWAY_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Serve without TLS on an address that is not loopback: everybody on the way reads the credentials and all messages.
    #[arg(long, env = "MSG2AGENT_GATEWAY_INSECURE_PLAINTEXT")]
    pub insecure_plaintext: bool,

    /// URL of this gateway as clients know it, for example https://mcp.example.com/mcp. Access tokens must name exactly this URL.
    #[arg(long, env = "MSG2AGENT_GATEWAY_PUBLIC_URL", value_name = "URL")]
    pub public_url: String,

    /// Names clients may use in the Host header, besides that of the public URL, separated by commas. Loopback names always may.
    #[arg(long, env = "MSG2AGENT_GATEWAY_ALLOWED_HOSTS", value_name = "NAMES", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,

    /// Origins of web pages that may call, such as https://app.example.com, separated by commas. None may by default.
    #[arg(long, env = "MSG2AGENT_GATEWAY_ALLOWED_ORIGINS", value_name = "ORIGINS", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,

    /// Authorization server where people sign in, exactly as its metadata writes it.
    #[arg(long, env = "MSG2AGENT_GATEWAY_ISSUER", value_name = "URL")]
    pub issuer: String,

    /// Where the relay says whom a credential speaks for, when not at <issuer>/oauth/introspect as seen from here.
    #[arg(long, env = "MSG2AGENT_GATEWAY_INTROSPECTION_URL", value_name = "URL")]
    pub introspection_url: Option<String>,

    /// File with the token that lets this gateway ask; read again when it changes.
    #[arg(long, env = "MSG2AGENT_GATEWAY_TOKEN_FILE", value_name = "FILE")]
    pub token_file: PathBuf,

    /// PEM certificates of the relay's private authority, trusted besides those of the web; read again when the file changes.
    #[arg(long, env = "MSG2AGENT_GATEWAY_CA_FILE", value_name = "FILE", default_value = "ca.crt")]
    pub ca_file: PathBuf,

    /// Where to serve /livez, /readyz and /metrics, in plaintext and not for the public. Not served by default.
    #[arg(long, env = "MSG2AGENT_GATEWAY_ADMIN_LISTEN", value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<SocketAddr>,

    /// text or json.
    #[arg(long, env = "MSG2AGENT_GATEWAY_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: Format,

    /// Log directives, for example info,msg2agent=debug. Logs go to standard error and never hold bodies or credentials.
    #[arg(long, env = "MSG2AGENT_GATEWAY_LOG_FILTER", value_name = "DIRECTIVES", default_value = "info")]
    pub log_filter: String,

    /// Base URL of an OTLP/HTTP collector for traces.
    #[arg(long, env = "MSG2AGENT_GATEWAY_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// How long new connections are taken after SIGTERM, until everybody knows that this process goes.
    #[arg(long, env = "MSG2AGENT_GATEWAY_DRAIN_DELAY_SECONDS", value_name = "SECONDS", default_value_t = 5)]
    pub drain_delay_seconds: u64,

    /// How long calls that are under way may take after that.
    #[arg(long, env = "MSG2AGENT_GATEWAY_DRAIN_GRACE_SECONDS", value_name = "SECONDS", default_value_t = 20)]
    pub drain_grace_seconds: u64,
}

impl Settings {
    /// # Errors
    /// Settings that do not go together.
    pub fn check(&self) -> Result<(), SettingsError> {
        let plaintext = self.tls_cert.is_none() && !self.insecure_plaintext;
        if plaintext && !self.listen.ip().is_loopback() {
            return Err(SettingsError::Plaintext(self.listen));
        }
        check_resource_url("public-url", "GATEWAY_PUBLIC_URL", &self.public_url)?;
        if !is_secure(&self.issuer) {
            return Err(SettingsError::SecureUrl("issuer", "GATEWAY_ISSUER"));
        }
        if !is_secure(&self.introspection_url()) {
            return Err(SettingsError::SecureUrl("introspection-url", "GATEWAY_INTROSPECTION_URL"));
        }
        Ok(())
    }

    #[must_use]
    pub fn introspection_url(&self) -> String {
        let at_issuer = || format!("{}{}", self.issuer.trim_end_matches('/'), protocol::introspection::PATH);
        self.introspection_url.clone().unwrap_or_else(at_issuer)
    }

    #[must_use]
    pub fn tls(&self) -> Option<TlsFiles> {
        self.tls_cert.clone().zip(self.tls_key.clone()).map(|(cert, key)| TlsFiles { cert, key })
    }

    #[must_use]
    pub fn names(&self) -> Names {
        let public = self.public_url.parse::<axum::http::Uri>().ok();
        let public = public.as_ref().and_then(|url| url.host()).map(str::to_owned);
        let local_pages = LOOPBACK_ORIGINS.into_iter().filter(|_| self.listen.ip().is_loopback());
        Names {
            hosts: LOOPBACK_NAMES
                .map(str::to_owned)
                .into_iter()
                .chain(public)
                .chain(self.allowed_hosts.clone())
                .collect(),
            origins: self.allowed_origins.iter().cloned().chain(local_pages.map(str::to_owned)).collect(),
        }
    }

    #[must_use]
    pub const fn drain_delay(&self) -> Duration {
        Duration::from_secs(self.drain_delay_seconds)
    }

    #[must_use]
    pub const fn drain_grace(&self) -> Duration {
        Duration::from_secs(self.drain_grace_seconds)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn check(url: &str, issuer: &str, more: &[&str]) -> Result<(), SettingsError> {
        let line = ["gateway", "--public-url", url, "--issuer", issuer, "--token-file", "token"];
        Line::parse_from(line.iter().chain(more)).settings.check()
    }

    const URL: &str = "https://mcp.example.com/mcp";
    const ISSUER: &str = "https://relay.example.com";

    #[test]
    fn urls_that_clients_or_secrets_go_to_are_secure() {
        assert_eq!(check(URL, ISSUER, &[]), Ok(()));
        let url = "https://mcp.example.com/";
        assert_eq!(
            check(url, ISSUER, &[]),
            Err(SettingsError::ResourceUrl("public-url", "GATEWAY_PUBLIC_URL", url.into()))
        );
        assert_eq!(
            check(URL, "http://relay.example.com", &[]),
            Err(SettingsError::SecureUrl("issuer", "GATEWAY_ISSUER"))
        );
        let asked = ["--introspection-url", "http://relay:8443/oauth/introspect"];
        assert_eq!(
            check(URL, ISSUER, &asked),
            Err(SettingsError::SecureUrl("introspection-url", "GATEWAY_INTROSPECTION_URL"))
        );
        let open = ["--listen", "0.0.0.0:80"];
        assert_eq!(check(URL, ISSUER, &open), Err(SettingsError::Plaintext("0.0.0.0:80".parse().unwrap())));
    }
}
