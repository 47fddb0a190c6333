//! Deletes the rows that left the mailbox and are no longer needed to recognize a repetition.
//!
//! Row numbers ascend with the time of acceptance, so the old rows are a range at the front. It is
//! deleted in slices: the commit that carries one must not keep senders waiting.
//!
//! A message that a notice ends stays until a later commit. If the commit of the notice is reported
//! as failed although it is on disk, the notice is discarded, and its message has to wait again.

use std::collections::HashSet;

use sqlx::SqliteConnection;

use super::sql::json_array;
use crate::core::RowId;

/// Rows that one commit looks at, about 1 ms of work.
const SLICE_ROWS: i64 = 1024;

const NEXT_ROW: &str = "select row, accepted from messages where row >= ? order by row limit 1";
const SLICE_END: &str = "select row from messages where row >= ? order by row limit 1 offset ?";
const DELETE_SLICE: &str = "delete from messages where row >= ? and row < ? and state <> 1 \
                            and row not in (select value from json_each(?))";
const DELETE_POSTPONED: &str =
    "delete from messages where state <> 1 and row in (select value from json_each(?))";

/// The range of rows that is being forgotten.
#[derive(Debug)]
pub(super) struct Forgetting {
    /// Rows below this that leave the mailbox are deleted at once.
    done_below: RowId,
    /// Rows below this are to be forgotten.
    target: RowId,
    /// Rows that are remembered at most, counted from the newest.
    remembered_max: u64,
    /// Rows that the last commit would have deleted, had it not held the notice of their end. They
    /// are as many as one batch ends at most.
    postponed: Vec<RowId>,
}

impl Forgetting {
    pub(super) const fn new(remembered_max: u64) -> Self {
        Self { done_below: 0, target: 0, remembered_max, postponed: Vec::new() }
    }

    /// Whether a row that leaves the mailbox now is deleted at once.
    pub(super) const fn is_forgotten(&self, row: RowId) -> bool {
        row < self.done_below
    }

    pub(super) const fn is_done(&self) -> bool {
        self.done_below >= self.target
    }

    /// Adds the rows that were accepted before this time, and those above the limit.
    pub(super) async fn extend(
        &mut self,
        on: &mut SqliteConnection,
        accepted_before: u64,
    ) -> sqlx::Result<()> {
        let highest: Option<i64> =
            sqlx::query_scalar("select max(row) from messages").fetch_one(&mut *on).await?;
        let end = highest.unwrap_or(0).unsigned_abs() + 1;
        let by_time = first_accepted_since(on, accepted_before, self.done_below..end).await?;
        let by_count = end.saturating_sub(self.remembered_max);
        self.target = self.target.max(by_time).max(by_count);
        Ok(())
    }

    /// Deletes the next slice in the transaction of `on`. Call [`Self::committed`] with the result
    /// after its commit.
    /// The rows of `ended` stay, because this transaction holds the notices that end them.
    pub(super) async fn delete_slice(
        &self,
        on: &mut SqliteConnection,
        ended: &HashSet<RowId>,
    ) -> sqlx::Result<RowId> {
        let from = self.done_below.cast_signed();
        let end: Option<i64> =
            sqlx::query_scalar(SLICE_END).bind(from).bind(SLICE_ROWS).fetch_optional(&mut *on).await?;
        let end = end.map_or(self.target, i64::unsigned_abs).min(self.target);
        let kept = json_array(ended.iter().copied());
        sqlx::query(DELETE_SLICE).bind(from).bind(end.cast_signed()).bind(kept).execute(on).await?;
        Ok(end)
    }

    /// Deletes the rows that the commit before left, unless they wait again.
    pub(super) async fn delete_postponed(&self, on: &mut SqliteConnection) -> sqlx::Result<()> {
        if self.postponed.is_empty() {
            return Ok(());
        }
        let rows = json_array(self.postponed.iter().copied());
        sqlx::query(DELETE_POSTPONED).bind(rows).execute(on).await.map(|_| ())
    }

    /// Every row below `end` that is not in the mailbox is deleted, except those of `ended`, which
    /// the next commit deletes.
    pub(super) fn committed(&mut self, end: Option<RowId>, ended: &HashSet<RowId>) {
        self.done_below = self.done_below.max(end.unwrap_or_default());
        self.postponed = ended.iter().copied().filter(|row| self.is_forgotten(*row)).collect();
    }
}

/// The first row in the range that was accepted at this time or later, by halving the range.
async fn first_accepted_since(
    on: &mut SqliteConnection,
    time: u64,
    range: std::ops::Range<RowId>,
) -> sqlx::Result<RowId> {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<(i64, i64)> =
            sqlx::query_as(NEXT_ROW).bind(middle.cast_signed()).fetch_optional(&mut *on).await?;
        match found {
            Some((row, accepted)) if accepted.unsigned_abs() < time => low = row.unsigned_abs() + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
