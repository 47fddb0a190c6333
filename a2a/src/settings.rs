//! The settings of the gateway. Each is a flag with an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use daemon::https::limits::ADDRESS_SHARE_PERCENT;
use daemon::https::{ListenerLimits, TlsFiles};
use daemon::telemetry::{self, Format};

use crate::gateway::{AgentModes, DEFAULT_ANSWER_TIMEOUT};
use crate::webhook::WebhookPolicy;

/// Open connections: those that wait and stream, and as many for short requests.
pub const CONNECTIONS_MAX: usize = 4_096;

/// Serves the agents of a tenant over A2A.
#[derive(Debug, Clone, Parser)]
#[command(name = "msg2agent-a2a", version)]
pub struct Settings {
    /// Folder with the settings, the key and the API key of the gateway's own agent.
    #[arg(long, env = "MSG2AGENT_DIR", value_name = "FOLDER")]
    pub dir: PathBuf,

    /// Folder of the tasks; they survive a restart. Its other files are those of the SDK.
    #[arg(long, env = "MSG2AGENT_STATE_DIR", value_name = "FOLDER")]
    pub state_dir: PathBuf,

    /// URL of this gateway as clients know it. Agents are one path segment below it.
    #[arg(long, env = "MSG2AGENT_A2A_PUBLIC_URL", value_name = "URL")]
    pub public_url: String,

    /// Address of the gateway.
    #[arg(long, env = "MSG2AGENT_A2A_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8445")]
    pub listen: SocketAddr,

    /// PEM certificate chain; reloaded when the file changes.
    #[arg(long, env = "MSG2AGENT_A2A_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// PEM private key of the certificate.
    #[arg(long, env = "MSG2AGENT_A2A_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Serve without TLS on an address that is not loopback: everybody on the network path can read
    /// the credentials and all messages.
    #[arg(long, env = "MSG2AGENT_A2A_INSECURE_PLAINTEXT")]
    pub insecure_plaintext: bool,

    /// Let everybody call who reaches this gateway. All of them are the same caller, and see each
    /// other's tasks.
    #[arg(long, env = "MSG2AGENT_A2A_OPEN")]
    pub open: bool,

    /// URL where the relay introspects API keys. Needed unless everybody may call.
    #[arg(
        long,
        env = "MSG2AGENT_A2A_INTROSPECTION_URL",
        value_name = "URL",
        required_unless_present = "open"
    )]
    pub introspection_url: Option<String>,

    /// Call webhooks over http and inside the network too: for tests only.
    #[arg(long, env = "MSG2AGENT_A2A_INSECURE_WEBHOOKS")]
    pub insecure_webhooks: bool,

    /// Names of the agents that are served, separated by commas; without it all of the tenant.
    #[arg(long, env = "MSG2AGENT_A2A_AGENTS", value_name = "NAMES", value_delimiter = ',')]
    pub agents: Vec<String>,

    /// Media types that the agents take, separated by commas; image/* is every image.
    #[arg(
        long,
        env = "MSG2AGENT_A2A_INPUT_MODES",
        value_name = "TYPES",
        value_delimiter = ',',
        default_value = "text/plain,application/json"
    )]
    pub input_modes: Vec<String>,

    /// Media types that the agents give.
    #[arg(
        long,
        env = "MSG2AGENT_A2A_OUTPUT_MODES",
        value_name = "TYPES",
        value_delimiter = ',',
        default_value = "text/plain,application/json"
    )]
    pub output_modes: Vec<String>,

    /// How many seconds a request without a stream waits for an agent before it gets the task as it
    /// is.
    #[arg(
        long,
        env = "MSG2AGENT_A2A_ANSWER_TIMEOUT_SECONDS",
        value_name = "SECONDS",
        default_value_t = DEFAULT_ANSWER_TIMEOUT.as_secs()
    )]
    pub answer_timeout_seconds: u64,

    /// Share of the connections that one client address (IPv6: one /64 network) may hold.
    #[arg(
        long,
        env = "MSG2AGENT_A2A_ADDRESS_SHARE_PERCENT",
        value_name = "PERCENT",
        default_value_t = ADDRESS_SHARE_PERCENT,
        value_parser = clap::value_parser!(u8).range(1..=100)
    )]
    pub address_share_percent: u8,

    /// Address of /livez, /readyz and /metrics, in plaintext and not for the public. Not served by
    /// default.
    #[arg(long, env = "MSG2AGENT_A2A_ADMIN_LISTEN", value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<SocketAddr>,

    /// How many seconds requests in progress may take to finish after SIGTERM.
    #[arg(long, env = "MSG2AGENT_A2A_DRAIN_GRACE_SECONDS", value_name = "SECONDS", default_value_t = 20)]
    pub drain_grace_seconds: u64,

    /// text or json.
    #[arg(long, env = "MSG2AGENT_A2A_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: Format,

    /// Log directives. Logs go to standard error and never contain messages or credentials.
    #[arg(long, env = "MSG2AGENT_A2A_LOG_FILTER", value_name = "DIRECTIVES", default_value = "info")]
    pub log_filter: String,

    /// Base URL of an OTLP/HTTP collector for traces.
    #[arg(long, env = "MSG2AGENT_A2A_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

/// Settings that contradict each other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error(
        "{0} is not a loopback address: set --tls-cert and --tls-key (MSG2AGENT_A2A_TLS_CERT, \
         MSG2AGENT_A2A_TLS_KEY), or --insecure-plaintext (MSG2AGENT_A2A_INSECURE_PLAINTEXT) if something else \
         encrypts"
    )]
    Plaintext(SocketAddr),
    #[error("--{flag} ({variable}) must be an https URL without query or fragment")]
    Url { flag: &'static str, variable: &'static str },
}

impl Settings {
    /// # Errors
    /// Settings that contradict each other.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.tls()?;
        check_url("public-url", "MSG2AGENT_A2A_PUBLIC_URL", &self.public_url)?;
        match &self.introspection_url {
            Some(url) => check_url("introspection-url", "MSG2AGENT_A2A_INTROSPECTION_URL", url),
            None => Ok(()),
        }
    }

    /// The certificate files; `None` for plaintext.
    ///
    /// # Errors
    /// Plaintext is neither limited to loopback nor allowed by the settings.
    pub fn tls(&self) -> Result<Option<TlsFiles>, SettingsError> {
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        if files.is_none() && !self.listen.ip().is_loopback() && !self.insecure_plaintext {
            return Err(SettingsError::Plaintext(self.listen));
        }
        Ok(files.map(|(cert, key)| TlsFiles { cert, key }))
    }

    #[must_use]
    pub const fn limits(&self) -> ListenerLimits {
        ListenerLimits::new(CONNECTIONS_MAX).with_address_share(self.address_share_percent)
    }

    #[must_use]
    pub fn modes(&self) -> AgentModes {
        AgentModes {
            input: self.input_modes.clone(),
            output: self.output_modes.clone(),
            agents: self.agents.clone(),
        }
    }

    #[must_use]
    pub const fn webhook_policy(&self) -> WebhookPolicy {
        if self.insecure_webhooks { WebhookPolicy::InsecureAny } else { WebhookPolicy::Public }
    }

    #[must_use]
    pub const fn answer_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout_seconds)
    }

    #[must_use]
    pub fn telemetry(&self) -> telemetry::Settings {
        telemetry::Settings {
            build: daemon::build_info!(),
            format: self.log_format,
            filter: self.log_filter.clone(),
            otlp_endpoint: self.otlp_endpoint.clone(),
        }
    }
}

/// TLS or this machine, without query and fragment.
fn check_url(flag: &'static str, variable: &'static str, text: &str) -> Result<(), SettingsError> {
    let is_malformed = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    let url = url::Url::parse(text).ok().filter(|_| text.contains("://") && !text.contains(is_malformed));
    let url = url.filter(protocol::url::is_secure);
    let is_plain = url.is_some_and(|url| url.query().is_none() && url.fragment().is_none());
    if is_plain { Ok(()) } else { Err(SettingsError::Url { flag, variable }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(more: &[&str]) -> Result<(), SettingsError> {
        let line = ["a2a", "--dir", "d", "--state-dir", "s", "--public-url", "https://a2a.example.com"];
        Settings::parse_from(line.iter().chain(more)).check()
    }

    #[test]
    fn who_may_call_is_said_explicitly() {
        let line = ["a2a", "--dir", "d", "--state-dir", "s", "--public-url", "https://a2a.example.com"];
        assert!(Settings::try_parse_from(line).is_err());
        assert_eq!(check(&["--open"]), Ok(()));
        assert_eq!(check(&["--introspection-url", "https://relay/oauth/introspect"]), Ok(()));
    }

    #[test]
    fn plaintext_and_secrets_over_plaintext_are_refused() {
        let any = "[::]:80".parse().unwrap();
        assert_eq!(check(&["--open", "--listen", "[::]:80"]), Err(SettingsError::Plaintext(any)));
        assert_eq!(check(&["--open", "--listen", "[::]:80", "--insecure-plaintext"]), Ok(()));
        let refused = check(&["--introspection-url", "http://relay/oauth/introspect"]);
        let variable = "MSG2AGENT_A2A_INTROSPECTION_URL";
        assert_eq!(refused, Err(SettingsError::Url { flag: "introspection-url", variable }));
    }
}
