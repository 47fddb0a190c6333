//! Tests of the message store over a real file.

mod damaged_pages;
mod disk_faults;
mod full_disk;
mod power_failures;

use std::sync::Mutex;

use protocol::did::{Domain, TenantId};
use protocol::envelope::MessageId;
use protocol::frame::Outcome;
use protocol::refusal::RefusalReason;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use std::path::Path;

use super::*;
use crate::core::{RestoredRow, RowId, RowState, Write, WriteContent, WriteRow};

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

async fn open(folder: &Path) -> MessageStore {
    MessageStore::open(fixtures::settings(folder)).await.unwrap()
}

/// Runs the writer over these writes to its end, and returns its reports.
async fn write(path: &Path, writes: impl IntoIterator<Item = Write>) -> Vec<String> {
    let started = open(path).await.start(LOADS_MAX).await.unwrap();
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
    open(path).await.restore(since, |row| rows.push(row)).await.unwrap();
    rows
}

async fn page(path: &Path, rows: &[RowId]) -> Vec<(RowId, Bytes)> {
    match load(path, rows, 1).await.pop() {
        Some(StoreReport::Loaded { page, .. }) => page,
        other => panic!("{other:?}"),
    }
}

/// The answers to requests for the same page, with the time between them after which damage counts.
async fn load(path: &Path, rows: &[RowId], requests: usize) -> Vec<StoreReport> {
    let StartedStore { loads, reader, .. } = open(path).await.start(LOADS_MAX).await.unwrap();
    let (seen, mut reports) = mpsc::unbounded_channel();
    let report = move |report| seen.send(report).unwrap();
    let reader = tokio::spawn(reader.run(Arc::new(report), CancellationToken::new()));
    let mut found = Vec::new();
    for request in 0..requests {
        if request > 0 {
            tokio::time::advance(unreadable_rows::DAMAGE_GRACE).await;
        }
        let agent = crate::core::AgentSlot::default();
        loads.send(LoadRequest { agent, epoch: 1, rows: rows.to_vec() }).await.unwrap();
        found.push(reports.recv().await.unwrap());
    }
    drop(loads);
    reader.await.unwrap();
    found
}

fn new_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}

#[tokio::test]
async fn rows_that_were_reported_stored_are_there_after_reopening() {
    let (_folder, path) = new_folder();
    let reports = write(&path, (1..=100).map(message)).await;
    assert_eq!(reports, ["stored 100 to 100"]);

    let rows = restored(&path, 0).await;
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
    let first = rows.first().unwrap();
    assert_eq!((first.recipient.as_str(), first.peer.as_str()), (&*did("bob"), &*did("alice")));
    assert_eq!((first.digest, first.id), (u64::MAX - 1, MessageId::new(1, [9; 10])));
    assert_eq!((first.size, first.expires, first.state), (6, 2_000, RowState::Waiting));
    let bodies = page(&path, &[3, 99, 100, 101]).await;
    let text: Vec<_> = bodies.iter().map(|(row, body)| format!("{row} {body:?}")).collect();
    assert_eq!(text, ["3 b\"body 3\"", "99 b\"body 99\"", "100 b\"body 100\""]);
}

#[tokio::test]
async fn more_than_a_batch_is_committed_in_several() {
    let (_folder, path) = new_folder();
    let reports = write(&path, (1..=1_500).map(message)).await;
    assert_eq!(reports, ["stored 1024 to 1024", "stored 476 to 1500"]);
    assert_eq!(open(&path).await.next_row().await.unwrap(), 1_501);
}

#[tokio::test]
async fn a_removed_row_is_remembered_until_it_is_forgotten() {
    let (_folder, path) = new_folder();
    write(&path, [message(1), message(2), Write::Remove { row: 1, outcome: Some(Outcome::Delivered) }]).await;
    write(&path, [Write::Remove { row: 2, outcome: Some(Outcome::Delivered) }]).await;
    assert_eq!(page(&path, &[1, 2]).await, []);
    let waiting: Vec<_> = restored(&path, 1_000).await.iter().map(|row| row.state).collect();
    assert_eq!(waiting, [RowState::Left(Outcome::Delivered); 2]);
    assert!(restored(&path, 1_001).await.is_empty(), "older than requested");

    write(&path, [Write::Forget { accepted_before: 1_001 }]).await;
    assert!(restored(&path, 0).await.is_empty());
}

#[tokio::test]
async fn a_waiting_row_is_never_forgotten() {
    let (_folder, path) = new_folder();
    write(&path, [message(1), Write::Forget { accepted_before: u64::from(u32::MAX) }]).await;
    assert_eq!(restored(&path, u64::from(u32::MAX)).await.len(), 1);
}

#[tokio::test]
async fn a_notice_keeps_its_outcome_and_reason() {
    let (_folder, path) = new_folder();
    let (outcome, reason) = (Outcome::Refused, Some(RefusalReason::Undecryptable));
    let notice = WriteContent::Notice { outcome, reason, ends: None };
    write(&path, [Write::Insert(row(1, notice))]).await;
    let rows = restored(&path, 0).await;
    assert_eq!(rows.first().unwrap().kind, crate::core::RowKind::Notice { outcome, reason });
}

/// Refuses to insert messages while it exists.
const REFUSAL: &str = "create trigger refusal before insert on messages begin select raise(fail, 'no'); end";

async fn execute(folder: &Path, sql: &'static str) {
    let mut connection =
        SqliteConnectOptions::new().filename(folder.join("mailbox.db")).connect().await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_failed_commit_is_reported_and_its_removals_are_committed_later() {
    let (_folder, path) = new_folder();
    write(&path, [message(1)]).await;
    execute(&path, REFUSAL).await;
    let reports =
        write(&path, [message(2), message(3), Write::Remove { row: 1, outcome: Some(Outcome::Delivered) }])
            .await;
    assert_eq!(reports, ["StoreFailed { upto: 3 }", "Recovered", "Removed { rows: [1] }"]);
    execute(&path, "drop trigger refusal").await;
    let rows = restored(&path, 0).await;
    let found: Vec<_> = rows.iter().map(|row| (row.row, row.state == RowState::Waiting)).collect();
    assert_eq!(found, [(1, false)]);
}

/// Runs the writer and the checkpointer while one message at a time is written, and removed by the
/// next commit. Returns the largest size of the log.
async fn largest_log(folder: &Path, messages: RowId) -> u64 {
    let StartedStore { queue, log, writer, checkpointer, loads: _loads, .. } =
        open(folder).await.start(LOADS_MAX).await.unwrap();
    let (stored, mut reports) = mpsc::unbounded_channel();
    let report: ReportHandler = Arc::new(move |report| stored.send(report).unwrap());
    let stop = CancellationToken::new();
    let checkpoints = tokio::spawn(checkpointer.run(stop.clone()));
    let writes = tokio::spawn(writer.run(report));
    let mut largest = 0;
    for number in 1..=messages {
        queue.push(message(number));
        queue.push(Write::Remove { row: number - 1, outcome: Some(Outcome::Delivered) });
        while !matches!(reports.recv().await.unwrap(), StoreReport::Stored { .. }) {}
        largest = largest.max(log.bytes());
        let file = std::fs::metadata(folder.join("mailbox.db-wal")).unwrap().len();
        largest = largest.max(file);
    }
    queue.close();
    stop.cancel();
    writes.await.unwrap();
    checkpoints.await.unwrap();
    largest
}

#[tokio::test]
async fn the_log_stays_within_its_limit_under_steady_writes() {
    let (_folder, path) = new_folder();
    let limit = fixtures::settings(&path).log_bytes_max;
    let largest = largest_log(&path, 400).await;
    assert!(largest <= limit + limit / 4, "{largest} bytes, of {limit}");
}

#[tokio::test]
async fn old_rows_are_forgotten_in_slices_and_rows_that_wait_are_kept() {
    let (_folder, path) = new_folder();
    let removed = (1..=3_000)
        .filter(|row| row % 10 != 0)
        .map(|row| Write::Remove { row, outcome: Some(Outcome::Delivered) });
    write(&path, (1..=3_000).map(message).chain(removed)).await;
    let started = open(&path).await.start(LOADS_MAX).await.unwrap();
    started.queue.push(Write::Forget { accepted_before: 1_001 });
    let writer = tokio::spawn(started.writer.run(Arc::new(|_| {})));
    let left = async || restored(&path, 0).await.len();
    while left().await > 300 {
        tokio::task::yield_now().await;
    }
    // A row below the forgotten ones is not remembered when it leaves the mailbox.
    started.queue.push(Write::Remove { row: 10, outcome: Some(Outcome::Delivered) });
    started.queue.close();
    writer.await.unwrap();
    let rows = restored(&path, 0).await;
    assert!(rows.iter().all(|row| row.state == RowState::Waiting) && rows.len() == 299, "{}", rows.len());
}

#[tokio::test]
async fn no_more_rows_are_remembered_than_the_limit() {
    let (_folder, path) = new_folder();
    write(&path, (1..=3_000).map(message)).await;
    write(&path, (1..=3_000).map(|row| Write::Remove { row, outcome: Some(Outcome::Delivered) })).await;
    let max = fixtures::settings(&path).remembered_max;
    assert_eq!(restored(&path, 0).await.len(), max, "at a start");
    let newest = restored(&path, 0).await.first().map(|row| row.row);
    assert_eq!(newest, Some(2_001));
}

#[tokio::test]
async fn rows_of_an_earlier_version_move_into_the_mailbox() {
    let (_folder, path) = new_folder();
    let former = SqliteConnectOptions::new().filename(path.join("relay.db")).create_if_missing(true);
    let mut former = former.connect().await.unwrap();
    let schema = include_str!("../../migrations/0001_mailbox.sql");
    let rows = "insert into messages select 1, 0, 'did:wba:example.com:agent:bob', 'did:wba:example.com:agent:alice',
        x'01A0F4C85C007000800000000000000A', 7, 0, 6, 1000, 2000;
      insert into messages select 2, 1, recipient, peer, id, digest, kind, size, accepted, expires from messages;
      insert into bodies values (2, x'00'); update mailbox_meta set starts = 1";
    sqlx::raw_sql(schema).execute(&mut former).await.unwrap();
    sqlx::raw_sql(rows).execute(&mut former).await.unwrap();
    let rows = restored(&path, 0).await;
    assert_eq!(
        rows.iter().map(|row| (row.row, row.state == RowState::Waiting)).collect::<Vec<_>>(),
        [(1, false), (2, true)]
    );
    assert_eq!(page(&path, &[2]).await.len(), 1);
    assert_eq!(open(&path).await.count_start().await.unwrap(), 2);
    execute(&path, "delete from messages; delete from bodies").await;
    assert!(restored(&path, 0).await.is_empty(), "a relay has started on the new file");
}

/// How long it takes is measured by `tests/tests/process_relay/stored_messages.rs`.
#[tokio::test]
async fn every_row_of_many_pages_is_restored_in_order() {
    let (_folder, path) = new_folder();
    write(&path, [message(1)]).await;
    let rows = "insert into messages
        with recursive numbers(n) as (select 2 union all select n + 1 from numbers where n < 100000)
        select n, 1, 'did:wba:example.com:agent:bob', 'did:wba:example.com:agent:a' || (n % 1000),
            cast(x'01A0F4C85C0070008000' || substr(printf('%07d', n), -6) as blob), n, 0, null, 900, 1000, 2000
        from numbers";
    execute(&path, rows).await;
    let mut store = open(&path).await;
    let mut rows: Vec<RowId> = Vec::new();
    store.restore(0, |row| rows.push(row.row)).await.unwrap();
    assert!(rows.into_iter().eq(1..=100_000), "each row once, in order");
}

/// Commits batches as the writer does.
async fn commit(folder: &Path, batches: impl IntoIterator<Item = Batch>) {
    let mut writer = open(folder).await.start(LOADS_MAX).await.unwrap().writer;
    for batch in batches {
        writer.try_commit(&batch).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_that_a_discarded_notice_has_ended_waits_again_without_its_body() {
    let (_folder, path) = new_folder();
    let ends = |ends| WriteContent::Notice { outcome: Outcome::Expired, reason: None, ends: Some(ends) };
    let written = Batch { writes: vec![message(1), message(2)], ..Batch::default() };
    let failed_but_durable = Batch { writes: vec![Write::Insert(row(3, ends(1)))], ..Batch::default() };
    let undone = Batch { discarded: vec![3, 4], revived: vec![1, 2], ..Batch::default() };
    // The notice 4, which would have ended the message 2, is not on disk.
    commit(&path, [written, failed_but_durable, undone]).await;
    let states: Vec<_> = restored(&path, 0).await.iter().map(|row| (row.row, row.state)).collect();
    assert_eq!(states, [(1, RowState::Waiting), (2, RowState::Waiting)]);
    let bodies: Vec<RowId> = page(&path, &[1, 2]).await.iter().map(|(row, _)| *row).collect();
    assert_eq!(bodies, [2], "the first is dropped with a notice when it is read");
}

#[tokio::test]
async fn a_message_is_forgotten_by_a_later_commit_than_the_one_with_the_notice_of_its_end() {
    let (_folder, path) = new_folder();
    let written = || Batch { writes: vec![message(1), message(2)], ..Batch::default() };
    let ends = WriteContent::Notice { outcome: Outcome::Expired, reason: None, ends: Some(1) };
    let forget = Write::Forget { accepted_before: u64::MAX >> 1 };
    let ended =
        || Batch { writes: vec![Write::Insert(row(3, ends.clone())), forget.clone()], ..Batch::default() };
    let rows =
        async || -> Vec<_> { restored(&path, 0).await.iter().map(|row| (row.row, row.state)).collect() };
    // The commit of the notice is reported as failed although it is on disk.
    let undone = Batch { discarded: vec![3], revived: vec![1], ..Batch::default() };
    commit(&path, [written(), ended(), undone]).await;
    assert_eq!(rows().await, [(1, RowState::Waiting), (2, RowState::Waiting)]);
    // It succeeds, and the next one forgets the message.
    commit(&path, [ended(), Batch::default()]).await;
    assert_eq!(rows().await, [(2, RowState::Waiting), (3, RowState::Waiting)]);
}

#[tokio::test]
async fn a_row_keeps_how_it_left_and_a_notice_ends_its_message_with_it() {
    let (_folder, path) = new_folder();
    let ends = |outcome| WriteContent::Notice { outcome, reason: None, ends: Some(2) };
    let left = |row, outcome| Write::Remove { row, outcome };
    write(&path, (1..=4).map(message)).await;
    let notice = Write::Insert(row(5, ends(Outcome::Expired)));
    write(&path, [left(1, Some(Outcome::Refused)), notice, left(3, None)]).await;
    let rows = restored(&path, 0).await;
    let states: Vec<_> = rows.iter().map(|row| (row.row, row.state)).collect();
    let (refused, expired) = (RowState::Left(Outcome::Refused), RowState::Left(Outcome::Expired));
    assert_eq!(states, [(1, refused), (2, expired), (4, RowState::Waiting), (5, RowState::Waiting)]);
}

/// A message that has a page of the file for itself.
fn large(number: RowId) -> Write {
    let body = format!("body {number} {}", "x".repeat(10_000));
    Write::Insert(row(number, WriteContent::Message(Bytes::from(body))))
}
