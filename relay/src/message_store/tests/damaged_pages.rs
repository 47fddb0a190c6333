//! Tests of what is lost and what goes on when pages of the file are damaged.

use super::*;

const fn delivered(row: RowId) -> Write {
    Write::Remove { row, outcome: Some(Outcome::Delivered) }
}

async fn waiting(path: &Path) -> Vec<RowId> {
    let rows = restored(path, 0).await.into_iter().filter(|row| row.state == RowState::Waiting);
    rows.map(|row| row.row).collect()
}

#[tokio::test(start_paused = true)]
async fn a_damaged_page_costs_its_own_messages_and_the_store_goes_on() {
    let (_folder, path) = new_folder();
    write(&path, (1..=6).map(large)).await;
    damaged_page::damage_page(&path.join("mailbox.db"), b"body 3 ").await;
    let mut reports = load(&path, &[1, 2, 3, 4, 5, 6], 2).await;
    let Some(StoreReport::Loaded { page, .. }) = reports.pop() else { panic!("{reports:?}") };
    assert_eq!(page.into_iter().map(|(row, _)| row).collect::<Vec<_>>(), [1, 2, 4, 5, 6]);
    assert!(matches!(reports[..], [StoreReport::LoadFailed { .. }]), "it may come back: {reports:?}");
    let reports = write(&path, (1..=6).map(delivered).chain([large(7)])).await;
    assert_eq!(reports, ["Removed { rows: [1, 2, 3, 4, 5, 6] }", "stored 1 to 7"]);
    assert_eq!(waiting(&path).await, [7]);
}

#[tokio::test(start_paused = true)]
async fn a_file_in_which_no_message_can_be_read_gives_none_up() {
    let (_folder, path) = new_folder();
    write(&path, (1..=3).map(message)).await;
    damaged_page::damage_page(&path.join("mailbox.db"), b"body 3").await;
    let reports = load(&path, &[1, 2, 3], 2).await;
    let failed = || StoreReport::LoadFailed { agent: crate::core::AgentSlot::default(), epoch: 1 };
    assert_eq!(reports, [failed(), failed()]);
}

/// SQLite adds rows to that page.
#[tokio::test(start_paused = true)]
async fn messages_are_stored_beside_a_damaged_last_page_of_the_bodies() {
    let (_folder, path) = new_folder();
    write(&path, (1..=6).map(large)).await;
    damaged_page::damage_page(&path.join("mailbox.db"), b"body 6 ").await;
    assert_eq!(write(&path, [large(7)]).await, ["stored 1 to 7"]);
    let reports = write(&path, [large(8), delivered(6), delivered(7)]).await;
    assert_eq!(reports, ["Removed { rows: [6, 7] }", "stored 1 to 8"]);
    let rows = waiting(&path).await;
    assert_eq!(rows, [1, 2, 3, 4, 5, 8]);
    let read: Vec<RowId> = page(&path, &rows).await.iter().map(|(row, _)| *row).collect();
    assert_eq!(read, rows);
    let mut store = open(&path).await;
    let spare = sqlx::query_scalar::<_, i64>("select row from spare_bodies");
    assert_eq!(spare.fetch_all(&mut store.reading).await.unwrap(), [8], "7 was delivered");
}

/// Each commit with removals would wait for such statements.
#[tokio::test]
async fn nothing_looks_for_spare_bodies_while_there_are_none() {
    let (_folder, path) = new_folder();
    write(&path, (1..=3).map(message)).await;
    let mut started = open(&path).await.start(LOADS_MAX).await.unwrap();
    let dropped = sqlx::query("drop table spare_bodies").execute(&mut started.writer.connection).await;
    dropped.unwrap();
    let batch = Batch { writes: vec![delivered(2), message(4)], discarded: vec![3], revived: vec![] };
    started.writer.try_commit(&batch).await.unwrap();
    let left: Vec<i64> = sqlx::query_scalar("select row from bodies order by row")
        .fetch_all(&mut started.writer.connection)
        .await
        .unwrap();
    assert_eq!(left, [1, 4]);
}
