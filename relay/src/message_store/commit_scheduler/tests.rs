//! Tests of the decisions about commits, without a disk.

use bytes::Bytes;
use protocol::envelope::MessageId;
use protocol::frame::Outcome;

use super::*;

fn row(row: RowId, content: WriteContent) -> Write {
    Write::Insert(WriteRow {
        row,
        recipient: "bob".into(),
        peer: "alice".into(),
        id: MessageId::new(row, [0; 10]),
        digest: 0,
        accepted: 0,
        expires: 0,
        content,
    })
}

fn message(number: RowId) -> Write {
    row(number, WriteContent::Message(Bytes::from_static(b"body")))
}

fn notice(number: RowId) -> Write {
    row(number, WriteContent::Notice { outcome: Outcome::Expired, reason: None, ends: None })
}

const fn remove(row: RowId) -> Write {
    Write::Remove { row, outcome: None }
}

fn with(writes: impl IntoIterator<Item = Write>) -> CommitScheduler {
    let mut scheduler = CommitScheduler::default();
    writes.into_iter().for_each(|write| scheduler.push(write, 0));
    scheduler
}

/// The writes of the commit that is due, and the rows that it discards.
fn begun(scheduler: &mut CommitScheduler, now_ms: u64) -> (Vec<Write>, Vec<RowId>) {
    match scheduler.next(now_ms) {
        NextCommit::Commit(batch) => (batch.writes.clone(), batch.discarded.clone()),
        other => panic!("{other:?}"),
    }
}

fn stored(upto: RowId, rows: usize) -> StoreReport {
    StoreReport::Stored { upto, rows, took: Duration::ZERO }
}

fn removed(rows: &[RowId]) -> StoreReport {
    StoreReport::Removed { rows: rows.to_vec() }
}

const OK: Result<Duration, CommitFailure> = Ok(Duration::ZERO);

#[test]
fn what_waits_is_committed_together_and_reported_once() {
    let mut scheduler = with([message(1), message(2), remove(1)]);
    assert_eq!(begun(&mut scheduler, 0).0.len(), 3);
    assert_eq!(scheduler.finished(OK, 1), [removed(&[1]), stored(2, 2)]);
    assert_eq!(scheduler.next(1), NextCommit::Idle);
    scheduler.close();
    assert_eq!(scheduler.next(1), NextCommit::Finished);
}

#[test]
fn the_first_failure_answers_everybody_who_waits() {
    let mut scheduler = with((1..=3_000).map(message));
    assert_eq!(begun(&mut scheduler, 0).0.len(), BATCH_WRITES_MAX);
    let reports = scheduler.finished(Err(CommitFailure::Other), 7);
    assert_eq!(reports, [StoreReport::StoreFailed { upto: 3_000 }]);
    assert_eq!(scheduler.next(7), NextCommit::WaitUntil(1_007));
    assert!(scheduler.is_failing());
}

#[test]
fn a_commit_that_failed_but_is_on_disk_is_undone_by_the_next() {
    let mut scheduler = with([message(1), remove(9)]);
    begun(&mut scheduler, 0);
    scheduler.finished(Err(CommitFailure::Other), 0);
    assert_eq!(begun(&mut scheduler, 1_000), (vec![remove(9)], vec![1]));
    assert_eq!(scheduler.finished(OK, 1_001), [StoreReport::Recovered, removed(&[9])]);
    scheduler.push(message(2), 1_002);
    assert_eq!(begun(&mut scheduler, 1_002), (vec![message(2)], Vec::new()));
}

#[test]
fn a_commit_that_only_forgets_is_reported_and_ends_a_stall() {
    let mut scheduler = with([Write::Forget { accepted_before: 7 }]);
    begun(&mut scheduler, 0);
    assert_eq!(scheduler.finished(OK, 3_000), [removed(&[])]);
}

#[test]
fn a_message_that_a_failed_notice_may_have_ended_waits_again() {
    let content = WriteContent::Notice { outcome: Outcome::Expired, reason: None, ends: Some(1) };
    let mut scheduler = with([row(2, content)]);
    begun(&mut scheduler, 0);
    scheduler.finished(Err(CommitFailure::Other), 0);
    let undone = Batch { discarded: vec![2], revived: vec![1], ..Batch::default() };
    assert_eq!(scheduler.next(1_000), NextCommit::Commit(Arc::new(undone)));
    scheduler.finished(OK, 1_000);
    scheduler.push(message(3), 1_000);
    let next = Batch { writes: vec![message(3)], ..Batch::default() };
    assert_eq!(scheduler.next(1_000), NextCommit::Commit(Arc::new(next)));
}

#[test]
fn recovery_is_proven_by_a_commit() {
    let mut scheduler = with([message(1)]);
    begun(&mut scheduler, 0);
    scheduler.finished(Err(CommitFailure::Other), 0);
    assert_eq!(begun(&mut scheduler, 1_000), (Vec::new(), vec![1]), "an empty batch");
    let reports = scheduler.finished(Err(CommitFailure::Other), 1_000);
    assert_eq!(reports, [StoreReport::StoreFailed { upto: 0 }]);
    assert_eq!(scheduler.next(1_001), NextCommit::WaitUntil(2_000));
}

#[test]
fn a_full_disk_takes_removals_and_notices_and_refuses_every_message() {
    let mut scheduler = with([message(1), notice(2), remove(9), message(3)]);
    begun(&mut scheduler, 0);
    scheduler.push(message(4), 0);
    assert_eq!(scheduler.finished(Err(CommitFailure::Full), 0), []);
    assert_eq!(begun(&mut scheduler, 0).0, [notice(2), remove(9)], "at once");
    let failed = |upto| StoreReport::StoreFailed { upto };
    let expected = [removed(&[9]), failed(1), stored(2, 1), failed(4), StoreReport::Full];
    assert_eq!(scheduler.finished(OK, 0), expected);
    assert_eq!(scheduler.next(0), NextCommit::LookForSpaceAt(1_000));

    scheduler.push(remove(8), 5);
    assert_eq!(begun(&mut scheduler, 5), (vec![remove(8)], vec![1, 3, 4]));
    assert_eq!(scheduler.finished(OK, 6), [removed(&[8])], "it is known to be full");
    scheduler.push(message(5), 7);
    assert_eq!(begun(&mut scheduler, 7), (Vec::new(), Vec::new()), "nothing fits");
    assert_eq!(scheduler.finished(OK, 8), [failed(5), StoreReport::Full], "the core learns it again");
    assert_eq!(scheduler.looked_for_space(true, 1_000), Some(StoreReport::Recovered));
    scheduler.push(message(6), 1_000);
    assert_eq!(begun(&mut scheduler, 1_000).0, [message(6)]);
}

#[test]
fn a_disk_too_full_for_removals_fails_as_any_other() {
    let mut scheduler = with([message(1), notice(2), remove(9)]);
    begun(&mut scheduler, 0);
    scheduler.finished(Err(CommitFailure::Full), 0);
    begun(&mut scheduler, 0);
    let reports = scheduler.finished(Err(CommitFailure::Full), 0);
    assert_eq!(reports, [StoreReport::StoreFailed { upto: 2 }]);
    assert_eq!(begun(&mut scheduler, 1_000), (vec![remove(9)], vec![1, 2]));
    assert_eq!(scheduler.finished(OK, 1_000), [StoreReport::Recovered, removed(&[9])]);
}

#[test]
fn a_message_that_a_full_disk_refuses_is_reported_after_every_notice_before_it() {
    let mut scheduler = with((1..=200).map(notice).chain([message(201)]));
    assert_eq!(begun(&mut scheduler, 0).0.len(), 201);
    scheduler.finished(Err(CommitFailure::Full), 0);
    assert_eq!(begun(&mut scheduler, 0).0.len(), 128);
    assert_eq!(scheduler.finished(OK, 0), [stored(128, 128), StoreReport::Full]);
    assert_eq!(begun(&mut scheduler, 0).0.len(), 72);
    let failed = StoreReport::StoreFailed { upto: 201 };
    assert_eq!(scheduler.finished(OK, 0), [stored(200, 72), failed, StoreReport::Full]);
}

/// Its sender is told nothing until then, also while the next commit is slow.
#[test]
fn a_message_that_a_full_disk_refuses_waits_until_that_is_reported() {
    let mut scheduler = with([remove(8), message(1)]);
    begun(&mut scheduler, 1_000);
    assert_eq!(scheduler.finished(Err(CommitFailure::Full), 1_000), []);
    assert_eq!(scheduler.oldest_ms(1_000), 1_000);
    scheduler.push(remove(9), 1_500);
    begun(&mut scheduler, 1_500);
    assert_eq!(scheduler.oldest_ms(2_500), 2_500, "the next commit is slow");
    let failed = StoreReport::StoreFailed { upto: 1 };
    assert_eq!(scheduler.finished(OK, 2_500), [removed(&[8, 9]), failed, StoreReport::Full]);
    assert_eq!(scheduler.oldest_ms(9_000), 0);
}

/// Everybody was told that it failed, and the next attempt is a second away.
#[test]
fn what_waits_for_the_next_attempt_of_a_store_that_failed_waits_from_then_on() {
    let mut scheduler = with([remove(8), message(1)]);
    begun(&mut scheduler, 0);
    let reports = scheduler.finished(Err(CommitFailure::Other), 1_500);
    assert_eq!(reports, [StoreReport::StoreFailed { upto: 1 }]);
    assert_eq!(scheduler.oldest_ms(2_500), 1_000);
}

#[test]
fn removals_that_do_not_fit_on_a_full_disk_are_committed_in_smaller_parts() {
    let mut scheduler = with((1..=1_024).map(remove));
    assert_eq!(begun(&mut scheduler, 0).0.len(), 256);
    scheduler.finished(Err(CommitFailure::Full), 0);
    assert_eq!(begun(&mut scheduler, 1_000).0.len(), 128);
    scheduler.finished(Err(CommitFailure::Full), 1_000);
    assert_eq!(begun(&mut scheduler, 2_000).0.len(), 64);
    scheduler.finished(OK, 2_000);
    assert_eq!(begun(&mut scheduler, 2_000).0.len(), 64);
    scheduler.finished(OK, 2_000);
    assert_eq!(begun(&mut scheduler, 2_000).0.len(), 128, "it grows again while the disk works");
}

/// Each of them changes a page of its own, and the log holds every page of a commit.
#[test]
fn what_leaves_after_a_stall_is_committed_in_parts_that_fit_the_log() {
    let notices = (2_000..2_500).map(notice);
    let mut scheduler = with((1..=1_000).map(remove).chain(notices));
    for writes in [256, 256, 256, 256, 256, 220] {
        assert_eq!(begun(&mut scheduler, 0).0.len(), writes);
        scheduler.finished(OK, 0);
    }
    assert_eq!(scheduler.next(0), NextCommit::Idle);
}

#[test]
fn a_disk_that_is_full_after_a_failure_first_undoes_what_failed() {
    let mut scheduler = with([message(1)]);
    begun(&mut scheduler, 0);
    scheduler.finished(Err(CommitFailure::Other), 0);
    begun(&mut scheduler, 1_000);
    assert_eq!(scheduler.finished(Err(CommitFailure::Full), 1_000), []);
    assert_eq!(begun(&mut scheduler, 1_000), (Vec::new(), vec![1]));
    assert_eq!(scheduler.finished(OK, 1_000), [StoreReport::Full]);
    assert_eq!(scheduler.next(1_000), NextCommit::LookForSpaceAt(2_000));
}

#[test]
fn a_disk_without_room_is_known_before_a_message_is_written() {
    let mut scheduler = with([message(1), remove(9)]);
    scheduler.disk_is_full(0);
    assert_eq!(begun(&mut scheduler, 0).0, [remove(9)]);
    let expected = [removed(&[9]), StoreReport::StoreFailed { upto: 1 }, StoreReport::Full];
    assert_eq!(scheduler.finished(OK, 0), expected);
    assert_eq!(scheduler.looked_for_space(false, 1_000), None);
    assert_eq!(scheduler.next(1_000), NextCommit::LookForSpaceAt(2_000));
}

#[test]
fn the_age_of_the_oldest_write_includes_the_commit_that_hangs() {
    let mut scheduler = CommitScheduler::default();
    assert_eq!(scheduler.oldest_ms(500), 0);
    scheduler.push(message(1), 500);
    begun(&mut scheduler, 600);
    scheduler.push(message(2), 2_000);
    assert_eq!(scheduler.oldest_ms(2_700), 2_200);
    scheduler.finished(OK, 2_700);
    assert_eq!(scheduler.oldest_ms(2_700), 700);
}

#[test]
fn a_relay_that_shuts_down_does_not_wait_for_its_disk_for_ever() {
    let mut scheduler = with([remove(1)]);
    scheduler.close();
    let mut now_ms = 0;
    for _ in 0..CLOSING_ATTEMPTS_MAX {
        begun(&mut scheduler, now_ms);
        scheduler.finished(Err(CommitFailure::Other), now_ms);
        now_ms += 1_000;
    }
    assert_eq!(scheduler.next(now_ms), NextCommit::Finished);
}
