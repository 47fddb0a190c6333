//! The commands that change the directory. Each returns the version that contains the change, after
//! the change is committed and enforced.

use protocol::Did;
use protocol::admin::{AgentSpec, KeySpec, McpSpec, TenantSpec};
use protocol::api_key::KeyId;
use protocol::did::{AgentName, TenantId};
use protocol::record::VerifiedRecord;
use tokio::sync::oneshot;

use super::Directory;
use super::decide::{Operation, OperationError};
use super::principal::Principal;
use super::request::{WriteError, WriteRequest, Written};

impl Directory {
    /// # Errors
    /// [`WriteError`]; the tenant is as before.
    pub async fn put_tenant(&self, tenant: TenantId, spec: TenantSpec) -> Result<Written, WriteError> {
        self.write(Operation::PutTenant(tenant, spec)).await
    }

    /// Removes its agents and keys too.
    ///
    /// # Errors
    /// [`WriteError`]; the tenant is as before.
    pub async fn delete_tenant(&self, tenant: TenantId) -> Result<Written, WriteError> {
        self.write(Operation::DeleteTenant(tenant)).await
    }

    /// # Errors
    /// [`WriteError`]; the agent is as before.
    pub async fn put_agent(
        &self,
        tenant: &TenantId,
        name: &AgentName,
        spec: AgentSpec,
    ) -> Result<Written, WriteError> {
        self.write(Operation::PutAgent(self.did(tenant, name), Box::new(spec))).await
    }

    /// # Errors
    /// [`WriteError`]; the agent is as before.
    pub async fn suspend_agent(
        &self,
        tenant: &TenantId,
        name: &AgentName,
        suspended: bool,
    ) -> Result<Written, WriteError> {
        self.write(Operation::SuspendAgent(self.did(tenant, name), suspended)).await
    }

    /// # Errors
    /// [`WriteError`]; the agent is as before.
    pub async fn delete_agent(&self, tenant: &TenantId, name: &AgentName) -> Result<Written, WriteError> {
        self.write(Operation::DeleteAgent(self.did(tenant, name))).await
    }

    /// # Errors
    /// [`WriteError`]; the agent's endpoint is as before.
    pub async fn put_mcp(
        &self,
        tenant: &TenantId,
        name: &AgentName,
        spec: McpSpec,
    ) -> Result<Written, WriteError> {
        self.write(Operation::PutMcp(self.did(tenant, name), spec)).await
    }

    /// # Errors
    /// [`WriteError`]; the agent's endpoint is as before.
    pub async fn delete_mcp(&self, tenant: &TenantId, name: &AgentName) -> Result<Written, WriteError> {
        self.write(Operation::DeleteMcp(self.did(tenant, name))).await
    }

    /// # Errors
    /// [`WriteError`]; the key is as before.
    pub async fn put_key(&self, tenant: TenantId, id: KeyId, spec: KeySpec) -> Result<Written, WriteError> {
        self.write(Operation::PutKey(tenant, id, spec)).await
    }

    /// # Errors
    /// [`WriteError`]; the key is as before.
    pub async fn delete_key(&self, tenant: TenantId, id: KeyId) -> Result<Written, WriteError> {
        self.write(Operation::DeleteKey(tenant, id)).await
    }

    /// Registers the record of `did`, which others can then look up. The caller has verified the
    /// challenge, so the client of `principal` holds a signing key of the record.
    ///
    /// # Errors
    /// The credential does not cover the DID or is no longer valid, another root key or a newer
    /// record is registered, the agent is suspended, the tenant has reached its limit of agents, or
    /// the store failed.
    pub async fn publish(
        &self,
        principal: &Principal,
        did: &Did,
        record: VerifiedRecord,
    ) -> Result<(), WriteError> {
        if record.did != *did || did.domain() != self.domain().as_str() {
            return Err(OperationError::NotCovered.into());
        }
        self.write(Operation::Publish(principal.clone(), Box::new(record))).await.map(|_| ())
    }

    async fn write(&self, operation: Operation) -> Result<Written, WriteError> {
        let (answer, written) = oneshot::channel();
        let request = WriteRequest { operation, answer };
        self.changes.send(request).await.map_err(|_| WriteError::Closed)?;
        // The writer continues when this future is dropped, so a change is never enforced by half.
        written.await.map_err(|_| WriteError::Closed)?
    }
}
