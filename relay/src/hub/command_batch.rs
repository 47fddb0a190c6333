//! The commands of one turn of a connection.

use std::cell::Cell;

use super::Command;

/// Commands that the kept vector of a thread has room for: those of one turn.
const SPARE_COMMANDS_MAX: usize = 64;

thread_local! {
    /// The vector of the last batch, so that the next one needs no allocation.
    static SPARE_COMMANDS: Cell<Vec<Command<'static>>> = const { Cell::new(Vec::new()) };
}

#[derive(Debug)]
pub(crate) struct CommandBatch<'a> {
    commands: Vec<Command<'a>>,
}

impl<'a> CommandBatch<'a> {
    pub(crate) fn new() -> Self {
        Self { commands: SPARE_COMMANDS.take() }
    }

    pub(crate) fn extend(&mut self, command: Option<Command<'a>>) {
        self.commands.extend(command);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Command<'a>> {
        self.commands.drain(..)
    }

    /// Whether the last command answers with a page of agents.
    pub(crate) fn ends_with_page(&self) -> bool {
        matches!(self.commands.last(), Some(Command::Discovered { .. }))
    }
}

impl Drop for CommandBatch<'_> {
    fn drop(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        commands.clear();
        if commands.capacity() <= SPARE_COMMANDS_MAX {
            // Nothing is left that borrows. The standard library collects into the same memory.
            SPARE_COMMANDS.set(commands.into_iter().map_while(|_| None).collect());
        }
    }
}

impl<'a> From<Command<'a>> for CommandBatch<'a> {
    fn from(command: Command<'a>) -> Self {
        let mut batch = Self::new();
        batch.extend(Some(command));
        batch
    }
}
