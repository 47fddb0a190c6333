//! The demonstration: from nothing to two agents, one proven conversation and Claude Code, by the commands a user would type.
//! Every stage is timed; from the installation to the verified proof it must stay within the promised time.

pub mod claude;
mod conversation;
mod diagnosis;
mod installation;
mod next_steps;
pub mod programs;
mod stages;
mod user_tools;

pub use self::installation::OPERATOR_NAMESPACE;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};

use self::{
    stages::{Stage, Stages},
    user_tools::UserTools,
};
use crate::{
    cluster::{
        Cluster,
        folder::{ClusterFolder, Record},
        tools,
    },
    image,
};

/// "One apply, one proof": from `helm install` to the verified proof.
const PROMISE: Duration = Duration::from_secs(60);

const CLUSTER: Stage = Stage { name: "cluster", expected: Duration::from_secs(12) };
const IMAGES: Stage = Stage { name: "images built and loaded", expected: Duration::from_secs(12) };
const INSTALL: Stage = Stage { name: "charts installed", expected: Duration::from_secs(4) };
const READY: Stage = Stage { name: "relay and agents Ready", expected: Duration::from_secs(25) };
const CONVERSATION: Stage = Stage { name: "conversation", expected: Duration::from_secs(8) };
const PROOF: Stage = Stage { name: "proof verified offline", expected: Duration::from_secs(1) };
const CLAUDE: Stage = Stage { name: "Claude Code calls a tool", expected: Duration::from_secs(20) };

/// What the demonstration works with.
struct Demo {
    cluster: Cluster,
    tools: UserTools,
    proof: PathBuf,
}

/// Runs all stages after the build. A cluster of ours is made anew, so that the figures are those of a fresh one.
pub async fn run(folder: ClusterFolder) -> anyhow::Result<()> {
    let mut stages = Stages::default();
    let cluster = stages.run(CLUSTER, || fresh_cluster(folder))?;
    let tools = UserTools::new(tools::prebuilt()?, &cluster);
    let demo = Demo { cluster, tools, proof: crate::repository().join("proof.json") };
    let outcome = demo.run(&mut stages).await;
    if outcome.is_err() {
        diagnosis::print(&demo.tools);
    }
    println!("\n{}", stages.table());
    outcome?;
    println!("{}", next_steps::text(&demo.cluster, &demo.tools, &demo.proof));
    Ok(())
}

impl Demo {
    async fn run(&self, stages: &mut Stages) -> anyhow::Result<()> {
        stages.run(IMAGES, || load_images(&self.cluster))?;
        let promised = [INSTALL, READY, CONVERSATION, PROOF];
        stages.run(INSTALL, || installation::install(&self.tools))?;
        stages.run(READY, || installation::agents_ready(&self.tools))?;
        let said = stages.run(CONVERSATION, || conversation::hold(&self.tools))?;
        stages.run(PROOF, || conversation::prove(&said, &self.proof))?;
        let taken = stages.total(&promised);
        println!("\nfrom helm install to the verified proof: {:.1} s", taken.as_secs_f64());
        ensure!(taken <= PROMISE, "the promise is {} s", PROMISE.as_secs());
        stages.run_async(CLAUDE, claude::call(&self.cluster)).await
    }
}

/// Builds and loads the images and installs both charts with default values, for suites that need a running operator.
///
/// # Errors
/// What could not be built, loaded or installed.
pub fn install_product(cluster: &Cluster) -> anyhow::Result<()> {
    load_images(cluster)?;
    installation::install(&UserTools::new(tools::prebuilt()?, cluster))
}

fn fresh_cluster(folder: ClusterFolder) -> anyhow::Result<Cluster> {
    if !matches!(folder.record()?, None | Some(Record::Existing { .. })) {
        Cluster::down(&folder).context("end the former demonstration's cluster")?;
    }
    Cluster::up(folder)
}

fn load_images(cluster: &Cluster) -> anyhow::Result<()> {
    let binaries = crate::programs::folder()?;
    for product in image::PRODUCT {
        let archive = product.build(&binaries, &cluster.folder().images())?;
        cluster.load(&archive).with_context(|| format!("load {}", product.reference))?;
        println!("  {}", product.reference);
    }
    Ok(())
}
