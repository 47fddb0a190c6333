//! Demonstrates the product with the commands that a user would type: from nothing to two agents,
//! one proven conversation and Claude Code. Every stage is timed. From the installation to the
//! verified proof it must stay within the promised time.

pub mod claude;
mod conversation;
mod diagnosis;
mod expected_times;
mod installation;
mod next_steps;
mod stages;
mod user_tools;

pub use self::installation::OPERATOR_NAMESPACE;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};

use self::{
    expected_times::{Cached, VariableStages},
    stages::{Stage, Stages, rounded},
    user_tools::UserTools,
};
use crate::{
    cluster::{
        self, Cluster,
        folder::ClusterFolder,
        go_program::{COREDNS, KUBERNETES},
        record::Record,
        requirements::ClusterRequest,
        tools,
    },
    image,
};

/// "One apply, one proof": bounds the time from `helm install` to the verified proof.
pub const PROMISE_TIMEOUT: Duration = Duration::from_secs(60);

const IMAGES: Stage = Stage::new("images built and loaded", 12);
const INSTALL: Stage = Stage::new("charts installed", 4);
const READY: Stage = Stage::new("relay and agents Ready", 25);
const CONVERSATION: Stage = Stage::new("conversation", 8);
const PROOF: Stage = Stage::new("proof verified offline", 1);

/// The choices of a caller.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    pub request: ClusterRequest,
    /// File that the proof is written to.
    pub proof: PathBuf,
    /// Bounds the time from `helm install` to the verified proof.
    pub promise: Duration,
    /// Whether Claude Code is connected at the end.
    pub claude_code: bool,
}

/// The cluster, the tools and the options of one run.
struct Demo {
    cluster: Cluster,
    tools: UserTools,
    options: DemoOptions,
    claude_code: Stage,
}

/// Runs all stages. The cluster of an earlier demo is ended first, so that the figures are those of
/// a fresh one.
///
/// # Errors
/// The first stage that fails, or a promise that was not kept.
pub async fn run(folder: ClusterFolder, options: DemoOptions) -> anyhow::Result<()> {
    cluster::ensure_takes_images(&options.request)?;
    let expected = VariableStages::new(&options.request, Cached::find()?);
    println!("== the demo takes about {}", rounded(total(&expected, &options)));
    let mut stages = Stages::default();
    if !expected.cluster_programs.expected.is_zero() {
        stages.run(expected.cluster_programs, || KUBERNETES.ensure().and(COREDNS.ensure()))?;
    }
    let tools = match expected.tools.expected.is_zero() {
        true => tools::prebuilt()?,
        false => stages.run(expected.tools, tools::prebuilt)?,
    };
    let cluster = stages.run(expected.cluster, || fresh_cluster(folder, &options.request))?;
    let tools = UserTools::new(tools, &cluster);
    let demo = Demo { cluster, tools, options, claude_code: expected.claude_code };
    let outcome = demo.run(&mut stages).await;
    if outcome.is_err() {
        diagnosis::print(&demo.tools);
    }
    println!("\n{}", stages.table());
    let verification = outcome?;
    println!("{}", next_steps::text(&demo.cluster, &demo.tools, &verification));
    Ok(())
}

fn total(expected: &VariableStages, options: &DemoOptions) -> Duration {
    let mut stages = vec![expected.cluster_programs, expected.tools, expected.cluster];
    stages.extend([IMAGES, INSTALL, READY, CONVERSATION, PROOF]);
    stages.extend(options.claude_code.then_some(expected.claude_code));
    stages.iter().map(|stage| stage.expected).sum()
}

impl Demo {
    /// Returns the command that verifies the proof.
    async fn run(&self, stages: &mut Stages) -> anyhow::Result<String> {
        stages.run(IMAGES, || load_images(&self.cluster))?;
        let promised = [INSTALL, READY, CONVERSATION, PROOF];
        stages.run(INSTALL, || installation::install(&self.tools))?;
        stages.run(READY, || installation::agents_ready(&self.tools))?;
        let log = stages.run(CONVERSATION, || conversation::hold(&self.tools))?;
        let roots = stages.run(PROOF, || {
            let roots = conversation::roots(&self.tools)?;
            conversation::prove(&log, &roots, &self.options.proof)?;
            Ok(roots)
        })?;
        let taken = stages.total(&promised);
        println!("\nfrom helm install to the verified proof: {:.1} s", taken.as_secs_f64());
        let promise = self.options.promise;
        ensure!(taken <= promise, "the promise is {} s", promise.as_secs());
        if self.options.claude_code {
            stages.run_async(self.claude_code, claude::call(&self.cluster)).await?;
        }
        Ok(conversation::verification(&roots, &self.options.proof))
    }
}

/// Builds and loads the images and installs both charts with default values, for suites that need a
/// running operator.
///
/// # Errors
/// The first image or chart that cannot be built, loaded or installed.
pub fn install_product(cluster: &Cluster) -> anyhow::Result<()> {
    load_images(cluster)?;
    installation::install(&UserTools::new(tools::prebuilt()?, cluster))
}

fn fresh_cluster(folder: ClusterFolder, request: &ClusterRequest) -> anyhow::Result<Cluster> {
    if !matches!(folder.record()?, None | Some(Record::Existing { .. })) {
        Cluster::down(&folder).context("end the cluster of the earlier demo")?;
    }
    Cluster::up(folder, request)
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
