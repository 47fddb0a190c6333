//! Persists the dedup table: a file with a line `<until> <id> <from>` per message.
//!
//! A line is written when the application acknowledges the message, and is on disk before the relay
//! is told. So no message appears twice, also after a power loss, unless its acknowledgement did
//! not reach the relay.

use std::fs::File;
use std::path::PathBuf;

use protocol::UnixSeconds;

use crate::line_file::LineFile;
use crate::state_machine::{DEDUP_ENTRIES_MAX, DedupTable, MessageKey};

/// Dead lines that trigger a compaction: the file stays below twice its useful size.
const DEAD_LINES_MAX: usize = DEDUP_ENTRIES_MAX;

pub(crate) struct DedupFile {
    file: LineFile,
    lines: usize,
}

impl DedupFile {
    /// Opens the file and reads the entries that have not expired.
    pub(crate) fn open(path: PathBuf, now: UnixSeconds) -> std::io::Result<(Self, DedupTable)> {
        let (mut file, text) = LineFile::open(path)?;
        let mut table = DedupTable::new();
        let entries = text.lines().filter_map(parse).filter(|(_, until)| *until >= now);
        entries.for_each(|(key, until)| table.insert(key, until, now));
        file.rewrite(lines(&table))?;
        let lines = table.len();
        Ok((Self { file, lines }, table))
    }

    pub(crate) fn append(&mut self, key: &MessageKey, until: UnixSeconds) -> std::io::Result<()> {
        self.file.append(&line(key, until))?;
        self.lines += 1;
        Ok(())
    }

    /// Rewrites the file when it has too many dead lines.
    pub(crate) fn compact(&mut self, table: &DedupTable) -> std::io::Result<()> {
        if self.lines > table.len() + DEAD_LINES_MAX { self.rewrite(table) } else { Ok(()) }
    }

    /// Writes the whole table again, durably.
    pub(crate) fn rewrite(&mut self, table: &DedupTable) -> std::io::Result<()> {
        self.file.rewrite(lines(table))?;
        self.lines = table.len();
        Ok(())
    }

    /// A handle to sync, if lines were appended since the last one.
    pub(crate) fn unsynced(&mut self) -> std::io::Result<Option<File>> {
        self.file.unsynced()
    }

    /// Lets every write fail, as on a full disk.
    #[cfg(test)]
    pub(crate) fn break_for_test(&mut self) {
        self.file.break_for_test();
    }
}

fn line((from, id): &MessageKey, until: UnixSeconds) -> String {
    format!("{until} {id} {from}\n")
}

fn lines(table: &DedupTable) -> impl Iterator<Item = String> {
    table.entries().map(|(key, until)| line(key, until))
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

    use protocol::envelope::MessageId;

    use super::*;

    fn key(n: u64) -> MessageKey {
        ("did:wba:localhost:agent:bob".parse().unwrap(), MessageId::new(n, [0; 10]))
    }

    #[test]
    fn processed_messages_are_remembered_across_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processed");
        let (mut file, table) = DedupFile::open(path.clone(), 10).unwrap();
        assert_eq!(table.len(), 0);
        file.append(&key(1), 100).unwrap();
        file.append(&key(2), 15).unwrap();
        drop(file);
        let (_, table) = DedupFile::open(path, 20).unwrap();
        assert!(table.contains(&key(1)));
        assert!(!table.contains(&key(2)), "expired");
    }

    #[test]
    fn a_torn_last_line_is_no_message_of_another_agent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processed");
        let (mut file, _) = DedupFile::open(path.clone(), 10).unwrap();
        file.append(&key(1), 100).unwrap();
        drop(file);
        let torn = line(&key(2), 100).replace("bob\n", "bo");
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(torn.as_bytes()).unwrap();
        let (mut file, table) = DedupFile::open(path.clone(), 20).unwrap();
        assert_eq!(table.len(), 1);
        file.append(&key(2), 100).unwrap();
        drop(file);
        let (_, table) = DedupFile::open(path, 20).unwrap();
        assert!(table.contains(&key(1)) && table.contains(&key(2)));
    }

    #[test]
    fn dead_lines_are_compacted_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processed");
        let (mut file, mut table) = DedupFile::open(path.clone(), 10).unwrap();
        table.insert(key(1), 100, 10);
        for _ in 0..=DEAD_LINES_MAX + 1 {
            file.append(&key(1), 100).unwrap();
        }
        file.compact(&table).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
        file.append(&key(2), 100).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    }
}
