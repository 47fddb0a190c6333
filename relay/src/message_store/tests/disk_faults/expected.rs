//! Keeps what the store has promised about each row, which a restart has to find.

use std::collections::{BTreeMap, BTreeSet};

use sqlite_faults::Fault;

use super::super::*;
use crate::core::{RestoredRow, RowKind};

/// What was reported about the insertion of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Insertion {
    /// Nothing yet.
    Open,
    Stored,
    /// It may be on the disk all the same, until a later commit succeeds.
    Failed,
    /// It failed, and the store has said that it works again. Its next commit undoes the row.
    FailedBeforeRecovery,
    Undone,
}

#[derive(Debug)]
struct ExpectedRow {
    row: WriteRow,
    insertion: Insertion,
    leaving: Option<Leaving>,
    /// A failed notice has ended the message, perhaps on the disk only. It waits without its body.
    may_lack_body: bool,
}

#[derive(Debug, Clone, Copy)]
struct Leaving {
    outcome: Option<Outcome>,
    reported: bool,
}

#[derive(Debug, Default)]
pub(super) struct Expected {
    rows: BTreeMap<RowId, ExpectedRow>,
    /// Rows that left may be forgotten.
    forgets: bool,
    violations: Vec<String>,
    /// The faults so far.
    faults: Vec<Fault>,
}

impl Expected {
    pub(super) fn violation(&mut self, text: String) {
        self.violations.push(format!("{:?}: {text}", self.faults));
    }

    pub(super) fn on_fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn into_violations(self) -> Vec<String> {
        self.violations
    }

    pub(super) fn on_push(&mut self, write: &Write) {
        match write {
            Write::Insert(row) => {
                if let WriteContent::Notice { outcome, ends: Some(ends), .. } = row.content {
                    self.leave(ends, Some(outcome));
                }
                let expected = ExpectedRow {
                    row: row.clone(),
                    insertion: Insertion::Open,
                    leaving: None,
                    may_lack_body: false,
                };
                self.rows.insert(row.row, expected);
            }
            Write::Remove { row, outcome } => self.leave(*row, *outcome),
            Write::Forget { .. } => self.forgets = true,
        }
    }

    fn leave(&mut self, row: RowId, outcome: Option<Outcome>) {
        if let Some(row) = self.rows.get_mut(&row) {
            row.leaving = Some(Leaving { outcome, reported: false });
        }
    }

    pub(super) fn on_report(&mut self, report: &StoreReport) {
        match report {
            StoreReport::Stored { upto, rows, .. } => {
                let decided = self.decide(*upto, Insertion::Stored);
                if decided != *rows {
                    self.violation(format!("{rows} rows are reported stored, and {decided} waited"));
                }
                self.advance(Insertion::FailedBeforeRecovery, Insertion::Undone);
            }
            StoreReport::StoreFailed { upto } => {
                self.decide(*upto, Insertion::Failed);
            }
            StoreReport::Removed { rows } => {
                rows.iter().for_each(|row| self.left(*row));
                self.advance(Insertion::FailedBeforeRecovery, Insertion::Undone);
            }
            StoreReport::Recovered => self.advance(Insertion::Failed, Insertion::FailedBeforeRecovery),
            StoreReport::Full | StoreReport::Loaded { .. } | StoreReport::LoadFailed { .. } => {}
        }
    }

    /// Every row up to this one that nothing was said about has this fate.
    fn decide(&mut self, upto: RowId, insertion: Insertion) -> usize {
        let open = self.rows.range_mut(..=upto).filter(|(_, row)| row.insertion == Insertion::Open);
        let (mut ended, mut count) = (Vec::new(), 0);
        for (_, row) in open {
            row.insertion = insertion;
            count += 1;
            if let WriteContent::Notice { ends: Some(ends), .. } = row.row.content {
                ended.push(ends);
            }
        }
        for row in ended {
            if insertion == Insertion::Stored {
                self.left(row);
            } else if let Some(row) = self.rows.get_mut(&row) {
                row.may_lack_body = true;
            }
        }
        count
    }

    fn left(&mut self, row: RowId) {
        if let Some(leaving) = self.rows.get_mut(&row).and_then(|row| row.leaving.as_mut()) {
            leaving.reported = true;
        }
    }

    fn advance(&mut self, from: Insertion, to: Insertion) {
        let mut waiting_again = Vec::new();
        for row in self.rows.values_mut().filter(|row| row.insertion == from) {
            row.insertion = to;
            if let (Insertion::Undone, WriteContent::Notice { ends, .. }) = (to, &row.row.content) {
                waiting_again.extend(*ends);
            }
        }
        for row in waiting_again {
            if let Some(row) = self.rows.get_mut(&row) {
                row.leaving = None;
            }
        }
    }

    /// Whether nothing was said yet about a row, or about a removal.
    pub(super) fn has_open(&self) -> bool {
        self.open_rows() > 0 || self.rows.values().any(ExpectedRow::is_leaving_unreported)
    }

    /// Rows that nothing was said about yet.
    pub(super) fn open_rows(&self) -> usize {
        self.rows.values().filter(|row| row.insertion == Insertion::Open).count()
    }

    /// Rows that can leave the mailbox.
    pub(super) fn waiting(&self) -> Vec<RowId> {
        let waits = |row: &ExpectedRow| row.insertion == Insertion::Stored && row.leaving.is_none();
        self.rows.iter().filter(|(_, row)| waits(row)).map(|(number, _)| *number).collect()
    }

    /// Messages whose bodies can be read for certain.
    pub(super) fn readable(&self) -> Vec<RowId> {
        let has_body =
            |row: &RowId| self.rows.get(row).is_some_and(|row| !row.may_lack_body && row.body().is_some());
        self.waiting().into_iter().filter(has_body).collect()
    }

    /// Compares a page with what was written.
    pub(super) fn check_page(&mut self, requested: &[RowId], page: &[(RowId, Bytes)]) {
        for number in requested {
            let found = page.iter().find(|(row, _)| row == number).map(|(_, body)| body);
            if found != self.rows.get(number).and_then(ExpectedRow::body) {
                self.violation(format!("the body of row {number} is given up, or another one"));
            }
        }
    }

    /// Compares the rows and bodies after a restart with what was reported, and goes on with them.
    pub(super) fn restart(&mut self, found: Vec<RestoredRow>, bodies: &BTreeMap<RowId, Bytes>) {
        let found: BTreeMap<RowId, RestoredRow> = found.into_iter().map(|row| (row.row, row)).collect();
        let numbers: BTreeSet<RowId> = found.keys().chain(self.rows.keys()).copied().collect();
        for number in numbers {
            let (expected, row) = (self.rows.get(&number), found.get(&number));
            let wrong = match (expected, row) {
                (None, row) => Some(format!("nobody wrote {row:?}")),
                (Some(expected), row) => expected.contradiction(row, bodies.get(&number), self.forgets),
            };
            let notice = expected.map(|expected| &expected.row.content);
            let wrong = wrong.or_else(|| match (notice?, row) {
                (WriteContent::Notice { ends: Some(ends), .. }, Some(_)) => {
                    let waits = found.get(ends).is_some_and(|row| row.state == RowState::Waiting);
                    waits.then(|| format!("its notice {number} is there, and {ends} waits"))
                }
                _ => None,
            });
            if let Some(wrong) = wrong {
                let expected = expected.map(ExpectedRow::summary);
                self.violation(format!("row {number}: {wrong}; expected {expected:?}"));
            }
        }
        self.adopt(&found);
    }

    fn adopt(&mut self, found: &BTreeMap<RowId, RestoredRow>) {
        self.rows.retain(|number, _| found.contains_key(number));
        for (number, expected) in &mut self.rows {
            expected.insertion = Insertion::Stored;
            expected.leaving = match found.get(number).map(|row| row.state) {
                Some(RowState::Left(outcome)) => Some(Leaving { outcome: Some(outcome), reported: true }),
                _ => None,
            };
        }
    }
}

impl ExpectedRow {
    fn is_leaving_unreported(&self) -> bool {
        self.leaving.is_some_and(|leaving| !leaving.reported)
            && matches!(self.insertion, Insertion::Open | Insertion::Stored)
            && !self.may_lack_body
    }

    fn body(&self) -> Option<&Bytes> {
        match &self.row.content {
            WriteContent::Message(body) => Some(body),
            WriteContent::Notice { .. } => None,
        }
    }

    /// What is expected, without the bytes of the message.
    const fn summary(&self) -> (RowKind, usize, Insertion, Option<Leaving>, bool) {
        (self.row.kind(), self.row.size(), self.insertion, self.leaving, self.may_lack_body)
    }

    /// What is wrong with the row that a restart found.
    fn contradiction(
        &self,
        found: Option<&RestoredRow>,
        body: Option<&Bytes>,
        forgets: bool,
    ) -> Option<String> {
        let Some(found) = found else {
            let gone = self.leaving.is_some_and(|leaving| leaving.outcome.is_none() || forgets);
            return (self.insertion == Insertion::Stored && !gone).then(|| "it is lost".to_owned());
        };
        if self.insertion == Insertion::Undone {
            return Some("it failed, and is there after a later commit".to_owned());
        }
        if (found.id, found.digest, found.kind) != (self.row.id, self.row.digest, self.row.kind()) {
            return Some(format!("it has changed: {found:?}"));
        }
        match (found.state, self.leaving) {
            (RowState::Waiting, Some(Leaving { reported: true, .. })) => Some("it waits again".to_owned()),
            (RowState::Waiting, _) => {
                let right = body == self.body() || (body.is_none() && self.may_lack_body);
                (!right).then(|| format!("its body has {:?} bytes or is another one", body.map(Bytes::len)))
            }
            (RowState::Left(_), None) => Some(format!("it has left: {found:?}")),
            (RowState::Left(found), Some(leaving)) => {
                (Some(found) != leaving.outcome).then(|| format!("it has left as {found:?}"))
            }
        }
    }
}
