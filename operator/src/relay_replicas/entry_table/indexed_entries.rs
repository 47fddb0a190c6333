//! The entries of one store by path, with an index by owner. No lookup reads all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use protocol::admin::Owner;

use super::{Entry, Held};
use crate::observed::Observed;
use crate::relay_replicas::entry_path::places_removed_with;

#[derive(Debug, Default)]
pub(super) struct IndexedEntries {
    by_path: BTreeMap<Arc<str>, Entry>,
    /// The paths of the entries whose owner is known.
    by_owner: BTreeSet<(Owner, Arc<str>)>,
}

impl IndexedEntries {
    pub(super) fn len(&self) -> usize {
        self.by_path.len()
    }

    pub(super) fn get(&self, path: &str) -> Option<&Entry> {
        self.by_path.get(path)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        self.by_path.iter()
    }

    pub(super) fn insert(&mut self, path: &str, entry: Entry) {
        let known = self.by_path.get_key_value(path);
        let before = known.and_then(|(_, entry)| owner_of(entry).cloned());
        let path = known.map_or_else(|| path.into(), |(path, _)| Arc::clone(path));
        let after = owner_of(&entry).cloned();
        self.by_path.insert(Arc::clone(&path), entry);
        self.note_owner(path, before, after);
    }

    /// Changes the entry at `path`, if there is one.
    pub(super) fn change(&mut self, path: &str, change: impl FnOnce(&mut Entry)) {
        let Some(path) = self.by_path.get_key_value(path).map(|(path, _)| Arc::clone(path)) else { return };
        let Some(entry) = self.by_path.get_mut(&path) else { return };
        let before = owner_of(entry).cloned();
        change(entry);
        let after = owner_of(entry).cloned();
        self.note_owner(path, before, after);
    }

    pub(super) fn remove(&mut self, path: &str) {
        let Some((path, former)) = self.by_path.remove_entry(path) else { return };
        self.note_owner(path, owner_of(&former).cloned(), None);
    }

    fn note_owner(&mut self, path: Arc<str>, before: Option<Owner>, after: Option<Owner>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.by_owner.remove(&(before, Arc::clone(&path)));
        }
        self.by_owner.extend(after.map(|after| (after, path)));
    }

    /// The paths of the entry at `path` and of what the relay removes with it.
    pub(super) fn removed_with(&self, path: &str) -> Vec<Arc<str>> {
        let below = |place: String| {
            let from = (Bound::Included(place.as_str()), Bound::Unbounded);
            let found = self.by_path.range::<str, _>(from);
            found
                .map(|(path, _)| path)
                .take_while(|path| path.starts_with(&place))
                .cloned()
                .collect::<Vec<_>>()
        };
        let own = self.by_path.get_key_value(path).map(|(path, _)| Arc::clone(path));
        own.into_iter().chain(places_removed_with(path).into_iter().flat_map(below)).collect()
    }

    /// The paths of the entries of this owner.
    pub(super) fn owned_by(&self, owner: &Owner) -> Vec<String> {
        let from = (owner.clone(), Arc::from(""));
        let owned = self.by_owner.range(from..).take_while(|(found, _)| found == owner);
        owned.map(|(_, path)| path.to_string()).collect()
    }
}

fn owner_of(entry: &Entry) -> Option<&Owner> {
    match &entry.held {
        Observed::Known(Held { owner, .. }) => owner.as_ref(),
        Observed::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATHS: [&str; 9] = [
        "/admin/v1/tenants/acme",
        "/admin/v1/tenants/acme/agents/alice",
        "/admin/v1/tenants/acme/agents/alice-2",
        "/admin/v1/tenants/acme/agents/alice/mcp",
        "/admin/v1/tenants/acme/agents/bob",
        "/admin/v1/tenants/acme/invitations/claude",
        "/admin/v1/tenants/acme-2",
        "/admin/v1/tenants/acme-2/agents/alice",
        "/admin/v1/tenants/acme-2/invitations/claude",
    ];

    fn uid(number: u8) -> Owner {
        Owner::Kubernetes(format!("uid-{number}"))
    }

    /// An unknown entry, or one of nobody or of an owner.
    fn entry(owner: Option<Option<u8>>) -> Entry {
        let held = match owner {
            Some(owner) => {
                Observed::Known(Held { owner: owner.map(uid), digest: None, refused_endpoint: None })
            }
            None => Observed::Unknown,
        };
        Entry { held, sequence: 0, is_in_flight: false }
    }

    #[test]
    fn what_is_removed_with_an_agent_or_a_tenant_is_written_again() {
        let mut entries = IndexedEntries::default();
        PATHS.iter().for_each(|path| entries.insert(path, entry(None)));
        let removed_with =
            |path| entries.removed_with(path).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(removed_with(PATHS[1]), [PATHS[1], PATHS[3], PATHS[5]]);
        assert_eq!(removed_with(PATHS[0]), PATHS[..6]);
        assert_eq!(removed_with("/admin/v1/tenants/acm"), Vec::<String>::new());
        assert_eq!(removed_with("/admin/v1/tenants/other/agents/alice"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn the_index_says_what_a_look_at_every_entry_says(
            steps in proptest::collection::vec((0..4, 0..PATHS.len(), proptest::option::of(proptest::option::of(0..3_u8))), 0..40),
        ) {
            let mut entries = IndexedEntries::default();
            for (kind, path, owner) in steps {
                match kind {
                    0 => entries.remove(PATHS[path]),
                    1 => entries.change(PATHS[path], |found| found.held = entry(owner).held),
                    _ => entries.insert(PATHS[path], entry(owner)),
                }
                for number in 0..3 {
                    let owned = entries.iter().filter(|(_, entry)| owner_of(entry) == Some(&uid(number)));
                    let owned: Vec<_> = owned.map(|(path, _)| path.to_string()).collect();
                    prop_assert_eq!(entries.owned_by(&uid(number)), owned);
                }
            }
        }
    }
}
