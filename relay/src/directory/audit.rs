//! Writes one log line with the target `audit` for each change: the operation, its subject, and the
//! new version. It contains key ids and never keys.

use super::decide::{AdminOperation, Operation};

pub(super) struct AuditEntry {
    operation: &'static str,
    subject: String,
    /// The owner whose rights were used, or the id of the key of a registration.
    by: String,
}

impl AuditEntry {
    pub(super) fn new(operation: &Operation) -> Self {
        match operation {
            Operation::Administer(requester, operation) => {
                let (operation, subject) = described(operation);
                Self { operation, subject, by: requester.rights().to_string() }
            }
            Operation::Publish(who, record) => {
                Self { operation: "register", subject: record.did.to_string(), by: who.key_id.to_string() }
            }
        }
    }

    pub(super) fn record(&self, version: u64) {
        let Self { operation, subject, by } = self;
        tracing::info!(target: "audit", operation, subject, by, version, "{operation} {subject} by {by}");
    }
}

fn described(operation: &AdminOperation) -> (&'static str, String) {
    match operation {
        AdminOperation::PutTenant(tenant, _) => ("put tenant", tenant.to_string()),
        AdminOperation::DeleteTenant(tenant, _) => ("delete tenant", tenant.to_string()),
        AdminOperation::PutAgent(did, _) => ("put agent", did.to_string()),
        AdminOperation::SuspendAgent(did, true) => ("suspend agent", did.to_string()),
        AdminOperation::SuspendAgent(did, false) => ("resume agent", did.to_string()),
        AdminOperation::DeleteAgent(did, _) => ("delete agent", did.to_string()),
        AdminOperation::PutMcp(did, spec) => ("put mcp", format!("{did} at {}", spec.url)),
        AdminOperation::DeleteMcp(did) => ("delete mcp", did.to_string()),
        AdminOperation::PutKey(tenant, id, _) => ("put key", format!("{tenant}/{id}")),
        AdminOperation::DeleteKey(tenant, id) => ("delete key", format!("{tenant}/{id}")),
        AdminOperation::ChangeInvitations(tenant) => ("take over tenant", tenant.to_string()),
    }
}
