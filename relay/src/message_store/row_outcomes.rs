//! Turns the outcomes of single rows into reports, which cover every row up to a number.

use std::time::Duration;

use super::report::StoreReport;
use crate::core::RowId;

/// What became of a row that was to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOutcome {
    Stored,
    Failed,
}

/// The reports about these rows, in the order of the rows.
pub(super) fn reports(mut rows: Vec<(RowId, RowOutcome)>, took: Duration) -> Vec<StoreReport> {
    rows.sort_unstable_by_key(|(row, _)| *row);
    let runs = rows.chunk_by(|(_, one), (_, other)| one == other);
    runs.filter_map(|run| {
        let (upto, outcome) = *run.last()?;
        Some(match outcome {
            RowOutcome::Stored => StoreReport::Stored { upto, rows: run.len(), took },
            RowOutcome::Failed => StoreReport::StoreFailed { upto },
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_outcome_are_one_report_and_the_order_is_that_of_the_rows() {
        let (stored, failed) = (RowOutcome::Stored, RowOutcome::Failed);
        let found = reports(vec![(3, failed), (1, stored), (2, stored), (5, stored)], Duration::ZERO);
        let expected = [
            StoreReport::Stored { upto: 2, rows: 2, took: Duration::ZERO },
            StoreReport::StoreFailed { upto: 3 },
            StoreReport::Stored { upto: 5, rows: 1, took: Duration::ZERO },
        ];
        assert_eq!(found, expected);
    }
}
