//! Model of the directory: the agents of a run, and whether each exists.

use protocol::Did;
use protocol::did::TenantId;

use crate::core::AgentRegistry;

#[derive(Debug)]
pub(super) struct ModelDirectory {
    pub(super) dids: Vec<Did>,
    pub(super) present: Vec<bool>,
    /// Whether each was deleted and its mailbox retained.
    pub(super) retained: Vec<bool>,
}

impl ModelDirectory {
    pub(super) fn new(dids: Vec<Did>) -> Self {
        let count = dids.len();
        Self { dids, present: vec![true; count], retained: vec![false; count] }
    }

    fn find(&self, did: &str) -> Option<usize> {
        let found = self.dids.iter().position(|known| known.as_str() == did);
        found.filter(|index| self.present[*index])
    }
}

impl AgentRegistry for ModelDirectory {
    fn tenant_of(&self, did: &str) -> Option<TenantId> {
        self.find(did).map(|index| self.dids[index].tenant())
    }

    fn accepts_messages(&self, did: &str) -> bool {
        self.find(did).is_some_and(|index| !self.retained[index])
    }
}
