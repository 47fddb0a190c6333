//! Commits one batch of writes with few statements: rows are inserted many at a time, and all
//! removals are one statement.
//!
//! A batch that meets a damaged page is tried again around the damage.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use protocol::frame::Outcome;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::commit_scheduler::{Batch, insertion};
use super::damage::{SpareBodies, delete_undamaged_bodies, is_damage};
use super::forgetting::Forgetting;
use super::sql::{json_array, kind_number, reason_number, state_number};
use super::transaction;
use crate::core::{RowId, Write, WriteContent, WriteRow};

/// Rows of one INSERT. With three sizes, three prepared statements serve every batch.
const CHUNKS: [usize; 3] = [64, 8, 1];
const MESSAGE_COLUMNS: &str = "(?,?,?,?,?,?,?,?,?,?,?)";
const BODY_COLUMNS: &str = "(?,?)";

const SET_STATES: &str = "update messages set state = ? where row in (select value from json_each(?))";
const DELETE_MESSAGES: &str = "delete from messages where row in (select value from json_each(?))";
const PROBE: &str = "update mailbox_meta set probed = unixepoch()";

/// The texts of the INSERT statements, made once.
#[derive(Debug)]
pub(super) struct Statements {
    messages: [Arc<str>; 3],
    bodies: [Arc<str>; 3],
    spare_bodies: [Arc<str>; 3],
    new_bodies: NewBodies,
    /// Those of earlier starts, and of this one since new bodies are spare ones.
    spare: SpareBodies,
}

impl Statements {
    pub(super) fn new(spare: SpareBodies) -> Self {
        let insert = |into: &str, columns: &str| {
            CHUNKS.map(|rows| format!("insert {into} values {}", vec![columns; rows].join(",")).into())
        };
        Self {
            messages: insert("into messages", MESSAGE_COLUMNS),
            // A body that could not be deleted may have a number that is given again after a
            // restart.
            bodies: insert("or replace into bodies", BODY_COLUMNS),
            spare_bodies: insert("or replace into spare_bodies", BODY_COLUMNS),
            new_bodies: NewBodies::Append,
            spare,
        }
    }

    /// Commits the whole batch in one transaction, or nothing of it, together with the next slice
    /// of the rows to forget.
    ///
    /// A body on a damaged page cannot be deleted, and a new one cannot be added to it. Neither
    /// stops the batch: it is committed without the deletion of bodies, and new ones become spare
    /// bodies from then on.
    pub(super) async fn commit(
        &mut self,
        on: &mut SqliteConnection,
        batch: &Batch,
        forgetting: &mut Forgetting,
    ) -> sqlx::Result<()> {
        let mut result = self.commit_with(on, batch, forgetting, OldBodies::Delete).await;
        if !is_damaged(&result) {
            return result;
        }
        result = self.commit_with(on, batch, forgetting, OldBodies::Keep).await;
        if is_damaged(&result) && self.new_bodies == NewBodies::Append {
            tracing::error!("new messages cannot be added to a damaged page; they are stored beside it");
            (self.new_bodies, self.spare) = (NewBodies::Spare, SpareBodies::Some);
            result = self.commit_with(on, batch, forgetting, OldBodies::Keep).await;
        }
        if result.is_ok() {
            let removed = batch.writes.iter().filter_map(removal).map(|(row, _)| row);
            let old: Vec<RowId> = removed.chain(batch.discarded.iter().copied()).collect();
            delete_undamaged_bodies(on, &old, self.spare).await;
        }
        result
    }

    async fn commit_with(
        &self,
        on: &mut SqliteConnection,
        batch: &Batch,
        forgetting: &mut Forgetting,
        old_bodies: OldBodies,
    ) -> sqlx::Result<()> {
        let ended: HashSet<RowId> = batch.writes.iter().filter_map(Write::ended_by_notice).collect();
        for accepted_before in batch.writes.iter().filter_map(forget) {
            forgetting.extend(on, accepted_before).await?;
        }
        transaction::begin(on).await?;
        let written = self.write(on, batch, (forgetting, &ended), old_bodies).await;
        let forgotten = transaction::end(on, written).await?;
        forgetting.committed(forgotten, &ended);
        Ok(())
    }

    /// The statements of the batch. Returns the end of the slice that was forgotten.
    async fn write(
        &self,
        on: &mut SqliteConnection,
        batch: &Batch,
        (forgetting, ended): (&Forgetting, &HashSet<RowId>),
        old_bodies: OldBodies,
    ) -> sqlx::Result<Option<RowId>> {
        let removed: HashMap<RowId, Option<Outcome>> = batch.writes.iter().filter_map(removal).collect();
        let inserted: Vec<&WriteRow> = batch.writes.iter().filter_map(insertion).collect();
        let old_bodies = (old_bodies, self.spare);
        discard(on, &batch.discarded, old_bodies).await?;
        revive(on, &batch.revived).await?;
        self.insert_messages(on, &inserted, &removed).await?;
        self.insert_bodies(on, &inserted, &removed).await?;
        let keeps = |row: RowId| ended.contains(&row) || !forgetting.is_forgotten(row);
        remove(on, removed, keeps, old_bodies).await?;
        forgetting.delete_postponed(on).await?;
        if batch.writes.is_empty() {
            sqlx::query(PROBE).execute(&mut *on).await?;
        }
        if forgetting.is_done() {
            return Ok(None);
        }
        forgetting.delete_slice(on, ended).await.map(Some)
    }

    async fn insert_messages(
        &self,
        on: &mut SqliteConnection,
        rows: &[&WriteRow],
        removed: &HashMap<RowId, Option<Outcome>>,
    ) -> sqlx::Result<()> {
        for (sql, chunk) in chunks(&self.messages, rows) {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for row in chunk {
                query = query
                    .bind(row.row.cast_signed())
                    .bind(state_number(removed.get(&row.row).copied().flatten()))
                    .bind(row.recipient.as_ref())
                    .bind(row.peer.as_ref())
                    .bind(row.id.as_bytes().as_slice())
                    .bind(row.digest.cast_signed())
                    .bind(kind_number(row.kind()))
                    .bind(reason_number(row.kind()))
                    .bind(i64::try_from(row.size()).unwrap_or(i64::MAX))
                    .bind(row.accepted.cast_signed())
                    .bind(row.expires.cast_signed());
            }
            query.execute(&mut *on).await?;
        }
        Ok(())
    }

    /// Inserts no body for a message that was acknowledged before this commit.
    async fn insert_bodies(
        &self,
        on: &mut SqliteConnection,
        rows: &[&WriteRow],
        removed: &HashMap<RowId, Option<Outcome>>,
    ) -> sqlx::Result<()> {
        let body = |row: &&WriteRow| match &row.content {
            WriteContent::Message(envelope) if !removed.contains_key(&row.row) => {
                Some((row.row, envelope.clone()))
            }
            _ => None,
        };
        let bodies: Vec<(RowId, bytes::Bytes)> = rows.iter().filter_map(body).collect();
        let texts = match self.new_bodies {
            NewBodies::Append => &self.bodies,
            NewBodies::Spare => &self.spare_bodies,
        };
        for (sql, chunk) in chunks(texts, &bodies) {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (row, envelope) in chunk {
                query = query.bind(row.cast_signed()).bind(envelope.as_ref());
            }
            query.execute(&mut *on).await?;
        }
        Ok(())
    }
}

/// Where new bodies are stored, until the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewBodies {
    Append,
    /// In the table beside, because of a damaged page.
    Spare,
}

/// What a commit does with the bodies of rows that leave the mailbox.
#[derive(Debug, Clone, Copy)]
enum OldBodies {
    Delete,
    /// The caller deletes those that can be deleted.
    Keep,
}

async fn settle_bodies(
    on: &mut SqliteConnection,
    rows: &[RowId],
    (old_bodies, spare): (OldBodies, SpareBodies),
) -> sqlx::Result<()> {
    match old_bodies {
        OldBodies::Delete => spare.delete_bodies(on, rows).await,
        // A spare body goes with its row, because the number may be given again.
        OldBodies::Keep => spare.delete_spare_bodies(on, rows).await,
    }
}

/// Deletes rows that were reported failed, in case that they are on disk after all.
async fn discard(
    on: &mut SqliteConnection,
    rows: &[RowId],
    old_bodies: (OldBodies, SpareBodies),
) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    settle_bodies(on, rows, old_bodies).await?;
    let rows = json_array(rows.iter().copied());
    sqlx::query(DELETE_MESSAGES).bind(&rows).execute(&mut *on).await?;
    Ok(())
}

/// Puts messages back that were ended by notices that are discarded.
async fn revive(on: &mut SqliteConnection, rows: &[RowId]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json_array(rows.iter().copied());
    sqlx::query(SET_STATES).bind(state_number(None)).bind(rows).execute(&mut *on).await?;
    Ok(())
}

/// Removes rows from the mailboxes. Those with an outcome are remembered with it if `keeps` says
/// so.
async fn remove(
    on: &mut SqliteConnection,
    rows: HashMap<RowId, Option<Outcome>>,
    keeps: impl Fn(RowId) -> bool,
    old_bodies: (OldBodies, SpareBodies),
) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let all: Vec<RowId> = rows.keys().copied().collect();
    settle_bodies(on, &all, old_bodies).await?;
    let (mut deleted, mut remembered) = (Vec::new(), BTreeMap::<i64, Vec<RowId>>::new());
    for (row, outcome) in rows {
        match outcome.filter(|_| keeps(row)) {
            Some(outcome) => remembered.entry(state_number(Some(outcome))).or_default().push(row),
            None => deleted.push(row),
        }
    }
    for (state, rows) in remembered {
        let rows = json_array(rows.into_iter());
        sqlx::query(SET_STATES).bind(state).bind(rows).execute(&mut *on).await?;
    }
    if !deleted.is_empty() {
        let rows = json_array(deleted.into_iter());
        sqlx::query(DELETE_MESSAGES).bind(rows).execute(&mut *on).await?;
    }
    Ok(())
}

fn is_damaged(result: &sqlx::Result<()>) -> bool {
    result.as_ref().is_err_and(is_damage)
}

/// Splits rows into as few statements of the known sizes as possible.
fn chunks<'a, T>(texts: &[Arc<str>; 3], rows: &'a [T]) -> Vec<(Arc<str>, &'a [T])> {
    let (mut rest, mut found) = (rows, Vec::new());
    for (size, text) in CHUNKS.into_iter().zip(texts) {
        while let Some((chunk, after)) = rest.split_at_checked(size) {
            found.push((Arc::clone(text), chunk));
            rest = after;
        }
    }
    found
}

/// The row that leaves the mailbox with this write, and how.
pub(super) const fn removal(write: &Write) -> Option<(RowId, Option<Outcome>)> {
    match write {
        Write::Remove { row, outcome } => Some((*row, *outcome)),
        Write::Insert(WriteRow {
            content: WriteContent::Notice { ends: Some(row), outcome, .. }, ..
        }) => Some((*row, Some(*outcome))),
        Write::Insert(_) | Write::Forget { .. } => None,
    }
}

const fn forget(write: &Write) -> Option<u64> {
    match write {
        Write::Forget { accepted_before } => Some(*accepted_before),
        _ => None,
    }
}
