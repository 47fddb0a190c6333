//! Identity of the stored state: a random id, the domain, the version and the highest term.

use protocol::admin::{Term, TermError};
use protocol::did::Domain;
use sqlx::Row as _;
use uuid::Uuid;

use super::{Store, StoreError};

/// Id, version and term of the stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreIdentity {
    /// A random id, generated when the store was created.
    pub instance: String,
    pub version: u64,
    /// The highest term of a leader of the control plane that has written.
    pub term: Option<Term>,
}

impl Store {
    /// Reads the identity. A new store first gets one, together with the tenant `default`.
    pub(crate) async fn identity(&self, domain: &Domain) -> Result<StoreIdentity, StoreError> {
        self.create_identity(domain).await.map_err(StoreError::Load)?;
        let row = sqlx::query("select instance, domain, version, term from directory_meta where id = 1")
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::Load)?;
        let found: String = row.try_get("domain").map_err(StoreError::Load)?;
        if found != domain.as_str() {
            return Err(StoreError::OtherDomain { found, wanted: domain.clone() });
        }
        let version: i64 = row.try_get("version").map_err(StoreError::Load)?;
        let instance = row.try_get("instance").map_err(StoreError::Load)?;
        let term: Option<String> = row.try_get("term").map_err(StoreError::Load)?;
        let term = term.map(|text| text.parse()).transpose();
        let term = term.map_err(|error: TermError| StoreError::Row("term", error.into()))?;
        Ok(StoreIdentity { instance, version: version.unsigned_abs(), term })
    }

    async fn create_identity(&self, domain: &Domain) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let created = sqlx::query(
            "insert into directory_meta (id, instance, domain, version) values (1, ?, ?, 1) on conflict do nothing",
        )
        .bind(Uuid::new_v4().to_string())
        .bind(domain.as_str())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if created > 0 {
            sqlx::query("insert into tenants (tenant, display_name, suspended) values ('default', '', 0)")
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }
}
