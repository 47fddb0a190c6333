//! Regression tests: a refusal names the quota that is used up, and how much is there without the
//! request that was refused.

use protocol::quota::{Quota, QuotaName};

use super::*;

/// Sends messages of three bytes to bob, who is away, until one is refused.
fn quota_of_first_refusal(limits: CoreLimits) -> (Reason, QuotaName, u64, u64) {
    let mut relay = TestCore::with(limits);
    relay.open(1, ALICE);
    for _ in 0..9 {
        if let Some(SendError { reason, quota, .. }) = error(&relay.reliable(1, ALICE, BOB)) {
            let Quota { name, limit, current, .. } = quota.unwrap();
            return (reason, name, limit, current);
        }
    }
    panic!("nothing was refused");
}

#[test]
fn current_is_what_is_there_without_the_refused_request() {
    let (mailbox, storage, overloaded) = (Reason::MailboxFull, Reason::StorageFull, Reason::Overloaded);
    let all = test_limits();
    for (limits, expected) in [
        (CoreLimits { mailbox_messages: 2, ..all.clone() }, (mailbox, QuotaName::MailboxMessages, 2, 2)),
        (CoreLimits { mailbox_bytes: 8, ..all.clone() }, (mailbox, QuotaName::MailboxBytes, 8, 6)),
        (CoreLimits { tenant_messages: 2, ..all.clone() }, (storage, QuotaName::TenantMailboxMessages, 2, 2)),
        (CoreLimits { tenant_bytes: 8, ..all.clone() }, (storage, QuotaName::TenantMailboxBytes, 8, 6)),
        (CoreLimits { relay_messages: 2, ..all.clone() }, (storage, QuotaName::RelayMailboxMessages, 2, 2)),
        (CoreLimits { relay_bytes: 7, ..all.clone() }, (storage, QuotaName::RelayMailboxBytes, 7, 6)),
        (CoreLimits { held_bytes_max: 8, ..all.clone() }, (overloaded, QuotaName::MemoryBytes, 8, 6)),
        (CoreLimits { unanswered_sends: 2, ..all.clone() }, (overloaded, QuotaName::UnansweredSends, 2, 2)),
        (CoreLimits { dedup_entries_max: 2, ..all }, (overloaded, QuotaName::DedupEntries, 2, 2)),
    ] {
        assert_eq!(quota_of_first_refusal(limits), expected);
    }
}
