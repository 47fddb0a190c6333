//! Strangers who open connections and send nothing, or too little.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

use crate::harness::TestRelay;
use crate::tls::{connector, pair, start_with_tls};

/// A client that behaves is served within this time, whatever others do.
const SERVED_TIMEOUT: Duration = Duration::from_secs(1);
const STRANGER: &str = "127.0.0.2:0";
const CLIENT: &str = "127.0.0.3:0";

/// Any address of 127.0.0.0/8 is one of this machine.
async fn connect(relay: &TestRelay, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from.parse::<SocketAddr>().unwrap()).unwrap();
    socket.connect(relay.address).await.unwrap()
}

async fn connect_tls(relay: &TestRelay, certificate: &Certificate, from: &str) -> TlsStream<TcpStream> {
    let name = "localhost".try_into().unwrap();
    connector(certificate).connect(name, connect(relay, from).await).await.unwrap()
}

type Certificate = rustls::pki_types::CertificateDer<'static>;

/// A TLS handshake and one request from an address that has nothing to do with the strangers.
async fn is_served_in_time(relay: &TestRelay, certificate: &Certificate) -> bool {
    let request = async {
        let mut stream = connect_tls(relay, certificate, CLIENT).await;
        let request = b"GET /.well-known/did.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    };
    let response = tokio::time::timeout(SERVED_TIMEOUT, request).await;
    response.is_ok_and(|response| response.starts_with("HTTP/1.1 200 "))
}

#[tokio::test]
async fn silent_connections_of_one_address_keep_no_other_address_waiting() {
    for count in [64, 640] {
        let pair = pair();
        let (relay, _files) = start_with_tls(&pair).await;
        let mut silent = Vec::new();
        for _ in 0..count {
            silent.push(connect(&relay, STRANGER).await);
        }
        assert!(is_served_in_time(&relay, &pair.certificate).await, "{count}");
    }
}

#[tokio::test]
async fn connections_that_are_silent_after_their_handshake_keep_no_other_address_waiting() {
    let pair = pair();
    let (relay, _files) = start_with_tls(&pair).await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(connect_tls(&relay, &pair.certificate, STRANGER).await);
    }
    assert!(is_served_in_time(&relay, &pair.certificate).await);
}
