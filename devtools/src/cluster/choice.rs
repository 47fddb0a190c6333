//! Which cluster to use: the caller's own, one of kind, or the built-in one. Pure.

use std::path::PathBuf;

use thiserror::Error;

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

/// What was found on this machine.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// KUBECONFIG, unless it names the cluster we made ourselves.
    pub kubeconfig: Option<PathBuf>,
    /// MSG2AGENT_KUBE_CONTEXT.
    pub context: Option<String>,
    pub docker_answers: bool,
    pub kind_installed: bool,
    pub linux: bool,
    pub root: bool,
    /// Debian packages of the [`NEEDED_PROGRAMS`] that were not found.
    pub missing_packages: Vec<&'static str>,
}

/// The cluster to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    Existing { kubeconfig: Option<PathBuf>, context: Option<String> },
    Kind,
    BuiltIn,
}

/// Why there is no cluster to use, and what would help.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoCluster {
    #[error("start Docker and install kind, or set KUBECONFIG: the built-in cluster runs on Linux only")]
    NotLinux,
    #[error(
        "run this as root or where sudo asks nothing, or start Docker and install kind, or set KUBECONFIG"
    )]
    NotRoot,
    #[error("install {} (`scripts/need.sh cluster` does), or start Docker and install kind, or set KUBECONFIG", .0.join(", "))]
    MissingPackages(Vec<&'static str>),
}

/// The caller's word comes first, then what leaves most of the machine alone.
pub fn choose(found: &Surroundings) -> Result<Choice, NoCluster> {
    if found.kubeconfig.is_some() || found.context.is_some() {
        return Ok(Choice::Existing { kubeconfig: found.kubeconfig.clone(), context: found.context.clone() });
    }
    if found.docker_answers && found.kind_installed {
        return Ok(Choice::Kind);
    }
    if !found.linux {
        return Err(NoCluster::NotLinux);
    }
    if !found.root {
        return Err(NoCluster::NotRoot);
    }
    if !found.missing_packages.is_empty() {
        return Err(NoCluster::MissingPackages(found.missing_packages.clone()));
    }
    Ok(Choice::BuiltIn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare_linux() -> Surroundings {
        Surroundings { linux: true, root: true, ..Surroundings::default() }
    }

    #[test]
    fn a_named_context_wins_over_everything() {
        let context = Some("staging".to_owned());
        let found = Surroundings {
            context: context.clone(),
            docker_answers: true,
            kind_installed: true,
            ..bare_linux()
        };
        assert_eq!(choose(&found), Ok(Choice::Existing { kubeconfig: None, context }));
    }

    #[test]
    fn kind_needs_both_its_program_and_an_engine() {
        let only_engine = Surroundings { docker_answers: true, ..bare_linux() };
        assert_eq!(choose(&only_engine), Ok(Choice::BuiltIn));
        assert_eq!(choose(&Surroundings { kind_installed: true, ..only_engine }), Ok(Choice::Kind));
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(choose(&Surroundings { linux: false, ..bare_linux() }), Err(NoCluster::NotLinux));
        assert_eq!(choose(&Surroundings { root: false, ..bare_linux() }), Err(NoCluster::NotRoot));
        let error = choose(&Surroundings { missing_packages: vec!["runc", "conntrack"], ..bare_linux() });
        let text = error.unwrap_err().to_string();
        assert!(text.contains("runc, conntrack") && text.contains("scripts/need.sh"), "{text}");
    }
}
