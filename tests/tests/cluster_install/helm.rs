//! Runs one version of helm on one cluster.

use std::path::PathBuf;

use devtools::cluster::{Cluster, tools};
use devtools::command::{isolated, output_of};
use devtools::repository;

pub(crate) const NAMESPACE: &str = "msg2agent-system";

/// Longest wait of `helm --wait`: two pods that pull nothing.
const WAIT: [&str; 3] = ["--wait", "--timeout", "120s"];

pub(crate) struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Helm {
    /// `helm` (version 4) or `helm3`.
    pub(crate) fn new(name: &str, cluster: &Cluster) -> anyhow::Result<Self> {
        Ok(Self { program: tools::folder()?.join(name), kubeconfig: cluster.kubeconfig() })
    }

    pub(crate) fn install_definitions(&self) -> anyhow::Result<String> {
        self.run(&["upgrade", "--install", "msg2agent-crds"], Some("msg2agent-crds"), &[])
    }

    /// Installs or upgrades the operator and waits until it is available.
    pub(crate) fn install_operator(&self, settings: &[&str]) -> anyhow::Result<String> {
        let arguments = ["upgrade", "--install", "msg2agent", "--namespace", NAMESPACE];
        self.run(&arguments, Some("msg2agent"), &[&WAIT, settings].concat())
    }

    /// Runs the chart's own test. Without `--logs`: Helm 3 looks for them after it has removed the
    /// pod.
    pub(crate) fn test_operator(&self) -> anyhow::Result<String> {
        self.run(&["test", "msg2agent", "--namespace", NAMESPACE, "--timeout", "120s"], None, &[])
    }

    pub(crate) fn uninstall_operator(&self) -> anyhow::Result<String> {
        self.run(&["uninstall", "msg2agent", "--namespace", NAMESPACE], None, &WAIT)
    }

    pub(crate) fn uninstall_definitions(&self) -> anyhow::Result<String> {
        self.run(&["uninstall", "msg2agent-crds"], None, &[])
    }

    fn run(&self, arguments: &[&str], chart: Option<&str>, more: &[&str]) -> anyhow::Result<String> {
        let mut command = isolated(&self.program);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig);
        command.args(chart.map(|name| repository().join("charts").join(name))).args(more);
        output_of(&mut command)
    }
}
