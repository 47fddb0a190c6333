//! Prints how to continue by hand after the demo.

use std::path::Path;

use super::{installation::DEMO_NAMESPACE, user_tools::UserTools};
use crate::cluster::Cluster;

pub(super) fn text(cluster: &Cluster, tools: &UserTools, proof: &Path) -> String {
    let kubeconfig = cluster.kubeconfig();
    let programs = crate::programs::folder().unwrap_or_default();
    format!(
        "It stays up. To go on:

  export KUBECONFIG={kubeconfig}
  export PATH={tools}:{programs}:$PATH
  kubectl get m2a --namespace {DEMO_NAMESPACE}
  kubectl describe agent/alice --namespace {DEMO_NAMESPACE}
  m2a doctor agent/alice --namespace {DEMO_NAMESPACE}    # walks what an MCP client walks
  kubectl get secret demo-invitation-claude --namespace {DEMO_NAMESPACE} -o jsonpath='{{.data.code}}' | base64 -d    # to sign in with
  m2a verify {proof}
  cluster shell        # inside, where the names in status.mcpURL resolve
  make demo-down       # ends it all
",
        kubeconfig = kubeconfig.display(),
        tools = tools.folder().display(),
        programs = programs.display(),
        proof = proof.display(),
    )
}
