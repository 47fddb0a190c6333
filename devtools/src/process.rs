//! Runs a program for a test: captures its log and ends it by its own id.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};

use crate::{
    command::{isolated, run},
    eventually::eventually,
};

/// Lines of the log in an error.
const SHOWN_LINES: usize = 40;

/// Bounds the end of a program after SIGTERM.
const END_TIMEOUT: Duration = Duration::from_secs(40);

/// A running program; dropping it kills the process.
#[derive(Debug)]
pub struct TestProcess {
    name: String,
    child: Child,
    log: PathBuf,
}

impl TestProcess {
    /// Starts `command` with stdout and stderr in `<folder>/<name>.log`.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let errors = file.try_clone().context("share the log")?;
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).kill_on_drop(true).spawn();
        let child = child.with_context(|| format!("start {name}"))?;
        Ok(Self { name: name.into(), child, log })
    }

    /// Starts a built program of the workspace with these variables. It inherits no ambient ones,
    /// such as KUBECONFIG and proxies.
    pub fn start_binary<Name: AsRef<OsStr>, Value: AsRef<OsStr>>(
        binary: &str,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (Name, Value)>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = Command::from(isolated(crate::programs::path(binary)?));
        command.args(arguments).envs(environment);
        Self::start(binary, command, folder)
    }

    /// The log so far.
    pub fn log(&self) -> anyhow::Result<String> {
        let bytes = fs::read(&self.log).with_context(|| format!("read the log of {}", self.name))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Process id; `None` once it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until `check` holds; fails at once, with the log, when the process has ended.
    pub async fn until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut check: impl AsyncFnMut() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let found = eventually(what, limit, async || {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Err(status));
            }
            check().await.map(Ok)
        });
        match found.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(status)) => bail!("{} ended ({status}) before {what}:\n{}", self.name, self.last_lines()),
            Err(error) => Err(error.context(format!("log of {}:\n{}", self.name, self.last_lines()))),
        }
    }

    /// Sends SIGTERM and returns the exit code. A process that takes too long, or that a signal
    /// ends, is an error.
    pub async fn end(mut self) -> anyhow::Result<i32> {
        if let Some(pid) = self.child.id() {
            run("sh", ["-c", &format!("kill -TERM {pid}")])?;
        }
        let status = tokio::time::timeout(END_TIMEOUT, self.child.wait()).await;
        let status = status.with_context(|| format!("{} does not end on SIGTERM", self.name))??;
        status.code().with_context(|| format!("{} was ended by a signal:\n{}", self.name, self.last_lines()))
    }

    /// Kills the process without notice (SIGKILL), as a crash does.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("kill {}", self.name))
    }

    fn last_lines(&self) -> String {
        let log = self.log().unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_process_that_ends_early_shows_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = TestProcess::start("early", shell("echo no luck; exit 4"), folder.path()).unwrap();
        let check = async || -> anyhow::Result<()> { bail!("never") };
        let error =
            process.until("the impossible", Duration::from_secs(20), check).await.unwrap_err().to_string();
        assert!(error.contains("no luck") && error.contains('4'), "{error}");
    }

    #[tokio::test]
    async fn end_returns_the_exit_code_of_a_graceful_stop() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'exit 7' TERM; echo started; while :; do sleep 0.05; done";
        let mut process = TestProcess::start("graceful", shell(script), folder.path()).unwrap();
        let log = folder.path().join("graceful.log");
        let started = async || {
            let text = fs::read_to_string(&log)?;
            anyhow::ensure!(text.contains("started"), "{text}");
            Ok(())
        };
        process.until("its first line", Duration::from_secs(20), started).await.unwrap();
        assert_eq!(process.end().await.unwrap(), 7);
    }
}
