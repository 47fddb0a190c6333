//! The agents the core has met: found by DID once per message, by number everywhere else.

use std::collections::HashMap;
use std::sync::Arc;

use super::agent::Agent;

/// Number of an agent. A removed agent's number is never mistaken for its successor's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentKey {
    slot: u32,
    generation: u32,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    agent: Option<Agent>,
}

/// Bounded by the directory: only agents it knows are added, and removed ones leave.
#[derive(Debug, Default)]
pub(super) struct Roster {
    by_did: HashMap<Arc<str>, AgentKey>,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Roster {
    pub(super) fn find(&self, did: &str) -> Option<AgentKey> {
        self.by_did.get(did).copied()
    }

    pub(super) fn agent(&self, key: AgentKey) -> Option<&Agent> {
        self.slots.get(key.slot as usize).filter(|s| s.generation == key.generation)?.agent.as_ref()
    }

    pub(super) fn agent_mut(&mut self, key: AgentKey) -> Option<&mut Agent> {
        self.slots.get_mut(key.slot as usize).filter(|s| s.generation == key.generation)?.agent.as_mut()
    }

    /// The number of an agent that is not in the roster yet.
    pub(super) fn add(&mut self, agent: Agent) -> AgentKey {
        let did = agent.did.clone();
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let generation = self.slots.get_mut(slot as usize).map_or(0, |s| {
            s.agent = Some(agent);
            s.generation
        });
        let key = AgentKey { slot, generation };
        self.by_did.insert(did, key);
        key
    }

    pub(super) fn remove(&mut self, key: AgentKey) -> Option<Agent> {
        let slot = self.slots.get_mut(key.slot as usize).filter(|s| s.generation == key.generation)?;
        let agent = slot.agent.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot);
        self.by_did.remove(&agent.did);
        Some(agent)
    }

    /// All agents, in the same order in every run.
    pub(super) fn iter(&self) -> impl Iterator<Item = (AgentKey, &Agent)> {
        (0..)
            .zip(&self.slots)
            .filter_map(|(slot, s)| Some((AgentKey { slot, generation: s.generation }, s.agent.as_ref()?)))
    }
}
