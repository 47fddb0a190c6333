//! Moves the mailbox out of `relay.db`, where earlier versions kept it.
//!
//! The rows are copied, and the migration of `relay.db` that follows drops them there. A crash
//! before the end of the copy repeats it. Once a relay has started on the mailbox's own file,
//! `relay.db` is not opened here: to close it copies and syncs its log, for which a start would
//! wait.

use std::path::Path;

use sqlx::{Connection as _, SqliteConnection};

const COPY: [&str; 3] = [
    "insert or ignore into messages (row, state, recipient, peer, id, digest, kind, size, accepted, expires)
        select row, waiting, recipient, peer, id, digest, kind, size, accepted, expires from former.messages",
    "insert or ignore into bodies select * from former.bodies",
    "update mailbox_meta set starts = max(starts, (select starts from former.mailbox_meta))",
];

pub(super) async fn copy_rows(to: &mut SqliteConnection, former: &Path) -> sqlx::Result<()> {
    if !former.exists() || has_started(to).await? {
        return Ok(());
    }
    sqlx::query("attach ? as former").bind(former.to_string_lossy()).execute(&mut *to).await?;
    let copied = copy_attached(to).await;
    sqlx::query("detach former").execute(to).await?;
    copied
}

/// Whether a relay has started on this file. The copy takes the count over.
async fn has_started(on: &mut SqliteConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("select starts > 0 from mailbox_meta").fetch_one(on).await
}

async fn copy_attached(to: &mut SqliteConnection) -> sqlx::Result<()> {
    let tables: i64 = sqlx::query_scalar(
        "select count(*) from former.sqlite_master where type = 'table' and name = 'bodies'",
    )
    .fetch_one(&mut *to)
    .await?;
    if tables == 0 {
        return Ok(());
    }
    let mut transaction = to.begin().await?;
    for sql in COPY {
        sqlx::query(sql).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    tracing::info!("the mailboxes have moved into a file of their own");
    Ok(())
}
