//! Persists the dedup table: an append-only text file with a line `<until> <id> <from>` per
//! message.
//!
//! A line is written before the acknowledgement is sent, without fsync. After a crash of the
//! process no message appears twice; after a crash of the machine the last ones may. A torn last
//! line is skipped.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use protocol::UnixSeconds;

use super::dedup::{DEDUP_ENTRIES_MAX, DedupTable, MessageKey};

/// Dead lines that trigger a compaction: the file stays below twice its useful size.
const DEAD_LINES_MAX: usize = DEDUP_ENTRIES_MAX;

pub(crate) struct DedupFile {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl DedupFile {
    /// Opens the file and reads the entries that have not expired.
    pub(crate) fn open(path: PathBuf, now: UnixSeconds) -> std::io::Result<(Self, DedupTable)> {
        let mut table = DedupTable::new();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(e),
        };
        let entries = text.lines().filter_map(parse).filter(|(_, until)| *until >= now);
        entries.for_each(|(key, until)| table.insert(key, until, now));
        let file = rewrite(&path, &table)?;
        let lines = table.len();
        Ok((Self { path, file, lines }, table))
    }

    pub(crate) fn append(&mut self, (from, id): &MessageKey, until: UnixSeconds) -> std::io::Result<()> {
        self.file.write_all(format!("{until} {id} {from}\n").as_bytes())?;
        self.lines += 1;
        Ok(())
    }

    /// Rewrites the file when it has too many dead lines.
    pub(crate) fn compact(&mut self, table: &DedupTable) -> std::io::Result<()> {
        if self.lines > table.len() + DEAD_LINES_MAX {
            self.file = rewrite(&self.path, table)?;
            self.lines = table.len();
        }
        Ok(())
    }
}

fn parse(line: &str) -> Option<(MessageKey, UnixSeconds)> {
    let mut words = line.split(' ');
    let (until, id, from) = (words.next()?, words.next()?, words.next()?);
    Some(((from.parse().ok()?, id.parse().ok()?), until.parse().ok()?))
}

/// Replaces the file by one with the live entries only, and opens it for appending.
fn rewrite(path: &Path, table: &DedupTable) -> std::io::Result<File> {
    let temporary = path.with_extension("new");
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    let mut writer = BufWriter::new(file);
    for ((from, id), until) in table.entries() {
        writeln!(writer, "{until} {id} {from}")?;
    }
    writer.flush()?;
    fs::rename(&temporary, path)?;
    OpenOptions::new().append(true).open(path)
}

#[cfg(test)]
mod tests {
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
    fn a_torn_last_line_is_skipped_and_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processed");
        let (mut file, _) = DedupFile::open(path.clone(), 10).unwrap();
        file.append(&key(1), 100).unwrap();
        file.file.write_all(b"100 0190").unwrap();
        drop(file);
        let (mut file, _) = DedupFile::open(path.clone(), 20).unwrap();
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
