//! Installs both charts with their default values and waits for the objects of
//! examples/quickstart.yaml.

use super::user_tools::UserTools;

/// Namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "msg2agent-system";

/// Namespace of the examples.
pub(super) const DEMO_NAMESPACE: &str = "msg2agent-demo";

/// Does not wait for the operator. It reconciles objects that are applied before it runs.
pub(super) fn install(tools: &UserTools) -> anyhow::Result<()> {
    tools.helm("upgrade --install msg2agent-crds charts/msg2agent-crds")?;
    let operator = format!(
        "upgrade --install msg2agent charts/msg2agent --namespace {OPERATOR_NAMESPACE} --create-namespace"
    );
    tools.helm(&operator)?;
    Ok(())
}

/// One apply, and what a user waits for.
pub(super) fn agents_ready(tools: &UserTools) -> anyhow::Result<()> {
    tools.kubectl("apply -f examples/quickstart.yaml")?;
    let wait = format!(
        "wait --for=condition=Ready --timeout=120s --namespace {DEMO_NAMESPACE} relay/demo tenant/demo agent/alice agent/bob"
    );
    tools.kubectl(&wait)?;
    println!("{}", tools.kubectl(&format!("get m2a --namespace {DEMO_NAMESPACE}"))?);
    Ok(())
}
