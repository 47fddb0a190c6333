//! Forwards ports of Services to this machine with `kubectl port-forward`.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout};
use tokio::task::JoinSet;

use super::connect_proxy;
use super::kubectl::{Kubectl, Service};
use super::route::Route;

/// How long kubectl may take to open a port.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes that are read of kubectl's first line, or of its error message.
const OUTPUT_BYTES_MAX: u64 = 4096;

/// Forwarded ports, and a proxy that connects to them. They are closed when this is dropped.
///
/// Through the proxy, URLs, TLS server names and Host headers keep the names of the cluster.
pub(super) struct PortForwards {
    routes: Vec<Route>,
    proxy: SocketAddr,
    _tasks: JoinSet<()>,
    _kubectl: Vec<Child>,
}

impl PortForwards {
    /// # Errors
    /// The reason why a port cannot be forwarded.
    pub(super) async fn open(kubectl: &Kubectl, services: &[Service]) -> Result<Self, String> {
        let (mut routes, mut children, mut tasks) = (Vec::new(), Vec::new(), JoinSet::new());
        for service in services {
            let (child, local, mut output) = forward(kubectl, service).await?;
            routes.push(Route { host: service.host.clone(), port: service.port, local });
            children.push(child);
            // kubectl prints a line per connection, and ends if nobody reads them.
            tasks.spawn(async move { drop(tokio::io::copy(&mut output, &mut tokio::io::sink()).await) });
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|e| e.to_string())?;
        let proxy = listener.local_addr().map_err(|e| e.to_string())?;
        tasks.spawn(connect_proxy::serve(listener, Arc::from(routes.as_slice())));
        Ok(Self { routes, proxy, _tasks: tasks, _kubectl: children })
    }

    pub(super) fn routes(&self) -> Vec<Route> {
        self.routes.clone()
    }

    /// The URL of the proxy for HTTP clients.
    pub(super) fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy)
    }
}

async fn forward(
    kubectl: &Kubectl,
    service: &Service,
) -> Result<(Child, SocketAddr, BufReader<ChildStdout>), String> {
    let Service { name, namespace, port, .. } = service;
    let failed = |why: String| format!("cannot forward the port of Service {namespace}/{name}: {why}");
    let mut command = kubectl.command(Some(namespace));
    command.args(["port-forward", "--address", "127.0.0.1", &format!("svc/{name}"), &format!(":{port}")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|e| failed(e.to_string()))?;
    let output = child.stdout.take().ok_or_else(|| failed("kubectl has no output".into()))?;
    let mut output = BufReader::new(output);
    match tokio::time::timeout(OPEN_TIMEOUT, read_local_address(&mut output)).await {
        Ok(Some(address)) => Ok((child, address, output)),
        Ok(None) => Err(failed(read_error(&mut child).await)),
        Err(_) => Err(failed(format!("kubectl printed nothing for {} s", OPEN_TIMEOUT.as_secs()))),
    }
}

/// Reads `Forwarding from 127.0.0.1:40123 -> 8443`.
async fn read_local_address(output: &mut BufReader<ChildStdout>) -> Option<SocketAddr> {
    let mut line = String::new();
    output.take(OUTPUT_BYTES_MAX).read_line(&mut line).await.ok()?;
    line.strip_prefix("Forwarding from ")?.split(' ').next()?.parse().ok()
}

async fn read_error(child: &mut Child) -> String {
    let mut message = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // After a failure the message is empty or cut off.
        let _ = stderr.take(OUTPUT_BYTES_MAX).read_to_end(&mut message).await;
    }
    String::from_utf8_lossy(&message).trim().to_owned()
}
