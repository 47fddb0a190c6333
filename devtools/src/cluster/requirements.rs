//! Checks whether this machine can run the requested cluster and load its images. Without a request
//! it is the built-in one. Pure.

use std::path::PathBuf;

use thiserror::Error;

use super::kubeconfig::kind_cluster;

/// Programs the built-in cluster needs from the machine, each with the Debian package that has it.
pub const NEEDED_PROGRAMS: [(&str, &str); 9] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
];

/// The cluster that the caller asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterRequest {
    /// A control plane and a node in namespaces of this machine. `etcd_fsync`: whether etcd waits
    /// for the disk, as that of a real cluster does.
    BuiltIn { etcd_fsync: bool },
    /// A new cluster of the `kind` program.
    Kind,
    /// A cluster that exists already. It is never started or ended here.
    Existing { kubeconfig: PathBuf, context: String },
}

impl Default for ClusterRequest {
    /// Without fsync: tests delete their data.
    fn default() -> Self {
        Self::BuiltIn { etcd_fsync: false }
    }
}

/// The abilities of this machine to run clusters.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    pub docker_answers: bool,
    pub kind_installed: bool,
    pub linux: bool,
    pub root: bool,
    /// Debian packages of the [`NEEDED_PROGRAMS`] that were not found.
    pub missing_packages: Vec<&'static str>,
}

/// Why the requested cluster cannot be had, and what would help.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoCluster {
    #[error("the built-in cluster runs on Linux only: start Docker, install kind and ask for it (--kind)")]
    NotLinux,
    #[error(
        "the built-in cluster needs root: run this as root, or ask for kind (--kind, and in tests \
         MSG2AGENT_TEST_CLUSTER_KIND=1); the programs demo and cluster become root where sudo asks no password, and \
         tests do not"
    )]
    NotRoot,
    #[error("the built-in cluster needs these packages (`scripts/need.sh cluster` installs them): {}", .0.join(", "))]
    MissingPackages(Vec<&'static str>),
    #[error("a kind cluster needs a Docker engine that answers and the program kind")]
    NoKind,
    #[error(
        "images cannot be loaded into the cluster of the context {0}: only the built-in cluster and clusters of kind, \
         whose contexts are named kind-…, take them from this machine. Name such a context, or none; in another \
         cluster install the charts with images of your registry (charts/msg2agent/values.yaml)"
    )]
    NoImages(String),
}

/// Checks that this machine can give the requested cluster.
pub fn check_request(request: &ClusterRequest, machine: &Machine) -> Result<(), NoCluster> {
    match request {
        ClusterRequest::Existing { .. } => Ok(()),
        ClusterRequest::Kind if machine.docker_answers && machine.kind_installed => Ok(()),
        ClusterRequest::Kind => Err(NoCluster::NoKind),
        ClusterRequest::BuiltIn { .. } if !machine.linux => Err(NoCluster::NotLinux),
        ClusterRequest::BuiltIn { .. } if !machine.root => Err(NoCluster::NotRoot),
        ClusterRequest::BuiltIn { .. } if !machine.missing_packages.is_empty() => {
            Err(NoCluster::MissingPackages(machine.missing_packages.clone()))
        }
        ClusterRequest::BuiltIn { .. } => Ok(()),
    }
}

/// Checks that the requested cluster takes images that are built on this machine.
pub fn check_images(request: &ClusterRequest, machine: &Machine) -> Result<(), NoCluster> {
    match request {
        ClusterRequest::BuiltIn { .. } | ClusterRequest::Kind => Ok(()),
        ClusterRequest::Existing { context, .. } if kind_cluster(context).is_none() => {
            Err(NoCluster::NoImages(context.clone()))
        }
        ClusterRequest::Existing { .. } if !machine.kind_installed => Err(NoCluster::NoKind),
        ClusterRequest::Existing { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare_linux() -> Machine {
        Machine { linux: true, root: true, ..Machine::default() }
    }

    #[test]
    fn a_named_context_needs_nothing_of_this_machine() {
        let existing =
            ClusterRequest::Existing { kubeconfig: "/config".into(), context: "staging".to_owned() };
        assert_eq!(check_request(&existing, &Machine::default()), Ok(()));
    }

    #[test]
    fn images_are_loaded_into_an_existing_cluster_only_where_it_is_one_of_kind() {
        let existing = |context: &str| ClusterRequest::Existing {
            kubeconfig: "/config".into(),
            context: context.to_owned(),
        };
        let with_kind = Machine { kind_installed: true, ..Machine::default() };
        assert_eq!(check_images(&existing("kind-dev"), &with_kind), Ok(()));
        assert_eq!(check_images(&existing("kind-dev"), &Machine::default()), Err(NoCluster::NoKind));
        let refused = check_images(&existing("staging"), &with_kind).unwrap_err();
        assert_eq!(refused, NoCluster::NoImages("staging".to_owned()));
        assert!(refused.to_string().contains("kind-…"), "{refused}");
        for request in [ClusterRequest::default(), ClusterRequest::Kind] {
            assert_eq!(check_images(&request, &Machine::default()), Ok(()));
        }
    }

    #[test]
    fn kind_needs_both_its_program_and_an_engine_and_is_used_on_request_only() {
        let only_engine = Machine { docker_answers: true, ..bare_linux() };
        assert_eq!(check_request(&ClusterRequest::Kind, &only_engine), Err(NoCluster::NoKind));
        let both = Machine { kind_installed: true, ..only_engine };
        assert_eq!(check_request(&ClusterRequest::Kind, &both), Ok(()));
    }

    #[test]
    fn what_is_missing_is_said() {
        let check = |machine: &Machine| check_request(&ClusterRequest::default(), machine);
        assert_eq!(check(&bare_linux()), Ok(()));
        assert_eq!(check(&Machine { linux: false, ..bare_linux() }), Err(NoCluster::NotLinux));
        assert_eq!(check(&Machine { root: false, ..bare_linux() }), Err(NoCluster::NotRoot));
        let error = check(&Machine { missing_packages: vec!["runc", "conntrack"], ..bare_linux() });
        let text = error.unwrap_err().to_string();
        assert!(text.contains("runc, conntrack") && text.contains("scripts/need.sh"), "{text}");
    }
}
