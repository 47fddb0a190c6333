//! Proxies TCP on loopback and injects network faults: it cuts, stalls, delays or refuses
//! connections.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// Bytes copied at once.
const BUFFER: usize = 16 * 1024;

/// Connections at once; further ones wait in the listener's backlog.
const CONNECTION_LIMIT: usize = 1024;

/// The treatment of connections, existing and new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Bytes pass at once.
    None,
    /// Bytes pass after this time, in order.
    Delay(Duration),
    /// Connections stay open and nothing passes; it continues where it was.
    Stall,
    /// Existing connections are reset at once, and new ones are accepted and reset.
    Refuse,
}

/// A running proxy; dropping it ends every connection through it.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    /// Counts the cuts; connections end when it changes.
    cuts: watch::Sender<u64>,
    _accepting: JoinSet<()>,
}

impl FaultProxy {
    /// Starts a proxy to `target` on a free port of loopback.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen for the proxy")?;
        let address = listener.local_addr().context("read the proxy's port")?;
        let (fault, faults) = watch::channel(Fault::None);
        let (cuts, cut) = watch::channel(0);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, target, faults, cut));
        Ok(Self { address, fault, cuts, _accepting: accepting })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens from now on.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Resets every connection there is; new ones are served as before.
    pub fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    faults: watch::Receiver<Fault>,
    cut: watch::Receiver<u64>,
) {
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    let mut connections = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((client, _)) = listener.accept().await else { return };
        let (faults, mut cut) = (faults.clone(), cut.clone());
        cut.mark_unchanged();
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            // The end of a connection is the point of this proxy; its error has no reader.
            let _ended = serve(client, target, faults, cut).await;
            drop(place);
        });
    }
}

async fn serve(
    client: TcpStream,
    target: SocketAddr,
    mut faults: watch::Receiver<Fault>,
    mut cut: watch::Receiver<u64>,
) -> io::Result<()> {
    // Zero makes the close a reset, which is what a cut looks like to the peers.
    client.set_zero_linger()?;
    if *faults.borrow_and_update() == Fault::Refuse {
        return Ok(());
    }
    let server = TcpStream::connect(target).await?;
    server.set_zero_linger()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let refused = faults.clone();
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    tokio::select! {
        both = async { tokio::try_join!(pass(client_in, server_out, faults.clone()), pass(server_in, client_out, faults)) } => {
            both.map(drop)
        }
        _ = cut.changed() => Ok(()),
        () = until_refused(refused) => Ok(()),
    }
}

async fn pass(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut faults: watch::Receiver<Fault>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let fault = faults.wait_for(|fault| *fault != Fault::Stall).await.map(|fault| *fault);
        if let Ok(Fault::Delay(time)) = fault {
            tokio::time::sleep(time).await;
        }
        let read = buffer.get(..count).unwrap_or_default();
        to.write_all(read).await?;
    }
}

async fn until_refused(mut faults: watch::Receiver<Fault>) {
    // An error means that the proxy is gone, which ends the connection as well.
    drop(faults.wait_for(|fault| *fault == Fault::Refuse).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);
    const SILENCE_TIMEOUT: Duration = Duration::from_millis(200);

    async fn echo_server() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        address
    }

    async fn echoed(stream: &mut TcpStream) -> io::Result<u8> {
        stream.write_u8(42).await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn a_cut_resets_existing_connections_and_serves_new_ones() {
        let proxy = FaultProxy::start(echo_server().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echoed(&mut stream).await.unwrap(), 42);
        proxy.cut();
        let error = tokio::time::timeout(ARRIVAL_TIMEOUT, stream.read_u8()).await.unwrap().unwrap_err();
        assert!(
            matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof),
            "{error}"
        );
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echoed(&mut stream).await.unwrap(), 42);
    }

    #[tokio::test]
    async fn a_stalled_connection_stays_open_and_continues() {
        let proxy = FaultProxy::start(echo_server().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echoed(&mut stream).await.unwrap(), 42);
        proxy.set(Fault::Stall);
        stream.write_u8(7).await.unwrap();
        assert!(
            tokio::time::timeout(SILENCE_TIMEOUT, stream.read_u8()).await.is_err(),
            "a byte passed the stall"
        );
        proxy.set(Fault::None);
        assert_eq!(tokio::time::timeout(ARRIVAL_TIMEOUT, stream.read_u8()).await.unwrap().unwrap(), 7);
    }

    #[tokio::test]
    async fn a_refusing_proxy_resets_all() {
        let proxy = FaultProxy::start(echo_server().await).await.unwrap();
        proxy.set(Fault::Refuse);
        let outcome = async { echoed(&mut TcpStream::connect(proxy.address()).await?).await };
        assert!(tokio::time::timeout(ARRIVAL_TIMEOUT, outcome).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_delay_is_at_least_what_was_asked() {
        let proxy = FaultProxy::start(echo_server().await).await.unwrap();
        proxy.set(Fault::Delay(SILENCE_TIMEOUT));
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let begun = std::time::Instant::now();
        assert_eq!(echoed(&mut stream).await.unwrap(), 42);
        assert!(begun.elapsed() >= SILENCE_TIMEOUT * 2, "{:?}", begun.elapsed());
    }
}
