//! Connects to a server of this machine from a loopback address of the caller's choice.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

/// A connection from this address. It is reset when it is dropped, and its port is free again at
/// once.
///
/// # Errors
/// The listener does not take it.
pub async fn connect(server: SocketAddr, source: Ipv4Addr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_zero_linger()?;
    socket.bind((source, 0).into())?;
    socket.connect(server).await
}
