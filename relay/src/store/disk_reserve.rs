//! Keeps bytes of the volume for what must be written on a full disk: changes of the directory, and
//! removals from the mailbox, which make room.
//!
//! The bytes are a file that is deleted when a write finds the disk full. From then on no messages
//! and no registrations are stored, until the file could be written again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

/// Name of the file below the data folder.
const FILE: &str = "reserve";
/// Bytes of the mailbox's write-ahead log at which the writer restarts it, see
/// `message_store::write_ahead_log`. It is small beside a volume, and restarted a few times a
/// second at most.
const LOG_BYTES_MAX: u64 = 32 << 20;
/// Parts of the volume of which the log is one.
const LOGS_PER_VOLUME: u64 = 32;
/// The reserve holds what the database grows by when the whole log is copied into it, and the log
/// that removals write after that.
const LOGS_PER_RESERVE: u64 = 2;

/// Of what the log and the reserve leave, the bodies of messages get one part in this number. A
/// body a little larger than a page of SQLite's takes two, so it may need twice its size.
const BODIES_PER_ROOM: u64 = 2;
/// Bytes of a message's row beside its body: two DIDs, numbers, and its place in the tree. The half
/// of the room that bodies may leave holds the rows.
const ROW_BYTES: u64 = 512;

/// How the bytes of a volume are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumePlan {
    /// The write-ahead log of the mailbox.
    pub log_bytes: u64,
    pub reserve_bytes: u64,
    /// Bytes of a volume with messages that must be free to store another one: for the database to
    /// grow when the log is copied into it.
    pub free_bytes: u64,
    /// Bytes of messages that the volume holds for certain.
    pub mailbox_bytes: u64,
    /// Messages and notices that the volume holds for certain.
    pub mailbox_messages: u64,
}

impl VolumePlan {
    /// The plan for a volume of this size.
    #[must_use]
    pub const fn new(volume_bytes: u64) -> Self {
        let share = volume_bytes / LOGS_PER_VOLUME;
        let log_bytes = if share < LOG_BYTES_MAX { share } else { LOG_BYTES_MAX };
        let (reserve_bytes, free_bytes) = (log_bytes * LOGS_PER_RESERVE, log_bytes);
        // The log is a file of the volume, too.
        let room = volume_bytes - log_bytes - reserve_bytes - free_bytes;
        let mailbox_bytes = room / BODIES_PER_ROOM;
        let mailbox_messages = (room - mailbox_bytes) / ROW_BYTES;
        Self { log_bytes, reserve_bytes, free_bytes, mailbox_bytes, mailbox_messages }
    }
}

#[derive(Debug)]
pub struct DiskReserve {
    folder: PathBuf,
    plan: VolumePlan,
    held: AtomicBool,
    /// Free bytes when they were last read.
    free_bytes: AtomicU64,
}

impl DiskReserve {
    /// Takes the reserve of the volume that holds this folder, if it has the room.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        let (total, free) = size(folder).unwrap_or((u64::MAX, u64::MAX));
        let plan = VolumePlan::new(total);
        let reserve =
            Self { folder: folder.to_owned(), plan, held: AtomicBool::new(false), free_bytes: free.into() };
        let exists = reserve.path().metadata().is_ok_and(|file| file.len() == plan.reserve_bytes);
        reserve.held.store(exists, Ordering::Relaxed);
        if !exists && !reserve.take() {
            tracing::warn!(
                free,
                "the volume of the data folder has no room for the reserve of {} bytes; messages are refused",
                plan.reserve_bytes
            );
        }
        reserve
    }

    #[must_use]
    pub const fn plan(&self) -> VolumePlan {
        self.plan
    }

    /// Whether messages and registrations may be stored.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.is_held() && self.read_free_bytes() >= self.plan.free_bytes
    }

    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// Free bytes of the volume when they were last read.
    #[must_use]
    pub fn last_free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// Frees the bytes. False if they were free already.
    pub fn release(&self) -> bool {
        if !self.held.swap(false, Ordering::Relaxed) {
            return false;
        }
        match std::fs::remove_file(self.path()) {
            Ok(()) => {
                tracing::error!("the disk is full; the reserve is in use, and messages are refused");
                true
            }
            Err(error) => {
                tracing::error!(%error, "failed to free the reserve of the disk");
                false
            }
        }
    }

    /// Takes the bytes again if there is room for them and for messages. True if they are held.
    pub fn take(&self) -> bool {
        if self.is_held() {
            return true;
        }
        let needed = self.plan.reserve_bytes.saturating_add(self.plan.free_bytes);
        if self.read_free_bytes() < needed {
            return false;
        }
        let written = self.write_file();
        if let Err(error) = &written {
            tracing::warn!(%error, "failed to write the reserve of the disk");
            // What was written of it must not fill the disk.
            let _ = std::fs::remove_file(self.path());
        }
        self.held.store(written.is_ok(), Ordering::Relaxed);
        written.is_ok()
    }

    fn write_file(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(self.path())?;
        match fallocate(&file, FallocateFlags::empty(), 0, self.plan.reserve_bytes) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP) => write_zeros(&mut file, self.plan.reserve_bytes),
            Err(error) => Err(error.into()),
        }
    }

    /// Unknown counts as enough: a full disk then shows itself by a failed write.
    fn read_free_bytes(&self) -> u64 {
        let free = size(&self.folder).map_or(u64::MAX, |(_, free)| free);
        self.free_bytes.store(free, Ordering::Relaxed);
        free
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }
}

/// The bytes of the volume, and those that are free for us. A file system that reports no blocks at
/// all does not know its size.
fn size(folder: &Path) -> Option<(u64, u64)> {
    let volume = statvfs(folder).ok().filter(|volume| volume.f_blocks > 0)?;
    Some((volume.f_blocks.saturating_mul(volume.f_frsize), volume.f_bavail.saturating_mul(volume.f_frsize)))
}

fn write_zeros(file: &mut File, bytes: u64) -> io::Result<()> {
    let block = [0; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(block.len()).min(block.len());
        file.write_all(block.get(..count).unwrap_or(&block))?;
        left -= count as u64;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_volume_keeps_a_sixteenth_and_a_large_one_64_mebibytes() {
        let (small, large) = (VolumePlan::new(256 << 20), VolumePlan::new(1 << 40));
        assert_eq!((small.log_bytes, small.reserve_bytes), (8 << 20, 16 << 20));
        assert_eq!((large.log_bytes, large.reserve_bytes), (32 << 20, 64 << 20));
    }

    #[test]
    fn what_the_mailboxes_may_hold_fits_the_volume_with_its_log_and_reserve() {
        for volume in [0, 1 << 20, 256 << 20, 1 << 30, 1 << 40, u64::MAX] {
            let plan = VolumePlan::new(volume);
            let kept = plan.log_bytes + plan.reserve_bytes + plan.free_bytes;
            let rows = u128::from(plan.mailbox_messages) * u128::from(ROW_BYTES);
            let used = u128::from(kept) + u128::from(plan.mailbox_bytes) + rows;
            assert!(used <= u128::from(volume), "{plan:?}");
        }
        assert_eq!(VolumePlan::new(1 << 30).mailbox_bytes, 448 << 20);
        assert_eq!(VolumePlan::new(1 << 30).mailbox_messages, 917_504);
    }

    #[test]
    fn the_reserve_is_released_once_and_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = DiskReserve::open(folder.path());
        assert!(reserve.has_room());
        let file = folder.path().join(FILE);
        assert_eq!(file.metadata().unwrap().len(), reserve.plan().reserve_bytes);
        assert!(reserve.release());
        assert!(!reserve.release());
        assert!(!file.exists() && !reserve.has_room());
        assert!(reserve.take() && reserve.has_room());
        drop(reserve);
        assert!(DiskReserve::open(folder.path()).is_held());
    }
}
