//! Starts and uses Kubernetes clusters for tests and demos: the built-in one, which is a real
//! control plane and node in namespaces of this machine, one of kind, or an existing one that the
//! caller names. Each cluster has a folder that records what runs.

pub mod api_server_forward;
pub mod built_in;
mod cache;
mod certificates;
mod cgroup;
pub(crate) mod component;
pub mod component_config;
pub mod folder;
pub mod go_program;
pub mod image_import;
mod kind;
pub mod kubeconfig;
mod namespaces;
pub mod network;
pub mod node;
pub mod options;
pub mod process_identity;
pub mod record;
pub mod requirements;
pub mod tools;
mod uplink;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use self::{
    folder::ClusterFolder,
    record::{NextStep, Record, next_step},
    requirements::{ClusterRequest, Machine, NEEDED_PROGRAMS, NoCluster, check_images, check_request},
};
use crate::{
    command::{find_program, isolated, run, succeeds},
    image::engine_answers,
};

/// Folder of the cluster's sources in the repository: Go modules and the package of prebuilt tools.
fn sources_folder() -> PathBuf {
    crate::repository().join("devtools/cluster")
}

/// A cluster that runs.
#[derive(Debug)]
pub struct Cluster {
    folder: ClusterFolder,
    record: Record,
}

impl Cluster {
    /// The requested cluster, started in `folder` unless it runs already. Its stages are printed on
    /// stderr.
    ///
    /// # Errors
    /// This machine cannot run it, another kind of cluster runs in the folder, or it does not
    /// start.
    pub fn up(folder: ClusterFolder, request: &ClusterRequest) -> anyhow::Result<Self> {
        let _lock = folder.lock()?;
        let found = folder.record()?;
        let is_running = found.as_ref().is_some_and(runs);
        match (next_step(found.as_ref(), is_running, request)?, found) {
            (NextStep::Reuse, Some(record)) if finishes_starting(&folder, &record) => {
                return Ok(Self { folder, record });
            }
            (NextStep::Reuse | NextStep::Replace, Some(record)) => {
                eprintln!("the cluster recorded in {} is gone; cleaning up", folder.root().display());
                end(&record)?;
                folder.clear()?;
            }
            (_, _) => {}
        }
        check_request(request, &machine())?;
        let record = start(&folder, request)?;
        folder.write_record(&record)?;
        Ok(Self { folder, record })
    }

    /// The running cluster of `folder`.
    ///
    /// # Errors
    /// None runs.
    pub fn running(folder: ClusterFolder) -> anyhow::Result<Self> {
        match folder.record()? {
            Some(record) if runs(&record) => Ok(Self { folder, record }),
            _ => bail!("no cluster runs in {}: start one with `cluster up`", folder.root().display()),
        }
    }

    /// Ends what `up` started in `folder` and forgets it. An existing cluster of the caller is only
    /// forgotten.
    ///
    /// # Errors
    /// Something of it does not end.
    pub fn down(folder: &ClusterFolder) -> anyhow::Result<()> {
        let _lock = folder.lock()?;
        if let Some(record) = folder.record()? {
            end(&record)?;
        }
        folder.clear()
    }

    /// The record of the cluster.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The folder it was started in.
    pub fn folder(&self) -> &ClusterFolder {
        &self.folder
    }

    /// Kubeconfig to use from the machine.
    pub fn kubeconfig(&self) -> PathBuf {
        match &self.record {
            Record::Existing { kubeconfig, .. } => kubeconfig.clone(),
            Record::Kind { .. } | Record::BuiltIn { .. } => self.folder.kubeconfig(),
        }
    }

    /// Context to use in the kubeconfig, where it is not the current one.
    pub fn context(&self) -> Option<&str> {
        match &self.record {
            Record::Existing { context, .. } => Some(context),
            Record::Kind { .. } | Record::BuiltIn { .. } => None,
        }
    }

    /// Kubeconfig to use in a [`command`](Self::command).
    pub fn kubeconfig_for_commands(&self) -> PathBuf {
        match &self.record {
            Record::BuiltIn { .. } => self.folder.node().join("kubeconfig/admin"),
            Record::Kind { .. } | Record::Existing { .. } => self.kubeconfig(),
        }
    }

    /// A client with the kubeconfig's rights.
    pub async fn client(&self) -> anyhow::Result<kube::Client> {
        kubeconfig::client(&self.kubeconfig(), self.context()).await
    }

    /// Whether [`load`](Self::load) can work.
    pub fn takes_images(&self) -> bool {
        match &self.record {
            Record::Existing { context, .. } => kubeconfig::kind_cluster(context).is_some(),
            Record::Kind { .. } | Record::BuiltIn { .. } => true,
        }
    }

    /// Loads an image archive into the nodes.
    ///
    /// # Errors
    /// An existing cluster that is not one of kind offers no way to load images.
    pub fn load(&self, archive: &Path) -> anyhow::Result<()> {
        match &self.record {
            Record::BuiltIn { first, .. } => image_import::import(*first, archive),
            Record::Kind { name } => kind::load(name, archive),
            Record::Existing { context, .. } => match kubeconfig::kind_cluster(context) {
                Some(name) => kind::load(name, archive),
                None => bail!(NoCluster::NoImages(context.clone())),
            },
        }
    }

    /// A command that runs with the cluster's network and DNS, as far as this kind of cluster can
    /// give them: inside the namespaces of the built-in one, else on this machine. KUBECONFIG is
    /// that of the cluster, and no proxy is set.
    pub fn command(&self, program: &str) -> Command {
        let mut command = match &self.record {
            Record::BuiltIn { first, .. } => namespaces::inside(*first, program),
            Record::Kind { .. } | Record::Existing { .. } => isolated(program),
        };
        command.env("KUBECONFIG", self.kubeconfig_for_commands());
        command
    }
}

fn start(folder: &ClusterFolder, request: &ClusterRequest) -> anyhow::Result<Record> {
    match request {
        ClusterRequest::Existing { kubeconfig, context } => {
            Ok(Record::Existing { kubeconfig: kubeconfig.clone(), context: context.clone() })
        }
        ClusterRequest::Kind => {
            let name = kind_name(folder);
            eprintln!("starting the kind cluster {name}");
            kind::up(folder, &name)?;
            Ok(Record::Kind { name })
        }
        ClusterRequest::BuiltIn { etcd_fsync } => {
            eprintln!("starting the built-in cluster");
            built_in::up(folder, *etcd_fsync)
        }
    }
}

/// Ends the recorded cluster. One that has ended already is no error.
fn end(record: &Record) -> anyhow::Result<()> {
    match record {
        Record::BuiltIn { first, network, forwarder, .. } => built_in::down(*first, *network, *forwarder),
        Record::Kind { name } => kind::down(name),
        Record::Existing { .. } => Ok(()),
    }
}

/// Whether a running cluster can be used now or soon: an interrupted `up` leaves one that is still
/// starting.
fn finishes_starting(folder: &ClusterFolder, record: &Record) -> bool {
    match record {
        Record::BuiltIn { first, .. } => built_in::wait_until_ready(folder, *first).is_ok(),
        Record::Kind { .. } | Record::Existing { .. } => true,
    }
}

fn runs(record: &Record) -> bool {
    match record {
        Record::BuiltIn { first, .. } => first.is_alive(),
        Record::Kind { name } => kind::is_up(name),
        Record::Existing { .. } => true,
    }
}

/// Clusters of different folders must not share a name.
fn kind_name(folder: &ClusterFolder) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(folder.root().as_os_str().as_encoded_bytes());
    let suffix: String = digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    format!("msg2agent-{suffix}")
}

fn machine() -> Machine {
    let absent = NEEDED_PROGRAMS.iter().filter(|(program, _)| find_program(program).is_none());
    let mut missing_packages: Vec<_> = absent.map(|(_, package)| *package).collect();
    missing_packages.dedup();
    Machine {
        docker_answers: engine_answers("docker"),
        kind_installed: find_program("kind").is_some(),
        linux: cfg!(target_os = "linux"),
        root: is_root(),
        missing_packages,
    }
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    run("id", ["-u"]).is_ok_and(|id| id.trim() == "0")
}

/// Whether the requested cluster lacks nothing but root.
pub fn only_root_is_missing(request: &ClusterRequest) -> bool {
    matches!(check_request(request, &machine()), Err(NoCluster::NotRoot))
}

/// Checks that the requested cluster takes images of this machine, before any is built.
///
/// # Errors
/// It is an existing cluster that is not one of kind, or the program kind is missing.
pub fn ensure_takes_images(request: &ClusterRequest) -> Result<(), NoCluster> {
    check_images(request, &machine())
}

/// Whether this process can become root by sudo without a password.
pub fn can_sudo() -> bool {
    find_program("sudo").is_some() && succeeds("sudo", ["-n", "true"])
}

/// Opens the folder given, or the demo's in the repository.
pub fn open_folder(given: Option<&Path>) -> anyhow::Result<ClusterFolder> {
    let demo = crate::repository().join(folder::DEMO_FOLDER);
    ClusterFolder::at(given.unwrap_or(&demo)).context("open the cluster's folder")
}
