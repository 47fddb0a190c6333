//! The settings of the gateway.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::allowed_hosts::AllowedHosts;
use crate::settings::variables::GatewayVariables;
use crate::settings::{ListenSettings, LoggingSettings, SettingsError, check_resource_url, check_secure_url};

/// Serves all agents of a relay under one URL: it forwards each request to the endpoint of the
/// agent that the credential belongs to.
#[derive(Debug, Clone, Args)]
pub struct GatewaySettings {
    #[command(flatten)]
    pub listen: ListenSettings<GatewayVariables>,

    /// URL of this gateway as clients know it, for example https://mcp.example.com/mcp. Access
    /// tokens must contain exactly this URL.
    #[arg(long, env = "MSG2AGENT_GATEWAY_PUBLIC_URL", value_name = "URL")]
    pub public_url: String,

    /// Authorization server where people sign in, exactly as in its metadata.
    #[arg(long, env = "MSG2AGENT_GATEWAY_ISSUER", value_name = "URL")]
    pub issuer: String,

    /// URL where the relay introspects credentials, if this machine does not reach it at
    /// <issuer>/oauth/introspect.
    #[arg(long, env = "MSG2AGENT_GATEWAY_INTROSPECTION_URL", value_name = "URL")]
    pub introspection_url: Option<String>,

    /// File with the token that authenticates this gateway at the relay; reloaded when it changes.
    #[arg(long, env = "MSG2AGENT_GATEWAY_TOKEN_FILE", value_name = "FILE")]
    pub token_file: PathBuf,

    /// PEM certificates of the relay's private CA, trusted besides the public ones; reloaded when
    /// the file changes.
    #[arg(long, env = "MSG2AGENT_GATEWAY_CA_FILE", value_name = "FILE", default_value = "ca.crt")]
    pub ca_file: PathBuf,

    /// PEM certificates of the private CA of MCP endpoints; reloaded when the file changes. The
    /// relay's CA, if there is no such setting.
    #[arg(long, env = "MSG2AGENT_GATEWAY_ENDPOINT_CA_FILE", value_name = "FILE")]
    pub endpoint_ca_file: Option<PathBuf>,

    /// How many seconds new connections are still accepted after SIGTERM, while load balancers
    /// learn that this process is shutting down.
    #[arg(long, env = "MSG2AGENT_GATEWAY_DRAIN_DELAY_SECONDS", value_name = "SECONDS", default_value_t = 5)]
    pub drain_delay_seconds: u64,

    #[command(flatten)]
    pub logging: LoggingSettings<GatewayVariables>,
}

impl GatewaySettings {
    /// # Errors
    /// Settings that contradict each other.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.listen.tls()?;
        check_resource_url("public-url", "MSG2AGENT_GATEWAY_PUBLIC_URL", &self.public_url)?;
        check_secure_url("issuer", "MSG2AGENT_GATEWAY_ISSUER", &self.issuer)?;
        let introspection_url = self.introspection_url();
        check_secure_url("introspection-url", "MSG2AGENT_GATEWAY_INTROSPECTION_URL", &introspection_url)
    }

    #[must_use]
    pub fn introspection_url(&self) -> String {
        let at_issuer = || format!("{}{}", self.issuer.trim_end_matches('/'), protocol::introspection::PATH);
        self.introspection_url.clone().unwrap_or_else(at_issuer)
    }

    #[must_use]
    pub fn allowed_hosts(&self) -> AllowedHosts {
        AllowedHosts { hosts: self.listen.hosts(Some(&self.public_url)), origins: self.listen.origins() }
    }

    #[must_use]
    pub const fn drain_delay(&self) -> Duration {
        Duration::from_secs(self.drain_delay_seconds)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: GatewaySettings,
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
            Err(SettingsError::ResourceUrl {
                flag: "public-url",
                variable: "MSG2AGENT_GATEWAY_PUBLIC_URL",
                url: url.into()
            })
        );
        assert_eq!(
            check(URL, "http://relay.example.com", &[]),
            Err(SettingsError::InsecureUrl { flag: "issuer", variable: "MSG2AGENT_GATEWAY_ISSUER" })
        );
        let asked = ["--introspection-url", "http://relay:8443/oauth/introspect"];
        assert_eq!(
            check(URL, ISSUER, &asked),
            Err(SettingsError::InsecureUrl {
                flag: "introspection-url",
                variable: "MSG2AGENT_GATEWAY_INTROSPECTION_URL"
            })
        );
        let open = ["--listen", "[::]:80"];
        let plaintext = SettingsError::Plaintext {
            address: "[::]:80".parse().unwrap(),
            tls_cert: "MSG2AGENT_GATEWAY_TLS_CERT",
            tls_key: "MSG2AGENT_GATEWAY_TLS_KEY",
            insecure_plaintext: "MSG2AGENT_GATEWAY_INSECURE_PLAINTEXT",
        };
        assert_eq!(check(URL, ISSUER, &open), Err(plaintext));
    }

    #[test]
    fn the_error_about_plaintext_names_the_variables_of_the_gateway() {
        let error = check(URL, ISSUER, &["--listen", "[::]:80"]).unwrap_err().to_string();
        for name in ["TLS_CERT", "TLS_KEY", "INSECURE_PLAINTEXT"] {
            assert!(error.contains(&format!("MSG2AGENT_GATEWAY_{name}")), "{error}");
        }
        assert!(!error.contains("MSG2AGENT_MCP_"), "{error}");
    }
}
