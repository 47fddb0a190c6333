//! Records what one store of a relay holds: the owner and the digest of each entry, as its listing
//! and this leader's own writes say. Pure.
//!
//! A write is noted as unknown before it is sent. Only its acknowledgement, or a listing that began
//! later, makes the entry known again.

use std::collections::BTreeMap;

use protocol::Reason;
use protocol::admin::Owner;

use super::entry_path::is_listed_path;
use crate::observed::Observed;
use crate::relay_api::Writer;

mod indexed_entries;

use indexed_entries::IndexedEntries;

/// Entries in the record of one store. What is above is written again each time.
pub(super) const ENTRIES_MAX: usize = 200_000;

/// The SHA-256 of an entry's content.
pub(super) type Digest = [u8; 32];

/// An entry of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// `None`: it belongs to nobody.
    pub owner: Option<Owner>,
    /// `None`: the relay did not say what it holds.
    pub digest: Option<Digest>,
    /// Why the relay took this content without its MCP endpoint.
    pub refused_endpoint: Option<Reason>,
}

impl Held {
    /// The owner that would make the relay refuse this writer.
    pub(super) fn other_owner(&self, writer: &Writer) -> Option<&Owner> {
        let is_ours = |owner: &&Owner| **owner == writer.owner;
        let is_handed_over =
            |owner: &&Owner| !writer.if_owned && writer.former_owner.as_ref() == Some(*owner);
        self.owner.as_ref().filter(|owner| !is_ours(owner) && !is_handed_over(owner))
    }
}

#[derive(Debug)]
struct Entry {
    held: Observed<Held>,
    /// When the entry was last changed, as a count of changes.
    sequence: u64,
    is_in_flight: bool,
}

/// The entries of one store by path.
#[derive(Debug, Default)]
pub(super) struct EntryTable {
    /// Tells this record from an earlier one of the same store.
    id: u64,
    entries: IndexedEntries,
    /// Whether the store was listed, so that an entry which is not here does not exist.
    is_listed: bool,
    /// When an answer was last lost, unless a listing began later.
    doubt: Option<u64>,
    sequence: u64,
}

/// Identifies a write that was sent and not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WriteTicket {
    table: u64,
    sequence: u64,
}

/// Identifies the beginning of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListingTicket(u64);

impl EntryTable {
    /// An empty record. No other one of the relay has this id.
    pub(super) fn new(id: u64) -> Self {
        Self { id, ..Self::default() }
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Notes the entry as unknown. The write may be sent then.
    pub(super) fn begin_write(&mut self, path: &str) -> WriteTicket {
        let sequence = self.next_sequence();
        let entry = Entry { held: Observed::Unknown, sequence, is_in_flight: true };
        self.entries.insert(path, entry);
        WriteTicket { table: self.id, sequence }
    }

    /// Records an acknowledgement, unless the entry was removed meanwhile.
    pub(super) fn acknowledge(&mut self, path: &str, ticket: WriteTicket, held: Held) {
        let is_full = self.entries.len() > ENTRIES_MAX;
        if !self.end_write(path, ticket) {
            return;
        }
        if is_full {
            self.entries.remove(path);
        } else {
            self.entries.change(path, |entry| entry.held = Observed::Known(held));
        }
    }

    /// Ends a write that the relay refused, so that the entry is what it was.
    pub(super) fn refuse(&mut self, path: &str, ticket: WriteTicket, before: Observed<Option<Held>>) {
        match before {
            Observed::Known(Some(held)) => self.acknowledge(path, ticket, held),
            Observed::Known(None) => {
                if self.end_write(path, ticket) {
                    self.entries.remove(path);
                }
            }
            Observed::Unknown => self.lose(path, ticket),
        }
    }

    /// Ends a write whose answer was lost. The entry stays unknown.
    pub(super) fn lose(&mut self, path: &str, ticket: WriteTicket) {
        self.end_write(path, ticket);
        self.doubt = Some(self.sequence);
    }

    /// Ends a write. `false` if the record was replaced since, or what it is above was removed: the
    /// entry then stays unknown until the next listing.
    fn end_write(&mut self, path: &str, ticket: WriteTicket) -> bool {
        if !self.is_current(path, ticket) {
            self.doubt(path);
            return false;
        }
        let sequence = self.next_sequence();
        self.entries.change(path, |entry| (entry.sequence, entry.is_in_flight) = (sequence, false));
        true
    }

    /// Whether the write is still the last one that was begun at its path.
    pub(super) fn is_current(&self, path: &str, ticket: WriteTicket) -> bool {
        let sequence = self.entries.get(path).map(|entry| entry.sequence);
        ticket.table == self.id && sequence == Some(ticket.sequence)
    }

    /// Notes the entry and what the relay removes with it as unknown, until the next listing.
    pub(super) fn doubt(&mut self, path: &str) {
        let ticket = self.begin_removal(path);
        self.entries.change(path, |entry| entry.is_in_flight = false);
        self.doubt = Some(ticket.sequence);
    }

    /// Notes the entry and what the relay removes with it as unknown. The removal may be sent then.
    pub(super) fn begin_removal(&mut self, path: &str) -> WriteTicket {
        let sequence = self.next_sequence();
        for found in self.entries.removed_with(path) {
            let unknown = |entry: &mut Entry| (entry.held, entry.sequence) = (Observed::Unknown, sequence);
            self.entries.change(&found, unknown);
        }
        let entry = Entry { held: Observed::Unknown, sequence, is_in_flight: true };
        self.entries.insert(path, entry);
        WriteTicket { table: self.id, sequence }
    }

    /// Records an acknowledged removal. What was written below it meanwhile stays unknown, because
    /// the relay may have applied it before or after.
    pub(super) fn remove(&mut self, path: &str, ticket: WriteTicket) {
        if !self.is_current(path, ticket) {
            return self.doubt(path);
        }
        let mut has_doubt = false;
        for found in self.entries.removed_with(path) {
            let is_later = |entry: &Entry| entry.sequence > ticket.sequence || entry.is_in_flight;
            if *found != *path && self.entries.get(&found).is_some_and(is_later) {
                self.entries.change(&found, |entry| entry.held = Observed::Unknown);
                has_doubt = true;
            } else {
                self.entries.remove(&found);
            }
        }
        if has_doubt {
            self.doubt = Some(self.next_sequence());
        }
    }

    /// What the store holds at `path`.
    pub(super) fn held(&self, path: &str) -> Observed<Option<Held>> {
        match self.entries.get(path) {
            Some(entry) => entry.held.clone().map(Some),
            None if self.is_listed && is_listed_path(path) => Observed::Known(None),
            None => Observed::Unknown,
        }
    }

    /// Whether the store holds this content for this owner. Without an owner, everybody's counts.
    pub(super) fn holds(&self, path: &str, owner: Option<&Owner>, digest: Digest) -> bool {
        let Some(Entry { held: Observed::Known(held), .. }) = self.entries.get(path) else { return false };
        held.digest == Some(digest) && owner.is_none_or(|owner| held.owner.as_ref() == Some(owner))
    }

    /// Whether a known content of this owner is at `path`. Without an owner, everybody's counts.
    pub(super) fn is_acknowledged(&self, path: &str, owner: Option<&Owner>) -> bool {
        let Some(Entry { held: Observed::Known(held), .. }) = self.entries.get(path) else { return false };
        held.digest.is_some() && owner.is_none_or(|owner| held.owner.as_ref() == Some(owner))
    }

    pub(super) const fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// Whether only a listing tells what the store holds.
    pub(super) const fn needs_listing(&self) -> bool {
        !self.is_listed || self.doubt.is_some()
    }

    pub(super) const fn begin_listing(&self) -> ListingTicket {
        ListingTicket(self.sequence)
    }

    /// Takes over a listing of all tenants and agents. What was written since it began is newer,
    /// and is kept. Returns the paths at which the record was wrong.
    pub(super) fn merge(&mut self, begun: ListingTicket, listing: &BTreeMap<String, Held>) -> Vec<String> {
        let mut different = Vec::new();
        for (path, found) in listing {
            match self.entries.get(path) {
                Some(entry) if entry.is_newer_than(begun) => continue,
                Some(entry) if entry.agrees_with(found) => continue,
                _ => different.push(path.clone()),
            }
            let entry =
                Entry { held: Observed::Known(found.clone()), sequence: begun.0, is_in_flight: false };
            self.entries.insert(path, entry);
        }
        let gone = self.entries.iter().filter(|(path, entry)| {
            is_listed_path(path) && !listing.contains_key(&***path) && !entry.is_newer_than(begun)
        });
        let gone: Vec<String> = gone.map(|(path, _)| path.to_string()).collect();
        for path in gone.iter().flat_map(|path| self.entries.removed_with(path)).collect::<Vec<_>>() {
            if self.entries.get(&path).is_some_and(|entry| !entry.is_newer_than(begun)) {
                self.entries.remove(&path);
            }
        }
        different.extend(gone);
        self.is_listed = true;
        self.doubt = self.doubt.filter(|doubt| *doubt > begun.0);
        different
    }

    /// The paths of the entries of this owner.
    pub(super) fn owned_by(&self, owner: &Owner) -> Vec<String> {
        self.entries.owned_by(owner)
    }

    /// The known tenants and agents with their owners.
    pub(super) fn owners(&self) -> BTreeMap<String, Option<Owner>> {
        let known = self.entries.iter().filter(|(path, _)| is_listed_path(path));
        let known = known.filter_map(|(path, entry)| match &entry.held {
            Observed::Known(held) => Some((path.to_string(), held.owner.clone())),
            Observed::Unknown => None,
        });
        known.collect()
    }
}

impl Entry {
    const fn is_newer_than(&self, listing: ListingTicket) -> bool {
        self.is_in_flight || self.sequence > listing.0
    }

    /// Whether the listing shows what the record says. A relay that lists neither owners nor
    /// digests only confirms that there is an entry.
    fn agrees_with(&self, found: &Held) -> bool {
        match &self.held {
            Observed::Known(held) => {
                found.digest.is_none() || (held.owner == found.owner && held.digest == found.digest)
            }
            Observed::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests;
