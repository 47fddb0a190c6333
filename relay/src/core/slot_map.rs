//! What one side of the core keeps of each agent, by the agent's slot.

use super::AgentSlot;

#[derive(Debug)]
pub(super) struct SlotMap<T> {
    entries: Vec<Option<(u32, T)>>,
}

impl<T> Default for SlotMap<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T> SlotMap<T> {
    pub(super) fn get(&self, slot: AgentSlot) -> Option<&T> {
        let (generation, value) = self.entries.get(slot.index as usize)?.as_ref()?;
        (*generation == slot.generation).then_some(value)
    }

    pub(super) fn get_mut(&mut self, slot: AgentSlot) -> Option<&mut T> {
        let entry = self.entries.get_mut(slot.index as usize)?.as_mut();
        entry.filter(|(generation, _)| *generation == slot.generation).map(|(_, value)| value)
    }

    /// Puts a value in the place of whatever an agent before left in the slot.
    pub(super) fn insert(&mut self, slot: AgentSlot, value: T) {
        let index = slot.index as usize;
        if self.entries.len() <= index {
            self.entries.resize_with(index + 1, || None);
        }
        if let Some(entry) = self.entries.get_mut(index) {
            *entry = Some((slot.generation, value));
        }
    }

    pub(super) fn remove(&mut self, slot: AgentSlot) -> Option<T> {
        let entry = self.entries.get_mut(slot.index as usize)?;
        let (_, value) = entry.take_if(|(generation, _)| *generation == slot.generation)?;
        Some(value)
    }

    /// All values, in the same order in every run.
    pub(super) fn iter(&self) -> impl Iterator<Item = (AgentSlot, &T)> {
        (0..).zip(&self.entries).filter_map(|(index, entry)| {
            let (generation, value) = entry.as_ref()?;
            Some((AgentSlot { index, generation: *generation }, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: AgentSlot = AgentSlot { index: 2, generation: 0 };
    const SUCCESSOR: AgentSlot = AgentSlot { index: 2, generation: 1 };

    #[test]
    fn the_slot_of_a_removed_agent_finds_nothing_of_its_successor() {
        let mut map = SlotMap::default();
        map.insert(FIRST, "first");
        assert_eq!((map.remove(FIRST), map.get(FIRST)), (Some("first"), None));
        map.insert(SUCCESSOR, "successor");
        assert_eq!(map.get(FIRST), None);
        assert_eq!(map.get_mut(FIRST), None);
        assert_eq!(map.remove(FIRST), None);
        assert_eq!(map.iter().collect::<Vec<_>>(), [(SUCCESSOR, &"successor")]);
    }
}
