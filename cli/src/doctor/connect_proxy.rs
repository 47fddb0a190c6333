//! An HTTP CONNECT proxy (RFC 9110 section 9.3.6) on the loopback address.
//!
//! It connects hosts of the cluster to their forwarded ports, and every other host directly.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::route::{Route, find_route};

/// Bytes of the head of a CONNECT request: a host, a port and few headers.
const HEAD_BYTES_MAX: u64 = 4096;
/// Concurrent connections. The checks run one after the other.
const CONNECTIONS_MAX: usize = 16;

/// Accepts connections until it is dropped, which closes them.
pub(super) async fn serve(listener: TcpListener, routes: Arc<[Route]>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if connections.len() < CONNECTIONS_MAX {
            let routes = Arc::clone(&routes);
            connections.spawn(async move { drop(tunnel(stream, &routes).await) });
        }
    }
}

async fn tunnel(stream: TcpStream, routes: &[Route]) -> std::io::Result<()> {
    let mut client = BufReader::new(stream);
    let Some((host, port)) = read_connect_request(&mut client).await? else {
        return client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    };
    let target = match find_route(routes, &host, port) {
        Some(address) => TcpStream::connect(address).await,
        None => TcpStream::connect((host.as_str(), port)).await,
    };
    let Ok(mut target) = target else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    };
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut target).await.map(drop)
}

/// Reads the head of the request, and returns host and port of a CONNECT request.
async fn read_connect_request(client: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, u16)>> {
    let mut head = client.take(HEAD_BYTES_MAX);
    let (mut first, mut line) = (String::new(), String::new());
    head.read_line(&mut first).await?;
    while head.read_line(&mut line).await? > 2 {
        line.clear();
    }
    Ok(parse_connect(&first))
}

fn parse_connect(line: &str) -> Option<(String, u16)> {
    let (host, port) = line.strip_prefix("CONNECT ")?.split(' ').next()?.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connect_request_reaches_the_forwarded_port_and_other_methods_are_refused() {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = target.local_addr().unwrap();
        let routes = Arc::from([Route { host: "a.team.svc".into(), port: 443, local }]);
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = proxy.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve(proxy, routes));

        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"CONNECT a.team.svc:443 HTTP/1.1\r\nHost: a.team.svc:443\r\n\r\nhello")
            .await
            .unwrap();
        let (mut accepted, _) = target.accept().await.unwrap();
        let mut received = [0; 5];
        accepted.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"hello");

        let mut other = TcpStream::connect(address).await.unwrap();
        other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        other.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }

    #[test]
    fn only_a_connect_request_has_a_target() {
        assert_eq!(parse_connect("CONNECT [::1]:8443 HTTP/1.1"), Some(("[::1]".into(), 8443)));
        assert_eq!(parse_connect("GET / HTTP/1.1"), None);
        assert_eq!(parse_connect("CONNECT a HTTP/1.1"), None);
    }
}
