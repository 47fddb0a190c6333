//! An append-only text file of lines, which survives a full disk, a crash and a power loss.
//!
//! A line that could not be written whole leaves nothing behind. A torn last line, which a crash
//! can leave, is dropped when the file is opened: nobody was told that it was written. What is
//! appended is durable after [`LineFile::unsynced`] was synced.
//!
//! A long file is replaced by a short one that is written beside it, without the lock of whoever
//! appends: [`LineFile::begin_rewrite`], [`PendingRewrite::write`], [`LineFile::finish_rewrite`].

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::private_file;

/// Lines that are appended after a failed rewrite before the next one, if the old file is whole.
const RETRY_LINES: usize = 1024;

pub(crate) struct LineFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    lines: usize,
    /// Whether lines were appended that nobody has synced.
    dirty: bool,
    /// Whether the file has its name only since a rename that nobody has synced.
    renamed: bool,
    /// Whether a sync failed. The kernel may have dropped what it could not write, so that only a
    /// rewrite makes the lines durable.
    damaged: bool,
    rewrite: Option<RunningRewrite>,
    /// After a rewrite failed: how many lines the file has before the next one.
    next_rewrite_lines: usize,
}

/// A rewrite that has begun.
struct RunningRewrite {
    /// The lines that were appended since.
    appended: String,
    /// The lines of the new file, with those.
    lines: usize,
}

/// The new content of a file, which is written beside it.
pub(crate) struct PendingRewrite {
    temporary: PathBuf,
    lines: Box<dyn Iterator<Item = String> + Send>,
}

impl PendingRewrite {
    /// Writes the new file durably. It blocks for as long as the disk needs.
    pub(crate) fn write(self) -> std::io::Result<File> {
        // An agent that ended may still write to an earlier file of this name.
        match fs::remove_file(&self.temporary) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let file = private_file::options().create_new(true).append(true).open(&self.temporary)?;
        let mut writer = BufWriter::new(file);
        for line in self.lines {
            writer.write_all(line.as_bytes())?;
        }
        let file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(file)
    }
}

/// What makes appended lines durable.
pub(crate) struct UnsyncedLines {
    file: File,
    /// The path, if its name must be made durable too.
    renamed: Option<PathBuf>,
}

impl UnsyncedLines {
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()?;
        self.renamed.as_deref().map_or(Ok(()), private_file::sync_folder_of)
    }
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
        let opened = Self {
            path,
            file,
            bytes,
            lines: text.lines().count(),
            dirty: false,
            renamed: false,
            damaged: false,
            rewrite: None,
            next_rewrite_lines: 0,
        };
        Ok((opened, text))
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
        self.lines += 1;
        self.dirty = true;
        if let Some(rewrite) = &mut self.rewrite {
            rewrite.appended.push_str(line);
            rewrite.lines += 1;
        }
        Ok(())
    }

    /// Whether a sync makes the appended lines durable: no rewrite is running or needed.
    pub(crate) fn can_sync(&self) -> bool {
        !self.damaged && self.rewrite.is_none()
    }

    /// What to sync, if lines were appended since the last time.
    pub(crate) fn unsynced(&mut self) -> std::io::Result<Option<UnsyncedLines>> {
        if !self.dirty {
            return Ok(None);
        }
        let file = self.file.try_clone()?;
        let renamed = self.renamed.then(|| self.path.clone());
        (self.dirty, self.renamed) = (false, false);
        Ok(Some(UnsyncedLines { file, renamed }))
    }

    /// What to sync, whether or not somebody else syncs it.
    #[cfg(feature = "direct")]
    pub(crate) fn to_sync(&self) -> std::io::Result<UnsyncedLines> {
        let renamed = self.renamed.then(|| self.path.clone());
        Ok(UnsyncedLines { file: self.file.try_clone()?, renamed })
    }

    /// Notes that a sync failed.
    pub(crate) fn on_sync_failed(&mut self) {
        self.damaged = true;
    }

    /// Whether the file must be written again: a sync failed, or more than `dead_max` of its lines
    /// are not among the `live` ones.
    pub(crate) fn needs_rewrite(&self, live: usize, dead_max: usize) -> bool {
        let is_long = self.lines > (live + dead_max).max(self.next_rewrite_lines);
        self.rewrite.is_none() && (self.damaged || is_long)
    }

    /// Begins to replace all lines by these. Lines that are appended until it is finished are in
    /// the old file and in the new one.
    pub(crate) fn begin_rewrite(
        &mut self,
        lines: impl ExactSizeIterator<Item = String> + Send + 'static,
    ) -> PendingRewrite {
        self.rewrite = Some(RunningRewrite { appended: String::new(), lines: lines.len() });
        PendingRewrite { temporary: self.path.with_extension("next"), lines: Box::new(lines) }
    }

    /// Puts the new file in the place of the old one. After an error the old one stays in use.
    ///
    /// # Errors
    /// The new file cannot be written, and the old one cannot be made durable.
    pub(crate) fn finish_rewrite(&mut self, written: std::io::Result<File>) -> std::io::Result<()> {
        match self.replace_by(written) {
            Err(error) if !self.damaged => {
                // The lines are all in the old file.
                tracing::warn!(path = %self.path.display(), error = %error, "cannot shorten a file");
                self.next_rewrite_lines = self.lines + RETRY_LINES;
                Ok(())
            }
            finished => finished,
        }
    }

    /// Replaces all lines at once, durably.
    ///
    /// # Errors
    /// The new lines may not be in the file.
    pub(crate) fn rewrite(&mut self, lines: impl Iterator<Item = String>) -> std::io::Result<()> {
        let lines: Vec<String> = lines.collect();
        let written = self.begin_rewrite(lines.into_iter()).write();
        self.replace_by(written)?;
        self.unsynced()?.map_or(Ok(()), |unsynced| unsynced.sync())
    }

    fn replace_by(&mut self, written: std::io::Result<File>) -> std::io::Result<()> {
        let Some(RunningRewrite { appended, lines }) = self.rewrite.take() else { return Ok(()) };
        let mut file = written?;
        file.write_all(appended.as_bytes())?;
        let bytes = file.metadata()?.len();
        fs::rename(self.path.with_extension("next"), &self.path)?;
        (self.file, self.bytes, self.lines) = (file, bytes, lines);
        (self.dirty, self.renamed, self.damaged) = (true, true, false);
        Ok(())
    }

    /// Appends one line and makes it durable.
    pub(crate) fn append_durably(&mut self, line: &str) -> std::io::Result<()> {
        self.append(line)?;
        self.file.sync_data()?;
        self.dirty = false;
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

#[cfg(test)]
mod tests;
