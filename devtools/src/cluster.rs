//! A Kubernetes cluster to test and demonstrate with: the caller's own, one of kind, or the built-in one, which is a real
//! control plane and node in namespaces of this machine. Each cluster has a folder that says what runs.

pub mod api_server_forward;
pub mod built_in;
mod cache;
mod certificates;
mod cgroup;
pub mod choice;
mod component;
pub mod component_config;
pub mod folder;
pub mod go_program;
pub mod image_import;
mod kind;
pub mod kubeconfig;
mod namespaces;
pub mod network;
pub mod node;
pub mod process_identity;
pub mod tools;
mod uplink;

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use self::{
    choice::{Choice, NEEDED_PROGRAMS, NoCluster, Surroundings, choose},
    folder::{ClusterFolder, Record},
};
use crate::{
    command::{find_program, run, succeeds},
    image::engine_answers,
};

/// Folder of the cluster's sources in the repository: Go modules and the package of prebuilt tools.
fn sources_folder() -> PathBuf {
    crate::repository().join("devtools/cluster")
}

/// A cluster that was chosen, and started if it is ours to start.
#[derive(Debug)]
pub struct Cluster {
    folder: ClusterFolder,
    record: Record,
}

impl Cluster {
    /// The cluster of `folder`, started if it does not run. Says on stderr which one it is and how it comes along.
    pub fn up(folder: ClusterFolder) -> anyhow::Result<Self> {
        let _lock = folder.lock()?;
        if let Some(record) = folder.record()?
            && runs(&record)?
        {
            return Ok(Self { folder, record });
        }
        let record = match choose(&surroundings())? {
            Choice::Existing { kubeconfig, context } => Record::Existing { kubeconfig, context },
            Choice::Kind => {
                let name = kind_name(&folder);
                eprintln!("starting the kind cluster {name}");
                kind::up(&folder, &name)?;
                Record::Kind { name }
            }
            Choice::BuiltIn => {
                eprintln!("starting the built-in cluster, about 10 s");
                built_in::up(&folder)?
            }
        };
        folder.write_record(&record)?;
        Ok(Self { folder, record })
    }

    /// The running cluster of `folder`; an error when none runs.
    pub fn running(folder: ClusterFolder) -> anyhow::Result<Self> {
        match folder.record()? {
            Some(record) if runs(&record)? => Ok(Self { folder, record }),
            _ => bail!("no cluster runs in {}: start one with `cluster up`", folder.root().display()),
        }
    }

    /// Ends what `up` started in `folder` and forgets it; the caller's own cluster is only forgotten.
    pub fn down(folder: &ClusterFolder) -> anyhow::Result<()> {
        let _lock = folder.lock()?;
        match folder.record()? {
            Some(Record::BuiltIn { first, network, forwarder }) => built_in::down(first, network, forwarder)?,
            Some(Record::Kind { name }) => kind::down(&name)?,
            Some(Record::Existing { .. }) | None => {}
        }
        folder.clear()
    }

    /// What runs.
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
            Record::Existing { kubeconfig: Some(path), .. } => path.clone(),
            Record::Existing { .. } => default_kubeconfig(),
            Record::Kind { .. } | Record::BuiltIn { .. } => self.folder.kubeconfig(),
        }
    }

    /// Context to use in the kubeconfig, where it is not the current one.
    pub fn context(&self) -> Option<&str> {
        match &self.record {
            Record::Existing { context, .. } => context.as_deref(),
            Record::Kind { .. } | Record::BuiltIn { .. } => None,
        }
    }

    /// A client with the kubeconfig's rights.
    pub async fn client(&self) -> anyhow::Result<kube::Client> {
        kubeconfig::client(&self.kubeconfig(), self.context()).await
    }

    /// Puts an image archive where pods find it.
    pub fn load(&self, archive: &Path) -> anyhow::Result<()> {
        match &self.record {
            Record::BuiltIn { first, .. } => image_import::import(*first, archive),
            Record::Kind { name } => kind::load(name, archive),
            Record::Existing { .. } => match kubeconfig::kind_cluster(&self.kubeconfig(), self.context()) {
                Some(name) => kind::load(&name, archive),
                None => bail!("images cannot be loaded into your own cluster, unless it is one of kind"),
            },
        }
    }

    /// A command that runs with the cluster's network and names, as far as this kind of cluster has them to give: inside the
    /// namespaces of the built-in one, else on this machine. KUBECONFIG is set in both.
    pub fn command(&self, program: &str) -> Command {
        let mut command = match &self.record {
            Record::BuiltIn { first, .. } => namespaces::inside(*first, program),
            Record::Kind { .. } | Record::Existing { .. } => Command::new(program),
        };
        let kubeconfig = match &self.record {
            Record::BuiltIn { .. } => self.folder.node().join("kubeconfig/admin"),
            Record::Kind { .. } | Record::Existing { .. } => self.kubeconfig(),
        };
        command.env("KUBECONFIG", kubeconfig);
        command
    }
}

fn runs(record: &Record) -> anyhow::Result<bool> {
    match record {
        Record::BuiltIn { first, .. } => Ok(first.is_alive()),
        Record::Kind { name } => kind::is_up(name),
        Record::Existing { .. } => Ok(true),
    }
}

/// Clusters of different folders must not share a name.
fn kind_name(folder: &ClusterFolder) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(folder.root().as_os_str().as_encoded_bytes());
    let suffix: String = digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    format!("msg2agent-{suffix}")
}

fn default_kubeconfig() -> PathBuf {
    env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(".kube/config")
}

fn surroundings() -> Surroundings {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let absent = NEEDED_PROGRAMS.iter().filter(|(program, _)| find_program(program).is_none());
    let mut missing_packages: Vec<_> = absent.map(|(_, package)| *package).collect();
    missing_packages.dedup();
    Surroundings {
        kubeconfig: named("KUBECONFIG").map(PathBuf::from).filter(|path| !ClusterFolder::made(path)),
        context: named("MSG2AGENT_KUBE_CONTEXT").map(|context| context.to_string_lossy().into_owned()),
        docker_answers: engine_answers("docker"),
        kind_installed: find_program("kind").is_some(),
        linux: cfg!(target_os = "linux"),
        root: is_root(),
        missing_packages,
    }
}

/// Whether this process has the rights of the administrator.
pub fn is_root() -> bool {
    run("id", ["-u"]).is_ok_and(|id| id.trim() == "0")
}

/// Whether the built-in cluster would be used, but for the rights to make it.
pub fn only_root_is_missing() -> bool {
    matches!(choose(&surroundings()), Err(NoCluster::NotRoot))
}

/// Whether this process could get them without asking a person.
pub fn can_sudo() -> bool {
    find_program("sudo").is_some() && succeeds("sudo", ["-n", "true"])
}

/// Opens the folder given, or the demo's in the repository.
pub fn open_folder(given: Option<&Path>) -> anyhow::Result<ClusterFolder> {
    let demo = crate::repository().join(folder::DEMO_FOLDER);
    ClusterFolder::at(given.unwrap_or(&demo)).context("open the cluster's folder")
}
