//! Meters accepted sends: each is added to the sums of its sender under the lock that its answer
//! holds anyway, and a tick tells the sums.
//!
//! A send counts when it is forwarded, delivered or on disk, once for each message: repetitions do
//! not count. The sums need no queue, so that no send is lost and no memory grows: an agent has one
//! pair of sums, however much it sends.

use protocol::envelope::Class;

use super::limits::METERED_PER_TICK_MAX;
use super::{AgentSlot, Core, Effect, MeterEvent};

/// The accepted sends of one agent that were not told yet.
#[derive(Debug, Default)]
pub(super) struct UntoldSends {
    reliable: SendSum,
    ephemeral: SendSum,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct SendSum {
    messages: u64,
    bytes: u64,
}

impl UntoldSends {
    pub(super) const fn is_empty(&self) -> bool {
        self.reliable.messages == 0 && self.ephemeral.messages == 0
    }

    const fn sum(&mut self, class: Class) -> &mut SendSum {
        match class {
            Class::Reliable => &mut self.reliable,
            Class::Ephemeral => &mut self.ephemeral,
        }
    }
}

impl Core {
    /// Counts one accepted send. The agent may have been removed meanwhile.
    pub(super) fn meter(&mut self, sender: AgentSlot, class: Class, size: usize) {
        let Some(agent) = self.agents.agent_mut(sender) else { return };
        if agent.untold_sends.is_empty() {
            self.metered.push_back(sender);
        }
        let sum = agent.untold_sends.sum(class);
        sum.messages += 1;
        sum.bytes += size as u64;
    }

    /// Tells the sums of the next agents, as many as one tick may.
    pub(super) fn tell_metered(&mut self, out: &mut Vec<Effect>) {
        for _ in 0..METERED_PER_TICK_MAX {
            let Some(sender) = self.metered.pop_front() else { return };
            self.tell_sends_of(sender, out);
        }
    }

    /// Tells all sums, after the last tick.
    pub fn tell_all_metered(&mut self, out: &mut Vec<Effect>) {
        while !self.metered.is_empty() {
            self.tell_metered(out);
        }
    }

    /// The untold sends of each class.
    #[cfg(test)]
    pub(crate) fn untold_sends(&self, from: &str) -> (u64, u64) {
        let agent = self.agents.find(from).and_then(|slot| self.agents.agent(slot));
        agent.map_or((0, 0), |agent| {
            (agent.untold_sends.reliable.messages, agent.untold_sends.ephemeral.messages)
        })
    }

    /// Tells the sums of one agent. Its place in the queue may be left over.
    pub(super) fn tell_sends_of(&mut self, sender: AgentSlot, out: &mut Vec<Effect>) {
        let Some(agent) = self.agents.agent_mut(sender) else { return };
        for class in [Class::Reliable, Class::Ephemeral] {
            let SendSum { messages, bytes } = std::mem::take(agent.untold_sends.sum(class));
            if messages > 0 {
                let (tenant, agent) = (agent.tenant.clone(), agent.did.clone());
                out.push(Effect::Metered(MeterEvent { tenant, agent, class, messages, bytes }));
            }
        }
    }
}
