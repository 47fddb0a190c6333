//! Starts the relay binary with an empty data folder on two loopback ports and waits until it is ready.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use protocol::did::Domain;

use crate::load::process::{self, Process};

/// Time the relay gets to become ready.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Interval of asking.
const START_POLL: Duration = Duration::from_millis(20);
/// Messages per second that one sender and one tenant may send: more than a machine can, so that no limit is measured.
const RATE: &str = "100000000";
const RATE_VARIABLES: [&str; 4] = [
    "MSG2AGENT_RELAY_LIMIT_SENDS_PER_SECOND",
    "MSG2AGENT_RELAY_LIMIT_SENDS_BURST",
    "MSG2AGENT_RELAY_LIMIT_TENANT_SENDS_PER_SECOND",
    "MSG2AGENT_RELAY_LIMIT_TENANT_SENDS_BURST",
];

/// A ready relay and the way in.
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) admin_token: String,
    pub(super) folder: tempfile::TempDir,
}

pub(super) fn domain() -> anyhow::Result<Domain> {
    Ok("load.localhost".parse()?)
}

pub(super) async fn start(pinned: bool) -> anyhow::Result<Started> {
    let folder = tempfile::tempdir().context("make a data folder for the relay")?;
    let (public, admin) = two_free_ports()?;
    let admin_token = protocol::base64url::encode(&rand::random::<[u8; 32]>());
    let token_file = folder.path().join("admin-token");
    write_secret(&token_file, &admin_token).context("write the relay's admin token")?;
    let mut command = process::command(&process::sibling("msg2agent-relay")?, pinned);
    command
        .env("MSG2AGENT_RELAY_DOMAIN", domain()?.as_str())
        .env("MSG2AGENT_RELAY_LISTEN", public.to_string())
        .env("MSG2AGENT_RELAY_ADMIN_LISTEN", admin.to_string())
        .env("MSG2AGENT_RELAY_ADMIN_TOKEN_FILE", &token_file)
        .env("MSG2AGENT_RELAY_DATA_DIR", folder.path().join("data"))
        .envs(RATE_VARIABLES.map(|name| (name, RATE)))
        .env("MSG2AGENT_RELAY_LOG_FILTER", "warn")
        .stdin(Stdio::null());
    let process = Process::start(command)?;
    tokio::time::timeout(START_LIMIT, ready(admin)).await.context("the relay does not become ready")?;
    Ok(Started { process, public, admin, admin_token, folder })
}

async fn ready(admin: SocketAddr) {
    let url = format!("http://{admin}/readyz");
    while !reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
        tokio::time::sleep(START_POLL).await;
    }
}

/// Free a moment ago; the relay says so when another program was faster.
fn two_free_ports() -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok((first.local_addr()?, second.local_addr()?))
}

fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(secret.as_bytes())
}
