//! Settings and rows for the tests of the message store and its users.

use std::path::Path;
use std::sync::Arc;

use super::MessageStoreSettings;
use crate::store::DiskReserve;

/// A store in this folder with a write-ahead log of at most 1 MiB.
pub(crate) fn settings(folder: &Path) -> MessageStoreSettings {
    MessageStoreSettings {
        path: folder.join("mailbox.db"),
        former_path: folder.join("relay.db"),
        reserve: Arc::new(DiskReserve::open(folder)),
        log_bytes_max: 1 << 20,
        remembered_max: 1_000,
    }
}
