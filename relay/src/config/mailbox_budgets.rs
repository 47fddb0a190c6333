//! Fits the budgets of all mailboxes to the volume that holds them, so that the relay refuses
//! messages by a quota before the disk is full.

use super::Limits;
use crate::store::VolumePlan;

impl Limits {
    /// These limits with budgets that the volume can hold. A tenant's budget keeps its proportion
    /// to the relay's, so that no tenant gets the whole of a small volume.
    #[must_use]
    pub fn on_volume(mut self, plan: VolumePlan) -> Self {
        (self.relay_mailbox_bytes, self.tenant_mailbox_bytes) =
            fit(self.relay_mailbox_bytes, self.tenant_mailbox_bytes, plan.mailbox_bytes);
        (self.relay_mailbox_messages, self.tenant_mailbox_messages) =
            fit(self.relay_mailbox_messages, self.tenant_mailbox_messages, plan.mailbox_messages);
        self
    }
}

/// The budgets of the relay and of a tenant, of which the relay's is at most `max`.
pub(super) fn fit(relay: u64, tenant: u64, max: u64) -> (u64, u64) {
    if relay <= max {
        return (relay, tenant.min(relay));
    }
    let scaled = u128::from(tenant.min(relay)) * u128::from(max) / u128::from(relay.max(1));
    (max, u64::try_from(scaled).unwrap_or(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_or_unknown_volume_changes_no_budget() {
        let limits = Limits::default();
        assert_eq!(limits.on_volume(VolumePlan::new(u64::MAX)), limits);
        assert_eq!(limits.on_volume(VolumePlan::new(1 << 40)), limits);
    }

    #[test]
    fn a_small_volume_bounds_the_relay_and_a_tenant_keeps_its_proportion() {
        let plan = VolumePlan::new(256 << 20);
        let limits = Limits::default().on_volume(plan);
        assert_eq!(limits.relay_mailbox_bytes, plan.mailbox_bytes);
        assert_eq!(limits.tenant_mailbox_bytes, plan.mailbox_bytes / 2);
        assert_eq!(limits.relay_mailbox_messages, plan.mailbox_messages);
        assert_eq!(limits.tenant_mailbox_messages, plan.mailbox_messages / 2);
    }

    #[test]
    fn a_tenant_never_gets_more_than_the_relay() {
        assert_eq!(fit(100, 500, 1_000), (100, 100));
        assert_eq!(fit(1_000, 5_000, 100), (100, 100));
        assert_eq!(fit(1_000, 250, 100), (100, 25));
    }
}
