//! Ports of Services on this machine, by `kubectl port-forward`, and a proxy (RFC 9110 section 9.3.6) that leads their names there, so
//! that URLs, TLS names and Host headers stay what they are.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout};
use tokio::task::JoinSet;

use super::agent::Cluster;
use super::agent::Service;

/// Time for kubectl to open a port.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of the head of a CONNECT request: a name, a port, few headers.
const HEAD_BYTES_MAX: u64 = 4096;
/// Connections at once; the walk makes one after the other.
const CONNECTIONS_MAX: usize = 16;

/// Where a name of the cluster is found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) to: SocketAddr,
}

/// Open until dropped.
pub(super) struct Forwards {
    routes: Vec<Route>,
    proxy: SocketAddr,
    _serving: JoinSet<()>,
    _kubectl: Vec<Child>,
}

impl Forwards {
    /// # Errors
    /// Why a port cannot be forwarded, in words.
    pub(super) async fn open(cluster: &Cluster, services: &[Service]) -> Result<Self, String> {
        let (mut routes, mut children, mut serving) = (Vec::new(), Vec::new(), JoinSet::new());
        for service in services {
            let (child, to, rest) = forward(cluster, service).await?;
            routes.push(Route { host: service.host.clone(), port: service.port, to });
            children.push(child);
            // A line for each connection; kubectl ends when nobody reads them.
            serving.spawn(async move { drop(tokio::io::copy(&mut { rest }, &mut tokio::io::sink()).await) });
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|e| e.to_string())?;
        let proxy = listener.local_addr().map_err(|e| e.to_string())?;
        serving.spawn(serve(listener, Arc::from(routes.as_slice())));
        Ok(Self { routes, proxy, _serving: serving, _kubectl: children })
    }

    pub(super) fn routes(&self) -> Vec<Route> {
        self.routes.clone()
    }

    /// URL for clients.
    pub(super) fn proxy(&self) -> String {
        format!("http://{}", self.proxy)
    }
}

/// The address of a name, where it is forwarded.
pub(super) fn route(routes: &[Route], host: &str, port: u16) -> Option<SocketAddr> {
    routes.iter().find(|route| route.host == host && route.port == port).map(|route| route.to)
}

async fn forward(
    cluster: &Cluster,
    service: &Service,
) -> Result<(Child, SocketAddr, BufReader<ChildStdout>), String> {
    let Service { name, namespace, port, .. } = service;
    let failed = |why: String| format!("the port of Service {namespace}/{name} cannot be forwarded: {why}");
    let mut command = cluster.kubectl(Some(namespace));
    command.args(["port-forward", "--address", "127.0.0.1", &format!("svc/{name}"), &format!(":{port}")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|e| failed(e.to_string()))?;
    let out = child.stdout.take().ok_or_else(|| failed("kubectl has no output".into()))?;
    let mut out = BufReader::new(out);
    let told = tokio::time::timeout(OPEN_TIMEOUT, local_address(&mut out)).await;
    match told {
        Ok(Some(address)) => Ok((child, address, out)),
        Ok(None) => Err(failed(complaint(&mut child).await)),
        Err(_) => Err(failed(format!("kubectl says nothing for {} s", OPEN_TIMEOUT.as_secs()))),
    }
}

/// `Forwarding from 127.0.0.1:40123 -> 8443`.
async fn local_address(out: &mut BufReader<ChildStdout>) -> Option<SocketAddr> {
    let mut line = String::new();
    out.take(HEAD_BYTES_MAX).read_line(&mut line).await.ok()?;
    line.strip_prefix("Forwarding from ")?.split(' ').next()?.parse().ok()
}

async fn complaint(child: &mut Child) -> String {
    let mut said = Vec::new();
    if let Some(errors) = child.stderr.take() {
        // What cannot be read cannot be told.
        let _ = errors.take(HEAD_BYTES_MAX).read_to_end(&mut said).await;
    }
    String::from_utf8_lossy(&said).trim().to_owned()
}

/// Ends with the set of tasks it is in; connections end with it.
async fn serve(listener: TcpListener, routes: Arc<[Route]>) {
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
    let asked = wanted(&mut client).await?;
    let found = asked.as_ref().and_then(|(host, port)| route(routes, host, *port));
    let target = match (found, &asked) {
        (Some(address), _) => TcpStream::connect(address).await,
        (None, Some((host, port))) => TcpStream::connect((host.as_str(), *port)).await,
        (None, None) => return client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await,
    };
    let Ok(mut target) = target else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    };
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut target).await.map(drop)
}

/// Host and port of the CONNECT request; reads its head to the end.
async fn wanted(client: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, u16)>> {
    let mut head = client.take(HEAD_BYTES_MAX);
    let (mut first, mut line) = (String::new(), String::new());
    head.read_line(&mut first).await?;
    while head.read_line(&mut line).await? > 2 {
        line.clear();
    }
    Ok(authority(&first))
}

fn authority(line: &str) -> Option<(String, u16)> {
    let (host, port) = line.strip_prefix("CONNECT ")?.split(' ').next()?.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_forwarded_name_leads_to_its_port_and_an_open_proxy_it_is_not_for_others() {
        let there = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = there.local_addr().unwrap();
        let routes = Arc::from([Route { host: "a.team.svc".into(), port: 443, to }]);
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = proxy.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve(proxy, routes));

        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"CONNECT a.team.svc:443 HTTP/1.1\r\nHost: a.team.svc:443\r\n\r\nhello")
            .await
            .unwrap();
        let (mut accepted, _) = there.accept().await.unwrap();
        let mut said = [0; 5];
        accepted.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");

        let mut other = TcpStream::connect(address).await.unwrap();
        other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        other.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }

    #[test]
    fn only_a_connect_request_names_a_target() {
        assert_eq!(authority("CONNECT [::1]:8443 HTTP/1.1"), Some(("[::1]".into(), 8443)));
        assert_eq!(authority("GET / HTTP/1.1"), None);
        assert_eq!(authority("CONNECT a HTTP/1.1"), None);
    }
}
