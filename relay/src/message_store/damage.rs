//! Damaged pages of the mailbox's file: what is on them is given up, and everything else stays
//! usable.
//!
//! SQLite adds rows to the last page of a table. While that page of `bodies` is damaged, new bodies
//! go to `spare_bodies`. Whoever looks for a body looks there first, because to look for its row in
//! `bodies` would meet the damage.

use sqlx::SqliteConnection;

use super::sql::json_array;
use crate::core::RowId;

/// SQLite's codes for a page that contradicts itself or its neighbours, for a file that ends too
/// early, and for a file system that found a wrong checksum. Any other failed read may succeed when
/// it is repeated.
const DAMAGE: [&str; 6] = ["11", "267", "779", "522", "8202", "8458"];
const REMOVE_BODIES: &str = "delete from bodies where row in (select value from json_each(?))";
const REMOVE_BODIES_BESIDE_SPARE: &str = "delete from bodies where row in \
    (select value from json_each(?) where value not in (select row from spare_bodies))";
const REMOVE_SPARE_BODIES: &str = "delete from spare_bodies where row in (select value from json_each(?))";

/// Whether reading the same again would fail again.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| DAMAGE.contains(&&*code))
}

/// Both halves of a part that has several rows.
pub(super) const fn halves<T>(part: &[T]) -> Option<(&[T], &[T])> {
    if part.len() < 2 { None } else { Some(part.split_at(part.len() / 2)) }
}

/// Whether there may be rows in `spare_bodies`. Without them, nothing looks for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpareBodies {
    None,
    Some,
}

impl SpareBodies {
    pub(super) async fn find(on: &mut SqliteConnection) -> sqlx::Result<Self> {
        match sqlx::query_scalar("select exists(select 1 from spare_bodies)").fetch_one(on).await {
            Ok(false) => Ok(Self::None),
            Ok(true) => Ok(Self::Some),
            Err(error) if is_damage(&error) => Ok(Self::Some),
            Err(error) => Err(error),
        }
    }

    /// Deletes bodies, wherever they are.
    pub(super) async fn delete_bodies(self, on: &mut SqliteConnection, rows: &[RowId]) -> sqlx::Result<()> {
        let sql = match self {
            Self::None => REMOVE_BODIES,
            Self::Some => REMOVE_BODIES_BESIDE_SPARE,
        };
        sqlx::query(sql).bind(json_array(rows.iter().copied())).execute(&mut *on).await?;
        self.delete_spare_bodies(on, rows).await
    }

    /// Deletes those of these bodies that are spare ones.
    pub(super) async fn delete_spare_bodies(
        self,
        on: &mut SqliteConnection,
        rows: &[RowId],
    ) -> sqlx::Result<()> {
        if self == Self::Some {
            sqlx::query(REMOVE_SPARE_BODIES).bind(json_array(rows.iter().copied())).execute(on).await?;
        }
        Ok(())
    }
}

/// Deletes bodies that nothing refers to any more, except for those on damaged pages and beside
/// them. They stay there.
///
/// Each statement is a transaction of its own: after damage was met, SQLite refuses to commit
/// anything of the same transaction.
pub(super) async fn delete_undamaged_bodies(on: &mut SqliteConnection, rows: &[RowId], spare: SpareBodies) {
    let mut parts = vec![rows];
    while let Some(part) = parts.pop() {
        match (spare.delete_bodies(on, part).await, halves(part)) {
            (Ok(()), _) => {}
            (Err(error), Some((first, second))) if is_damage(&error) => parts.extend([second, first]),
            (Err(error), _) => {
                tracing::error!(%error, rows = part.len(), row = part.first(), "failed to delete bodies");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_halved_until_it_is_one_row() {
        assert_eq!(halves(&[1, 2, 3]), Some((&[1][..], &[2, 3][..])));
        assert_eq!(halves(&[1]), None);
        assert_eq!(halves::<RowId>(&[]), None);
    }

    #[test]
    fn only_what_fails_each_time_is_damage() {
        assert!(!is_damage(&sqlx::Error::PoolClosed));
        assert!(!is_damage(&sqlx::Error::RowNotFound));
    }
}
