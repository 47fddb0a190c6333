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
    #[error("HTTP needs --dir (MSG2AGENT_DIR): callers present the API key in its file `token`")]
    NoFolder,
}

/// Names of this machine in the Host header; a page of another site cannot use them without its own name.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

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
        let loopback = LOOPBACK_NAMES.into_iter().map(str::to_owned);
        Ok(Some(Http {
            listen: self.listen,
            tls,
            allowed_hosts: self.allowed_hosts.iter().cloned().chain(loopback).collect(),
            allowed_origins: self.allowed_origins.clone(),
            token: credentials.as_ref().unwrap_or(folder).join("token"),
        }))
    }

    #[must_use]
    pub fn drain_grace(&self) -> Duration {
        Duration::from_secs(self.drain_grace_seconds)
    }
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
    fn configured_names_join_those_of_loopback() {
        let settings =
            http(&["--dir", "agent", "--allowed-hosts", "mcp.example.com,mcp.acme"]).unwrap().unwrap();
        assert_eq!(settings.allowed_hosts, ["mcp.example.com", "mcp.acme", "localhost", "127.0.0.1", "::1"]);
    }
}
