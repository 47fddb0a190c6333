//! Claude Code connects to Bob's MCP endpoint by the URL in his status and calls a tool.

use crate::cluster::Cluster;

use super::user_tools::UserTools;

pub(super) async fn call(_cluster: &Cluster, _tools: &UserTools) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
