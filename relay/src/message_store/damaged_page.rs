//! Damages a page of a SQLite file, for the tests of the message store and of the relay's API.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

/// Connections that were dropped close a little later. This is long enough for them.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

/// Overwrites the head of the page that holds these bytes. Nobody uses the file meanwhile.
pub(crate) async fn damage_page(file: &Path, bytes: &[u8]) {
    move_log_into(file).await;
    let mut content = std::fs::read(file).unwrap();
    let page_bytes = usize::from(u16::from_be_bytes(content.get(16..18).unwrap().try_into().unwrap()));
    let found = content.windows(bytes.len()).position(|window| window == bytes).unwrap();
    let page = found / page_bytes * page_bytes;
    content.get_mut(page..page + 8).unwrap().fill(0xff);
    std::fs::write(file, content).unwrap();
}

async fn move_log_into(file: &Path) {
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    loop {
        let (busy, _, _): (bool, i64, i64) =
            sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(&mut connection).await.unwrap();
        if !busy {
            break;
        }
        assert!(Instant::now() < deadline, "the mailbox is still open");
        tokio::task::yield_now().await;
    }
    connection.close().await.unwrap();
}
