//! Decides how an agent or a tenant is deleted with its content retained: it is refused everywhere
//! like one that does not exist, and its record, root key and mailbox wait for whoever declares it
//! again.

use std::sync::Arc;

use super::*;
use crate::directory::edit::Edit;
use crate::directory::ownership::Ownership;
use crate::directory::revocation::Revocation;

pub(super) fn agent(context: Context<'_>, before: &AgentEntry) -> Decision {
    if before.ownership.is_released() {
        return Decision::unchanged();
    }
    // The keys come first: a connection that has not registered yet is known by its key only.
    let keys = before.keys.iter().map(|key| Revocation::KeyRevoked(key.sha256.key_id()));
    let revocations = keys.chain([Revocation::AgentReleased(before.did.clone())]).collect();
    Decision::apply(Edit::PutAgent(Arc::new(released(before, context.now))), revocations)
}

pub(super) fn tenant(context: Context<'_>, tenant: TenantId, before: &Tenant) -> Decision {
    if before.ownership.is_released() {
        return Decision::unchanged();
    }
    let spec = TenantSpec { suspended: true, ..before.spec.clone() };
    let ownership = Ownership::Released(context.now);
    let mut edits = vec![Edit::PutTenant(tenant.clone(), spec, ownership)];
    edits.extend(before.keys.values().map(|key| Edit::RemoveKey(tenant.clone(), *key)));
    let live = before.agents.values().filter(|agent| !agent.ownership.is_released());
    edits.extend(live.map(|agent| Edit::PutAgent(Arc::new(released(agent, context.now)))));
    Decision { edits, revocations: vec![Revocation::TenantReleased(tenant)], endpoint: None }
}

fn released(before: &AgentEntry, now: UnixSeconds) -> AgentEntry {
    AgentEntry {
        ownership: Ownership::Released(now),
        suspended: true,
        keys: Vec::new(),
        mcp: None,
        ..before.clone()
    }
}

#[cfg(test)]
mod tests {
    use protocol::admin::DeletionPolicy::{Purge, Retain};

    use super::*;
    use crate::directory::fixtures::{agent_with_keys, did, hash, key, tenant as tenant_id};

    fn registered(name: &str) -> AgentEntry {
        AgentEntry {
            root_key: Some("root".into()),
            record: Some(b"{}".as_slice().into()),
            deletion_policy: Some(Retain),
            ..(*agent_with_keys("acme", name, &[(1, None)])).clone()
        }
    }

    fn state() -> DirectoryState {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        state.apply(&Edit::PutAgent(Arc::new(registered("alice"))));
        state.apply(&Edit::PutKey(tenant_id("acme"), key(2, None)));
        state
    }

    fn delete_agent(state: &mut DirectoryState, policy: Option<DeletionPolicy>) -> Decision {
        let operation = AdminOperation::DeleteAgent(did("acme", "alice"), policy);
        let decision =
            decide(context(state), Operation::Administer(Requester::default(), operation)).unwrap();
        decision.edits.iter().for_each(|edit| state.apply(edit));
        decision
    }

    #[test]
    fn a_retained_agent_keeps_its_identity_and_loses_every_access() {
        let mut state = state();
        let decision = delete_agent(&mut state, None);
        let revoked = Revocation::KeyRevoked(hash(1).key_id());
        assert_eq!(decision.revocations, [revoked, Revocation::AgentReleased(did("acme", "alice"))]);
        let expected = AgentEntry {
            ownership: Ownership::Released(1_000),
            suspended: true,
            keys: Vec::new(),
            ..registered("alice")
        };
        assert_eq!(**state.agent(&did("acme", "alice")).unwrap(), expected);
        assert!(state.key(&hash(1)).is_none());
        assert!(delete_agent(&mut state, Some(Retain)).is_unchanged());
    }

    #[test]
    fn a_policy_in_the_request_replaces_that_of_the_entry() {
        let mut state = state();
        delete_agent(&mut state, Some(Purge));
        assert!(state.agent(&did("acme", "alice")).is_none());
    }

    #[test]
    fn a_retained_agent_is_purged_when_the_request_says_so() {
        let mut state = state();
        delete_agent(&mut state, None);
        delete_agent(&mut state, Some(Purge));
        assert!(state.agent(&did("acme", "alice")).is_none());
    }

    #[test]
    fn a_retained_tenant_retains_its_agents_and_revokes_its_keys() {
        let mut state = state();
        let operation = AdminOperation::DeleteTenant(tenant_id("acme"), Some(Retain));
        let decision =
            decide(context(&state), Operation::Administer(Requester::default(), operation)).unwrap();
        decision.edits.iter().for_each(|edit| state.apply(edit));
        assert_eq!(decision.revocations, [Revocation::TenantReleased(tenant_id("acme"))]);
        let tenant = state.tenant(&tenant_id("acme")).unwrap();
        assert!(tenant.ownership.is_released() && tenant.spec.suspended && tenant.keys.is_empty());
        assert!(state.agent(&did("acme", "alice")).unwrap().ownership.is_released());
        assert_eq!((state.keys_count(), tenant.live_agents()), (0, 0));
    }
}
