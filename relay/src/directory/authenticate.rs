//! Authenticates API keys. A revoked, expired or unknown key and a suspended agent are refused
//! here, when a connection opens and again when its session is rechecked.

use protocol::api_key::KeyHash;
use protocol::{Did, Reason, UnixSeconds};

use super::Directory;
use super::principal::Principal;
use super::state::{DirectoryState, KeyOwner};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("the key is not known")]
    Unknown,
    #[error("the key has expired")]
    Expired,
    #[error("the tenant or the agent of the key is suspended")]
    Suspended,
}

impl AuthError {
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Unknown => Reason::KeyUnknown,
            Self::Expired => Reason::KeyExpired,
            Self::Suspended => Reason::Suspended,
        }
    }
}

impl Directory {
    /// Looks up the key by its SHA-256, so that the time this takes reveals nothing about other
    /// keys.
    ///
    /// # Errors
    /// The key is unknown, revoked or expired, or its tenant or agent is suspended.
    pub fn authenticate(&self, presented_key: &str) -> Result<Principal, AuthError> {
        let hash = KeyHash::sha256(presented_key);
        let state = self.read();
        let owner = state.key(&hash).ok_or(AuthError::Unknown)?;
        check(&state, owner, self.now())?;
        Ok(Principal { tenant: owner.tenant.clone(), agent: owner.agent.clone(), key_id: hash.key_id() })
    }

    /// Whether the principal still has access. The hub asks once the connection is in its table, so
    /// that a revocation between [`Self::authenticate`] and that moment is not missed.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub fn recheck(&self, principal: &Principal) -> Result<(), AuthError> {
        recheck(&self.read(), principal, self.now())
    }

    /// Whether the principal's client may have a session of this agent, which it has registered
    /// under this root key. The hub asks under the lock under which it opens the session, so that a
    /// change between the registration and that moment is not missed.
    ///
    /// # Errors
    /// The principal has lost its access, or the agent was suspended, deleted, or given another
    /// root key.
    pub(crate) fn recheck_agent(
        &self,
        principal: &Principal,
        did: &Did,
        root_key: &str,
    ) -> Result<(), AuthError> {
        let state = self.read();
        recheck(&state, principal, self.now())?;
        let agent = state.agent(did).filter(|agent| !agent.ownership.is_released() && agent.record.is_some());
        match agent {
            Some(agent) if agent.suspended => Err(AuthError::Suspended),
            Some(agent) if agent.root_key.as_deref() == Some(root_key) => Ok(()),
            _ => Err(AuthError::Unknown),
        }
    }
}

pub(super) fn recheck(
    state: &DirectoryState,
    principal: &Principal,
    now: UnixSeconds,
) -> Result<(), AuthError> {
    let (_, owner) = state.key_by_id(&principal.key_id).ok_or(AuthError::Unknown)?;
    if owner.tenant != principal.tenant || owner.agent != principal.agent {
        return Err(AuthError::Unknown);
    }
    check(state, owner, now)
}

pub(super) fn check(state: &DirectoryState, owner: &KeyOwner, now: UnixSeconds) -> Result<(), AuthError> {
    if owner.not_after.is_some_and(|not_after| not_after <= now) {
        return Err(AuthError::Expired);
    }
    let tenant = state.tenant(&owner.tenant).ok_or(AuthError::Unknown)?;
    let agent = owner.agent.as_ref().and_then(|did| state.agent(did));
    if tenant.spec.suspended || agent.is_some_and(|agent| agent.suspended) {
        return Err(AuthError::Suspended);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use protocol::admin::TenantSpec;

    use super::*;
    use crate::directory::fixtures::{agent_with_keys, hash, key, tenant};
    use crate::directory::{Edit, Ownership};

    fn principal(number: u8, agent: Option<Did>) -> Principal {
        Principal { tenant: tenant("acme"), agent, key_id: hash(number).key_id() }
    }

    #[test]
    fn a_key_stops_working_in_the_second_of_its_expiry() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        state.apply(&Edit::PutKey(tenant("acme"), key(1, Some(50))));
        assert_eq!(recheck(&state, &principal(1, None), 49), Ok(()));
        assert_eq!(recheck(&state, &principal(1, None), 50), Err(AuthError::Expired));
    }

    #[test]
    fn a_suspended_tenant_or_agent_has_no_access() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        let alice = agent_with_keys("acme", "alice", &[(1, None)]);
        let suspended = crate::directory::AgentEntry { suspended: true, ..(*alice).clone() };
        state.apply(&Edit::PutAgent(suspended.into()));
        let who = principal(1, Some(alice.did.clone()));
        assert_eq!(recheck(&state, &who, 0), Err(AuthError::Suspended));
        state.apply(&Edit::PutAgent(alice));
        assert_eq!(recheck(&state, &who, 0), Ok(()));
        let spec = TenantSpec { suspended: true, ..TenantSpec::default() };
        state.apply(&Edit::PutTenant(tenant("acme"), spec, Ownership::Unrecorded));
        assert_eq!(recheck(&state, &who, 0), Err(AuthError::Suspended));
    }

    #[test]
    fn a_key_that_was_given_to_another_agent_does_not_keep_an_old_session() {
        let mut state = DirectoryState::with_tenants(&["acme"]);
        state.apply(&Edit::PutAgent(agent_with_keys("acme", "alice", &[(1, None)])));
        assert_eq!(recheck(&state, &principal(1, None), 0), Err(AuthError::Unknown));
    }
}
