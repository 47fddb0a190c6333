//! Starts and ends the built-in cluster, as far as this happens outside its namespaces.

use std::{
    fs::{self, File},
    io::Write as _,
    process::Child,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use super::{
    api_server_forward, cgroup,
    folder::ClusterFolder,
    go_program::{COREDNS, KUBERNETES},
    namespaces,
    network::{API_PORT, Network},
    node::{NodeParameters, READY},
    process_identity::ProcessIdentity,
    record::Record,
    uplink,
};
use crate::{image, programs};

/// Bounds the start of a cluster from its first process until it can be used, which takes about
/// 10 s on two idle cores.
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// Bounds the end of everything inside the namespaces, which is the kernel's work.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two looks at the state of a starting or ending cluster.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Starts a cluster in `folder` and waits until it can be used. A cluster that fails to start is
/// ended again; the node's logs stay for reading until the next `up`.
pub fn up(folder: &ClusterFolder, etcd_fsync: bool) -> anyhow::Result<Record> {
    let kubernetes = KUBERNETES.ensure()?;
    let coredns = COREDNS.ensure()?;
    folder.clear()?;
    fs::create_dir_all(folder.logs()).context("create the node's folder")?;
    let pause_image = image::PAUSE.build(&programs::folder()?, &folder.images())?;
    let log = File::create(folder.logs().join("node.log")).context("create the node's log")?;
    let (child, first) = namespaces::start(&programs::path("cluster")?, folder.root(), log)?;
    let parameters = |access: &ApiServerAccess| NodeParameters {
        network: access.network,
        linked: access.forwarder.is_none(),
        server_from_outside: access.server.clone(),
        cgroup: cgroup_name(first),
        etcd_fsync,
        kubernetes,
        coredns,
        pause_image,
    };
    let started = start_node(folder, child, first, parameters);
    if started.is_err() {
        end(first, None, None)?;
    }
    started
}

/// Ends a cluster: its processes first, then what the kernel keeps of them. What has ended already
/// is no error.
pub fn down(
    first: ProcessIdentity,
    network: Network,
    forwarder: Option<ProcessIdentity>,
) -> anyhow::Result<()> {
    end(first, Some(network), forwarder)
}

/// How the machine reaches the API server.
struct ApiServerAccess {
    network: Network,
    server: String,
    forwarder: Option<ProcessIdentity>,
}

fn start_node(
    folder: &ClusterFolder,
    mut child: Child,
    first: ProcessIdentity,
    parameters: impl FnOnce(&ApiServerAccess) -> NodeParameters,
) -> anyhow::Result<Record> {
    let access = open_api_server_access(folder, first)?;
    let parameters = parameters(&access);
    let record = Record::BuiltIn {
        first,
        network: access.network,
        forwarder: access.forwarder,
        etcd_fsync: parameters.etcd_fsync,
    };
    folder.write_record(&record)?;
    let mut line = serde_json::to_string(&parameters)?;
    line.push('\n');
    let mut stdin = child.stdin.take().context("reach the node's stdin")?;
    stdin.write_all(line.as_bytes()).context("send the network parameters to the node")?;
    drop(stdin);
    wait_until_ready(folder, first)?;
    give_to_caller(folder)?;
    Ok(record)
}

/// The kubeconfig belongs to the person who came by sudo.
fn give_to_caller(folder: &ClusterFolder) -> anyhow::Result<()> {
    let Some(caller) = std::env::var("SUDO_UID").ok().and_then(|id| id.parse().ok()) else { return Ok(()) };
    std::os::unix::fs::chown(folder.kubeconfig(), Some(caller), None)
        .context("give the kubeconfig to its user")
}

/// A link where this machine allows one, else a forwarder on loopback.
fn open_api_server_access(folder: &ClusterFolder, first: ProcessIdentity) -> anyhow::Result<ApiServerAccess> {
    wait_for_network_namespace(first)?;
    match uplink::claim(first) {
        Ok(network) => {
            let server = format!("https://{}:{API_PORT}", network.node());
            Ok(ApiServerAccess { network, server, forwarder: None })
        }
        Err(error) => {
            eprintln!(
                "no link into the cluster ({error:#}); its API server is forwarded to loopback instead"
            );
            let network = Network::candidates().next().context("choose a network")?;
            let (forwarder, port) = api_server_forward::start(folder)?;
            Ok(ApiServerAccess {
                network,
                server: format!("https://127.0.0.1:{port}"),
                forwarder: Some(forwarder),
            })
        }
    }
}

/// `unshare` has made the namespaces once its network differs from ours.
fn wait_for_network_namespace(first: ProcessIdentity) -> anyhow::Result<()> {
    let ours = fs::read_link("/proc/self/ns/net").context("read our network namespace")?;
    let made = || fs::read_link(format!("/proc/{}/ns/net", first.pid)).is_ok_and(|theirs| theirs != ours);
    poll(START_TIMEOUT, || made().then_some(()).or((!first.is_alive()).then_some(())));
    ensure!(made(), "the cluster's namespaces could not be made; see node.log");
    Ok(())
}

/// Waits until the node is ready and prints its stages meanwhile. A node that is ready already
/// prints none.
///
/// # Errors
/// It fails to start.
pub fn wait_until_ready(folder: &ClusterFolder, first: ProcessIdentity) -> anyhow::Result<()> {
    if first.is_alive() && stages(folder).last().is_some_and(|stage| stage == READY) {
        return Ok(());
    }
    let (begun, mut printed) = (Instant::now(), 0);
    let outcome = poll(START_TIMEOUT, || {
        for stage in stages(folder).into_iter().skip(printed) {
            printed += 1;
            eprintln!("  {:5.1} s  {stage}", begun.elapsed().as_secs_f64());
            if stage == READY || stage.starts_with("failed") {
                return Some(stage);
            }
        }
        (!first.is_alive()).then(|| "the node's process ended".to_owned())
    });
    match outcome.as_deref() {
        Some(READY) => Ok(()),
        Some(other) => bail!("the cluster did not start: {other}; logs are in {}", folder.logs().display()),
        None => {
            bail!(
                "the cluster did not start within {START_TIMEOUT:?}; logs are in {}",
                folder.logs().display()
            )
        }
    }
}

/// The stages that the node has reached, oldest first.
fn stages(folder: &ClusterFolder) -> Vec<String> {
    let text = fs::read_to_string(folder.stages()).unwrap_or_default();
    let complete = text.rsplit_once('\n').map(|(lines, _)| lines).unwrap_or_default();
    complete.lines().map(String::from).collect()
}

fn end(
    first: ProcessIdentity,
    network: Option<Network>,
    forwarder: Option<ProcessIdentity>,
) -> anyhow::Result<()> {
    if let Some(forwarder) = forwarder {
        forwarder.kill()?;
    }
    let was_alive = first.is_alive();
    first.kill()?;
    poll(END_TIMEOUT, || (!first.is_alive()).then_some(()))
        .context("the cluster's first process does not end")?;
    // The link of a cluster that had ended before went with its namespaces, and another cluster may
    // have its name by now.
    if let Some(network) = network
        && forwarder.is_none()
        && was_alive
    {
        uplink::release(network)?;
    }
    // A group stays busy until its last process has been collected.
    let name = cgroup_name(first);
    poll(END_TIMEOUT, || cgroup::remove(&name).ok())
        .with_context(|| format!("the control group {name} stays busy"))
}

fn cgroup_name(first: ProcessIdentity) -> String {
    format!("m2a-{}", first.pid)
}

fn poll<T>(limit: Duration, mut check: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(value) = check() {
            return Some(value);
        }
        if begun.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
