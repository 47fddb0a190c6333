//! Defines the record of a cluster's folder, and decides what a start does with an earlier record.
//! Pure.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{network::Network, process_identity::ProcessIdentity, requirements::ClusterRequest};

/// The cluster of a folder, written when it was started. `down` ends nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Record {
    /// A cluster of the caller, which is never started or ended here.
    Existing { kubeconfig: PathBuf, context: String },
    /// A cluster of the `kind` program.
    Kind { name: String },
    /// The built-in cluster, in namespaces that end with the process `first`.
    BuiltIn { first: ProcessIdentity, network: Network, forwarder: Option<ProcessIdentity>, etcd_fsync: bool },
}

/// The first step of `up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Nothing is recorded: start a cluster.
    Start,
    /// The recorded cluster is the requested one: use it.
    Reuse,
    /// The recorded cluster is gone or was never ours: remove what is left of it, then start one.
    Replace,
}

/// A cluster that runs is not replaced by one of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("another kind of cluster runs in this folder: end it first (`cluster down`)")]
pub struct AnotherRuns;

/// Compares the record of a folder, and whether its cluster runs, with the request.
pub fn next_step(
    record: Option<&Record>,
    runs: bool,
    request: &ClusterRequest,
) -> Result<NextStep, AnotherRuns> {
    let Some(record) = record else { return Ok(NextStep::Start) };
    let fits = match (record, request) {
        (
            Record::Existing { kubeconfig, context },
            ClusterRequest::Existing { kubeconfig: file, context: name },
        ) => (kubeconfig, context) == (file, name),
        (Record::Kind { .. }, ClusterRequest::Kind) => true,
        (Record::BuiltIn { etcd_fsync, .. }, ClusterRequest::BuiltIn { etcd_fsync: wanted }) => {
            etcd_fsync == wanted
        }
        _ => false,
    };
    let ours = !matches!(record, Record::Existing { .. });
    match (ours, runs, fits) {
        (true, true, true) | (false, _, true) => Ok(NextStep::Reuse),
        (true, true, false) => Err(AnotherRuns),
        (true, false, _) | (false, _, false) => Ok(NextStep::Replace),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in() -> Record {
        let first = ProcessIdentity::of(std::process::id()).unwrap();
        let network = Network::candidates().next().unwrap();
        Record::BuiltIn { first, network, forwarder: None, etcd_fsync: false }
    }

    fn existing() -> Record {
        Record::Existing { kubeconfig: "/config".into(), context: "staging".into() }
    }

    #[test]
    fn a_record_of_a_cluster_that_is_gone_is_replaced() {
        assert_eq!(next_step(Some(&built_in()), false, &ClusterRequest::default()), Ok(NextStep::Replace));
        let kind = Record::Kind { name: "msg2agent-1".into() };
        assert_eq!(next_step(Some(&kind), false, &ClusterRequest::Kind), Ok(NextStep::Replace));
        assert_eq!(next_step(Some(&kind), false, &ClusterRequest::default()), Ok(NextStep::Replace));
    }

    #[test]
    fn a_record_of_the_callers_cluster_does_not_outlive_its_request() {
        assert_eq!(next_step(Some(&existing()), true, &ClusterRequest::default()), Ok(NextStep::Replace));
        let other = ClusterRequest::Existing { kubeconfig: "/config".into(), context: "production".into() };
        assert_eq!(next_step(Some(&existing()), true, &other), Ok(NextStep::Replace));
        let same = ClusterRequest::Existing { kubeconfig: "/config".into(), context: "staging".into() };
        assert_eq!(next_step(Some(&existing()), true, &same), Ok(NextStep::Reuse));
    }

    #[test]
    fn a_running_cluster_is_used_again_and_never_swapped_for_another_kind() {
        assert_eq!(next_step(None, false, &ClusterRequest::default()), Ok(NextStep::Start));
        assert_eq!(next_step(Some(&built_in()), true, &ClusterRequest::default()), Ok(NextStep::Reuse));
        assert_eq!(next_step(Some(&built_in()), true, &ClusterRequest::Kind), Err(AnotherRuns));
    }

    #[test]
    fn a_cluster_whose_etcd_does_not_wait_for_the_disk_is_not_used_for_one_that_does() {
        let wanted = ClusterRequest::BuiltIn { etcd_fsync: true };
        assert_eq!(next_step(Some(&built_in()), true, &wanted), Err(AnotherRuns));
        assert_eq!(next_step(Some(&built_in()), false, &wanted), Ok(NextStep::Replace));
    }
}
