//! The memory of processed messages on disk: an append-only text file, `<until> <id> <from>` a line.
//!
//! Written before the acknowledgement leaves, without fsync: after a crash of the process nothing is shown twice; after a
//! crash of the machine the last messages may be. A torn last line is skipped.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use protocol::UnixSeconds;

use super::seen::Key;
use super::seen::{SEEN_MAX, Seen};

/// Lines beyond the live entries that trigger a compaction: the file stays below twice its useful size.
const DEAD_LINES_MAX: usize = SEEN_MAX;

pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl Journal {
    /// Opens the file and reads what is still worth remembering.
    pub(crate) fn open(path: PathBuf, now: UnixSeconds) -> std::io::Result<(Self, Seen)> {
        let mut seen = Seen::new();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(e),
        };
        let entries = text.lines().filter_map(parse).filter(|(_, until)| *until >= now);
        entries.for_each(|(key, until)| seen.insert(key, until, now));
        let file = rewrite(&path, &seen)?;
        let lines = seen.len();
        Ok((Self { path, file, lines }, seen))
    }

    pub(crate) fn append(&mut self, (from, id): &Key, until: UnixSeconds) -> std::io::Result<()> {
        self.file.write_all(format!("{until} {id} {from}\n").as_bytes())?;
        self.lines += 1;
        Ok(())
    }

    /// Rewrites the file when most of it is of no use any more.
    pub(crate) fn compact(&mut self, seen: &Seen) -> std::io::Result<()> {
        if self.lines > seen.len() + DEAD_LINES_MAX {
            self.file = rewrite(&self.path, seen)?;
            self.lines = seen.len();
        }
        Ok(())
    }
}

fn parse(line: &str) -> Option<(Key, UnixSeconds)> {
    let mut words = line.split(' ');
    let (until, id, from) = (words.next()?, words.next()?, words.next()?);
    Some(((from.parse().ok()?, id.parse().ok()?), until.parse().ok()?))
}

/// Writes the live entries into a new file, puts it in place, and leaves it open for appending.
fn rewrite(path: &Path, seen: &Seen) -> std::io::Result<File> {
    let temporary = path.with_extension("new");
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    let mut writer = BufWriter::new(file);
    for ((from, id), until) in seen.entries() {
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

    fn key(n: u64) -> Key {
        ("did:wba:localhost:agent:bob".parse().unwrap(), MessageId::new(n, [0; 10]))
    }

    #[test]
    fn what_was_processed_is_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processed");
        let (mut journal, seen) = Journal::open(path.clone(), 10).unwrap();
        assert_eq!(seen.len(), 0);
        journal.append(&key(1), 100).unwrap();
        journal.append(&key(2), 15).unwrap();
        drop(journal);
        let (_, seen) = Journal::open(path, 20).unwrap();
        assert!(seen.contains(&key(1)));
        assert!(!seen.contains(&key(2)), "expired");
    }

    #[test]
    fn a_torn_last_line_is_skipped_and_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processed");
        let (mut journal, _) = Journal::open(path.clone(), 10).unwrap();
        journal.append(&key(1), 100).unwrap();
        journal.file.write_all(b"100 0190").unwrap();
        drop(journal);
        let (mut journal, _) = Journal::open(path.clone(), 20).unwrap();
        journal.append(&key(2), 100).unwrap();
        drop(journal);
        let (_, seen) = Journal::open(path, 20).unwrap();
        assert!(seen.contains(&key(1)) && seen.contains(&key(2)));
    }

    #[test]
    fn dead_lines_are_dropped_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("processed");
        let (mut journal, mut seen) = Journal::open(path.clone(), 10).unwrap();
        seen.insert(key(1), 100, 10);
        for _ in 0..=DEAD_LINES_MAX + 1 {
            journal.append(&key(1), 100).unwrap();
        }
        journal.compact(&seen).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
        journal.append(&key(2), 100).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    }
}
