//! Settings and rows for the tests of the message store and its users.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{MessageStoreSettings, PAGE_BYTES};
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

/// The last connection copies the log into the file when it closes. This is long enough for it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

/// Overwrites the head of the page that holds these bytes, once nobody has the file open.
pub(crate) fn damage_page(file: &Path, bytes: &[u8]) {
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    while file.with_extension("db-wal").exists() {
        assert!(Instant::now() < deadline, "the mailbox is still open");
        std::thread::yield_now();
    }
    let mut content = std::fs::read(file).unwrap();
    let found = content.windows(bytes.len()).position(|window| window == bytes).unwrap();
    let page = found / PAGE_BYTES as usize * PAGE_BYTES as usize;
    content[page..page + 8].fill(0xff);
    std::fs::write(file, content).unwrap();
}
