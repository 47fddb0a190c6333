//! Tests of a power failure during a commit: of what was not synced, any part may be on the disk.

use super::*;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 4096;
const COMMITS: RowId = 3;
const ROWS: RowId = 3;

/// The files when a commit was reported: all of that was synced.
#[derive(Debug)]
struct Synced {
    upto: RowId,
    database: Vec<u8>,
    log: Vec<u8>,
}

async fn commits(folder: &Path) -> Vec<Synced> {
    let StartedStore { queue, writer, .. } = open(folder).await.start(LOADS_MAX).await.unwrap();
    let (synced, mut reports) = mpsc::unbounded_channel();
    let path = folder.to_owned();
    let report = move |report| {
        let read = |name| std::fs::read(path.join(name)).unwrap();
        if let StoreReport::Stored { upto, .. } = report {
            synced.send(Synced { upto, database: read("mailbox.db"), log: read("mailbox.db-wal") }).unwrap();
        }
    };
    let writes = tokio::spawn(writer.run(Arc::new(report)));
    let mut found = Vec::new();
    for commit in 0..COMMITS {
        (1..=ROWS).for_each(|row| queue.push(message(commit * ROWS + row)));
        found.push(reports.recv().await.unwrap());
    }
    queue.close();
    writes.await.unwrap();
    found
}

/// The last row that a relay finds on this disk, after it has read every one and its body.
async fn last_row(database: &[u8], log: &[u8]) -> RowId {
    let (_folder, path) = new_folder();
    std::fs::write(path.join("mailbox.db"), database).unwrap();
    std::fs::write(path.join("mailbox.db-wal"), log).unwrap();
    let rows: Vec<RowId> = restored(&path, 0).await.iter().map(|row| row.row).collect();
    let last = rows.last().copied().unwrap_or(0);
    assert_eq!(rows, (1..=last).collect::<Vec<_>>());
    let bodies: Vec<RowId> = page(&path, &rows).await.iter().map(|(row, _)| *row).collect();
    assert_eq!(bodies, rows);
    last
}

#[tokio::test]
async fn what_was_reported_is_there_and_the_commit_under_way_is_whole_or_not_there() {
    let (_folder, path) = new_folder();
    for pair in commits(&path).await.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert_eq!(after.upto, before.upto + ROWS);
        assert_eq!(last_row(&after.database, &after.log).await, after.upto, "it is synced");
        for end in (before.log.len()..after.log.len()).step_by(SECTOR_BYTES) {
            let last = last_row(&before.database, &after.log[..end]).await;
            assert_eq!(last, before.upto, "the log ends after {end} bytes of {}", after.log.len());
            let mut torn = after.log.clone();
            let sector = end..after.log.len().min(end + SECTOR_BYTES);
            torn[sector.clone()].fill(0xa5);
            let last = last_row(&before.database, &torn).await;
            assert_eq!(last, before.upto, "the sector {sector:?} was not written");
        }
    }
}
