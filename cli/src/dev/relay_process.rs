//! Runs the relay program as a child process on the loopback address.

use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::agents::DOMAIN;
use crate::failure::{ExitKind, Failure};
use crate::relay::admin_client;
use crate::shutdown_signal::ShutdownSignal;

const PROGRAM: &str = "msg2agent-relay";
/// How long the relay may take to become ready. It needs some hundred milliseconds, and seconds if
/// the disk is very busy.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Ports below the ephemeral range, from which an outgoing connection could take a port between its
/// choice and its use.
const PORTS: Range<u16> = 12_000..30_000;
/// Ports that are tried. The first one is nearly always free.
const PORT_ATTEMPTS: usize = 100;
/// How often the readiness probe is repeated.
const READY_INTERVAL: Duration = Duration::from_millis(10);
/// How long the relay may take to end after Ctrl-C, before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) struct RelayProcess {
    child: Child,
    pub(super) url: String,
    pub(super) admin_url: String,
    pub(super) admin_token_file: PathBuf,
}

impl RelayProcess {
    /// Starts the relay and waits until it is ready.
    pub(super) async fn start(folder: &Path, port: Option<u16>) -> Result<Self, Failure> {
        let port = port.map_or_else(free_port, Ok)?;
        let admin_port = free_port()?;
        let admin_token_file = folder.join("admin-token");
        let url = format!("ws://127.0.0.1:{port}/ws");
        let mut command = Command::new(program());
        without_relay_settings(&mut command);
        command
            .args(["--listen", &format!("127.0.0.1:{port}"), "--domain", DOMAIN, "--public-url", &url])
            .args(["--admin-listen", &format!("127.0.0.1:{admin_port}"), "--log-filter", "warn"])
            .arg("--data-dir")
            .arg(folder.join("relay"))
            .arg("--admin-token-file")
            .arg(&admin_token_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let child = command.spawn().map_err(|e| {
            Failure::io(format!("cannot start {PROGRAM}"), e)
                .advising(format!(
                    "put {PROGRAM} next to m2a or into a folder of PATH; in the repository, run cargo build -p {PROGRAM}"
                ))
        })?;
        let admin_url = format!("http://127.0.0.1:{admin_port}");
        let mut relay = Self { child, url, admin_url, admin_token_file };
        relay.wait_until_ready().await?;
        Ok(relay)
    }

    /// Waits until the relay ends unexpectedly.
    pub(super) async fn ended(&mut self) -> Failure {
        match self.child.wait().await {
            Ok(status) => Failure::new(ExitKind::Failed, format!("the relay ended unexpectedly ({status})")),
            Err(e) => Failure::io("cannot wait for the relay", e),
        }
    }

    /// Stops the relay. Ctrl-C in a terminal has reached it too, so that it shuts down gracefully.
    /// Otherwise it is killed; its database survives that.
    pub(super) async fn stop(mut self, signal: ShutdownSignal) {
        if signal != ShutdownSignal::Interrupt || timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            // The signal fails only if the relay has just ended.
            let _ = self.child.kill().await;
        }
    }

    async fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + READY_TIMEOUT;
        let probe = format!("{}/readyz", self.admin_url);
        let http = admin_client::http_client(READY_TIMEOUT)?;
        loop {
            if http.get(&probe).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Failure::new(ExitKind::Failed, format!("the relay did not start ({status})"))
                    .advising("see its error message above"));
            }
            if Instant::now() > deadline {
                return Err(Failure::new(ExitKind::Failed, "the relay was not ready within 30 s"));
            }
            sleep(READY_INTERVAL).await;
        }
    }
}

/// The relay program in the folder of this one, or else the one in PATH.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PROGRAM.into())
}

/// Removes the settings of other relays from the environment.
fn without_relay_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MSG2AGENT_RELAY_") {
            command.env_remove(name);
        }
    }
}

/// A port that is free now. If another program takes it before the relay does, the relay reports
/// that.
fn free_port() -> Result<u16, Failure> {
    let mut candidates = (0..PORT_ATTEMPTS).map(|_| rand::random_range(PORTS));
    let free = candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.ok_or_else(|| {
        Failure::new(ExitKind::Failed, "cannot find a free port").advising("choose one with --port")
    })
}
