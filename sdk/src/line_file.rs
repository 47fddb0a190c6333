//! An append-only text file of lines, which survives a full disk, a crash and a power loss.
//!
//! A line that could not be written whole leaves nothing behind. A torn last line, which a crash
//! can leave, is dropped when the file is opened: nobody was told that it was written. What is
//! appended is durable after [`LineFile::unsynced`] was synced.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::private_file;

pub(crate) struct LineFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// Whether lines were appended that nobody has synced.
    dirty: bool,
}

impl LineFile {
    /// Opens or creates the file, and returns its whole lines.
    pub(crate) fn open(path: PathBuf) -> std::io::Result<(Self, String)> {
        let text = read(&path)?;
        let file = private_file::options().create(true).append(true).open(&path)?;
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if file.metadata()?.len() > bytes {
            file.set_len(bytes)?;
        }
        Ok((Self { path, file, bytes, dirty: false }, text))
    }

    /// Appends one line, which includes its line break. After an error the file is as before.
    pub(crate) fn append(&mut self, line: &str) -> std::io::Result<()> {
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // If this fails too, the next start drops the torn line, or the next append joins it
            // into one line that nobody can read.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.dirty = true;
        Ok(())
    }

    /// A handle to sync, if lines were appended since the last one.
    pub(crate) fn unsynced(&mut self) -> std::io::Result<Option<File>> {
        if !self.dirty {
            return Ok(None);
        }
        let file = self.file.try_clone()?;
        self.dirty = false;
        Ok(Some(file))
    }

    /// Notes that a sync failed. The kernel may have dropped what it could not write, so that only
    /// a rewrite makes the lines durable.
    pub(crate) fn on_sync_failed(&mut self) {
        self.dirty = true;
    }

    /// Appends one line and makes it durable.
    pub(crate) fn append_durably(&mut self, line: &str) -> std::io::Result<()> {
        self.append(line)?;
        self.file.sync_data()?;
        self.dirty = false;
        Ok(())
    }

    /// Replaces all lines, durably.
    pub(crate) fn rewrite(&mut self, lines: impl Iterator<Item = String>) -> std::io::Result<()> {
        let temporary = self.path.with_extension("new");
        let bytes = write_all(&temporary, lines)?;
        fs::rename(&temporary, &self.path)?;
        private_file::sync_folder_of(&self.path)?;
        self.file = private_file::options().append(true).open(&self.path)?;
        (self.bytes, self.dirty) = (bytes, false);
        Ok(())
    }

    /// Lets every write fail, as on a full disk.
    #[cfg(test)]
    pub(crate) fn break_for_test(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }
}

/// Reads the whole lines of a file. A missing file holds none.
pub(crate) fn read(path: &Path) -> std::io::Result<String> {
    let mut text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e),
    };
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text.truncate(whole);
    Ok(text)
}

/// Writes a file and syncs it; returns its length.
fn write_all(path: &Path, lines: impl Iterator<Item = String>) -> std::io::Result<u64> {
    let file = private_file::options().create(true).truncate(true).write(true).open(path)?;
    let mut writer = BufWriter::new(file);
    for line in lines {
        writer.write_all(line.as_bytes())?;
    }
    writer.flush()?;
    writer.get_ref().sync_all()?;
    Ok(writer.get_ref().metadata()?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> (LineFile, String) {
        LineFile::open(path.into()).unwrap()
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        fs::write(&path, "one\ntwo\nthr").unwrap();
        let (mut file, text) = open(&path);
        assert_eq!(text, "one\ntwo\n");
        file.append("four\n").unwrap();
        assert_eq!(open(&path).1, "one\ntwo\nfour\n");
    }

    #[test]
    fn a_line_that_could_not_be_written_whole_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let (mut file, _) = open(&path);
        file.append("one\n").unwrap();
        // As a full disk does: some bytes are written, and then the write fails.
        let writable = std::mem::replace(&mut file.file, File::open(&path).unwrap());
        fs::write(&path, "one\ntw").unwrap();
        assert!(file.append("two\n").is_err());
        file.file = writable;
        file.file.set_len(file.bytes).unwrap();
        file.append("three\n").unwrap();
        assert_eq!(open(&path).1, "one\nthree\n");
    }

    #[test]
    fn what_was_appended_is_synced_once() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, _) = open(&folder.path().join("lines"));
        assert!(file.unsynced().unwrap().is_none());
        file.append("one\n").unwrap();
        assert!(file.unsynced().unwrap().is_some());
        assert!(file.unsynced().unwrap().is_none());
        file.on_sync_failed();
        assert!(file.unsynced().unwrap().is_some());
    }

    #[test]
    fn a_rewritten_file_takes_further_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let (mut file, _) = open(&path);
        file.append("one\n").unwrap();
        file.rewrite(std::iter::once("two\n".to_owned())).unwrap();
        file.append("three\n").unwrap();
        assert_eq!(open(&path).1, "two\nthree\n");
    }
}
