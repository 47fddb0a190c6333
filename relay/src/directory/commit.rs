//! Commits edits and the version that they lead to in one transaction.

use protocol::admin::{DeletionPolicy, McpSpec, Owner, TenantSpec, Term};
use protocol::api_key::KeyHash;
use protocol::did::{Domain, TenantId};
use protocol::frame::FormerRootKey;
use protocol::record::Card;
use protocol::{Did, UnixSeconds};
use sqlx::SqliteConnection;

use super::edit::Edit;
use super::entry::{AgentEntry, TenantKey};
use super::ownership::Ownership;
use super::state::DirectoryState;
use crate::store::{Store, StoreError, is_disk_full};

type Result<T = ()> = std::result::Result<T, sqlx::Error>;

impl Store {
    /// Returns once all edits are on disk, together with the version that they lead to. A change
    /// that finds the disk full is tried once more with the reserve.
    ///
    /// # Errors
    /// Nothing was written.
    pub(crate) async fn commit_edits(
        &self,
        edits: &[Edit],
        version: u64,
    ) -> std::result::Result<(), StoreError> {
        let mut committed = self.try_commit(edits, version).await;
        if committed.as_ref().is_err_and(is_disk_full) {
            // The writer of the mailbox may have freed it since.
            self.release_reserve();
            committed = self.try_commit(edits, version).await;
        }
        committed.map_err(StoreError::Commit)
    }

    /// Tests whether commits work, with one that nobody reads. An update of a column to its own
    /// value would write nothing.
    ///
    /// # Errors
    /// As [`Self::commit_edits`].
    pub(crate) async fn probe(&self) -> std::result::Result<(), StoreError> {
        sqlx::query("pragma user_version = 1")
            .execute(self.pool())
            .await
            .map(|_| ())
            .map_err(StoreError::Commit)
    }

    /// Reads the directory as it is on disk, whatever became of earlier commits.
    ///
    /// # Errors
    /// The store cannot be written or read.
    pub(super) async fn read_durably(
        &self,
        domain: &Domain,
    ) -> std::result::Result<DirectoryState, StoreError> {
        // A failed sync may have dropped a part of the log, and what is written behind it would be
        // lost with it. So the log is begun anew.
        let busy: bool = sqlx::query_scalar("pragma wal_checkpoint(truncate)")
            .fetch_one(self.pool())
            .await
            .map_err(StoreError::Commit)?;
        if busy {
            return Err(StoreError::Busy);
        }
        self.probe().await?;
        Ok(self.load_directory(domain).await?.1)
    }

    async fn try_commit(&self, edits: &[Edit], version: u64) -> Result {
        // Immediate: it waits for the write lock at the start and not half way.
        let mut transaction = self.pool().begin_with("begin immediate").await?;
        for edit in edits {
            write(&mut transaction, edit).await?;
        }
        set_version(&mut transaction, version).await?;
        transaction.commit().await
    }
}

async fn write(to: &mut SqliteConnection, edit: &Edit) -> Result {
    match edit {
        Edit::PutTenant(tenant, spec, ownership) => put_tenant(to, tenant, spec, ownership).await,
        Edit::RemoveTenant(tenant) => remove_tenant(to, tenant).await,
        Edit::PutAgent(agent) => put_agent(to, agent).await,
        Edit::RemoveAgent(did) => remove_agent(to, did).await,
        Edit::PutKey(tenant, key) => put_tenant_key(to, tenant, key).await,
        Edit::RemoveKey(_, key) => remove_key(to, &key.sha256).await,
        Edit::RaiseTerm(term) => set_term(to, *term).await,
    }
}

async fn set_version(to: &mut SqliteConnection, version: u64) -> Result {
    let update = sqlx::query("update directory_meta set version = ? where id = 1");
    update.bind(integer(version)).execute(to).await.map(|_| ())
}

async fn set_term(to: &mut SqliteConnection, term: Term) -> Result {
    let update = sqlx::query("update directory_meta set term = ? where id = 1");
    update.bind(term.to_string()).execute(to).await.map(|_| ())
}

async fn put_tenant(
    to: &mut SqliteConnection,
    tenant: &TenantId,
    spec: &TenantSpec,
    ownership: &Ownership,
) -> Result {
    sqlx::query(
        "insert into tenants (tenant, display_name, suspended, agents_max, deletion_policy, owner, released)
         values (?, ?, ?, ?, ?, ?, ?)
         on conflict (tenant) do update set
           display_name = excluded.display_name, suspended = excluded.suspended, agents_max = excluded.agents_max,
           deletion_policy = excluded.deletion_policy, owner = excluded.owner, released = excluded.released",
    )
    .bind(tenant.as_str())
    .bind(&spec.display_name)
    .bind(spec.suspended)
    .bind(spec.agents_max)
    .bind(spec.deletion_policy.map(policy_text))
    .bind(ownership.owner().map(Owner::to_string))
    .bind(released(ownership))
    .execute(to)
    .await
    .map(|_| ())
}

/// Its agents and keys are deleted through their foreign keys.
async fn remove_tenant(to: &mut SqliteConnection, tenant: &TenantId) -> Result {
    sqlx::query("delete from tenants where tenant = ?").bind(tenant.as_str()).execute(to).await.map(|_| ())
}

async fn put_agent(to: &mut SqliteConnection, agent: &AgentEntry) -> Result {
    sqlx::query(
        "insert into agents
           (tenant, name, root_key, declared_card, suspended, record, record_created, registered_card, mcp_url,
            mcp_accounts, mcp_endpoint, root_key_declared, deletion_policy, owner, released, former_root_keys)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (tenant, name) do update set
           root_key = excluded.root_key, declared_card = excluded.declared_card, suspended = excluded.suspended,
           record = excluded.record, record_created = excluded.record_created,
           registered_card = excluded.registered_card, mcp_url = excluded.mcp_url,
           mcp_accounts = excluded.mcp_accounts, mcp_endpoint = excluded.mcp_endpoint,
           root_key_declared = excluded.root_key_declared, deletion_policy = excluded.deletion_policy,
           owner = excluded.owner, released = excluded.released,
           former_root_keys = excluded.former_root_keys",
    )
    .bind(agent.tenant.as_str())
    .bind(agent.did.name())
    .bind(&agent.root_key)
    .bind(card_json(agent.declared_card.as_ref())?)
    .bind(agent.suspended)
    .bind(agent.record.as_deref())
    .bind(agent.record.as_ref().map(|_| integer(agent.record_created)))
    .bind(card_json(agent.registered_card.as_ref())?)
    .bind(agent.mcp.as_ref().map(|mcp| mcp.url.as_str()))
    .bind(accounts_json(agent.mcp.as_deref())?)
    .bind(agent.mcp.as_ref().and_then(|mcp| mcp.endpoint.as_deref()))
    .bind(agent.root_key_declared)
    .bind(agent.deletion_policy.map(policy_text))
    .bind(agent.ownership.owner().map(Owner::to_string))
    .bind(released(&agent.ownership))
    .bind(former_root_keys_json(&agent.former_root_keys)?)
    .execute(&mut *to)
    .await?;
    end_grants(to, agent).await?;
    replace_keys(to, agent).await
}

/// Ends the grants for an MCP endpoint that the agent no longer has, also in case it gets the
/// endpoint back later. The same goes for the gateway when it no longer serves the agent.
async fn end_grants(to: &mut SqliteConnection, agent: &AgentEntry) -> Result {
    sqlx::query(
        "delete from oauth_grants where tenant = ? and agent = ?
           and case gateway when 1 then ? is null else resource is not ? end",
    )
    .bind(agent.tenant.as_str())
    .bind(agent.did.name())
    .bind(agent.mcp.as_ref().and_then(|mcp| mcp.endpoint.as_deref()))
    .bind(agent.mcp.as_ref().map(|mcp| mcp.url.as_str()))
    .execute(to)
    .await
    .map(|_| ())
}

async fn replace_keys(to: &mut SqliteConnection, agent: &AgentEntry) -> Result {
    sqlx::query("delete from api_keys where tenant = ? and agent = ?")
        .bind(agent.tenant.as_str())
        .bind(agent.did.name())
        .execute(&mut *to)
        .await?;
    for key in &agent.keys {
        put_key(to, &key.sha256, &agent.tenant, Some(agent.did.name()), key.not_after).await?;
    }
    Ok(())
}

async fn remove_agent(to: &mut SqliteConnection, did: &Did) -> Result {
    sqlx::query("delete from agents where tenant = ? and name = ?")
        .bind(did.tenant().as_str())
        .bind(did.name())
        .execute(to)
        .await
        .map(|_| ())
}

async fn put_tenant_key(to: &mut SqliteConnection, tenant: &TenantId, key: &TenantKey) -> Result {
    remove_key(to, &key.sha256).await?;
    put_key(to, &key.sha256, tenant, None, key.not_after).await
}

async fn put_key(
    to: &mut SqliteConnection,
    hash: &KeyHash,
    tenant: &TenantId,
    agent: Option<&str>,
    not_after: Option<UnixSeconds>,
) -> Result {
    sqlx::query("insert into api_keys (sha256, tenant, agent, not_after) values (?, ?, ?, ?)")
        .bind(hash.as_bytes().as_slice())
        .bind(tenant.as_str())
        .bind(agent)
        .bind(not_after.map(integer))
        .execute(to)
        .await
        .map(|_| ())
}

async fn remove_key(to: &mut SqliteConnection, hash: &KeyHash) -> Result {
    let delete = sqlx::query("delete from api_keys where sha256 = ?");
    delete.bind(hash.as_bytes().as_slice()).execute(to).await.map(|_| ())
}

fn card_json(card: Option<&Card>) -> Result<Option<String>> {
    card.map(serde_json::to_string).transpose().map_err(|error| sqlx::Error::Encode(error.into()))
}

fn former_root_keys_json(former: &[FormerRootKey]) -> Result<Option<String>> {
    let json = (!former.is_empty()).then(|| serde_json::to_string(former)).transpose();
    json.map_err(|error| sqlx::Error::Encode(error.into()))
}

fn accounts_json(mcp: Option<&McpSpec>) -> Result<Option<String>> {
    let json = mcp.map(|mcp| serde_json::to_string(&mcp.accounts)).transpose();
    json.map_err(|error| sqlx::Error::Encode(error.into()))
}

const fn policy_text(policy: DeletionPolicy) -> &'static str {
    match policy {
        DeletionPolicy::Retain => "Retain",
        DeletionPolicy::Purge => "Purge",
    }
}

fn released(ownership: &Ownership) -> Option<i64> {
    match ownership {
        Ownership::Released(at) => Some(integer(*at)),
        Ownership::Unrecorded | Ownership::Owned(_) => None,
    }
}

/// SQLite has only signed integers. A time beyond them is stored as the largest.
fn integer(seconds: UnixSeconds) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::directory::fixtures::{agent_with_keys, tenant};

    async fn set_pages_max(store: &Store, pages: u32) {
        let pragma = format!("pragma max_page_count = {pages}");
        sqlx::query(sqlx::AssertSqlSafe(pragma)).execute(store.pool()).await.unwrap();
    }

    #[tokio::test]
    async fn a_change_is_committed_after_one_that_found_the_disk_full() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("relay.db")).await.unwrap();
        store.load_directory(&"example.com".parse().unwrap()).await.unwrap();
        let acme = Edit::PutTenant(tenant("acme"), TenantSpec::default(), Ownership::Unrecorded);
        store.commit_edits(&[acme], 1).await.unwrap();
        let record = Some(vec![7; 1 << 20].into());
        let large = AgentEntry { record, ..(*agent_with_keys("acme", "alice", &[])).clone() };
        let large = [Edit::PutAgent(Arc::new(large))];
        // SQLite takes the smallest number that holds the file, and ends the transaction itself.
        set_pages_max(&store, 1).await;
        let error = store.try_commit(&large, 2).await.unwrap_err();
        assert!(is_disk_full(&error), "{error}");
        set_pages_max(&store, u32::MAX).await;
        store.commit_edits(&large, 2).await.unwrap();
    }
}
