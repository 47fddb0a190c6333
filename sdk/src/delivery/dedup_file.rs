//! Persists the dedup table: a file with a line `<until> <id> <from>` per message.
//!
//! A line is written when the application acknowledges the message, and is on disk before the relay
//! is told. So no message appears twice, also after a power loss, unless its acknowledgement did
//! not reach the relay.

use std::fs::File;
use std::path::PathBuf;

use protocol::UnixSeconds;

use crate::line_file::{LineFile, PendingRewrite, UnsyncedLines};
use crate::state_machine::{DedupTable, MessageKey};

pub(crate) struct DedupFile(LineFile);

impl DedupFile {
    /// Opens the file and fills the empty table with the entries that have not expired.
    pub(crate) fn open(
        path: PathBuf,
        now: UnixSeconds,
        mut table: DedupTable,
    ) -> std::io::Result<(Self, DedupTable)> {
        let (mut file, text) = LineFile::open(path)?;
        let entries = text.lines().filter_map(parse).filter(|(_, until)| *until >= now);
        entries.for_each(|(key, until)| table.insert(key, until, now));
        file.rewrite(table.entries().map(|(key, until)| line(key, until)))?;
        Ok((Self(file), table))
    }

    pub(crate) fn append(&mut self, key: &MessageKey, until: UnixSeconds) -> std::io::Result<()> {
        self.0.append(&line(key, until))
    }

    /// Begins to write the table again, if a sync failed, or if the file has as many dead lines as
    /// the table may have entries.
    pub(crate) fn begin_rewrite(&mut self, table: &DedupTable) -> Option<PendingRewrite> {
        if !self.0.needs_rewrite(table.len(), table.entries_max()) {
            return None;
        }
        let entries: Vec<_> = table.entries().map(|(key, until)| (key.clone(), until)).collect();
        Some(self.0.begin_rewrite(entries.into_iter().map(|(key, until)| line(&key, until))))
    }

    pub(crate) fn finish_rewrite(&mut self, written: std::io::Result<File>) -> std::io::Result<()> {
        self.0.finish_rewrite(written)
    }

    pub(crate) fn can_sync(&self) -> bool {
        self.0.can_sync()
    }

    /// What to sync, if lines were appended since the last time.
    pub(crate) fn unsynced(&mut self) -> std::io::Result<Option<UnsyncedLines>> {
        self.0.unsynced()
    }

    /// What to sync for a caller of its own, whoever else syncs the file.
    #[cfg(feature = "direct")]
    pub(crate) fn to_sync(&self) -> std::io::Result<UnsyncedLines> {
        self.0.to_sync()
    }

    pub(crate) fn on_sync_failed(&mut self) {
        self.0.on_sync_failed();
    }

    /// Lets every write fail, as on a full disk.
    #[cfg(test)]
    pub(crate) fn break_for_test(&mut self) {
        self.0.break_for_test();
    }
}

fn line((from, id): &MessageKey, until: UnixSeconds) -> String {
    format!("{until} {id} {from}\n")
}

fn parse(line: &str) -> Option<(MessageKey, UnixSeconds)> {
    let mut words = line.split(' ');
    let (until, id, from) = (words.next()?, words.next()?, words.next()?);
    Some(((from.parse().ok()?, id.parse().ok()?), until.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;

    use protocol::envelope::MessageId;

    use super::*;

    fn open(path: &Path, now: UnixSeconds) -> (DedupFile, DedupTable) {
        DedupFile::open(path.to_owned(), now, DedupTable::with_entries_max(3)).unwrap()
    }

    fn key(n: u64) -> MessageKey {
        ("did:wba:localhost:agent:bob".parse().unwrap(), MessageId::new(n, [0; 10]))
    }

    #[test]
    fn processed_messages_are_remembered_across_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processed");
        let (mut file, table) = open(&path, 10);
        assert_eq!(table.len(), 0);
        file.append(&key(1), 100).unwrap();
        file.append(&key(2), 15).unwrap();
        drop(file);
        let (_, table) = open(&path, 20);
        assert!(table.contains(&key(1)));
        assert!(!table.contains(&key(2)), "expired");
    }

    #[test]
    fn a_torn_last_line_is_no_message_of_another_agent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processed");
        let (mut file, _) = open(&path, 10);
        file.append(&key(1), 100).unwrap();
        drop(file);
        let torn = line(&key(2), 100).replace("bob\n", "bo");
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(torn.as_bytes()).unwrap();
        let (mut file, table) = open(&path, 20);
        assert_eq!(table.len(), 1);
        file.append(&key(2), 100).unwrap();
        drop(file);
        let (_, table) = open(&path, 20);
        assert!(table.contains(&key(1)) && table.contains(&key(2)));
    }

    #[test]
    fn dead_lines_are_compacted_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processed");
        let (mut file, mut table) = open(&path, 10);
        table.insert(key(1), 100, 10);
        for _ in 0..=table.entries_max() {
            assert!(file.begin_rewrite(&table).is_none());
            file.append(&key(1), 100).unwrap();
        }
        file.append(&key(1), 100).unwrap();
        let rewrite = file.begin_rewrite(&table).unwrap();
        file.append(&key(2), 100).unwrap();
        file.finish_rewrite(rewrite.write()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        let (_, table) = open(&path, 20);
        assert!(table.contains(&key(1)) && table.contains(&key(2)));
    }
}
