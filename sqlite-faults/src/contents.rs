//! The contents of one file: what is on the disk for certain, and the changes since the last sync.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Contents {
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    /// The file was deleted. Until something is synced, a power loss may bring it back.
    deleted: bool,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Contents {
    pub(crate) const fn existing(synced: Vec<u8>) -> Self {
        Self { synced, unsynced: Vec::new(), deleted: false }
    }

    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.unsynced.push(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(crate) fn resize(&mut self, bytes: usize) {
        self.unsynced.push(Change::Resize(bytes));
    }

    pub(crate) fn delete(&mut self) {
        self.unsynced.clear();
        self.deleted = true;
    }

    pub(crate) const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// The file is opened. If it was deleted, it is another one now.
    pub(crate) fn open(&mut self) {
        if self.deleted {
            *self = Self::default();
        }
    }

    pub(crate) fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            change.apply(&mut self.synced);
        }
    }

    /// A sync that fails: the operating system forgets which pages were not written, so a later
    /// sync does not write them. Some of the changes are on the disk, and the others never will be.
    pub(crate) fn fail_sync(&mut self, rng: &mut StdRng) {
        for change in std::mem::take(&mut self.unsynced) {
            change.apply_in_part(&mut self.synced, rng);
        }
    }

    /// What is on the disk after a power loss. `None` if the file is gone.
    pub(crate) fn remains(&self, rng: &mut StdRng) -> Option<Vec<u8>> {
        if self.deleted && rng.random_bool(0.5) {
            return None;
        }
        let mut bytes = self.synced.clone();
        for change in &self.unsynced {
            change.apply_in_part(&mut bytes, rng);
        }
        Some(bytes)
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(to, *offset, bytes),
            Self::Resize(bytes) => to.resize(*bytes, 0),
        }
    }

    /// Applies the change, none of it, or some of its sectors.
    fn apply_in_part(&self, to: &mut Vec<u8>, rng: &mut StdRng) {
        match (rng.random_range(0..3), self) {
            (0, _) => {}
            (1, Self::Write { offset, bytes }) => {
                for (index, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                    if rng.random_bool(0.5) {
                        put(to, offset + index * SECTOR_BYTES, sector);
                    }
                }
            }
            _ => self.apply(to),
        }
    }
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    if let Some(place) = to.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn only_what_was_synced_is_certain() {
        let mut found = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut file = Contents::default();
            file.write(0, b"first");
            file.sync();
            file.write(5, b" second");
            found.insert(file.remains(&mut StdRng::seed_from_u64(seed)).unwrap());
        }
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [b"first".to_vec(), b"first second".to_vec()]);
    }

    #[test]
    fn a_torn_write_loses_single_sectors() {
        let (mut file, bytes) = (Contents::default(), vec![7; SECTOR_BYTES * 8]);
        file.write(0, &bytes);
        let torn = (0..50).any(|seed| {
            let remains = file.remains(&mut StdRng::seed_from_u64(seed)).unwrap();
            remains.contains(&0) && remains.contains(&7)
        });
        assert!(torn);
    }

    #[test]
    fn what_a_failed_sync_did_not_write_is_not_written_by_the_next() {
        let lost = (0..50).any(|seed| {
            let (mut file, mut rng) = (Contents::default(), StdRng::seed_from_u64(seed));
            file.write(0, b"x");
            file.fail_sync(&mut rng);
            file.sync();
            file.remains(&mut rng).unwrap().is_empty()
        });
        assert!(lost);
    }

    #[test]
    fn a_deleted_file_may_come_back_until_another_one_takes_its_name() {
        let mut file = Contents::existing(b"old".to_vec());
        file.delete();
        let found: Vec<_> = (0..20).map(|seed| file.remains(&mut StdRng::seed_from_u64(seed))).collect();
        assert!(found.contains(&None) && found.contains(&Some(b"old".to_vec())));
        file.open();
        assert_eq!(file.remains(&mut StdRng::seed_from_u64(0)), Some(Vec::new()));
    }
}
