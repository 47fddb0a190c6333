//! Pages of a caller's tasks, the newest status first.

use protocol::Did;
use sqlx::FromRow as _;

use super::record::TaskRow;
use super::{StoreError, TaskRecord, TaskStore, UnixMillis};
use crate::model::TaskState;

/// Which tasks a listing has.
#[derive(Debug, Clone)]
pub struct ListFilter {
    pub caller: String,
    pub agent: Did,
    pub context: Option<String>,
    pub state: Option<TaskState>,
    pub changed_since: Option<UnixMillis>,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    pub tasks: Vec<TaskRecord>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<(UnixMillis, i64)>,
    pub total: u32,
}

const MATCHES: &str = "caller = ?1 and agent = ?2 and (?3 is null or context = ?3) \
    and (?4 is null or state = ?4) and (?5 is null or status_at >= ?5)";

impl TaskStore {
    /// At most `limit` tasks that come after the cursor.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(
        &self,
        filter: &ListFilter,
        after: Option<(UnixMillis, i64)>,
        limit: u32,
    ) -> Result<ListPage, StoreError> {
        let count = format!("select count(*) from tasks where {MATCHES}");
        let page = format!(
            "select * from tasks where {MATCHES} and (?6 is null or (status_at, number) < (?6, ?7)) \
             order by status_at desc, number desc limit ?8"
        );
        let (caller, agent) = (&filter.caller, filter.agent.as_str());
        let state = filter.state.map(TaskState::as_str);
        let total: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
            .bind(caller)
            .bind(agent)
            .bind(&filter.context)
            .bind(state)
            .bind(filter.changed_since)
            .fetch_one(&self.pool)
            .await?;
        let rows = sqlx::query(sqlx::AssertSqlSafe(page))
            .bind(caller)
            .bind(agent)
            .bind(&filter.context)
            .bind(state)
            .bind(filter.changed_since)
            .bind(after.map(|(at, _)| at))
            .bind(after.map(|(_, number)| number))
            .bind(limit.saturating_add(1))
            .fetch_all(&self.pool)
            .await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        let rows = rows.iter().take(limit).map(|row| TaskRow::from_row(row)?.into_record());
        let tasks = rows.collect::<Result<Vec<_>, StoreError>>()?;
        let next = tasks.last().filter(|_| has_more).map(|task| (task.status_at, task.number));
        Ok(ListPage { tasks, next, total: u32::try_from(total).unwrap_or(u32::MAX) })
    }
}
