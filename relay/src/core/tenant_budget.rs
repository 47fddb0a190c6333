//! The rows and bytes that the mailboxes of one tenant, and those of all tenants, hold and may
//! hold.

use daemon::token_bucket::TokenBucket;
use protocol::quota::QuotaName;

use super::CoreLimits;
use super::limits::RESERVED_PART;
use super::send_error::ExceededLimit;

/// Messages and notices, and the bytes of the messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MailboxUsage {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// The rate limit and the usage of one tenant.
#[derive(Debug)]
pub(super) struct TenantBudget {
    pub(super) bucket: TokenBucket,
    pub(super) usage: MailboxUsage,
    /// Rows of its agents that wait for the store.
    pub(super) writing: usize,
    /// The tenant was removed, and its rows are leaving.
    pub(super) removed: bool,
}

impl TenantBudget {
    pub(super) fn new(bucket: TokenBucket) -> Self {
        Self { bucket, usage: MailboxUsage::default(), writing: 0, removed: false }
    }
}

impl MailboxUsage {
    pub(super) const fn add(&mut self, size: u32) {
        self.messages += 1;
        self.bytes += size as u64;
    }

    /// False if less was counted than is taken away, which cannot be.
    #[must_use]
    pub(super) const fn subtract(&mut self, size: u32) -> bool {
        let enough = self.messages >= 1 && self.bytes >= size as u64;
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size as u64);
        enough
    }
}

/// The limit that one more message of this size would exceed.
pub(super) fn exceeded_budget(
    size: usize,
    tenant: MailboxUsage,
    relay: MailboxUsage,
    tenants: usize,
    limits: &CoreLimits,
) -> Option<ExceededLimit> {
    let size = size as u64;
    let exceeded = |name, limit, current| Some(ExceededLimit { name, limit, current });
    if tenant.messages >= limits.tenant_messages {
        return exceeded(QuotaName::TenantMailboxMessages, limits.tenant_messages, tenant.messages);
    }
    if tenant.bytes + size > limits.tenant_bytes {
        return exceeded(QuotaName::TenantMailboxBytes, limits.tenant_bytes, tenant.bytes);
    }
    let tenants = tenants.max(1) as u64;
    if !fits(1, tenant.messages, relay.messages, limits.relay_messages, tenants) {
        return exceeded(QuotaName::RelayMailboxMessages, limits.relay_messages, relay.messages);
    }
    if !fits(size, tenant.bytes, relay.bytes, limits.relay_bytes, tenants) {
        return exceeded(QuotaName::RelayMailboxBytes, limits.relay_bytes, relay.bytes);
    }
    None
}

/// Whether `more` fits: into what all share, or into the reserve if the tenant has less than its
/// equal part of that.
const fn fits(more: u64, tenant: u64, relay: u64, max: u64, tenants: u64) -> bool {
    let reserve = max / RESERVED_PART;
    let all = relay + more;
    all + reserve <= max || (all <= max && tenant + more <= reserve / tenants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_for_tenants_that_hold_little() {
        assert!(fits(1, 699, 699, 800, 2), "there is room for all");
        assert!(!fits(1, 700, 700, 800, 2), "the rest is reserved");
        assert!(fits(1, 49, 749, 800, 2), "half of the reserve");
        assert!(!fits(1, 50, 750, 800, 2), "more than half of the reserve");
        assert!(!fits(1, 0, 800, 800, 2), "full");
    }

    #[test]
    fn less_than_nothing_is_noticed() {
        let mut usage = MailboxUsage::default();
        usage.add(10);
        assert!(usage.subtract(10));
        assert!(!usage.subtract(1));
    }
}
