//! A network namespace with one IPv6 address and a link to the node, which stands for a pod.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::ensure;
use devtools::command::{isolated, run};
use devtools::eventually::eventually;
use devtools::process::TestProcess;
use devtools::{http_client, programs};

use crate::node::Node;

/// Covers an own network namespace, on a loaded machine.
const NAMESPACE_TIMEOUT: Duration = Duration::from_secs(20);
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The node's end of the link.
const GATEWAY: &str = "fd00:2::1/64";
/// The pod's only address.
pub(crate) const ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 2);

/// The pod of one program. Dropping it ends the namespace and what runs in it.
pub(crate) struct Pod {
    holder: Child,
    program: Option<TestProcess>,
}

impl Pod {
    pub(crate) async fn start(_node: &Node) -> Self {
        let holder = Command::new("unshare").args(["--net", "--", "sleep", "infinity"]).spawn().unwrap();
        let pod = Self { holder, program: None };
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        let other = async || {
            let theirs = std::fs::read_link(pod.namespace())?;
            ensure!(theirs != own, "the pod is in the node's namespace");
            Ok(())
        };
        eventually("the pod has a namespace", NAMESPACE_TIMEOUT, other).await.unwrap();
        let pid = pod.holder.id().to_string();
        run("ip", ["link", "add", "node", "type", "veth", "peer", "name", "pod", "netns", &pid]).unwrap();
        run("ip", ["address", "add", GATEWAY, "dev", "node", "nodad"]).unwrap();
        run("ip", ["link", "set", "node", "up"]).unwrap();
        let address = format!("{ADDRESS}/64");
        for command in [
            &["link", "set", "lo", "up"][..],
            &["-4", "address", "flush", "dev", "lo"],
            &["address", "add", &address, "dev", "pod", "nodad"],
            &["link", "set", "pod", "up"],
        ] {
            let namespace = format!("--net={}", pod.namespace());
            run("nsenter", [&[&*namespace, "--", "ip"], command].concat()).unwrap();
        }
        pod
    }

    fn namespace(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }

    /// Runs a program of the workspace in the pod until it answers that it is alive.
    pub(crate) async fn run(
        &mut self,
        binary: &str,
        arguments: &[&str],
        environment: Vec<(String, String)>,
        folder: &Path,
        health: SocketAddr,
    ) {
        let mut command = isolated("nsenter");
        command.arg(format!("--net={}", self.namespace())).arg("--");
        command.arg(programs::path(binary).unwrap()).args(arguments).envs(environment);
        let mut program = TestProcess::start(binary, command.into(), folder).unwrap();
        let url = url("http", health, "/livez");
        let alive = async || {
            let answer = http_client::get(&url).await?;
            ensure!(answer.status().is_success(), "{}", answer.status());
            Ok(())
        };
        program.until("it is alive", START_TIMEOUT, alive).await.unwrap();
        self.program = Some(program);
    }

    /// The status of a GET on the TLS listener.
    pub(crate) async fn get(&self, listen: SocketAddr, path: &str, ca: &reqwest::Certificate) -> u16 {
        let client = http_client::builder().tls_certs_only([ca.clone()]).build().unwrap();
        let answer = client.get(url("https", listen, path)).send().await;
        answer.unwrap_or_else(|error| panic!("{}", daemon::error_chain(&error))).status().as_u16()
    }
}

/// A URL at the pod's address. The program listens on every address of the pod.
fn url(scheme: &str, listen: SocketAddr, path: &str) -> String {
    assert!(listen.ip().is_unspecified(), "{listen} is one address");
    format!("{scheme}://{}{path}", SocketAddr::from((ADDRESS, listen.port())))
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
