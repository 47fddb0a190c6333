//! Writes one log line with the target `audit` for each change: the operation, its subject, and the
//! new version. It contains key ids and never keys.

use super::decide::Operation;

pub(super) struct AuditEntry {
    operation: &'static str,
    subject: String,
}

impl AuditEntry {
    pub(super) fn new(operation: &Operation) -> Self {
        let (operation, subject) = match operation {
            Operation::PutTenant(tenant, _) => ("put tenant", tenant.to_string()),
            Operation::DeleteTenant(tenant) => ("delete tenant", tenant.to_string()),
            Operation::PutAgent(did, _) => ("put agent", did.to_string()),
            Operation::SuspendAgent(did, true) => ("suspend agent", did.to_string()),
            Operation::SuspendAgent(did, false) => ("resume agent", did.to_string()),
            Operation::DeleteAgent(did) => ("delete agent", did.to_string()),
            Operation::PutMcp(did, spec) => ("put mcp", format!("{did} at {}", spec.url)),
            Operation::DeleteMcp(did) => ("delete mcp", did.to_string()),
            Operation::PutKey(tenant, id, _) => ("put key", format!("{tenant}/{id}")),
            Operation::DeleteKey(tenant, id) => ("delete key", format!("{tenant}/{id}")),
            Operation::Publish(who, record) => ("register", format!("{} by {}", record.did, who.key_id)),
        };
        Self { operation, subject }
    }

    pub(super) fn record(&self, version: u64) {
        let Self { operation, subject } = self;
        tracing::info!(target: "audit", operation, subject, version, "{operation} {subject}");
    }
}
