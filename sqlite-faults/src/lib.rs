//! A disk under SQLite that loses power, fills, fails and hangs, for tests.
//!
//! [`Disk::mount`] puts it under all database files of a folder. SQLite's own file system still
//! keeps their locks, shared memory and contents; this layer between the two remembers what was
//! synced, and refuses or holds up operations. After a power loss, of what was not synced any part
//! may be on the disk, down to single sectors: [`Disk::write_remains`].
//!
//! Nothing is synced to the real disk, so a test runs fast. Other folders are not touched.

mod contents;
mod disk;
mod folders;
mod shared_disk;
mod vfs;

pub use disk::Disk;
pub use shared_disk::{Fault, Hanging};
