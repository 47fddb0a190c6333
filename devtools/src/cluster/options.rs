//! Defines the command line options and the environment variables that choose a cluster.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use clap::Args;

use super::requirements::ClusterRequest;

/// Name of the context of the cluster that the suites use in place of the built-in one.
pub const TEST_CONTEXT: &str = "MSG2AGENT_TEST_CLUSTER_CONTEXT";

/// Path of the kubeconfig that has [`TEST_CONTEXT`]; `~/.kube/config` when it is unset.
pub const TEST_KUBECONFIG: &str = "MSG2AGENT_TEST_CLUSTER_KUBECONFIG";

/// Set to `1` for suites that start their clusters with kind.
pub const TEST_KIND: &str = "MSG2AGENT_TEST_CLUSTER_KIND";

/// Which cluster to use. Without any option it is the built-in one, whatever KUBECONFIG says.
#[derive(Debug, Clone, Default, Args)]
pub struct ClusterOptions {
    /// Use the existing cluster of this context.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Kubeconfig that has the context. Default: KUBECONFIG, else ~/.kube/config.
    #[arg(long, value_name = "FILE", requires = "context")]
    pub kubeconfig: Option<PathBuf>,
    /// Start a cluster with kind.
    #[arg(long, conflicts_with = "context")]
    pub kind: bool,
    /// Let etcd of the built-in cluster wait for the disk, as that of a real cluster does.
    #[arg(long, conflicts_with_all = ["context", "kind"])]
    pub etcd_fsync: bool,
}

impl ClusterOptions {
    /// The cluster that the command line asks for. KUBECONFIG is read only with a context.
    ///
    /// # Errors
    /// No single file has the context.
    pub fn request(&self) -> anyhow::Result<ClusterRequest> {
        let given = self.kubeconfig.clone().map(PathBuf::into_os_string);
        self.request_with(given.or_else(|| variable("KUBECONFIG")))
    }

    /// The cluster that the variables of the tests ask for. KUBECONFIG is never read.
    ///
    /// # Errors
    /// They contradict each other.
    pub fn request_of_tests() -> anyhow::Result<ClusterRequest> {
        let context = variable(TEST_CONTEXT).map(|name| name.to_string_lossy().into_owned());
        let options =
            Self { context, kind: variable(TEST_KIND).is_some_and(|on| on == "1"), ..Self::default() };
        ensure!(!options.kind || options.context.is_none(), "set {TEST_KIND} or {TEST_CONTEXT}, not both");
        options.request_with(variable(TEST_KUBECONFIG))
    }

    fn request_with(&self, kubeconfig: Option<OsString>) -> anyhow::Result<ClusterRequest> {
        let Some(context) = self.context.clone() else {
            let built_in = ClusterRequest::BuiltIn { etcd_fsync: self.etcd_fsync };
            return Ok(if self.kind { ClusterRequest::Kind } else { built_in });
        };
        let mut files = kubeconfig.iter().flat_map(env::split_paths);
        let file = match (files.next(), files.next()) {
            (Some(file), None) => file,
            (None, _) => default_kubeconfig()?,
            (Some(_), Some(_)) => {
                anyhow::bail!("KUBECONFIG lists several files: name the one with the context (--kubeconfig)")
            }
        };
        let kubeconfig = std::path::absolute(&file).context("find the kubeconfig")?;
        Ok(ClusterRequest::Existing { kubeconfig, context })
    }
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn default_kubeconfig() -> anyhow::Result<PathBuf> {
    let home = variable("HOME").context("set HOME: the default kubeconfig is below it")?;
    Ok(Path::new(&home).join(".kube/config"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_alone_asks_for_nothing() {
        let request = ClusterOptions::default().request_with(Some("/home/me/production".into())).unwrap();
        assert_eq!(request, ClusterRequest::BuiltIn { etcd_fsync: false });
    }

    #[test]
    fn a_context_is_looked_up_in_one_file() {
        let options = ClusterOptions { context: Some("staging".into()), ..ClusterOptions::default() };
        let request = options.request_with(Some("/config".into())).unwrap();
        let kubeconfig = PathBuf::from("/config");
        assert_eq!(request, ClusterRequest::Existing { kubeconfig, context: "staging".into() });
        let error = options.request_with(Some("/one:/two".into())).unwrap_err().to_string();
        assert!(error.contains("--kubeconfig"), "{error}");
    }
}
