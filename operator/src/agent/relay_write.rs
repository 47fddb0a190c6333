//! Writes an Agent's content to its relay, into the tenant that belongs to the Agent's Tenant.
//!
//! A person may own a tenant of the same id at the relay. It gets no agents of ours. What takes
//! access away waits for no tenant.

use crds::Agent;
use kube::ResourceExt as _;
use protocol::admin::{self, AgentSpec};

use super::resolve::ResolvedAgent;
use crate::claimants;
use crate::context::Context;
use crate::observed::Observed;
use crate::relay_api::{RelayError, Writer};
use crate::relay_replicas::Progress;

/// How many replicas hold the content, or why it could not be written.
pub(super) type Written = Result<Observed<Progress>, RelayError>;

/// What decides whether an Agent's content is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PendingContent {
    /// Whether every ready replica has the tenant, and it belongs to the Agent's Tenant.
    tenant_is_acknowledged: bool,
    /// Whether the relay is known to record the Agent as the owner of its entry.
    entry_is_owned: bool,
    /// Whether the content suspends the agent.
    suspends: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteStep {
    Write,
    /// Write only if the entry still belongs to the Agent, and then wait for the tenant.
    WriteIfOwned,
    /// Wait for the tenant.
    Wait,
}

fn decide(content: PendingContent) -> WriteStep {
    match content {
        PendingContent { tenant_is_acknowledged: true, .. } => WriteStep::Write,
        PendingContent { entry_is_owned: true, suspends: true, .. } => WriteStep::WriteIfOwned,
        PendingContent { .. } => WriteStep::Wait,
    }
}

/// Writes the content when [`decide`] says so. The Tenant's pass enqueues its Agents when the relay
/// has acknowledged the tenant.
///
/// # Errors
/// As [`crate::relay_replicas::RelayReplicas::write`].
pub(super) async fn write(
    context: &Context,
    agent: &Agent,
    resolved: &ResolvedAgent,
    content: &AgentSpec,
) -> Written {
    let (replicas, relay) = (&context.relay_replicas, &resolved.relay);
    let path = admin::agent_path(&resolved.tenant_id, &resolved.name);
    let tenant_path = admin::tenant_path(&resolved.tenant_id);
    let step = decide(PendingContent {
        tenant_is_acknowledged: replicas.is_acknowledged(relay, &tenant_path, &resolved.tenant_uid),
        entry_is_owned: claimants::owns(agent, &replicas.holder(relay, &path)),
        suspends: content.suspended,
    });
    let writer = replicas.writer(&agent.uid().unwrap_or_default());
    let writer = match step {
        WriteStep::Write => Writer { former_owner: resolved.former_owner.clone(), ..writer },
        WriteStep::WriteIfOwned => Writer { if_owned: true, ..writer },
        WriteStep::Wait => return Ok(awaited_tenant(context, resolved)),
    };
    let written = replicas.write(relay, &path, &writer, content).await?;
    Ok(if step == WriteStep::Write { written } else { awaited_tenant(context, resolved) })
}

/// The progress of content whose tenant is not at the relay yet.
fn awaited_tenant(context: &Context, resolved: &ResolvedAgent) -> Observed<Progress> {
    let (replicas, relay) = (&context.relay_replicas, &resolved.relay);
    let holder = replicas.holder(relay, &admin::tenant_path(&resolved.tenant_id));
    let waiting = Progress { acknowledged: 0, ready: 1 };
    if replicas.has_replicas(relay) { holder.map(|_| waiting) } else { Observed::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: PendingContent =
        PendingContent { tenant_is_acknowledged: false, entry_is_owned: false, suspends: false };

    #[test]
    fn nothing_is_written_into_a_tenant_that_is_not_known_to_belong_to_the_tenant_object() {
        assert_eq!(decide(CONTENT), WriteStep::Wait);
        assert_eq!(decide(PendingContent { entry_is_owned: true, ..CONTENT }), WriteStep::Wait);
        assert_eq!(decide(PendingContent { suspends: true, ..CONTENT }), WriteStep::Wait);
        for entry_is_owned in [true, false] {
            for suspends in [true, false] {
                let content = PendingContent { tenant_is_acknowledged: true, entry_is_owned, suspends };
                assert_eq!(decide(content), WriteStep::Write);
            }
        }
    }

    #[test]
    fn a_suspension_of_an_entry_of_its_own_waits_for_no_tenant() {
        let suspended = PendingContent { entry_is_owned: true, suspends: true, ..CONTENT };
        assert_eq!(decide(suspended), WriteStep::WriteIfOwned);
    }
}
