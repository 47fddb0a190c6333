//! Computes how long the stages of the demo take in the case at hand. What an earlier run has built
//! or fetched adds nothing.

use std::time::Duration;

use super::stages::Stage;
use crate::{
    claude_code::installation,
    cluster::{
        go_program::{COREDNS, KUBERNETES},
        requirements::ClusterRequest,
        tools,
    },
};

/// Time in which kind starts a cluster, its node image present.
const KIND_START: Stage = Stage::new("cluster", 60);
const BUILT_IN_START: Stage = Stage::new("cluster", 12);
const EXISTING_CLUSTER: Stage = Stage::new("cluster", 1);

const TOOLS_FETCH: Stage = Stage::new("kubectl and helm fetched", 30);
const CLAUDE_CODE_FETCH: Stage = Stage::new("Claude Code fetched", 20);
const CLAUDE_CODE_CALL: Stage = Stage::new("Claude Code calls a tool", 20);

/// The caches of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cached {
    pub(super) kubernetes: bool,
    pub(super) coredns: bool,
    pub(super) kubectl_and_helm: bool,
    pub(super) claude_code: bool,
}

/// The stages whose time depends on the case. One without work expects no time and is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VariableStages {
    pub(super) cluster_programs: Stage,
    pub(super) tools: Stage,
    pub(super) cluster: Stage,
    pub(super) claude_code: Stage,
}

impl Cached {
    /// Looks into the caches.
    pub(super) fn find() -> anyhow::Result<Self> {
        Ok(Self {
            kubernetes: KUBERNETES.is_built()?,
            coredns: COREDNS.is_built()?,
            kubectl_and_helm: tools::are_fetched()?,
            claude_code: installation::is_installed()?,
        })
    }
}

impl VariableStages {
    pub(super) fn new(request: &ClusterRequest, cached: Cached) -> Self {
        let missing = |present: bool, expected: Duration| if present { Duration::ZERO } else { expected };
        let programs = match request {
            ClusterRequest::BuiltIn { .. } => {
                missing(cached.kubernetes, KUBERNETES.expected) + missing(cached.coredns, COREDNS.expected)
            }
            ClusterRequest::Kind | ClusterRequest::Existing { .. } => Duration::ZERO,
        };
        let fetch = missing(cached.claude_code, CLAUDE_CODE_FETCH.expected);
        Self {
            cluster_programs: Stage { name: "Kubernetes and CoreDNS built", expected: programs },
            tools: Stage { expected: missing(cached.kubectl_and_helm, TOOLS_FETCH.expected), ..TOOLS_FETCH },
            cluster: match request {
                ClusterRequest::BuiltIn { .. } => BUILT_IN_START,
                ClusterRequest::Kind => KIND_START,
                ClusterRequest::Existing { .. } => EXISTING_CLUSTER,
            },
            claude_code: Stage { expected: fetch + CLAUDE_CODE_CALL.expected, ..CLAUDE_CODE_CALL },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Cached =
        Cached { kubernetes: false, coredns: false, kubectl_and_helm: false, claude_code: false };
    const EVERYTHING: Cached =
        Cached { kubernetes: true, coredns: true, kubectl_and_helm: true, claude_code: true };

    #[test]
    fn a_first_run_announces_the_builds() {
        let stages = VariableStages::new(&ClusterRequest::default(), NOTHING);
        assert_eq!(stages.cluster_programs.expected, KUBERNETES.expected + COREDNS.expected);
        assert_eq!(stages.tools.expected, TOOLS_FETCH.expected);
        let only_coredns = Cached { kubernetes: true, ..NOTHING };
        let stages = VariableStages::new(&ClusterRequest::default(), only_coredns);
        assert_eq!(stages.cluster_programs.expected, COREDNS.expected);
    }

    #[test]
    fn a_warm_run_announces_seconds() {
        let stages = VariableStages::new(&ClusterRequest::default(), EVERYTHING);
        assert_eq!(stages.cluster_programs.expected, Duration::ZERO);
        assert_eq!(stages.tools.expected, Duration::ZERO);
        assert_eq!(stages.cluster, BUILT_IN_START);
        assert_eq!(stages.claude_code, CLAUDE_CODE_CALL);
    }

    #[test]
    fn kind_and_an_existing_cluster_build_no_kubernetes() {
        let existing = ClusterRequest::Existing { kubeconfig: "/config".into(), context: "staging".into() };
        for request in [ClusterRequest::Kind, existing] {
            assert_eq!(VariableStages::new(&request, NOTHING).cluster_programs.expected, Duration::ZERO);
        }
    }
}
