//! Runs the clients of the protocol in Python and Node that are in `tests/protocol-clients`. They
//! were written from `docs/protocol.md` and share no code with this repository.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use devtools::command::isolated;
use devtools::{npm, python, repository};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Mutex;

/// Longest wait for one line of a client, restarts of the relay included.
const LINE_TIMEOUT: Duration = Duration::from_secs(60);

/// Tests of one process install one after the other.
static INSTALLING: Mutex<()> = Mutex::const_new(());

/// Where the libraries of the clients are.
#[derive(Debug, Clone)]
pub struct ProtocolClients {
    python: PathBuf,
    modules: PathBuf,
}

/// The language of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Python with `websockets` and `cryptography`.
    Python,
    /// Node with `ws`.
    Node,
}

/// A client that runs. It is killed when it is dropped.
#[derive(Debug)]
pub struct RunningClient {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl ProtocolClients {
    /// # Errors
    /// npm or Python is missing, or a package cannot be fetched.
    pub async fn installed() -> anyhow::Result<Self> {
        let _installing = INSTALLING.lock().await;
        tokio::task::spawn_blocking(|| {
            let sources = sources();
            let python = python::installed(&sources, "protocol-python")?.join("bin/python");
            Ok(Self { python, modules: npm::installed(&sources, "protocol-node")? })
        })
        .await?
    }

    /// Starts a client in a role. The settings hold its key, so they go into the environment, which
    /// other users cannot read.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(&self, language: Language, role: &str, settings: &Value) -> anyhow::Result<RunningClient> {
        let (program, script) = match language {
            Language::Python => (self.python.clone(), "client.py"),
            Language::Node => (PathBuf::from("node"), "client.mjs"),
        };
        let mut command = Command::from(isolated(program));
        command.arg(sources().join(script)).arg(role);
        command.env("M2A_CLIENT", settings.to_string()).env("M2A_MODULES", &self.modules);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("start the client")?;
        let stdout = child.stdout.take().context("the client has no output")?;
        Ok(RunningClient { child, lines: BufReader::new(stdout).lines() })
    }
}

fn sources() -> PathBuf {
    repository().join("tests/protocol-clients")
}

impl RunningClient {
    /// Waits for a line that has this member.
    ///
    /// # Errors
    /// The client ends before, or says nothing for too long. The error has what it wrote to stderr.
    pub async fn line_with(&mut self, member: &str) -> anyhow::Result<Value> {
        let mut before = Vec::new();
        loop {
            let line = tokio::time::timeout(LINE_TIMEOUT, self.lines.next_line()).await;
            let Some(line) = line.with_context(|| format!("no {member} in time after {before:?}"))?? else {
                bail!("the client ended before it said {member}: {}", self.complaint().await);
            };
            let line: Value = serde_json::from_str(&line).with_context(|| format!("read {line}"))?;
            if line.get(member).is_some() {
                return Ok(line);
            }
            before.push(line);
        }
    }

    async fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            // What could not be read is missing from the error only.
            let _ = stderr.read_to_string(&mut text).await;
        }
        text
    }
}
