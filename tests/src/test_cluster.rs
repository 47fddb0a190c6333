//! The clusters of the suites. Each has a folder below `target` and is built in, unless one of the
//! variables `MSG2AGENT_TEST_CLUSTER_…` asks for another. What KUBECONFIG names is never used.

use devtools::cluster::folder::ClusterFolder;
use devtools::cluster::options::ClusterOptions;
use devtools::cluster::{self, Cluster};
use devtools::repository;

/// The cluster of this name, started unless it runs already. Blocks until then.
///
/// # Errors
/// It cannot be started.
pub fn up(name: &str) -> anyhow::Result<Cluster> {
    Cluster::up(folder(name)?, &ClusterOptions::request_of_tests()?)
}

/// Ends the cluster of this name. Blocks until then.
///
/// # Errors
/// Something of it does not end.
pub fn down(name: &str) -> anyhow::Result<()> {
    Cluster::down(&folder(name)?)
}

/// The folder of the cluster of this name. `scripts/test.sh` ends the clusters in
/// `target/*-cluster`.
///
/// # Errors
/// It cannot be made.
pub fn folder(name: &str) -> anyhow::Result<ClusterFolder> {
    cluster::open_folder(Some(&repository().join("target").join(name)))
}
