//! The changes that can be asked for. Each answers with the version that contains it, committed and enforced.

use protocol::admin::{AgentSpec, KeySpec, McpSpec, TenantSpec};
use protocol::api_key::KeyId;
use protocol::did::{AgentName, TenantId};
use tokio::sync::oneshot;

use super::Directory;
use super::decide::Operation;
use super::request::{Request, WriteError, Written};

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

    pub(super) async fn write(&self, operation: Operation) -> Result<Written, WriteError> {
        let (answer, written) = oneshot::channel();
        let request = Request { operation, answer };
        self.changes.send(request).await.map_err(|_| WriteError::Closed)?;
        // The writer goes on when this future is dropped: a change is made and enforced whole or not at all.
        written.await.map_err(|_| WriteError::Closed)?
    }
}
