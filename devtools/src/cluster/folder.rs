//! Manages the folder of one cluster: its record, its kubeconfig and, for the built-in one, the
//! files of the node.

use std::{
    fs,
    fs::File,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::record::Record;

/// Folder of the demo's cluster, in the repository.
pub const DEMO_FOLDER: &str = ".demo";

/// Name of the file that says what runs.
const RECORD: &str = "cluster.json";

/// Where a cluster lives on this machine. Paths are absolute.
#[derive(Debug, Clone)]
pub struct ClusterFolder {
    root: PathBuf,
}

impl ClusterFolder {
    /// Opens or creates the folder at `root`.
    pub fn at(root: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(root).with_context(|| format!("create {}", root.display()))?;
        let root = root.canonicalize().with_context(|| format!("resolve {}", root.display()))?;
        Ok(Self { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// For people and tools on this machine.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// All that the built-in node writes; deleted by `down`.
    pub fn node(&self) -> PathBuf {
        self.root.join("node")
    }

    /// Component logs of the built-in node.
    pub fn logs(&self) -> PathBuf {
        self.node().join("logs")
    }

    /// One line per stage the starting node has reached.
    pub fn stages(&self) -> PathBuf {
        self.node().join("stages")
    }

    /// Images waiting to be loaded.
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Holds off a second `up` or `down` on the same folder until the returned file is dropped.
    pub fn lock(&self) -> anyhow::Result<File> {
        let file = File::create(self.root.join("lock")).context("create the cluster's lock file")?;
        file.lock().context("lock the cluster's folder")?;
        Ok(file)
    }

    /// What was started here, if anything. A record that cannot be understood, as one of another
    /// version of this program, counts as none, and it prints so on stderr.
    pub fn record(&self) -> anyhow::Result<Option<Record>> {
        let path = self.root.join(RECORD);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        let record = serde_json::from_slice(&text);
        Ok(record.map_err(|error| eprintln!("{} is ignored: {error}", path.display())).ok())
    }

    /// Replaces the record, whole or not at all.
    pub fn write_record(&self, record: &Record) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(record)?;
        let unfinished = self.root.join(RECORD).with_extension("unfinished");
        fs::write(&unfinished, text).context("write the cluster's record")?;
        fs::rename(&unfinished, self.root.join(RECORD)).context("replace the cluster's record")
    }

    /// Forgets the cluster: its record, its kubeconfig and the node's files.
    pub fn clear(&self) -> anyhow::Result<()> {
        for file in [self.root.join(RECORD), self.kubeconfig()] {
            absent_is_fine(fs::remove_file(&file)).with_context(|| format!("delete {}", file.display()))?;
        }
        for folder in [self.node(), self.images()] {
            absent_is_fine(fs::remove_dir_all(&folder))
                .with_context(|| format!("delete {}", folder.display()))?;
        }
        Ok(())
    }
}

/// Writes a file only its owner can read: keys and kubeconfigs.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("create {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_being_written() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = ClusterFolder::at(temporary.path()).unwrap();
        assert_eq!(folder.record().unwrap(), None);
        let record = Record::Kind { name: "msg2agent".into() };
        folder.write_record(&record).unwrap();
        assert_eq!(folder.record().unwrap(), Some(record));
        folder.clear().unwrap();
        assert_eq!(folder.record().unwrap(), None);
    }

    #[test]
    fn a_record_that_was_cut_off_counts_as_none() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = ClusterFolder::at(temporary.path()).unwrap();
        fs::write(folder.root().join(RECORD), "{\"kind\": \"built-in\", \"first\"").unwrap();
        assert_eq!(folder.record().unwrap(), None);
    }

    #[test]
    fn private_files_are_closed_to_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("key");
        write_private(&path, "secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
