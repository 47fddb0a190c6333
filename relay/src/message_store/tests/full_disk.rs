//! Tests of what fills a disk: a full one, and a log that would fill it.

use sqlite_faults::{Disk, Fault};

use super::*;

#[tokio::test]
async fn a_commit_after_one_that_found_the_disk_full_is_a_transaction_of_its_own() {
    let (_folder, path) = new_folder();
    let mut writer = open(&path).await.start(LOADS_MAX).await.unwrap().writer;
    let body = WriteContent::Message(Bytes::from(vec![b'x'; 100_000]));
    let batch = Batch { writes: vec![Write::Insert(row(1, body))], ..Batch::default() };
    // SQLite takes the smallest number that holds the file, and ends the transaction itself.
    sqlx::query("pragma max_page_count = 1").execute(&mut writer.connection).await.unwrap();
    let error = writer.try_commit(&batch).await.unwrap_err();
    assert!(crate::store::is_disk_full(&error), "{error}");
    sqlx::query("pragma max_page_count = 1000000").execute(&mut writer.connection).await.unwrap();
    writer.try_commit(&batch).await.unwrap();
    // A transaction that was left open would keep others from writing, and from seeing the row.
    let mut other = writer.options.connect().await.unwrap();
    sqlx::query("begin immediate").execute(&mut other).await.unwrap();
    let rows: i64 = sqlx::query_scalar("select count(*) from messages").fetch_one(&mut other).await.unwrap();
    assert_eq!(rows, 1);
}

/// On a slow disk, a start waits for one sync: that of its own count.
#[tokio::test]
async fn a_file_that_exists_is_opened_and_read_without_a_write() {
    let (_folder, path) = new_folder();
    write(&path, (1..=3).map(message)).await;
    let disk = Disk::mount(&path, 0).unwrap();
    disk.plan(Fault::Write, 0, u64::MAX);
    let (mut store, mut count) = (open(&path).await, 0);
    store.restore(0, |_| count += 1).await.unwrap();
    let started = store.start(LOADS_MAX).await.unwrap();
    assert_eq!((count, disk.struck()), (3, 0));
    drop(started);
}

/// Messages of sixteen mailboxes lie between each other, and those of one after the other leave:
/// each is on a page of its own.
#[tokio::test]
async fn the_log_stays_within_its_limit_when_messages_between_others_leave() {
    const MAILBOXES: RowId = 16;
    let (_folder, path) = new_folder();
    write(&path, (1..=640).map(large)).await;
    let limit = fixtures::settings(&path).log_bytes_max;
    let mut writer = open(&path).await.start(LOADS_MAX).await.unwrap().writer;
    let mut largest = 0;
    for mailbox in 0..MAILBOXES {
        let rows: Vec<RowId> = (1..=640).filter(|row| row % MAILBOXES == mailbox).collect();
        for part in rows.chunks(8) {
            let remove = |row: &RowId| Write::Remove { row: *row, outcome: Some(Outcome::Delivered) };
            let batch = Batch { writes: part.iter().map(remove).collect(), ..Batch::default() };
            writer.try_commit(&batch).await.unwrap();
            largest = largest.max(std::fs::metadata(path.join("mailbox.db-wal")).unwrap().len());
        }
    }
    assert!(largest <= limit + limit / 2, "{largest} bytes, of {limit}");
}
