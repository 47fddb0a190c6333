//! A forwarding proxy on loopback for tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail on the spot")]

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::outbound_proxy::OutboundProxy;

/// A proxy that connects every request to one server, whatever host the request names.
#[derive(Debug)]
pub struct TestProxy {
    port: u16,
    /// The first line of each request, such as `CONNECT client.example:443 HTTP/1.1`.
    requests: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    /// Listens on a free port, and forwards to this one.
    ///
    /// # Panics
    /// No port can be bound.
    pub async fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(forward(socket, server_port, Arc::clone(&seen)));
            }
        });
        Self { port, requests }
    }

    /// The settings of a process that uses this proxy.
    ///
    /// # Panics
    /// Never: the URL is one of a proxy.
    #[must_use]
    pub fn settings(&self, except: &str) -> OutboundProxy {
        OutboundProxy::new(&format!("http://127.0.0.1:{}", self.port), except).unwrap()
    }

    /// The first line of each request so far.
    ///
    /// # Panics
    /// Another thread panicked while it noted one.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn forward(mut client: TcpStream, server_port: u16, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let first = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    seen.lock().unwrap().push(first);
    let mut server = TcpStream::connect(("127.0.0.1", server_port)).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}
