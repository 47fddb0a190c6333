//! Tests of the message store over a real file.

use std::sync::Mutex;

use protocol::did::{Domain, TenantId};
use protocol::envelope::MessageId;
use protocol::frame::Outcome;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::core::{RestoredRow, Write, WriteContent, WriteRow};
use crate::store::Store;

const LOADS_MAX: usize = 4;

fn did(name: &str) -> Arc<str> {
    let domain: Domain = "example.com".parse().unwrap();
    protocol::Did::new(&domain, &TenantId::default(), &name.parse().unwrap()).as_str().into()
}

fn row(number: RowId, content: WriteContent) -> WriteRow {
    WriteRow {
        row: number,
        recipient: did("bob"),
        peer: did("alice"),
        id: MessageId::new(number, [9; 10]),
        digest: u64::MAX - number,
        accepted: 1_000,
        expires: 2_000,
        content,
    }
}

fn message(number: RowId) -> Write {
    Write::Insert(row(number, WriteContent::Message(Bytes::from(format!("body {number}")))))
}

/// Runs the writer over these writes to its end, and returns its reports.
async fn write(path: &Path, writes: impl IntoIterator<Item = Write>) -> Vec<String> {
    let started = MessageStore::open(path).await.unwrap().start(LOADS_MAX).await.unwrap();
    writes.into_iter().for_each(|write| started.queue.push(write));
    started.queue.close();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reports);
    let report = move |report| {
        let line = match report {
            StoreReport::Stored { upto, rows, .. } => format!("stored {rows} to {upto}"),
            other => format!("{other:?}"),
        };
        seen.lock().unwrap().push(line);
    };
    started.writer.run(Arc::new(report)).await;
    Arc::into_inner(reports).unwrap().into_inner().unwrap()
}

async fn restored(path: &Path, since: u64) -> Vec<RestoredRow> {
    let mut rows = Vec::new();
    MessageStore::open(path).await.unwrap().restore(since, |row| rows.push(row)).await.unwrap();
    rows
}

async fn page(path: &Path, rows: &[RowId]) -> Vec<(RowId, Bytes)> {
    let started = MessageStore::open(path).await.unwrap().start(LOADS_MAX).await.unwrap();
    let agent = crate::core::AgentSlot::default();
    started.loads.try_send(LoadRequest { agent, epoch: 1, rows: rows.to_vec() }).unwrap();
    drop(started.loads);
    let pages = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&pages);
    let report = move |report| {
        if let StoreReport::Loaded { page, .. } = report {
            seen.lock().unwrap().extend(page);
        }
    };
    started.reader.run(Arc::new(report), CancellationToken::new()).await;
    Arc::into_inner(pages).unwrap().into_inner().unwrap()
}

async fn new_file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    Store::open(&path).await.unwrap().close().await;
    (folder, path)
}

#[tokio::test]
async fn rows_that_were_reported_stored_are_there_after_reopening() {
    let (_folder, path) = new_file().await;
    let reports = write(&path, (1..=100).map(message)).await;
    assert_eq!(reports, ["stored 100 to 100"]);

    let rows = restored(&path, 0).await;
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
    let first = rows.first().unwrap();
    assert_eq!((first.recipient.as_str(), first.peer.as_str()), (&*did("bob"), &*did("alice")));
    assert_eq!((first.digest, first.id), (u64::MAX - 1, MessageId::new(1, [9; 10])));
    assert_eq!((first.size, first.expires, first.waiting), (6, 2_000, true));
    let bodies = page(&path, &[3, 99, 100, 101]).await;
    let text: Vec<_> = bodies.iter().map(|(row, body)| format!("{row} {body:?}")).collect();
    assert_eq!(text, ["3 b\"body 3\"", "99 b\"body 99\"", "100 b\"body 100\""]);
}

#[tokio::test]
async fn more_than_a_batch_is_committed_in_several() {
    let (_folder, path) = new_file().await;
    let reports = write(&path, (1..=1_500).map(message)).await;
    assert_eq!(reports, ["stored 1024 to 1024", "stored 476 to 1500"]);
    assert_eq!(MessageStore::open(&path).await.unwrap().next_row().await.unwrap(), 1_501);
}

#[tokio::test]
async fn a_removed_row_is_remembered_until_it_is_forgotten() {
    let (_folder, path) = new_file().await;
    write(&path, [message(1), message(2), Write::Remove { row: 1 }]).await;
    write(&path, [Write::Remove { row: 2 }]).await;
    assert_eq!(page(&path, &[1, 2]).await, []);
    let waiting: Vec<_> = restored(&path, 1_000).await.iter().map(|row| row.waiting).collect();
    assert_eq!(waiting, [false, false]);
    assert!(restored(&path, 1_001).await.is_empty(), "older than requested");

    write(&path, [Write::Forget { accepted_before: 1_001 }]).await;
    assert!(restored(&path, 0).await.is_empty());
}

#[tokio::test]
async fn a_waiting_row_is_never_forgotten() {
    let (_folder, path) = new_file().await;
    write(&path, [message(1), Write::Forget { accepted_before: u64::from(u32::MAX) }]).await;
    assert_eq!(restored(&path, u64::from(u32::MAX)).await.len(), 1);
}

#[tokio::test]
async fn a_notice_keeps_its_outcome() {
    let (_folder, path) = new_file().await;
    write(&path, [Write::Insert(row(1, WriteContent::Notice(Outcome::Expired)))]).await;
    let rows = restored(&path, 0).await;
    assert_eq!(rows.first().unwrap().kind, crate::core::RowKind::Notice(Outcome::Expired));
}

/// To the writer, a row number that exists already looks like a disk that refuses the write.
#[tokio::test]
async fn a_failed_commit_is_reported_and_its_rows_are_not_there() {
    let (_folder, path) = new_file().await;
    write(&path, [message(1)]).await;
    let reports = write(&path, [message(2), message(1), Write::Remove { row: 1 }]).await;
    assert_eq!(reports, ["StoreFailed { upto: 2 }", "Recovered"]);
    let rows = restored(&path, 0).await;
    let found: Vec<_> = rows.iter().map(|row| (row.row, row.waiting)).collect();
    assert_eq!(found, [(1, false)], "the removal was kept and committed later");
}
