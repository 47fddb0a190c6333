//! Damaged pages of the mailbox's file: what is on them is given up, and everything else stays
//! usable.

use sqlx::{Connection as _, SqliteConnection};

use super::sql::json_array;
use crate::core::RowId;

/// SQLite's codes for a page that contradicts itself or its neighbours, for a file that ends too
/// early, and for a file system that found a wrong checksum. Any other failed read may succeed when
/// it is repeated.
const DAMAGE: [&str; 6] = ["11", "267", "779", "522", "8202", "8458"];
const REMOVE_BODIES: &str = "delete from bodies where row in (select value from json_each(?))";

/// Whether reading the same again would fail again.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| DAMAGE.contains(&&*code))
}

/// Both halves of a part that has several rows.
pub(super) const fn halves<T>(part: &[T]) -> Option<(&[T], &[T])> {
    if part.len() < 2 { None } else { Some(part.split_at(part.len() / 2)) }
}

/// Deletes bodies in the transaction of `on`.
pub(super) async fn delete_bodies(on: &mut SqliteConnection, rows: &[RowId]) -> sqlx::Result<()> {
    sqlx::query(REMOVE_BODIES).bind(json_array(rows.iter().copied())).execute(on).await?;
    Ok(())
}

/// The same, except for bodies on damaged pages. They stay there, and nothing refers to them.
pub(super) async fn delete_undamaged_bodies(on: &mut SqliteConnection, rows: &[RowId]) -> sqlx::Result<()> {
    let mut parts = vec![rows];
    while let Some(part) = parts.pop() {
        // A statement that failed may have done a part of its work.
        let mut savepoint = on.begin().await?;
        match delete_bodies(&mut savepoint, part).await {
            Ok(()) => savepoint.commit().await?,
            Err(error) if is_damage(&error) => {
                savepoint.rollback().await?;
                match halves(part) {
                    Some((first, second)) => parts.extend([second, first]),
                    None => tracing::error!(%error, row = part.first(), "failed to delete a damaged body"),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
