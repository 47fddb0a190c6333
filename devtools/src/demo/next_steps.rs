//! Prints how to continue by hand after the demo, and how to end what it started.

use super::{
    installation::{DEMO_NAMESPACE, OPERATOR_NAMESPACE},
    user_tools::UserTools,
};
use crate::cluster::{Cluster, record::Record};

pub(super) fn text(cluster: &Cluster, tools: &UserTools, verification: &str) -> String {
    let programs = crate::programs::folder().unwrap_or_default();
    format!(
        "The cluster keeps running. Next steps:

  export KUBECONFIG={kubeconfig}
  export PATH={tools}:{programs}:$PATH
{commands}",
        kubeconfig = cluster.kubeconfig().display(),
        tools = tools.folder().display(),
        programs = programs.display(),
        commands = commands(cluster.record(), verification),
    )
}

/// The commands. Each names the context where the kubeconfig is the user's own, because the current
/// context of that file may be another cluster.
fn commands(record: &Record, verification: &str) -> String {
    let (context, helm_context) = match record {
        Record::Existing { context, .. } => {
            (format!(" --context {context}"), format!(" --kube-context {context}"))
        }
        Record::BuiltIn { .. } | Record::Kind { .. } => (String::new(), String::new()),
    };
    let end = match record {
        Record::BuiltIn { .. } => "  cluster shell        # a shell in which the host names in status.mcpURL resolve
  make demo-down       # stops the cluster
"
        .to_owned(),
        Record::Kind { .. } => "  make demo-down       # stops the cluster\n".to_owned(),
        Record::Existing { .. } => format!(
            "
The cluster is yours: `make demo-down` only forgets it. To remove what the demo installed:

  kubectl delete m2a --all --namespace {DEMO_NAMESPACE}{context}    # while the operator runs
  kubectl delete namespace {DEMO_NAMESPACE}{context}
  helm uninstall msg2agent --namespace {OPERATOR_NAMESPACE}{helm_context}
  kubectl delete namespace {OPERATOR_NAMESPACE}{context}

The custom resource definitions stay. These commands delete them, with every Relay, Tenant and Agent of the cluster:

  helm uninstall msg2agent-crds{helm_context}
  kubectl delete crd relays.msg2agent.xyz tenants.msg2agent.xyz agents.msg2agent.xyz{context}
"
        ),
    };
    format!(
        "  kubectl get m2a --namespace {DEMO_NAMESPACE}{context}
  kubectl describe agent/alice --namespace {DEMO_NAMESPACE}{context}
  m2a doctor agent/alice --namespace {DEMO_NAMESPACE}{context}    # takes the steps of an MCP client
  kubectl get secret demo-invitation-claude --namespace {DEMO_NAMESPACE}{context} -o jsonpath='{{.data.code}}' | base64 -d    # the code to sign in with
  {verification}
{end}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_for_a_cluster_of_the_user_names_its_context() {
        let existing = Record::Existing { kubeconfig: "/config".into(), context: "kind-mine".into() };
        let text = commands(&existing, "m2a verify proof.json");
        let mut found = 0;
        for line in text.lines().map(str::trim) {
            let flag = match line.split(' ').next() {
                Some("kubectl") => " --context kind-mine",
                Some("helm") => " --kube-context kind-mine",
                Some("m2a") if line.starts_with("m2a doctor") => " --context kind-mine",
                _ => continue,
            };
            assert!(line.contains(flag), "{line}");
            found += 1;
        }
        assert_eq!(found, 10, "{text}");
        assert!(!text.contains("stops the cluster") && !text.contains("cluster shell"), "{text}");
    }

    #[test]
    fn a_cluster_of_the_demo_ends_with_one_command() {
        let text = commands(&Record::Kind { name: "msg2agent-1".into() }, "m2a verify proof.json");
        assert!(text.contains("make demo-down") && !text.contains("--context"), "{text}");
    }
}
