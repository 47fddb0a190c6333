//! Runs the node of the built-in cluster: prepares the namespaces, writes the configuration, starts
//! every component and restarts those that end, a few times. It runs until the namespaces are ended
//! from outside.

mod addons;
mod files;
mod namespace_setup;
mod readiness;
mod volumes;

use std::{
    fs::{self, File},
    io::{BufRead as _, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::{process::Command, task::JoinSet};

use super::{
    component::{Component, NodePaths},
    folder::ClusterFolder,
    network::Network,
};

/// Restarts of one component before the whole cluster gives up: more would hide a component that
/// cannot run here.
const RESTARTS_MAX: u32 = 5;

/// Pause before a component is started again, so that a crash loop does not fill the log in
/// seconds.
const RESTART_INTERVAL: Duration = Duration::from_secs(1);

/// Last line of the stages file of a cluster that can be used.
pub const READY: &str = "ready";

/// The parameters of the node. It reads them from stdin as one line of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeParameters {
    pub network: Network,
    /// Whether a link to the machine waits to be attached.
    pub linked: bool,
    /// How the machine reaches the API server.
    pub server_from_outside: String,
    /// Name of the control group all pods are below.
    pub cgroup: String,
    /// Whether etcd waits for the disk.
    pub etcd_fsync: bool,
    pub kubernetes: PathBuf,
    pub coredns: PathBuf,
    pub pause_image: PathBuf,
}

/// Runs the node of the cluster in `folder`; returns only with an error.
pub async fn run(folder: &ClusterFolder) -> anyhow::Result<()> {
    let parameters = read_parameters()?;
    let stages = NodeStages::begin(folder)?;
    let outcome = run_node(folder, &parameters, &stages).await;
    if let Err(error) = &outcome {
        stages.reached(&format!("failed: {error:#}"))?;
    }
    outcome
}

async fn run_node(
    folder: &ClusterFolder,
    parameters: &NodeParameters,
    stages: &NodeStages,
) -> anyhow::Result<()> {
    let node = folder.node();
    namespace_setup::prepare(&node, parameters)?;
    files::write(folder, parameters)?;
    link_programs(&node.join("bin"), &parameters.kubernetes)?;
    let paths = NodePaths {
        network: parameters.network,
        node: &node,
        kubernetes: &node.join("bin"),
        coredns: &parameters.coredns,
        containerd: Path::new("containerd"),
    };
    let logs = folder.logs();
    let mut components = Components { logs: logs.clone(), running: JoinSet::new() };
    components.running.spawn(volumes::keep_open(node.join("volumes")));
    components.start(paths.etcd(parameters.etcd_fsync))?;
    components.start(paths.containerd())?;
    components.start(paths.apiserver())?;
    if parameters.linked {
        stages.reached("linked to this machine")?;
    } else {
        components.running.spawn(super::api_server_forward::serve_inside(node.clone()));
    }
    tokio::select! {
        started = start_the_rest(&paths, parameters, stages, &logs) => components.adopt(started?),
        fallen = components.first_failure() => return fallen,
    }
    tokio::select! {
        ready = readiness::wait(&paths) => ready?,
        fallen = components.first_failure() => return fallen,
    }
    stages.reached(READY)?;
    components.first_failure().await
}

/// Starts the components that need the API server or containerd, once those answer.
async fn start_the_rest(
    paths: &NodePaths<'_>,
    parameters: &NodeParameters,
    stages: &NodeStages,
    logs: &Path,
) -> anyhow::Result<Components> {
    let client = readiness::api_server(paths).await?;
    stages.reached("API server ready")?;
    addons::apply(&client).await?;
    let mut components = Components { logs: logs.into(), running: JoinSet::new() };
    components.start(paths.controller_manager())?;
    components.start(paths.scheduler())?;
    components.start(paths.proxy())?;
    components.start(paths.coredns())?;
    readiness::containerd().await?;
    crate::cluster::image_import::import_inside(&parameters.pause_image)?;
    stages.reached("containerd ready")?;
    components.start(paths.kubelet())?;
    Ok(components)
}

/// Everything that runs; dropping it ends the processes.
struct Components {
    logs: PathBuf,
    running: JoinSet<anyhow::Result<()>>,
}

impl Components {
    fn start(&mut self, component: Component) -> anyhow::Result<()> {
        let path = self.logs.join(format!("{}.log", component.name));
        let log = File::options().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("open {}", path.display()))?;
        self.running.spawn(keep_running(component, log));
        Ok(())
    }

    fn adopt(&mut self, mut others: Self) {
        let mut moved = std::mem::take(&mut others.running);
        self.running.spawn(async move { first_failure(&mut moved).await });
    }

    async fn first_failure(&mut self) -> anyhow::Result<()> {
        first_failure(&mut self.running).await
    }
}

async fn first_failure(running: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    match running.join_next().await {
        Some(ended) => ended.context("a component's task ended")?,
        None => bail!("no component runs"),
    }
}

async fn keep_running(component: Component, log: File) -> anyhow::Result<()> {
    for _ in 0..=RESTARTS_MAX {
        let mut child = Command::new(&component.program)
            .args(&component.arguments)
            .envs(component.environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share a component's log")?)
            .stderr(log.try_clone().context("share a component's log")?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", component.name))?;
        let status = child.wait().await.with_context(|| format!("wait for {}", component.name))?;
        println!("{} ended ({status})", component.name);
        tokio::time::sleep(RESTART_INTERVAL).await;
    }
    bail!("{0} ended {1} times; see {0}.log in the logs folder", component.name, RESTARTS_MAX + 1)
}

fn link_programs(bin: &Path, kubernetes: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(bin).with_context(|| format!("create {}", bin.display()))?;
    for name in
        ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"]
    {
        symlink(kubernetes, bin.join(name)).with_context(|| format!("link {name}"))?;
    }
    Ok(())
}

fn read_parameters() -> anyhow::Result<NodeParameters> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("read the node's parameters")?;
    serde_json::from_str(&line).context("parse the node's parameters")
}

/// The file `up` watches, one line per stage.
struct NodeStages {
    file: File,
    begun: Instant,
}

impl NodeStages {
    fn begin(folder: &ClusterFolder) -> anyhow::Result<Self> {
        let file = File::create(folder.stages()).context("create the stages file")?;
        Ok(Self { file, begun: Instant::now() })
    }

    fn reached(&self, stage: &str) -> anyhow::Result<()> {
        println!("{stage} after {:.1} s", self.begun.elapsed().as_secs_f64());
        (&self.file).write_all(format!("{stage}\n").as_bytes()).context("write the stages file")
    }
}
