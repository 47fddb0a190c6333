//! Remembers since when rows cannot be read. A disk that does not answer for some seconds looks to
//! SQLite like damage, and a message is given up only if it stays unreadable.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::core::RowId;

/// How long a row has to be unreadable before it is lost. Disks in a network are away for about so
/// long when they change their path.
pub(super) const DAMAGE_GRACE: Duration = Duration::from_secs(5);
/// Rows that are remembered, 64 KiB. When they are more, waiting begins anew for the others.
const UNREADABLE_ROWS_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct UnreadableRows {
    since: HashMap<RowId, Instant>,
}

impl UnreadableRows {
    pub(super) fn readable(&mut self, rows: impl IntoIterator<Item = RowId>) {
        if !self.since.is_empty() {
            for row in rows {
                self.since.remove(&row);
            }
        }
    }

    /// Whether all of these rows, which cannot be read now, are lost.
    pub(super) fn are_lost(&mut self, rows: &[RowId], now: Instant) -> bool {
        if self.since.len() + rows.len() > UNREADABLE_ROWS_MAX {
            self.since.retain(|row, _| rows.contains(row));
        }
        let since = rows.iter().map(|row| *self.since.entry(*row).or_insert(now));
        let youngest = since.max().unwrap_or(now);
        let lost = now.duration_since(youngest) >= DAMAGE_GRACE;
        if lost {
            self.readable(rows.iter().copied());
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_lost_after_it_was_unreadable_all_the_time() {
        let (mut rows, start) = (UnreadableRows::default(), Instant::now());
        assert!(!rows.are_lost(&[1], start));
        assert!(!rows.are_lost(&[1, 2], start + DAMAGE_GRACE), "2 is unreadable since now");
        rows.readable([1]);
        assert!(!rows.are_lost(&[1], start + DAMAGE_GRACE), "it was readable in between");
        assert!(rows.are_lost(&[1, 2], start + DAMAGE_GRACE * 2));
        assert!(rows.since.is_empty());
    }
}
