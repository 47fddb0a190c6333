//! The relay program as a child process on the loopback address.

use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::agents::DOMAIN;
use crate::failure::{Exit, Failure};
use crate::relay::client;
use crate::stop::Stop;

const PROGRAM: &str = "msg2agent-relay";
/// Time for the relay to become ready; it needs some hundred milliseconds, and seconds where the disk is very busy.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// Below the range that systems take outgoing connections from, which would sit on a port between its choice and its use.
const PORTS: Range<u16> = 12_000..30_000;
/// Ports tried before giving up; one is nearly always enough.
const PORT_ATTEMPTS: usize = 100;
const READY_INTERVAL: Duration = Duration::from_millis(10);
/// Time for the relay to end when the terminal has told it to.
const STOP_DEADLINE: Duration = Duration::from_secs(3);

pub(super) struct RelayProcess {
    child: Child,
    pub(super) url: String,
    pub(super) admin_url: String,
    pub(super) admin_token_file: PathBuf,
}

impl RelayProcess {
    /// Starts it, and waits until it is ready.
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
                .advising(format!("put {PROGRAM} beside m2a, or into a folder of PATH"))
        })?;
        let admin_url = format!("http://127.0.0.1:{admin_port}");
        let mut relay = Self { child, url, admin_url, admin_token_file };
        relay.ready().await?;
        Ok(relay)
    }

    /// Resolves when the relay has ended although nobody wanted it to.
    pub(super) async fn ended(&mut self) -> Failure {
        match self.child.wait().await {
            Ok(status) => Failure::new(Exit::Failed, format!("the relay ended by itself ({status})")),
            Err(e) => Failure::io("cannot watch the relay", e),
        }
    }

    /// A terminal's Ctrl-C has reached the relay too, and it ends in order; otherwise it is killed, which its store endures.
    pub(super) async fn stop(mut self, stop: Stop) {
        let told = stop == Stop::Interrupt;
        if !told || timeout(STOP_DEADLINE, self.child.wait()).await.is_err() {
            // It may have ended in this instant; then there is nothing to kill.
            let _ = self.child.kill().await;
        }
    }

    async fn ready(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + READY_DEADLINE;
        let probe = format!("{}/readyz", self.admin_url);
        let http = client::http(READY_DEADLINE)?;
        loop {
            if http.get(&probe).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Failure::new(Exit::Failed, format!("the relay did not start ({status})"))
                    .advising("see its message above"));
            }
            if Instant::now() > until {
                return Err(Failure::new(Exit::Failed, "the relay was not ready within 30 s"));
            }
            sleep(READY_INTERVAL).await;
        }
    }
}

/// Beside this program, else found in PATH.
fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PROGRAM.into())
}

/// The settings of another relay in the environment are not for this one.
fn without_relay_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MSG2AGENT_RELAY_") {
            command.env_remove(name);
        }
    }
}

/// Free now; the relay binds it a moment later, and says so when somebody was faster.
fn free_port() -> Result<u16, Failure> {
    let mut candidates = (0..PORT_ATTEMPTS).map(|_| rand::random_range(PORTS));
    let free = candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.ok_or_else(|| Failure::new(Exit::Failed, "cannot find a free port").advising("name one with --port"))
}
