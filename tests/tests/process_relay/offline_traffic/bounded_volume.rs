//! A small file system for the data folder of a relay, in a mount namespace of the test.

use std::path::{Path, PathBuf};

use devtools::command::run;
use msg2agent_tests::own_namespaces;

/// What this user may mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    /// On a file of this machine: it has a journal, blocks that are kept for root, and an fsync.
    Ext4,
    /// In memory: all that a user without loop devices may mount.
    Memory,
}

pub(crate) struct BoundedVolume {
    folder: tempfile::TempDir,
    pub(crate) file_system: FileSystem,
}

impl BoundedVolume {
    /// Runs the test with this full name again in a mount namespace, where it gets the volume.
    /// Outside it returns `None` when that run has passed.
    pub(crate) fn enter(test: &str, bytes: u64) -> Option<Self> {
        let namespaces = ["--mount", "--propagation=private"];
        if !own_namespaces::enter(test, &namespaces).unwrap() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("volume")).unwrap();
        let file_system = mount_ext4(folder.path(), bytes).map_or_else(
            |reason| {
                println!("no ext4 here ({reason:#}), so the volume is in memory");
                mount_memory(folder.path(), bytes);
                FileSystem::Memory
            },
            |()| FileSystem::Ext4,
        );
        Some(Self { folder, file_system })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("volume")
    }

    /// Writes a file until nothing is left, as another program on the volume would.
    pub(crate) fn fill(&self) {
        let (mut file, block) = (std::fs::File::create(self.path().join("filler")).unwrap(), [1; 64 * 1024]);
        let error = loop {
            if let Err(error) = std::io::Write::write_all(&mut file, &block) {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        file.sync_all().unwrap();
    }
}

impl Drop for BoundedVolume {
    fn drop(&mut self) {
        // Without it the folder could not be deleted; the namespace ends with this process.
        let _ = run("umount", ["--lazy".as_ref(), self.path().as_os_str()]);
    }
}

fn mount_ext4(folder: &Path, bytes: u64) -> anyhow::Result<()> {
    let (image, volume) = (folder.join("image"), folder.join("volume"));
    std::fs::File::create(&image)?.set_len(bytes)?;
    run("mkfs.ext4", ["-q".as_ref(), "-F".as_ref(), image.as_os_str()])?;
    run("mount", ["-o".as_ref(), "loop".as_ref(), image.as_os_str(), volume.as_os_str()])?;
    Ok(())
}

fn mount_memory(folder: &Path, bytes: u64) {
    let (size, volume) = (format!("size={bytes}"), folder.join("volume"));
    let arguments = ["-t", "tmpfs", "-o", &size, "tmpfs"].map(AsRef::as_ref);
    run("mount", arguments.into_iter().chain([volume.as_os_str()])).unwrap();
}
