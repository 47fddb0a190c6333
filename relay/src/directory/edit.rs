//! Edits of the directory's state, and the decision that makes them.

use std::sync::Arc;

use protocol::admin::{TenantSpec, Term};
use protocol::did::TenantId;
use protocol::{Did, Reason};

use super::entry::{AgentEntry, TenantKey};
use super::ownership::Ownership;
use super::revocation::Revocation;

/// One change of the state, applied to memory and to the store alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    PutTenant(TenantId, TenantSpec, Ownership),
    /// Removes its agents and keys too.
    RemoveTenant(TenantId),
    /// Replaces the keys bound to the agent too.
    PutAgent(Arc<AgentEntry>),
    RemoveAgent(Did),
    PutKey(TenantId, TenantKey),
    RemoveKey(TenantId, TenantKey),
    RaiseTerm(Term),
}

/// The result of an operation on the state that it was decided against. Without edits, the state
/// is as requested already: nothing is written and the version stays.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) edits: Vec<Edit>,
    pub(super) revocations: Vec<Revocation>,
    /// Why the MCP endpoint was not taken, if the rest of the operation is done.
    pub(super) endpoint: Option<Reason>,
}

impl Decision {
    pub(super) fn unchanged() -> Self {
        Self::default()
    }

    pub(super) fn apply(edit: Edit, revocations: Vec<Revocation>) -> Self {
        Self { edits: vec![edit], revocations, endpoint: None }
    }

    /// This decision and one more edit.
    pub(super) fn then(mut self, edit: Edit, revocations: Vec<Revocation>) -> Self {
        self.edits.push(edit);
        self.revocations.extend(revocations);
        self
    }

    pub(super) fn is_unchanged(&self) -> bool {
        self.edits.is_empty()
    }
}
