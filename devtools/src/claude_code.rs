//! Runs a pinned release of Claude Code without network, login or user settings. Its model is a
//! stub that asks for one tool call. Everything between the stub and the MCP endpoint is the real
//! program.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

pub mod installation;
pub mod login;
pub mod model_stub;

use model_stub::ModelStub;

/// Longest time of one command; a tool call that waits for a reply takes most of a minute.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);

/// No update, no telemetry, no error report: nothing but our endpoint and the stub is called.
const QUIET: [(&str, &str); 4] = [
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
];

/// One user of Claude Code with a separate home folder.
pub struct ClaudeCode {
    program: PathBuf,
    home: TempDir,
    ca: Option<PathBuf>,
    proxy: Option<String>,
}

/// An MCP server as the user's settings name it.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// Streamable HTTP; the key goes into a file of mode 0600, never into arguments.
    Http { url: String, key: String },
    /// Streamable HTTP without a key: the user signs in.
    SignIn { url: String },
    /// A program that Claude Code starts.
    Stdio { program: PathBuf, environment: Vec<(String, String)> },
}

impl ClaudeCode {
    /// A user without settings; installs the pinned release on first use.
    ///
    /// # Errors
    /// The release cannot be installed.
    pub async fn new() -> anyhow::Result<Self> {
        let program = installation::program().await?;
        let home = tempfile::tempdir().context("make a home folder")?;
        Ok(Self { program, home, ca: None, proxy: None })
    }

    /// Trusts a private certificate authority, given in PEM.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn trust(&mut self, ca: &str) -> anyhow::Result<()> {
        let path = self.home.path().join("ca.crt");
        std::fs::write(&path, ca).context("write the CA")?;
        self.ca = Some(path);
        Ok(())
    }

    /// Reaches everything but this machine through a proxy.
    pub fn go_through(&mut self, proxy: &str) {
        self.proxy = Some(proxy.to_owned());
    }

    /// Adds an MCP server to the user's settings, as `claude mcp add --scope user` does.
    ///
    /// # Errors
    /// The settings cannot be written.
    pub fn add(&self, name: &str, endpoint: &Endpoint) -> anyhow::Result<()> {
        let settings = json!({"mcpServers": {name: endpoint.definition()}}).to_string();
        // The program rewrites its own settings; the copy is for `--mcp-config`.
        write_secret(&self.home.path().join(".claude.json"), &settings)?;
        write_secret(&self.servers_file(), &settings)
    }

    /// What `claude mcp list` prints after it has connected to every server. Its exit code says
    /// nothing.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn list(&self) -> anyhow::Result<String> {
        let mut command = self.command();
        command.args(["mcp", "list"]);
        output_of(command).await
    }

    /// Lets the model ask for one call of a tool and returns the result that reached the model.
    ///
    /// # Errors
    /// Claude Code does not know the tool, does not call it, or fails.
    pub async fn call(&self, server: &str, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        let tool = format!("mcp__{server}__{tool}");
        let model = ModelStub::start(&tool, arguments).await?;
        let mut command = self.command();
        command
            .env("ANTHROPIC_BASE_URL", model.url())
            .env("ANTHROPIC_API_KEY", "stub")
            // Offers every tool to the model at once instead of letting it search.
            .env("ENABLE_TOOL_SEARCH", "false")
            .args([
                "-p",
                "Call the tool.",
                "--strict-mcp-config",
                "--output-format",
                "stream-json",
                "--verbose",
            ])
            .args([
                OsString::from("--mcp-config"),
                self.servers_file().into(),
                "--allowedTools".into(),
                tool.into(),
            ]);
        let said = output_of(command).await?;
        model.result().with_context(|| {
            format!("no result of the tool reached the model; output of Claude Code:\n{said}")
        })
    }

    fn servers_file(&self) -> PathBuf {
        self.home.path().join("servers.json")
    }

    /// Where Claude Code keeps what it got from authorization servers.
    #[must_use]
    pub fn credentials_file(&self) -> PathBuf {
        self.home.path().join(".claude/.credentials.json")
    }

    fn command(&self) -> Command {
        self.command_of(&self.program)
    }

    /// Any program, in the environment of Claude Code.
    fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.home.path()).envs(QUIET).current_dir(self.home.path());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(self.ca.as_ref().map(|ca| ("NODE_EXTRA_CA_CERTS", ca)));
        if let Some(proxy) = &self.proxy {
            command.env("HTTPS_PROXY", proxy).env("NO_PROXY", "127.0.0.1,localhost");
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

impl Endpoint {
    fn definition(&self) -> Value {
        match self {
            Self::Http { url, key } => {
                json!({"type": "http", "url": url, "headers": {"Authorization": format!("Bearer {key}")}})
            }
            Self::SignIn { url } => json!({"type": "http", "url": url}),
            Self::Stdio { program, environment } => {
                let environment: serde_json::Map<_, _> =
                    environment.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
                json!({"type": "stdio", "command": program, "args": [], "env": environment})
            }
        }
    }
}

/// Fails unless the listing says that this server is connected.
///
/// # Errors
/// The whole listing.
pub fn ensure_connected(listing: &str, server: &str) -> anyhow::Result<()> {
    let line = listing.lines().find(|line| line.starts_with(&format!("{server}:")));
    ensure!(line.is_some_and(|line| line.ends_with("✔ Connected")), "{server} is not connected:\n{listing}");
    Ok(())
}

fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {}", path.display()))
}

async fn output_of(mut command: Command) -> anyhow::Result<String> {
    let output = tokio::time::timeout(COMMAND_TIMEOUT, command.output()).await;
    let output = output.context("Claude Code did not end in time")?.context("start Claude Code")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("Claude Code ended with {}:\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_of_success_count_as_connected() {
        let good = "Checking MCP server health…\n\nm2a: https://localhost/mcp (HTTP) - ✔ Connected\n";
        ensure_connected(good, "m2a").unwrap();
        let bad = "m2a: https://localhost/mcp (HTTP) - ✘ Failed to connect\nother: x - ✔ Connected\n";
        assert!(ensure_connected(bad, "m2a").is_err());
        assert!(ensure_connected("", "m2a").is_err());
    }
}
