//! Forwards connections to the Services of a cluster: a CONNECT proxy on loopback (RFC 9110 section
//! 9.3.6) that reaches their pods through the API server. URLs, TLS names and Host headers stay
//! what they are inside. Works on every cluster.

use anyhow::{Context as _, ensure};
use devtools::http_client;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Bytes of the head of a request.
const HEAD_BYTES_MAX: u64 = 4096;
/// Connections at once; more would be a test that forgets to close them.
const CONNECTIONS_MAX: usize = 64;

/// Closed when dropped, with its connections.
#[derive(Debug)]
pub struct ServicePortForward {
    url: String,
    accepting: JoinHandle<()>,
}

impl ServicePortForward {
    /// # Errors
    /// No free port.
    pub async fn open(client: Client) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen on loopback")?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok(Self { url, accepting: tokio::spawn(accept(listener, client)) })
    }

    /// Where the proxy listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client that reaches Services by their names, trusts `authority` (PEM) alone and follows no
    /// redirects.
    ///
    /// # Errors
    /// The authority cannot be read.
    pub fn http(&self, authority: &str) -> anyhow::Result<reqwest::Client> {
        let authorities = reqwest::Certificate::from_pem_bundle(authority.as_bytes())?;
        let client = http_client::builder()
            .proxy(reqwest::Proxy::all(&self.url)?)
            .tls_certs_only(authorities)
            .redirect(reqwest::redirect::Policy::none());
        Ok(client.build()?)
    }
}

impl Drop for ServicePortForward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, client: Client) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            continue;
        }
        let client = client.clone();
        connections.spawn(async move {
            // Who connects sees a closed connection, as from a Service without pods; the test shows
            // what it was good for.
            if let Err(error) = join(near, client).await {
                eprintln!("service port forward: {error:#}");
            }
        });
    }
}

async fn join(near: TcpStream, client: Client) -> anyhow::Result<()> {
    let mut near = BufReader::new(near);
    let (service, namespace, port) = wanted(&mut near).await?;
    let (pod, port) = pod_behind(&client, &service, &namespace, port).await?;
    let mut forward = Api::<Pod>::namespaced(client, &namespace).portforward(&pod, &[port]).await?;
    let mut far = forward.take_stream(port).context("open the port")?;
    near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

/// Service, namespace and port of the request; reads its head to the end.
async fn wanted(near: &mut BufReader<TcpStream>) -> anyhow::Result<(String, String, u16)> {
    let mut head = near.take(HEAD_BYTES_MAX);
    let (mut first, mut line) = (String::new(), String::new());
    head.read_line(&mut first).await?;
    while head.read_line(&mut line).await? > 2 {
        line.clear();
    }
    named(&first).with_context(|| format!("{first:?} names no Service"))
}

/// `CONNECT <service>.<namespace>.svc[.<cluster domain>]:<port> HTTP/1.1`.
fn named(line: &str) -> Option<(String, String, u16)> {
    let (host, port) = line.strip_prefix("CONNECT ")?.split(' ').next()?.rsplit_once(':')?;
    let mut labels = host.split('.');
    let (service, namespace, kind) = (labels.next()?, labels.next()?, labels.next()?);
    (kind == "svc").then(|| Some((service.to_owned(), namespace.to_owned(), port.parse().ok()?)))?
}

/// A ready pod, and its port that is the target of the Service's only port.
async fn pod_behind(
    client: &Client,
    service: &str,
    namespace: &str,
    port: u16,
) -> anyhow::Result<(String, u16)> {
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), namespace);
    let label = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    for slice in slices.list(&label).await? {
        let ready = slice.endpoints.into_iter().find(|endpoint| {
            endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true))
        });
        let pod = ready.and_then(|endpoint| endpoint.target_ref?.name);
        let ports = slice.ports.unwrap_or_default();
        ensure!(ports.len() < 2, "{service} has several ports, and {port} could be any");
        let target = ports.into_iter().find_map(|found| u16::try_from(found.port?).ok());
        if let (Some(pod), Some(target)) = (pod, target) {
            return Ok((pod, target));
        }
    }
    anyhow::bail!("Service {namespace}/{service} has no ready pod")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_service_names_are_forwarded() {
        let found = named("CONNECT main.team.svc.cluster.local:8443 HTTP/1.1\r\n");
        assert_eq!(found, Some(("main".into(), "team".into(), 8443)));
        assert_eq!(named("CONNECT example.com:443 HTTP/1.1\r\n"), None);
        assert_eq!(named("GET / HTTP/1.1\r\n"), None);
    }
}
