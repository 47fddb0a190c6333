//! Discovery: lists the agents of one's own tenant in pages, in the order of their DIDs.

use std::ops::Bound;
use std::sync::Arc;

use protocol::Did;
use protocol::did::TenantId;
use protocol::limits::DISCOVER_PAGE_MAX;

use super::Directory;
use super::entry::AgentEntry;
use super::state::Tenant;

pub use protocol::frame::DiscoverParams as DiscoverQuery;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct DiscoverPage {
    /// At most [`DISCOVER_PAGE_MAX`], each with a card.
    pub agents: Vec<Arc<AgentEntry>>,
    /// The start of the next page, if there is one.
    pub cursor: Option<Did>,
}

impl Directory {
    /// Leaves out agents that are hidden or suspended or have no card.
    #[must_use]
    pub fn discover(&self, tenant: &TenantId, query: &DiscoverQuery) -> DiscoverPage {
        self.read().tenant(tenant).map_or_else(DiscoverPage::default, |tenant| page(tenant, query))
    }
}

fn page(tenant: &Tenant, query: &DiscoverQuery) -> DiscoverPage {
    let limit = query.limit.unwrap_or(DISCOVER_PAGE_MAX).clamp(1, DISCOVER_PAGE_MAX);
    let from = query.cursor.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let wanted = |agent: &&Arc<AgentEntry>| {
        agent.is_discoverable() && query.capability.as_ref().is_none_or(|id| agent.has_capability(id))
    };
    let mut found = tenant.agents.range((from, Bound::Unbounded)).map(|(_, agent)| agent).filter(wanted);
    let agents: Vec<_> = found.by_ref().take(limit).cloned().collect();
    let more = found.next().is_some();
    let cursor = agents.last().filter(|_| more).map(|agent| agent.did.clone());
    DiscoverPage { agents, cursor }
}

#[cfg(test)]
mod tests {
    use protocol::record::{Capability, Card, Discovery};

    use super::*;
    use crate::directory::fixtures::did;

    fn tenant_of(agents: Vec<AgentEntry>) -> Tenant {
        let agents = agents.into_iter().map(|agent| (agent.did.clone(), Arc::new(agent))).collect();
        let mut tenant = Tenant::default();
        tenant.agents = agents;
        tenant
    }

    fn agent(name: &str, capability: &str) -> AgentEntry {
        let capabilities = vec![Capability { id: capability.to_owned(), name: String::new() }];
        let card = Card { capabilities, ..Card::default() };
        AgentEntry { registered_card: Some(card), ..AgentEntry::new(did("acme", name)) }
    }

    fn names(page: &DiscoverPage) -> Vec<String> {
        page.agents.iter().map(|agent| agent.did.name().to_owned()).collect()
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let tenant = tenant_of(["a", "b", "c", "d"].map(|name| agent(name, "chat")).to_vec());
        let mut query = DiscoverQuery { limit: Some(2), ..DiscoverQuery::default() };
        let first = page(&tenant, &query);
        assert_eq!(names(&first), ["a", "b"]);
        query.cursor = first.cursor;
        let second = page(&tenant, &query);
        assert_eq!(names(&second), ["c", "d"]);
        assert_eq!(second.cursor, None);
    }

    #[test]
    fn agents_that_are_hidden_suspended_or_without_card_are_not_found() {
        let hidden = Card { discovery: Discovery::Hidden, ..Card::default() };
        let tenant = tenant_of(vec![
            AgentEntry { declared_card: Some(hidden), ..agent("hidden", "chat") },
            AgentEntry { suspended: true, ..agent("suspended", "chat") },
            AgentEntry::new(did("acme", "cardless")),
            agent("seen", "chat"),
            agent("other", "plan"),
        ]);
        let query = DiscoverQuery { capability: Some("chat".into()), ..DiscoverQuery::default() };
        assert_eq!(names(&page(&tenant, &query)), ["seen"]);
    }
}
