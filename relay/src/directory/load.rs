//! Loads the whole directory from the store at startup. Records were verified before they were
//! stored, so they are not verified again: twenty thousand agents load in one second, not in ten.

use std::collections::HashMap;
use std::sync::Arc;

use protocol::admin::{AgentKey, DeletionPolicy, McpSpec, Owner, TenantSpec};
use protocol::api_key::KeyHash;
use protocol::did::{AgentName, Domain, TenantId};
use protocol::frame::FormerRootKey;
use protocol::record::Card;
use protocol::{Did, UnixSeconds};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::edit::Edit;
use super::entry::{AgentEntry, TenantKey};
use super::ownership::Ownership;
use super::state::DirectoryState;
use crate::store::{Store, StoreError, StoreIdentity};

type BoundKeys = HashMap<Did, Vec<AgentKey>>;

impl Store {
    /// # Errors
    /// The store cannot be read, holds something this version does not understand, or belongs to
    /// another domain.
    pub(crate) async fn load_directory(
        &self,
        domain: &Domain,
    ) -> Result<(StoreIdentity, DirectoryState), StoreError> {
        let identity = self.identity(domain).await?;
        let mut state = DirectoryState::at_version(identity.version);
        if let Some(term) = identity.term {
            state.apply(&Edit::RaiseTerm(term));
        }
        let tenants = "select tenant, display_name, suspended, agents_max, deletion_policy, owner, released \
                       from tenants";
        for row in self.all(tenants).await? {
            state.apply(&tenant(&row)?);
        }
        let mut bound = self.load_keys(domain, &mut state).await?;
        let agents = "select tenant, name, root_key, declared_card, suspended, record, record_created, \
                      registered_card, mcp_url, mcp_accounts, mcp_endpoint, root_key_declared, deletion_policy, \
                      owner, released, former_root_keys from agents";
        for row in self.all(agents).await? {
            let mut agent = agent(&row, domain)?;
            agent.keys = bound.remove(&agent.did).unwrap_or_default();
            state.apply(&Edit::PutAgent(Arc::new(agent)));
        }
        Ok((identity, state))
    }

    /// Adds the keys of tenants to the state and returns the keys of agents.
    async fn load_keys(&self, domain: &Domain, state: &mut DirectoryState) -> Result<BoundKeys, StoreError> {
        let mut bound = BoundKeys::new();
        // In the order in which they were written, so that an agent's list is read back as it was.
        for row in self.all("select sha256, tenant, agent, not_after from api_keys order by position").await?
        {
            let sha256 = hash(&row)?;
            let tenant: TenantId = parsed(&row, "tenant")?;
            let not_after = seconds(&row, "not_after")?;
            let agent: Option<String> = column(&row, "agent")?;
            let Some(name) = agent else {
                state.apply(&Edit::PutKey(tenant, TenantKey { sha256, not_after }));
                continue;
            };
            let name: AgentName = name.parse().map_err(|error| unreadable("agent name", error))?;
            let keys = bound.entry(Did::new(domain, &tenant, &name)).or_default();
            keys.push(AgentKey { sha256, not_after });
        }
        Ok(bound)
    }

    async fn all(&self, query: &'static str) -> Result<Vec<SqliteRow>, StoreError> {
        sqlx::query(query).fetch_all(self.pool()).await.map_err(StoreError::Load)
    }
}

fn tenant(row: &SqliteRow) -> Result<Edit, StoreError> {
    let agents_max: Option<i64> = column(row, "agents_max")?;
    let spec = TenantSpec {
        display_name: column(row, "display_name")?,
        suspended: column(row, "suspended")?,
        agents_max: agents_max
            .map(u32::try_from)
            .transpose()
            .map_err(|error| unreadable("agents_max", error))?,
        deletion_policy: policy(row)?,
    };
    Ok(Edit::PutTenant(parsed(row, "tenant")?, spec, ownership(row)?))
}

fn agent(row: &SqliteRow, domain: &Domain) -> Result<AgentEntry, StoreError> {
    let tenant: TenantId = parsed(row, "tenant")?;
    let name: AgentName = parsed(row, "name")?;
    let record: Option<Vec<u8>> = column(row, "record")?;
    Ok(AgentEntry {
        root_key: column(row, "root_key")?,
        root_key_declared: declared(row)?,
        former_root_keys: former_root_keys(row)?,
        ownership: ownership(row)?,
        deletion_policy: policy(row)?,
        suspended: column(row, "suspended")?,
        declared_card: card(row, "declared_card")?,
        record: record.map(Arc::from),
        record_created: seconds(row, "record_created")?.unwrap_or_default(),
        registered_card: card(row, "registered_card")?,
        mcp: mcp(row)?,
        ..AgentEntry::new(Did::new(domain, &tenant, &name))
    })
}

/// Without a root key nothing is declared, whatever the column says.
fn declared(row: &SqliteRow) -> Result<bool, StoreError> {
    let root_key: Option<String> = column(row, "root_key")?;
    Ok(root_key.is_some() && column(row, "root_key_declared")?)
}

fn former_root_keys(row: &SqliteRow) -> Result<Vec<FormerRootKey>, StoreError> {
    let name = "former_root_keys";
    let text: Option<String> = column(row, name)?;
    let read = |text: String| serde_json::from_str(&text).map_err(|error| unreadable(name, error));
    text.map_or_else(|| Ok(Vec::new()), read)
}

fn ownership(row: &SqliteRow) -> Result<Ownership, StoreError> {
    let owner: Option<String> = column(row, "owner")?;
    Ok(match (owner, seconds(row, "released")?) {
        (Some(owner), _) => {
            let owner: Owner = owner.parse().map_err(|error| unreadable("owner", error))?;
            Ownership::Owned(owner)
        }
        (None, Some(at)) => Ownership::Released(at),
        (None, None) => Ownership::Unrecorded,
    })
}

fn policy(row: &SqliteRow) -> Result<Option<DeletionPolicy>, StoreError> {
    let text: Option<String> = column(row, "deletion_policy")?;
    match text.as_deref() {
        None => Ok(None),
        Some("Retain") => Ok(Some(DeletionPolicy::Retain)),
        Some("Purge") => Ok(Some(DeletionPolicy::Purge)),
        Some(_) => Err(unreadable("deletion_policy", "neither Retain nor Purge")),
    }
}

fn hash(row: &SqliteRow) -> Result<KeyHash, StoreError> {
    let bytes: Vec<u8> = column(row, "sha256")?;
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| unreadable("sha256", "not 32 bytes"))?;
    Ok(KeyHash::from_bytes(bytes))
}

fn card(row: &SqliteRow, name: &'static str) -> Result<Option<Card>, StoreError> {
    let text: Option<String> = column(row, name)?;
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| unreadable(name, error))
}

fn mcp(row: &SqliteRow) -> Result<Option<Arc<McpSpec>>, StoreError> {
    let url: Option<String> = column(row, "mcp_url")?;
    let accounts: Option<String> = column(row, "mcp_accounts")?;
    let (Some(url), Some(accounts)) = (url, accounts) else { return Ok(None) };
    let accounts = serde_json::from_str(&accounts).map_err(|error| unreadable("mcp_accounts", error))?;
    Ok(Some(Arc::new(McpSpec { url, accounts, endpoint: column(row, "mcp_endpoint")? })))
}

fn seconds(row: &SqliteRow, name: &'static str) -> Result<Option<UnixSeconds>, StoreError> {
    let value: Option<i64> = column(row, name)?;
    value.map(UnixSeconds::try_from).transpose().map_err(|error| unreadable(name, error))
}

fn parsed<T>(row: &SqliteRow, name: &'static str) -> Result<T, StoreError>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = column(row, name)?;
    text.parse().map_err(|error| unreadable(name, error))
}

fn column<'r, T>(row: &'r SqliteRow, name: &'static str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(StoreError::Load)
}

fn unreadable(what: &'static str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Row(what, error.into())
}
