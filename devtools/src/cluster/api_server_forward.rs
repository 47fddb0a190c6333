//! Forwards a loopback port to the API server where no link into the namespaces can be made. A Unix
//! socket in the cluster's folder connects the two halves.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
};

use super::{folder::ClusterFolder, network::API_PORT, process_identity::ProcessIdentity};
use crate::command::isolated;

/// Name of the socket. It is used relative to the node's folder, because a socket's path may have
/// 107 bytes only.
const SOCKET: &str = "api.sock";

/// Connections at once; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 256;

/// Longest time the forwarder may take to have its port.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the outer half as a separate process, and returns it with its port.
pub fn start(folder: &ClusterFolder) -> anyhow::Result<(ProcessIdentity, u16)> {
    let log = File::create(folder.logs().join("forward.log")).context("create the forwarder's log")?;
    let child = isolated("setsid")
        .arg(crate::programs::path("cluster")?)
        .args(["forward", "--folder"])
        .arg(folder.root())
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("share the forwarder's log")?)
        .stderr(log)
        .spawn()
        .context("start the forwarder")?;
    let process = ProcessIdentity::of(child.id()).context("the forwarder ended at once")?;
    let begun = Instant::now();
    while begun.elapsed() < START_TIMEOUT && process.is_alive() {
        if let Some(port) = std::fs::read_to_string(port_file(folder)).ok().and_then(|text| text.parse().ok())
        {
            return Ok((process, port));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    process.kill()?;
    bail!("the forwarder did not start; see forward.log")
}

/// The outer half: a loopback port, written to the cluster's folder, to the socket. Returns only
/// with an error.
pub async fn serve_outside(folder: &ClusterFolder) -> anyhow::Result<()> {
    std::env::set_current_dir(folder.node()).context("enter the node's folder")?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen on loopback")?;
    let unfinished = folder.node().join("forward.port.unfinished");
    std::fs::write(&unfinished, listener.local_addr()?.port().to_string()).context("write the port")?;
    std::fs::rename(&unfinished, port_file(folder)).context("publish the port")?;
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = Arc::clone(&connections).acquire_owned().await?;
        let (outer, _) = listener.accept().await.context("accept a connection")?;
        tokio::spawn(async move {
            join(outer, UnixStream::connect(SOCKET).await).await;
            drop(permit);
        });
    }
}

/// The inner half: the socket to the API server. Returns only with an error.
pub async fn serve_inside(node: PathBuf) -> anyhow::Result<()> {
    let listener = listen_in(&node)?;
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = Arc::clone(&connections).acquire_owned().await?;
        let (outer, _) = listener.accept().await.context("accept a connection on the socket")?;
        tokio::spawn(async move {
            join(outer, TcpStream::connect(("127.0.0.1", API_PORT)).await).await;
            drop(permit);
        });
    }
}

fn listen_in(node: &Path) -> anyhow::Result<UnixListener> {
    std::env::set_current_dir(node).context("enter the node's folder")?;
    UnixListener::bind(SOCKET).context("listen on the socket")
}

/// Copies both ways until either side is done. A connection that fails is closed, which its client
/// sees.
async fn join<Outer, Inner>(mut outer: Outer, inner: std::io::Result<Inner>)
where
    Outer: AsyncRead + AsyncWrite + Unpin,
    Inner: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(mut inner) = inner else { return };
    if let Err(error) = copy_bidirectional(&mut outer, &mut inner).await {
        println!("a forwarded connection ended: {error}");
    }
}

fn port_file(folder: &ClusterFolder) -> PathBuf {
    folder.node().join("forward.port")
}
