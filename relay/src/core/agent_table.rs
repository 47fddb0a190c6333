//! The table of the agents that the core has met. A DID is looked up once for each message;
//! everything else uses the agent's slot.

use std::sync::Arc;

use foldhash::HashMap;

use super::AgentSlot;
use super::agent::Agent;
use super::agent_session::AgentSession;

#[derive(Debug, Default)]
struct Entry {
    generation: u32,
    agent: Option<Agent>,
}

/// Bounded by the directory: only agents that it knows are added, and removed ones leave.
#[derive(Debug, Default)]
pub(super) struct AgentTable {
    by_did: HashMap<Arc<str>, AgentSlot>,
    entries: Vec<Entry>,
    free: Vec<u32>,
}

impl AgentTable {
    pub(super) fn find(&self, did: &str) -> Option<AgentSlot> {
        self.by_did.get(did).copied()
    }

    pub(super) fn agent(&self, slot: AgentSlot) -> Option<&Agent> {
        let entry = self.entries.get(slot.index as usize)?;
        entry.agent.as_ref().filter(|_| entry.generation == slot.generation)
    }

    pub(super) fn agent_mut(&mut self, slot: AgentSlot) -> Option<&mut Agent> {
        let entry = self.entries.get_mut(slot.index as usize)?;
        entry.agent.as_mut().filter(|_| entry.generation == slot.generation)
    }

    /// The session of an agent that is connected.
    pub(super) fn session(&self, slot: AgentSlot) -> Option<&AgentSession> {
        self.agent(slot)?.session.as_ref()
    }

    /// The session of an agent that is connected.
    pub(super) fn session_mut(&mut self, slot: AgentSlot) -> Option<&mut AgentSession> {
        self.agent_mut(slot)?.session.as_mut()
    }

    /// Adds an agent that is not in the table yet.
    pub(super) fn add(&mut self, agent: Agent) -> AgentSlot {
        let did = agent.did.clone();
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        });
        let generation = self.entries.get_mut(index as usize).map_or(0, |entry| {
            entry.agent = Some(agent);
            entry.generation
        });
        let slot = AgentSlot { index, generation };
        self.by_did.insert(did, slot);
        slot
    }

    pub(super) fn remove(&mut self, slot: AgentSlot) -> Option<Agent> {
        let found = self.entries.get_mut(slot.index as usize);
        let entry = found.filter(|entry| entry.generation == slot.generation)?;
        let agent = entry.agent.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(slot.index);
        self.by_did.remove(&agent.did);
        Some(agent)
    }

    /// All agents, in the same order in every run.
    pub(super) fn iter(&self) -> impl Iterator<Item = (AgentSlot, &Agent)> {
        (0..).zip(&self.entries).filter_map(|(index, entry)| {
            Some((AgentSlot { index, generation: entry.generation }, entry.agent.as_ref()?))
        })
    }

    /// The agents that have a session, in the same order in every run.
    pub(super) fn connected(&self) -> Vec<AgentSlot> {
        self.iter().filter(|(_, agent)| agent.session.is_some()).map(|(slot, _)| slot).collect()
    }
}
