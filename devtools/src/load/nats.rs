//! Runs nats-server, and connects to it over TCP and over WebSocket.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::process::{self, Process};
use crate::cluster::go_program::NATS_SERVER;
use crate::command::find_program;

mod subjects;

pub use subjects::{Subjects, SubjectsInFrames};

/// Time the server gets to write down its port.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval of looking for that file; the server gives no other sign.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The settings: both listeners on free ports of loopback, no compression.
const SETTINGS: &str = r#"
listen: "127.0.0.1:-1"
websocket { listen: "127.0.0.1:-1", no_tls: true, compression: false }
"#;

/// Builds the version that this repository pins, where there is Go.
///
/// # Errors
/// The build fails.
pub fn build() -> anyhow::Result<()> {
    if find_program("go").is_some() {
        NATS_SERVER.ensure()?;
    }
    Ok(())
}

/// The nats-server that is measured: the one that was built, or Debian's.
///
/// # Errors
/// There is neither.
pub fn program() -> anyhow::Result<PathBuf> {
    if NATS_SERVER.is_built()? {
        return NATS_SERVER.ensure();
    }
    find_program("nats-server").context("there is no Go to build nats-server, and Debian's is not installed")
}

/// A running nats-server. Its folder is deleted when it is dropped.
#[derive(Debug)]
pub struct Nats {
    pub process: Process,
    address: SocketAddr,
    websocket: SocketAddr,
    _folder: tempfile::TempDir,
}

/// How a client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatsTransport {
    Tcp,
    WebSocket,
}

impl Nats {
    /// # Errors
    /// Not installed, or not listening within 10 s.
    pub async fn start(program: &Path, pinned: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for nats-server")?;
        let settings = folder.path().join("settings");
        std::fs::write(&settings, SETTINGS).context("write the settings of nats-server")?;
        let mut command = process::command(program, pinned);
        command.arg("--config").arg(settings).arg("--ports_file_dir").arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(command)?;
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let file = folder.path().join(format!("{name}_{}.ports", process.id()));
        let (address, websocket) = tokio::time::timeout(START_TIMEOUT, listening(&file))
            .await
            .context("nats-server does not start")??;
        Ok(Self { process, address, websocket, _folder: folder })
    }

    /// The two connections of pair `number`; the recipient has subscribed, and the sender too if
    /// `answers`.
    ///
    /// # Errors
    /// A refused connection.
    pub async fn connect(
        &self,
        transport: NatsTransport,
        number: u16,
        answers: bool,
    ) -> anyhow::Result<(TcpStream, TcpStream)> {
        let recipient = self.client(transport, &format!("SUB pair.{number} 1\r\n")).await?;
        let hears = if answers { format!("SUB answer.{number} 1\r\n") } else { String::new() };
        Ok((self.client(transport, &hears).await?, recipient))
    }

    /// One connection with one subscription, as that of an agent.
    ///
    /// # Errors
    /// A refused connection.
    pub async fn subscribe(&self, transport: NatsTransport, number: usize) -> anyhow::Result<TcpStream> {
        self.client(transport, &format!("SUB agent.{number} 1\r\n")).await
    }

    async fn client(&self, transport: NatsTransport, subscription: &str) -> anyhow::Result<TcpStream> {
        let hello = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\n{subscription}PING\r\n");
        match transport {
            NatsTransport::Tcp => self.tcp_client(&hello).await,
            NatsTransport::WebSocket => self.websocket_client(&hello).await,
        }
    }

    async fn tcp_client(&self, hello: &str) -> anyhow::Result<TcpStream> {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await?);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        ensure!(line.starts_with("INFO "), "nats-server greets with {line:?}");
        stream.write_all(hello.as_bytes()).await?;
        line.clear();
        stream.read_line(&mut line).await?;
        ensure!(line == "PONG\r\n", "nats-server answers {line:?} to PING");
        ensure!(stream.buffer().is_empty(), "nats-server sent more than PONG");
        Ok(stream.into_inner())
    }

    /// What comes in frames before the answer to PING is the greeting.
    async fn websocket_client(&self, hello: &str) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect(self.websocket).await?;
        let url = format!("ws://{}/", self.websocket);
        let (mut socket, _) =
            tokio_tungstenite::client_async(url, stream).await.context("open a WebSocket")?;
        socket.send(Message::binary(hello.as_bytes().to_vec())).await?;
        loop {
            let message = socket.next().await.context("nats-server closed the WebSocket")??;
            let data = message.into_data();
            if data.ends_with(b"PONG\r\n") {
                return Ok(socket.into_inner());
            }
            ensure!(data.starts_with(b"INFO "), "nats-server sends {:?}", String::from_utf8_lossy(&data));
        }
    }
}

/// The addresses of both listeners.
async fn listening(file: &Path) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    #[derive(serde::Deserialize)]
    struct Ports {
        nats: Vec<String>,
        websocket: Vec<String>,
    }
    loop {
        // Not there yet, or written in part.
        let written = std::fs::read(file).ok().and_then(|text| serde_json::from_slice::<Ports>(&text).ok());
        if let Some(ports) = written {
            return Ok((address_of(&ports.nats)?, address_of(&ports.websocket)?));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn address_of(urls: &[String]) -> anyhow::Result<SocketAddr> {
    let url = urls.first().context("nats-server reports no port")?;
    let (_, port) = url.rsplit_once(':').context("nats-server's URL has no port")?;
    Ok((Ipv4Addr::LOCALHOST, port.parse()?).into())
}
